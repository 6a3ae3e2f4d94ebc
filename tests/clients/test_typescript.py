"""A TypeScript client that is generated from the document speaks to the real server."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from .conftest import NODE_MODULES, needs_npm

pytestmark = [pytest.mark.server, needs_npm]

PROGRAM = Path(__file__).with_name("shopper.ts")

STRICT = {
    "compilerOptions": {
        "strict": True,
        "noUncheckedIndexedAccess": True,
        "exactOptionalPropertyTypes": True,
        "noPropertyAccessFromIndexSignature": True,
        "noUnusedLocals": True,
        "module": "nodenext",
        "target": "es2022",
        "types": ["node"],
        "outDir": "made",
    },
    "files": ["shopper.ts"],
}


def run(*command, folder, **environment):
    return subprocess.run(
        command,
        cwd=folder,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )


@pytest.fixture(scope="module")
def client(document, tmp_path_factory):
    """The folder with the generated types."""
    folder = tmp_path_factory.mktemp("typescript")
    (folder / "node_modules").symlink_to(NODE_MODULES)
    (folder / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    (folder / "tsconfig.json").write_text(json.dumps(STRICT), encoding="utf-8")
    (folder / PROGRAM.name).write_bytes(PROGRAM.read_bytes())
    tool = NODE_MODULES / ".bin" / "openapi-typescript"
    made = run(tool, document, "--output", "api.ts", folder=folder)
    assert made.returncode == 0, made.stdout + made.stderr
    return folder


def test_it_signs_in_redeems_is_refused_by_name_and_refreshes_its_token(client, service):
    compiled = run(NODE_MODULES / ".bin" / "tsc", folder=client)
    assert compiled.returncode == 0, compiled.stdout

    ran = run("node", "made/shopper.js", folder=client, **service)

    assert (ran.returncode, ran.stdout) == (0, "done\n"), ran.stderr
