"""Every way in which the books can fail to add up is found, and named."""

from datetime import UTC, timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa

from coupon_management_flask.audit import rules
from coupon_management_flask.core import stock, wallet
from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.models import (
    FeedDay,
    LedgerEntry,
    Promo,
    PromoValue,
    Redemption,
    new_id,
)
from coupon_management_flask.promos.feed import days

from ..support import people
from ..support.people import make_coupon, make_user
from ..support.promos import activate, new_company, new_user, publish

pytestmark = [pytest.mark.books_are_wrong, pytest.mark.both_databases]


def break_books(*statements):
    """Change what no code of ours changes, as somebody at the database's own prompt would."""
    with transaction():
        for statement in statements:
            db.session.execute(sa.text(statement) if isinstance(statement, str) else statement)


def found():
    return sorted(rules.discrepancies())


@pytest.fixture
def used(alice):
    """A coupon of 30 credits that Alice has used once."""
    coupon = make_coupon(value=30, number_left=5)
    assert alice.post(f"/v1/coupons/use/{coupon.hidden_code}").status_code == 200
    return coupon


@pytest.fixture
def company(client):
    return new_company(client)


@pytest.fixture
def common(company):
    """A promo of ten activations for everybody, in one category."""
    return UUID(publish(company, target={"categories": ["Tea"]}))


@pytest.fixture
def unique(company, alice):
    """A promo of three entries, of which Alice has got the first."""
    promo_id = publish(company, mode="UNIQUE")
    assert activate(alice, promo_id) == "first"
    return UUID(promo_id)


def redemption_id():
    return db.session.scalar(sa.select(Redemption.id))


def payment_id():
    return db.session.scalar(sa.select(LedgerEntry.id).where(LedgerEntry.reason == "coupon"))


def test_empty_books_add_up(app):
    assert found() == []


def test_books_of_ordinary_business_add_up(used, alice, bob, admin):
    bob.post(f"/v1/coupons/use/{used.hidden_code}")
    alice.post(f"/v1/coupons/use/{used.hidden_code}")
    alice.post(f"/v1/coupons/use/{make_coupon(value=0).hidden_code}")
    bob.post(f"/v1/coupons/use/{make_coupon(value=1000).hidden_code}")
    admin.patch(f"/v1/coupons/{used.id}", json={"number_left": 0})
    admin.post(f"/v1/user/{bob.id}/credit", json={"amount": -7, "reason": "correction"})
    with transaction():
        unlimited = stock.create(None)
        taken = people.claim(unlimited, alice.id, claim_key="order:1", units=4)
        people.claim(unlimited, alice.id, claim_key="order:2", units=2)
        assert stock.release(taken.redemption_id)

    assert found() == []
    assert [wallet.balance_of(person.id) for person in (alice, bob)] == [70, 63]


def test_promos_of_ordinary_business_add_up(company, client, alice, bob):
    today = days.today(UTC)
    german = new_user(client, other={"age": 30, "country": "DE"})
    one = publish(
        company,
        max_count=1,
        target={"age_from": 18, "country": "de", "categories": ["Tea", "tea", "Чай"]},
    )
    activate(german, one)
    entries = publish(company, mode="UNIQUE", target={"age_until": 60}, active_until=str(today))
    activate(german, entries)
    activate(german, entries)
    never = publish(company, max_count=0)
    later = publish(company, active_from=str(today + timedelta(days=1)))
    assert activate(german, entries) == "third"
    assert german.post(f"/api/user/promo/{entries}/activate").status_code == 403
    for path, changes in (
        (one, {"max_count": 2, "target": {"age_from": 20, "categories": ["Чай"]}}),
        (never, {"max_count": 3, "target": {"country": "fr"}}),
    ):
        assert company.patch(f"/api/business/promo/{path}", json=changes).status_code == 200
    for person in (alice, bob, german):
        for _ in range(2):
            person.post(f"/api/user/promo/{later}/like")
            said = person.post(
                f"/api/user/promo/{later}/comments", json={"text": "I am looking forward to it"}
            ).json
    german.delete(f"/api/user/promo/{later}/comments/{said['id']}")
    bob.delete(f"/api/user/promo/{later}/like")

    assert found() == []
    days.turn_to(today + timedelta(days=1), "UTC")
    assert found() == []
    assert states() == {UUID(one): True, UUID(entries): False, UUID(never): True, UUID(later): True}


