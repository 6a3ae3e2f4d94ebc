"""POST /api/coupons/: one code for each pair while it has not expired."""

import re
from datetime import datetime, timedelta
from urllib.parse import quote

import pytest
import sqlalchemy as sa

from coupon_management_flask.core import codes
from coupon_management_flask.db.dialects import is_postgresql
from coupon_management_flask.db.session import db
from coupon_management_flask.discount_coupons import terms as coupon_terms
from coupon_management_flask.email_coupons import issue, mailer, unsubscribe
from coupon_management_flask.models import DiscountCoupon, EmailCoupon, OutboxMessage, Stock
from coupon_management_flask.text import mailboxes

from ..support.discounts import new_shop
from ..support.refusals import refusal
from .conftest import PATH

pytestmark = pytest.mark.both_databases


def counts():
    """Return how many codes, discount coupons, stocks and mails there are."""
    return tuple(
        db.session.scalar(sa.select(sa.func.count()).select_from(model))
        for model in (EmailCoupon, DiscountCoupon, Stock, OutboxMessage)
    )


def coupon_of(answer):
    return db.session.execute(
        sa.select(DiscountCoupon.__table__).where(DiscountCoupon.code == answer.json["code"])
    ).one()


def refused(answer):
    """Return the messages of an answer that refuses fields and says nothing else."""
    assert answer.status_code == 400, answer.text
    assert answer.mimetype == "application/json"
    body = dict(answer.json)
    assert body.pop("error_code") == "validation_error"
    return body


def test_a_new_pair_gets_a_code_that_can_be_used_once_and_a_mail(ask, time):
    answer = ask()

    assert answer.status_code == 201
    code, expires_at = answer.json["code"], answer.json["expires_at"]
    assert answer.json == {
        "email": "user@example.com",
        "website": "example.com",
        "code": code,
        "expires_at": expires_at,
    }
    assert re.fullmatch(f"[{codes.ALPHABET}]{{8}}", code)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", expires_at)
    assert datetime.fromisoformat(expires_at) == (time.moment + timedelta(days=30)).replace(
        microsecond=0
    )

    coupon = coupon_of(answer)
    assert (coupon.type, coupon.discount, coupon.currency, coupon.coupon_for, coupon.products) == (
        "percentage",
        10,
        "USD",
        "product",
        [],
    )
    assert (coupon.is_active, coupon.is_public, coupon.expires_at) == (
        True,
        False,
        datetime.fromisoformat(expires_at),
    )
    assert db.session.scalar(sa.select(Stock.capacity).where(Stock.id == coupon.stock_id)) == 1
    (message,) = db.session.execute(sa.select(OutboxMessage.__table__))
    issued = db.session.execute(sa.select(EmailCoupon.__table__)).one()
    assert (message.topic, message.payload, message.id) == (
        mailer.TOPIC,
        {"email_coupon_id": str(issued.id)},
        issued.message_id,
    )
    assert (issued.number, issued.coupon_id) == (1, coupon.id)


def test_a_pair_that_has_a_code_is_answered_the_same_used_or_not(ask, client, email_books):
    first = ask()
    before = email_books()

    second = ask()
    assert email_books() == before
    assert new_shop(client).redeem(first.json["code"]).status_code == 201
    third = ask()

    assert [answer.status_code for answer in (first, second, third)] == [201, 200, 200]
    assert first.data == second.data == third.data
    assert counts()[0] == 1


def test_what_a_person_would_call_the_same_is_one_pair_and_answers_show_its_one_form(ask):
    first = ask("user@xn--mller-kva.example", "xn--bcher-kva.example")
    assert first.status_code == 201

    for email, website in (
        ("User@MÜLLER.example", "https://www.Bücher.example:8443/a?b=c#d"),
        ("  USER@müller.EXAMPLE \n", " BÜCHER.example. "),
        ("user@XN--MLLER-KVA.example", "//www.bücher.example/"),
    ):
        again = ask(email, website)
        assert (again.status_code, again.json) == (200, first.json), (email, website)
    assert (first.json["email"], first.json["website"]) == (
        "user@xn--mller-kva.example",
        "xn--bcher-kva.example",
    )


