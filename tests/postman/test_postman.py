"""The Postman collections: newman runs each against a real server as somebody would who has imported it."""

import json
import os
import re
import subprocess
from dataclasses import dataclass
from typing import Any

import pytest

from coupon_management_flask.credit_coupons.errors import MESSAGES as CREDIT_MESSAGES
from coupon_management_flask.discount_coupons.errors import MESSAGES as DISCOUNT_MESSAGES
from coupon_management_flask.promos.errors import MESSAGES as PROMO_MESSAGES

from ..conftest import DATABASES
from ..support.server import ROOT, Server, assert_books_add_up, copy_checkout, run_flask, running_server

NEWMAN = ROOT / "tests" / "tools" / "node_modules" / ".bin" / "newman"
FOLDER = ROOT / "postman"
ENVIRONMENT = FOLDER / "local.postman_environment.json"

# What all contracts refuse and a client meets first, beside the words of its own contract.
FIRST_MET = {"validation_error", "authentication_required", "invalid_token"}
MET_ON_THE_WAY = {*FIRST_MET, "malformed_request", "idempotency_key_reused", "not_found", "method_not_allowed"}
COMPANIES_ALONE = {"not_your_promo", "max_count_too_low"}
USERS_ALONE = {"comment_not_found", "not_your_comment", "promo_inactive", "promo_not_targeted", "antifraud_refused"}


@dataclass(frozen=True)
class Collection:
    """`prefixes` are what it walks through, `refusals` what it meets there."""

    name: str
    prefixes: tuple[str, ...]
    refusals: frozenset[str]

    @property
    def text(self) -> str:
        return (FOLDER / f"{self.name}.postman_collection.json").read_text(encoding="utf-8")

    def covers(self, path: str) -> bool:
        return any(path == prefix or path.startswith(f"{prefix}/") for prefix in self.prefixes)


COLLECTIONS = [
    Collection("credit-coupons", ("/v1",), frozenset({*CREDIT_MESSAGES, *FIRST_MET, "permission_denied"})),
    Collection(
        "discount-coupons",
        ("/api/v1",),
        frozenset({*DISCOUNT_MESSAGES, *MET_ON_THE_WAY, "permission_denied", "webhook_not_found", "delivery_not_found"}),
    ),
    Collection(
        "email-coupons",
        ("/api/coupons",),
        frozenset({*FIRST_MET, "malformed_request", "not_found", "method_not_allowed", "permission_denied", "rate_limited", "usage_limit_exceeded"}),
    ),
    Collection("promo-business", ("/api/ping", "/api/business"), frozenset(PROMO_MESSAGES.keys() - USERS_ALONE | MET_ON_THE_WAY)),
    Collection("promo-user", ("/api/user",), frozenset(PROMO_MESSAGES.keys() - COMPANIES_ALONE | MET_ON_THE_WAY)),
]

needs_newman = pytest.mark.skipif(not NEWMAN.exists(), reason="newman is not installed: tests/tools/install installs it, where there is npm")


@pytest.fixture(scope="module", params=DATABASES)
def database(request, new_database):
    return new_database(request.param)


@pytest.fixture(scope="module")
def server(database, tmp_path_factory):
    """What `make run` starts, limits included, with the administrator of the environment. But no run waits for the next minute."""
    values = read_environment()
    run_flask("seed-demo", database_url=database)
    credentials = ["--username", values["admin_username"], "--password", values["admin_password"]]
    run_flask("create-admin", "--email", "admin@example.com", *credentials, database_url=database)
    limits = {"RATE_LIMITS_ENABLED": "true", "RATE_LIMIT_COUPONS": "1000 per minute"}
    checkout = copy_checkout(tmp_path_factory.mktemp("checkout"))
    with running_server(database, workers=1, checkout=checkout, EMAIL_BACKEND="", **limits) as server:
        yield server
        assert_books_add_up(database)


@pytest.fixture(scope="module")
def api_key(server, database):
    """What a shop's server signs in with."""
    permissions = ["--permission", "getCoupons", "--permission", "manageCoupons"]
    return run_flask("api-keys", "create", "--service", "shop", *permissions, database_url=database).stdout.strip()


@pytest.fixture(scope="module", params=COLLECTIONS, ids=lambda collection: collection.name)
def collection(request):
    return request.param


