"""Migration 0013 on a database of the release before it, with every pair that meets in one form.

Nothing is merged or lost: whoever signed in, found a code or had one still does.
"""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory
from flask import Flask
from flask_migrate import downgrade, upgrade

from coupon_management_flask import create_app
from coupon_management_flask.core import clock
from coupon_management_flask.db.session import db
from coupon_management_flask.email_coupons import mailer
from coupon_management_flask.identity import passwords
from coupon_management_flask.messaging import outbox
from coupon_management_flask.messaging.mail import sender
from coupon_management_flask.models import new_id
from coupon_management_flask.text import codes, mailboxes, usernames

from .conftest import dispose_engines, settings_for
from .support.server import ROOT
from .test_migrations import empty_database  # noqa: F401

BEFORE, AFTER = "0012", "0013"

NFD_ZOE, NFC_ZOE = "zoe\u0308", "zo\u00eb"
# Oldest first: the name, and with what it signs in after the upgrade. A pair stands together.
USERS = {
    "unicode domain": (
        "one@b\u00fccher.example",
        ["one@b\u00fccher.example", "ONE@B\u00dcCHER.example"],
    ),
    "ascii domain": ("one@xn--bcher-kva.example", ["one@xn--bcher-kva.example"]),
    "sharp s": ("wei\u00df@one.example", ["wei\u00df@one.example", "WEI\u00df@ONE.example"]),
    # It gets the key that the one above gives up.
    "fullwidth": ("weiss@\uff4fne.example", ["weiss@\uff4fne.example", "weiss@one.example"]),
    "decomposed": (NFD_ZOE, [NFD_ZOE.upper()]),
    "composed": (NFC_ZOE, []),
    "zero width": ("bob\u200b", ["bob\u200b", "\u2060BOB"]),
    "bob": ("bob", ["bob", "Bob "]),
    "plain": ("Alice+x@Example.com", ["alice+x@example.com"]),
}
YOUNGER = {"ascii domain", "composed", "bob"}
CODES = [" DUP", "DUP\u3164", "ABC", " ABC", "XYZ ", "Stra\u00dfe"]


@pytest.fixture
def old(empty_database: str) -> Iterator[Flask]:  # noqa: F811
    """Migrate to the release before, and push the context of an application on that database."""
    app = create_app(settings_for(empty_database))
    with app.app_context():
        upgrade(revision=BEFORE)
        yield app
        dispose_engines()


def insert(table: str, **row: Any) -> dict[str, Any]:
    types = db.metadata.tables[table].c
    rows = sa.table(table, *(sa.column(name, types[name].type) for name in row))
    with db.engine.begin() as connection:
        connection.execute(sa.insert(rows).values(**row))
    return row


def insert_user(name: str, **row: Any) -> UUID:
    account_id = new_id()
    is_email = "@" in name
    insert(
        "accounts",
        **{
            "id": account_id,
            "kind": "user",
            "username": name,
            "username_key": name.strip().casefold(),
            "email": name if is_email else None,
            "email_key": name.strip().casefold() if is_email else None,
            "password_hash": passwords.hash_password(f"password of {account_id}"),
            "name": "x",
            "surname": "",
            "role": "user",
            "is_active": True,
            "created_at": clock.now(),
            **row,
        },
    )
    if row.get("kind") != "company":
        insert("wallets", account_id=account_id, balance=0)
    return account_id


def insert_hidden_code(code: str) -> UUID:
    coupon_id = new_id()
    insert("stocks", id=coupon_id, capacity=5, claimed=0)
    insert(
        "credit_coupons",
        id=coupon_id,
        name="x",
        value=0,
        hidden_code=code,
        hidden_code_key=codes.keys(code)[0],
        stock_id=coupon_id,
        expiration_date=clock.now() + timedelta(days=1),
        is_active=True,
        created_at=clock.now(),
    )
    return coupon_id


