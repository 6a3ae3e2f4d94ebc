"""identity/accounts.py: who people, companies and servers are, and how they prove it."""

import hashlib
from contextlib import nullcontext
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from coupon_management_flask.core import errors, wallet
from coupon_management_flask.db.failures import broken_constraint
from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.identity import accounts, api_keys, credentials, passwords, sessions
from coupon_management_flask.models import Account, ApiKey

from ..support.people import PASSWORD

pytestmark = pytest.mark.both_databases

ADDRESS = "203.0.113.7"
DAY = timedelta(days=1)


def create_user(**given):
    return accounts.create_user(**{"password": PASSWORD, "name": "Alice", **given})


def create_company(**given):
    return accounts.create_company(**{"password": PASSWORD, "name": "Shop", **given})


def authenticate(login, password=PASSWORD, kind="user", address=None):
    return credentials.authenticate(login, password, kind=kind, address=address)


def stored(account_id):
    return db.session.execute(sa.select(Account.__table__).where(Account.id == account_id)).one()


def disable(account_id):
    with transaction():
        db.session.execute(
            sa.update(Account).where(Account.id == account_id).values(is_active=False)
        )


def test_a_user_is_stored_as_given_with_a_wallet_and_a_hash_of_the_password(app, time):
    account_id = create_user(
        username="Alice",
        email="Alice@Example.org",
        surname="Jones",
        credit=20,
        role="administrator",
        age=0,
        country="De",
        avatar_url="https://example.org/alice.png",
    )

    row = stored(account_id)
    assert passwords.verify(PASSWORD, row.password_hash)
    assert row._asdict() == {
        "id": account_id,
        "kind": "user",
        "username": "Alice",
        "username_key": "alice",
        "email": "Alice@Example.org",
        "email_key": "alice@example.org",
        "password_hash": row.password_hash,
        "name": "Alice",
        "surname": "Jones",
        "role": "administrator",
        "is_active": True,
        "age": 0,
        "country": "De",
        "avatar_url": "https://example.org/alice.png",
        "phone_number": None,
        "address": None,
        "date_of_birth": None,
        "created_at": time.moment,
    }
    assert wallet.balance_of(account_id) == 20


def test_nothing_is_made_up_about_somebody_who_told_nothing(app):
    for account_id in (create_user(username="alice"), create_company(email="shop@example.org")):
        row = stored(account_id)
        assert (row.surname, row.age, row.country, row.avatar_url) == ("", None, None, None)


def test_the_username_is_the_email_unless_given(app):
    row = stored(create_user(email="Alice@Example.org"))

    assert (row.username, row.email) == ("Alice@Example.org", "Alice@Example.org")


def test_a_username_may_be_the_accounts_own_email_in_any_case(app):
    assert (
        stored(create_user(username="ALICE@example.org", email="alice@example.org")).username
        == "ALICE@example.org"
    )


@pytest.mark.parametrize("email", [None, "alice@example.org"])
def test_a_username_that_would_pass_for_somebodys_email_is_invalid(app, books, email):
    before = books()
    with pytest.raises(errors.Invalid) as refused:
        create_user(username="bob@example.org", email=email)
    assert refused.value.fields == {
        "username": ["A username holds no @, unless it is the account's e-mail."]
    }
    assert books() == before


def test_a_user_has_a_username_or_an_email(app, books):
    before = books()
    with pytest.raises(errors.Invalid) as refused:
        create_user()
    assert refused.value.fields == {"username": ["A username or an e-mail is needed."]}
    assert books() == before


@pytest.mark.parametrize("username", ["alice", "ALICE", " Alice "])
def test_a_username_is_unique_without_case(app, books, username):
    create_user(username="Alice")

    before = books()
    with pytest.raises(accounts.UsernameTaken):
        create_user(username=username)
    assert books() == before


@pytest.mark.parametrize("email", ["alice@example.org", "ALICE@Example.ORG"])
@pytest.mark.parametrize("username", ["bob", None])
def test_a_users_email_is_unique_without_case(app, books, username, email):
    create_user(email="Alice@example.org")

    before = books()
    with pytest.raises(accounts.EmailTaken):
        create_user(username=username, email=email)
    assert books() == before


def test_of_many_who_want_one_username_at_once_one_gets_it(app, together):
    outcomes = together(*[lambda: create_user(username="alice")] * 4)

    assert sorted(type(outcome).__name__ for outcome in outcomes) == [
        "UUID",
        "UsernameTaken",
        "UsernameTaken",
        "UsernameTaken",
    ]
    assert db.session.scalar(sa.select(sa.func.count()).select_from(Account)) == 1


def test_a_company_is_stored_without_a_username_and_without_a_wallet(app):
    account_id = create_company(email="Shop@Example.org")

    row = stored(account_id)
    assert (row.kind, row.username, row.email, row.email_key, row.role) == (
        "company",
        None,
        "Shop@Example.org",
        "shop@example.org",
        "user",
    )
    assert wallet.balance_of(account_id) is None


def test_a_companys_email_is_unique_without_case(app, books):
    create_company(email="shop@example.org")

    before = books()
    with pytest.raises(accounts.EmailTaken):
        create_company(email="SHOP@example.org")
    assert books() == before


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
    ("statement", "rule"),
    [
        ("UPDATE accounts SET kind = 'robot'", "ck_accounts_kind"),
        ("UPDATE accounts SET role = 'owner'", "ck_accounts_role"),
        ("UPDATE accounts SET username_key = NULL", "ck_accounts_username"),
        ("UPDATE accounts SET password_hash = NULL", "ck_accounts_password"),
        ("UPDATE accounts SET kind = 'company', email_key = NULL", "ck_accounts_company_email"),
    ],
)
def test_the_database_refuses_an_account_that_can_not_be(app, books, statement, rule):
    create_user(username="alice", email="alice@example.org")

    before = books()
    with pytest.raises(IntegrityError) as refused, transaction():
        db.session.execute(sa.text(statement))
    assert rule in broken_constraint(refused.value)
    assert books() == before


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


