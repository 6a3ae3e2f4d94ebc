"""Size comes before work: what is too large, too long or too deep is refused unread.

What a refusal costs is counted: calls, bytes, memory. A deadline is there only for what would take
minutes.
"""

import io
import ipaddress
import json
import tracemalloc
import unicodedata
from collections.abc import Iterator
from types import SimpleNamespace
from urllib.parse import quote

import email_validator
import marshmallow as ma
import pytest
from marshmallow import validate
from werkzeug.formparser import FormDataParser

from coupon_management_flask import create_app
from coupon_management_flask.admin import console as admin_console
from coupon_management_flask.admin.editing import use_cases as admin_use_cases
from coupon_management_flask.discount_coupons.schemas.coupons import SortBy
from coupon_management_flask.promos.schemas import CountriesField, Day
from coupon_management_flask.text import codes
from coupon_management_flask.vouchers.schemas import Details
from coupon_management_flask.web.body import (
    MOST_FAULTS,
    AmountField,
    BoundedList,
    BoundedSchema,
    Credential,
    IdField,
    Moment,
    QueryTruth,
    QueryWhole,
    Text,
    Truth,
    Whole,
)

from ..conftest import settings_for

# Fields that look at the type, the length or a short pattern before anything else.
BOUNDED_FIELDS = (
    AmountField,
    Credential,
    Day,
    Details,
    IdField,
    Moment,
    QueryTruth,
    QueryWhole,
    SortBy,
    Text,
    Truth,
    Whole,
)
BYTES_FOR_A_REFUSAL = 8_000


def packed(body):
    return json.dumps(body, separators=(",", ":"))


def refusal(answer):
    """Check that an error takes few bytes; return its status and name, whatever its contract."""
    assert len(answer.data) < BYTES_FOR_A_REFUSAL
    return answer.status_code, answer.json.get("error_code") or answer.json["error"]["error_code"]


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """An application whose database has no tables and must not be needed."""
    return create_app(settings_for(f"sqlite:///{tmp_path_factory.mktemp('sizes')}/empty.db"))


def inputs(app) -> Iterator[tuple[str, ma.Schema]]:
    """Yield what each route takes, and what administrators' forms do."""
    for endpoint, view in app.view_functions.items():
        taken = getattr(view, "_apidoc", {}).get("arguments", {}).get("parameters", [])
        yield from ((endpoint, one["schema"]) for one in taken if "schema" in one)
    for module in (admin_console, admin_use_cases):
        for name, value in vars(module).items():
            if isinstance(value, type) and issubclass(value, BoundedSchema):
                yield f"{module.__name__}.{name}", value()


def unbounded(field: ma.fields.Field, name: str) -> Iterator[str]:
    """Yield what in a field can be of any size."""
    if isinstance(field, ma.fields.Nested):
        yield from unbounded_fields(field.schema, name)
    elif isinstance(field, BoundedList):
        # The list of countries is one of texts that are lists themselves. It has a test below.
        if isinstance(field, CountriesField):
            return
        yield from unbounded(field.inner, f"{name}[]")
    elif not isinstance(field, BOUNDED_FIELDS) and not (
        # What is not among a few words is refused unread, and `_Typed` of e-mail coupons and
        # `_Day` have tests below.
        any(isinstance(rule, validate.OneOf) for rule in field.validators)
        or type(field).__name__ in ("EmailField", "WebsiteField", "_Day")
    ):
        yield name


def unbounded_fields(schema: ma.Schema, name: str) -> Iterator[str]:
    if not isinstance(schema, BoundedSchema):
        yield name
    for key, field in schema.load_fields.items():
        yield from unbounded(field, f"{name}.{key}")


def test_all_that_any_route_takes_is_looked_at_for_its_size_first(everything):
    found = list(inputs(everything))
    assert len(found) > 40

    assert [one for name, schema in found for one in unbounded_fields(schema, name)] == []


MARKS = "\u0301\u0327" * 64_000


