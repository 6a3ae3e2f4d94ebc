"""db/session.py: one way to write, and what both databases are held to alike."""

import sqlite3
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from threading import Barrier, Event

import psycopg2.extensions
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import DBAPIError, IntegrityError

from coupon_management_flask import create_app
from coupon_management_flask.core import stock
from coupon_management_flask.db import types
from coupon_management_flask.db.dialects import is_postgresql, one_of
from coupon_management_flask.db.failures import broken_constraint, is_unavailable, retried, sqlstate
from coupon_management_flask.db.held_commit import held_commit
from coupon_management_flask.db.session import before_waiting, db, transaction
from coupon_management_flask.db.statements import Prepared
from coupon_management_flask.models import Lease, Stock, new_id

from ..conftest import settings_for
from ..support.ports import free_port

pytestmark = pytest.mark.both_databases

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
DEADLOCK, SERIALISATION_FAILURE, UNIQUE_VIOLATION = "40P01", "40001", "23505"

only_on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
only_on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


class Failed(Exception):
    """What a use case may raise."""


def write(name, until=NOON):
    """A row of the narrowest table there is."""
    db.session.execute(sa.insert(Lease.__table__).values(name=name, leased_until=until))


def in_a_transaction(work):
    with transaction():
        return work()


def written():
    return list(db.session.scalars(sa.select(Lease.name).order_by(Lease.name)))


def in_transaction():
    """Whether the session's connection is inside a transaction, as its driver says."""
    driver = db.session.connection().connection.driver_connection
    if isinstance(driver, sqlite3.Connection):
        return driver.in_transaction
    return driver.info.transaction_status != psycopg2.extensions.TRANSACTION_STATUS_IDLE


def connections_in_use():
    return db.engine.pool.checkedout()


def connections_of_both_kinds_in_use():
    return [engine.pool.checkedout() for engine in db.engines.values()]


def test_a_transaction_commits_all_of_it_together_when_its_block_ends(app, elsewhere):
    with transaction():
        write("a")
        write("b")
        assert elsewhere(written).result() == []

    assert elsewhere(written).result() == ["a", "b"]


@pytest.mark.parametrize("raised", [Failed, KeyboardInterrupt])
def test_a_transaction_whose_block_raises_leaves_nothing_behind(app, raised):
    def use_case():
        with transaction():
            write("a")
            raise raised

    with pytest.raises(raised):
        use_case()

    assert written() == []
    with transaction():
        write("b")
    assert written() == ["b"]


def test_a_transaction_that_breaks_a_rule_at_its_end_leaves_nothing_behind(app):
    def use_case():
        write("a")
        # Only the flush at the end of the block sends this one.
        db.session.add(Stock(capacity=1, claimed=2))

    with pytest.raises(IntegrityError):
        in_a_transaction(use_case)

    assert written() == []


def test_a_transaction_inside_another_commits_with_it(app, elsewhere):
    with transaction():
        with transaction():
            write("inner")
        assert elsewhere(written).result() == []
        write("outer")

    assert written() == ["inner", "outer"]


def test_a_transaction_inside_another_is_rolled_back_with_it(app, rolled_back):
    with rolled_back():
        with transaction():
            write("inner")
        write("outer")

    assert written() == []


def test_a_transaction_sees_its_own_writes(app):
    with transaction():
        write("a")
        assert written() == ["a"]


def test_a_transaction_believes_nothing_that_was_read_before_it(app, elsewhere):
    with transaction():
        stock_id = stock.create(5)
    assert db.session.get(Stock, stock_id).capacity == 5

    def change():
        with transaction():
            stock.set_left(stock_id, 9)

    elsewhere(change).result()

    with transaction():
        assert db.session.get(Stock, stock_id).capacity == 9


@pytest.mark.books_are_wrong
def test_what_a_transaction_returns_stays_readable(app):
    with transaction():
        row = Stock(capacity=5, claimed=2)
        db.session.add(row)

    assert (row.capacity, row.claimed) == (5, 2)


def test_threads_have_transactions_of_their_own(app, elsewhere, rolled_back):
    began, may_end = Event(), Event()

    def use_case():
        with rolled_back():
            began.set()
            assert may_end.wait(timeout=20)
            write("never")

    other = elsewhere(use_case)
    assert began.wait(timeout=20)
    with transaction():
        write("here")
    may_end.set()
    other.result()

    assert written() == ["here"]


