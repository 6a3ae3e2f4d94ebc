"""Whoever sends slowly, or nothing at all, keeps nobody else waiting."""

from itertools import cycle

import pytest
import requests

from ..support.server import running_server
from ..support.sockets import Caller, callers
from ..support.waiting import wait_until
from .conftest import SECONDS, memory_of

pytestmark = pytest.mark.server

LOG_IN = "/v1/auth/login"
IMPORT = "/api/v1/coupons/import"
MIB = 1024 * 1024
# Of another client, which must not notice anything.
DEADLINE = 1


def is_served(server):
    answer = requests.get(f"{server.url}/api/health", timeout=DEADLINE)
    return answer.status_code == 200


def send_part_of_a_body(caller):
    caller.ask("POST", LOG_IN, b"{", length=1000)


def send_part_of_a_chunk(caller):
    caller.ask("POST", LOG_IN, Transfer_Encoding="chunked").send(b"3e8\r\n{")


def send_part_of_a_head(caller):
    caller.send("GET /api/test HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")


def send_nothing(caller):
    pass


def test_a_thousand_requests_that_do_not_come_keep_nobody_waiting_and_are_cut_off(server):
    before = memory_of(server)
    begins = [send_part_of_a_body, send_part_of_a_chunk, send_part_of_a_head, send_nothing]
    with callers(server, 1000) as slow:
        for caller, begin in zip(slow, cycle(begins), strict=False):
            begin(caller)
        assert all(is_served(server) for _ in range(5))
        assert not any(caller.has_news() for caller in slow)
        assert memory_of(server) - before < 32 * MIB

        wait_until(lambda: all(caller.has_news() for caller in slow), "all are cut off", 30)

        for caller, begin in zip(slow, cycle(begins), strict=False):
            if begin is not send_nothing:
                answer = caller.answer()
                assert (answer.status, answer.headers["Connection"]) == (408, "close")
            assert caller.is_closed()
    assert is_served(server)


def test_the_refusal_has_the_body_of_the_contract(server):
    bodies = {}
    paths = [LOG_IN, "/api/user/auth/sign-in", IMPORT, "/api/coupons/", "/api/auth/login/"]
    with callers(server, len(paths)) as slow:
        for caller, path in zip(slow, paths, strict=True):
            caller.ask("POST", path, b"{", length=1000)
        for caller, path in zip(slow, paths, strict=True):
            bodies[path] = caller.answer().json
    message = "The request did not come in time."

    assert bodies[LOG_IN]["error"]["error_code"] == "request_timeout"
    assert bodies["/api/user/auth/sign-in"] == {
        "status": "error",
        "message": message,
        "error_code": "request_timeout",
    }
    assert bodies[IMPORT] == {"code": 408, "message": message, "error_code": "request_timeout"}
    assert bodies["/api/coupons/"] == {"detail": message, "error_code": "request_timeout"}
    assert message in bodies["/api/auth/login/"].values()


@pytest.mark.long
def test_a_larger_body_may_take_a_second_more_for_each_100_kb(server):
    body = b'{"username": "x", "password": "' + b"y" * 800_000 + b'"}'
    with callers(server, 2) as (small, large):
        small.ask("POST", LOG_IN, body[:1], length=1000)
        large.ask("POST", LOG_IN, body[:1], length=len(body))

        assert small.answer().status == 408
        assert not large.has_news()

        assert large.send(body[1:]).answer().status in (400, 401)


@pytest.mark.long
def test_a_connection_is_not_cut_off_between_its_requests(server, caller):
    assert caller.ask("GET", "/api/test").answer().status == 200
    with callers(server, 1) as (other,):
        send_part_of_a_body(other)
        wait_until(other.has_news, f"{SECONDS} seconds have passed", 30)

    assert caller.ask("GET", "/api/test").answer().status == 200


@pytest.fixture(scope="module")
def small_server(new_database):
    with running_server(
        new_database("sqlite"), workers=1, WAITING_MEMORY_MIB="1", WAITING_DISK_MIB="3"
    ) as running:
        yield running


def test_bodies_wait_in_memory_then_on_disk_and_then_there_is_no_more_room(small_server):
    with callers(small_server, 20) as waiting:
        before = memory_of(small_server)
        for caller in waiting:
            caller.ask("POST", LOG_IN, b" " * 300_000, length=1_000_000)
        # So many find room, and the others are refused.
        most = 4 * MIB // 300_000
        wait_until(lambda: sum(map(Caller.has_news, waiting)) >= 20 - most, "some are refused")

        refused = [caller for caller in waiting if caller.has_news()]
        for caller in refused:
            answer = caller.answer()
            assert answer.status == 503
            assert answer.headers["Retry-After"] == "5"
            assert answer.json["error"]["error_code"] == "service_unavailable"
        assert memory_of(small_server) - before < 8 * MIB
        # What is small still finds room.
        assert is_served(small_server)

    # Who waited has gone, and left the room to others.
    def fits():
        with callers(small_server, 1) as (caller,):
            body = b'{"x": "' + b"x" * 900_000 + b'"}'
            return caller.ask("POST", LOG_IN, body).answer().status != 503

    wait_until(fits, "there is room again")
    assert all(fits() for _ in range(10))


def test_an_upload_of_many_megabytes_is_not_held_in_memory(server):
    before, peak = memory_of(server), 0
    with callers(server, 1) as (caller,):
        caller.ask("POST", IMPORT, length=60 * MIB)
        for _ in range(60):
            caller.send(b"x" * MIB)
            peak = max(peak, memory_of(server))
        # It is asked who uploads once all of it is here.
        assert caller.answer().status == 401
    assert peak - before < 24 * MIB


@pytest.mark.parametrize("path", [LOG_IN, "/api/v1/coupons/validate", IMPORT])
def test_a_body_that_says_that_it_is_too_long_is_refused_before_it_comes(server, caller, path):
    answer = caller.ask("POST", path, length=65 * MIB, Expect="100-continue").answer()

    # Where the contract asks who it is first, it still does.
    assert answer.status == (413 if path == LOG_IN else 401)
    assert "error_code" in answer.body.decode()
    assert caller.is_closed()


def test_chunks_that_become_too_much_are_refused_as_soon_as_they_are(server, caller):
    caller.ask("POST", LOG_IN, Transfer_Encoding="chunked")
    chunk = b"40000\r\n" + b" " * 0x40000 + b"\r\n"
    for _ in range(5):
        caller.send(chunk)

    answer = caller.answer()
    assert (answer.status, answer.json["error"]["error_code"]) == (413, "body_too_large")


def test_clients_that_leave_in_the_middle_leave_nothing_behind(small_server):
    for _ in range(30):
        with callers(small_server, 1) as (caller,):
            caller.ask("POST", LOG_IN, b" " * 900_000, length=1_000_000)
    with callers(small_server, 1) as (caller,):
        assert caller.ask("POST", LOG_IN, b" " * 1_000_000).answer().status == 400
    assert is_served(small_server)
