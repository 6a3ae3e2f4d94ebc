"""POST /api/user/promo/{id}/activate."""

from collections import Counter

import pytest
import sqlalchemy as sa

from coupon_management_flask.db.session import db
from coupon_management_flask.models import Redemption, Stock

from ...support.people import make_user, sign_in
from ...support.promos import activate, new_company, new_user, publish
from .shapes import page, refusal

pytestmark = pytest.mark.both_databases

INACTIVE = (403, "promo_inactive")
NOT_TARGETED = (403, "promo_not_targeted")


def attempt(user, promo):
    return user.post(f"/api/user/promo/{promo}/activate")


def taken():
    """Return what the stocks say was taken, and how many redemptions prove it."""
    return db.session.scalar(
        sa.select(sa.func.coalesce(sa.func.sum(Stock.claimed), 0))
    ), db.session.scalar(sa.select(sa.func.count()).select_from(Redemption))


def used(company, promo):
    return company.get(f"/api/business/promo/{promo}").json["used_count"]


def test_activating_gives_the_value_and_takes_one_use(company, alice):
    promo = publish(company, promo_common="HELLO-10", max_count=3)

    answer = attempt(alice, promo)

    assert (answer.status_code, answer.json) == (200, {"promo": "HELLO-10"})
    assert taken() == (1, 1)
    assert alice.get(f"/api/user/promo/{promo}").json["is_activated_by_user"] is True
    shown = company.get(f"/api/business/promo/{promo}").json
    assert (shown["used_count"], shown["max_count"], shown["active"]) == (1, 3, True)


def test_the_same_user_again_gets_the_same_common_value_and_counts_again(company, alice):
    promo = publish(company, promo_common="HELLO-10", max_count=3)

    assert [activate(alice, promo) for _ in range(3)] == ["HELLO-10"] * 3

    assert used(company, promo) == 3
    assert company.get(f"/api/business/promo/{promo}/stat").json == {
        "activations_count": 3,
        "countries": [{"country": "us", "activations_count": 3}],
    }
    before = taken()
    assert refusal(attempt(alice, promo)) == INACTIVE
    assert taken() == before == (3, 3)


def test_a_common_promo_gives_max_count_activations_to_whomever(company, alice, bob, books):
    promo = publish(company, max_count=2)

    assert [attempt(user, promo).status_code for user in (alice, bob)] == [200, 200]

    before = books()
    assert [refusal(attempt(user, promo)) for user in (alice, bob)] == [INACTIVE] * 2
    assert books() == before


@pytest.mark.parametrize(
    "values",
    [
        ["HELLO-1"],
        ["HELLO-1", "HELLO-2", "HELLO-3", "HELLO-4"],
        ["twice", "once", "twice"],
        ["same"] * 4,
    ],
)
def test_a_unique_promo_gives_each_of_its_values_once(values, company, alice, bob, books):
    promo = publish(company, mode="UNIQUE", promo_unique=values)

    got = [activate((alice, bob)[number % 2], promo) for number in range(len(values))]

    assert Counter(got) == Counter(values)
    shown = company.get(f"/api/business/promo/{promo}").json
    assert (shown["used_count"], shown["promo_unique"], shown["active"]) == (
        len(values),
        values,
        False,
    )
    before = books()
    assert [refusal(attempt(user, promo)) for user in (alice, bob)] == [INACTIVE] * 2
    assert books() == before


def test_one_user_may_take_all_values_of_a_unique_promo(company, alice):
    promo = publish(company, mode="UNIQUE", promo_unique=["HELLO-1", "HELLO-2", "HELLO-3"])

    assert {activate(alice, promo) for _ in range(3)} == {"HELLO-1", "HELLO-2", "HELLO-3"}


def test_equal_values_of_two_promos_are_entries_of_their_own(company, alice):
    promos = [publish(company, mode="UNIQUE", promo_unique=["same"]) for _ in range(2)]

    assert [activate(alice, promo) for promo in promos] == ["same", "same"]


def test_a_promo_without_uses_gives_none(company, alice, books):
    promo = publish(company, max_count=0)
    before = books()

    answer = attempt(alice, promo)

    assert answer.status_code == 403
    assert answer.json == {
        "status": "error",
        "message": "This promo can't be activated now.",
        "error_code": "promo_inactive",
    }
    assert books() == before