@pytest.fixture(scope="module")
def runs(server, api_key, collection, tmp_path_factory):
    """newman's reports of two runs in a row."""
    folder = tmp_path_factory.mktemp("newman")
    return [run_collection(collection, server, api_key, folder / f"{number}.json") for number in (1, 2)]


def run_collection(collection: Collection, server: Server, api_key: str, report: Any) -> Any:
    file = FOLDER / f"{collection.name}.postman_collection.json"
    command = [NEWMAN, "run", file, "--environment", ENVIRONMENT, "--env-var", f"base_url={server.url}", "--env-var", f"api_key={api_key}"]
    options = ["--reporters", "json", "--reporter-json-export", report, "--timeout-request", "10000"]
    ran = subprocess.run([*command, *options], env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, timeout=120, check=False)
    assert report.exists(), ran.stdout + ran.stderr
    return json.loads(report.read_text())["run"]


def read_environment() -> dict[str, str]:
    return {one["key"]: one["value"] for one in json.loads(ENVIRONMENT.read_text())["values"]}


def template(path: str) -> str:
    """A path in which whatever stands for a value is `{}`, and a slash at the end nothing."""
    return re.sub(r"\{+[^{}]+\}+", "{}", path).rstrip("/")


def test_every_collection_there_is_is_run():
    assert {file.name.partition(".")[0] for file in FOLDER.glob("*.postman_collection.json")} == {collection.name for collection in COLLECTIONS}


@needs_newman
def test_a_collection_passes_twice_in_a_row_on_one_server(collection, runs):
    for run in runs:
        assert [f"{failure['source']['name']}: {failure['error']['message']}" for failure in run["failures"]] == []
        assert run["stats"]["items"]["total"] == sum(len(folder["item"]) for folder in json.loads(collection.text)["item"])


@needs_newman
def test_every_request_of_a_collection_has_checks_of_its_own(collection, runs):
    shared = {name for event in json.loads(collection.text)["event"] for name in re.findall(r'pm\.test\("(.+?)"', "\n".join(event["script"]["exec"]))}
    assert shared
    for execution in runs[0]["executions"]:
        checks = {check["assertion"] for check in execution["assertions"]} - shared
        assert checks, execution["item"]["name"]


@needs_newman
def test_every_call_of_the_contract_is_sent_and_succeeds(server, collection, runs):
    described = {
        (method.upper(), template(path))
        for path, operations in server.request("GET", "/openapi.json").json()["paths"].items()
        for method in operations.keys() - {"parameters"}
    }

    succeeded = {
        (execution["request"]["method"], template("/" + "/".join(execution["item"]["request"]["url"]["path"])))
        for execution in runs[0]["executions"]
        if execution["response"]["code"] < 300
    }

    # On their way collections may call others' paths: somebody has to activate what a company publishes.
    assert {call for call in succeeded if collection.covers(call[1])} == {call for call in described if collection.covers(call[1])}
    assert succeeded <= described


@needs_newman
def test_every_refusal_of_the_contract_is_met(collection, runs):
    bodies = [body_of(execution["response"]) for execution in runs[0]["executions"]]

    # Lists stand bare; an envelope has the refusal inside.
    refusals = [body.get("error") or body for body in bodies if isinstance(body, dict)]
    assert {refusal["error_code"] for refusal in refusals if "error_code" in refusal} == collection.refusals


def body_of(response: Any) -> Any:
    """None where it is no JSON: a file, or nothing at all."""
    text = bytes(response["stream"]["data"])
    return json.loads(text) if text.startswith((b"{", b"[")) else None


def test_the_environment_has_every_variable_that_a_collection_reads(collection):
    read = set(re.findall(r"\{\{(\w+)\}\}|environment\.get\(\\?\"(\w+)", collection.text))

    assert {name for names in read for name in names if name} - set_on_the_way(collection) <= read_environment().keys()


def test_no_variable_that_is_set_on_the_way_is_hidden_by_one_of_the_environment(collection):
    assert set_on_the_way(collection) & read_environment().keys() == set()


def set_on_the_way(collection: Collection) -> set[str]:
    return set(re.findall(r"collectionVariables\.set\(\\\"(\w+)", collection.text))
