"""What the edge makes of HTTP: framing, several requests on a connection, and what it refuses."""

import json
import re

import pytest

from ..support.sockets import callers

pytestmark = pytest.mark.server

TEST = "/api/test"
LOG_IN = "/v1/auth/login"
WRONG = json.dumps({"username": "nobody", "password": "wrong-password"}).encode()


def test_requests_on_one_connection_are_answered_in_their_order(caller):
    caller.send(
        "GET /api/test HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: one\r\n\r\n"
        f"POST {LOG_IN} HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: two\r\n"
        f"Content-Length: {len(WRONG)}\r\n\r\n{WRONG.decode()}"
        "GET /nothing HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: three\r\n\r\n"
    )
    answers = [caller.answer() for _ in range(3)]

    assert [answer.headers["X-Request-ID"] for answer in answers] == ["one", "two", "three"]
    assert [answer.status for answer in answers] == [200, 401, 404]
    assert caller.ask("GET", TEST).answer().status == 200


def test_a_request_that_comes_while_another_is_answered_waits_for_it(caller):
    for _ in range(20):
        caller.ask("POST", LOG_IN, WRONG)
        caller.ask("GET", TEST)
        assert [caller.answer().status, caller.answer().status] == [401, 200]


def test_more_requests_ahead_than_anybody_sends_are_not_answered(caller):
    caller.send("GET /api/test HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100)

    answered = 0
    while not caller.is_closed():
        assert caller.answer().status == 200
        answered += 1
    assert 1 <= answered < 20


def test_a_body_byte_by_byte_and_one_in_chunks_are_read_like_others(server):
    with callers(server, 2) as (slow, chunked):
        slow.ask("POST", LOG_IN, length=len(WRONG))
        for byte in WRONG:
            slow.send(bytes([byte]))
        chunked.ask("POST", LOG_IN, Transfer_Encoding="chunked")
        for byte in WRONG:
            chunked.send(b"1;name=value\r\n" + bytes([byte]) + b"\r\n")
        chunked.send("0\r\nAuthorization: nonsense\r\n\r\n")

        for caller in (slow, chunked):
            assert caller.answer().json["error"]["error_code"] == "wrong_credentials"
            assert caller.ask("GET", TEST).answer().status == 200


def test_who_asks_before_sending_a_body_is_told_to_send_it(caller):
    caller.ask("POST", LOG_IN, length=len(WRONG), Expect="100-continue")
    assert caller.socket.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"

    assert caller.send(WRONG).answer().status == 401


def test_head_has_the_head_of_get_alone(caller):
    whole = caller.ask("GET", TEST).answer()
    head = caller.ask("HEAD", TEST).answer("HEAD")

    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Length"] == str(len(whole.body))
    assert caller.ask("GET", TEST).answer().body == whole.body


def test_connection_close_and_http_1_0_end_with_the_answer(server):
    with callers(server, 3) as (closing, old, kept):
        closing.ask("GET", TEST, Connection="close")
        old.send("GET /api/test HTTP/1.0\r\n\r\n")
        for caller in (closing, old):
            answer = caller.answer()
            assert (answer.status, answer.headers["Connection"]) == (200, "close")
            assert caller.is_closed()

        kept.send("GET /api/test HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert kept.answer().headers["Connection"] == "keep-alive"
        assert kept.ask("GET", TEST).answer().status == 200


def test_who_has_said_all_still_gets_the_answer(caller):
    caller.ask("POST", LOG_IN, WRONG)
    caller.socket.shutdown(1)

    assert caller.answer().status == 401
    assert caller.is_closed()


@pytest.mark.parametrize(
    "text",
    [
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET /api/test HTTP/0.9\r\n\r\n",
        "GET /api/test\r\n\r\n",
        "NONSENSE\r\n\r\n",
        "GET /api/test HTTP/1.1\nHost: localhost\n\n",
        "GET /api/test HTTP/1.1\r\nHost: localhost\r\nX : 1\r\n\r\n",
        "GET /api/test HTTP/1.1\r\nHost: localhost\r\nX: 1\r\n 2\r\n\r\n",
        "POST /api/test HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        "POST /api/test HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n"
        "\r\n0\r\n\r\n",
        "POST /api/test HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\nabc",
        "POST /api/test HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        "POST /api/test HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "POST /api/test HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n",
        "POST /api/test HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n"
        "Content-Length: 3\r\n\r\nabc",
    ],
)
def test_what_is_no_request_of_http_1_is_refused_and_nothing_more_is_read(caller, text):
    answer = caller.send(text).answer()

    assert answer.status == 400
    assert answer.json["error_code"] == "malformed_request"
    assert len(answer.headers["X-Request-ID"]) == 32
    assert caller.is_closed()


@pytest.mark.parametrize("part", ["X: " + "x" * 20_000, "X: 1\r\n" * 5_000])
@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "in parts"])
def test_a_head_that_is_too_large_is_refused(caller, part, at_once):
    caller.send("GET /api/test HTTP/1.1\r\nHost: localhost\r\n")
    if at_once:
        caller.send(part)
    else:
        for position in range(0, len(part), 1000):
            try:
                caller.send(part[position : position + 1000])
            except ConnectionError:
                break

    assert caller.answer().status == 431
    assert caller.is_closed()


