"""POST /api/vouchers/redeem/."""

from datetime import timedelta
from itertools import combinations
from threading import Thread
from uuid import UUID

import pytest
import sqlalchemy as sa

from coupon_management_flask.core import clock
from coupon_management_flask.db.dialects import is_postgresql
from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.models import GuessLog, Redemption, Voucher, VoucherUsage
from coupon_management_flask.payments.sales import delivery
from coupon_management_flask.vouchers import redeem as use_cases
from coupon_management_flask.vouchers import vouchers

from ..support.refusals import refusal
from ..support.vouchers import PATH, bought, fields, redeem, sell, take_back
from ..support.waiting import wait_until

pytestmark = pytest.mark.both_databases


def purchase_of(voucher):
    return db.session.scalar(
        sa.select(Voucher.purchase_id).where(Voucher.id == UUID(voucher["id"]))
    )


def cancel(voucher):
    take_back(purchase_of(voucher))


def expire(voucher):
    long_ago = clock.now() - timedelta(days=1000)
    with transaction():
        db.session.execute(
            sa.update(Voucher)
            .where(Voucher.id == UUID(voucher["id"]))
            .values(purchase_date=long_ago, expiry_date=long_ago + timedelta(days=365))
        )


def test_a_use_is_taken_and_written_down(carol, admin):
    (voucher,) = bought(carol, sell(admin, max_uses=2))

    answer = redeem(
        carol,
        voucher,
        code=voucher["code"].lower(),
        details={"exam": "2026/7", "subjects": ["a", 1, None]},
    )

    assert answer.status_code == 200, answer.text
    usage = answer.json["usage"]
    assert answer.json == {
        "message": answer.json["message"],
        "voucher": {**voucher, "uses_remaining": 1, "usage_count": 1},
        "usage": {
            "id": usage["id"],
            "voucher_code": voucher["code"],
            "voucher_type": voucher["voucher_type"],
            "service_type": "exam_results",
            "used_at": usage["used_at"],
            "details": {"exam": "2026/7", "subjects": ["a", 1, None]},
            "voucher_type_name": voucher["voucher_type"]["name"],
            "service_data": {"exam": "2026/7", "subjects": ["a", 1, None]},
        },
    }
    assert isinstance(answer.json["message"], str)
    row = db.session.execute(sa.select(Redemption)).scalar_one()
    assert (row.id, row.kind, row.account_id, row.code, row.units) == (
        UUID(usage["id"]),
        "voucher",
        carol.id,
        voucher["code"],
        1,
    )
    assert clock.rfc3339(row.created_at) == usage["used_at"]
    last = redeem(carol, voucher)
    assert last.json["voucher"] == {
        **voucher,
        "status": "used",
        "is_active": False,
        "is_valid": False,
        "uses_remaining": 0,
        "usage_count": 2,
    }
    assert last.json["usage"]["details"] is None


# The refusals, in the contract's order, and what makes each of them true.
REFUSALS = {
    "voucher_cancelled": cancel,
    "voucher_expired": expire,
    "voucher_used_up": None,
    "wrong_service_type": None,
}


@pytest.mark.parametrize(
    "names", [*combinations(REFUSALS, 1), *combinations(REFUSALS, 2), tuple(REFUSALS)], ids=" ".join
)
def test_when_several_rules_refuse_the_first_is_named_and_nothing_moves(
    carol, kind, voucher_books, names
):
    (voucher,) = bought(carol, kind)
    if "voucher_used_up" in names:
        assert redeem(carol, voucher).status_code == 200
    for name in names:
        if REFUSALS[name] is not None:
            REFUSALS[name](voucher)
    before = voucher_books()

    asked = {"service_type": "something_else"} if "wrong_service_type" in names else {}
    assert refusal(redeem(carol, voucher, **asked), "vouchers") == (400, names[0])

    assert voucher_books() == before


def test_somebody_elses_and_none_at_all_are_the_same(carol, alice, client, kind, voucher_books):
    (voucher,) = bought(carol, kind)
    before = voucher_books()

    answers = [
        redeem(alice, voucher),
        redeem(alice, voucher, code="NONE"),
        redeem(alice, voucher, service_type="something_else"),
    ]

    assert [refusal(answer, "vouchers") for answer in answers] == [(404, "voucher_not_found")] * 3
    assert len({answer.data for answer in answers}) == 1
    assert refusal(client.post(f"{PATH}/redeem/", json={}), "vouchers") == (
        401,
        "authentication_required",
    )
    assert voucher_books() == before