@pytest.fixture
def normalised(monkeypatch):
    """The lengths of the texts that email-validator was given."""
    lengths, check = [], email_validator.validate_email
    monkeypatch.setattr(
        email_validator,
        "validate_email",
        lambda text, **how: lengths.append(len(text)) or check(text, **how),
    )
    return lengths


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/auth/register/", {"email": f"a{MARKS}@example.com"}),
        ("/api/auth/register/", {"email": f"a@{MARKS}.com"}),
        ("/api/auth/password-reset/", {"email": f"a{MARKS}@example.com"}),
        ("/api/business/auth/sign-up", {"email": f"a{MARKS}@example.com"}),
        ("/api/user/auth/sign-up", {"email": f"a{MARKS}@example.com"}),
        ("/api/coupons/", {"email": f"a{MARKS}@example.com", "website": "example.com"}),
        ("/api/coupons/", {"email": "a@example.com", "website": f"{MARKS}.com"}),
        ("/api/coupons/", {"email": " " * 250_000, "website": "x" * 250_000}),
    ],
)
def test_an_address_that_is_too_long_is_refused_before_it_is_normalised(
    everything, normalised, path, body
):
    answer = everything.test_client().post(path, data=packed(body))

    assert refusal(answer) == (400, "validation_error")
    assert all(length <= 254 for length in normalised)


OBJECTS = [
    {f"field{number}": 1 for number in range(60_000)},
    {"x" * 900_000: 1},
    {"email": [{}] * 300_000, "username": [{}], "text": {}},
    {"email": {f"field{number}": {} for number in range(50_000)}},
]


@pytest.mark.parametrize("body", OBJECTS, ids=["fields", "long name", "list", "object"])
@pytest.mark.parametrize(
    "path",
    [
        "/v1/auth/login",
        "/api/auth/register",
        "/api/auth/login",
        "/api/auth/password-reset",
        "/api/auth/token/refresh",
        "/api/coupons",
        "/api/business/auth/sign-up",
        "/api/user/auth/sign-up",
    ],
)
def test_a_body_of_a_megabyte_is_refused_in_a_few_words(everything, path, body):
    client = everything.test_client()

    answer = client.post(path, data=packed(body))

    assert refusal(answer) == (400, "validation_error")


DEEP = [b"[" * 500_000, b'{"a":' * 150_000, b'{"email":' + b"[" * 500 + b"]" * 500 + b"}"]


@pytest.mark.parametrize("body", DEEP, ids=["lists", "objects", "a list of 500 lists"])
@pytest.mark.parametrize(
    "path",
    ["/v1/auth/login", "/api/auth/register", "/api/coupons", "/api/user/auth/sign-up"],
)
def test_json_that_is_nested_deeply_is_a_bad_request(everything, path, body):
    answer = everything.test_client().post(path, data=body)

    assert refusal(answer)[0] == 400


@pytest.mark.parametrize(
    "number", ["1" * 100_000, "1e1000000", "-1e1000000", "1e-1000000", "0." + "1" * 100_000]
)
def test_a_number_of_any_length_is_a_bad_request(everything, number):
    answer = everything.test_client().post("/v1/auth/login", data=f'{{"username": {number}}}')

    assert refusal(answer)[0] == 400


def cart(items):
    return {"code": "SPRING", "cartTotal": 1, "items": items}