def states():
    return {
        row.id: row.is_active for row in db.session.execute(sa.select(Promo.id, Promo.is_active))
    }


def test_the_audit_writes_nothing_and_asks_no_more_where_there_is_more_to_look_at(
    used, unique, common, company, bob, statements
):
    def asked():
        statements.clear()
        assert found() == []
        return list(statements)

    before = asked()
    activate(bob, str(common))
    activate(bob, str(unique))
    publish(company, target={"country": "de", "categories": ["Tea"]})

    assert asked() == before
    assert all(statement.startswith(("SELECT", "WITH")) for statement in before)


@pytest.mark.parametrize("claimed", [0, 2, 5])
def test_a_stock_whose_count_is_not_that_of_its_redemptions_is_found(used, claimed):
    break_books(f"UPDATE stocks SET claimed = {claimed}")

    assert found() == [f"stock {used.stock_id}: claimed says {claimed}, its live redemptions say 1"]


def test_a_stock_that_counts_without_any_redemption_is_found(app):
    coupon = make_coupon()
    break_books("UPDATE stocks SET claimed = 3")

    assert found() == [f"stock {coupon.stock_id}: claimed says 3, its live redemptions say 0"]


def test_units_of_a_redemption_that_were_not_claimed_are_found(used):
    break_books("UPDATE redemptions SET units = 3")

    assert found() == [f"stock {used.stock_id}: claimed says 1, its live redemptions say 3"]


def test_a_redemption_that_was_rolled_back_without_its_units_is_found(alice):
    with transaction():
        stock_id = stock.create(5)
        people.claim(stock_id, alice.id, claim_key="order:1", units=2)
    break_books("UPDATE redemptions SET claim_key = NULL, rolled_back_at = created_at")

    assert found() == [f"stock {stock_id}: claimed says 2, its live redemptions say 0"]


def test_a_redemption_without_a_stock_is_found(used):
    break_books("DELETE FROM credit_coupons", "DELETE FROM stocks")

    assert found() == [f"redemption {redemption_id()}: its stock {used.stock_id} does not exist"]


@pytest.mark.parametrize("balance", [0, 69, 100])
def test_a_balance_that_is_not_the_sum_of_its_ledger_is_found(used, alice, balance):
    break_books(f"UPDATE wallets SET balance = {balance}")

    assert found() == [f"wallet of {alice.id}: balance says {balance}, its ledger says 70"]


def test_a_balance_without_any_ledger_is_found(app):
    account_id, _ = make_user()
    break_books("UPDATE wallets SET balance = 5")

    assert found() == [f"wallet of {account_id}: balance says 5, its ledger says 0"]


def test_a_ledger_entry_that_is_gone_is_found(alice):
    break_books("DELETE FROM ledger_entries")

    assert found() == [f"wallet of {alice.id}: balance says 100, its ledger says 0"]


def test_a_redemption_that_cost_something_else_than_was_paid_is_found(used):
    break_books("UPDATE redemptions SET amount = 31")

    assert found() == [f"redemption {redemption_id()}: no ledger entry paid for it"]


def test_a_redemption_that_somebody_else_paid_is_found(used, bob):
    break_books(sa.update(Redemption).values(account_id=bob.id))

    assert found() == [f"redemption {redemption_id()}: no ledger entry paid for it"]


def test_a_redemption_and_a_payment_that_do_not_know_each_other_are_both_found(used):
    break_books(
        sa.update(LedgerEntry).where(LedgerEntry.reason == "coupon").values(reference=new_id())
    )

    assert found() == [
        f"ledger entry {payment_id()}: it paid for a redemption that does not exist",
        f"redemption {redemption_id()}: no ledger entry paid for it",
    ]


