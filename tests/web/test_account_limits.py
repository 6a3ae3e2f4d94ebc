"""What costs the service and not the caller has a limit for each account, whatever its address."""

from uuid import UUID

import pytest

from ..support import people
from ..support.books import read_books
from ..support.discounts import new_shop
from ..support.promos import new_company

# Per hour: no test lasts that long.
THREE = "3 per hour"
NAMES = (
    "payments",
    "payment_checks",
    "comments",
    "promos",
    "best",
    "price_checks",
    "batches",
    "webhook_sends",
    "reports",
    "password_changes",
)
ID = UUID(int=7)
CART = {"cartTotal": 1}
NEW_PASSWORD = {
    "old_password": people.PASSWORD,
    "new_password": people.PASSWORD,
    "confirm_password": people.PASSWORD,
}

# What each call is answered does not matter: it costs the same, and counts.
CALLS = [
    ("POST", "/api/payments/create-payment-intent/", {"credit_amount": 1}),
    ("POST", "/api/payments/confirm-payment/", {"payment_intent_id": "pi_1"}),
    ("POST", "/api/payments/refund/", {"transaction_id": str(ID), "reason": "x"}),
    ("POST", f"/api/user/promo/{ID}/comments", {"text": "A comment of mine."}),
    ("POST", "/api/v1/coupons/best", CART),
    ("POST", "/api/v1/coupons/validate", {"code": "SPRING", **CART}),
    ("POST", "/api/v1/coupons/apply", {"code": "SPRING", **CART}),
    ("POST", "/api/v1/coupons/apply-all", {"codes": ["SPRING"], **CART}),
    ("GET", "/api/analytics/dashboard/", None),
    ("GET", "/api/analytics/export.csv", None),
    ("POST", "/api/users/change-password/", NEW_PASSWORD),
    ("PATCH", "/api/user/profile", {"password": "Correct@horse1"}),
]
OF_A_MANAGER = [
    ("POST", "/api/v1/coupons/best", CART),
    ("POST", "/api/v1/coupons/generate", {"count": 1}),
    ("POST", "/api/v1/coupons/import", None),
    ("GET", f"/api/v1/coupons/batches/{ID}/codes.csv", None),
    ("POST", f"/api/v1/webhooks/{ID}/deliveries/{ID}/resend", None),
]


@pytest.fixture
def limited(configured_app):
    """A client of an application that allows three of everything an hour."""
    return configured_app(
        rate_limits_enabled=True, **{f"rate_limit_{name}": THREE for name in NAMES}
    ).test_client()


def ask(caller, method, path, body, address="10.0.0.1", **options):
    return caller.request(
        method, path, json=body, environ_overrides={"REMOTE_ADDR": address}, **options
    )


def user(client):
    return people.sign_in(client, *people.make_user())


@pytest.mark.parametrize(
    ("method", "path", "body"), CALLS, ids=[f"{method} {path}" for method, path, _ in CALLS]
)
def test_an_account_may_make_so_many_calls_that_cost_us_from_wherever(limited, method, path, body):
    alice, bob = user(limited), user(limited)
    for number in range(3):
        assert ask(alice, method, path, body, f"10.0.1.{number}").status_code != 429
    before = read_books()

    answer = ask(alice, method, path, body, "10.0.2.1")

    assert (answer.status_code, answer.json["error_code"]) == (429, "rate_limited")
    assert 1 <= int(answer.headers["Retry-After"]) <= 3600
    assert read_books() == before
    assert ask(bob, method, path, body).status_code != 429


@pytest.mark.parametrize(
    ("method", "path", "body"),
    OF_A_MANAGER,
    ids=[f"{method} {path}" for method, path, _ in OF_A_MANAGER],
)
def test_so_may_a_server(limited, method, path, body):
    shop, another = new_shop(limited), new_shop(limited)
    for _ in range(3):
        assert ask(shop, method, path, body).status_code != 429

    assert ask(shop, method, path, body).status_code == 429
    assert ask(another, method, path, body).status_code != 429


def test_so_may_a_company_that_publishes(limited):
    company, another = new_company(limited), new_company(limited)
    for _ in range(3):
        assert ask(company, "POST", "/api/business/promo", {}).status_code == 400

    answer = ask(company, "POST", "/api/business/promo", {})
    assert (answer.status_code, answer.json["status"]) == (429, "error")
    assert ask(another, "POST", "/api/business/promo", {}).status_code == 400


def test_who_manages_coupons_and_a_server_may_check_as_many_carts_as_they_like(limited):
    shops = (
        new_shop(limited),
        new_shop(limited, "getCoupons"),
        people.sign_in(limited, *people.make_user(role="administrator")),
    )
    for caller in shops:
        for _ in range(5):
            assert ask(caller, *CALLS[5]).status_code == 404


def test_an_answer_that_is_replayed_costs_nothing_and_does_not_count(limited):
    alice = user(limited)
    body = {"text": "A comment of mine."}
    path = f"/api/user/promo/{ID}/comments"

    def replayed(key):
        return ask(alice, "PATCH", "/api/user/profile", {"password": "Correct@horse1"}, headers=key)

    answers = [replayed({"Idempotency-Key": "a"}) for _ in range(6)]

    assert [answer.status_code for answer in answers] == [200] * 6
    assert ask(alice, "POST", path, body).status_code == 404


def test_a_profile_without_a_password_may_change_as_often_as_one_likes(limited):
    alice = user(limited)

    for number in range(5):
        assert ask(alice, "PATCH", "/api/user/profile", {"name": f"A{number}"}).status_code == 200


def test_without_rate_limits_nothing_of_it_is_counted(configured_app):
    client = configured_app(
        rate_limits_enabled=False, **{f"rate_limit_{name}": THREE for name in NAMES}
    ).test_client()
    alice = user(client)

    for method, path, body in CALLS[:5]:
        for _ in range(5):
            assert ask(alice, method, path, body).status_code != 429
