"""What is changed by whoever manages something through the API is in the log of changes."""

import pytest
import sqlalchemy as sa

from coupon_management_flask.db.session import db
from coupon_management_flask.identity import change_log
from coupon_management_flask.models import Account, AdminChange, CreditCoupon
from coupon_management_flask.web.operations import notes_of

from ..support.books import rows_of
from ..support.people import PASSWORD
from .cast import Stage

# Rows are taken from other tables, without what belongs to them.
pytestmark = pytest.mark.books_are_wrong

# What a shop does all day with its orders: each is a row that says whose it is.
ORDERS = {"POST /api/v1/coupons/redeem", "POST /api/v1/coupons/increment-usage"}
# Noted where a person does it, and not where a shop's server does.
OF_PEOPLE = {"POST /api/v1/redemptions/<redemption_id>/rollback"}


@pytest.fixture
def stage(client):
    return Stage(client)


@pytest.fixture
def log(app):
    """Read the log, the latest last."""
    return lambda: db.session.execute(
        sa.select(AdminChange.__table__).order_by(AdminChange.id)
    ).all()


def managing(app):
    """Return the routes that change something and are not for everybody who has signed in.

    Other names of them are left out: behind them is the same view.
    """
    for rule in app.url_map.iter_rules():
        notes = notes_of(app.view_functions[rule.endpoint])
        guarded = notes.guarded
        if notes.original or guarded is None:
            continue
        if guarded.may_forbid and guarded.idempotent:
            for method in rule.methods - {"GET", "HEAD", "OPTIONS"}:
                yield f"{method} {rule.rule}", guarded.api_key


def test_each_call_that_manages_something_is_noted_and_names_who_did_it(app, stage, log):
    names = {"adm": stage.callers["adm"].username, "mng": "the shop"}
    found = sorted(managing(app))
    assert {*ORDERS, *OF_PEOPLE} <= {route for route, _ in found}

    for route, takes_keys in found:
        for caller in ("adm", "mng") if takes_keys else ("adm",):
            method, path, options = stage.request(*route.split())
            before = len(log())

            answer = stage.callers[caller].request(method, path, **options)

            assert answer.status_code < 300, (route, answer.text)
            noted = log()[before:]
            if route in ORDERS or (route in OF_PEOPLE and caller == "mng"):
                assert noted == [], route
                continue
            (change,) = noted
            assert (change.before, change.after) != (None, None), route
            name = sa.select(Account.username).where(Account.id == change.account_id)
            assert db.session.scalar(name) == names[caller], route


def told(change):
    return change.action, change.table_name, change.row_id, change.before, change.after


def test_what_a_row_was_and_is_now_is_told_without_its_secrets(stage, log):
    admin, shop = stage.callers["adm"], stage.callers["mng"]
    coupon = stage.thing("/v1/ coupon_id")
    discount = stage.thing("/api/v1/ coupon_id")
    before = len(log())

    admin.patch(f"/v1/coupons/{coupon}", json={"value": 7, "hidden_code": "SECRETLY"})
    admin.delete(f"/v1/coupons/{coupon}")
    admin.patch(f"/v1/coupons/{coupon}", json={"active": False})
    new = admin.post(
        "/v1/user", json={"username": "carol", "password": PASSWORD, "name": "Carol", "credit": 5}
    ).json["data"]["user"]
    admin.post(f"/v1/user/{new['id']}/credit", json={"amount": -2, "reason": "mistake"})
    shop.patch(f"/api/v1/coupons/{discount}", json={"discount": 20})
    hook = shop.post(
        "/api/v1/webhooks",
        json={"url": "https://example.com/hook", "events": ["coupon.created"]},
    ).json
    shop.delete(f"/api/v1/webhooks/{hook['id']}")

    changes = log()[before:]
    hidden = "(not shown)"
    assert [told(change) for change in changes[:4]] == [
        (
            "change",
            "credit_coupons",
            coupon,
            {"value": 30, "hidden_code": hidden},
            {"value": 7, "hidden_code": hidden},
        ),
        ("change", "credit_coupons", coupon, {"is_active": True}, {"is_active": False}),
        (
            "create",
            "accounts",
            new["id"],
            None,
            {"id": new["id"], "username": "carol", "name": "Carol", "credit": 5, "email": None},
        ),
        (
            "change",
            "wallets",
            new["id"],
            {"balance": 5},
            {"balance": 3, "reason": "mistake"},
        ),
    ]
    (repriced, subscribed, unsubscribed) = changes[4:]
    assert told(repriced)[:3] == ("change", "discount_coupons", discount)
    assert (repriced.before["discount"], repriced.after["discount"]) == ("10.0000", "20.0000")
    assert told(subscribed)[:4] == ("create", "webhooks", hook["id"], None)
    assert subscribed.after["secret"] == hidden
    assert told(unsubscribed)[:3] == ("delete", "webhooks", hook["id"])
    assert (unsubscribed.before["url"], unsubscribed.after) == ("https://example.com/hook", None)
    written = str([told(change) for change in log()])
    assert not any(secret in written for secret in ("SECRETLY", PASSWORD, hook["secret"]))


def test_a_change_that_can_not_be_noted_is_not_made(stage, log, monkeypatch):
    coupon = stage.thing("/v1/ coupon_id")
    before = rows_of(CreditCoupon, AdminChange)

    def fail(*_, **__):
        raise RuntimeError("no")

    monkeypatch.setattr(change_log, "write", fail)
    answer = stage.callers["adm"].patch(f"/v1/coupons/{coupon}", json={"value": 7})

    assert answer.status_code == 500
    assert rows_of(CreditCoupon, AdminChange) == before


def test_a_refusal_and_what_people_do_for_themselves_are_no_changes_of_administrators(stage, log):
    admin, user, shop = (stage.callers[name] for name in ("adm", "user", "mng"))
    coupon, code = stage.thing("/v1/ coupon_id"), stage.thing("/v1/ hidden_code")
    discount = stage.thing("/api/v1/ coupon_id")
    before = log()

    refused = [
        admin.patch(f"/v1/coupons/{coupon}", json={"value": "7"}),
        user.patch(f"/v1/coupons/{coupon}", json={"value": 7}),
        shop.patch(f"/api/v1/coupons/{discount}", json={"discount": 101}),
        admin.post(f"/v1/user/{user.id}/credit", json={"amount": -(10**7), "reason": "x"}),
    ]
    done = [
        user.post(f"/v1/coupons/use/{code}"),
        user.patch("/api/users/profile/", json={"first_name": "Alicia"}),
        admin.patch("/api/users/profile/", json={"first_name": "Boss"}),
        admin.post(f"/v1/coupons/use/{code}"),
    ]

    assert [answer.status_code for answer in refused] == [400, 403, 400, 400]
    assert [answer.status_code for answer in done] == [200] * 4
    assert log() == before
