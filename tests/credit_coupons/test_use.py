"""POST /v1/coupons/use/<hidden_code> and POST /v1/coupons/<id>/use."""

from datetime import timedelta
from itertools import combinations
from urllib.parse import quote
from uuid import uuid4

import pytest

from coupon_management_flask.audit.rules import discrepancies
from coupon_management_flask.core import clock
from coupon_management_flask.db.dialects import is_postgresql
from coupon_management_flask.identity import failed_attempts

from ..support.books import read_books
from ..support.envelope import AN_ID, NOW, invalid, meta, ok, refused, shown
from ..support.people import make_coupon, make_user, sign_in

pytestmark = pytest.mark.both_databases


def use_by_code(person, coupon, code=None, **options):
    return person.post(f"/v1/coupons/use/{quote(code or coupon.hidden_code)}", **options)


def use_chosen(person, coupon, code=None, **options):
    return person.post(
        f"/v1/coupons/{coupon.id}/use", json={"hidden_code": code or coupon.hidden_code}, **options
    )


def look_up(person, coupon, code=None, **options):
    return person.get(f"/v1/coupons/{quote(code or coupon.hidden_code)}", **options)


WAYS = {"by code": use_by_code, "chosen": use_chosen}
GUESSES = {
    "use by code": (use_by_code, 404, "coupon_not_found"),
    "use of a chosen": (use_chosen, 400, "wrong_hidden_code"),
}
GUESSES |= {"look-up": (look_up, 404, "coupon_not_found")}

either_way = pytest.mark.parametrize("use", WAYS.values(), ids=WAYS)


def used(coupon, *, number_left, credit, spent=None):
    spent = coupon.value if spent is None else spent
    return {
        "redemption": {
            "id": AN_ID,
            "coupon": shown(coupon, number_left=number_left),
            "credit_spent": spent,
            "redeemed_at": NOW,
        },
        "credit": credit,
    }


@either_way
def test_a_use_takes_one_unit_and_the_credit_and_is_written_down(alice, use):
    coupon = make_coupon(value=30, number_left=5)

    answer = use(alice, coupon)

    ok(answer, used(coupon, number_left=4, credit=70))
    redemption = answer.json["data"]["redemption"]
    ok(alice.get("/v1/coupons/mine"), {"redemptions": [redemption], "meta": meta(1, 1, 1)})
    entry = alice.get(f"/v1/user/{alice.id}/ledger").json["data"]["entries"][0]
    assert (entry["amount"], entry["balance_after"], entry["reference"]) == (
        -30,
        70,
        redemption["id"],
    )
    assert list(discrepancies()) == []


@either_way
@pytest.mark.parametrize(
    ("given", "number_left", "credit"),
    [({"value": 100}, 4, 0), ({"value": 0}, 4, 100), ({"number_left": 1}, 0, 70)],
    ids=str,
)
def test_the_last_credit_the_last_unit_and_nothing_at_all_are_enough(
    alice, use, given, number_left, credit
):
    coupon = make_coupon(**given)

    ok(use(alice, coupon), used(coupon, number_left=number_left, credit=credit))


@either_way
def test_everybody_may_use_it_once(alice, bob, admin, use):
    coupon = make_coupon(value=0, number_left=3)

    ok(use(alice, coupon), used(coupon, number_left=2, credit=100))
    ok(use(bob, coupon), used(coupon, number_left=1, credit=100))
    ok(use(admin, coupon), used(coupon, number_left=0, credit=0))


@either_way
def test_one_user_may_use_several(alice, use):
    one, two = make_coupon(value=30), make_coupon(value=60)

    ok(use(alice, one), used(one, number_left=4, credit=70))
    ok(use(alice, two), used(two, number_left=4, credit=10))


