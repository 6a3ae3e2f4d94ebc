"""Rate limits: counted in Redis for all processes, or by each one for itself.

The latter holds without Redis and while it is away.
"""

import time

import pytest
import sqlalchemy as sa

from coupon_management_flask.db.session import db
from coupon_management_flask.identity import failed_attempts
from coupon_management_flask.models import EmailCoupon
from coupon_management_flask.web import rates

from ..support.books import read_books
from ..support.people import PASSWORD, make_coupon, make_user
from ..support.ports import free_port
from ..support.refusals import refusal
from ..support.server import running_server

# Per hour: no test lasts that long.
THREE = "3 per hour"
WRONG = {"username": "alice", "password": "wrong"}


@pytest.fixture
def limited(configured_app):
    """Return a client of an application that allows three log-ins an hour. Alice is a user."""
    app = configured_app(rate_limits_enabled=True, rate_limit_logins=THREE)
    make_user(username="alice")
    return app.test_client()


def log_in(client, address="10.0.0.1", **credentials):
    return client.post(
        "/v1/auth/login",
        json=credentials or {"username": "alice", "password": PASSWORD},
        environ_overrides={"REMOTE_ADDR": address},
    )


def test_log_ins_beyond_the_limit_are_429_in_the_contracts_body_right_or_wrong(limited):
    assert [
        log_in(limited).status_code,
        log_in(limited, **WRONG).status_code,
        log_in(limited).status_code,
    ] == [200, 401, 200]
    before = read_books()

    for credentials in ({}, WRONG):
        answer = log_in(limited, **credentials)
        assert refusal(answer) == (429, "rate_limited")
        seconds = answer.headers["Retry-After"]
        assert 1 <= int(seconds) <= 3600
        assert answer.headers["RateLimit-Policy"] == '"logins";q=3;w=3600'
        assert answer.headers["RateLimit"] == f'"logins";r=0;t={seconds}'

    assert read_books() == before


def test_each_address_has_a_limit_of_its_own(limited):
    for _ in range(4):
        last = log_in(limited)
    assert last.status_code == 429

    assert log_in(limited, address="10.0.0.2").status_code == 200


def test_a_request_can_not_say_where_it_comes_from(limited):
    answers = [
        limited.post(
            "/v1/auth/login",
            json=WRONG,
            headers={
                "X-Forwarded-For": f"8.8.8.{number}",
                "X-Real-IP": f"8.8.8.{number}",
                "Forwarded": f"for=8.8.8.{number}",
            },
            environ_overrides={"REMOTE_ADDR": "10.0.0.1"},
        )
        for number in range(4)
    ]

    assert [answer.status_code for answer in answers] == [401, 401, 401, 429]


def test_log_ins_and_refreshes_count_together_and_nothing_else_does(limited):
    grant = log_in(limited).json
    refreshing = {
        "headers": {"Authorization": f"Bearer {grant['refresh_token']}"},
        "environ_overrides": {"REMOTE_ADDR": "10.0.0.1"},
    }
    reading = {
        "headers": {"Authorization": f"Bearer {grant['access_token']}"},
        "environ_overrides": {"REMOTE_ADDR": "10.0.0.1"},
    }
    for _ in range(5):
        assert limited.get("/v1/coupons", **reading).status_code == 200
    assert log_in(limited).status_code == 200
    assert limited.post("/v1/auth/token/refresh", **refreshing).status_code == 200

    assert refusal(limited.post("/v1/auth/token/refresh", **refreshing)) == (429, "rate_limited")
    assert refusal(log_in(limited)) == (429, "rate_limited")


def test_a_refresh_that_came_too_often_has_not_spent_its_token(limited):
    refresh_token = log_in(limited).json["refresh_token"]
    headers = {"Authorization": f"Bearer {refresh_token}"}
    for _ in range(2):
        log_in(limited)

    assert (
        limited.post(
            "/v1/auth/token/refresh", headers=headers, environ_overrides={"REMOTE_ADDR": "10.0.0.1"}
        ).status_code
        == 429
    )
    assert (
        limited.post(
            "/v1/auth/token/refresh", headers=headers, environ_overrides={"REMOTE_ADDR": "10.0.0.2"}
        ).status_code
        == 200
    )


