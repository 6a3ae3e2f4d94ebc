"""What the description of the API promises to whoever makes a client from it."""

import re

import pytest

from coupon_management_flask import create_app
from coupon_management_flask.web.contract import MESSAGES
from coupon_management_flask.web.describing import SECURITY_SCHEMES

from ..conftest import settings_for
from ..support.server import ROOT
from .test_openapi import answers_of, operations

PUBLIC_URL = "https://coupons.example.com"

# A name that says nothing of what it is about.
VAGUE = {"read", "list", "create", "change", "delete", "test", "apply", "best", "refund", "redeem"}


@pytest.fixture(scope="module")
def application(tmp_path_factory):
    file = tmp_path_factory.mktemp("openapi") / "empty.db"
    return create_app(settings_for(f"sqlite:///{file}", public_url=PUBLIC_URL))


@pytest.fixture(scope="module")
def spec(application):
    return application.test_client().get("/openapi.json").json


def references(part):
    if isinstance(part, dict):
        if "$ref" in part:
            yield part["$ref"].rpartition("/")[2]
        for inner in part.values():
            yield from references(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from references(inner)


def reached_from(spec, part):
    """Return the names of the schemas that a part of the document is made of."""
    schemas = spec["components"]["schemas"]
    found, new = set(), set(references(part)) & schemas.keys()
    while new:
        found |= new
        new = {name for one in new for name in references(schemas[one])} - found
    return found


def objects(part):
    if isinstance(part, dict):
        if part.get("type") == "object" and "properties" in part:
            yield part
        for inner in part.values():
            yield from objects(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from objects(inner)


def test_every_operation_has_a_name_of_its_own_that_a_programmer_would_give(spec):
    names = [operation["operationId"] for _, operation in operations(spec)]

    assert len(names) == len(set(names))
    for name in names:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", name), name
        # `_of_` is what the document helps itself with where two views share a name.
        assert "_of_coupon_management" not in name, name
    assert VAGUE & {*names} == set()
    assert {"redeem_coupon", "use_credit_coupon_by_code", "activate_promo"} <= {*names}


def test_every_row_of_a_table_is_about_a_view(application):
    for routes in application.blueprints.values():
        rows = set(getattr(routes, "described", {}))
        views = {
            view.__name__
            for endpoint, view in application.view_functions.items()
            if endpoint.startswith(f"{routes.name}.")
        }
        assert rows <= views, routes.name


def test_every_operation_says_more_than_its_summary(spec):
    for name, operation in operations(spec):
        assert len(operation["description"]) > len(operation["summary"]), name
        assert re.search(r"^(For |Anybody )", operation["description"], re.MULTILINE), name


def test_every_operation_says_its_security_or_that_there_is_none(spec):
    assert spec["components"]["securitySchemes"] == SECURITY_SCHEMES
    for name, operation in operations(spec):
        assert {scheme for one in operation["security"] for scheme in one} <= {*SECURITY_SCHEMES}
        path = name.split()[1]
        if operation["security"]:
            (first, *_) = operation["security"][0]
            is_of_companies = path.startswith("/api/business/")
            assert is_of_companies == (first == "companyToken"), name
            assert ("refreshToken" in first) == path.endswith("/token/refresh"), name


def test_every_error_names_its_codes_and_shows_each_as_the_contract_tells_it(spec):
    schemas = spec["components"]["schemas"]
    for name, operation in operations(spec):
        for status, answer in answers_of(spec, operation).items():
            if not status.startswith(("4", "5")) or name == "GET /api/health":
                continue
            codes = answer["x-error-codes"]
            content = answer["content"]["application/json"]
            assert codes, (name, status)
            # There is always something that is not found, by name.
            assert "not_found" not in codes, name
            assert [*content["examples"]] == codes, (name, status)
            listed = {
                code
                for schema in reached_from(spec, content["schema"])
                for code in schemas[schema].get("enum", ())
            }
            assert {*codes} <= listed, (name, status)
            for code in codes:
                assert f"`{code}`" in answer["description"], (name, status)
                assert code in str(content["examples"][code]["value"]), (name, code)


def test_every_contract_lists_what_any_of_its_paths_may_answer(spec):
    lists = [
        schema["enum"]
        for name, schema in spec["components"]["schemas"].items()
        if name.endswith("ErrorCode")
    ]
    assert len(lists) == 5
    for listed in lists:
        assert {*MESSAGES, "host_not_allowed"} <= {*listed}
        assert listed == sorted(listed)


def test_the_server_is_the_public_one_and_the_licence_is_that_of_the_file(spec):
    assert [server["url"] for server in spec["servers"]] == [PUBLIC_URL]
    first = (ROOT / "LICENSE").read_text(encoding="utf-8").splitlines()[0]
    assert first == f"{spec['info']['license']['name']} License"
    assert spec["info"]["license"]["identifier"] == "MIT"


def test_schemas_of_requests_are_closed_and_those_of_answers_are_open(spec):
    schemas = spec["components"]["schemas"]
    bodies = [operation.get("requestBody", {}) for _, operation in operations(spec)]
    asked = reached_from(spec, bodies)
    answered = reached_from(
        spec, [answers_of(spec, operation) for _, operation in operations(spec)]
    )

    assert {name for name in asked & answered if schemas[name]["type"] == "object"} == set()
    for name in asked:
        for schema in objects(schemas[name]):
            assert schema["additionalProperties"] is False, name
            # Generated clients would have to send what has one.
            assert not any("default" in one for one in schema["properties"].values()), name
    for name in answered:
        for schema in objects(schemas[name]):
            assert schema.get("additionalProperties") is not False, name


def test_amounts_and_envelopes_are_named_and_say_what_is_always_there(spec):
    schemas = spec["components"]["schemas"]
    amounts = {
        property_name: described
        for name in ("Applied", "Redeemed", "Transaction", "VoucherStats")
        for property_name, described in schemas[name]["properties"].items()
        if re.search("amount|value$|savings|^price|total_paid", property_name, re.IGNORECASE)
    }
    assert len(amounts) >= 8
    for name, described in amounts.items():
        assert described["$ref"].endswith("/Amount"), name
    assert schemas["OrderWithCode"]["properties"]["cartTotal"]["$ref"].endswith("/AmountInput")

    envelopes = [name for name, schema in schemas.items() if "timestamp" in str(schema)]
    assert len(envelopes) >= 10
    for name in envelopes:
        assert set(schemas[name]["required"]) == set(schemas[name]["properties"]), name
    pages = [name for name in schemas if name.endswith("Page")]
    assert len(pages) >= 8
    for name in pages:
        assert set(schemas[name]["required"]) == set(schemas[name]["properties"]), name


@pytest.mark.parametrize(
    ("whole", "parts", "never_together"),
    [
        ("Order", ["OrderWithCode", "OrderWithCodes"], {"code", "codes"}),
        ("NewPromo", ["NewCommonPromo", "NewUniquePromo"], {"promo_common", "promo_unique"}),
        (
            "NewPayment",
            ["NewVoucherPayment", "NewCreditPayment"],
            {"voucher_type_id", "credit_amount"},
        ),
    ],
)
def test_a_body_that_is_one_of_two_is_described_as_one_of_two(spec, whole, parts, never_together):
    schemas = spec["components"]["schemas"]

    assert [one["$ref"].rpartition("/")[2] for one in schemas[whole]["oneOf"]] == parts
    for part in parts:
        (own,) = never_together & schemas[part]["properties"].keys()
        assert own in schemas[part]["required"]


def test_what_a_body_can_not_be_is_said(spec):
    schemas = spec["components"]["schemas"]

    assert {"USD", "EUR", "JPY"} < {*schemas["Currency"]["enum"]}
    assert {"GB", "US", "RU"} < {*schemas["Country"]["enum"]}
    assert schemas["NewCommonPromo"]["properties"]["mode"]["const"] == "COMMON"
    assert schemas["NewPromo"]["discriminator"]["propertyName"] == "mode"
    assert schemas["NewWebhook"]["properties"]["url"]["pattern"] == "^https://"
    assert schemas["DiscountCouponChanges"]["minProperties"] == 1
    assert schemas["Schedule"]["dependentRequired"] == {"from": ["until"], "until": ["from"]}


def test_every_request_has_an_example_of_all_that_it_needs(spec):
    for name, operation in operations(spec):
        for parameter in operation.get("parameters", []):
            if parameter["in"] == "path" or parameter.get("required"):
                assert "example" in parameter, (name, parameter["name"])
        for content in operation.get("requestBody", {}).get("content", {}).values():
            assert "example" in content, name


def test_each_worker_writes_the_same_document(application, tmp_path):
    again = create_app(settings_for(f"sqlite:///{tmp_path}/other.db", public_url=PUBLIC_URL))

    documents = [app.test_client().get("/openapi.json").data for app in (application, again)]

    assert documents[0] == documents[1]
