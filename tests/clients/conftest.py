"""The OpenAPI document as a file, and a service with the example data for clients of it."""

import json

import pytest

from coupon_management_flask import create_app

from ..conftest import settings_for
from ..support.server import ROOT, run_command, running_server

NODE_MODULES = ROOT / "tests" / "tools" / "node_modules"

needs_npm = pytest.mark.skipif(
    not (NODE_MODULES / "openapi-typescript").exists(),
    reason="linters and makers of clients are not installed: tests/tools/install installs them, "
    "where there is npm",
)


@pytest.fixture(scope="session")
def document(tmp_path_factory):
    """The document in a file. It needs no database."""
    folder = tmp_path_factory.mktemp("document")
    answer = (
        create_app(settings_for(f"sqlite:///{folder}/none.db")).test_client().get("/openapi.json")
    )
    file = folder / "openapi.json"
    # A linter names lines.
    file.write_text(json.dumps(answer.json, indent=1), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def service(new_database):
    """Give each program a service of its own, with the example data, and a shop's key."""
    database = new_database("sqlite")
    run_command("seed-demo", database_url=database)
    permissions = ["--permission", "getCoupons", "--permission", "manageCoupons"]
    key = run_command(
        "api-keys", "create", "--service", "shop", *permissions, database_url=database
    )
    with running_server(database, workers=1) as server:
        yield {"SERVICE_URL": server.url, "API_KEY": key.strip()}