def test_a_voucher_is_good_until_the_moment_it_expires(carol, kind, time_is):
    now = clock.now()
    time_is(now - timedelta(days=365))
    one, other = bought(carol, kind, quantity=2)

    time_is(now)
    assert refusal(redeem(carol, one), "vouchers") == (400, "voucher_expired")
    time_is(now - timedelta(microseconds=1))
    assert redeem(carol, other).status_code == 200


def test_a_wrong_field_is_named_and_nothing_moves(carol, kind, voucher_books):
    (voucher,) = bought(carol, kind)
    before = voucher_books()

    assert set(fields(redeem(carol, voucher, details=5, quantity=1))) == {"details", "quantity"}
    assert set(fields(carol.post(f"{PATH}/redeem/", json={}))) == {"code", "service_type"}

    assert voucher_books() == before


def test_details_come_back_as_they_were_given(carol, admin):
    (voucher,) = bought(carol, sell(admin, max_uses=10))
    deep: list = []
    for _ in range(248):
        deep = [deep]
    given = ["", "text\x00", {}, {"a": {"b": [1.5, None, "ü\x00"]}}, {"deep": deep}]

    for details in given:
        assert redeem(carol, voucher, details=details).json["usage"]["details"] == details

    history = carol.get(f"{PATH}/usage-history/").json["results"]
    assert [usage["details"] for usage in history] == given[::-1]


def test_an_idempotency_key_takes_one_use(carol, admin):
    (voucher,) = bought(carol, sell(admin, max_uses=2))

    answers = [redeem(carol, voucher, headers={"Idempotency-Key": "k"}) for _ in range(2)]

    assert answers[0].data == answers[1].data
    assert answers[1].headers["Idempotent-Replayed"] == "true"
    assert carol.get(f"{PATH}/detail/{voucher['code']}/").json["uses_remaining"] == 1


def test_a_crash_before_the_commit_has_taken_nothing(carol, kind, monkeypatch, voucher_books):
    (voucher,) = bought(carol, kind)
    before = voucher_books()
    monkeypatch.setattr(vouchers, "read", lambda _: 1 / 0)

    assert refusal(redeem(carol, voucher), "vouchers") == (500, "internal_error")

    assert voucher_books() == before


def test_wrong_codes_are_guesses_and_others_are_not(configured_app, person, voucher_books):
    app = configured_app(rate_limits_enabled=True)
    carol, admin = person(credit=10_000), person(role="administrator")
    carol.client = admin.client = app.test_client()
    (voucher,) = bought(carol, sell(admin))
    guesses = [
        lambda: redeem(carol, voucher, code="WRONG"),
        *(
            lambda end=end: carol.get(f"{PATH}/detail/WRONG/{end}")
            for end in ("", "qr.svg", "qr.png")
        ),
    ]

    # What is refused for another reason was no guess.
    assert refusal(redeem(carol, voucher, service_type="wrong"), "vouchers") == (
        400,
        "wrong_service_type",
    )
    assert db.session.scalar(sa.select(sa.func.count()).select_from(GuessLog)) == 0
    for number in range(10):
        assert refusal(guesses[number % 4](), "vouchers") == (404, "voucher_not_found")
    before = voucher_books()
    # Right or wrong.
    for again in (
        *guesses,
        lambda: redeem(carol, voucher),
        lambda: carol.get(f"{PATH}/detail/{voucher['code']}/"),
    ):
        assert refusal(again(), "vouchers") == (429, "rate_limited")
    assert voucher_books() == before


def test_whoever_waits_for_a_cancellation_sees_it(app, carol, kind):
    """On PostgreSQL a statement that has waited judges other tables as they were before it waited.

    The claim must not be fooled by that.
    """
    (voucher,) = bought(carol, kind)
    purchase_id = purchase_of(voucher)
    answers = []

    def late():
        with app.app_context():
            answers.append(redeem(carol, voucher))

    with transaction():
        take_back(purchase_id)
        thread = Thread(target=late)
        thread.start()
        if is_postgresql():
            waiting = sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")
            wait_until(
                lambda: db.session.scalar(waiting), "the redemption waits for the cancellation"
            )
    thread.join(timeout=30)

    assert refusal(answers[0], "vouchers") == (400, "voucher_cancelled")
    assert db.session.scalar(sa.select(sa.func.count()).select_from(VoucherUsage)) == 0


def test_a_claim_that_is_refused_for_no_reason_any_more_is_tried_again(carol, kind, monkeypatch):
    (voucher,) = bought(carol, kind)
    with transaction():
        delivery.cancel(purchase_of(voucher))
    explain = use_cases._explain

    def restored(*args):
        monkeypatch.setattr(use_cases, "_explain", explain)
        with transaction():
            delivery.change(purchase_of(voucher), is_cancelled=False, lost=0)

    monkeypatch.setattr(use_cases, "_explain", restored)

    assert redeem(carol, voucher).status_code == 200
