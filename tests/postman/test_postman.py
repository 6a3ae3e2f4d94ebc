"""The Postman collections, which newman runs against a real server as their users would."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from coupon_management_flask.credit_coupons.errors import MESSAGES as CREDIT_MESSAGES
from coupon_management_flask.discount_coupons.errors import MESSAGES as DISCOUNT_MESSAGES
from coupon_management_flask.discount_coupons.wording import REFUSALS
from coupon_management_flask.payments.errors import MESSAGES as PAYMENT_MESSAGES
from coupon_management_flask.promos.errors import MESSAGES as PROMO_MESSAGES
from coupon_management_flask.vouchers.errors import MESSAGES as VOUCHER_MESSAGES

from ..support.server import (
    ROOT,
    Server,
    assert_books_add_up,
    copy_checkout,
    run_command,
    running_server,
)
from ..support.stripe import PUBLISHABLE_KEY, SECRET_KEY, WEBHOOK_SECRET, running_stripe

pytestmark = pytest.mark.server

NEWMAN = ROOT / "tests" / "tools" / "node_modules" / ".bin" / "newman"
FOLDER = ROOT / "postman"
ENVIRONMENT = FOLDER / "local.postman_environment.json"

# Refusals of every contract that a client meets first, besides those of its own contract.
FIRST_MET = {"validation_error", "authentication_required", "invalid_token"}
MET_ON_THE_WAY = {
    *FIRST_MET,
    "malformed_request",
    "idempotency_key_reused",
    "not_found",
    "method_not_allowed",
}
COMPANIES_ALONE = {"not_your_promo", "max_count_too_low"}
# Meeting these would take days, a Stripe that is down, or a bank with a mind of its own.
NOT_MET_IN_A_MINUTE = {
    "voucher_expired",
    "too_many_open_payments",
    "voucher_frozen",
    "refund_period_over",
    "payment_provider_error",
    "payment_in_progress",
    "payment_disputed",
    "payment_unknown",
    "already_refunded",
    "refund_refused",
    "refund_failed",
}
# A shop meets this where somebody else buys vouchers.
OF_PURCHASES = "belongs_to_purchase"
WITHOUT_STRIPE = "payments_not_configured"
USERS_ALONE = {
    "comment_not_found",
    "not_your_comment",
    "promo_inactive",
    "promo_not_targeted",
    "antifraud_refused",
}


@dataclass(frozen=True)
class Collection:
    """A collection: the `prefixes` of paths that it covers, and the `refusals` that it meets."""

    name: str
    prefixes: tuple[str, ...]
    refusals: frozenset[str]

    @property
    def text(self) -> str:
        return (FOLDER / f"{self.name}.postman_collection.json").read_text(encoding="utf-8")

    def covers(self, path: str) -> bool:
        return any(path == prefix or path.startswith(f"{prefix}/") for prefix in self.prefixes)


COLLECTIONS = [
    Collection(
        "credit-coupons", ("/v1",), frozenset({*CREDIT_MESSAGES, *FIRST_MET, "permission_denied"})
    ),
    Collection(
        "discount-coupons",
        ("/api/v1",),
        frozenset(
            {
                *DISCOUNT_MESSAGES,
                *MET_ON_THE_WAY,
                "permission_denied",
                "webhook_not_found",
                "delivery_not_found",
            }
            - {OF_PURCHASES}
        ),
    ),
    Collection(
        "email-coupons",
        ("/api/coupons",),
        frozenset(
            {
                *FIRST_MET,
                "malformed_request",
                "not_found",
                "method_not_allowed",
                "permission_denied",
                "rate_limited",
                "usage_limit_exceeded",
            }
        ),
    ),
    Collection(
        "promo-business",
        ("/api/ping", "/api/business"),
        frozenset(PROMO_MESSAGES.keys() - USERS_ALONE | MET_ON_THE_WAY),
    ),
    Collection(
        "promo-user",
        ("/api/user",),
        frozenset(PROMO_MESSAGES.keys() - COMPANIES_ALONE | MET_ON_THE_WAY),
    ),
    Collection(
        "vouchers-payments",
        tuple(
            f"/api/{name}"
            for name in ("auth", "users", "vouchers", "payments", "analytics", "health", "test")
        ),
        frozenset(
            {
                *VOUCHER_MESSAGES,
                *PAYMENT_MESSAGES,
                *MET_ON_THE_WAY,
                "wrong_credentials",
                "permission_denied",
                "rate_limited",
            }
            - {*REFUSALS, *NOT_MET_IN_A_MINUTE, WITHOUT_STRIPE}
            # The collection of discount coupons meets the others.
            | {"coupon_not_found", "usage_limit_exceeded", OF_PURCHASES}
        ),
    ),
]

needs_newman = pytest.mark.skipif(
    not NEWMAN.exists(),
    reason="newman is not installed: tests/tools/install installs it, where there is npm",
)


# The walk over every endpoint on SQLite. On PostgreSQL all other tests make it.
@pytest.fixture(
    scope="module", params=[pytest.param("postgresql", marks=pytest.mark.long), "sqlite"]
)
def database(request, new_database):
    return new_database(request.param)


@pytest.fixture(scope="module")
def stripe():
    with running_stripe() as stripe:
        yield stripe


@pytest.fixture(scope="module")
def server(database, stripe, tmp_path_factory):
    run_command("seed-demo", database_url=database)
    keys = {
        "STRIPE_SECRET_KEY": SECRET_KEY,
        "STRIPE_PUBLISHABLE_KEY": PUBLISHABLE_KEY,
        "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
    }
    with serving(database, tmp_path_factory, STRIPE_API_BASE=stripe.url, **keys) as server:
        yield server


@contextmanager
def serving(database: str, folders: pytest.TempPathFactory, **settings: str) -> Iterator[Server]:
    """Run what `make run` starts, limits included, with the administrator of the environment.

    The limit on e-mail coupons is higher, so that no run waits for the next minute.
    """
    values = read_environment()
    credentials = ["--username", values["admin_username"], "--password", values["admin_password"]]
    run_command("create-admin", "--email", "admin@example.com", *credentials, database_url=database)
    limits = {"RATE_LIMITS_ENABLED": "true", "RATE_LIMIT_COUPONS": "1000 per minute"}
    checkout = copy_checkout(folders.mktemp("checkout"))
    with running_server(
        database, workers=1, checkout=checkout, EMAIL_BACKEND="", **limits, **settings
    ) as server:
        yield server
        assert_books_add_up(database)


@pytest.fixture(scope="module")
def api_key(server, database):
    """The key that a shop's server signs in with."""
    permissions = ["--permission", "getCoupons", "--permission", "manageCoupons"]
    return run_command(
        "api-keys", "create", "--service", "shop", *permissions, database_url=database
    ).strip()