def test_another_address_or_website_is_another_pair(ask):
    pairs = [
        ("user@example.com", "example.com"),
        ("us.er@example.com", "example.com"),
        ("user@example.com", "shop.example.com"),
        ("user@example.com", "127.0.0.1"),
    ]

    answers = [ask(*pair) for pair in pairs]

    assert [answer.status_code for answer in answers] == [201] * 4
    assert len({answer.json["code"] for answer in answers}) == 4


@pytest.mark.parametrize(
    ("first", "others", "form"),
    [
        (
            "vic.tim@gmail.com",
            ["victim+0@gmail.com", "V.I.C.T.I.M+1+2@GoogleMail.com"],
            "victim@gmail.com",
        ),
        (
            "Victim+a@example.com",
            ["victim@example.com", "VICTIM+b@example.com"],
            "victim@example.com",
        ),
        (
            "zoe\u0308@b\u00fccher.example",
            ["ZO\u00cb@xn--bcher-kva.example"],
            "zo\u00eb@xn--bcher-kva.example",
        ),
    ],
)
def test_a_mailbox_is_one_pair_gets_one_mail_and_is_unsubscribed_and_found_as_one(
    ask, client, admin, deliver, first, others, form
):
    answers = [ask(email) for email in (first, *others)]

    assert [answer.status_code for answer in answers] == [201, *[200] * len(others)]
    assert len({answer.data for answer in answers}) == 1
    assert answers[0].json["email"] == form
    (mail,) = deliver()
    assert mail.to == mailboxes.deliverable(first)
    for email in (first, *others):
        listed = admin.get(f"{PATH}?email={quote(email)}")
        assert listed.json["count"] == 1, listed.text
    unsubscribe.unsubscribe(others[0])
    assert ask(first, "other.example").status_code == 201
    assert deliver() == []


def test_a_mail_that_is_asked_for_again_goes_to_the_address_as_it_was_typed_last(
    ask, deliver, time
):
    ask("one+a@example.com")
    deliver()
    time.passes(hours=1)

    ask("One@b\u00fccher.example")
    ask("One+B@Example.com")

    assert [mail.to for mail in deliver()] == ["One@xn--bcher-kva.example", "One+B@example.com"]


def test_the_daily_limit_is_that_of_the_mailbox(configured_app):
    client = configured_app(
        rate_limits_enabled=True,
        rate_limit_coupons="100 per minute",
        rate_limit_coupon_emails="2 per day",
    ).test_client()

    def ask(email):
        pair = {"email": email, "website": "example.com"}
        return client.post(PATH, json=pair).status_code

    assert [ask(f"vic.tim+{number}@gmail.com") for number in range(2)] == [201, 200]
    for email in ("victim@googlemail.com", "v.i.ctim+9@gmail.com"):
        assert ask(email) == 429
    assert ask("other@gmail.com") == 201


def test_a_code_that_has_expired_is_followed_by_another(ask, time):
    first = ask()
    until = datetime.fromisoformat(first.json["expires_at"])

    time.moment = until - timedelta(microseconds=1)
    assert ask().data == first.data
    time.moment = until
    second = ask()

    assert second.status_code == 201
    assert second.json["code"] != first.json["code"]
    assert ask().data == second.data
    assert sorted(db.session.scalars(sa.select(EmailCoupon.number))) == [1, 2]


def test_a_code_that_the_shop_has_deleted_is_followed_by_another(ask, client):
    shop = new_shop(client)
    first = ask()
    assert shop.delete(f"/api/v1/coupons/{coupon_of(first).id}").status_code == 204

    second = ask()

    assert second.status_code == 201
    assert second.json["code"] != first.json["code"]
    assert counts()[:2] == (2, 1)


def test_what_the_shop_changes_is_what_is_answered(ask, client, time):
    shop = new_shop(client)
    path = f"/api/v1/coupons/{coupon_of(ask()).id}"

    assert shop.patch(path, json={"code": "WELCOME", "expiresAt": None}).status_code == 200
    time.passes(days=4000)
    answer = ask()

    assert (answer.status_code, answer.json["code"], answer.json["expires_at"]) == (
        200,
        "WELCOME",
        None,
    )