WRITES = {
    "row added": lambda stock_id: (
        db.session.add(Stock(capacity=1, claimed=0)),
        db.session.flush(),
    ),
    "insert": lambda stock_id: stock.create(1),
    "update": lambda stock_id: stock.set_left(stock_id, 1),
    "delete": lambda stock_id: db.session.execute(sa.delete(Stock)),
    # A SELECT to the eye: what writes stands in its WITH.
    "prepared": lambda stock_id: PREPARED_WRITE.execute({"given": stock_id}),
    "text": lambda stock_id: db.session.execute(sa.text("UPDATE stocks SET capacity = 1")),
}


@pytest.mark.parametrize("attempt", WRITES.values(), ids=WRITES)
def test_nothing_is_written_outside_a_transaction(app, attempt):
    with transaction():
        stock_id = stock.create(5)

    with pytest.raises((RuntimeError, DBAPIError)):
        attempt(stock_id)

    db.session.remove()
    assert [
        tuple(row) for row in db.session.execute(sa.select(Stock.id, Stock.capacity, Stock.claimed))
    ] == [(stock_id, 5, 0)]


def test_outside_a_transaction_each_statement_stands_alone(app, elsewhere):
    def write_elsewhere():
        with transaction():
            write("a")

    assert written() == []
    assert not in_transaction()

    # On SQLite it would wait for us in vain if we still held what we read.
    elsewhere(write_elsewhere).result(timeout=20)

    assert written() == ["a"]
    assert not in_transaction()


def test_inside_a_transaction_there_is_one_from_the_first_statement(app):
    with transaction():
        written()
        assert in_transaction()


def test_a_request_holds_one_connection_at_a_time(app):
    db.session.remove()
    before = connections_in_use()

    written()
    with transaction():
        write("a")
        assert connections_in_use() == before + 1
    written()

    assert connections_in_use() <= before + 1


def test_a_transaction_gives_its_connection_back(app, rolled_back):
    before = connections_in_use()

    with transaction():
        write("a")
    with rolled_back():
        write("b")

    assert connections_in_use() == before


def test_a_transaction_may_read_first_and_write_later_though_somebody_else_writes_in_between(
    app, elsewhere
):
    with transaction():
        mine, others = stock.create(1), stock.create(1)
    finished = Event()

    def write_elsewhere():
        with transaction():
            stock.set_left(others, 2)
        finished.set()

    with transaction():
        seen = db.session.scalar(sa.select(Stock.capacity).where(Stock.id == mine))
        other = elsewhere(write_elsewhere)
        # SQLite has one writer, and since the first statement that is us, so the other waits. On
        # PostgreSQL it need not.
        assert finished.wait(timeout=20 if is_postgresql() else 0.3) == is_postgresql()
        stock.set_left(mine, seen + 1)
    other.result(timeout=20)

    assert dict(db.session.execute(sa.select(Stock.id, Stock.capacity)).all()) == {
        mine: 2,
        others: 2,
    }


@only_on_postgresql
def test_two_that_wait_for_each_other_in_a_circle_both_succeed(app, together):
    with transaction():
        one, other = stock.create(1), stock.create(1)
    meeting, tries = Barrier(2), []

    def use_case(first, second):
        met = False

        @retried
        def change_both():
            nonlocal met
            tries.append(first)
            with transaction():
                stock.set_left(first, 7)
                if not met:
                    met = True
                    meeting.wait(timeout=20)
                stock.set_left(second, 7)
            return "done"

        return change_both()

    assert together(lambda: use_case(one, other), lambda: use_case(other, one)) == ["done", "done"]

    assert len(tries) == 3
    assert list(db.session.scalars(sa.select(Stock.capacity))) == [7, 7]