def insert_email_coupon(email: str, number: int, *, age: int, lives: bool) -> str:
    """Insert a code that was given for example.com `age` days ago, and return it."""
    coupon_id, created_at = new_id(), clock.now() - timedelta(days=age)
    message_id = new_id()
    code = f"CODE{age:04}"
    insert("stocks", id=coupon_id, capacity=1, claimed=0)
    insert(
        "discount_coupons",
        id=coupon_id,
        code=code,
        type="percentage",
        discount=Decimal(10),
        currency="USD",
        coupon_for="product",
        products=[],
        categories=[],
        excluded_products=[],
        excluded_categories=[],
        customer_ids=[],
        expires_at=clock.now() + timedelta(days=9 if lives else -1),
        first_order_only=False,
        limits={},
        combinable=True,
        priority=0,
        base="remaining",
        is_active=True,
        is_public=False,
        is_bound=False,
        for_every_product=True,
        stock_id=coupon_id,
        version=1,
        created_at=created_at,
        updated_at=created_at,
    )
    insert(
        "email_coupons",
        id=coupon_id,
        email=email,
        website="example.com",
        number=number,
        coupon_id=coupon_id,
        message_id=message_id,
        created_at=created_at,
    )
    insert(
        "outbox_messages",
        id=message_id,
        topic=mailer.TOPIC,
        payload={"email_coupon_id": str(coupon_id)},
        created_at=created_at,
        due_at=created_at,
        attempts=0,
        delivered_at=None if lives else created_at,
    )
    return code


def rows(statement: str) -> list[tuple[Any, ...]]:
    with db.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(statement))]


def signs_in(app: Flask, login: str, account_id: UUID) -> bool:
    answer = app.test_client().post(
        "/v1/auth/login", json={"username": login, "password": f"password of {account_id}"}
    )
    return answer.status_code == 200


def test_accounts_that_become_one_address_are_not_merged_and_each_signs_in(old):
    ids = {name: insert_user(login) for name, (login, _) in USERS.items()}
    shops = [
        insert_user(USERS[name][0], kind="company", username=None, username_key=None)
        for name in ("unicode domain", "ascii domain")
    ]
    before = rows("SELECT id, username, email, password_hash FROM accounts ORDER BY id")

    upgrade(revision="head")

    assert rows("SELECT id, username, email, password_hash FROM accounts ORDER BY id") == before
    for name, (login, others) in USERS.items():
        for spelling in [login, *others]:
            assert signs_in(old, spelling, ids[name]), (name, spelling)
    # The one form belongs to the oldest, and what is not the same mailbox is free.
    assert signs_in(old, "one@B\u00dcCHER.example", ids["unicode domain"])
    assert not signs_in(old, "weiss@one.example", ids["sharp s"])
    audit = old.test_cli_runner().invoke(args=["audit"])
    assert audit.exit_code == 0
    told = [line for line in audit.output.splitlines() if line.startswith("note: account ")]
    assert len(told) == len(YOUNGER) + 1
    for younger in [*(ids[name] for name in YOUNGER), shops[1]]:
        assert sum(line.startswith(f"note: account {younger}: ") for line in told) == 1

    downgrade(revision=BEFORE)
    assert rows("SELECT id, username, email, password_hash FROM accounts ORDER BY id") == before
    for key, text in rows("SELECT username_key, username FROM accounts WHERE kind = 'user'"):
        assert key == text.strip().casefold()
    upgrade(revision="head")
    for name, (login, _) in USERS.items():
        assert signs_in(old, login, ids[name]), name


def test_a_stored_code_that_would_collide_when_trimmed_keeps_its_text_and_is_found_by_it(old):
    coupons = {code: insert_hidden_code(code) for code in CODES}
    user_id = insert_user("finder")

    upgrade(revision="head")

    client = old.test_client()
    login = {"username": "finder", "password": f"password of {user_id}"}
    token = client.post("/v1/auth/login", json=login).json["access_token"]
    headers = {"Authorization": f"Bearer {token}"}

    def found(code: str) -> str:
        return client.get(f"/v1/coupons/{code}", headers=headers).json["data"]["coupons"]["id"]

    for asked, code in {
        "abc": "ABC",
        " abc": " ABC",
        "abc ": "ABC",
        "xyz": "XYZ ",
        "xyz ": "XYZ ",
        "\u200bXYZ": "XYZ ",
        "dup": " DUP",
        "dup\u3164": "DUP\u3164",
        " dup": " DUP",
        "STRASSE": "Stra\u00dfe",
    }.items():
        assert found(asked) == str(coupons[code]), asked
    assert rows("SELECT count(*) FROM guess_logs") == [(0,)]
    audit = old.test_cli_runner().invoke(args=["audit"])
    assert audit.exit_code == 0
    assert {line.split(":")[1] for line in audit.output.splitlines() if "hidden code" in line} == {
        f" credit coupon {coupons[code]}" for code in (" ABC", "DUP\u3164")
    }

    downgrade(revision=BEFORE)
    for code, key in rows("SELECT hidden_code, hidden_code_key FROM credit_coupons"):
        assert key == codes.keys(code)[0]