@pytest.fixture(scope="module", params=COLLECTIONS, ids=lambda collection: collection.name)
def collection(request):
    return request.param


@pytest.fixture(scope="module")
def run(server, api_key, stripe, collection, tmp_path_factory):
    """The report of newman."""
    variables = {
        "api_key": api_key,
        "stripe_api_base": stripe.url,
        "stripe_secret_key": SECRET_KEY,
        "stripe_webhook_secret": WEBHOOK_SECRET,
    }
    return run_collection(collection.name, server, tmp_path_factory.mktemp("newman"), **variables)


def run_collection(name: str, server: Server, folder: Path, **variables: str) -> Any:
    report = folder / "report.json"
    command: list[Any] = [
        NEWMAN,
        "run",
        FOLDER / f"{name}.postman_collection.json",
        "--environment",
        ENVIRONMENT,
    ]
    for variable, value in {"base_url": server.url, **variables}.items():
        command += ["--env-var", f"{variable}={value}"]
    options = [
        "--reporters",
        "json",
        "--reporter-json-export",
        report,
        "--timeout-request",
        "10000",
    ]
    ran = subprocess.run(
        [*command, *options],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert report.exists(), ran.stdout + ran.stderr
    return json.loads(report.read_text())["run"]


def failures(run: Any) -> list[str]:
    return [
        f"{failure['source']['name']}: {failure['error']['message']}" for failure in run["failures"]
    ]


def read_environment() -> dict[str, str]:
    return {one["key"]: one["value"] for one in json.loads(ENVIRONMENT.read_text())["values"]}


def template(path: str) -> str:
    """Replace every variable of a path by `{}` and drop a slash at its end."""
    return re.sub(r"\{+[^{}]+\}+", "{}", path).rstrip("/")


def test_every_collection_there_is_is_run():
    assert {file.name.partition(".")[0] for file in FOLDER.glob("*.postman_collection.json")} == {
        collection.name for collection in COLLECTIONS
    }


@needs_newman
def test_a_collection_passes_and_sends_all_its_requests(collection, run):
    assert failures(run) == []
    assert run["stats"]["items"]["total"] == sum(
        len(folder["item"]) for folder in json.loads(collection.text)["item"]
    )


@needs_newman
def test_every_request_of_a_collection_has_checks_of_its_own(collection, run):
    shared = {
        name
        for event in json.loads(collection.text)["event"]
        for name in re.findall(r'pm\.test\("(.+?)"', "\n".join(event["script"]["exec"]))
    }
    assert shared
    for execution in run["executions"]:
        checks = {check["assertion"] for check in execution["assertions"]} - shared
        assert checks, execution["item"]["name"]


@needs_newman
def test_every_call_of_the_contract_is_sent_and_succeeds(server, collection, run):
    described = {
        (method.upper(), template(path))
        for path, operations in server.request("GET", "/openapi.json").json()["paths"].items()
        for method in operations.keys() - {"parameters"}
        # Other names of calls that it sends.
        if not operations[method].get("deprecated")
    }

    succeeded = {
        (
            execution["request"]["method"],
            template("/" + "/".join(execution["item"]["request"]["url"]["path"])),
        )
        for execution in run["executions"]
        # A buyer who pays by card also calls Stripe.
        if execution["response"]["code"] < 300
        and execution["item"]["request"]["url"]["host"] == ["{{base_url}}"]
    }

    # Collections may call paths of others on their way. For example, somebody has to activate what
    # a company publishes.
    assert {call for call in succeeded if collection.covers(call[1])} == {
        call for call in described if collection.covers(call[1])
    }
    assert succeeded <= described


@needs_newman
def test_every_refusal_of_the_contract_is_met(collection, run):
    assert refusals(run) == collection.refusals


@pytest.mark.long
@needs_newman
def test_vouchers_are_bought_with_credit_where_there_is_no_stripe(new_database, tmp_path_factory):
    with serving(new_database("sqlite"), tmp_path_factory) as server:
        run = run_collection("vouchers-payments", server, tmp_path_factory.mktemp("newman"))

    assert failures(run) == []
    assert WITHOUT_STRIPE in refusals(run)
    assert run["executions"][-1]["item"]["name"] == "Read the profile after signing out"


def refusals(run: Any) -> set[str]:
    """Return the names of all refusals."""
    bodies = [
        body
        for execution in run["executions"]
        if isinstance(body := body_of(execution["response"]), dict)
    ]
    # An envelope has the refusal inside.
    told = [
        inner if isinstance(inner := body.get("error"), dict) and inner else body for body in bodies
    ]
    return {refusal["error_code"] for refusal in told if "error_code" in refusal}


def body_of(response: Any) -> Any:
    """Decode a JSON body. Return None for a file or an empty body."""
    text = bytes(response["stream"]["data"])
    return json.loads(text) if text.startswith((b"{", b"[")) else None


def test_the_environment_has_every_variable_that_a_collection_reads(collection):
    read = set(re.findall(r"\{\{(\w+)\}\}|environment\.get\(\\?\"(\w+)", collection.text))

    assert {name for names in read for name in names if name} - set_on_the_way(
        collection
    ) <= read_environment().keys()


def test_no_variable_that_is_set_on_the_way_is_hidden_by_one_of_the_environment(collection):
    assert set_on_the_way(collection) & read_environment().keys() == set()


def set_on_the_way(collection: Collection) -> set[str]:
    return set(re.findall(r"collectionVariables\.set\(\\\"(\w+)", collection.text))
