"""Where races run: a real server, its database, the clients, and the state at the end."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from flask import Flask

from coupon_management_flask import create_app
from coupon_management_flask.audit import rules
from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.identity import sessions
from coupon_management_flask.models import LedgerEntry, Redemption, Stock, Wallet
from coupon_management_flask.web.guard import access_token, refresh_token

from ..conftest import settings_for
from ..support.people import make_user
from ..support.refusals import refusal
from ..support.server import Server, assert_books_add_up, running_server
from .clients import Answer, Clients, Request

OK = (200, "")
LIFETIME = timedelta(hours=1)


@dataclass(frozen=True)
class Racer:
    """Somebody who is signed in, and the requests that they would send."""

    id: UUID
    username: str
    access_token: str
    refresh_token: str

    def request(
        self, method: str, path: str, json: Any = None, *, token: str | None = None, **headers: str
    ) -> Request:
        """Write the names of `headers` like Python names: `idempotency_key="7f1c"`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return Request(
            method, path, json, {"Authorization": f"Bearer {token or self.access_token}", **named}
        )

    def use(self, coupon: Any, **headers: str) -> Request:
        return self.request("POST", f"/v1/coupons/use/{coupon.hidden_code}", **headers)

    def use_chosen(self, coupon: Any, **headers: str) -> Request:
        return self.request(
            "POST", f"/v1/coupons/{coupon.id}/use", {"hidden_code": coupon.hidden_code}, **headers
        )

    def change(self, coupon: Any, **changes: Any) -> Request:
        return self.request("PATCH", f"/v1/coupons/{coupon.id}", changes)


@dataclass(frozen=True)
class Track:
    server: Server
    clients: Clients
    app: Flask

    @property
    def database_url(self) -> str:
        return str(self.app.extensions["settings"].database_url)

    def race(self, runners: Sequence[Sequence[Request]]) -> list[list[Answer]]:
        return self.clients.race(self.server.url, runners)

    def at_once(self, requests: Iterable[Request]) -> list[Answer]:
        return [answer for (answer,) in self.race([[request] for request in requests])]

    def send(self, request: Request) -> Answer:
        return self.at_once([request])[0]

    def users(self, count: int, *, credit: int = 0, **given: Any) -> list[Racer]:
        """Create people who have signed in before the race."""
        with transaction():
            made = [make_user(credit=credit, **given) for _ in range(count)]
            grants = [
                sessions.open_session(account_id, issued_by="credit", lifetime=LIFETIME)
                for account_id, _ in made
            ]
        return [
            Racer(
                account_id, username, access_token(grant, LIFETIME), refresh_token(grant, LIFETIME)
            )
            for (account_id, username), grant in zip(made, grants, strict=True)
        ]

    def user(self, **given: Any) -> Racer:
        return self.users(1, **given)[0]

    def admin(self) -> Racer:
        return self.user(role="administrator")


@contextmanager
def laid_track(database_url: str, clients: Clients, **server: Any) -> Iterator[Track]:
    """Start a server with two workers, and audit its books at the end, as an operator would."""
    app = create_app(settings_for(database_url))
    with running_server(database_url, workers=2, **server) as started:
        yield Track(started, clients, app)
    with app.app_context():
        db.engine.dispose()
    assert_books_add_up(database_url)


@contextmanager
def one_race(track: Track) -> Iterator[Track]:
    """Let one test read the database itself, and check that its books add up at the end."""
    with track.app.app_context():
        yield track
        assert list(rules.discrepancies()) == []
        db.session.remove()


def outcome(answer: Answer) -> tuple[int, str]:
    """Return OK, or status and name of an error in the contract's body.

    An error that allows another try has to say when.
    """
    if answer.status_code == 200:
        return OK
    if answer.status_code in (429, 503) or "idempotency_key_in_use" in answer.text:
        assert int(answer.headers["retry-after"]) >= 1
    return refusal(answer)


def outcomes(answers: Iterable[Answer]) -> Counter[tuple[int, str]]:
    return Counter(outcome(answer) for answer in answers)


def successes(answers: Iterable[Answer]) -> list[Any]:
    return [answer.json["data"] for answer in answers if answer.status_code == 200]


@dataclass(frozen=True)
class Sums:
    """What the database says about a coupon.

    `uses` counts its live redemptions, `owed` sums their amounts, and `paid` is what wallets paid
    for them.
    """

    capacity: int
    claimed: int
    uses: int
    owed: int
    paid: int


def sums(coupon: Any) -> Sums:
    uses = sa.select(Redemption.id).where(
        Redemption.stock_id == coupon.stock_id, Redemption.rolled_back_at.is_(None)
    )
    stock = db.session.execute(
        sa.select(Stock.capacity, Stock.claimed).where(Stock.id == coupon.stock_id)
    ).one()
    count, owed = db.session.execute(
        sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(Redemption.amount), 0)).where(
            Redemption.id.in_(uses)
        )
    ).one()
    paid = db.session.scalar(
        sa.select(sa.func.coalesce(-sa.func.sum(LedgerEntry.amount), 0)).where(
            LedgerEntry.reference.in_(uses)
        )
    )
    return Sums(stock.capacity, stock.claimed, count, int(owed), int(paid))


def balances(racers: Iterable[Racer]) -> list[int]:
    found = dict(db.session.execute(sa.select(Wallet.account_id, Wallet.balance)).all())
    return [found[racer.id] for racer in racers]
