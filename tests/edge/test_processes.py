"""How the server's processes begin and end."""

import os
import signal

import psycopg2
import pytest

from coupon_management_flask import create_app

from ..conftest import dispose_engines, settings_for
from ..support.people import PASSWORD, make_user
from ..support.server import running_server
from ..support.sockets import callers
from ..support.waiting import wait_until

pytestmark = pytest.mark.server


@pytest.fixture
def url(new_database):
    url = new_database("postgresql")
    with create_app(settings_for(url)).app_context():
        make_user(username="alice")
        dispose_engines()
    return url


def test_a_server_that_is_told_to_stop_answers_what_it_has_begun_and_then_ends(url):
    body = f'{{"username": "alice", "password": "{PASSWORD}"}}'.encode()
    with running_server(url, workers=2) as server, callers(server, 3) as (running, idle, begun):
        idle.ask("GET", "/api/test").answer()
        begun.ask("POST", "/v1/auth/login", b"{", length=100)
        lock = psycopg2.connect(url.replace("+psycopg2", ""))
        try:
            lock.cursor().execute("LOCK TABLE accounts IN ACCESS EXCLUSIVE MODE")
            running.ask("POST", "/v1/auth/login", body)
            wait_until(lambda: waits_for_a_lock(lock), "the request waits for the lock")

            os.kill(server.process.pid, signal.SIGTERM)
            # Connections without a request are closed, and new ones are not taken.
            assert idle.is_closed()
            assert begun.answer().status == 408
            assert server.process.poll() is None
        finally:
            lock.close()
        answer = running.answer()
        assert (answer.status, answer.headers["Connection"]) == (200, "close")
        server.process.wait(30)
        assert server.process.returncode == 0


def waits_for_a_lock(connection):
    cursor = connection.cursor()
    cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
    return cursor.fetchone()[0] > 0


def test_workers_end_with_the_process_that_started_them(new_database):
    with running_server(new_database("sqlite"), workers=2) as server:
        workers = server.worker_pids()
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait()
        wait_until(lambda: not any(map(is_alive, workers)), "the workers have ended")


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().split()[2] != "Z"
    except OSError:
        return False