@either_way
@pytest.mark.parametrize(
    ("hidden_code", "typed"),
    [
        ("Spring-7", "SPRING-7"),
        ("SPRING-7", "spring-7"),
        ("Straße", "STRASSE"),
        ("caf\u00e9", "CAFE\u0301"),
    ],
)
def test_codes_are_compared_without_case(alice, use, hidden_code, typed):
    coupon = make_coupon(hidden_code=hidden_code)

    ok(use(alice, coupon, typed), used(coupon, number_left=4, credit=70))


@pytest.mark.parametrize("hidden_code", ["use", "two words", "100%", "a?b#c", "x" * 64])
def test_a_code_may_be_any_text_that_stands_in_a_path(alice, hidden_code):
    coupon = make_coupon(hidden_code=hidden_code)

    ok(use_by_code(alice, coupon), used(coupon, number_left=4, credit=70))


# The refusals, in the contract's order, and what makes each of them true of a coupon that can be
# used.
REFUSALS = {
    "coupon_inactive": {"active": False},
    "coupon_expired": {"expiration_date": "2026-01-02T03:04:05Z"},
    "coupon_exhausted": {"number_left": 0},
    "coupon_already_used": {},
    "insufficient_credit": {"value": 101},
}


@either_way
@pytest.mark.parametrize(
    "names", [*combinations(REFUSALS, 1), *combinations(REFUSALS, 2), tuple(REFUSALS)], ids=" ".join
)
def test_when_several_rules_refuse_the_first_is_named_and_nothing_moves(
    alice, admin, books, use, names
):
    coupon = make_coupon(value=0)
    if "coupon_already_used" in names:
        assert use(alice, coupon).status_code == 200
    for name in names:
        assert admin.patch(f"/v1/coupons/{coupon.id}", json=REFUSALS[name]).status_code == 200
    before = books()

    refused(use(alice, coupon), 400, names[0])
    assert books() == before


@either_way
def test_the_one_who_took_the_last_is_told_that_none_is_left(alice, books, use):
    coupon = make_coupon(number_left=1)
    assert use(alice, coupon).status_code == 200
    before = books()

    refused(use(alice, coupon), 400, "coupon_exhausted")
    assert books() == before


@either_way
def test_a_coupon_can_be_used_until_the_moment_it_expires(alice, bob, books, monkeypatch, use):
    coupon = make_coupon(expiration_date=clock.now() + timedelta(minutes=5))

    monkeypatch.setattr(clock, "now", lambda: coupon.expiration_date - timedelta(microseconds=1))
    ok(use(alice, coupon), used(coupon, number_left=4, credit=70))
    before = books()
    monkeypatch.setattr(clock, "now", lambda: coupon.expiration_date)
    refused(use(bob, coupon), 400, "coupon_expired")
    assert books() == before


@pytest.mark.parametrize("code", ["Spring-8", "Spring", "Spring-7 8", "_pring-7", "mine", "x" * 65])
def test_an_unknown_code_is_refused(alice, books, code):
    make_coupon(hidden_code="Spring-7")
    before = books()

    refused(use_by_code(alice, None, code), 404, "coupon_not_found")
    assert books() == before


@pytest.mark.parametrize(
    "changes", REFUSALS.values(), ids=["inactive", "expired", "exhausted", "usable", "too dear"]
)
def test_a_code_that_is_not_the_chosen_coupons_is_refused_whatever_else_would(
    alice, admin, books, changes
):
    coupon, other = make_coupon(), make_coupon()
    assert admin.patch(f"/v1/coupons/{coupon.id}", json=changes).status_code == 200
    before = books()

    for code in (other.hidden_code, "wrong"):
        refused(use_chosen(alice, coupon, code), 400, "wrong_hidden_code")
    assert books() == before


def test_an_unknown_coupon_is_refused_though_the_code_is_one(alice, books):
    coupon = make_coupon()
    before = books()

    refused(
        alice.post(f"/v1/coupons/{uuid4()}/use", json={"hidden_code": coupon.hidden_code}),
        404,
        "coupon_not_found",
    )
    assert books() == before


