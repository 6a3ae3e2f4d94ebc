"""identity/sessions.py: sessions, the refresh families in them, and whether they still stand."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from coupon_management_flask.core import errors
from coupon_management_flask.db.dialects import is_postgresql
from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.identity import credentials, passwords, sessions
from coupon_management_flask.models import Account, LoginSession, new_id

from ..support.people import make_user
from ..support.waiting import wait_until

pytestmark = pytest.mark.both_databases

WEEK = timedelta(days=7)


@pytest.fixture
def account(app):
    return make_user(username="alice", name="Alice")[0]


def open_session(account_id, issued_by="credit", **given):
    return sessions.open_session(account_id, issued_by=issued_by, **{"lifetime": WEEK, **given})


def rotate(grant, lifetime=WEEK):
    return sessions.rotate(grant.session_id, grant.refresh_id, lifetime=lifetime)


def stands(grant):
    return sessions.standing(grant.session_id, grant.account_id) is not None


def stored():
    return [
        row._asdict()
        for row in db.session.execute(sa.select(LoginSession.__table__).order_by(LoginSession.id))
    ]


def test_a_session_says_whose_it_is_who_opened_it_and_which_refresh_token_is_alive(account, time):
    grant = open_session(account, issued_by="promo", lifetime=timedelta(hours=2))

    assert grant.account_id == account
    assert stored() == [
        {
            "id": grant.session_id,
            "account_id": account,
            "issued_by": "promo",
            "refresh_id": grant.refresh_id,
            "created_at": time.moment,
            "expires_at": time.moment + timedelta(hours=2),
            "revoked_at": None,
        }
    ]


def test_what_stands_is_the_account_and_the_refresh_token_that_is_alive(account):
    grant = open_session(account)

    assert sessions.standing(grant.session_id, account)._asdict() == {
        "id": account,
        "kind": "user",
        "username": "alice",
        "email": None,
        "name": "Alice",
        "role": "user",
        "age": None,
        "country": None,
        "refresh_id": grant.refresh_id,
    }


def test_asking_whether_a_session_stands_is_one_select(account, statements):
    grant = open_session(account)
    # The first one of a connection also prepares the statement.
    assert stands(grant)
    statements.clear()

    assert stands(grant)

    assert [statement.split()[0] for statement in statements] == (
        ["EXECUTE"] if is_postgresql() else ["SELECT"]
    )


@pytest.mark.parametrize("open_one", [sessions.open_session, sessions.open_only_session])
def test_no_session_opens_for_a_password_that_was_changed_since_it_was_looked_at(account, open_one):
    standing = open_session(account, issued_by="promo")
    looked_at = db.session.scalar(sa.select(Account.password_hash))
    credentials.set_password(
        account, passwords.hash_password("new horse 1"), keep=standing.session_id
    )

    before = stored()
    with pytest.raises(errors.WrongCredentials):
        open_one(account, issued_by="promo", lifetime=WEEK, password_hash=looked_at)
    assert stored() == before
    assert stands(
        open_one(
            account,
            issued_by="promo",
            lifetime=WEEK,
            password_hash=db.session.scalar(sa.select(Account.password_hash)),
        )
    )


def test_a_password_that_changes_while_a_session_opens_ends_that_session(account, elsewhere):
    new_hash = passwords.hash_password("new horse 1")

    with transaction():
        opened = open_session(
            account, password_hash=db.session.scalar(sa.select(Account.password_hash))
        )
        change = elsewhere(lambda: credentials.set_password(account, new_hash))
        if is_postgresql():
            wait_until(somebody_waits, "the change waits for who signs in")
    change.result(timeout=20)

    assert not stands(opened)


def somebody_waits():
    with db.engines["reading"].connect() as connection:
        return connection.scalar(sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted"))


def test_a_session_stands_for_its_own_account_alone(account):
    grant, other = open_session(account), make_user()[0]

    assert sessions.standing(grant.session_id, other) is None
    assert sessions.standing(new_id(), account) is None


def test_a_session_ends_when_its_lifetime_is_over(account, time):
    grant = open_session(account)

    time.passes(days=7, microseconds=-1)
    assert stands(grant)
    time.passes(microseconds=1)
    assert not stands(grant)
    assert rotate(grant) is None


def test_a_session_of_a_disabled_account_does_not_stand(account):
    grant = open_session(account)

    with transaction():
        db.session.execute(sa.update(Account).where(Account.id == account).values(is_active=False))

    assert not stands(grant)


def test_a_refresh_token_is_exchanged_for_the_next_one_in_the_same_session(account, time):
    first = open_session(account)
    time.passes(days=6)

    second = rotate(first)

    assert second == sessions.Grant(account, first.session_id, second.refresh_id)
    assert second.refresh_id != first.refresh_id
    assert sessions.standing(first.session_id, account).refresh_id == second.refresh_id
    time.passes(days=6)
    assert stands(second)
    assert rotate(second) is not None


@pytest.mark.parametrize("rotations", [1, 2, 5])
def test_using_a_refresh_token_again_ends_the_whole_family(account, rotations):
    stolen = latest = open_session(account)
    for _ in range(rotations):
        latest = rotate(latest)

    assert rotate(stolen) is None

    assert not stands(latest)
    assert rotate(latest) is None


def test_a_family_that_ends_takes_no_other_with_it(account):
    stolen, other = open_session(account), open_session(account)
    rotate(stolen)
    rotate(stolen)

    assert stands(other)
    assert rotate(other) is not None


def test_a_guessed_refresh_token_opens_nothing_and_ends_the_session(account):
    grant = open_session(account)

    assert sessions.rotate(grant.session_id, new_id(), lifetime=WEEK) is None
    assert not stands(grant)


def test_no_refresh_token_prolongs_a_session_that_was_opened_without_one(account):
    grant = open_session(account, refreshable=False)

    assert grant.refresh_id is None
    assert stands(grant)
    assert sessions.rotate(grant.session_id, new_id(), lifetime=WEEK) is None


def test_of_two_that_use_one_refresh_token_at_once_one_wins_and_the_family_ends(account, together):
    grant = open_session(account)

    outcomes = together(*[lambda: rotate(grant)] * 2)

    [won] = [outcome for outcome in outcomes if outcome is not None]
    assert isinstance(won, sessions.Grant)
    assert not stands(won)
    assert rotate(won) is None


def test_a_revoked_session_is_dead_at_once_and_for_all(account):
    grant, other = open_session(account), open_session(account)

    sessions.revoke(grant.session_id)

    assert not stands(grant)
    assert rotate(grant) is None
    assert stands(other)


def test_revoking_again_changes_nothing(account, time):
    grant = open_session(account)
    sessions.revoke(grant.session_id)

    before = stored()
    time.passes(minutes=1)
    sessions.revoke(grant.session_id)
    sessions.revoke(new_id())
    assert stored() == before


def test_revoke_all_ends_an_accounts_sessions_and_no_one_elses(account):
    bob = make_user(username="bob")[0]
    own, others = (
        [open_session(account), open_session(account, issued_by="promo")],
        open_session(bob),
    )

    sessions.revoke_all(account)

    assert [stands(grant) for grant in own] == [False, False]
    assert stands(others)


def test_revoke_all_keeps_the_callers_own_session(account):
    kept, ended = open_session(account), open_session(account)

    sessions.revoke_all(account, keep=kept.session_id)

    assert stands(kept)
    assert not stands(ended)


def test_revoke_all_can_be_limited_to_what_one_contract_opened(account):
    credit, promo = (
        open_session(account, issued_by="credit"),
        open_session(account, issued_by="promo"),
    )

    sessions.revoke_all(account, issued_by="promo")

    assert stands(credit)
    assert not stands(promo)


def test_keep_and_issued_by_hold_together(account):
    kept, ended = open_session(account, issued_by="promo"), open_session(account, issued_by="promo")
    other = open_session(account, issued_by="credit")

    sessions.revoke_all(account, keep=kept.session_id, issued_by="promo")

    assert [stands(grant) for grant in (kept, ended, other)] == [True, False, True]
