"""What operators see: request ids, log lines without secrets, metrics that survive workers."""

import os
import re
import signal
from types import SimpleNamespace
from uuid import UUID

import orjson
import psutil
import pytest
import sqlalchemy as sa
from prometheus_client.parser import text_string_to_metric_families

from coupon_management_flask import create_app
from coupon_management_flask.tasks.jobs import BACKGROUND

from ..conftest import settings_for
from ..support.people import PASSWORD
from ..support.refusals import refusal
from ..support.server import MAKE_SERVE, STRONG_KEY, run_flask, running_server
from ..support.waiting import wait_until


def samples(text, name):
    """Return the values of a metric by its labels."""
    return {
        tuple(sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


def answered(text, route):
    """Return how many requests to that route were counted."""
    return sum(
        value
        for labels, value in samples(text, "http_requests_total").items()
        if ("route", route) in labels
    )


@pytest.fixture(scope="module")
def quiet(tmp_path_factory):
    """Return a client of an application without tables."""
    return create_app(
        settings_for(f"sqlite:///{tmp_path_factory.mktemp('quiet')}/empty.db")
    ).test_client()


@pytest.mark.parametrize(
    "path", ["/api/ping", "/v1/coupons", "/nothing"], ids=["success", "refusal", "unknown"]
)
def test_every_answer_carries_a_request_id_of_its_own(quiet, path):
    one, other = (quiet.get(path).headers["X-Request-ID"] for _ in range(2))

    assert UUID(one).version == UUID(other).version == 7
    assert one != other


@pytest.mark.parametrize("given", ["a", "7f1c-22:ab_c.d", "x" * 128])
def test_a_request_id_that_comes_in_goes_out(quiet, given):
    assert quiet.get("/api/ping", headers={"X-Request-ID": given}).headers["X-Request-ID"] == given


@pytest.mark.parametrize(
    "given", ["", "x" * 129, "a b", "a;b", "<script>", "a\tb", "é", '"', "a/b", "{}"]
)
def test_a_request_id_that_could_be_anything_is_replaced(quiet, given):
    assert (
        UUID(
            quiet.get("/api/ping", headers={"X-Request-ID": given}).headers["X-Request-ID"]
        ).version
        == 7
    )


def test_in_production_every_line_is_json_and_carries_the_request_id(capsys, app_without_tables):
    app = app_without_tables(app_env="production", secret_key=STRONG_KEY, log_level="INFO")

    @app.get("/v1/failing/<code>")
    def fail(code):
        app.logger.warning("the standard library's loggers join in")
        raise RuntimeError("no")

    answer = app.test_client().get("/v1/failing/HIDDEN", headers={"X-Request-ID": "abc"})

    assert refusal(answer) == (500, "internal_error")
    lines = [orjson.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in lines] == [
        "the standard library's loggers join in",
        "request.failed",
        "request",
    ]
    for line in lines:
        assert line["request_id"] == "abc"
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", line["timestamp"])
    warning, failure, access = lines
    assert (warning["level"], failure["level"], access["level"]) == ("warning", "error", "info")
    assert "RuntimeError: no" in failure["exception"]
    assert access.pop("milliseconds") >= 0
    assert {name: access[name] for name in ("method", "route", "status")} == {
        "method": "GET",
        "route": "/v1/failing/<code>",
        "status": 500,
    }


def test_in_development_lines_are_for_people(capsys, app_without_tables):
    app = app_without_tables(log_level="INFO")

    app.test_client().get("/api/ping", headers={"X-Request-ID": "abc"})

    (line,) = capsys.readouterr().err.splitlines()
    assert not line.startswith("{")
    for told in ("request", "abc", "/api/ping", "200"):
        assert told in line


def test_a_request_id_does_not_stay_for_the_next_request(capsys, app_without_tables):
    client = app_without_tables(
        app_env="production", secret_key=STRONG_KEY, log_level="INFO"
    ).test_client()
    client.get("/api/ping", headers={"X-Request-ID": "abc"})
    client.get("/api/ping")

    first, second = (
        orjson.loads(line)["request_id"] for line in capsys.readouterr().err.splitlines()
    )
    assert first == "abc"
    assert UUID(second).version == 7


def test_lines_below_the_level_are_not_written(capsys, app_without_tables):
    app_without_tables(log_level="WARNING").test_client().get("/api/ping")

    assert capsys.readouterr().err == ""


def read_metrics(client, address="127.0.0.1", **headers):
    return client.get("/metrics", headers=headers, environ_overrides={"REMOTE_ADDR": address})


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1"])
def test_without_a_token_metrics_are_for_this_machine(quiet, address):
    answer = read_metrics(quiet, address)

    assert answer.status_code == 200
    assert answer.mimetype == "text/plain"
    assert samples(answer.text, "http_requests_total")


@pytest.mark.parametrize("address", ["10.0.0.1", "192.168.1.5", "8.8.8.8", "2001:db8::1", ""])
def test_without_a_token_metrics_are_for_nobody_else(quiet, address):
    assert refusal(read_metrics(quiet, address), "promos") == (403, "permission_denied")


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded", "X-Real-IP"])
def test_whoever_comes_through_a_proxy_on_this_machine_is_not_on_this_machine(quiet, name):
    assert refusal(read_metrics(quiet, **{name: "127.0.0.1"}), "promos") == (
        403,
        "permission_denied",
    )


@pytest.fixture
def tokened(app_without_tables):
    return app_without_tables(metrics_token="metrics-token").test_client()


@pytest.mark.parametrize("address", ["127.0.0.1", "8.8.8.8"])
def test_with_a_token_metrics_are_for_whoever_has_it(tokened, address):
    assert refusal(read_metrics(tokened, address), "promos") == (401, "authentication_required")
    for wrong in ("Bearer wrong", "Bearer metrics-token2", "Bearer é", "Bearer "):
        assert read_metrics(tokened, address, Authorization=wrong).status_code == 401
    assert read_metrics(tokened, address, Authorization="Bearer metrics-token").status_code == 200


def test_metrics_know_routes_and_no_paths_and_grow_with_neither_paths_nor_methods(quiet):
    before = samples(read_metrics(quiet).text, "http_requests_total")
    for number in range(5):
        quiet.get(f"/v1/coupons/SECRET-{number}")
        quiet.get(f"/nothing/SECRET-{number}")
        quiet.open("/nothing", method=f"SECRET{number}")

    text = read_metrics(quiet).text

    assert "SECRET" not in text
    after = samples(text, "http_requests_total")
    changed = {
        labels: value - before.get(labels, 0)
        for labels, value in after.items()
        if value != before.get(labels, 0) and ("route", "/metrics") not in labels
    }
    assert changed == {
        (("method", "GET"), ("route", "/v1/coupons/<hidden_code>"), ("status", "401")): 5,
        (("method", "GET"), ("route", "(none)"), ("status", "404")): 5,
        (("method", "(other)"), ("route", "(none)"), ("status", "404")): 5,
    }


def test_metrics_tell_how_long_answers_took(quiet):
    def count():
        return sum(
            samples(read_metrics(quiet).text, "http_request_duration_seconds_count").values()
        )

    before = count()
    quiet.get("/api/ping")
    # One for the ping, one for the first reading.
    assert count() == before + 2


@pytest.fixture(scope="module")
def server(database_with_alice, tmp_path_factory):
    """Return `make serve` with two workers that log everything, and a user."""
    url = database_with_alice("postgresql", credit=100)
    metrics = tmp_path_factory.mktemp("metrics")
    configuration = {"SECRET_KEY": STRONG_KEY, "LOG_LEVEL": "INFO", "TMPDIR": str(metrics)}
    with running_server(url, workers=2, command=MAKE_SERVE, **configuration) as running:
        # The server makes a folder of its own there.
        yield SimpleNamespace(running=running, request=running.request, files=metrics, url=url)


@pytest.mark.server
def test_lines_of_a_server_never_hold_what_a_client_sent_in_confidence(server):
    signed_in = server.request(
        "POST", "/v1/auth/login", json={"username": "alice", "password": PASSWORD}
    ).json()
    token, code = signed_in["access_token"], "HIDDEN-CODE-1"
    server.request(
        "POST", "/v1/auth/login", json={"username": "alice", "password": "wrong-password-1"}
    )
    server.request(
        "POST",
        f"/v1/coupons/use/{code}?token={token}",
        token=token,
        headers={"X-Request-ID": "the-use", "Idempotency-Key": "key-in-confidence"},
    )
    server.request("GET", "/v1/token/refresh", token=signed_in["refresh_token"])
    server.request("GET", f"/nothing/{code}")
    server.request(
        "POST",
        f"/v1/coupons/{signed_in['user']['id']}/use",
        token=token,
        json={"hidden_code": code},
        headers={"X-Request-ID": "the-last"},
    )
    wait_until(lambda: "the-last" in server.running.log(), "the last line is written")

    log = server.running.log()
    for secret in (
        code,
        token,
        signed_in["refresh_token"],
        PASSWORD,
        "wrong-password-1",
        "key-in-confidence",
        STRONG_KEY,
    ):
        assert secret not in log
    # Before it serves, the command writes plain text for whoever typed it.
    lines = [orjson.loads(line) for line in log.splitlines() if not line.startswith("Serving on ")]
    (use,) = [line for line in lines if line.get("request_id") == "the-use"]
    assert use.pop("milliseconds") >= 0
    assert use.pop("timestamp").endswith("Z")
    assert use == {
        "event": "request",
        "level": "info",
        "request_id": "the-use",
        "method": "POST",
        "route": "/v1/coupons/use/<hidden_code>",
        "status": 400,
    }


def counting_pids(server):
    """Return the workers that have counted anything."""
    return {
        int(re.search(r"\d+", file.stem)[0])
        for file in server.files.glob("coupon-metrics-*/counter_*.db")
    }


def worker_pids(server):
    """Return the living workers, or nothing while one is dying."""
    try:
        return set(server.running.worker_pids())
    except psutil.Error:
        return set()


@pytest.mark.server
def test_metrics_are_the_sums_over_all_workers_also_over_one_that_was_killed_and_its_successor(
    server,
):
    def ping(times):
        for _ in range(times):
            assert server.request("GET", "/api/test").status_code == 200
        return times

    def counted():
        # Any worker answers for all.
        texts = [server.request("GET", "/metrics").text for _ in range(6)]
        assert len({answered(text, "/api/test") for text in texts}) == 1
        return answered(texts[0], "/api/test")

    workers = worker_pids(server)
    assert len(workers) == 2
    sent = 0
    while not workers <= counting_pids(server):
        sent += ping(10)
        assert sent < 1000, "one worker answers everything"
    assert counted() == sent

    killed = min(workers)
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: len(worker_pids(server) - {killed}) == 2, "the killed worker is replaced")
    (successor,) = worker_pids(server) - workers
    wait_until(lambda: server.request("GET", "/api/health/live").ok, "the server answers")
    assert counted() == sent

    more = 0
    while successor not in counting_pids(server):
        more += ping(10)
        assert more < 1000, "the successor answers nothing"
    assert counted() == sent + more


@pytest.mark.server
def test_the_start_says_which_database_it_serves_and_warns_and_shares_its_port_with_nobody(server):
    database = sa.make_url(server.url)
    lines = server.running.log().splitlines()
    (serving,) = [line for line in lines if line.startswith("Serving on ")]
    assert f"with PostgreSQL {database.database} at {database.host}:{database.port}" in serving
    assert f":{database.password}@" not in server.running.log()
    logged = [orjson.loads(line) for line in lines if line.startswith("{")]
    assert [line["setting"] for line in logged if line["event"] == "start.setting"] == [
        "RATE_LIMITS_ENABLED",
        "ALLOWED_HOSTS",
        "PUBLIC_URL",
        "COUPON_ALLOWED_WEBSITES",
    ]
    assert [line for line in logged if line["event"] == "start.no_background"] == []

    port = server.running.url.rpartition(":")[2]
    second = run_flask("serve", database_url=server.url, check=False, HOST="127.0.0.1", PORT=port)
    assert (second.returncode, second.stdout) == (1, "")
    assert second.stderr == (
        f"Error: Nothing can listen on 127.0.0.1:{port} (HOST, PORT): Address already in use.\n"
    )


@pytest.mark.server
def test_health_and_metrics_of_a_server_tell_that_its_threads_do_the_background_work(server):
    wait_until(
        lambda: server.request("GET", "/api/health").json()["background"] == "ok",
        "the background runs",
    )

    def last_runs():
        name = "background_job_last_run_timestamp_seconds"
        return samples(server.request("GET", "/metrics").text, name)

    wait_until(lambda: all(last_runs().values()), "each job had a turn")
    assert set(last_runs()) == {(("job", name),) for name in BACKGROUND.jobs}


@pytest.mark.server
def test_make_serve_ends_cleanly_when_it_is_told_to_stop_and_leaves_nothing(server):
    # The last test of this server.
    workers = worker_pids(server)
    os.killpg(server.running.process.pid, signal.SIGTERM)
    server.running.process.wait(60)
    wait_until(lambda: not any(map(psutil.pid_exists, workers)), "the workers have ended")

    events = [
        orjson.loads(line).get("event")
        for line in server.running.log().splitlines()
        if line.startswith("{")
    ]
    assert events.count("background.stopping") == len(workers)
    assert "Traceback" not in server.running.log()
    wait_until(lambda: not list(server.files.iterdir()), "the folder for metrics is gone")