def ask(client, email="user@example.com", website="example.com", address="10.0.0.1", **headers):
    return client.post(
        "/api/coupons/",
        json={"email": email, "website": website},
        headers=headers,
        environ_overrides={"REMOTE_ADDR": address},
    )


def issued():
    return db.session.scalar(sa.select(sa.func.count()).select_from(EmailCoupon))


def test_coupons_are_limited_by_the_callers_address_good_requests_or_bad(configured_app):
    client = configured_app(rate_limits_enabled=True).test_client()
    asked = [
        ask(client),
        ask(client),
        ask(client, email="x"),
        ask(client, website=""),
        ask(client, email="other@example.com"),
    ]
    assert [answer.status_code for answer in asked] == [201, 200, 400, 400, 201]

    for email, headers in (
        ("user@example.com", {}),
        ("new@example.com", {}),
        ("x", {}),
        ("new@example.com", {"X-Forwarded-For": "8.8.8.8"}),
    ):
        answer = ask(client, email=email, **headers)
        assert refusal(answer, "email_coupons") == (429, "rate_limited")
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert issued() == 2

    assert ask(client, address="10.0.0.2").status_code == 200
    # Calls for other things are not counted with them.
    assert refusal(log_in(client, **WRONG)) == (401, "wrong_credentials")


def test_coupons_are_limited_by_e_mail_however_it_is_written_and_wherever_it_is_asked_from(
    configured_app,
):
    client = configured_app(rate_limits_enabled=True, rate_limit_coupons="1 per hour").test_client()
    for number in range(20):
        email = "user@example.com" if number % 2 else " USER@Example.com"
        assert (
            ask(client, email, f"w{number}.example", address=f"10.0.0.{number}").status_code == 201
        )
        # A call that is not valid counts for no e-mail address.
        assert ask(client, "user@example.com", "x", address=f"10.0.1.{number}").status_code == 400

    answer = ask(client, website="another.example", address="10.0.2.1")
    assert refusal(answer, "email_coupons") == (429, "rate_limited")
    assert 60 * 60 * 23 <= int(answer.headers["Retry-After"]) <= 60 * 60 * 24
    assert ask(client, website="w0.example", address="10.0.2.2").status_code == 429
    assert ask(client, "other@example.com", address="10.0.2.3").status_code == 201
    assert issued() == 21


def test_a_limit_holds_in_any_span_of_its_length_and_says_when_the_next_call_may_come(
    configured_app, monkeypatch
):
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    monkeypatch.setattr(rates, "time", lambda: now)
    client = configured_app(rate_limits_enabled=True).test_client()
    for _ in range(5):
        assert ask(client).status_code < 400
        now += 10.5

    # The first five came within 42 seconds; 52.5 have passed since the first.
    refused = ask(client)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "8")
    now += 7
    assert ask(client).status_code == 429
    now += 1
    # The first call alone has lapsed, and the refused ones have not counted.
    assert [ask(client).status_code, ask(client).status_code] == [200, 429]


def test_a_log_does_not_tell_whose_e_mail_was_limited(configured_app, capsys):
    client = configured_app(
        rate_limits_enabled=True, rate_limit_coupon_emails="1 per hour", log_level="INFO"
    ).test_client()

    assert [ask(client).status_code for _ in range(2)] == [201, 429]

    told = capsys.readouterr().err
    assert "exceeded" in told
    assert "user@example.com" not in told


