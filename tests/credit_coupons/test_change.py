"""PATCH /v1/coupons/<id>."""

from uuid import uuid4

import pytest
from sqlalchemy.exc import IntegrityError

from coupon_management_flask.audit.rules import discrepancies
from coupon_management_flask.credit_coupons import coupons

from ..support.envelope import invalid, ok, refused, shown, shown_with_code
from ..support.people import make_coupon

CHANGES = {
    "name": "renamed",
    "value": 70,
    "hidden_code": "Autumn-9",
    "number_left": 2,
    "expiration_date": "2100-01-02T03:04:05Z",
    "active": False,
}


def use(person, coupon):
    return person.post(f"/v1/coupons/use/{coupon.hidden_code}")


@pytest.mark.parametrize("field", CHANGES)
def test_what_is_named_changes_and_nothing_else(admin, books, field):
    coupon, other = make_coupon(), make_coupon()
    others = {
        name: [row for row in rows if coupon.id not in row and coupon.stock_id not in row]
        for name, rows in books().items()
    }

    answer = admin.patch(f"/v1/coupons/{coupon.id}", json={field: CHANGES[field]})

    ok(answer, {"coupons": shown_with_code(coupon, **{field: CHANGES[field]})})
    assert admin.get("/v1/coupons?all=true").json["data"]["coupons"] == [
        answer.json["data"]["coupons"],
        shown_with_code(other),
    ]
    assert {
        name: [row for row in rows if coupon.id not in row and coupon.stock_id not in row]
        for name, rows in books().items()
    } == others


def test_all_of_it_changes_at_once(admin):
    coupon = make_coupon()

    ok(
        admin.patch(f"/v1/coupons/{coupon.id}", json=CHANGES),
        {"coupons": {"id": str(coupon.id), **CHANGES}},
    )


def test_an_empty_change_is_fine_and_changes_nothing(admin, books):
    coupon = make_coupon()
    before = books()

    ok(admin.patch(f"/v1/coupons/{coupon.id}", json={}), {"coupons": shown_with_code(coupon)})
    assert books() == before


def test_the_number_left_is_what_is_left_whatever_was_used(admin, alice, bob, person):
    carol, dave = person(), person()
    coupon = make_coupon(value=0, number_left=5)
    for somebody in (alice, bob):
        assert use(somebody, coupon).status_code == 200

    ok(
        admin.patch(f"/v1/coupons/{coupon.id}", json={"number_left": 1}),
        {"coupons": shown_with_code(coupon, number_left=1)},
    )

    assert use(carol, coupon).json["data"]["redemption"]["coupon"] == shown(coupon, number_left=0)
    refused(use(dave, coupon), 400, "coupon_exhausted")
    assert list(discrepancies()) == []


@pytest.mark.parametrize("number_left", [0, 1, 1_000_000_000])
def test_an_exhausted_coupon_may_get_more(admin, alice, bob, number_left):
    coupon = make_coupon(value=0, number_left=1)
    assert use(alice, coupon).status_code == 200

    answer = admin.patch(f"/v1/coupons/{coupon.id}", json={"number_left": number_left})

    ok(answer, {"coupons": shown_with_code(coupon, number_left=number_left)})
    assert use(bob, coupon).status_code == (200 if number_left else 400)
    refused(
        use(alice, coupon), 400, "coupon_already_used" if number_left > 1 else "coupon_exhausted"
    )


def test_a_new_price_is_what_the_next_one_pays(admin, alice, bob):
    coupon = make_coupon(value=30)
    assert use(alice, coupon).json["data"]["credit"] == 70

    admin.patch(f"/v1/coupons/{coupon.id}", json={"value": 60})

    assert use(bob, coupon).json["data"]["credit"] == 40
    ok(
        alice.get(f"/v1/user/{alice.id}"),
        {"user": {"id": str(alice.id), "username": "alice", "name": "Alice", "credit": 70}},
    )
    assert list(discrepancies()) == []


