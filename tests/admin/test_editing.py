"""What administrators may change under /admin.

The rules of the API hold, and each change has its line in the log, in the same transaction.
"""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase

from coupon_management_flask.admin import service
from coupon_management_flask.core import clock, errors
from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.discount_coupons import errors as discount_errors
from coupon_management_flask.identity import change_log as admin_log
from coupon_management_flask.identity import credentials
from coupon_management_flask.models import (
    Account,
    CreditCoupon,
    DiscountCoupon,
    LoginSession,
    OutboxMessage,
    Promo,
    Stock,
    UnsubscribedAddress,
    VoucherType,
    Webhook,
)

from ..support.discounts import new_shop
from ..support.people import PASSWORD, claim, make_coupon, make_user, sign_in
from ..support.promos import new_company, publish
from .conftest import Browser, told


def row_of(model: type[DeclarativeBase], row_id: Any) -> Any:
    table: Any = model.__table__
    row_id = UUID(str(row_id))
    return db.session.execute(sa.select(table).where(table.primary_key.columns[0] == row_id)).one()


def edit(console: Browser, table: str, row_id: Any, **typed: str | None) -> Any:
    return console.send(f"/admin/{table}/edit/?id={row_id}", **typed)


def saved(answer: Any) -> bool:
    return answer.status_code == 302


# --- Forms


@pytest.mark.parametrize("token", [None, "", "x"])
def test_a_form_from_another_website_changes_nothing(console, alice, log, token):
    answer = edit(console, "accounts", alice.id, name="Mallory", csrf_token=token)

    assert answer.status_code == 400
    assert row_of(Account, alice.id).name == "Alice"
    assert log() == []


def test_what_was_not_touched_is_not_changed_and_not_logged(console, log):
    coupon = make_coupon(name=" two  spaces ", number_left=5)
    before = row_of(CreditCoupon, coupon.id)

    assert saved(edit(console, "credit_coupons", coupon.id))

    assert row_of(CreditCoupon, coupon.id) == before
    assert log() == []


def test_who_opened_a_form_before_somebody_elses_change_does_not_undo_it(app, console, alice, log):
    opened = console.fields(f"/admin/accounts/edit/?id={alice.id}")
    edit(console, "accounts", alice.id, name="Alicia")

    answer = console.post(f"/admin/accounts/edit/?id={alice.id}", **{**opened, "name": "Ally"})
    other_field = console.post(
        f"/admin/accounts/edit/?id={alice.id}", **{**opened, "surname": "Example"}
    )

    assert "Somebody else has changed this" in told(answer)
    assert saved(other_field)
    assert (row_of(Account, alice.id).name, row_of(Account, alice.id).surname) == (
        "Alicia",
        "Example",
    )
    assert [change["after"] for change in log()] == [{"name": "Alicia"}, {"surname": "Example"}]


@pytest.mark.parametrize("shown", ["", "{", "[]", '{"name": 1}', "{}"])
def test_a_form_that_is_none_of_ours_is_refused(console, alice, log, shown):
    assert edit(console, "accounts", alice.id, shown=shown, name="X").status_code == 400
    assert log() == []


def test_a_row_that_does_not_exist_is_404(console):
    for path in ("/admin/accounts/edit/", "/admin/webhooks/delete/"):
        assert console.get(path, id=str(UUID(int=1))).status_code == 404
        assert console.get(path).status_code == 404


def test_a_change_without_its_line_in_the_log_is_none(console, alice, monkeypatch, app):
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr(admin_log, "write_change", fail)

    answer = edit(console, "accounts", alice.id, name="Alicia", is_active=None)

    assert (answer.status_code, answer.mimetype) == (500, "text/html")
    assert "RuntimeError" not in answer.text
    assert row_of(Account, alice.id).name == "Alice"
    assert alice.get("/v1/coupons").status_code == 200


# --- Accounts


def test_an_accounts_name_is_changed_and_the_log_says_by_whom_and_how_it_was(
    console, boss, alice, log
):
    assert saved(edit(console, "accounts", alice.id, name="Alicia", surname="Example"))

    (change,) = log()
    assert (change["account_id"], change["action"], change["table_name"], change["row_id"]) == (
        boss,
        "change",
        "accounts",
        str(alice.id),
    )
    assert (change["before"], change["after"]) == (
        {"name": "Alice", "surname": ""},
        {"name": "Alicia", "surname": "Example"},
    )
    assert clock.now() - change["created_at"] < timedelta(minutes=1)
    page = console.get("/admin/admin_changes/").text
    assert "Alicia" in page
    assert "boss" in page