def fails(times, state):
    """Return a use case that PostgreSQL refuses that often, and a list that grows with each try."""
    tries = []

    def use_case(name):
        tries.append(name)
        with transaction():
            write(f"{name} {len(tries)}")
            if len(tries) <= times:
                db.session.execute(
                    sa.text(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{state}'; END $$")
                )
            return len(tries)

    return use_case, tries


@only_on_postgresql
@pytest.mark.parametrize("state", [DEADLOCK, SERIALISATION_FAILURE])
@pytest.mark.parametrize("times", [0, 1, 2])
def test_a_use_case_that_the_database_asks_to_repeat_is_repeated(app, state, times):
    use_case, _ = fails(times, state)

    assert retried(use_case)("try") == times + 1

    assert written() == [f"try {times + 1}"]


@only_on_postgresql
@pytest.mark.parametrize("state", [DEADLOCK, SERIALISATION_FAILURE])
def test_after_three_tries_it_is_enough(app, state):
    use_case, tries = fails(3, state)

    with pytest.raises(DBAPIError) as refused:
        retried(use_case)("try")

    assert sqlstate(refused.value) == state
    assert len(tries) == 3
    assert written() == []


@only_on_postgresql
def test_what_another_try_can_not_mend_is_not_tried_again(app):
    use_case, tries = fails(1, UNIQUE_VIOLATION)

    with pytest.raises(IntegrityError):
        retried(use_case)("try")

    assert len(tries) == 1
    assert written() == []


@only_on_postgresql
def test_inside_another_transaction_only_the_outermost_is_tried_again(app):
    inner, tries = fails(1, DEADLOCK)

    @retried
    def outer():
        with transaction():
            write(f"outer {len(tries) + 1}")
            return retried(inner)("inner")

    assert outer() == 2

    assert written() == ["inner 2", "outer 2"]


def test_a_refusal_is_not_tried_again(app):
    tries = []

    @retried
    def use_case():
        tries.append(1)
        raise Failed

    with pytest.raises(Failed):
        use_case()

    assert len(tries) == 1


def test_the_last_commit_is_held_until_its_answer_is_known(app, elsewhere):
    with held_commit() as held:
        with transaction():
            write("work")
        assert elsewhere(written).result() == []
        held.finish(
            lambda session: session.execute(
                sa.insert(Lease.__table__).values(name="answer", leased_until=NOON)
            )
        )
        assert elsewhere(written).result() == ["answer", "work"]

    assert written() == ["answer", "work"]


def test_only_the_last_commit_is_held(app, elsewhere):
    with held_commit():
        with transaction():
            write("first")
        with transaction():
            assert elsewhere(written).result() == ["first"]
            write("second")

    assert written() == ["first"]


def test_a_transaction_that_fails_is_not_held(app, rolled_back):
    with held_commit() as held:
        with rolled_back():
            write("failed")
        held.finish(
            lambda session: session.execute(
                sa.insert(Lease.__table__).values(name="answer", leased_until=NOON)
            )
        )

    assert written() == ["answer"]


def test_a_broken_rule_comes_to_light_when_the_block_ends_though_its_commit_is_held(app):
    with held_commit() as held:
        with pytest.raises(IntegrityError):
            in_a_transaction(lambda: db.session.add(Stock(capacity=1, claimed=2)))
        held.settle()


def test_a_transaction_that_fails_does_not_take_the_one_before_with_it(app, rolled_back):
    with held_commit() as held:
        with transaction():
            write("before")
        with rolled_back():
            write("failed")
        held.settle()

    assert written() == ["before"]


def test_settling_commits_what_is_held_and_a_second_time_nothing(app, elsewhere):
    with held_commit() as held:
        held.settle()
        with transaction():
            write("work")
        held.settle()
        assert elsewhere(written).result() == ["work"]
        held.settle()

    assert written() == ["work"]


def test_dropping_rolls_back_what_is_held(app):
    with held_commit() as held:
        held.drop()
        with transaction():
            write("work")
        held.drop()
        assert written() == []
        held.settle()

    assert written() == []


@pytest.mark.parametrize("raised", [Failed, KeyboardInterrupt])
def test_what_is_still_held_when_a_request_fails_is_rolled_back(app, raised):
    before = connections_in_use()

    def request():
        with held_commit():
            with transaction():
                write("work")
            raise raised

    with pytest.raises(raised):
        request()

    assert connections_in_use() == before
    assert written() == []


def test_an_answer_without_any_work_is_kept_in_a_transaction_of_its_own(app):
    with held_commit() as held:
        held.finish(
            lambda session: session.execute(
                sa.insert(Lease.__table__).values(name="answer", leased_until=NOON)
            )
        )

    assert written() == ["answer"]


@pytest.mark.parametrize("works", [True, False])
def test_an_answer_that_can_not_be_kept_takes_its_work_with_it(app, works):
    def request():
        with held_commit() as held:
            if works:
                with transaction():
                    write("work")
            held.finish(refuse)

    def refuse(session):
        session.execute(sa.insert(Lease.__table__).values(name="answer", leased_until=NOON))
        raise Failed

    with pytest.raises(Failed):
        request()

    assert written() == []


def test_a_transaction_that_must_stay_is_committed_at_once(app, elsewhere):
    with held_commit() as held:
        with transaction(at_once=True):
            write("stays")
        assert elsewhere(written).result() == ["stays"]
        with transaction():
            write("goes")
        held.drop()

    assert written() == ["stays"]


def test_a_transaction_that_must_stay_commits_what_was_held_before_it(app, elsewhere):
    with held_commit():
        with transaction():
            write("before")
        with transaction(at_once=True):
            write("stays")
        assert elsewhere(written).result() == ["before", "stays"]


def test_a_transaction_that_must_stay_is_still_part_of_the_one_around_it(
    app, elsewhere, rolled_back
):
    with rolled_back():
        with transaction(at_once=True):
            write("inner")
        assert elsewhere(written).result() == []

    assert written() == []


def test_nobody_waits_for_another_service_inside_a_transaction(app):
    def use_case():
        with transaction():
            write("a")
            before_waiting()

    with pytest.raises(RuntimeError, match="inside a transaction"):
        use_case()

    assert written() == []


def test_before_another_service_is_waited_for_what_is_held_is_committed(app, elsewhere):
    with held_commit():
        with transaction():
            write("work")
        before_waiting()
        assert elsewhere(written).result() == ["work"]

    assert written() == ["work"]


def test_who_waits_for_another_service_holds_no_connection(app):
    db.session.remove()
    before = connections_of_both_kinds_in_use()

    with held_commit():
        with transaction():
            write("work")
        written()
        assert connections_of_both_kinds_in_use() == [held + 1 for held in before]
        before_waiting()
        assert connections_of_both_kinds_in_use() == before
    before_waiting()

    assert connections_of_both_kinds_in_use() == before


def test_after_a_held_commit_transactions_commit_by_themselves_again(app, elsewhere):
    with held_commit():
        pass
    with transaction():
        write("a")

    assert elsewhere(written).result() == ["a"]


@pytest.mark.parametrize(
    "moment",
    [
        NOON,
        NOON.replace(microsecond=1),
        NOON.astimezone(timezone(timedelta(hours=5, minutes=45))),
        datetime(2026, 12, 31, 23, 30, tzinfo=timezone(timedelta(hours=-8))),
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    ],
)
def test_a_moment_comes_back_as_the_same_moment_in_utc(app, moment):
    with transaction():
        write("a", moment)

    read = db.session.scalar(sa.select(Lease.leased_until))
    assert read == moment
    assert read.tzinfo is UTC


_MOMENTS = st.datetimes(
    min_value=datetime(1990, 1, 1),  # noqa: DTZ001 (hypothesis adds the zone)
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.integers(-14 * 60, 14 * 60).map(
        lambda minutes: timezone(timedelta(minutes=minutes))
    ),
)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(moments=st.lists(_MOMENTS, min_size=2, max_size=5, unique=True), pivot=_MOMENTS)
def test_the_database_compares_and_sorts_moments_whatever_zone_they_were_given_in(
    app, moments, pivot
):
    with transaction():
        db.session.execute(sa.delete(Lease))
        for number, moment in enumerate(moments):
            write(str(number), moment)

    assert list(
        db.session.scalars(sa.select(Lease.leased_until).order_by(Lease.leased_until))
    ) == sorted(moments)
    earlier = sa.select(sa.func.count()).where(Lease.leased_until <= pivot)
    assert db.session.scalar(earlier) == sum(moment <= pivot for moment in moments)


def test_no_moment_is_no_moment(app):
    assert db.session.scalar(sa.select(sa.literal(None, types.Moment()))) is None


@pytest.fixture
def caught(app):
    """The error that doing this raises."""

    def catch(work):
        with pytest.raises(Exception) as error:  # noqa: PT011 (which one it is, is the question)
            work()
        db.session.remove()
        return error.value

    return catch


def test_a_broken_rule_is_told_by_its_name(caught):
    write_twice = caught(lambda: in_a_transaction(lambda: (write("a"), write("a"))))
    too_many = caught(
        lambda: in_a_transaction(
            lambda: db.session.execute(
                sa.insert(Stock.__table__).values(id=new_id(), capacity=1, claimed=2)
            )
        )
    )

    assert broken_constraint(write_twice) == (
        "pk_leases" if is_postgresql() else "UNIQUE constraint failed: leases.name"
    )
    assert (
        broken_constraint(too_many).removeprefix("CHECK constraint failed: ")
        == "ck_stocks_claimed_within_capacity"
    )


def test_a_database_that_can_not_be_reached_is_unavailable(app, tmp_path):
    url = (
        f"postgresql://coupons@127.0.0.1:{free_port()}/coupons"
        if is_postgresql()
        else f"sqlite:///{tmp_path}/folder/coupons.db"
    )
    away = create_app(settings_for(url))
    # SQLite makes a file that is not there, but no folder.
    if not is_postgresql():
        (tmp_path / "folder").rmdir()

    with away.app_context(), pytest.raises(DBAPIError) as error:
        written()

    assert is_unavailable(error.value)


@only_on_postgresql
def test_a_database_that_goes_away_under_us_is_unavailable_and_then_there_again(
    app, caught, elsewhere
):
    def work():
        with transaction():
            pid = db.session.scalar(sa.text("SELECT pg_backend_pid()"))
            elsewhere(
                lambda: db.session.execute(
                    sa.text("SELECT pg_terminate_backend(:pid, 20000)"), {"pid": pid}
                )
            ).result()
            write("a")

    assert is_unavailable(caught(work))

    assert written() == []


def test_a_pool_without_a_free_connection_is_unavailable(app, caught):
    engine = sa.create_engine(
        db.engine.url, poolclass=sa.QueuePool, pool_size=1, max_overflow=0, pool_timeout=0.01
    )
    with engine.connect():
        assert is_unavailable(caught(engine.connect))
    engine.dispose()


def test_a_lock_that_is_not_granted_in_time_is_unavailable(app):
    with transaction():
        stock_id = stock.create(5)
    impatience = {"options": "-c lock_timeout=20ms"} if is_postgresql() else {"timeout": 0.02}
    impatient = sa.create_engine(db.engine.url, poolclass=sa.NullPool, connect_args=impatience)

    with transaction():
        stock.set_left(stock_id, 2)
        with impatient.connect() as connection, pytest.raises(DBAPIError) as error:
            connection.execute(sa.update(Stock).values(capacity=1))

    assert is_unavailable(error.value)


WRONG = {
    "no such table": lambda: db.session.execute(sa.text("SELECT 1 FROM nothing")),
    "no such column": lambda: db.session.execute(sa.text("SELECT nothing FROM leases")),
    "no SQL": lambda: db.session.execute(sa.text("SELEKT 1")),
    "broken rule": lambda: in_a_transaction(lambda: (write("a"), write("a"))),
    "ours": lambda: int("one"),
}


@pytest.mark.parametrize("work", WRONG.values(), ids=WRONG)
def test_a_mistake_is_not_taken_for_a_database_that_is_away(caught, work):
    assert not is_unavailable(caught(work))


# A constant, a parameter, and what means something to one driver or the other.
CAPACITY = (
    sa.select(
        Stock.id,
        Stock.capacity,
        (Stock.claimed % 3).label("rest"),
        sa.literal("50% off, 'now': $1 %s").label("words"),
    )
    .where(Stock.id == sa.bindparam("stock_id", type_=sa.Uuid))
    .order_by(Stock.id)
)
_written = (
    sa.update(Stock)
    .where(Stock.id == sa.bindparam("given", type_=sa.Uuid))
    .values(capacity=1)
    .returning(Stock.id)
    .cte("written")
)
PREPARED_WRITE = Prepared("write", sa.select(_written.c.id), writes=True)
PREPARED_CAPACITY = Prepared("capacity", CAPACITY)
ANY_VALUES = Prepared(
    "any_values",
    sa.select(
        *(
            sa.bindparam(name, type_=type_).label(name)
            for name, type_ in (
                ("text", sa.Text),
                ("number", sa.BigInteger),
                ("id", sa.Uuid),
                ("moment", types.Moment),
            )
        )
    ),
)
NAMED = Prepared(
    "named",
    lambda on_postgresql: sa.select(Lease.name).where(
        one_of(Lease.name, "names", sa.Text, on_postgresql=on_postgresql)
    ),
)
BACKEND = Prepared(
    "backend", sa.select(sa.func.pg_backend_pid().label("pid"), sa.literal(1).label("one"))
)
HALF = Prepared(
    "half", sa.select((sa.literal(1) / sa.bindparam("number", type_=sa.Integer)).label("half"))
)
ADD_STOCK = Prepared(
    "add_stock",
    sa.select(
        sa.insert(Stock.__table__)
        .values(id=sa.bindparam("stock_id", type_=sa.Uuid), capacity=4, claimed=4)
        .returning(Stock.id)
        .cte("added")
    ),
    writes=True,
)


def with_a_session(work):
    db.session.execute(sa.text("SELECT 1"))
    return work()


# A prepared statement goes another way in each of these.
PLACES = {
    "alone": lambda work: work(),
    "where something was read": with_a_session,
    "in a transaction": in_a_transaction,
}
IN_EACH_PLACE = pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)


