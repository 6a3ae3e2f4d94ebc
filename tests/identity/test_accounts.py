"""identity/accounts.py: what is stored of people and companies, and which names are free."""

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from coupon_management_flask.core import errors, wallet
from coupon_management_flask.db.failures import broken_constraint
from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.identity import accounts, passwords
from coupon_management_flask.models import Account

from ..support.people import PASSWORD
from .making import create_company, create_user


def stored(account_id):
    return db.session.execute(sa.select(Account.__table__).where(Account.id == account_id)).one()


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
