"""A Python client that is generated from the document speaks to the real server."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.server

PROGRAM = Path(__file__).with_name("shopper.py")

# Files are bytes, whatever is in them.
BYTES = "application/octet-stream"
CONFIG = {
    "content_type_overrides": dict.fromkeys(["image/png", "image/svg+xml", "text/csv"], BYTES),
    # Our own formatter has nothing to say about it.
    "post_hooks": [],
}


def run(*command, folder, **environment):
    return subprocess.run(
        command,
        cwd=folder,
        env={"PATH": str(Path(sys.executable).parent), "HOME": str(folder), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )


@pytest.fixture(scope="module")
def client(document, tmp_path_factory):
    """The folder with the generated package."""
    folder = tmp_path_factory.mktemp("python")
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG), encoding="utf-8")
    made = run(
        Path(sys.executable).with_name("openapi-python-client"),
        "generate",
        "--path",
        document,
        "--config",
        "config.yaml",
        "--meta",
        "none",
        "--output-path",
        folder / "coupons_client",
        "--fail-on-warning",
        folder=folder,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    return folder


def test_it_signs_in_redeems_is_refused_by_name_and_refreshes_its_token(client, service):
    ran = run(sys.executable, PROGRAM, folder=client, PYTHONPATH=str(client), **service)

    assert ran.returncode == 0, ran.stderr


@pytest.mark.long
def test_it_and_a_program_that_uses_it_are_typed(client):
    # In place of this project's own settings.
    (client / "mypy.ini").write_text("[mypy]\nstrict = true\n", encoding="utf-8")
    (client / PROGRAM.name).write_bytes(PROGRAM.read_bytes())

    checked = run(sys.executable, "-m", "mypy", "coupons_client", PROGRAM.name, folder=client)

    assert checked.returncode == 0, checked.stdout