@pytest.fixture
def fresh_connections(app):
    """None has prepared anything, and there is one of each kind at a time."""
    db.session.remove()
    for engine in db.engines.values():
        engine.dispose()


@IN_EACH_PLACE
@pytest.mark.parametrize("capacity", [None, 4, 2**62])
def test_a_prepared_statement_gives_what_the_plain_one_does(app, place, capacity):
    with transaction():
        stock_id = stock.create(capacity)
        stock.create(7)
    db.session.remove()

    (row,) = place(lambda: PREPARED_CAPACITY.execute({"stock_id": stock_id}))

    assert row == db.session.execute(CAPACITY, {"stock_id": stock_id}).one()
    assert row._asdict() == {
        "id": stock_id,
        "capacity": capacity,
        "rest": 0,
        "words": "50% off, 'now': $1 %s",
    }


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    text=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    number=st.none() | st.integers(-(2**63), 2**63 - 1),
    id_=st.uuids(),
    moment=_MOMENTS,
)
def test_a_prepared_statement_takes_any_value(app, text, number, id_, moment):
    row = ANY_VALUES.execute({"text": text, "number": number, "id": id_, "moment": moment}).one()

    assert tuple(row) == (text, number, id_, moment)


@pytest.mark.parametrize("wanted", [[], ["a"], ["b", "a", "%", "a"], ["nothing"]])
def test_one_of_many_is_one_parameter(app, wanted):
    with transaction():
        for name in ("a", "b", "c", "%"):
            write(name)

    rows = NAMED.execute({"names": wanted})

    assert sorted(row.name for row in rows) == sorted(set(wanted) - {"nothing"})


