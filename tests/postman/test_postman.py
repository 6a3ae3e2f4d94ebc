"""The Postman collection: newman runs it against a real server as somebody would who has imported it."""

import json
import os
import re
import subprocess
from typing import Any

import pytest

from coupon_management_flask.credit_coupons.errors import MESSAGES

from ..conftest import DATABASES
from ..support.server import ROOT, Server, assert_books_add_up, run_flask, running_server

NEWMAN = ROOT / "tests" / "tools" / "node_modules" / ".bin" / "newman"
COLLECTION = ROOT / "postman" / "credit-coupons.postman_collection.json"
ENVIRONMENT = ROOT / "postman" / "local.postman_environment.json"

# The words of the contract itself, and those that all contracts have and a client of this one meets first.
REFUSALS = {*MESSAGES, "validation_error", "authentication_required", "invalid_token", "permission_denied"}

needs_newman = pytest.mark.skipif(not NEWMAN.exists(), reason="newman is not installed: tests/tools/install installs it, where there is npm")


@pytest.fixture(scope="module", params=DATABASES)
def server(request, new_database):
    """What `make run` starts, limits on guessing included, with the administrator of the environment."""
    database_url = new_database(request.param)
    values = {one["key"]: one["value"] for one in json.loads(ENVIRONMENT.read_text())["values"]}
    run_flask("seed-demo", database_url=database_url)
    credentials = ["--username", values["admin_username"], "--password", values["admin_password"]]
    run_flask("create-admin", "--email", "admin@example.com", *credentials, database_url=database_url)
    with running_server(database_url, RATE_LIMITS_ENABLED="true") as server:
        yield server
        assert_books_add_up(database_url)


@pytest.fixture(scope="module")
def runs(server, tmp_path_factory):
    """newman's reports of two runs in a row."""
    folder = tmp_path_factory.mktemp("newman")
    return [run_collection(server, folder / f"{number}.json") for number in (1, 2)]


def run_collection(server: Server, report: Any) -> Any:
    command = [NEWMAN, "run", COLLECTION, "--environment", ENVIRONMENT, "--env-var", f"base_url={server.url}"]
    options = ["--reporters", "json", "--reporter-json-export", report, "--timeout-request", "10000"]
    ran = subprocess.run([*command, *options], env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, timeout=120, check=False)
    assert report.exists(), ran.stdout + ran.stderr
    return json.loads(report.read_text())["run"]


def template(path: str) -> str:
    """A path in which whatever stands for a value is `{}`."""
    return re.sub(r"\{+[^{}]+\}+", "{}", path)


@needs_newman
def test_the_collection_passes_twice_in_a_row_on_one_server(runs):
    for run in runs:
        assert [f"{failure['source']['name']}: {failure['error']['message']}" for failure in run["failures"]] == []
        assert run["stats"]["items"]["total"] == sum(len(folder["item"]) for folder in json.loads(COLLECTION.read_text())["item"])


@needs_newman
def test_every_request_of_the_collection_has_checks_of_its_own(runs):
    for execution in runs[0]["executions"]:
        checks = {check["assertion"] for check in execution["assertions"]} - {"The answer is in an envelope"}
        assert checks, execution["item"]["name"]


@needs_newman
def test_every_call_of_the_contract_is_sent_and_succeeds(server, runs):
    described = {
        (method.upper(), template(path))
        for path, operations in server.request("GET", "/openapi.json").json()["paths"].items()
        if path.startswith("/v1/")
        for method in operations.keys() - {"parameters"}
    }

    succeeded = {
        (execution["request"]["method"], template("/" + "/".join(execution["item"]["request"]["url"]["path"])))
        for execution in runs[0]["executions"]
        if execution["response"]["code"] < 300
    }

    assert succeeded == described


@needs_newman
def test_every_refusal_of_the_contract_is_met(runs):
    bodies = [json.loads(bytes(execution["response"]["stream"]["data"])) for execution in runs[0]["executions"]]

    assert {body["error"]["error_code"] for body in bodies if body.get("error")} == REFUSALS


def test_the_environment_has_every_variable_that_the_collection_reads():
    collection = COLLECTION.read_text()
    read = set(re.findall(r"\{\{(\w+)\}\}|environment\.get\(\\?\"(\w+)", collection))
    set_on_the_way = set(re.findall(r"collectionVariables\.set\(\\\"(\w+)", collection))

    assert {name for names in read for name in names if name} - set_on_the_way <= {one["key"] for one in json.loads(ENVIRONMENT.read_text())["values"]}