def test_discount_and_life_are_settings_also_by_website(configured_app, time):
    app = configured_app(
        coupon_discount_percent="12.5",
        coupon_expiry_days=7,
        currency="USD",
        coupon_websites={"www.Shop.example": {"discount_percent": 15, "expiry_days": 1}},
    )

    for website, discount, days in (
        ("other.example", "12.5", 7),
        ("https://shop.example/x", "15", 1),
    ):
        answer = app.test_client().post(
            PATH, json={"email": "user@example.com", "website": website}
        )
        assert answer.status_code == 201
        assert datetime.fromisoformat(answer.json["expires_at"]) == (
            time.moment + timedelta(days=days)
        ).replace(microsecond=0)
        coupon = coupon_of(answer)
        assert (f"{coupon.discount:f}".rstrip("0").rstrip("."), coupon.currency) == (
            discount,
            "USD",
        )


def test_bad_input_is_told_by_field_and_changes_nothing(client, email_books):
    good = {"email": "user@example.com", "website": "example.com"}
    before = email_books()

    assert refused(client.post(PATH, json={"email": "user", "code": "ABC23456"})) == {
        "email": ["Enter a valid email address."],
        "website": ["This field is required."],
        "code": ["Unknown field."],
    }
    assert refused(client.post(PATH, json=[good])) == {"body": ["It must be a JSON object."]}
    assert refusal(client.post(PATH, data=b"email=user"), "email_coupons") == (
        400,
        "malformed_request",
    )
    assert email_books() == before


def test_tokens_keys_and_content_types_make_no_difference(client, ask, alice):
    headers = [
        {"Authorization": "Bearer nonsense"},
        {"Authorization": f"Bearer {alice.access_token}"},
        {"X-API-Key": "nonsense"},
    ]
    headers += [
        {"Idempotency-Key": "1"},
        {"Idempotency-Key": "x" * 300},
        {"Content-Type": "text/plain"},
    ]
    first = ask()

    for header in headers:
        body = b'{"email": "user@example.com", "website": "example.com"}'
        answer = client.post(PATH.rstrip("/"), data=body, headers=header)
        assert (answer.status_code, answer.data) == (200, first.data), header
        assert "Idempotent-Replayed" not in answer.headers
    # Another request under the same key is no reuse of it.
    assert ask("other@example.com", headers={"Idempotency-Key": "1"}).status_code == 201


def test_a_code_that_is_taken_is_drawn_again(ask, client, monkeypatch):
    taken = new_shop(client).new(code="TAKEN222")
    drawn = iter(["TAKEN222", "TAKEN222", "FREE2222"])
    monkeypatch.setattr(codes, "generate", lambda length: next(drawn))

    answer = ask()

    assert (answer.status_code, answer.json["code"]) == (201, "FREE2222")
    assert counts()[1:3] == (2, 2)
    assert taken["maxUsage"] is None


def test_who_was_overtaken_answers_with_the_code_of_who_was_faster_and_leaves_nothing(
    ask, monkeypatch
):
    complete, faster = coupon_terms.complete, []

    def be_overtaken(terms):
        # It has seen that there is no code, and has not begun to write.
        if not faster:
            faster.append(None)
            faster[0] = ask()
        return complete(terms)

    monkeypatch.setattr(coupon_terms, "complete", be_overtaken)
    slower = ask()

    assert (faster[0].status_code, slower.status_code) == (201, 200)
    assert slower.data == faster[0].data
    assert counts() == (1, 1, 1, 1)


@pytest.mark.parametrize("when", ["coupon", "mail"])
def test_what_fails_in_the_middle_leaves_nothing(ask, monkeypatch, email_books, capsys, when):
    before = email_books()

    def fail(*_):
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr(
            *((issue.outbox, "write") if when == "mail" else (issue.write, "write")),
            fail,
        )
        assert refusal(ask(), "email_coupons") == (500, "internal_error")

    assert email_books() == before
    assert ask().status_code == 201


def test_a_call_sends_as_few_statements_as_it_needs(ask, statements, deliver, time):
    statements.clear()
    assert ask().status_code == 201
    # Is there one? Then the discount coupon (SQLite: is its code free, its stock, itself), the
    # mail, the pair's. And which webhooks are told?
    assert len(statements) == (5 if is_postgresql() else 7), statements
    deliver()

    def asked_again():
        statements.clear()
        assert ask().status_code == 200
        return len(statements)

    assert asked_again() == 1
    time.passes(hours=1)
    # The next mail, and its place as the last one.
    assert [asked_again(), asked_again()] == [3, 1]
    # That one waits.
    time.passes(hours=1)
    assert asked_again() == 1