def test_who_wants_one_row_gets_one_or_none_or_is_told(app):
    with transaction():
        write("a")
        write("b")

    def named(*names):
        return NAMED.execute({"names": list(names)})

    assert named("a").one().name == named("a").one_or_none().name == "a"
    assert named("c").one_or_none() is None
    with pytest.raises(sa.exc.NoResultFound):
        named("c").one()
    for take in (named("a", "b").one, named("a", "b").one_or_none):
        with pytest.raises(sa.exc.MultipleResultsFound):
            take()


def test_a_prepared_statement_never_makes_anybody_hold_a_second_connection(fresh_connections):
    before = connections_of_both_kinds_in_use()

    NAMED.execute({"names": ["a"]})
    if is_postgresql():
        assert connections_of_both_kinds_in_use() == before
    written()
    NAMED.execute({"names": ["a"]})
    assert sum(connections_of_both_kinds_in_use()) == sum(before) + 1
    with transaction():
        NAMED.execute({"names": ["a"]})
        assert sum(connections_of_both_kinds_in_use()) == sum(before) + 1


def test_a_prepared_statement_sees_what_its_transaction_wrote(app):
    with transaction():
        write("a")
        assert NAMED.execute({"names": ["a"]}).one().name == "a"


@only_on_postgresql
def test_a_statement_is_prepared_once_for_each_connection(fresh_connections, rolled_back):
    def times_run():
        """How often the connection at hand has run it since it was prepared there."""
        runs = sa.text(
            "SELECT generic_plans + custom_plans FROM pg_prepared_statements WHERE name = 'named'"
        )
        return db.session.scalar(runs)

    def run():
        NAMED.execute({"names": ["a"]})

    run()
    assert times_run() == 1
    db.session.remove()
    run()
    with_a_session(run)
    assert times_run() == 3

    # Transactions have connections of their own. What is prepared in one that is rolled back stays
    # prepared.
    with rolled_back():
        run()
    with transaction():
        run()
        assert times_run() == 2