@pytest.mark.parametrize("coupon_id", ["7", "x", "00000000-0000-0000-0000-00000000000g"])
def test_an_id_that_is_no_uuid_is_refused(alice, books, coupon_id):
    coupon = make_coupon()
    before = books()

    answer = alice.post(f"/v1/coupons/{coupon_id}/use", json={"hidden_code": coupon.hidden_code})
    invalid(answer, "coupon_id")
    assert books() == before


def test_a_hidden_code_of_the_wrong_shape_is_refused_before_the_coupon_is_looked_for(alice, books):
    coupon = make_coupon()
    before = books()

    for coupon_id in (coupon.id, uuid4()):
        answer = alice.post(f"/v1/coupons/{coupon_id}/use", json={"hidden_code": "Spring\0"})
        invalid(answer, "hidden_code")
    assert books() == before


def test_a_missing_code_and_an_unknown_field_are_refused(alice, books):
    coupon = make_coupon()
    before = books()

    invalid(alice.post(f"/v1/coupons/{coupon.id}/use", json={}), "hidden_code")
    answer = alice.post(
        f"/v1/coupons/{coupon.id}/use", json={"hidden_code": coupon.hidden_code, "times": 2}
    )
    invalid(answer, "times")
    assert books() == before


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b"", "malformed_request"),
        (b"{", "malformed_request"),
        (b"[]", "validation_error"),
        (b'"ABC"', "validation_error"),
    ],
)
def test_what_is_no_object_is_refused(alice, books, body, name):
    coupon = make_coupon()
    before = books()

    refused(alice.post(f"/v1/coupons/{coupon.id}/use", data=body), 400, name)
    assert books() == before


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"hidden_code": "other"}'])
def test_by_code_a_body_is_ignored(alice, body):
    coupon = make_coupon()

    ok(use_by_code(alice, coupon, data=body), used(coupon, number_left=4, credit=70))


def test_a_null_character_in_a_code_is_refused(alice):
    invalid(alice.post("/v1/coupons/use/Spring%00"), "hidden_code")


def test_without_a_token_one_is_asked_for_whatever_else_is_wrong(client, books):
    coupon = make_coupon()
    before = books()

    for path in (
        f"use/{coupon.hidden_code}",
        "use/unknown",
        f"{coupon.id}/use",
        f"{uuid4()}/use",
        "7/use",
    ):
        refused(client.post(f"/v1/coupons/{path}", data=b"{"), 401, "authentication_required")
    assert books() == before


@pytest.mark.parametrize("use", WAYS.values(), ids=WAYS)
def test_a_use_costs_a_statement_for_the_caller_one_for_the_coupon_and_one_for_each_move(
    alice, statements, use
):
    coupon = make_coupon()
    statements.clear()

    assert use(alice, coupon).status_code == 200

    # On PostgreSQL the unit and the redemption are one statement, and what is hot is prepared.
    guard, claim = ("EXECUTE", ["EXECUTE"]) if is_postgresql() else ("SELECT", ["UPDATE", "INSERT"])
    assert [statement.split()[0] for statement in statements] == [
        guard,
        "SELECT",
        "UPDATE",
        "INSERT",
        *claim,
    ]


# Guessing.

HERE, THERE = ({"REMOTE_ADDR": address} for address in ("203.0.113.7", "203.0.113.8"))


@pytest.fixture
def limited(configured_app):
    """Return Alice and Bob where guessing is limited, and a coupon for them."""
    client = configured_app(rate_limits_enabled=True).test_client()
    alice, bob = (
        sign_in(client, *make_user(username=username, credit=100)) for username in ("alice", "bob")
    )
    return alice, bob, make_coupon(value=30, number_left=5)


@pytest.fixture
def passes(monkeypatch):
    """Stop the clock, and let time pass by hand."""
    moment = clock.now()
    monkeypatch.setattr(clock, "now", lambda: moment)

    def let_pass(**span):
        nonlocal moment
        moment += timedelta(**span)

    return let_pass