def test_raising_max_count_makes_an_exhausted_promo_active_again(company, alice):
    promo = publish(company, max_count=1)
    activate(alice, promo)
    assert page(alice.get("/api/user/feed?active=false")) == (1, [promo])

    company.patch(f"/api/business/promo/{promo}", json={"max_count": 2})

    assert page(alice.get("/api/user/feed?active=true")) == (1, [promo])
    assert attempt(alice, promo).status_code == 200
    assert page(alice.get("/api/user/feed?active=false")) == (1, [promo])
    assert refusal(attempt(alice, promo)) == INACTIVE


def test_lowering_max_count_to_what_was_used_ends_a_promo(company, alice, books):
    promo = publish(company, max_count=5)
    activate(alice, promo)

    assert (
        company.patch(f"/api/business/promo/{promo}", json={"max_count": 1}).json["active"] is False
    )

    before = books()
    assert refusal(attempt(alice, promo)) == INACTIVE
    assert books() == before


@pytest.mark.parametrize(
    "window",
    [
        {"active_from": "2025-06-16"},
        {"active_until": "2025-06-14"},
        {"active_from": "2025-06-10", "active_until": "2025-06-14"},
    ],
)
def test_outside_its_window_a_promo_gives_nothing(window, company, alice, books, now_is):
    now_is("2025-06-15T12:00:00Z")
    promo = publish(company, **window)
    before = books()

    assert refusal(attempt(alice, promo)) == INACTIVE
    assert books() == before


def test_a_promo_gives_something_on_the_days_of_its_window_both_included(company, alice, now_is):
    promo = publish(company, active_from="2025-06-15", active_until="2025-06-17", max_count=100)
    moments = {
        "2025-06-14T23:59:59.999999Z": 403,
        "2025-06-15T00:00:00Z": 200,
        "2025-06-17T23:59:59.999999Z": 200,
        "2025-06-18T00:00:00Z": 403,
    }
    found = {}
    for moment in [*moments, *reversed(moments)]:
        now_is(moment)
        found[moment] = attempt(alice, promo).status_code
        assert found[moment] == moments[moment], moment

    assert taken() == (4, 4)


@pytest.mark.parametrize(
    ("zone", "first", "last"),
    [("Pacific/Kiritimati", "14T10", "15T09"), ("Pacific/Pago_Pago", "15T11", "16T10")],
)
def test_its_days_are_those_of_the_configured_time_zone(zone, first, last, configured_app, now_is):
    client = configured_app(promo_timezone=zone).test_client()
    alice = new_user(client)
    promo = publish(new_company(client), active_from="2025-06-15", active_until="2025-06-15")

    now_is(f"2025-06-{first}:00:00Z")
    assert attempt(alice, promo).status_code == 200
    now_is(f"2025-06-{last}:59:59Z")
    assert attempt(alice, promo).status_code == 200


@pytest.mark.parametrize(
    "target",
    [
        {"country": "fr"},
        {"age_from": 31},
        {"age_until": 29},
        {"country": "US", "age_from": 31},
        {"country": "fr", "age_from": 30},
    ],
)
def test_who_is_not_targeted_gets_nothing(target, company, alice, books):
    promo = publish(company, target=target)
    before = books()

    assert refusal(attempt(alice, promo)) == NOT_TARGETED
    assert books() == before


@pytest.mark.parametrize(
    "target",
    [
        {},
        {"country": "US"},
        {"age_from": 30},
        {"age_until": 30},
        {"age_from": 30, "age_until": 30},
        {"country": "uS", "age_from": 0, "age_until": 100},
        {"categories": ["food"]},
    ],
)
def test_bounds_are_included_and_countries_have_no_case(target, company, alice):
    assert attempt(alice, publish(company, target=target)).status_code == 200


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ({}, 200),
        ({"categories": ["food"]}, 200),
        ({"country": "us"}, 403),
        ({"age_from": 0}, 403),
        ({"age_until": 100}, 403),
    ],
)
def test_who_has_neither_age_nor_country_fits_promos_without_such_a_rule(
    target, status, company, app, client
):
    person = sign_in(client, *make_user(username="eve"))

    assert attempt(person, publish(company, target=target)).status_code == status


def test_a_change_of_the_target_counts_at_once(company, alice, books):
    promo = publish(company)
    activate(alice, promo)
    company.patch(f"/api/business/promo/{promo}", json={"target": {"country": "fr"}})
    before = books()
    assert refusal(attempt(alice, promo)) == NOT_TARGETED
    assert books() == before

    company.patch(f"/api/business/promo/{promo}", json={"target": {}})

    assert attempt(alice, promo).status_code == 200


