"""The outbox, for what must happen after a commit, and the loop that works on it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from threading import Event

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from coupon_management_flask import create_app
from coupon_management_flask.core import clock
from coupon_management_flask.db.dialects import is_postgresql
from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.identity import failed_attempts
from coupon_management_flask.messaging import loop as background
from coupon_management_flask.messaging import outbox
from coupon_management_flask.models import GuessLog, OutboxMessage, new_id

from ..conftest import dispose_engines, settings_for
from ..support.waiting import wait_until

pytestmark = pytest.mark.both_databases

TOPIC = "test"


class Mailbox:
    """A handler that keeps what it is given, and fails as often as it is told to."""

    def __init__(self, failures=0, error=ConnectionError):
        self.received, self.failures, self.error = [], failures, error

    def __call__(self, message_id, payload):
        if self.failures:
            self.failures -= 1
            raise self.error("alice@example.org is not at home")
        self.received.append((message_id, payload))


def write(payload=None, topic=TOPIC):
    with transaction():
        return outbox.write(topic, payload or {})


def deliver(handler, **given):
    return outbox.deliver_due({TOPIC: outbox.Topic(handler)}, **given)


def stored(message_id):
    row = db.session.execute(
        sa.select(OutboxMessage.__table__).where(OutboxMessage.id == message_id)
    ).one()
    return row._asdict()


def test_a_message_is_delivered_once_with_its_id_and_payload(app, time):
    mailbox = Mailbox()
    message_id = write({"to": "alice@example.org", "lines": [1, "zwei", None]})

    assert deliver(mailbox) == 1
    assert deliver(mailbox) == 0

    assert mailbox.received == [
        (message_id, {"to": "alice@example.org", "lines": [1, "zwei", None]})
    ]
    assert stored(message_id) == {
        "id": message_id,
        "topic": TOPIC,
        "lane": "",
        "payload": {"to": "alice@example.org", "lines": [1, "zwei", None]},
        "created_at": time.moment,
        "due_at": time.moment + timedelta(seconds=30),
        "attempts": 1,
        "refused_at": None,
        "lease_id": None,
        "delivered_at": time.moment,
        "given_up_at": None,
        "last_error": None,
    }


def test_a_message_can_be_delivered_only_after_the_commit(app, elsewhere):
    mailbox = Mailbox()
    with transaction():
        outbox.write(TOPIC, {})
        assert (
            elsewhere(
                lambda: db.session.scalar(sa.select(sa.func.count()).select_from(OutboxMessage))
            ).result()
            == 0
        )
        # Nobody else gets as far as looking while SQLite's one writer is at work.
        if is_postgresql():
            assert elsewhere(lambda: deliver(mailbox)).result() == 0

    assert deliver(mailbox) == 1
    assert len(mailbox.received) == 1


def test_what_was_rolled_back_is_never_delivered(app, rolled_back):
    mailbox = Mailbox()
    with rolled_back():
        outbox.write(TOPIC, {})

    assert deliver(mailbox) == 0
    assert mailbox.received == []


def test_no_transaction_is_open_while_a_message_is_delivered(app, elsewhere):
    def handler(*_):
        # It would wait for us, and we for it, if we held SQLite's only lock.
        assert elsewhere(write).result(timeout=10)

    write()

    assert deliver(handler, most=1) == 1


def test_messages_are_delivered_in_the_order_in_which_they_are_due(app, time):
    mailbox, written = Mailbox(), []
    for _ in range(3):
        written.append(write())
        time.passes(seconds=1)

    assert deliver(mailbox) == 3
    assert [message_id for message_id, _ in mailbox.received] == written


def test_a_turn_delivers_no_more_than_was_asked_for(app):
    mailbox = Mailbox()
    for _ in range(3):
        write()

    assert deliver(mailbox, most=2) == 2
    assert deliver(mailbox, most=2) == 1


def test_each_topic_goes_to_its_own_handler_and_one_without_stays(app):
    mails, hooks = Mailbox(), Mailbox()
    mail, hook, stays = write(topic="mail"), write(topic="hook"), write(topic="unknown")

    before = stored(stays)
    assert outbox.deliver_due({"mail": outbox.Topic(mails), "hook": outbox.Topic(hooks)}) == 2
    assert outbox.deliver_due({}) == 0

    assert [message_id for message_id, _ in mails.received] == [mail]
    assert [message_id for message_id, _ in hooks.received] == [hook]
    assert stored(stays) == before


def test_a_message_that_fails_does_not_keep_the_next_from_going_out(app):
    mailbox = Mailbox(failures=1)
    failed, delivered = write(), write()

    assert deliver(mailbox) == 1

    assert [message_id for message_id, _ in mailbox.received] == [delivered]
    assert stored(failed)["delivered_at"] is None


def test_a_failure_is_noted_by_its_type_and_its_text_is_kept_nowhere(app, time):
    message_id = write({"to": "alice@example.org"})

    with capture_logs() as logs:
        assert deliver(Mailbox(failures=1)) == 0

    noted = stored(message_id)
    assert (noted["attempts"], noted["last_error"], noted["lease_id"]) == (
        1,
        "ConnectionError",
        None,
    )
    assert noted["due_at"] == time.moment + timedelta(seconds=5)
    assert logs == [
        {
            "event": "outbox.failed",
            "log_level": "warning",
            "topic": TOPIC,
            "message_id": str(message_id),
            "attempts": 1,
            "error": "ConnectionError",
        }
    ]


def test_after_a_failure_it_waits_longer_each_time_then_hourly_and_gives_up_after_a_day(app, time):
    mailbox = Mailbox(failures=10_000)
    message_id, written_at, waits = write(), time.moment, []
    with capture_logs() as logs:
        while True:
            deliver(mailbox)
            message = stored(message_id)
            if message["given_up_at"]:
                break
            wait = message["due_at"] - time.moment
            waits.append(wait)
            time.passes(seconds=wait.total_seconds(), microseconds=-1)
            assert deliver(mailbox) == 0
            assert stored(message_id) == message
            time.passes(microseconds=1)

    assert [wait.total_seconds() for wait in waits[:5]] == [5, 30, 120, 600, 3600]
    assert waits[5:] == [timedelta(hours=1)] * 24
    assert time.moment - written_at == timedelta(seconds=5 + 30 + 120 + 600 + 3600) + timedelta(
        days=1
    )
    assert (message["given_up_at"], message["attempts"], message["delivered_at"]) == (
        time.moment,
        30,
        None,
    )
    assert [
        (log["event"], log["log_level"]) for log in logs if log["event"] != "outbox.failed"
    ] == [("outbox.given_up", "error")]
    time.passes(days=30)
    assert deliver(Mailbox()) == 0


def test_tries_are_counted_however_long_it_waited_before_the_first(app, time):
    message_id = write()
    time.passes(days=30)

    for attempts in range(1, 31):
        assert deliver(Mailbox(failures=1)) == 0
        message = stored(message_id)
        assert message["attempts"] == attempts
        time.passes(hours=2)

    assert message["given_up_at"] == time.moment - timedelta(hours=2)


def test_a_topic_that_can_not_be_delivered_now_is_left_untouched_and_delivered_when_it_can(
    app, time, statements
):
    mailbox, other, can = Mailbox(), Mailbox(), []
    topic = outbox.Topic(mailbox, only_while=lambda: bool(can))
    message_id = write()
    write(topic="other")
    before = stored(message_id)
    statements.clear()
    assert outbox.deliver_due({TOPIC: topic}) == 0
    assert statements == []
    time.passes(days=30)
    assert outbox.deliver_due({TOPIC: topic, "other": outbox.Topic(other)}) == 1
    assert (stored(message_id), mailbox.received, len(other.received)) == (before, [], 1)

    can.append(True)

    assert outbox.deliver_due({TOPIC: topic}) == 1
    assert stored(message_id)["attempts"] == 1


def test_what_a_failure_calls_its_reason_is_noted_in_place_of_its_type(app):
    class Refused(Exception):
        reason = "refused 550"

    message_id = write()

    deliver(Mailbox(failures=1, error=Refused))

    assert stored(message_id)["last_error"] == "refused 550"


def test_a_message_that_failed_is_delivered_at_its_next_turn(app, time):
    mailbox = Mailbox(failures=2)
    message_id = write()
    deliver(mailbox)
    time.passes(seconds=5)
    deliver(mailbox)
    time.passes(seconds=30)

    assert deliver(mailbox) == 1

    noted = stored(message_id)
    assert (noted["attempts"], noted["delivered_at"], noted["last_error"]) == (3, time.moment, None)


def test_nobody_else_takes_a_message_while_it_is_leased(app, time):
    second = Mailbox()

    def first(*_):
        time.passes(seconds=30, microseconds=-1)
        assert deliver(second) == 0

    write()

    assert deliver(first) == 1
    assert second.received == []


def leases_kept():
    return [thread for thread in threading.enumerate() if thread.name == "lease"]


def test_who_is_slow_and_lives_keeps_the_lease(app, monkeypatch):
    monkeypatch.setattr(outbox, "LEASE", timedelta(seconds=1.2))
    message_id, second = write(), Mailbox()

    def slow(*_):
        for _ in range(4):
            leased_until = stored(message_id)["due_at"]
            wait_until(
                lambda leased_until=leased_until: stored(message_id)["due_at"] > leased_until,
                "the lease is renewed",
            )
            assert deliver(second) == 0

    assert deliver(slow) == 1

    assert second.received == []
    assert (stored(message_id)["attempts"], leases_kept()) == (1, [])


@pytest.mark.parametrize("ends", ["succeeds", "fails", "dies"])
def test_a_lease_is_kept_no_longer_than_the_delivery_takes(app, ends):
    def handler(*_):
        assert len(leases_kept()) == 1
        if ends != "succeeds":
            raise {"fails": ConnectionError, "dies": SystemExit}[ends]

    write()
    with suppress(SystemExit):
        deliver(handler)

    assert leases_kept() == []


def test_a_lease_that_is_lost_is_not_taken_back(app, monkeypatch):
    monkeypatch.setattr(outbox, "LEASE", timedelta(seconds=0.3))
    message_id, others = write(), {"lease_id": new_id(), "due_at": clock.now() + timedelta(hours=1)}

    def slow(*_):
        with transaction():
            db.session.execute(
                sa.update(OutboxMessage).where(OutboxMessage.id == message_id).values(**others)
            )
        wait_until(lambda: leases_kept() == [], "who has lost the lease stops renewing it")

    deliver(slow)

    message = stored(message_id)
    assert {name: message[name] for name in others} == others


def test_the_lease_of_a_worker_that_died_lapses_and_another_takes_over(app, time):
    message_id, mailbox = write(), Mailbox()
    # What ends the process is no failure of the message: nobody is left to note anything.
    with pytest.raises(SystemExit):
        deliver(Mailbox(failures=1, error=SystemExit))

    time.passes(seconds=30, microseconds=-1)
    assert deliver(mailbox) == 0
    time.passes(microseconds=1)
    assert deliver(mailbox) == 1
    assert [received for received, _ in mailbox.received] == [message_id]
    assert stored(message_id)["attempts"] == 1


@pytest.mark.parametrize("late", ["succeeds", "fails"])
@pytest.mark.parametrize("other", ["succeeds", "fails"])
def test_what_a_worker_says_after_its_lease_lapsed_changes_nothing(app, time, late, other):
    message_id, noted_by_other = write(), {}

    def slow(*_):
        time.passes(seconds=30)
        deliver(Mailbox(failures=other == "fails"), most=1)
        noted_by_other.update(stored(message_id))
        time.passes(seconds=1)
        if late == "fails":
            raise ConnectionError

    deliver(slow, most=1)

    assert (noted_by_other["delivered_at"] is not None) == (other == "succeeds")
    assert stored(message_id) == noted_by_other


def test_what_a_worker_says_while_another_holds_the_lease_changes_nothing(app, time):
    message_id, leased_by_other = write(), {}

    def slow(*_):
        time.passes(seconds=30)
        with pytest.raises(SystemExit):
            deliver(Mailbox(failures=1, error=SystemExit))
        leased_by_other.update(stored(message_id))

    deliver(slow, most=1)

    assert leased_by_other["lease_id"] is not None
    assert stored(message_id) == leased_by_other


def test_of_many_workers_at_once_each_message_goes_to_one(app, together):
    mailbox = Mailbox()
    written = [write() for _ in range(20)]

    delivered = together(*[lambda: deliver(mailbox)] * 4)

    assert sum(delivered) == 20
    assert sorted(message_id for message_id, _ in mailbox.received) == sorted(written)


def test_a_periodic_job_is_one_callers_turn_in_each_period(app, time):
    hour = timedelta(hours=1)

    assert background.take_turn("purge", hour)
    assert not background.take_turn("purge", hour)
    assert background.take_turn("another job", hour)
    time.passes(hours=1, microseconds=-1)
    assert not background.take_turn("purge", hour)
    time.passes(microseconds=1)
    assert background.take_turn("purge", hour)
    assert not background.take_turn("purge", hour)


@pytest.mark.parametrize("periods", [0, 1])
def test_of_many_who_ask_at_once_it_is_the_turn_of_one(app, time, together, periods):
    for _ in range(periods):
        background.take_turn("purge", timedelta(hours=1))
        time.passes(hours=1)

    turns = together(*[lambda: background.take_turn("purge", timedelta(hours=1))] * 6)

    assert sorted(turns) == [False] * 5 + [True]


@pytest.fixture
def have_delivered(app, monkeypatch):
    """Has the application's loop deliver the tests' topic with this handler too."""
    table = app.extensions["background"]

    def handle(handler):
        topics = {**table.topics, TOPIC: outbox.Topic(handler)}
        monkeypatch.setitem(app.extensions, "background", replace(table, topics=topics))

    return handle


@pytest.fixture
def running(app, elsewhere, monkeypatch, have_delivered):
    """Starts the loop in another thread with this handler, and stops it: it must end well."""
    stop, loops = Event(), []

    def run(handler, pause_seconds):
        monkeypatch.setattr(background, "PAUSE_SECONDS", pause_seconds)
        have_delivered(handler)
        loops.append(elsewhere(lambda: background.run(stop)))
        return loops[-1]

    yield run
    stop.set()
    for loop in loops:
        assert loop.result(timeout=20) is None


def test_the_loop_delivers_what_is_there_and_what_comes_while_it_runs(running):
    mailbox = Mailbox()
    first = write()
    running(mailbox, pause_seconds=0.01)
    wait_until(lambda: stored(first)["delivered_at"], "the loop delivers what was there")

    second = write()
    wait_until(lambda: stored(second)["delivered_at"], "the loop delivers what came")

    assert [message_id for message_id, _ in mailbox.received] == [first, second]


def test_the_loop_stops_in_the_middle_of_a_pause(app, elsewhere, monkeypatch):
    monkeypatch.setattr(background, "PAUSE_SECONDS", 3600)
    paused = Event()

    class Stop(Event):
        def wait(self, timeout=None):
            paused.set()
            return super().wait(timeout)

    stop = Stop()
    loop = elsewhere(lambda: background.run(stop))
    assert paused.wait(timeout=20)

    stop.set()

    assert loop.result(timeout=20) is None


def test_a_loop_that_was_stopped_before_it_began_does_nothing(app):
    message_id = write()
    stop = Event()
    stop.set()

    before = stored(message_id)
    background.run(stop)
    assert stored(message_id) == before


def test_the_loop_stops_between_two_messages(app):
    stop, received = Event(), []

    def handler(message_id, _):
        received.append(message_id)
        stop.set()

    written = [write() for _ in range(3)]

    assert outbox.deliver_due({TOPIC: outbox.Topic(handler)}, stop=stop) == 1
    assert received == written[:1]


def test_a_turn_with_nothing_to_do_only_reads(app, have_delivered, statements):
    have_delivered(Mailbox())
    background.turn()
    statements.clear()

    assert background.turn() == 0

    # Not even a transaction: on SQLite only one may write. One statement looks for what is due, two
    # for each topic with lanes (which of them rest, and what is due in the others), and one for
    # each periodic job whether it is time.
    table = background.current()
    with_lanes = sum(table.has_lanes(name) for name in table.topics)
    assert [statement.split()[0] for statement in statements] == [
        "SELECT",
        *["SELECT", "WITH"] * with_lanes,
        *["SELECT"] * len(table.jobs),
    ]
    assert db.engine.pool.checkedout() == 0


def waiting():
    return {topic: queue.waiting for topic, queue in outbox.look().items()}


def test_messages_are_counted_by_topic(app, time):
    for topic in (TOPIC, TOPIC, "other"):
        write(topic=topic)
    assert (waiting(), outbox.count_given_up()) == ({TOPIC: 2, "other": 1}, {})

    deliver(Mailbox(), most=1)
    for _ in range(30):
        deliver(Mailbox(failures=1))
        time.passes(hours=1)

    assert (waiting(), outbox.count_given_up()) == ({"other": 1}, {TOPIC: 1})


def test_the_loop_goes_on_after_a_message_that_fails(running, monkeypatch):
    monkeypatch.setattr(outbox, "WAITS", [timedelta(milliseconds=1)])
    mailbox = Mailbox(failures=1)
    message_id = write()

    running(mailbox, pause_seconds=0.01)

    wait_until(lambda: stored(message_id)["delivered_at"], "the loop tries again")
    assert stored(message_id)["attempts"] == 2


def test_the_loop_purges_once_in_an_hour(running, time):
    def spent_guesses():
        return db.session.scalar(sa.select(sa.func.count()).select_from(GuessLog))

    failed_attempts.record({"code:alice": 3})
    time.passes(minutes=11)
    running(Mailbox(), pause_seconds=0.01)
    wait_until(lambda: spent_guesses() == 0, "the loop purges")

    failed_attempts.record({"code:bob": 3})
    time.passes(hours=1, microseconds=-1)
    message_id = write()
    wait_until(lambda: stored(message_id)["delivered_at"], "the loop goes on")
    assert spent_guesses() == 1
    time.passes(microseconds=1)
    wait_until(lambda: spent_guesses() == 0, "the loop purges again")


@pytest.fixture
def database_apart(new_database, postgres, monkeypatch):
    """An application, its context pushed, on a database that a test can close to everybody."""
    url = sa.make_url(new_database("postgresql"))
    app = create_app(settings_for(url.render_as_string(hide_password=False)))
    server = sa.create_engine(postgres, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)

    def let_connect(allowed):
        with server.connect() as connection:
            connection.execute(
                sa.text(f'ALTER DATABASE "{url.database}" ALLOW_CONNECTIONS {allowed}')
            )
            connection.execute(
                sa.text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
                ),
                {"name": url.database},
            )

    with app.app_context():
        yield app, let_connect
        let_connect(True)
        db.session.remove()
        dispose_engines()


def test_what_was_delivered_while_the_database_went_away_is_noted_when_it_is_back(database_apart):
    _, let_connect = database_apart
    received, message_id = [], write()

    def handler(message_id, _):
        received.append(message_id)
        db.session.remove()
        let_connect(False)
        threading.Timer(0.5, let_connect, [True]).start()

    assert deliver(handler, most=1) == 1

    # What the pool still holds is gone.
    dispose_engines()
    assert stored(message_id)["delivered_at"] is not None
    assert received == [message_id]


def test_a_database_that_is_away_is_waited_for(database_apart, monkeypatch):
    app, let_connect = database_apart
    mailbox, stop = Mailbox(), Event()
    monkeypatch.setattr(background, "PAUSE_SECONDS", 0.01)
    table = background.Background({TOPIC: outbox.Topic(mailbox)}, {})
    monkeypatch.setitem(app.extensions, "background", table)

    def run():
        with app.app_context():
            background.run(stop)

    with ThreadPoolExecutor() as pool, capture_logs() as logs:
        loop = pool.submit(run)
        try:
            first = write()
            wait_until(lambda: mailbox.received, "the loop delivers")
            let_connect(False)
            wait_until(
                lambda: any(log["event"] == "worker.database_unavailable" for log in logs),
                "the loop notices that the database is away",
            )
            let_connect(True)
            # What this thread's pool still holds is gone.
            db.session.remove()
            db.engine.dispose()
            second = write()
            wait_until(lambda: len(mailbox.received) == 2, "the loop delivers again")
        finally:
            stop.set()
        loop.result(timeout=20)

    assert [message_id for message_id, _ in mailbox.received] == [first, second]
