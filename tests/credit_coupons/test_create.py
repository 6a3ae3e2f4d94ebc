"""POST /v1/coupons."""

import re

import pytest

from coupon_management_flask.audit.rules import discrepancies

from ..support.envelope import (
    AN_ID,
    each,
    invalid,
    meta,
    ok,
    refused,
)
from ..support.people import make_coupon

BODY = {
    "name": "one",
    "value": 50,
    "hidden_code": "Spring-7",
    "number_left": 5,
    "expiration_date": "2100-01-02T03:04:05Z",
    "active": True,
}


def created(**expected):
    return {"coupons": {"id": AN_ID, **BODY, **expected}}


def test_the_new_coupon_is_shown_with_its_code_and_can_be_used(admin, alice):
    answer = admin.post("/v1/coupons", json=BODY)

    ok(answer, created(), 201)
    coupon = answer.json["data"]["coupons"]
    ok(admin.get("/v1/coupons"), {"coupons": [coupon], "meta": meta(1, 1, 1)})
    assert (
        alice.post("/v1/coupons/use/Spring-7").json["data"]["redemption"]["coupon"]["id"]
        == coupon["id"]
    )
    assert list(discrepancies()) == []


def test_it_is_active_unless_told_otherwise(admin):
    body = {name: value for name, value in BODY.items() if name != "active"}

    ok(admin.post("/v1/coupons", json=body), created(active=True), 201)
    ok(
        admin.post("/v1/coupons", json={**BODY, "active": False, "hidden_code": "Spring-8"}),
        created(active=False, hidden_code="Spring-8"),
        201,
    )


def test_without_a_hidden_code_it_gets_one_without_look_alikes(admin):
    body = {name: value for name, value in BODY.items() if name != "hidden_code"}

    codes = set()
    for _ in range(20):
        answer = admin.post("/v1/coupons", json=body)
        hidden_code = answer.json["data"]["coupons"]["hidden_code"]
        ok(answer, created(hidden_code=hidden_code), 201)
        assert re.fullmatch(r"[2-9A-HJKMNP-Z]{12}", hidden_code)
        codes.add(hidden_code)
    assert len(codes) == 20


@pytest.mark.parametrize(
    ("field", "value"),
    each(
        name=["x", "x" * 200, " ", "Sommer 50 %, 夏"],
        value=[0, 1_000_000_000],
        hidden_code=["x", "x" * 64, "use", "100%", "a?b#c", "夏 7"],
        number_left=[0, 1, 1_000_000_000],
        expiration_date=[
            "2026-01-02T03:04:05Z",
            "2100-01-02T03:04:05.678901Z",
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59.999999Z",
        ],
    ),
)
def test_a_field_may_go_to_its_bounds(admin, field, value):
    ok(admin.post("/v1/coupons", json={**BODY, field: value}), created(**{field: value}), 201)
    assert admin.get("/v1/coupons?all=true").json["data"]["coupons"][0][field] == value


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("2100-01-02T03:04:05+02:00", "2100-01-02T01:04:05Z"),
        ("2100-01-01T23:30:00-05:30", "2100-01-02T05:00:00Z"),
        ("2100-01-02t03:04:05z", "2100-01-02T03:04:05Z"),
        ("2100-01-02T03:04:05.5Z", "2100-01-02T03:04:05.500000Z"),
        ("2100-01-02T03:04:05.000Z", "2100-01-02T03:04:05Z"),
    ],
)
def test_times_come_with_any_zone_and_go_in_utc(admin, given, shown):
    ok(
        admin.post("/v1/coupons", json={**BODY, "expiration_date": given}),
        created(expiration_date=shown),
        201,
    )


@pytest.mark.parametrize(
    ("taken", "asked"),
    [
        ("Spring-7", "Spring-7"),
        ("Spring-7", "SPRING-7"),
        ("Straße", "STRASSE"),
        ("caf\u00e9", "CAFE\u0301"),
    ],
)
@pytest.mark.parametrize("active", [True, False])
def test_a_hidden_code_that_is_taken_is_refused_without_case(admin, books, taken, asked, active):
    make_coupon(hidden_code=taken, active=active)
    before = books()

    refused(
        admin.post("/v1/coupons", json={**BODY, "hidden_code": asked}), 409, "hidden_code_taken"
    )
    assert books() == before


@pytest.mark.parametrize(("field", "value"), [("value", "50"), ("color", "red")])
def test_a_field_that_is_wrong_or_unknown_is_refused(admin, books, field, value):
    before = books()

    invalid(admin.post("/v1/coupons", json={**BODY, field: value}), field)
    assert books() == before


def test_every_wrong_field_is_named(admin, books):
    before = books()

    invalid(
        admin.post("/v1/coupons", json={"name": 1, "value": "x", "number_left": 1, "color": "red"}),
        "name",
        "value",
        "expiration_date",
        "color",
    )
    assert books() == before


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b"", "malformed_request"),
        (b"{", "malformed_request"),
        (b"[]", "validation_error"),
        (b"1", "validation_error"),
    ],
)
def test_what_is_no_object_is_refused(admin, books, body, name):
    before = books()

    refused(admin.post("/v1/coupons", data=body), 400, name)
    assert books() == before


def test_without_a_token_and_without_the_role_nothing_is_looked_at(client, alice, books):
    make_coupon(hidden_code="Spring-7")
    before = books()

    for options in ({"json": BODY}, {"data": b"{"}):
        refused(client.post("/v1/coupons", **options), 401, "authentication_required")
        refused(alice.post("/v1/coupons", **options), 403, "permission_denied")
    assert books() == before
