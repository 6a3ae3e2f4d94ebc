"""Creating the same user in parallel: a name belongs to one user, who has one wallet."""

import pytest
import sqlalchemy as sa

from coupon_management_flask.db.session import db
from coupon_management_flask.models import Account, LedgerEntry, Wallet

from ..support.people import PASSWORD
from .track import outcomes

pytestmark = pytest.mark.server


@pytest.mark.parametrize(
    ("same", "refused"),
    [
        (lambda number: {"username": "alice" if number % 2 else "ALICE"}, "username_taken"),
        (lambda number: {"username": f"bob{number}", "email": "bob@example.com"}, "email_taken"),
    ],
    ids=["username", "e-mail"],
)
def test_a_user_created_twenty_times_at_once_is_one_user_with_one_wallet(track, same, refused):
    admin = track.admin()
    bodies = [
        {"password": PASSWORD, "name": "Some One", "credit": 100, **same(number)}
        for number in range(20)
    ]

    answers = track.at_once(admin.request("POST", "/v1/user", body) for body in bodies)

    (created,) = [answer.json["data"]["user"] for answer in answers if answer.status_code == 201]
    assert outcomes(answer for answer in answers if answer.status_code != 201) == {
        (409, refused): 19
    }
    ((account_id, username),) = accounts_since(admin)
    assert created == {
        "id": str(account_id),
        "username": username,
        "name": "Some One",
        "credit": 100,
    }
    assert db.session.execute(
        sa.select(Wallet.account_id, Wallet.balance).where(Wallet.account_id > admin.id)
    ).all() == [(account_id, 100)]
    assert db.session.execute(
        sa.select(LedgerEntry.account_id, LedgerEntry.amount).where(
            LedgerEntry.account_id > admin.id
        )
    ).all() == [(account_id, 100)]


def accounts_since(somebody):
    """Return the accounts created after that one. Ids sort by time of creation."""
    return db.session.execute(
        sa.select(Account.id, Account.username).where(Account.id > somebody.id)
    ).all()
