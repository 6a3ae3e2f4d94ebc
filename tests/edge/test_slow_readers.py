"""Whoever does not read an answer holds no thread and no transaction, and is cut off."""

from select import select

import psycopg2
import pytest
import requests

from coupon_management_flask import create_app
from coupon_management_flask.db.engines import SERVER_THREADS

from ..conftest import dispose_engines, settings_for
from ..support.people import PASSWORD, make_user
from ..support.server import running_server
from ..support.sockets import Caller, callers
from ..support.waiting import wait_until
from .conftest import memory_of

pytestmark = pytest.mark.server

EXPORT = "/api/analytics/export.csv"
ROWS = 60_000
# How long a reader may stand still, and how soon others are answered meanwhile.
SECONDS = 8
SOON = 3
# The kernel lets the server send no more than a little ahead of such a reader.
WINDOW = 8 * 1024
MIB = 1024 * 1024
CUT_OFF = "the answer is not read"


@pytest.fixture(scope="module")
def url(new_database):
    """A database with an administrator, and with an export of many megabytes."""
    url = new_database("postgresql")
    with create_app(settings_for(url)).app_context():
        make_user(username="admin", role="administrator")
        dispose_engines()
    with psycopg2.connect(url.replace("+psycopg2", "")) as connection:
        connection.cursor().execute(
            "INSERT INTO redemptions (id, stock_id, claim_key, units, kind, account_id, code, "
            "amount, created_at) SELECT (lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint), "
            "12, '0') || '7000' || '8000' || lpad(to_hex(n), 12, '0'))::uuid, gen_random_uuid(), "
            "'user:x', 1, 'credit', accounts.id, repeat('x', 64), 0, now() "
            "FROM generate_series(1, %s) n, accounts",
            (ROWS,),
        )
    connection.close()
    return url


@pytest.fixture(scope="module")
def server(url):
    with running_server(url, workers=1, REQUEST_SECONDS=str(SECONDS), LOG_LEVEL="INFO") as running:
        yield running


@pytest.fixture(scope="module")
def token(server):
    answer = server.request(
        "POST", "/v1/auth/login", json={"username": "admin", "password": PASSWORD}
    )
    return answer.json()["access_token"]


def open_transactions(url):
    with psycopg2.connect(url.replace("+psycopg2", "")) as connection:
        cursor = connection.cursor()
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND "
            "pid <> pg_backend_pid() AND xact_start IS NOT NULL"
        )
        (count,) = cursor.fetchone()
    connection.close()
    return count


def ask_for_the_export(caller, token):
    caller.ask("GET", EXPORT, Authorization=f"Bearer {token}")


def read_to_the_end(caller):
    """Read an answer in chunks, and say whether its end came before that of the connection."""
    end = b""
    try:
        while piece := caller.socket.recv(MIB):
            end = (end + piece)[-5:]
            if end == b"0\r\n\r\n":
                return True
    except ConnectionError:
        pass
    return False


def test_exports_that_nobody_reads_hold_no_thread_and_no_transaction(server, url, token):
    before = memory_of(server)
    with callers(server, 2 * SERVER_THREADS, window=WINDOW) as stalled:
        for caller in stalled:
            ask_for_the_export(caller, token)
        wait_until(lambda: all(map(Caller.has_news, stalled)), "all answers have begun")

        # Nobody waits, and nothing is held, before anybody is cut off.
        assert requests.get(f"{server.url}/api/health", timeout=SOON).status_code == 200
        wait_until(lambda: open_transactions(url) == 0, "no transaction is open", SOON)
        assert CUT_OFF not in server.log()
        # Each has a page of rows, and the next piece of its file.
        assert memory_of(server) - before < len(stalled) * 2 * MIB

        # What was sent so far is there, and it is not an end that could pass for one.
        wait_until(lambda: server.log().count(CUT_OFF) == len(stalled), "they are cut off", 30)
        assert not any(map(read_to_the_end, stalled))
    assert requests.get(f"{server.url}/api/health", timeout=SOON).status_code == 200


@pytest.mark.long
def test_a_slow_reader_who_goes_on_gets_all_of_it(server, token):
    with callers(server, 2, window=WINDOW) as (slow, clock):
        ask_for_the_export(slow, token)
        # For longer than a reader may stand still: this one's body never comes.
        clock.ask("POST", "/v1/auth/login", b"{", length=SECONDS * 100_000)
        read = 0
        while not select([clock.socket], [], [], 0.05)[0]:
            read += len(slow.socket.recv(1024))
        assert read < MIB

        assert read_to_the_end(slow)


@pytest.mark.long
def test_a_page_that_nobody_reads_is_cut_off_too(server):
    page = "/docs/swagger-ui/swagger-ui-bundle.js"
    size = len(requests.get(server.url + page, timeout=10).content)
    assert size > MIB
    cut_off = server.log().count(CUT_OFF)
    with callers(server, 100, window=WINDOW) as stalled:
        before = memory_of(server)
        for caller in stalled:
            caller.ask("GET", page)
        wait_until(lambda: all(map(Caller.has_news, stalled)), "all answers have begun")
        assert requests.get(f"{server.url}/api/health", timeout=SOON).status_code == 200
        assert memory_of(server) - before < 64 * MIB

        wait_until(lambda: server.log().count(CUT_OFF) == cut_off + 100, "all are cut off", 30)
    with callers(server, 1) as (caller,):
        assert len(caller.ask("GET", page).answer().body) == size


def test_clients_that_leave_in_the_middle_of_an_answer_leave_nothing_behind(server, url, token):
    for _ in range(2 * SERVER_THREADS):
        with callers(server, 1, window=WINDOW) as (caller,):
            ask_for_the_export(caller, token)
            wait_until(caller.has_news, "the answer has begun")

    wait_until(lambda: open_transactions(url) == 0, "no transaction is open")
    assert requests.get(f"{server.url}/api/health", timeout=SOON).status_code == 200