def test_wrong_codes_are_limited_by_account_and_by_address(configured_app, somebody):
    app = configured_app(rate_limits_enabled=True)
    alice, bob, carol = (somebody(app, credit=100) for _ in range(3))
    coupon = make_coupon()
    for _ in range(10):
        assert alice.get("/v1/coupons/WRONG").status_code == 404
    # Ten are too many for her, and not for an address with other people.
    assert alice.post(f"/v1/coupons/use/{coupon.hidden_code}").status_code == 429
    assert carol.post(f"/v1/coupons/use/{coupon.hidden_code}").status_code == 200
    for _ in range(89):
        failed_attempts.record({"code:address:127.0.0.1": 100})
    assert bob.get("/v1/coupons/WRONG").status_code == 404

    # Bob has the same address as Alice, and then another.
    for who in (alice, bob):
        answer = who.post(f"/v1/coupons/use/{coupon.hidden_code}")
        assert refusal(answer) == (429, "rate_limited")
        assert 1 <= int(answer.headers["Retry-After"]) <= 600
    assert (
        bob.post(
            f"/v1/coupons/use/{coupon.hidden_code}", environ_overrides={"REMOTE_ADDR": "10.0.0.2"}
        ).status_code
        == 200
    )
    assert (
        alice.post(
            f"/v1/coupons/use/{coupon.hidden_code}", environ_overrides={"REMOTE_ADDR": "10.0.0.2"}
        ).status_code
        == 429
    )


def test_without_rate_limits_nothing_is_limited(configured_app, somebody):
    app = configured_app(rate_limits_enabled=False, rate_limit_logins=THREE)
    alice = somebody(app, username="alice", credit=100)
    coupon = make_coupon()

    for _ in range(21):
        assert ask(alice.client).status_code in (200, 201)
    for _ in range(12):
        assert log_in(alice.client, **WRONG).status_code == 401
        assert refusal(alice.get("/v1/coupons/WRONG")) == (404, "coupon_not_found")

    assert log_in(alice.client).status_code == 200
    assert alice.post(f"/v1/coupons/use/{coupon.hidden_code}").status_code == 200


def test_an_applications_limits_are_its_own(configured_app):
    limited = configured_app(rate_limits_enabled=True, rate_limit_logins=THREE)
    unlimited = configured_app(rate_limits_enabled=False, rate_limit_logins=THREE)
    make_user(username="alice")

    assert [log_in(limited.test_client()).status_code for _ in range(4)] == [200, 200, 200, 429]
    assert [log_in(unlimited.test_client()).status_code for _ in range(4)] == [200, 200, 200, 200]


def log_in_to(server):
    return server.request(
        "POST", "/v1/auth/login", json={"username": "alice", "password": PASSWORD}
    )


@pytest.mark.server
def test_redis_counts_for_all_servers_and_while_it_is_away_each_counts_for_itself(
    database_with_alice, redis_server
):
    if not redis_server.command:
        pytest.skip("TEST_REDIS_URL names a server that can't be stopped")
    url = database_with_alice("sqlite")
    configuration = {
        "RATE_LIMITS_ENABLED": "true",
        "RATE_LIMIT_LOGINS": THREE,
        "REDIS_URL": redis_server.url,
    }

    with (
        running_server(url, workers=1, **configuration) as one,
        running_server(url, workers=1, **configuration) as other,
    ):
        assert [log_in_to(server).status_code for server in (one, other, one)] == [200, 200, 200]
        for server in (one, other):
            refused = log_in_to(server)
            assert refusal_of(refused) == (429, "rate_limited")
            assert 1 <= int(refused.headers["Retry-After"]) <= 3600

        redis_server.stop()
        try:
            assert one.request("GET", "/api/health").json()["redis"] == "failing"
            for server in (one, other):
                assert [log_in_to(server).status_code for _ in range(4)] == [200, 200, 200, 429]
        finally:
            redis_server.start()


def refusal_of(answer):
    return answer.status_code, answer.json()["error"]["error_code"]


def test_a_redis_that_is_away_from_the_start_stops_nothing(configured_app):
    app = configured_app(
        rate_limits_enabled=True,
        rate_limit_logins=THREE,
        redis_url=f"redis://127.0.0.1:{free_port()}/0",
    )
    make_user(username="alice")
    client = app.test_client()

    assert [log_in(client).status_code for _ in range(4)] == [200, 200, 200, 429]