def test_a_change_of_ones_age_and_country_counts_at_once(company, alice):
    promo = publish(company, target={"country": "fr", "age_from": 40})
    assert refusal(attempt(alice, promo)) == NOT_TARGETED

    alice.patch("/api/user/profile", json={"other": {"age": 40, "country": "FR"}})

    assert attempt(alice, promo).status_code == 200
    assert company.get(f"/api/business/promo/{promo}/stat").json["countries"] == [
        {"country": "fr", "activations_count": 1}
    ]


@pytest.mark.parametrize("terms", [{"max_count": 0}, {"active_until": "2020-01-01"}])
def test_not_active_is_said_before_not_targeted(terms, company, alice, books):
    promo = publish(company, target={"country": "fr"}, **terms)
    before = books()

    assert refusal(attempt(alice, promo)) == INACTIVE
    assert books() == before


@pytest.fixture
def one_a_minute(configured_app):
    """An application whose own antifraud check lets a user activate once a minute."""
    return configured_app(antifraud_max_per_minute=1).test_client()


def test_antifraud_is_asked_last(one_a_minute, books, now_is):
    now_is("2025-06-15T12:00:00Z")
    company, alice = new_company(one_a_minute), new_user(one_a_minute)
    promo, for_others, ended = (
        publish(company, **terms) for terms in ({}, {"target": {"country": "fr"}}, {"max_count": 0})
    )
    activate(alice, promo)
    before = books()

    assert [refusal(attempt(alice, one)) for one in (promo, for_others, ended)] == [
        (403, "antifraud_refused"),
        NOT_TARGETED,
        INACTIVE,
    ]
    assert books() == before


def test_who_is_blocked_may_still_look_like_and_comment(one_a_minute, now_is):
    now_is("2025-06-15T12:00:00Z")
    company, alice, bob = new_company(one_a_minute), new_user(one_a_minute), new_user(one_a_minute)
    promo = publish(company)
    activate(alice, promo)
    assert refusal(attempt(alice, promo)) == (403, "antifraud_refused")

    assert alice.post(f"/api/user/promo/{promo}/like").status_code == 200
    assert (
        alice.post(
            f"/api/user/promo/{promo}/comments", json={"text": "Why am I blocked?"}
        ).status_code
        == 201
    )
    seen = alice.get(f"/api/user/promo/{promo}").json
    assert [
        seen[name] for name in ("active", "like_count", "comment_count", "is_activated_by_user")
    ] == [True, 1, 1, True]
    assert (
        page(alice.get("/api/user/feed"))
        == page(alice.get("/api/user/promo/history"))
        == (1, [promo])
    )
    assert attempt(bob, promo).status_code == 200
    now_is("2025-06-15T12:01:00Z")
    assert attempt(alice, promo).status_code == 200


def test_a_body_is_ignored(company, alice):
    assert alice.post(f"/api/user/promo/{publish(company)}/activate", data=b"{").status_code == 200


@pytest.mark.parametrize("terms", [{"max_count": 5}, {"mode": "UNIQUE"}], ids=["COMMON", "UNIQUE"])
def test_a_repeated_idempotency_key_activates_once(terms, company, alice):
    promo = publish(company, **terms)

    answers = [
        alice.post(f"/api/user/promo/{promo}/activate", headers={"Idempotency-Key": "once"})
        for _ in range(3)
    ]

    assert {(answer.status_code, answer.data) for answer in answers} == {(200, answers[0].data)}
    assert [answer.headers.get("Idempotent-Replayed") for answer in answers] == [
        None,
        "true",
        "true",
    ]
    assert taken() == (1, 1)
    assert page(alice.get("/api/user/promo/history")) == (1, [promo])


def test_a_refused_activation_is_kept_under_its_idempotency_key(company, alice):
    promo = publish(company, max_count=0)
    key = {"Idempotency-Key": "once"}
    first = alice.post(f"/api/user/promo/{promo}/activate", headers=key)
    company.patch(f"/api/business/promo/{promo}", json={"max_count": 5})

    again = alice.post(f"/api/user/promo/{promo}/activate", headers=key)

    assert refusal(first) == refusal(again) == INACTIVE
    assert (again.data, again.headers["Idempotent-Replayed"]) == (first.data, "true")
    assert taken() == (0, 0)