def guess(person, coupon, names=tuple(GUESSES), times=10, where=HERE):
    """Try wrong codes, by these calls in turn."""
    for number in range(times):
        call, status, name = GUESSES[names[number % len(names)]]
        refused(call(person, coupon, "wrong", environ_overrides=where), status, name)


def must_wait(answer, seconds=600):
    refused(answer, 429, "rate_limited")
    assert answer.headers["Retry-After"] == str(seconds)


@pytest.mark.parametrize(
    "names", [(name,) for name in GUESSES] + [tuple(GUESSES)], ids=" and ".join
)
def test_after_ten_wrong_codes_by_any_call_no_call_tries_a_code_right_or_wrong(
    limited, passes, names
):
    alice, _, coupon = limited
    guess(alice, coupon, names)
    before = read_books()

    for call, _, _ in GUESSES.values():
        must_wait(call(alice, coupon, environ_overrides=HERE))
        must_wait(call(alice, coupon, "wrong", environ_overrides=HERE))
    assert read_books() == before


@either_way
def test_ten_minutes_later_codes_are_tried_again_to_the_microsecond(limited, passes, use):
    alice, _, coupon = limited
    guess(alice, coupon)

    passes(minutes=10, microseconds=-1)
    must_wait(use(alice, coupon, environ_overrides=HERE), 1)
    passes(microseconds=1)
    ok(use(alice, coupon, environ_overrides=HERE), used(coupon, number_left=4, credit=70))


def test_the_ten_minutes_slide_with_each_wrong_code(limited, passes):
    alice, _, coupon = limited
    guess(alice, coupon, times=5)
    passes(minutes=6)
    guess(alice, coupon, times=5)

    must_wait(use_by_code(alice, coupon, environ_overrides=HERE), 240)
    passes(minutes=4)
    guess(alice, coupon, times=5)
    must_wait(use_by_code(alice, coupon, environ_overrides=HERE), 360)


def test_an_account_that_guesses_has_to_wait_at_every_address(limited, passes):
    alice, bob, coupon = limited
    guess(alice, coupon, where=HERE)

    must_wait(use_by_code(alice, coupon, environ_overrides=THERE))
    ok(use_by_code(bob, coupon, environ_overrides=THERE), used(coupon, number_left=4, credit=70))


def test_an_address_that_guesses_has_to_wait_with_every_account(limited, passes, monkeypatch):
    monkeypatch.setattr(failed_attempts, "WRONG_CODES_PER_ADDRESS", 10)
    alice, bob, coupon = limited
    guess(alice, coupon, times=5, where=HERE)
    guess(bob, coupon, times=5, where=HERE)

    for person in (alice, bob):
        must_wait(use_by_code(person, coupon, environ_overrides=HERE))
        assert use_by_code(person, coupon, environ_overrides=THERE).status_code == 200


def test_right_codes_count_for_nothing_and_wipe_nothing_out(limited, passes):
    alice, _, coupon = limited
    guess(alice, coupon, times=9)
    for _ in range(12):
        assert look_up(alice, coupon, environ_overrides=HERE).status_code == 200
    guess(alice, coupon, times=1)

    must_wait(look_up(alice, coupon, environ_overrides=HERE))


def test_a_refusal_that_is_not_about_the_code_is_no_guess(limited, passes):
    alice, _, coupon = limited
    assert use_by_code(alice, coupon).status_code == 200
    for _ in range(11):
        refused(use_by_code(alice, coupon), 400, "coupon_already_used")
        refused(
            alice.post(f"/v1/coupons/{uuid4()}/use", json={"hidden_code": coupon.hidden_code}),
            404,
            "coupon_not_found",
        )
        refused(alice.post(f"/v1/coupons/{coupon.id}/use", json={}), 400, "validation_error")

    assert look_up(alice, coupon).status_code == 200


def test_where_rate_limits_are_off_codes_are_tried_for_ever(alice):
    coupon = make_coupon()
    guess(alice, coupon, times=12)

    ok(use_by_code(alice, coupon, environ_overrides=HERE), used(coupon, number_left=4, credit=70))
