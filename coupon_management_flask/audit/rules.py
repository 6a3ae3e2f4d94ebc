"""The books: what must add up, whatever happened."""

from collections.abc import Iterator

from ..analytics.figures import rollup
from . import discount_coupons, payments, promos, stock, vouchers, wallet


def notes() -> Iterator[str]:
    """A sentence for each thing that adds up and that somebody should know all the same: what customers owe, and discounts that were given beyond a limit."""
    for rule in (payments.debts, payments.discounts_without_a_use):
        yield from rule()


def discrepancies() -> Iterator[str]:
    """A sentence for each thing that does not add up; nothing where all does. Reads only, one statement for each rule."""
    for rule in (
        stock.claimed_is_what_was_redeemed,
        stock.redemptions_have_a_stock,
        wallet.balance_is_the_ledgers_sum,
        wallet.credit_redemptions_were_paid,
        wallet.payments_have_their_redemption,
        stock.limits_are_what_was_taken,
        discount_coupons.orders_have_their_redemptions,
        discount_coupons.orders_are_the_sum_of_their_codes,
        vouchers.purchases_have_their_vouchers,
        vouchers.purchases_with_credit_were_paid,
        vouchers.purchases_have_the_discount_of_their_order,
        vouchers.uses_of_vouchers_are_redemptions,
        payments.card_payments_have_their_goods,
        payments.unpaid_payments_have_none,
        payments.refunded_payments_have_none_left,
        payments.holds_are_what_payments_say,
        payments.money_bought_what_was_asked_for,
        promos.entries_were_handed_out_once,
        promos.unique_promos_have_an_entry_for_each_unit,
        promos.promos_count_what_they_have,
        promos.countries_are_no_more_than_activations,
        promos.feed_counts_are_its_entries,
        promos.feed_states_are_the_promos,
        rollup.discrepancies,
    ):
        yield from rule()