def test_what_the_edge_refuses_is_told_counted_and_readable_as_the_applications_answers_are(server):
    with callers(server, 3) as (refused, same, operator):
        refused.send(
            "GET /api/coupons HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: my-own\r\n"
            f"Origin: https://shop.example\r\nX: {'x' * 20_000}\r\n\r\n"
        )
        answer = refused.answer()
        assert (answer.status, set(answer.json)) == (431, {"detail", "error_code"})
        assert answer.headers["X-Request-ID"] == "my-own"
        answered = same.ask(
            "DELETE", "/api/coupons", X_Request_ID="my-own", Origin="https://shop.example"
        ).answer()
        names = ("Access-Control-Allow-Origin", "Access-Control-Expose-Headers")
        assert answered.status == 405
        assert {name: answer.headers.get(name) for name in names} == {
            name: answered.headers.get(name) for name in names
        }
        told = operator.ask("GET", "/metrics").answer().body.decode()
    (count,) = re.findall(
        r'^http_requests_total\{method="[^"]*",route="\(none\)",status="431"\} (\S+)$', told, re.M
    )
    assert float(count) >= 1


def test_head_of_a_streamed_answer_and_of_a_refusal_has_no_body(caller):
    for path in ("/popup.js", "/openapi.json", "/nothing", "/v1/coupons", "/docs"):
        whole = caller.ask("GET", path).answer()
        head = caller.ask("HEAD", path).answer("HEAD")
        changing = {"Date", "X-Request-ID"}
        assert (head.status, head.body) == (whole.status, b"")
        assert {name: head.headers[name] for name in set(head.headers) - changing} == {
            name: whole.headers[name] for name in set(whole.headers) - changing
        }


def test_a_head_of_some_kilobytes_may_come_in_parts(caller):
    caller.send("GET /api/test HTTP/1.1\r\nHost: localhost\r\n")
    for number in range(10):
        caller.send(f"X-{number}: {'x' * 1000}\r\n")

    assert caller.send("\r\n").answer().status == 200


def test_an_upgrade_to_http_2_is_not_taken_up(caller):
    answer = caller.ask("GET", TEST, Connection="Upgrade, HTTP2-Settings", Upgrade="h2c").answer()

    assert answer.status == 200
    assert caller.is_closed()


def test_a_header_with_an_underscore_does_not_pass_for_the_one_with_a_hyphen(caller):
    # Whoever comes through a proxy gets no metrics without a token.
    assert (
        caller.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\nX_Forwarded_For: 1.2.3.4\r\n\r\n")
        .answer()
        .status
        == 200
    )
    assert caller.ask("GET", "/metrics", X_Forwarded_For="1.2.3.4").answer().status == 403


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("http://localhost/api/test", 200),
        ("http://localhost:8000/api/test?x=1", 200),
        ("/api/te%73t", 200),
        ("/api/test?%zz", 200),
        ("/nothing%2Fthere", 404),
        ("/%ff%00", 404),
        ("*", 404),
    ],
)
def test_targets_are_read_as_rfc_9112_says(caller, target, status):
    assert caller.ask("GET", target).answer().status == status
