"""The books: what must add up, whatever happened."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from ..analytics.figures import rollup
from ..core import money, validity
from ..db.session import AnySelect, db
from ..models import (
    CompanyPromoCount,
    FeedCount,
    FeedDay,
    FeedEntry,
    LedgerEntry,
    LimitUse,
    OrderRedemption,
    OrderRedemptionCode,
    PaymentDebt,
    PaymentTransaction,
    Promo,
    PromoComment,
    PromoCounter,
    PromoCountryCount,
    PromoLike,
    PromoValue,
    Redemption,
    RedemptionTake,
    Stock,
    Voucher,
    VoucherPurchase,
    VoucherUsage,
    Wallet,
)


def notes() -> Iterator[str]:
    """A sentence for each thing that adds up and that somebody should know all the same: what customers owe, and discounts that were given beyond a limit."""
    for rule in (_debts, _discounts_without_a_use):
        yield from rule()


def discrepancies() -> Iterator[str]:
    """A sentence for each thing that does not add up; nothing where all does. Reads only, one statement for each rule."""
    for rule in (
        _claimed_is_what_was_redeemed,
        _redemptions_have_a_stock,
        _balance_is_the_ledgers_sum,
        _credit_redemptions_were_paid,
        _payments_have_their_redemption,
        _limits_are_what_was_taken,
        _orders_have_their_redemptions,
        _orders_are_the_sum_of_their_codes,
        _purchases_have_their_vouchers,
        _purchases_with_credit_were_paid,
        _purchases_have_the_discount_of_their_order,
        _uses_of_vouchers_are_redemptions,
        _card_payments_have_their_goods,
        _unpaid_payments_have_none,
        _refunded_payments_have_none_left,
        _holds_are_what_payments_say,
        _money_bought_what_was_asked_for,
        _entries_were_handed_out_once,
        _unique_promos_have_an_entry_for_each_unit,
        _promos_count_what_they_have,
        _countries_are_no_more_than_activations,
        _feed_counts_are_its_entries,
        _feed_states_are_the_promos,
        rollup.discrepancies,
    ):
        yield from rule()


def _claimed_is_what_was_redeemed() -> Iterator[str]:
    redeemed = (
        sa.select(Redemption.stock_id, sa.func.sum(Redemption.units).label("units"))
        .where(Redemption.rolled_back_at.is_(None))
        .group_by(Redemption.stock_id)
        .subquery()
    )
    units = sa.func.coalesce(redeemed.c.units, 0)
    for row in _rows(
        sa.select(Stock.id, Stock.claimed, units.label("units"))
        .outerjoin(redeemed, redeemed.c.stock_id == Stock.id)
        .where(Stock.claimed != units)
    ):
        yield f"stock {row.id}: claimed says {row.claimed}, its live redemptions say {row.units}"


def _redemptions_have_a_stock() -> Iterator[str]:
    missing = sa.select(Redemption.id, Redemption.stock_id).where(
        ~sa.exists().where(Stock.id == Redemption.stock_id)
    )
    for row in _rows(missing):
        yield f"redemption {row.id}: its stock {row.stock_id} does not exist"


def _balance_is_the_ledgers_sum() -> Iterator[str]:
    entries = (
        sa.select(LedgerEntry.account_id, sa.func.sum(LedgerEntry.amount).label("total"))
        .group_by(LedgerEntry.account_id)
        .subquery()
    )
    total = sa.func.coalesce(entries.c.total, 0)
    for row in _rows(
        sa.select(Wallet.account_id, Wallet.balance, total.label("total"))
        .outerjoin(entries, entries.c.account_id == Wallet.account_id)
        .where(Wallet.balance != total)
    ):
        yield f"wallet of {row.account_id}: balance says {row.balance}, its ledger says {row.total}"


def _credit_redemptions_were_paid() -> Iterator[str]:
    paid = sa.exists().where(
        LedgerEntry.account_id == Redemption.account_id,
        LedgerEntry.reference == Redemption.id,
        LedgerEntry.amount == -Redemption.amount,
    )
    for row in _rows(
        sa.select(Redemption.id).where(
            Redemption.kind == "credit", Redemption.rolled_back_at.is_(None), ~paid
        )
    ):
        yield f"redemption {row.id}: no ledger entry paid for it"


def _payments_have_their_redemption() -> Iterator[str]:
    redeemed = sa.exists().where(
        Redemption.id == LedgerEntry.reference, Redemption.rolled_back_at.is_(None)
    )
    for row in _rows(sa.select(LedgerEntry.id).where(LedgerEntry.reason == "coupon", ~redeemed)):
        yield f"ledger entry {row.id}: it paid for a redemption that does not exist"


def _limits_are_what_was_taken() -> Iterator[str]:
    """Every limit is used by what redemptions took of it and have not given back."""
    names = ("owner_id", "rule", "customer", "period")
    zero = sa.literal(0, sa.BigInteger)
    kept = sa.select(
        *(getattr(LimitUse, name) for name in names),
        LimitUse.used.label("used"),
        zero.label("taken"),
    )
    taken = sa.select(
        *(getattr(RedemptionTake, name) for name in names), zero, RedemptionTake.units
    )
    both = sa.union_all(kept, taken).subquery()
    by = [both.c[name] for name in names]
    sums = [sa.func.sum(both.c[name]) for name in ("used", "taken")]
    for row in _rows(
        sa.select(*by, sums[0].label("used"), sums[1].label("taken"))
        .group_by(*by)
        .having(sums[0] != sums[1])
    ):
        whose = (
            f" of a customer in {row.period or 'all time'}"
            if row.customer
            else f" in {row.period or 'all time'}"
        )
        yield f"limit {row.rule} of {row.owner_id}{whose}: used says {row.used}, redemptions took {row.taken}"


def _orders_have_their_redemptions() -> Iterator[str]:
    """Every order has codes, each with a redemption of that code, and while the order is live those are."""
    has_codes = sa.exists().where(OrderRedemptionCode.order_redemption_id == OrderRedemption.id)
    for row in _rows(sa.select(OrderRedemption.id).where(~has_codes)):
        yield f"order redemption {row.id}: it has no codes"
    wrong = (
        sa.select(OrderRedemptionCode.order_redemption_id, OrderRedemptionCode.position)
        .join(OrderRedemption, OrderRedemption.id == OrderRedemptionCode.order_redemption_id)
        .join(Redemption, Redemption.id == OrderRedemptionCode.redemption_id)
        .where(
            sa.or_(
                Redemption.kind != "discount",
                Redemption.code != OrderRedemptionCode.code,
                Redemption.amount != OrderRedemptionCode.amount,
                sa.and_(
                    OrderRedemption.rolled_back_at.is_(None), Redemption.rolled_back_at.is_not(None)
                ),
            )
        )
    )
    for row in _rows(wrong):
        yield f"order redemption {row.order_redemption_id}: the redemption of its code number {row.position} is rolled back, or another one"


def _orders_are_the_sum_of_their_codes() -> Iterator[str]:
    codes = (
        sa.select(
            OrderRedemptionCode.order_redemption_id,
            sa.func.sum(OrderRedemptionCode.amount).label("amount"),
        )
        .group_by(OrderRedemptionCode.order_redemption_id)
        .subquery()
    )
    for row in _rows(
        sa.select(OrderRedemption.id, OrderRedemption.discount, codes.c.amount)
        .join(codes, codes.c.order_redemption_id == OrderRedemption.id)
        .where(OrderRedemption.discount != codes.c.amount)
    ):
        yield f"order redemption {row.id}: its discount says {row.discount}, its codes say {row.amount}"


def _purchases_have_their_vouchers() -> Iterator[str]:
    """Each has as many as were bought, of its type, for who bought them; all are cancelled if it was refunded, and none if not."""
    is_right = sa.and_(
        Voucher.account_id == VoucherPurchase.account_id,
        Voucher.voucher_type_id == VoucherPurchase.voucher_type_id,
        Voucher.cancelled_at.is_not(None) == VoucherPurchase.refunded_at.is_not(None),
    )
    number = sa.func.coalesce(sa.func.sum(sa.case((is_right, 1), else_=0)), 0)
    for row in _rows(
        sa.select(
            VoucherPurchase.id,
            VoucherPurchase.quantity,
            sa.func.count(Voucher.id).label("n"),
            number.label("rightly"),
        )
        .outerjoin(Voucher, Voucher.purchase_id == VoucherPurchase.id)
        .group_by(VoucherPurchase.id, VoucherPurchase.quantity)
        .having(
            sa.or_(
                sa.func.count(Voucher.id) != VoucherPurchase.quantity,
                number != VoucherPurchase.quantity,
            )
        )
    ):
        yield f"voucher purchase {row.id}: it is of {row.quantity} and has {row.n} vouchers, {row.rightly} of them as they should be"


def _purchases_with_credit_were_paid() -> Iterator[str]:
    paid = sa.exists().where(
        LedgerEntry.account_id == VoucherPurchase.account_id,
        LedgerEntry.reference == VoucherPurchase.id,
        LedgerEntry.reason == "voucher",
        LedgerEntry.amount == -VoucherPurchase.credits,
    )
    for row in _rows(
        sa.select(VoucherPurchase.id).where(VoucherPurchase.credits.is_not(None), ~paid)
    ):
        yield f"voucher purchase {row.id}: no ledger entry paid for it"
    bought = sa.exists().where(VoucherPurchase.id == LedgerEntry.reference)
    for row in _rows(sa.select(LedgerEntry.id).where(LedgerEntry.reason == "voucher", ~bought)):
        yield f"ledger entry {row.id}: it paid for vouchers that were not delivered"


def _purchases_have_the_discount_of_their_order() -> Iterator[str]:
    is_right = sa.and_(
        OrderRedemption.account_id == VoucherPurchase.account_id,
        OrderRedemption.currency == VoucherPurchase.currency,
        OrderRedemption.original == VoucherPurchase.unit_price * VoucherPurchase.quantity,
        OrderRedemption.discount == VoucherPurchase.discount,
    )
    for row in _rows(
        sa.select(
            VoucherPurchase.id, VoucherPurchase.discount, OrderRedemption.discount.label("given")
        )
        .join(OrderRedemption, OrderRedemption.id == VoucherPurchase.order_redemption_id)
        .where(~is_right)
    ):
        yield f"voucher purchase {row.id}: its discount says {row.discount}, the order redemption that it cites is another one, of {row.given}"


def _uses_of_vouchers_are_redemptions() -> Iterator[str]:
    """Every live redemption of a voucher says what it was for, and every use was of that voucher, by its owner."""
    told = sa.exists().where(VoucherUsage.redemption_id == Redemption.id)
    for row in _rows(
        sa.select(Redemption.id).where(
            Redemption.kind == "voucher", Redemption.rolled_back_at.is_(None), ~told
        )
    ):
        yield f"redemption {row.id}: nothing says what the voucher was used for"
    is_right = sa.and_(
        Redemption.kind == "voucher",
        Redemption.rolled_back_at.is_(None),
        Redemption.stock_id == Voucher.stock_id,
        Redemption.account_id == Voucher.account_id,
    )
    for row in _rows(
        sa.select(VoucherUsage.redemption_id)
        .join(Redemption, Redemption.id == VoucherUsage.redemption_id)
        .join(Voucher, Voucher.id == VoucherUsage.voucher_id)
        .where(~is_right)
    ):
        yield f"voucher usage {row.redemption_id}: its redemption is rolled back, or of something else"


def _card_payments_have_their_goods() -> Iterator[str]:
    """Every completed payment has the purchase or the credit that it paid for."""
    bought = sa.exists().where(
        VoucherPurchase.id == PaymentTransaction.id,
        VoucherPurchase.account_id == PaymentTransaction.account_id,
        VoucherPurchase.quantity == PaymentTransaction.quantity,
        VoucherPurchase.total == PaymentTransaction.amount,
        VoucherPurchase.currency == PaymentTransaction.currency,
        VoucherPurchase.credits.is_(None),
        (PaymentTransaction.status == "completed") == VoucherPurchase.refunded_at.is_(None),
    )
    credited = sa.exists().where(
        LedgerEntry.reference == PaymentTransaction.id,
        LedgerEntry.account_id == PaymentTransaction.account_id,
        LedgerEntry.reason == "top-up",
        LedgerEntry.amount == PaymentTransaction.credits,
    )
    has_goods = sa.or_(
        sa.and_(PaymentTransaction.credits.is_(None), bought),
        sa.and_(PaymentTransaction.credits.is_not(None), credited),
    )
    for row in _rows(
        sa.select(PaymentTransaction.id).where(
            PaymentTransaction.completed_at.is_not(None), ~has_goods
        )
    ):
        yield f"payment {row.id}: it is completed, and what it paid for is not there"
    paid = sa.exists().where(
        PaymentTransaction.id == VoucherPurchase.id, PaymentTransaction.completed_at.is_not(None)
    )
    for row in _rows(sa.select(VoucherPurchase.id).where(VoucherPurchase.credits.is_(None), ~paid)):
        yield f"voucher purchase {row.id}: it was paid neither with credit nor by a payment that is completed"


def _unpaid_payments_have_none() -> Iterator[str]:
    """Credit came from a completed payment, once for each."""
    top_ups = (
        sa.select(LedgerEntry.reference, sa.func.count().label("n"))
        .where(LedgerEntry.reason == "top-up")
        .group_by(LedgerEntry.reference)
        .subquery()
    )
    wrong = (
        sa.select(top_ups.c.reference, top_ups.c.n)
        .outerjoin(
            PaymentTransaction,
            sa.and_(
                PaymentTransaction.id == top_ups.c.reference,
                PaymentTransaction.completed_at.is_not(None),
            ),
        )
        .where(sa.or_(PaymentTransaction.id.is_(None), top_ups.c.n != 1))
    )
    for row in _rows(wrong):
        yield f"payment {row.reference}: credit was given for it {row.n} times, and it is not completed or was one"


def _refunded_payments_have_none_left() -> Iterator[str]:
    """What a refunded top-up gave was taken back, or is owed; and of one that was not refunded it was not."""
    entries = (
        sa.select(LedgerEntry.reference, sa.func.sum(LedgerEntry.amount).label("credits"))
        .where(LedgerEntry.reason.in_(("top-up", "top-up refunded", "top-up refund undone")))
        .group_by(LedgerEntry.reference)
        .subquery()
    )
    has_debt = sa.exists().where(PaymentDebt.transaction_id == PaymentTransaction.id)
    is_wrong = sa.case(
        (PaymentTransaction.status == "completed", entries.c.credits != PaymentTransaction.credits),
        (PaymentTransaction.status == "refunding", entries.c.credits != 0),
        else_=sa.or_(entries.c.credits < 0, (entries.c.credits > 0) != has_debt),
    )
    statement = sa.select(PaymentTransaction.id, PaymentTransaction.status, entries.c.credits).join(
        entries, entries.c.reference == PaymentTransaction.id
    )
    for row in _rows(statement.where(is_wrong)):
        yield f"payment {row.id}: it is {row.status}, and the wallet has {row.credits} credits of it"


def _holds_are_what_payments_say() -> Iterator[str]:
    """A payment that may still be made holds its discount, and one that is over without money does not."""
    is_unpaid = PaymentTransaction.completed_at.is_(None)
    is_open = sa.and_(is_unpaid, PaymentTransaction.due_at.is_not(None))
    is_over = sa.or_(
        PaymentTransaction.status == "refunded",
        sa.and_(is_unpaid, PaymentTransaction.due_at.is_(None)),
    )
    is_held = OrderRedemption.rolled_back_at.is_(None)
    for row in _rows(
        sa.select(PaymentTransaction.id, PaymentTransaction.status)
        .join(OrderRedemption, OrderRedemption.id == PaymentTransaction.order_redemption_id)
        .where(
            sa.or_(
                sa.and_(is_open, ~is_held),
                sa.and_(is_over, is_held),
                OrderRedemption.discount != PaymentTransaction.discount_amount,
            )
        )
    ):
        yield f"payment {row.id}: it is {row.status}, and its discount is not what it should be: held, given back, or of that amount"


def _money_bought_what_was_asked_for() -> Iterator[str]:
    for row in _rows(
        sa.select(PaymentTransaction.id, PaymentTransaction.problem).where(
            PaymentTransaction.problem.is_not(None), PaymentTransaction.status != "refunded"
        )
    ):
        yield f"payment {row.id}: Stripe took money for it that is not what was asked for ({row.problem}); refund it at Stripe"


def _debts() -> Iterator[str]:
    for row in _rows(sa.select(PaymentDebt.__table__).order_by(PaymentDebt.transaction_id)):
        amount = money.written(money.from_minor(row.amount, row.currency), row.currency)
        yield f"note: {row.account_id} owes {amount} {row.currency} for payment {row.transaction_id}, which Stripe sent back after its goods were used"


def _discounts_without_a_use() -> Iterator[str]:
    for row in _rows(
        sa.select(PaymentTransaction.id)
        .join(OrderRedemption, OrderRedemption.id == PaymentTransaction.order_redemption_id)
        .where(
            PaymentTransaction.status == "completed", OrderRedemption.rolled_back_at.is_not(None)
        )
    ):
        yield f"note: payment {row.id} came in after its discount was given back, and has it all the same"


def _entries_were_handed_out_once() -> Iterator[str]:
    """Of a UNIQUE promo the first entries are given away, as many as units are claimed, each to a live redemption of that promo."""
    is_given, is_right = (
        sa.func.coalesce(sa.func.sum(sa.case((condition, 1), else_=0)), 0)
        for condition in (
            PromoValue.redemption_id.is_not(None),
            sa.and_(Redemption.id.is_not(None), PromoValue.position < Stock.claimed),
        )
    )
    entries = (
        sa.select(Promo.id, Stock.claimed, is_given.label("given"), is_right.label("rightly"))
        .join(Stock, Stock.id == Promo.stock_id)
        .outerjoin(PromoValue, PromoValue.promo_id == Promo.id)
        .outerjoin(
            Redemption,
            sa.and_(
                Redemption.id == PromoValue.redemption_id,
                Redemption.stock_id == Promo.stock_id,
                Redemption.rolled_back_at.is_(None),
            ),
        )
        .where(Promo.mode == "UNIQUE")
        .group_by(Promo.id, Stock.claimed)
        .subquery()
    )
    for row in _rows(
        sa.select(entries).where(
            sa.or_(entries.c.claimed != entries.c.given, entries.c.given != entries.c.rightly)
        )
    ):
        in_turn = (
            ""
            if row.claimed != row.given
            else f", {row.rightly} of them in turn and to an activation of its own"
        )
        yield f"promo {row.id}: claimed says {row.claimed}, entries given away are {row.given}{in_turn}"


def _unique_promos_have_an_entry_for_each_unit() -> Iterator[str]:
    entries = (
        sa.select(PromoValue.promo_id, sa.func.count().label("n"))
        .group_by(PromoValue.promo_id)
        .subquery()
    )
    number = sa.func.coalesce(entries.c.n, 0)
    for row in _rows(
        sa.select(Promo.id, Stock.capacity, number.label("n"))
        .join(Stock, Stock.id == Promo.stock_id)
        .outerjoin(entries, entries.c.promo_id == Promo.id)
        .where(Promo.mode == "UNIQUE", sa.or_(Stock.capacity.is_(None), Stock.capacity != number))
    ):
        yield f"promo {row.id}: it may be activated {row.capacity} times and has {row.n} entries"


def _countries_are_no_more_than_activations() -> Iterator[str]:
    """Who has no country is counted in none."""
    counted = (
        sa.select(PromoCountryCount.promo_id, sa.func.sum(PromoCountryCount.activations).label("n"))
        .group_by(PromoCountryCount.promo_id)
        .subquery()
    )
    for row in _rows(
        sa.select(Promo.id, Stock.claimed, counted.c.n)
        .join(Stock, Stock.id == Promo.stock_id)
        .join(counted, counted.c.promo_id == Promo.id)
        .where(counted.c.n > Stock.claimed)
    ):
        yield f"promo {row.id}: its countries count {row.n} activations, and it has {row.claimed}"


def _promos_count_what_they_have() -> Iterator[str]:
    for kept, counted, name in (
        (PromoCounter.likes, PromoLike, "likes"),
        (PromoCounter.comments, PromoComment, "comments"),
    ):
        found = (
            sa.select(counted.promo_id, sa.func.count().label("n"))
            .group_by(counted.promo_id)
            .subquery()
        )
        number = sa.func.coalesce(found.c.n, 0)
        wrong = (
            sa.select(Promo.id, kept.label("kept"), number.label("n"))
            .outerjoin(PromoCounter, PromoCounter.promo_id == Promo.id)
            .outerjoin(found, found.c.promo_id == Promo.id)
            .where(sa.or_(kept.is_(None), kept != number))
        )
        for row in _rows(wrong):
            yield f"promo {row.id}: it counts {'no' if row.kept is None else row.kept} {name} and has {row.n}"
    for row in _miscounted(CompanyPromoCount, Promo, "company_id", "country_key"):
        yield f"company {row.company_id}: it counts {row.kept} promos for country {row.country_key!r} and has {row.n}"


def _feed_counts_are_its_entries() -> Iterator[str]:
    for row in _miscounted(
        FeedCount, FeedEntry, "category_key", "country_key", "age_node", "is_active"
    ):
        yield f"feed, category {row.category_key!r}: it counts {row.kept} entries under a key and has {row.n}"


def _miscounted(counts: Any, counted: Any, *keys: str) -> Iterator[Any]:
    """Keys under which `counts` keeps another number than there are rows of `counted`; a count that is not kept is 0."""
    kept = sa.select(
        *(getattr(counts, key) for key in keys),
        counts.promos.label("kept"),
        sa.literal(0).label("n"),
    )
    columns = [getattr(counted, key) for key in keys]
    there = sa.select(*columns, sa.literal(0), sa.func.count()).group_by(*columns)
    both = sa.union_all(kept, there).subquery()
    totals = [sa.func.sum(both.c[name]) for name in ("kept", "n")]
    by = [both.c[key] for key in keys]
    yield from _rows(
        sa.select(*by, totals[0].label("kept"), totals[1].label("n"))
        .group_by(*by)
        .having(totals[0] != totals[1])
    )


def _feed_states_are_the_promos() -> Iterator[str]:
    """On the day that the feed has been brought to, what it takes for active is what is."""
    day = db.session.scalar(sa.select(FeedDay.day))
    if day is None:
        return
    is_open = validity.contains(Promo.active_from, Promo.active_until, day)
    is_active = sa.case((sa.and_(is_open, Stock.claimed < Stock.capacity), True), else_=False)
    for row in _rows(
        sa.select(Promo.id)
        .join(Stock, Stock.id == Promo.stock_id)
        .where(Promo.is_active != is_active)
    ):
        yield f"promo {row.id}: the feed is wrong about whether it is active"
    differs = sa.exists().where(
        FeedEntry.promo_id == Promo.id, FeedEntry.is_active != Promo.is_active
    )
    missing = ~sa.exists().where(FeedEntry.promo_id == Promo.id)
    for row in _rows(sa.select(Promo.id).where(sa.or_(differs, missing))):
        yield f"promo {row.id}: its entries in the feed are missing or not in its state"


def _rows(statement: AnySelect) -> sa.Result[Any]:
    return db.session.execute(statement)