def test_a_payment_whose_redemption_is_gone_is_found(used):
    break_books("DELETE FROM redemptions", "UPDATE stocks SET claimed = 0")

    assert found() == [f"ledger entry {payment_id()}: it paid for a redemption that does not exist"]


def test_a_payment_that_cites_nothing_is_found(used):
    break_books(
        "DELETE FROM redemptions",
        "UPDATE stocks SET claimed = 0",
        "UPDATE ledger_entries SET reference = NULL",
    )

    assert found() == [f"ledger entry {payment_id()}: it paid for a redemption that does not exist"]


def test_a_payment_whose_redemption_was_rolled_back_is_found(used):
    with transaction():
        stock.release(redemption_id())

    assert found() == [f"ledger entry {payment_id()}: it paid for a redemption that does not exist"]


def test_each_thing_that_does_not_add_up_is_a_sentence_of_its_own(used, alice, bob):
    break_books("UPDATE wallets SET balance = balance + 1", "UPDATE stocks SET claimed = 2")

    assert found() == sorted(
        [
            f"stock {used.stock_id}: claimed says 2, its live redemptions say 1",
            f"wallet of {alice.id}: balance says 71, its ledger says 70",
            f"wallet of {bob.id}: balance says 101, its ledger says 100",
        ]
    )


def test_an_activation_without_an_entry_is_found(unique):
    break_books("UPDATE promo_values SET redemption_id = NULL")

    assert found() == [f"promo {unique}: claimed says 1, entries given away are 0"]


def test_an_activation_whose_entry_is_gone_is_found(unique):
    break_books("DELETE FROM promo_values WHERE position = 0")

    assert {sentence.partition(":")[0] for sentence in found()} == {f"promo {unique}"}
    assert f"promo {unique}: claimed says 1, entries given away are 0" in found()


def test_a_promo_that_may_be_activated_more_often_than_it_has_entries_is_found(unique):
    entries = db.session.scalar(sa.select(sa.func.count()).select_from(PromoValue))
    break_books("UPDATE stocks SET capacity = capacity + 1")

    assert found() == [
        f"promo {unique}: it may be activated {entries + 1} times and has {entries} entries"
    ]


def test_a_promo_whose_countries_count_more_than_its_activations_is_found(common):
    break_books(
        "INSERT INTO promo_country_counts (promo_id, country, activations)"
        " SELECT id, 'de', 3 FROM promos WHERE description IS NOT NULL"
    )

    assert found() == [f"promo {common}: its countries count 3 activations, and it has 0"]


def test_entries_that_were_given_to_what_is_no_activation_of_their_promo_are_found(
    unique, common, bob
):
    activate(bob, str(common))
    foreign = sa.select(Redemption.id).where(Redemption.code.is_not(None)).scalar_subquery()
    break_books(sa.update(PromoValue).where(PromoValue.position == 1).values(redemption_id=foreign))

    assert {sentence.partition(":")[0] for sentence in found()} == {f"promo {unique}"}


def test_entries_that_were_given_to_nothing_are_found(unique):
    break_books(
        sa.update(PromoValue).where(PromoValue.position == 2).values(redemption_id=new_id())
    )

    assert {sentence.partition(":")[0] for sentence in found()} == {f"promo {unique}"}


def test_an_entry_that_was_given_out_of_its_turn_is_found(unique):
    # The next activation would ask for the second entry, in vain.
    break_books(
        "UPDATE promo_values SET position = 9 WHERE position = 1",
        "UPDATE promo_values SET position = 1 WHERE position = 0",
    )

    assert {sentence.partition(":")[0] for sentence in found()} == {f"promo {unique}"}