def test_a_new_hidden_code_replaces_the_old_one(admin, alice):
    coupon = make_coupon(hidden_code="Spring-7")

    admin.patch(f"/v1/coupons/{coupon.id}", json={"hidden_code": "Autumn-9"})

    refused(alice.post("/v1/coupons/use/Spring-7"), 404, "coupon_not_found")
    refused(
        alice.post(f"/v1/coupons/{coupon.id}/use", json={"hidden_code": "Spring-7"}),
        400,
        "wrong_hidden_code",
    )
    ok(
        alice.get("/v1/coupons/autumn-9"),
        {"coupons": shown_with_code(coupon, hidden_code="Autumn-9")},
    )
    # The old one is free again.
    assert make_coupon(hidden_code="Spring-7").id != coupon.id


@pytest.mark.parametrize("hidden_code", ["Spring-7", "SPRING-7"])
def test_its_own_hidden_code_is_not_taken(admin, hidden_code):
    coupon = make_coupon(hidden_code="Spring-7")

    ok(
        admin.patch(f"/v1/coupons/{coupon.id}", json={"hidden_code": hidden_code}),
        {"coupons": shown_with_code(coupon, hidden_code=hidden_code)},
    )


@pytest.mark.parametrize("hidden_code", ["Autumn-9", "AUTUMN-9"])
@pytest.mark.parametrize("active", [True, False])
def test_a_hidden_code_that_another_has_is_refused_and_nothing_of_it_changes(
    admin, books, hidden_code, active
):
    make_coupon(hidden_code="Autumn-9", active=active)
    coupon = make_coupon(hidden_code="Spring-7")
    before = books()

    refused(
        admin.patch(f"/v1/coupons/{coupon.id}", json={**CHANGES, "hidden_code": hidden_code}),
        409,
        "hidden_code_taken",
    )
    assert books() == before


def test_a_rule_of_the_database_that_is_not_about_the_code_is_not_told_as_a_code_taken(app, books):
    coupon = make_coupon()
    before = books()

    with pytest.raises(IntegrityError):
        coupons.change_coupon(coupon.id, {"value": -1, "hidden_code": "Spring-7"})
    assert books() == before


@pytest.mark.parametrize(("field", "value"), [("number_left", -1), ("color", "red")])
def test_where_one_field_is_wrong_or_unknown_nothing_changes(admin, books, field, value):
    coupon = make_coupon()
    before = books()

    invalid(admin.patch(f"/v1/coupons/{coupon.id}", json={**CHANGES, field: value}), field)
    assert books() == before


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b"", "malformed_request"),
        (b"{", "malformed_request"),
        (b"[]", "validation_error"),
        (b"null", "validation_error"),
    ],
)
def test_what_is_no_object_is_refused(admin, books, body, name):
    coupon = make_coupon()
    before = books()

    refused(admin.patch(f"/v1/coupons/{coupon.id}", data=body), 400, name)
    assert books() == before


@pytest.mark.parametrize(
    "body", [{}, {"number_left": 1}, CHANGES], ids=["nothing", "number_left", "all"]
)
def test_an_unknown_coupon_is_refused(admin, books, body):
    make_coupon()
    before = books()

    for nobody in (uuid4(), admin.id):
        refused(admin.patch(f"/v1/coupons/{nobody}", json=body), 404, "coupon_not_found")
    assert books() == before


def test_an_id_that_is_no_uuid_is_refused(admin):
    invalid(admin.patch("/v1/coupons/7", json={}), "coupon_id")


def test_without_a_token_and_without_the_role_nothing_is_looked_at(client, alice, books):
    coupon = make_coupon()
    before = books()

    for path, options in (
        (coupon.id, {"json": {"active": False}}),
        (uuid4(), {"json": {}}),
        (7, {"data": b"{"}),
    ):
        refused(client.patch(f"/v1/coupons/{path}", **options), 401, "authentication_required")
        refused(alice.patch(f"/v1/coupons/{path}", **options), 403, "permission_denied")
    assert books() == before
