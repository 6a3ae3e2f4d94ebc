"""POST /api/vouchers/purchase/."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa

from coupon_management_flask.core import codes, wallet
from coupon_management_flask.db.session import db
from coupon_management_flask.models import LedgerEntry, VoucherPurchase
from coupon_management_flask.payments.sales.credit import CreditValue
from coupon_management_flask.vouchers import vouchers

from ..support.promos import new_company
from ..support.refusals import refusal
from ..support.vouchers import NOBODYS, PATH, bought, buy, fields, sell

pytestmark = pytest.mark.both_databases

NOON = datetime(2026, 11, 21, 12, 0, 0, 500_000, tzinfo=UTC)


def test_a_voucher_of_10_costs_1000_credits(carol, kind, time_is):
    time_is(NOON)

    answer = buy(carol, kind)

    (voucher,) = answer.json["vouchers"]
    assert answer.status_code == 201
    assert answer.json == {
        "message": answer.json["message"],
        "vouchers": [
            {
                "id": voucher["id"],
                "code": voucher["code"],
                "voucher_type": kind,
                "status": "active",
                "is_active": True,
                "uses_remaining": 1,
                "total_uses": 1,
                "purchase_date": "2026-11-21T12:00:00.500000Z",
                "expiry_date": "2027-11-21T12:00:00.500000Z",
                "days_until_expiry": 365,
                "issued_at": "2026-11-21T12:00:00.500000Z",
                "expires_at": "2027-11-21T12:00:00.500000Z",
                "usage_count": 0,
                "is_valid": True,
            }
        ],
        "total_paid": 10,
        "discount_applied": 0,
        "credit": 9000,
    }
    assert isinstance(answer.json["message"], str)
    assert len(voucher["code"]) == 12
    assert set(voucher["code"]) <= set(codes.ALPHABET)
    entry = db.session.execute(
        sa.select(LedgerEntry).where(LedgerEntry.reason == "voucher")
    ).scalar_one()
    assert (entry.account_id, entry.amount, entry.balance_after) == (carol.id, -1000, 9000)
    paid = db.session.execute(sa.select(VoucherPurchase)).scalar_one()
    assert (
        paid.id,
        paid.account_id,
        paid.quantity,
        paid.unit_price,
        paid.discount,
        paid.total,
    ) == (entry.reference, carol.id, 1, 1000, 0, 1000)
    assert (paid.currency, paid.credits, paid.order_redemption_id, paid.refunded_at) == (
        "USD",
        1000,
        None,
        None,
    )


def test_several_have_a_code_and_uses_each(carol, admin):
    kind = sell(admin, price="0.99", max_uses=3, validity_days=1)

    answer = buy(carol, kind, quantity=10)

    found = answer.json["vouchers"]
    assert (
        len({voucher["code"] for voucher in found})
        == len({voucher["id"] for voucher in found})
        == 10
    )
    assert {
        (voucher["uses_remaining"], voucher["total_uses"], voucher["days_until_expiry"])
        for voucher in found
    } == {(3, 3, 1)}
    assert (answer.json["total_paid"], answer.json["credit"]) == (9.9, 9010)


def test_all_of_the_credit_is_enough_and_one_less_is_not(person, admin, voucher_books):
    kind = sell(admin, price=1)
    rich, poor = person(credit=300), person(credit=299)
    before = voucher_books()

    assert refusal(buy(poor, kind, quantity=3), "vouchers") == (402, "insufficient_credit")

    assert voucher_books() == before
    assert buy(rich, kind, quantity=3).json["credit"] == 0
    assert buy(poor, kind, quantity=2).json["credit"] == 99


def test_a_free_voucher_is_paid_with_nothing(alice, admin):
    answer = buy(alice, sell(admin, price=0), quantity=2)

    assert (answer.status_code, answer.json["total_paid"], answer.json["credit"]) == (201, 0, 100)


@pytest.mark.parametrize(
    ("amount", "currency", "value", "credits"),
    [
        (1000, "USD", "0.01", 1000),
        (1, "USD", "0.02", 1),
        (0, "USD", "0.03", 0),
        (1, "USD", "0.03", 1),
        (5, "USD", "0.02", 3),
        (1000, "JPY", "3", 334),
        (999, "JPY", "3", 333),
        (1, "USD", "0.003", 4),
        (1500, "KWD", "0.1", 15),
        (10**15, "USD", "0.0001", 10**17),
    ],
)
def test_credits_are_as_few_as_are_worth_the_price(amount, currency, value, credits):
    assert CreditValue(Decimal(value), currency).credits_for(amount) == credits


def test_what_a_credit_is_worth_is_for_the_operator_to_say(configured_app, person):
    app = configured_app(credit_value="0.30", currency="EUR")
    admin, buyer = (person(**given) for given in ({"role": "administrator"}, {"credit": 40}))
    admin.client = buyer.client = app.test_client()
    kind = sell(admin, price="10.05")

    answer = buy(buyer, kind).json

    # 10.05 / 0.30 = 33.5, and 34 credits are worth 10.20.
    assert (kind["currency"], answer["credit"], answer["total_paid"]) == ("EUR", 6, 10.2)
    dashboard = admin.get("/api/analytics/dashboard/").json
    assert dashboard["revenue"] == {"EUR": 10.2}
    assert buy(buyer, sell(admin, price="0.01")).json["total_paid"] == 0.3


def test_what_is_sold_in_another_currency_is_not_bought_with_credit(carol, admin, voucher_books):
    kind = sell(admin, currency="EUR")
    before = voucher_books()

    told = fields(buy(carol, kind, discount_code="NOTHING"))

    assert set(told) == {"voucher_type_id"}
    assert "EUR" in told["voucher_type_id"][0]
    assert voucher_books() == before


def test_a_wrong_field_is_named_and_nothing_moves(carol, admin, kind, voucher_books):
    gone = sell(admin, is_active=False)
    before = voucher_books()

    for voucher_type_id in (NOBODYS, gone["id"]):
        answer = carol.post(f"{PATH}/purchase/", json={"voucher_type_id": voucher_type_id})
        assert set(fields(answer)) == {"voucher_type_id"}
    assert set(fields(buy(carol, kind, quantity=0, price=1))) == {"quantity", "price"}
    assert set(fields(carol.post(f"{PATH}/purchase/", json={}))) == {"voucher_type_id"}

    assert voucher_books() == before


def test_a_strangers_and_a_companys_token_buy_nothing(client, kind, voucher_books):
    company = new_company(client)
    before = voucher_books()

    assert refusal(client.post(f"{PATH}/purchase/", json={}), "vouchers") == (
        401,
        "authentication_required",
    )
    assert refusal(buy(company, kind), "vouchers") == (401, "invalid_token")
    assert voucher_books() == before


def test_an_idempotency_key_buys_once_and_keeps_a_refusal(carol, alice, kind):
    answers = [buy(carol, kind, headers={"Idempotency-Key": "k"}) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].data == answers[1].data
    assert answers[1].headers["Idempotent-Replayed"] == "true"
    assert wallet.balance_of(carol.id) == 9000
    answers = [buy(alice, kind, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert [refusal(answer, "vouchers") for answer in answers] == [(402, "insufficient_credit")] * 2
    assert "Idempotent-Replayed" in answers[1].headers


def test_a_crash_before_the_commit_has_taken_nothing(carol, kind, monkeypatch, voucher_books):
    before = voucher_books()
    monkeypatch.setattr(vouchers, "list_of_purchase", lambda _: 1 / 0)

    assert refusal(buy(carol, kind), "vouchers") == (500, "internal_error")

    assert voucher_books() == before


def test_a_code_that_somebody_has_is_drawn_again(carol, kind, monkeypatch):
    drawn = iter(["AAA", "aaa", "BBB", "AAA", "bbb", "CCC", "DDD", "EEE"])
    monkeypatch.setattr(codes, "generate", lambda _: next(drawn))

    assert [voucher["code"] for voucher in bought(carol, kind)] == ["AAA"]
    assert [voucher["code"] for voucher in bought(carol, kind, quantity=4)] == [
        "CCC",
        "BBB",
        "DDD",
        "EEE",
    ]


def test_where_no_code_is_free_nothing_is_bought(carol, kind, monkeypatch, voucher_books):
    monkeypatch.setattr(codes, "generate", lambda _: "AAA")
    bought(carol, kind)
    before = voucher_books()

    answer = buy(carol, kind)

    assert refusal(answer, "vouchers") == (503, "service_unavailable")
    assert int(answer.headers["Retry-After"]) >= 1
    assert voucher_books() == before


def test_the_days_are_counted_from_the_purchase(carol, kind, time_is):
    for hours, days in (
        (0, 365),
        (1, 365),
        (24, 364),
        (24 * 364, 1),
        (24 * 365 - 1, 1),
        (24 * 365, 0),
        (24 * 500, 0),
    ):
        time_is(NOON - timedelta(hours=hours))
        (voucher,) = bought(carol, kind)
        time_is(NOON)
        assert carol.get(f"{PATH}/detail/{voucher['code']}/").json["days_until_expiry"] == days, (
            hours
        )