@pytest.mark.parametrize(
    "items",
    [[{}] * 300_000, [{}] * 10_000, [{"productId": 1, "quantity": "x", "no": 1}] * 9_000],
    ids=["300,000 empty ones", "10,000 empty ones", "9,000 wrong ones"],
)
def test_twenty_faults_of_a_cart_are_told_and_no_more_are_looked_for(alice, books, items):
    body, before = packed(cart(items)), books()
    alice.post("/api/v1/coupons/validate", data=packed(cart([{}])))
    tracemalloc.start()
    try:
        answer = alice.post("/api/v1/coupons/validate", data=body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert refusal(answer) == (400, "validation_error")
    # What reading the JSON takes is linear. The faults of 300,000 items took 400 MB.
    assert peak < 40_000_000
    assert books() == before


def test_at_most_twenty_faults_of_a_body_are_told(alice):
    wrong = {
        "code": 1,
        "cartTotal": -1,
        "productIds": [1] * 50,
        "items": [{"productId": 1}] * 50,
        **{f"field{number}": 1 for number in range(15)},
    }

    answer = alice.post("/api/v1/coupons/validate", data=packed(wrong))

    assert refusal(answer) == (400, "validation_error")
    assert answer.json["message"].count(": ") == MOST_FAULTS


def test_best_is_asked_among_at_most_1000_items(alice):
    item = {"productId": "a", "quantity": 1, "unitPrice": 1}

    def ask(call, count):
        body = {"cartTotal": count, "items": [item] * count}
        return alice.post(f"/api/v1/coupons/{call}", data=packed(body))

    assert ask("best", 1_000).status_code == 200
    assert refusal(ask("best", 1_001)) == (400, "validation_error")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/coupons/" + "x" * 17_000, (414, "url_too_long")),
        ("/api/user/feed?category=" + "x" * 17_000, (414, "url_too_long")),
        ("/nothing/" * 2_000, (414, "url_too_long")),
        ("/v1/coupons/" + "x" * 15_000, (401, "authentication_required")),
    ],
)
def test_a_url_that_is_too_long_is_refused_in_the_contracts_body(everything, path, status):
    assert refusal(everything.test_client().get(path)) == status


@pytest.mark.parametrize(
    "name",
    ["Accept", "Content-Type", "Cookie", "If-None-Match", "Idempotency-Key", "Stripe-Signature"],
)
@pytest.mark.parametrize("path", ["/api/ping", "/api/payments/webhook", "/v1/auth/login"])
def test_a_header_that_is_too_long_is_refused_unread(everything, path, name):
    answer = everything.test_client(use_cookies=False).open(path, headers={name: "a,=;" * 20_000})

    assert refusal(answer) == (431, "headers_too_large")


def test_a_chain_of_proxies_that_is_too_long_is_not_followed(tmp_path, monkeypatch):
    app = create_app(
        settings_for(f"sqlite:///{tmp_path}/empty.db", trusted_proxies=["10.0.0.0/8", "127.0.0.1"])
    )
    looked_at, read = [], ipaddress.ip_address
    monkeypatch.setattr(ipaddress, "ip_address", lambda one: looked_at.append(one) or read(one))

    answer = app.test_client().get(
        "/api/ping", headers={"X-Forwarded-For": ",".join(["10.0.0.1"] * 50_000)}
    )

    assert refusal(answer) == (431, "headers_too_large")
    assert len(looked_at) < 5_000


@pytest.mark.parametrize("marks", [60, 2_500])
@pytest.mark.parametrize(
    "path",
    [
        "/v1/coupons/{}",
        "/v1/coupons/use/{}",
        "/api/vouchers/detail/{}",
        "/api/v1/coupons/code/{}",
    ],
)
def test_a_code_of_any_length_in_a_path_is_not_found_at_the_price_of_a_short_one(
    alice, monkeypatch, path, marks
):
    lengths, normalise = [], unicodedata.normalize
    fake = SimpleNamespace(
        normalize=lambda form, text: lengths.append(len(text)) or normalise(form, text)
    )
    monkeypatch.setattr(codes, "unicodedata", fake)
    call = alice.post if "use" in path else alice.get

    answer = call(path.format("a" + quote("\u0301" * marks)))

    assert refusal(answer)[0] == 404
    assert all(length <= 256 for length in lengths)


@pytest.mark.parametrize("path", ["/reset-password", "/admin/sign-in"])
def test_a_form_of_many_fields_is_refused_unread(everything, path, monkeypatch):
    read = []
    monkeypatch.setattr(
        FormDataParser, "parse", lambda *_, **__: read.append(1) or pytest.fail("it was read")
    )
    client, form = everything.test_client(), "&".join(f"a{number}" for number in range(100_000))

    in_chunks = {
        "input_stream": io.BytesIO(form.encode()),
        "environ_overrides": {"wsgi.input_terminated": True},
    }
    for how in ({"data": form}, in_chunks):
        answer = client.post(path, content_type="application/x-www-form-urlencoded", **how)
        assert answer.status_code == 413
        assert len(answer.data) < BYTES_FOR_A_REFUSAL
    assert read == []
