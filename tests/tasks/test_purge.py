"""tasks/purge.py: what nobody can need any more is deleted, and nothing else."""

import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa

from coupon_management_flask.core import clock
from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.identity import failed_attempts, password_reset, sessions
from coupon_management_flask.messaging import outbox
from coupon_management_flask.models import (
    AntifraudQuestion,
    AntifraudVerdict,
    CouponBatch,
    CouponImportPart,
    IdempotencyKey,
    OutboxMessage,
    first_id_at,
    new_id,
)
from coupon_management_flask.tasks import purge

from ..support.people import make_coupon, make_user
from ..support.waiting import wait_until

NOTHING = {
    "coupon_batches": 0,
    "coupon_import_parts": 0,
    "idempotency_keys": 0,
    "sessions": 0,
    "guess_logs": 0,
    "password_resets": 0,
    "payment_events": 0,
    "antifraud_verdicts": 0,
    "antifraud_questions": 0,
    "outbox_messages": 0,
}


def rows(table):
    return db.session.scalar(sa.select(sa.func.count()).select_from(db.metadata.tables[table]))


def write_message():
    with transaction():
        return outbox.write("test", {})


def make_key(time):
    with transaction():
        db.session.add(
            IdempotencyKey(
                account_id=make_user()[0],
                key="key",
                fingerprint="",
                lease_id=new_id(),
                leased_until=time.moment,
                created_at=time.moment,
                status=200,
            )
        )


def make_session(time):
    sessions.open_session(make_user()[0], issued_by="credit", lifetime=timedelta(days=1))


def make_guess(time):
    failed_attempts.record({"code:alice": 3})


def make_reset(time):
    make_user(email="alice@example.com")
    assert password_reset.open_link("alice@example.com") is not None


def make_verdict(time):
    with transaction():
        db.session.add(
            AntifraudVerdict(
                account_id=make_user()[0], ok=False, valid_until=time.moment + timedelta(minutes=5)
            )
        )


def make_question(time):
    with transaction():
        db.session.add(
            AntifraudQuestion(account_id=make_user()[0], leased_until=time.moment, answer="yes")
        )


def make_part(time):
    """As an upload that was killed leaves it."""
    with transaction():
        db.session.add(CouponImportPart(batch_id=first_id_at(time.moment), start=0, body=b"[]"))


def deliver_message(time):
    write_message()
    assert outbox.deliver_due({"test": outbox.Topic(lambda *_: None)}) == 1


def give_up(message_id, time):
    with transaction():
        db.session.execute(
            sa.update(OutboxMessage)
            .where(OutboxMessage.id == message_id)
            .values(given_up_at=time.moment)
        )


@pytest.mark.parametrize(
    ("table", "make", "kept"),
    [
        ("idempotency_keys", make_key, timedelta(days=1)),
        ("sessions", make_session, timedelta(days=1 + 7)),
        ("guess_logs", make_guess, timedelta(minutes=10)),
        ("password_resets", make_reset, timedelta(hours=1)),
        ("antifraud_verdicts", make_verdict, timedelta(minutes=5)),
        ("antifraud_questions", make_question, timedelta(days=1)),
        ("outbox_messages", deliver_message, timedelta(days=7)),
        ("outbox_messages", lambda time: give_up(write_message(), time), timedelta(days=30)),
    ],
)
def test_what_is_spent_is_kept_for_its_time_and_then_deleted(app, time, table, make, kept):
    make(time)

    time.passes(seconds=kept.total_seconds())
    assert purge.spent() == NOTHING
    assert rows(table) == 1
    time.passes(microseconds=1)
    assert purge.spent() == {**NOTHING, table: 1}
    assert rows(table) == 0
    assert purge.spent() == NOTHING


def test_a_message_that_was_not_delivered_is_kept_for_ever(app, time):
    write_message()
    time.passes(days=365)

    assert purge.spent() == NOTHING
    assert rows("outbox_messages") == 1