@only_on_postgresql
@IN_EACH_PLACE
def test_a_new_connection_prepares_anew(fresh_connections, caught, place):
    def ask():
        return place(lambda: BACKEND.execute({}).one().pid)

    first = ask()
    db.session.remove()
    with sa.create_engine(db.engine.url, poolclass=sa.NullPool).connect() as other:
        assert other.scalar(sa.text("SELECT pg_terminate_backend(:pid, 20000)"), {"pid": first})

    # Nothing has happened yet where it stands alone, so it is done at once on a new connection, and
    # nobody notices.
    if place is not PLACES["alone"]:
        assert is_unavailable(caught(ask))
    assert ask() == ask() != first


@only_on_postgresql
@IN_EACH_PLACE
def test_a_prepared_statement_that_fails_is_told_as_any_other_and_spoils_nothing(
    fresh_connections, caught, place
):
    error = caught(lambda: place(lambda: HALF.execute({"number": 0})))

    assert isinstance(error, DBAPIError)
    assert sqlstate(error) == "22012"
    assert not is_unavailable(error)
    assert sum(connections_of_both_kinds_in_use()) == 0
    assert place(lambda: HALF.execute({"number": 1})).one().half == 1


@pytest.mark.books_are_wrong
@only_on_postgresql
def test_a_prepared_statement_writes_inside_a_transaction(app, rolled_back):
    stays, goes = new_id(), new_id()

    with transaction():
        assert ADD_STOCK.execute({"stock_id": stays}).one().id == stays
    with rolled_back():
        ADD_STOCK.execute({"stock_id": goes})

    assert db.session.execute(sa.select(Stock.id, Stock.capacity)).all() == [(stays, 4)]


