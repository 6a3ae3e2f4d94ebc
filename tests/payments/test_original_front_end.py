"""The calls of the voucher app's own front end: what it sends, and the names that it reads."""

from uuid import UUID

import pytest

from ..support.payments import PATH, make_voucher_type
from ..support.refusals import refusal
from ..support.vouchers import NOBODYS, fields

KEY = {"Idempotency-Key": "once"}


@pytest.fixture
def call(buyer):
    """Send what the front end sends."""
    return lambda path, **body: buyer.person.post(
        f"{PATH}/{path}", headers=body.pop("headers", {}), json=body
    )


def test_a_token_is_refreshed(client, alice):
    for _ in range(2):
        # Signing in and out has no use for a key: a second answer would tell the first one's token.
        signed_in = client.post(
            "/api/auth/refresh/", json={"refresh": alice.refresh_token}, headers=KEY
        )
        assert signed_in.status_code == 200, signed_in.text
        assert set(signed_in.json) == {"access", "refresh"}
        assert signed_in.headers["Cache-Control"] == "no-store"
        assert "Idempotent-Replayed" not in signed_in.headers
        assert signed_in.json["refresh"] != alice.refresh_token
        spent, alice.refresh_token = alice.refresh_token, signed_in.json["refresh"]

    used_again = client.post("/api/auth/refresh/", json={"refresh": spent})
    assert refusal(used_again, "vouchers") == (401, "invalid_token")


def test_a_profile_is_changed(alice):
    answer = alice.patch("/api/users/profile/update/", json={"first_name": "Ada", "credit": 7})

    assert answer.status_code == 200, answer.text
    assert answer.json == alice.get("/api/users/profile/").json
    assert answer.json["first_name"] == "Ada"
    wrong = alice.put("/api/users/profile/update/", json={"first_name": "Ada"})
    assert (wrong.status_code, wrong.headers["Allow"]) == (405, "OPTIONS, PATCH")


@pytest.mark.both_databases
def test_vouchers_are_paid_for_and_used_and_the_money_is_asked_back(buyer, exam, stripe, call):
    sent = {"voucher_type_id": str(exam["id"]), "quantity": 2}
    intent = call("create-intent/", **sent, payment_method="stripe", currency="usd").json
    assert intent["payment_id"] == intent["transaction_id"]
    assert (intent["amount"], intent["currency"]) == (20, "USD")
    stripe.pay(intent["payment_intent_id"])

    paid = call("confirm/", payment_intent_id=intent["payment_intent_id"], **sent)
    assert paid.status_code == 200, paid.text
    assert paid.json["payment"] == paid.json["transaction"]
    assert paid.json["payment"]["status"] == "completed"
    vouchers = paid.json["vouchers"]
    assert paid.json["voucher_codes"] == [voucher["code"] for voucher in vouchers]
    for voucher in vouchers:
        kind = voucher["voucher_type"]
        assert voucher["issued_at"] == voucher["purchase_date"]
        assert voucher["expires_at"] == voucher["expiry_date"]
        assert (voucher["usage_count"], voucher["is_valid"]) == (0, True)
        assert (kind["type_code"], kind["usage_limit"]) == ("exam_results", 1)

    asked = call("refund/request/", payment_id=intent["payment_id"], reason="too many")
    assert asked.status_code == 200, asked.text
    assert asked.json["payment"] == asked.json["transaction"]
    assert asked.json["payment"]["status"] == "refunded"
    listed = buyer.person.get(f"{PATH}/refunds/").json
    assert (listed["count"], listed["results"]) == (1, [asked.json["payment"]])


def test_a_use_carries_the_data_of_its_service(buyer, exam):
    bought = buyer.bought(exam)
    body = {"code": bought["voucher_codes"][0], "service_type": "exam_results"}
    data = {"candidate": 4711, "subjects": ["a", None]}
    redeem = f"{PATH.replace('payments', 'vouchers')}/redeem/"

    both = buyer.person.post(redeem, json={**body, "details": {}, "service_data": data})
    assert set(fields(both)) == {"service_data"}
    too_large = buyer.person.post(redeem, json={**body, "service_data": "x" * 10_001})
    assert set(fields(too_large)) == {"service_data"}
    answer = buyer.person.post(redeem, json={**body, "details": data, "service_data": data})

    assert answer.status_code == 200, answer.text
    usage, voucher = answer.json["usage"], answer.json["voucher"]
    assert usage["service_data"] == usage["details"] == data
    assert usage["voucher_type_name"] == usage["voucher_type"]["name"]
    assert (voucher["usage_count"], voucher["is_valid"]) == (1, False)
    assert buyer.person.get("/api/vouchers/usage-history/").json["results"] == [usage]