def test_an_api_key_says_which_service_asks_and_what_it_may(app):
    api_key = api_keys.create_api_key(
        "Checkout", ["manageCoupons", "getCoupons", "getCoupons"], DAY
    )

    identity, permissions = api_keys.api_key_owner(api_key)

    assert (identity.kind, identity.username, identity.name, identity.role) == (
        "service",
        "Checkout",
        "Checkout",
        "user",
    )
    assert permissions == {"getCoupons", "manageCoupons"}
    assert api_keys.api_key_owner(api_keys.create_api_key("Checkout", ["getCoupons"], DAY))[1] == {
        "getCoupons"
    }


def test_an_api_key_is_stored_as_a_digest_alone(app, time):
    api_key = api_keys.create_api_key("checkout", ["getCoupons"], DAY)

    row = db.session.execute(sa.select(ApiKey.__table__)).one()
    assert row._asdict() == {
        "id": row.id,
        "account_id": accounts.find("checkout", "service").id,
        "digest": hashlib.sha256(api_key.encode()).hexdigest(),
        "permissions": ["getCoupons"],
        "created_at": time.moment,
        "expires_at": time.moment + DAY,
        "revoked_at": None,
    }


def test_api_keys_are_long_and_never_the_same(app):
    keys = {api_keys.create_api_key("checkout", ["getCoupons"], DAY) for _ in range(5)}

    assert len(keys) == 5
    # "ck_" and 256 bits in base64url.
    assert all(key.startswith("ck_") and len(key) == 46 for key in keys)


@pytest.mark.parametrize("permissions", [[], ["getCoupons", "flyToTheMoon"]])
def test_an_api_key_without_permissions_or_with_unknown_ones_is_invalid(app, books, permissions):
    before = books()
    with pytest.raises(errors.Invalid) as refused:
        api_keys.create_api_key("checkout", permissions, DAY)
    assert refused.value.fields == {"permissions": ["Choose from getCoupons, manageCoupons."]}
    assert books() == before
    assert db.session.scalar(sa.select(sa.func.count()).select_from(ApiKey)) == 0


def test_keys_of_one_service_are_one_account(app):
    keys = [
        api_keys.create_api_key(service, ["getCoupons"], DAY)
        for service in ("checkout", "Checkout", "other")
    ]

    first, second, other = (api_keys.api_key_owner(key)[0].id for key in keys)
    assert first == second != other


def test_a_service_has_no_password_to_sign_in_with(app):
    api_keys.create_api_key("checkout", ["getCoupons"], DAY)

    for kind in ("user", "company", "service"):
        with pytest.raises(errors.WrongCredentials):
            authenticate("checkout", "", kind=kind)


@pytest.mark.parametrize("key", ["", "ck_", "ck_" + "A" * 43])
def test_an_unknown_api_key_is_an_invalid_token(app, key):
    api_keys.create_api_key("checkout", ["getCoupons"], DAY)

    with pytest.raises(errors.InvalidToken):
        api_keys.api_key_owner(key)


def test_the_digest_of_an_api_key_opens_nothing(app):
    api_keys.create_api_key("checkout", ["getCoupons"], DAY)

    with pytest.raises(errors.InvalidToken):
        api_keys.api_key_owner(db.session.scalar(sa.select(ApiKey.digest)))


def test_an_api_key_ends_when_its_lifetime_is_over(app, time):
    api_key = api_keys.create_api_key("checkout", ["getCoupons"], timedelta(days=30))

    time.passes(days=30, microseconds=-1)
    api_keys.api_key_owner(api_key)
    time.passes(microseconds=1)
    with pytest.raises(errors.InvalidToken):
        api_keys.api_key_owner(api_key)


def test_an_api_key_of_a_disabled_service_is_an_invalid_token(app):
    api_key = api_keys.create_api_key("checkout", ["getCoupons"], DAY)
    disable(accounts.find("checkout", "service").id)

    with pytest.raises(errors.InvalidToken):
        api_keys.api_key_owner(api_key)


def test_revoking_ends_all_keys_of_a_service_and_of_no_other(app):
    ended = [api_keys.create_api_key("checkout", ["getCoupons"], DAY) for _ in range(2)]
    other = api_keys.create_api_key("other", ["getCoupons"], DAY)

    assert api_keys.revoke_api_keys("CHECKOUT") == 2

    for api_key in ended:
        with pytest.raises(errors.InvalidToken):
            api_keys.api_key_owner(api_key)
    api_keys.api_key_owner(other)
    assert api_keys.revoke_api_keys("checkout") == 0


def test_a_new_key_takes_over_where_the_revoked_one_left_off(app):
    old = api_keys.api_key_owner(api_keys.create_api_key("checkout", ["getCoupons"], DAY))[0]
    api_keys.revoke_api_keys("checkout")

    assert (
        api_keys.api_key_owner(api_keys.create_api_key("checkout", ["getCoupons"], DAY))[0] == old
    )


def test_there_is_nothing_to_revoke_of_an_unknown_service(app):
    create_user(username="checkout")

    with pytest.raises(errors.NotFound):
        api_keys.revoke_api_keys("checkout")
