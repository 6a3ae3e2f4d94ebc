"""What browsers are told: headers on every answer."""

import pytest

from ..support.server import STRONG_KEY


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