def test_pairs_that_become_one_are_numbered_anew_and_the_newest_live_code_is_answered(
    old, monkeypatch
):
    dead, live, newest = (
        insert_email_coupon("v.i@gmail.com", 1, age=50, lives=False),
        insert_email_coupon("v.i@gmail.com", 2, age=10, lives=True),
        insert_email_coupon("vi+news@googlemail.com", 1, age=5, lives=False),
    )
    first = insert_email_coupon("vi@gmail.com", 1, age=60, lives=False)
    other = insert_email_coupon("o+x@example.com", 1, age=3, lives=True)
    for number, email in enumerate(("v.i@gmail.com", "vi@gmail.com", "O+x@example.com")):
        moment = clock.now() + timedelta(days=number)
        insert("unsubscribed_addresses", email=email.lower(), created_at=moment)
    insert("unsubscribed_addresses", email="someone@example.com", created_at=clock.now())

    upgrade(revision="head")

    numbered = rows(
        "SELECT e.email, e.number, d.code, e.mailed_to FROM email_coupons e"
        " JOIN discount_coupons d ON d.id = e.coupon_id ORDER BY e.email, e.number"
    )
    assert numbered == [
        ("o@example.com", 1, other, "o+x@example.com"),
        ("vi@gmail.com", 1, first, None),
        ("vi@gmail.com", 2, dead, "v.i@gmail.com"),
        ("vi@gmail.com", 3, live, "v.i@gmail.com"),
        ("vi@gmail.com", 4, newest, "vi+news@googlemail.com"),
    ]
    assert rows("SELECT email FROM unsubscribed_addresses ORDER BY email") == [
        ("o@example.com",),
        ("someone@example.com",),
        ("vi@gmail.com",),
    ]
    client = old.test_client()

    def ask(email: str) -> Any:
        return client.post("/api/coupons/", json={"email": email, "website": "example.com"})

    for spelling in ("VI+a@gmail.com", "v.i@googlemail.com"):
        answer = ask(spelling)
        assert (answer.status_code, answer.json["code"]) == (200, live)
    with db.engine.begin() as connection:
        connection.execute(sa.text(f"DELETE FROM discount_coupons WHERE code = '{live}'"))
        connection.execute(sa.text("DELETE FROM unsubscribed_addresses"))
    assert ask("vi@gmail.com").status_code == 201
    assert max(number for _, number, *_ in rows("SELECT 1, number FROM email_coupons")) == 5
    # A mail that waits goes where it would have gone.
    sent: list[sender.Mail] = []
    monkeypatch.setattr(sender, "send", sent.append)
    outbox.deliver_due({mailer.TOPIC: outbox.Topic(mailer.deliver)})
    assert sorted(mail.to for mail in sent) == ["o+x@example.com", "vi@gmail.com"]

    downgrade(revision=BEFORE)
    assert len(rows("SELECT id FROM email_coupons")) == 6
    upgrade(revision="head")


def test_the_forms_that_stored_text_got_are_those_that_text_is_compared_by():
    migration = ScriptDirectory(str(ROOT / "migrations")).get_revision(AFTER).module
    typed = [
        *(name for name, _ in USERS.values()),
        *CODES,
        "J.o+e@GoogleMail.com",
        "+@x",
        "a@b@c",
        "",
    ]
    for number in range(1, 0x3000):
        typed += [f"{chr(number)}a{chr(number)}", f"a{chr(number)}@x{chr(number)}.example"]
    for text in typed:
        assert migration._code(text) == codes.comparable(text), ascii(text)
        assert migration._login(text) == usernames.comparable(text), ascii(text)
        assert migration._without_tag(text) == mailboxes.without_tag(text), ascii(text)
