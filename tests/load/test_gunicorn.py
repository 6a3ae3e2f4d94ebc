"""The same application under another server."""

import sys

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ..support.people import PASSWORD, make_coupon
from ..support.waiting import wait_until
from .clients import Request
from .track import OK, Sums, balances, laid_track, one_race, outcomes, successes, sums

pytestmark = pytest.mark.server

# The folder is what docs/operations asks for.
GUNICORN = (
    f'PROMETHEUS_MULTIPROC_DIR="$(mktemp -d)" exec "{sys.executable}" -m gunicorn '
    '--bind "$HOST:$PORT" --workers "$WORKERS" --threads 4 coupon_management_flask.wsgi:app'
)


@pytest.fixture
def gunicorn_track(fresh_database_url, clients, tmp_path):
    command = ["sh", "-c", GUNICORN]
    with (
        laid_track(fresh_database_url, clients, command=command, TMPDIR=str(tmp_path)) as laid,
        one_race(laid) as track,
    ):
        yield track


def counted(server):
    text = server.request("GET", "/metrics").text
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "http_requests_total" and sample.labels["route"] == "/api/test"
    )


def test_gunicorn_with_two_workers_serves_it_as_well(gunicorn_track, tmp_path):
    coupon = make_coupon(value=30, number_left=5)
    user = gunicorn_track.user(credit=100)

    log_in = gunicorn_track.send(
        Request("POST", "/v1/auth/login", {"username": user.username, "password": PASSWORD})
    )
    use = user.request(
        "POST", f"/v1/coupons/use/{coupon.hidden_code}", token=log_in.json["access_token"]
    )
    answers = gunicorn_track.at_once([use] * 10)

    server = gunicorn_track.server
    assert len(server.worker_pids()) == 2
    assert log_in.json["user"] == {
        "id": str(user.id),
        "username": user.username,
        "name": "Some One",
        "credit": 100,
    }
    assert outcomes(answers) == {OK: 1, (400, "coupon_already_used"): 9}
    assert successes(answers)[0]["credit"] == 70
    assert balances([user]) == [70]
    assert sums(coupon) == Sums(capacity=5, claimed=1, uses=1, owed=30, paid=30)

    # Whichever worker is asked, /metrics tells of both.
    def both_have_counted():
        assert server.request("GET", "/api/ping").ok
        return len(list(tmp_path.glob("*/counter_*.db"))) == 2

    wait_until(both_have_counted, "each worker has answered something")
    for _ in range(20):
        assert server.request("GET", "/api/test").ok
    assert {counted(server) for _ in range(6)} == {20}

    assert server.request("GET", "/api/health").json()["background"] == "not running"
    assert server.log().count("start.no_background") == 2