@pytest.mark.parametrize("typed", [{"name": ""}, {"role": "king"}], ids=str)
def test_an_account_keeps_to_the_rules_of_the_api(console, alice, log, typed):
    answer = edit(console, "accounts", alice.id, **typed)

    assert answer.status_code == 200
    assert 'class="wrong"' in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert (row_of(Account, alice.id).name, row_of(Account, alice.id).role) == ("Alice", "user")
    assert log() == []


def test_disabling_an_account_ends_its_sessions_at_once(console, client, alice, bob):
    assert saved(edit(console, "accounts", alice.id, is_active=None))

    assert alice.get("/v1/coupons").status_code == 401
    assert (
        client.post("/v1/auth/login", json={"username": "alice", "password": PASSWORD}).status_code
        == 403
    )
    assert bob.get("/v1/coupons").status_code == 200
    assert (
        db.session.scalar(
            sa.select(LoginSession.revoked_at).where(LoginSession.account_id == alice.id)
        )
        is not None
    )

    assert saved(edit(console, "accounts", alice.id, is_active="y"))
    assert alice.get("/v1/coupons").status_code == 401
    assert sign_in(client, alice.id, "alice").get("/v1/coupons").status_code == 200


def test_a_user_becomes_an_administrator_and_no_administrator_again(app, console, alice, client):
    assert saved(edit(console, "accounts", alice.id, role="administrator"))
    other = Browser(app.test_client())
    assert other.sign_in("alice").status_code == 303

    assert saved(edit(console, "accounts", alice.id, role="user"))

    assert other.get("/admin/").status_code == 303
    assert alice.get("/v1/coupons").status_code == 200
    assert alice.get("/v1/coupons?all=true").status_code == 403


@pytest.mark.parametrize(
    "typed",
    [{"role": "user"}, {"is_active": None}, {"role": "user", "is_active": None, "name": "Me"}],
)
def test_nobody_locks_themselves_out(console, boss, log, typed):
    answer = edit(console, "accounts", boss, **typed)

    assert "Another administrator has to do this." in answer.text
    assert (
        row_of(Account, boss).role,
        row_of(Account, boss).is_active,
        row_of(Account, boss).name,
    ) == ("administrator", True, "Boss")
    assert console.get("/admin/").status_code == 200
    assert log() == []


def test_whoever_is_no_administrator_any_more_changes_nobody(boss):
    other, _ = make_user(username="other", role="administrator")
    with transaction():
        service.change_account(boss, {"role": "user"}, by=other)

    for changes in ({"role": "user"}, {"is_active": False}, {"name": "x"}):
        with pytest.raises(errors.Forbidden):
            service.change_account(other, changes, by=boss)
    assert row_of(Account, other).role == "administrator"


def test_a_company_is_disabled_and_never_an_administrator(console, client, log):
    company = new_company(client)

    answer = edit(console, "accounts", company.id, role="administrator")
    assert "Only a user can be an administrator." in answer.text
    assert log() == []

    assert saved(edit(console, "accounts", company.id, is_active=None))
    assert company.get("/api/business/promo").status_code == 401


def test_an_account_that_does_not_exist_is_not_found(boss):
    with pytest.raises(errors.NotFound):
        service.change_account(UUID(int=1), {"name": "x"}, by=boss)


# --- Coupons and promos


def test_a_credit_coupon_is_changed_and_a_use_meanwhile_is_not_lost(console, alice, log):
    coupon = make_coupon(name="Tea", number_left=5)
    opened = console.fields(f"/admin/credit_coupons/edit/?id={coupon.id}")
    with transaction():
        claim(coupon.stock_id, alice.id)

    assert saved(
        console.post(
            f"/admin/credit_coupons/edit/?id={coupon.id}", **{**opened, "name": "Green tea"}
        )
    )

    assert (row_of(CreditCoupon, coupon.id).name, row_of(Stock, coupon.stock_id)[1:]) == (
        "Green tea",
        (5, 1),
    )
    assert saved(
        console.post(
            f"/admin/credit_coupons/edit/?id={coupon.id}", **{**opened, "number_left": "2"}
        )
    )
    assert (row_of(CreditCoupon, coupon.id).is_active, row_of(Stock, coupon.stock_id)[1:]) == (
        True,
        (3, 1),
    )
    assert [change["after"] for change in log()] == [{"name": "Green tea"}, {"capacity": 3}]
    assert log()[1]["before"] == {"capacity": 5}


