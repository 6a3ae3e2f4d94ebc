"""What browsers are told: headers on every answer, and which pages may call."""

import pytest

from ..support.server import STRONG_KEY

ORIGIN = "https://shop.example"


@pytest.fixture(scope="module")
def failing(app_without_tables):
    """Return a client of an application with a route that fails."""
    app = app_without_tables()

    @app.get("/failing")
    def fail():
        raise RuntimeError

    return app.test_client()


@pytest.mark.parametrize(
    "path", ["/api/ping", "/v1/coupons", "/nothing", "/docs", "/openapi.json", "/failing"]
)
def test_every_answer_tells_browsers_to_be_careful(failing, capsys, path):
    headers = failing.get(path).headers

    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    policy = dict(
        rule.strip().split(" ", 1) for rule in headers["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    # No directive names another host.
    assert "*" not in headers["Content-Security-Policy"]
    assert "http" not in headers["Content-Security-Policy"]
    assert "Set-Cookie" not in headers


@pytest.mark.parametrize("path", ["/v1/coupons", "/api/user/feed", "/api/v1/coupons", "/api/x"])
@pytest.mark.parametrize(
    "shown", [{"Authorization": "Bearer x.y.z"}, {"X-API-Key": "k"}], ids=["token", "key"]
)
def test_what_is_answered_to_a_token_or_key_is_kept_by_no_cache(failing, path, shown):
    answer = failing.get(path, headers=shown)

    assert answer.headers.getlist("Cache-Control") == ["private, no-store"]
    assert "Cache-Control" not in failing.get(path).headers


@pytest.mark.parametrize(
    ("environment", "url", "strict"),
    [
        ({"app_env": "production", "secret_key": STRONG_KEY}, "https://localhost", True),
        ({"app_env": "production", "secret_key": STRONG_KEY}, "http://localhost", False),
        ({}, "https://localhost", False),
    ],
    ids=["production, https", "production, http", "development, https"],
)
def test_production_asks_browsers_to_stay_with_https(app_without_tables, environment, url, strict):
    answer = app_without_tables(**environment).test_client().get("/api/ping", base_url=url)

    # A proxy may redirect; the service does not, because an API's client would not follow.
    assert answer.status_code == 200
    assert ("Strict-Transport-Security" in answer.headers) is strict


@pytest.fixture(scope="module")
def cors(app_without_tables):
    """Return a client of an application that pages of two origins may call."""
    return app_without_tables(cors_allowed_origins=[ORIGIN, "http://localhost:3000"]).test_client()


@pytest.mark.parametrize("origin", [ORIGIN, "http://localhost:3000"])
@pytest.mark.parametrize(
    ("path", "status"), [("/api/ping", 200), ("/v1/coupons", 401), ("/api/user/nothing", 404)]
)
def test_pages_of_an_allowed_origin_may_read_answers_and_refusals(cors, origin, path, status):
    answer = cors.get(path, headers={"Origin": origin})

    assert answer.status_code == status
    assert answer.headers["Access-Control-Allow-Origin"] == origin
    assert set(answer.headers["Access-Control-Expose-Headers"].split(", ")) == {
        "X-Total-Count",
        "Retry-After",
        "Idempotent-Replayed",
        "X-Request-ID",
    }
    assert "Origin" in answer.headers["Vary"]
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "https://shop.example.evil.example",
        "https://a.shop.example",
        "http://shop.example",
        "https://shop-example",
        "null",
    ],
)
def test_pages_of_any_other_origin_may_not(cors, origin):
    for method in ("GET", "OPTIONS"):
        answer = cors.open(
            "/api/ping",
            method=method,
            headers={"Origin": origin, "Access-Control-Request-Method": "GET"},
        )
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_a_browser_may_ask_first(cors):
    asked = "authorization, content-type, idempotency-key, x-api-key, x-request-id"
    answer = cors.options(
        "/v1/coupons",
        headers={
            "Origin": ORIGIN,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": asked,
        },
    )

    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert {
        name.strip().lower() for name in answer.headers["Access-Control-Allow-Headers"].split(",")
    } == set(asked.split(", "))
    assert {"GET", "POST", "PUT", "PATCH", "DELETE"} <= set(
        answer.headers["Access-Control-Allow-Methods"].split(", ")
    )
    assert answer.headers["Access-Control-Max-Age"] == "600"


EXPOSED = {"X-Total-Count", "Retry-After", "Idempotent-Replayed", "X-Request-ID"}


@pytest.mark.parametrize("path", ["/api/coupons", "/api/coupons/"])
def test_where_no_origin_is_named_pages_of_any_may_ask_for_e_mail_coupons(app_without_tables, path):
    client = app_without_tables(
        rate_limits_enabled=True, rate_limit_coupons="2 per hour"
    ).test_client()

    for origin in (ORIGIN, "http://localhost:3000", "null"):
        before = client.options(
            path,
            headers={
                "Origin": origin,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "content-type",
            },
        )
        assert (before.status_code, before.headers["Access-Control-Max-Age"]) == (200, "600")
        assert before.headers["Access-Control-Allow-Headers"].lower() == "content-type"
        assert "POST" in before.headers["Access-Control-Allow-Methods"]
        answer = client.post(path, json={}, headers={"Origin": origin})
        assert answer.status_code == (429 if origin == "null" else 400)
        # The page may read why it is refused and when to come back.
        assert set(answer.headers["Access-Control-Expose-Headers"].split(", ")) == EXPOSED
        for told in (before, answer):
            assert told.headers["Access-Control-Allow-Origin"] == "*"
            assert "Access-Control-Allow-Credentials" not in told.headers


def test_where_origins_are_named_pages_of_no_other_may_ask_for_e_mail_coupons(cors):
    for origin, allowed in ((ORIGIN, ORIGIN), ("https://evil.example", None)):
        for method in ("POST", "OPTIONS"):
            answer = cors.open(
                "/api/coupons/",
                method=method,
                json={},
                headers={"Origin": origin, "Access-Control-Request-Method": "POST"},
            )
            assert answer.headers.get("Access-Control-Allow-Origin") == allowed
            assert "Access-Control-Allow-Credentials" not in answer.headers


def test_where_no_origin_is_allowed_none_is(app_without_tables):
    client = app_without_tables().test_client()

    for path in ("/api/ping", "/api/couponss", "/api/v1/coupons", "/v1/coupons"):
        for method in ("GET", "OPTIONS"):
            answer = client.open(
                path,
                method=method,
                headers={"Origin": ORIGIN, "Access-Control-Request-Method": "GET"},
            )
            assert not [name for name, _ in answer.headers if name.startswith("Access-Control-")]