def make_batch(message_id, done):
    with transaction():
        db.session.add(
            CouponBatch(
                account_id=make_user()[0],
                pattern="#",
                template={},
                size=5,
                done=done,
                message_id=message_id,
                created_at=clock.now(),
            )
        )


def test_a_message_that_was_given_up_and_asked_for_a_batch_is_asked_anew_to_remove_it(app, time):
    message_id = write_message()
    give_up(message_id, time)
    make_batch(message_id, done=3)

    for _ in range(2):
        assert purge.spent() == NOTHING

    batch = db.session.execute(sa.select(CouponBatch.message_id, CouponBatch.done)).one()
    assert batch.message_id != message_id
    assert batch.done == 0
    time.passes(days=30, microseconds=1)
    assert purge.spent() == {**NOTHING, "coupon_batches": 1, "outbox_messages": 1}
    assert db.session.scalars(sa.select(OutboxMessage.id)).all() == [batch.message_id]


def test_what_an_upload_that_was_killed_has_left_is_deleted_after_an_hour(app, time):
    make_part(time)
    time.passes(hours=1)
    assert purge.spent() == NOTHING

    # Its id says when it was made, to the millisecond.
    time.passes(milliseconds=1)

    assert purge.spent() == {**NOTHING, "coupon_import_parts": 1}


def test_parts_of_a_file_that_is_being_imported_are_kept(app, time):
    make_part(time)
    with transaction():
        make_batch(write_message(), done=3)
        db.session.execute(
            sa.update(CouponBatch).values(id=sa.select(CouponImportPart.batch_id).scalar_subquery())
        )
    time.passes(days=1)

    assert purge.spent() == NOTHING


def test_what_is_spent_is_deleted_in_portions(app, time, monkeypatch, statements):
    monkeypatch.setattr(purge, "ROWS_AT_ONCE", 2)
    for _ in range(5):
        failed_attempts.record({f"code:{new_id()}": 3})
    time.passes(hours=1)
    statements.clear()

    assert purge.spent() == {**NOTHING, "guess_logs": 5}

    assert len([one for one in statements if one.startswith("DELETE FROM guess_logs")]) == 3


def test_a_guess_that_still_counts_keeps_its_subjects_row(app, time):
    make_guess(time)
    time.passes(minutes=9)
    make_guess(time)
    time.passes(minutes=9)

    assert purge.spent() == NOTHING
    assert rows("guess_logs") == 1


def test_the_books_are_never_purged(alice, books, time):
    alice.post(f"/v1/coupons/use/{make_coupon().hidden_code}")

    before = books()
    time.passes(days=3650)
    purge.spent()
    assert books() == before
    assert len(before["redemptions"]) == 1


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_purge_and_a_wrong_guess_that_wait_for_each_other_in_a_circle_both_succeed(
    app, time, elsewhere
):
    # A purge meets the rows as they lie, a failed attempt in the order of their names.
    for subject in ("code:b", "code:a"):
        failed_attempts.record({subject: 3})
    time.passes(hours=1)
    guesser, subjects, purges = threading.get_ident(), [], []

    def somebody_waits():
        with db.engine.connect() as connection:
            return connection.scalar(sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted"))

    def purge_between_the_two(_connection, _cursor, statement, *_):
        if threading.get_ident() == guesser and statement.startswith("INSERT INTO guess_logs"):
            subjects.append(statement)
            if len(subjects) == 2:
                purges.append(elsewhere(purge.spent))
                wait_until(somebody_waits, "the purge waits for the row of the first subject")

    sa.event.listen(sa.Engine, "before_cursor_execute", purge_between_the_two)
    try:
        failed_attempts.record({"code:a": 3, "code:b": 3})
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", purge_between_the_two)

    assert purges[0].result(timeout=20)["sessions"] == 0
    assert rows("guess_logs") == 2