def test_an_activation_that_was_rolled_back_without_its_entry_is_found(unique):
    with transaction():
        stock.release(redemption_id())

    assert found() == [f"promo {unique}: claimed says 0, entries given away are 1"]


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE promo_counters SET likes = 5", "it counts 5 likes and has 1"),
        ("DELETE FROM promo_likes", "it counts 1 likes and has 0"),
        ("UPDATE promo_counters SET comments = 0", "it counts 0 comments and has 1"),
        ("DELETE FROM promo_comments", "it counts 1 comments and has 0"),
    ],
)
def test_likes_and_comments_that_are_not_counted_right_are_found(common, alice, statement, says):
    alice.post(f"/api/user/promo/{common}/like")
    alice.post(f"/api/user/promo/{common}/comments", json={"text": "The best tea in town"})
    break_books(statement)

    assert found() == [f"promo {common}: {says}"]


def test_a_promo_without_a_counter_is_found(common):
    break_books("DELETE FROM promo_counters")

    assert {sentence.partition(":")[0] for sentence in found()} == {f"promo {common}"}


def test_a_company_whose_promos_are_not_counted_right_is_found(common, company):
    break_books("UPDATE company_promo_counts SET promos = 2")

    assert found() == [f"company {company.id}: it counts 2 promos for country '' and has 1"]


def test_a_company_that_counts_promos_for_a_country_without_any_is_found(common, company):
    break_books("UPDATE promos SET country = 'DE', country_key = 'de'")

    sentences = found()
    assert f"company {company.id}: it counts 1 promos for country '' and has 0" in sentences
    assert f"company {company.id}: it counts 0 promos for country 'de' and has 1" in sentences


def test_promos_of_a_company_that_are_not_counted_at_all_are_found(common, company):
    break_books("DELETE FROM company_promo_counts")

    assert found() == [f"company {company.id}: it counts 0 promos for country '' and has 1"]


def test_a_count_of_the_feed_that_is_not_that_of_its_entries_is_found(common):
    break_books("UPDATE feed_counts SET promos = 7 WHERE category_key = 'tea'")

    assert found() == ["feed, category 'tea': it counts 7 entries under a key and has 1"]


def test_a_count_of_the_feed_without_any_entry_is_found(common):
    break_books(
        "INSERT INTO feed_counts (category_key, country_key, age_node, is_active, promos)"
        " VALUES ('cakes', 'de', 0, true, 3)"
    )

    assert found() == ["feed, category 'cakes': it counts 3 entries under a key and has 0"]


def test_entries_of_the_feed_that_are_not_counted_at_all_are_found(common):
    break_books("DELETE FROM feed_counts WHERE category_key = 'tea'")

    assert found() == ["feed, category 'tea': it counts 0 entries under a key and has 1"]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE stocks SET capacity = 0",
        "UPDATE promos SET active_until = '2000-01-01'",
        "UPDATE promos SET active_from = '2999-01-01'",
    ],
)
def test_a_promo_that_ended_while_the_feed_takes_it_for_active_is_found(common, statement):
    break_books(statement)

    assert found() == [f"promo {common}: the feed is wrong about whether it is active"]


def test_a_promo_that_is_active_while_the_feed_does_not_know_it_is_found(common):
    break_books("UPDATE promos SET is_active = false")

    assert found() == [
        f"promo {common}: its entries in the feed are missing or not in its state",
        f"promo {common}: the feed is wrong about whether it is active",
    ]


def test_entries_of_the_feed_that_are_not_in_the_state_of_their_promo_are_found(common):
    break_books(
        "UPDATE feed_entries SET is_active = false", "UPDATE feed_counts SET is_active = false"
    )

    assert found() == [f"promo {common}: its entries in the feed are missing or not in its state"]


def test_a_promo_that_the_feed_can_not_find_is_found(common):
    break_books("DELETE FROM feed_entries", "UPDATE feed_counts SET promos = 0")

    assert found() == [f"promo {common}: its entries in the feed are missing or not in its state"]


def test_the_feeds_states_are_judged_on_the_day_that_it_was_brought_to(company):
    today = days.today(UTC)
    promo_id = publish(company, active_until=str(today))
    assert found() == []

    break_books(sa.update(FeedDay).values(day=today + timedelta(days=1)))

    assert found() == [f"promo {promo_id}: the feed is wrong about whether it is active"]