@pytest.mark.parametrize(
    "place",
    [PLACES["alone"], PLACES["where something was read"]],
    ids=["alone", "where something was read"],
)
def test_a_prepared_statement_that_writes_is_refused_outside_a_transaction(app, place):
    with pytest.raises(RuntimeError, match="inside `with transaction"):
        place(lambda: ADD_STOCK.execute({"stock_id": new_id()}))

    assert db.session.scalars(sa.select(Stock.id)).all() == []


@only_on_sqlite
def test_sqlite_loses_nothing_that_was_committed_and_keeps_to_its_foreign_keys(app):
    def pragma(name):
        return db.session.scalar(sa.text(f"PRAGMA {name}"))

    assert (
        pragma("journal_mode"),
        pragma("synchronous"),
        pragma("foreign_keys"),
        pragma("busy_timeout"),
    ) == ("wal", 2, 1, 30_000)


@only_on_postgresql
def test_postgresql_lets_nobody_hold_a_lock_for_long(app):
    with transaction():
        limits = [
            db.session.scalar(sa.text(f"SHOW {name}"))
            for name in ("lock_timeout", "idle_in_transaction_session_timeout")
        ]

    assert limits == ["10s", "30s"]


class _Tenths(sa.types.TypeDecorator):
    impl = sa.BigInteger
    cache_ok = True

    def process_result_value(self, value, dialect):
        return None if value is None else Decimal(value) / 10


TENTHS = Prepared(
    "tenths",
    sa.select(
        sa.type_coerce(sa.bindparam("number", type_=sa.BigInteger), _Tenths).label("tenths"),
        sa.literal(1).label("one"),
    ),
)


@pytest.mark.parametrize("number", [125, None])
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_a_prepared_statement_gives_the_values_of_our_own_types(app, place, number):
    (row,) = place(lambda: TENTHS.execute({"number": number}))

    assert tuple(row) == (None if number is None else Decimal("12.5"), 1)