def test_a_credit_coupon_keeps_to_the_rules_of_the_api(console, log):
    coupon = make_coupon()
    before = row_of(CreditCoupon, coupon.id), row_of(Stock, coupon.stock_id)

    answer = edit(console, "credit_coupons", coupon.id, value="-1")

    assert answer.status_code == 200
    assert 'aria-invalid="true"' in answer.text
    assert (row_of(CreditCoupon, coupon.id), row_of(Stock, coupon.stock_id)) == before
    assert log() == []


def test_a_discount_coupon_is_changed_as_by_the_api_with_version_and_webhooks(console, client, log):
    shop = new_shop(client)
    hook = shop.post(
        "/api/v1/webhooks", json={"url": "https://example.com/hook", "events": ["coupon.updated"]}
    )
    assert hook.status_code == 201, hook.text
    made = shop.post(
        "/api/v1/coupons",
        json={"code": "SAVE10", "type": "percentage", "discount": 10, "couponFor": "product"},
    ).json
    coupon_id = made["id"]

    answer = edit(
        console,
        "discount_coupons",
        coupon_id,
        discount="12.5",
        max_usage="3",
        expires_at="2030-01-02T03:04",
        is_active=None,
        description="Tea",
    )

    assert saved(answer)
    coupon = row_of(DiscountCoupon, coupon_id)
    assert (coupon.discount, coupon.is_active, coupon.version, coupon.description) == (
        Decimal("12.5"),
        False,
        2,
        "Tea",
    )
    assert row_of(Stock, coupon.stock_id).capacity == 3
    assert [row.topic for row in db.session.execute(sa.select(OutboxMessage.topic))] == ["webhook"]
    *made, change = log()
    assert [row["action"] for row in made] == ["create", "create"]
    assert {
        "discount": "12.5000",
        "is_active": False,
        "expires_at": "2030-01-02T03:04:00Z",
        "capacity": 3,
    }.items() <= change["after"].items()

    assert saved(
        edit(console, "discount_coupons", coupon_id, expires_at="", max_usage="", description="")
    )
    assert (
        row_of(DiscountCoupon, coupon_id).expires_at,
        row_of(Stock, coupon.stock_id).capacity,
    ) == (None, None)


def test_a_discount_coupon_that_would_contradict_itself_stays_as_it_is(console, client, log):
    made = (
        new_shop(client)
        .post(
            "/api/v1/coupons",
            json={
                "code": "SAVE10",
                "type": "percentage",
                "discount": 10,
                "couponFor": "product",
                "maxUsage": 2,
            },
        )
        .json
    )
    before = row_of(DiscountCoupon, made["id"])

    for typed in (
        {"discount": "101"},
        {"discount": "1.23456"},
        {"starts_at": "2030-01-01T00:00", "expires_at": "2029-01-01T00:00"},
        {"priority": "1e3"},
    ):
        answer = edit(console, "discount_coupons", made["id"], **typed)
        assert answer.status_code == 200, typed
        assert 'aria-invalid="true"' in answer.text, typed
    with transaction():
        account_id, _ = make_user()
        claim(before.stock_id, account_id, units=2)
    answer = edit(console, "discount_coupons", made["id"], max_usage="1")

    assert told(answer) == discount_errors.MESSAGES["max_usage_too_low"]
    assert row_of(DiscountCoupon, made["id"]) == before
    assert row_of(Stock, before.stock_id).capacity == 2
    # The shop's server has made it.
    assert [change["action"] for change in log()] == ["create"]


def test_a_promo_is_changed_as_by_its_company_and_the_feed_follows(console, client, log):
    company = new_company(client)
    promo_id = publish(
        company, target={"age_from": 18, "country": "de", "categories": ["tea"]}, max_count=5
    )

    assert saved(
        edit(
            console,
            "promos",
            promo_id,
            description="Another description",
            max_count="7",
            country="fr",
            active_until="2030-01-01",
        )
    )

    promo = row_of(Promo, promo_id)
    assert (
        promo.description,
        promo.max_count,
        promo.country,
        promo.age_from,
        promo.categories,
    ) == ("Another description", 7, "fr", 18, ["tea"])
    assert (promo.version, row_of(Stock, promo.stock_id).capacity) == (2, 7)
    assert company.get(f"/api/business/promo/{promo_id}").json["target"] == {
        "age_from": 18,
        "country": "fr",
        "categories": ["tea"],
    }
    (change,) = log()
    assert change["after"]["country"] == "fr"
    assert change["after"]["active_until"] == "2030-01-01"

    for typed in (
        {"age_from": "50", "age_until": "20"},
        {"country": "xx"},
        {"max_count": "-1"},
        {"active_from": "2031-01-01"},
        {"categories": "x"},
    ):
        answer = edit(console, "promos", promo_id, **typed)
        assert answer.status_code == 200, typed
        assert "wrong" in answer.text, typed
    assert row_of(Promo, promo_id) == promo
    assert len(log()) == 1


