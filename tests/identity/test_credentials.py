"""identity/credentials.py: signing in with a name and a password, and new passwords."""

from contextlib import nullcontext
from datetime import timedelta

import pytest

from coupon_management_flask.core import errors
from coupon_management_flask.identity import accounts, api_keys, credentials, sessions

from ..support.people import PASSWORD
from .making import create_company, create_user, disable

ADDRESS = "203.0.113.7"
DAY = timedelta(days=1)


def authenticate(login, password=PASSWORD, kind="user", address=None):
    return credentials.authenticate(login, password, kind=kind, address=address)


def test_a_user_and_a_company_may_have_the_same_email_and_are_two_accounts(app):
    user_id = create_user(email="shop@example.org", password="the user's own")
    company_id = create_company(email="shop@example.org", password="the company's own")

    assert authenticate("shop@example.org", "the user's own").id == user_id
    assert authenticate("shop@example.org", "the company's own", kind="company").id == company_id
    with pytest.raises(errors.WrongCredentials):
        authenticate("shop@example.org", "the company's own", kind="user")
    with pytest.raises(errors.WrongCredentials):
        authenticate("shop@example.org", "the user's own", kind="company")


@pytest.mark.parametrize(
    "login", ["Alice", "alice", " ALICE ", "alice@example.org", "Alice@EXAMPLE.org"]
)
def test_a_user_signs_in_by_username_or_email_without_case(app, login):
    account_id = create_user(username="Alice", email="alice@example.org", role="administrator")

    assert authenticate(login) == accounts.Identity(
        account_id, "user", "Alice", "Alice", "administrator"
    )


@pytest.mark.parametrize(
    ("login", "password"),
    [
        ("alice", "wrong horse 1"),
        ("alice", ""),
        ("alice", PASSWORD.upper()),
        ("nobody", PASSWORD),
        ("", PASSWORD),
    ],
)
@pytest.mark.parametrize("address", [None, ADDRESS])
def test_a_name_and_a_password_that_do_not_belong_together_are_refused_alike(
    app, books, login, password, address
):
    create_user(username="alice")

    before = books()
    with pytest.raises(errors.WrongCredentials) as refused:
        authenticate(login, password, address=address)
    assert refused.value.facts == {}
    assert books() == before


@pytest.mark.parametrize("kind", ["user", "company", "service"])
@pytest.mark.parametrize("address", [None, ADDRESS])
def test_an_unknown_account_costs_the_same_statements_as_a_wrong_password(
    app, statements, kind, address
):
    create_user(email="known@example.org")
    create_company(email="known@example.org")
    api_keys.create_api_key("known@example.org", ["getCoupons"], DAY)
    sent = []
    for login in ("known@example.org", "unknown@example.org"):
        statements.clear()
        with pytest.raises(errors.WrongCredentials):
            authenticate(login, "wrong horse 1", kind=kind, address=address)
        sent.append(list(statements))

    assert sent[0] == sent[1] != []


def test_a_disabled_account_is_told_so_only_with_its_password(app):
    disable(create_user(username="alice"))

    with pytest.raises(errors.AccountDisabled):
        authenticate("alice")
    with pytest.raises(errors.WrongCredentials):
        authenticate("alice", "wrong horse 1")


@pytest.mark.parametrize("login", ["alice", "nobody"])
def test_after_ten_wrong_passwords_in_ten_minutes_nothing_is_tried_any_more(app, time, login):
    create_user(username="alice")
    for attempt in range(10):
        with pytest.raises(errors.WrongCredentials):
            authenticate(login, "wrong horse 1", address=f"203.0.113.{attempt}")

    for password in (PASSWORD, "wrong horse 1"):
        with pytest.raises(errors.RateLimited) as refused:
            authenticate(login.upper(), password, address=ADDRESS)
        assert refused.value.facts == {"retry_after": 600}

    time.passes(minutes=10)
    with nullcontext() if login == "alice" else pytest.raises(errors.WrongCredentials):
        authenticate(login, address=ADDRESS)


def test_wrong_passwords_for_one_account_do_not_lock_another(app):
    create_user(username="alice")
    bob = create_user(username="bob")
    create_company(email="alice@example.org")
    for _ in range(10):
        with pytest.raises(errors.WrongCredentials):
            authenticate("alice", "wrong horse 1", address=ADDRESS)

    assert authenticate("bob", address=ADDRESS).id == bob
    assert authenticate("alice@example.org", kind="company", address=ADDRESS).kind == "company"


def test_a_username_and_an_email_of_one_account_share_its_guesses(app):
    create_user(username="alice", email="alice@example.org")
    for login in ["alice", "alice@example.org"] * 5:
        with pytest.raises(errors.WrongCredentials):
            authenticate(login, "wrong horse 1", address=ADDRESS)

    with pytest.raises(errors.RateLimited):
        authenticate("alice", address=ADDRESS)


def test_an_address_that_tries_many_names_is_stopped_after_a_hundred(app, time):
    create_user(username="alice")
    for number in range(100):
        with pytest.raises(errors.WrongCredentials):
            authenticate(f"nobody-{number}", address=ADDRESS)

    with pytest.raises(errors.RateLimited):
        authenticate("alice", address=ADDRESS)
    assert authenticate("alice", address="203.0.113.8").username == "alice"


def test_without_an_address_guesses_are_not_limited(app):
    create_user(username="alice")
    for _ in range(11):
        with pytest.raises(errors.WrongCredentials):
            authenticate("alice", "wrong horse 1")

    assert authenticate("alice").username == "alice"


def test_a_new_password_replaces_the_old_one_and_ends_all_sessions(app):
    account_id, other_id = (
        create_user(username="alice", email="alice@example.org"),
        create_user(username="bob"),
    )
    grants = [
        sessions.open_session(account_id, issued_by=contract, lifetime=DAY)
        for contract in ("credit", "promo")
    ]
    others = sessions.open_session(other_id, issued_by="credit", lifetime=DAY)

    credentials.replace_password("ALICE@example.org", "new horse 1")

    with pytest.raises(errors.WrongCredentials):
        authenticate("alice")
    assert authenticate("alice", "new horse 1").id == account_id
    assert [sessions.standing(grant.session_id, account_id) for grant in grants] == [None, None]
    assert sessions.standing(others.session_id, other_id) is not None
    assert authenticate("bob").id == other_id


def test_a_password_is_replaced_for_the_kind_of_account_that_was_named(app):
    create_user(email="shop@example.org")
    create_company(email="shop@example.org")

    credentials.replace_password("shop@example.org", "new horse 1", kind="company")

    assert authenticate("shop@example.org", PASSWORD).kind == "user"
    assert authenticate("shop@example.org", "new horse 1", kind="company").kind == "company"


def test_nobodys_password_can_not_be_replaced(app, books):
    create_company(email="shop@example.org")

    before = books()
    with pytest.raises(errors.NotFound):
        credentials.replace_password("shop@example.org", "new horse 1", kind="user")
    assert books() == before


def test_a_service_has_no_password_to_sign_in_with(app):
    api_keys.create_api_key("checkout", ["getCoupons"], DAY)

    for kind in ("user", "company", "service"):
        with pytest.raises(errors.WrongCredentials):
            authenticate("checkout", "", kind=kind)
