"""The parts of the benchmarks that need no server: what is read, counted and summed up."""

import struct
import subprocess
import sys
from dataclasses import replace

import pytest

from benchmarks import cpu, report
from benchmarks.load import Loaded, Request, parse_result
from benchmarks.messages import Frontend
from benchmarks.report import Round, summary
from benchmarks.scenarios import MOST_A_SECOND, Scenario

STARTUP = struct.pack("!ii", 14, 196608) + b"user\0\0"
ENCRYPTION = struct.pack("!ii", 8, 80877103)


def message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + struct.pack("!i", 4 + len(body)) + body


QUERY = message(b"Q", b"SELECT 1\0")
EXTENDED = message(b"P", b"\0Q\0\0\0") + message(b"B") + message(b"E") + message(b"S")


@pytest.mark.parametrize(
    ("said", "awaiting"),
    [
        (STARTUP, 0),
        (ENCRYPTION + STARTUP, 0),
        (ENCRYPTION + STARTUP + QUERY, 1),
        (STARTUP + message(b"p", b"secret\0") + QUERY + QUERY, 2),
        (STARTUP + EXTENDED, 1),
        (STARTUP + QUERY + message(b"X"), 1),
    ],
)
def test_what_waits_for_an_answer_counts_however_it_is_cut(said: bytes, awaiting: int) -> None:
    whole, in_pieces = Frontend(), Frontend()
    assert whole.feed(said) == awaiting
    assert sum(in_pieces.feed(bytes([byte])) for byte in said) == awaiting


def test_a_message_counts_once_it_is_complete() -> None:
    frontend = Frontend()
    assert frontend.feed(STARTUP + QUERY[:-1]) == 0
    assert frontend.feed(QUERY[-1:]) == 1


def test_a_line_is_a_request() -> None:
    assert Request.parse("GET /api/user/feed token") == Request(
        "GET",
        "/api/user/feed",
        {"Content-Type": "application/json", "Authorization": "Bearer token"},
        "",
    )
    with_key = Request.parse('POST /redeem key:ck {"code": "A B"}')
    assert with_key.headers["X-API-Key"] == "ck"
    assert with_key.body == '{"code": "A B"}'
    assert "Authorization" not in Request.parse("POST /sign-in - {}").headers


def test_what_a_line_asks_for_anew_is_another_each_time() -> None:
    line = 'POST /redeem once+token {"orderId": "{n}"}'
    first, second = Request.parse(line), Request.parse(line)
    assert first.headers["Authorization"] == "Bearer token"
    assert first.headers["Idempotency-Key"] != second.headers["Idempotency-Key"]
    assert "{n}" not in first.body
    assert first.body != second.body


def test_the_result_of_wrk_is_read_in_seconds_and_milliseconds() -> None:
    told = '{"requests": 30, "microseconds": 1500000, "p50": 1000, "p95": 2500, "p99": 9000'
    output = f'Running 2s test\nRESULT {told}, "refused": 2, "broken": 1}}\n'
    assert parse_result(output) == Loaded(30, 1.5, 1.0, 2.5, 9.0, 2, 1)
    assert parse_result(output).per_second == 20


ROUNDS = [Round(100, 1, 0.2, 0.1), Round(200, 1, 0.3, 0.1), Round(100, 2, 0.1, 0.1)]


def test_figures_are_medians_over_rounds() -> None:
    figures = summary(ROUNDS, messages=3)
    assert figures.per_second == 100
    assert figures.server_ms == pytest.approx(1.5)
    assert figures.postgres_ms == pytest.approx(1.0)
    assert figures.cpu_ms == pytest.approx(2.0)
    assert figures.noise == pytest.approx(0.5)
    assert figures.requests == 400


@pytest.mark.parametrize(
    ("times", "noise", "mark"),
    [
        (0.9, 0.0, ""),
        (1.04, 0.0, ""),
        (1.06, 0.02, "DEARER"),
        (1.06, 0.1, "DEARER?"),
    ],
)
def test_more_than_5_per_cent_more_cpu_is_marked(times: float, noise: float, mark: str) -> None:
    old = replace(summary(ROUNDS, messages=3), noise=noise)
    new = replace(old, cpu_ms=old.cpu_ms * times)
    assert report.row("feed", old, new).split()[12:] == ([mark] if mark else [])


def test_figures_of_refusals_are_marked_before_anything_else() -> None:
    old = summary(ROUNDS, messages=3)
    some = replace(old, refused=4)
    assert not report.is_refused(old, some)
    many = replace(old, refused=5, cpu_ms=old.cpu_ms * 2)
    assert report.is_refused(old, many)
    assert report.row("feed", old, many).endswith("REFUSED")


def test_requests_that_can_be_sent_once_are_in_one_part_alone() -> None:
    def requests(_bench: object) -> list[str]:
        return [str(number) for number in range(2 * MOST_A_SECOND)]

    scenario = Scenario("like, new", "large", requests, once=True)
    bench: object = None
    parts = [scenario.lines(bench, part, 1) for part in range(2)]  # type: ignore[arg-type]
    assert parts[0] + parts[1] == requests(bench)
    with pytest.raises(SystemExit):
        scenario.lines(bench, 2, 1)  # type: ignore[arg-type]


BURN = "import time\nwhile time.process_time() < 0.3: pass\n"
PARENT = f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", {BURN!r}], check=True)
child = subprocess.Popen([sys.executable, "-c", {BURN + "print(flush=True); input()"!r}], stdin=-1)
child.wait()
"""


def test_the_cpu_of_a_program_is_that_of_all_its_processes_gone_ones_too() -> None:
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        try:
            assert cpu.used(parent.pid) >= 0.55
        finally:
            parent.kill()


def test_a_program_that_has_ended_has_no_figure() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    with pytest.raises(SystemExit):
        cpu.used(ended.pid)