def test_a_currency_or_a_way_to_pay_that_is_another_is_refused(
    buyer, exam, stripe, call, payment_books
):
    before = payment_books()

    for name, value in (("currency", "EUR"), ("currency", "eur"), ("payment_method", "paypal")):
        for goods in ({"voucher_type_id": str(exam["id"])}, {"credit_amount": 250}):
            for path in ("create-intent/", "create-payment-intent/"):
                assert set(fields(call(path, **goods, **{name: value}))) == {name}

    assert payment_books() == before
    for currency in ("usd", "USD"):
        assert call("create-intent/", credit_amount=250, currency=currency).status_code == 201


def test_a_refused_currency_leaves_the_open_payment_as_it_is(buyer, exam, call):
    open_one = buyer.intent(exam)

    call("create-intent/", voucher_type_id=str(exam["id"]), currency="EUR")

    assert buyer.status(open_one) == "pending"


def test_a_confirmation_of_something_else_is_refused(buyer, exam, stripe, call, payment_books):
    vouchers, credit = buyer.intent(exam, quantity=2), buyer.intent(credit_amount=250)
    other = str(make_voucher_type()["id"])
    for intent in (vouchers, credit):
        stripe.pay(intent["payment_intent_id"])
    before = payment_books()

    for intent, wrong in (
        (vouchers, {"voucher_type_id": other}),
        (vouchers, {"quantity": 3}),
        (vouchers, {"voucher_type_id": NOBODYS, "quantity": 1}),
        (credit, {"voucher_type_id": str(exam["id"])}),
        (credit, {"quantity": 1}),
    ):
        for path in ("confirm/", "confirm-payment/"):
            answer = call(path, payment_intent_id=intent["payment_intent_id"], **wrong)
            assert set(fields(answer)) == set(wrong)

    assert payment_books() == before


def test_a_payment_of_somebody_else_stays_unknown_whatever_it_is_for(buyer, other, exam):
    intent = buyer.intent(exam)

    answer = other.person.post(
        f"{PATH}/confirm/",
        json={"payment_intent_id": intent["payment_intent_id"], "quantity": 9},
    )

    assert refusal(answer, "vouchers") == (404, "transaction_not_found")


@pytest.mark.parametrize("path", ["refund/", "refund/request/"])
def test_a_refund_is_asked_for_by_either_name(buyer, exam, call, payment_books, path):
    bought = buyer.bought(exam)
    before, own = payment_books(), bought["payment_id"]

    differing = call(path, payment_id=own, transaction_id=NOBODYS, reason="none")
    assert len(fields(differing)) == 1
    unknown = call(path, payment_id=NOBODYS, reason="none")
    assert refusal(unknown, "vouchers") == (404, "transaction_not_found")
    assert set(fields(call(path, payment_id="none", reason="none"))) == {"payment_id"}
    assert payment_books() == before

    assert call(path, payment_id=own, transaction_id=own, reason="none").status_code == 200


def test_only_what_goes_back_is_listed_as_a_refund_and_only_ones_own(buyer, other, exam, stripe):
    kept, returned = buyer.bought(exam), buyer.bought(credit_amount=250)
    buyer.refund(returned)
    in_part = other.bought(exam)
    stripe.refund_on_dashboard(in_part["payment_intent_id"], 100)
    other.confirm(other.intent(credit_amount=100))

    def listed(who):
        answer = who.person.get(f"{PATH}/refunds/?page_size=5").json
        return [one["id"] for one in answer["results"]]

    assert kept["transaction_id"] not in listed(buyer)
    assert listed(buyer) == [returned["transaction_id"]]
    assert listed(other) == []


def test_a_key_is_that_of_the_call_it_stands_for(buyer, exam, stripe, call):
    sent = {"voucher_type_id": str(exam["id"]), "headers": KEY}
    first = call("create-intent/", **sent)
    assert first.status_code == 201, first.text

    for path in ("create-payment-intent/", "create-intent/"):
        again = call(path, **sent)
        assert (again.data, again.headers["Idempotent-Replayed"]) == (first.data, "true")
    assert call("confirm/", **sent).status_code == 422


def test_own_figures_are_ones_own_for_an_administrator_too(buyer, exam, admin):
    buyer.bought(exam)

    def read(who, path):
        answer = who.get(f"/api/analytics/{path}?days=7")
        assert answer.status_code == 200, answer.text
        return answer.json

    assert read(buyer.person, "user/") == read(buyer.person, "dashboard/")
    assert read(buyer.person, "user/")["revenue"] == {"USD": 10}
    assert read(admin, "user/")["scope"] == "user"
    assert read(admin, "user/")["vouchers"]["issued"] == 0
    for who in (buyer.person, admin):
        assert read(who, "revenue/") == read(who, "dashboard/")
    assert read(admin, "revenue/")["scope"] == "platform"
    assert set(fields(admin.get("/api/analytics/user/?days=0"))) == {"days"}


def test_what_is_on_sale_is_shown_by_both_names(client, exam):
    (kind,) = client.get("/api/vouchers/types/").json["results"]

    assert UUID(kind["id"]) == exam["id"]
    assert (kind["type_code"], kind["usage_limit"]) == (kind["service_type"], kind["max_uses"])