# --- Voucher types, addresses, webhooks


def test_a_voucher_type_is_made_and_changed(console, boss, log):
    answer = console.send(
        "/admin/voucher_types/new/",
        name="Exam",
        price="10.50",
        currency="EUR",
        service_type="exam",
        max_uses="2",
    )

    assert saved(answer)
    (made,) = db.session.execute(sa.select(VoucherType.__table__)).all()
    assert (
        made.name,
        made.price,
        made.currency,
        made.is_active,
        made.validity_days,
        made.max_uses,
    ) == ("Exam", 1050, "EUR", True, 365, 2)
    assert saved(edit(console, "voucher_types", made.id, price="12", is_active=None))
    assert (row_of(VoucherType, made.id).price, row_of(VoucherType, made.id).is_active) == (
        1200,
        False,
    )
    assert [(change["action"], change["account_id"], change["row_id"]) for change in log()] == [
        ("create", boss, str(made.id)),
        ("change", boss, str(made.id)),
    ]
    assert log()[0]["after"]["price"] == 1050
    assert log()[1]["before"] == {"price": 1050, "is_active": True}


def test_a_voucher_type_that_is_made_inactive_is_inactive(console):
    assert saved(
        console.send(
            "/admin/voucher_types/new/", name="Exam", price="1", service_type="exam", is_active=None
        )
    )

    (made,) = db.session.execute(sa.select(VoucherType.__table__)).all()
    assert (made.is_active, made.currency) == (False, "USD")


def test_a_voucher_type_keeps_to_the_rules_of_the_api(console, log):
    for typed in (
        {},
        {"price": "-1"},
        {"price": "0.001"},
        {"currency": "XYZ"},
        {"max_uses": "0"},
        {"name": ""},
    ):
        answer = console.send(
            "/admin/voucher_types/new/",
            **{"name": "Exam", "service_type": "exam", "price": "1", "currency": "USD", **typed}
            if typed
            else {},
        )
        assert answer.status_code == 200, typed
        assert 'aria-invalid="true"' in answer.text, typed
    assert db.session.scalar(sa.select(sa.func.count()).select_from(VoucherType)) == 0
    assert log() == []


def test_an_address_gets_no_mails_any_more_and_some_again(console, log):
    assert saved(console.send("/admin/unsubscribed_addresses/new/", email="Visitor@Example.com"))
    assert db.session.scalars(sa.select(UnsubscribedAddress.email)).all() == ["visitor@example.com"]
    assert "collides" in told(
        console.send("/admin/unsubscribed_addresses/new/", email="visitor@example.com")
    )
    assert "collides" in told(
        console.send("/admin/unsubscribed_addresses/new/", email="visitor+news@example.com ")
    )
    assert console.send("/admin/unsubscribed_addresses/new/", email="no address").status_code == 200

    answer = console.send("/admin/unsubscribed_addresses/delete/?id=visitor@example.com")

    assert answer.status_code == 303
    assert db.session.scalars(sa.select(UnsubscribedAddress.email)).all() == []
    assert [(change["action"], change["row_id"]) for change in log()] == [
        ("create", "visitor@example.com"),
        ("delete", "visitor@example.com"),
    ]


def test_a_webhook_is_deleted_only_after_it_was_asked_for_and_its_secret_is_in_no_log(
    console, client, log
):
    hook = (
        new_shop(client)
        .post(
            "/api/v1/webhooks",
            json={"url": "https://example.com/hook", "events": ["coupon.updated"]},
        )
        .json
    )
    assert console.get("/admin/webhooks/delete/", id=hook["id"]).status_code == 200
    assert console.post("/admin/webhooks/delete/", id=hook["id"]).status_code == 400
    assert row_of(Webhook, hook["id"]).url == "https://example.com/hook"

    assert console.send(f"/admin/webhooks/delete/?id={hook['id']}").status_code == 303

    assert db.session.scalars(sa.select(Webhook.id)).all() == []
    made, change = log()
    assert made["after"]["secret"] == "(not shown)"
    assert (change["action"], change["before"]["url"], change["after"]) == (
        "delete",
        "https://example.com/hook",
        None,
    )
    assert "secret" not in change["before"]
    assert hook["secret"] not in str(change)


def test_no_password_is_in_the_log(console, alice, log):
    edit(console, "accounts", alice.id, is_active=None)
    credentials.replace_password("alice", "another horse 1")
    edit(console, "accounts", alice.id, is_active="y")

    assert all(set(change["after"]) == {"is_active"} for change in log())
