"""Which pages may call from a browser, what they may send, and what they may read."""

import pytest

from coupon_management_flask.config import ConfigurationError

from ..conftest import settings_for
from ..support.server import STRONG_KEY

ORIGIN = "https://shop.example"
PRODUCTION = {"app_env": "production", "secret_key": STRONG_KEY}
EXPOSED = {
    "ETag",
    "Idempotent-Replayed",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "X-Request-ID",
    "X-Total-Count",
}


def preflight(client, path, origin=ORIGIN, headers="content-type", method="POST"):
    return client.options(
        path,
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": headers,
        },
    )


def allowed(client, path, origin):
    """Return which origin may read an answer and is let in by a preflight, or None."""
    read = client.get(path, headers={"Origin": origin})
    told = {
        answer.headers.get("Access-Control-Allow-Origin")
        for answer in (read, preflight(client, path, origin))
    }
    assert "Access-Control-Allow-Credentials" not in read.headers
    assert len(read.headers.getlist("Access-Control-Allow-Origin")) <= 1
    (one,) = told
    return one


def varies(answer):
    return "Origin" in answer.headers.get("Vary", "")


@pytest.fixture(scope="module")
def cors(app_without_tables):
    """Return a client of an application that pages of two origins may call."""
    app = app_without_tables(**PRODUCTION, cors_allowed_origins=[ORIGIN, "http://localhost:3000"])
    return app.test_client()


@pytest.mark.parametrize("origin", [ORIGIN, "http://localhost:3000"])
@pytest.mark.parametrize(
    ("path", "status"), [("/api/ping", 200), ("/v1/coupons", 401), ("/api/user/nothing", 404)]
)
def test_pages_of_an_allowed_origin_may_read_answers_and_refusals(cors, origin, path, status):
    answer = cors.get(path, headers={"Origin": origin})

    assert answer.status_code == status
    assert answer.headers.getlist("Access-Control-Allow-Origin") == [origin]
    assert set(answer.headers["Access-Control-Expose-Headers"].split(", ")) == EXPOSED
    assert varies(answer)
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "https://shop.example.evil.example",
        "https://a.shop.example",
        "http://shop.example",
        "https://shop-example",
        "https://shop.example:8443",
        "http://localhost:3001",
        "null",
    ],
)
def test_pages_of_any_other_origin_may_not(cors, origin):
    assert allowed(cors, "/api/ping", origin) is None


def test_an_answer_that_depends_on_the_origin_says_so_to_whoever_asks(cors, app_without_tables):
    # Otherwise a cache gives one page what it was told about another, or about none.
    for headers in ({}, {"Origin": "https://evil.example"}, {"Origin": ORIGIN}):
        for path in ("/api/ping", "/nothing", "/v1/coupons"):
            assert varies(cors.get(path, headers=headers)), (path, headers)
    nobody = app_without_tables(**PRODUCTION).test_client()
    for path in ("/api/ping", "/api/coupons", "/popup.js"):
        assert not varies(nobody.get(path, headers={"Origin": ORIGIN}))


TRACING = "traceparent, tracestate, baggage, sentry-trace, x-request-id, x-b3-traceid, b3"


@pytest.mark.parametrize(
    "path", ["/v1/coupons", "/api/v1/nothing", "/nothing", "/", "/v1/coupons/x/y/z", "/api/test"]
)
def test_a_browser_may_ask_first_whatever_the_path(cors, path):
    asked = f"authorization, content-type, idempotency-key, if-none-match, x-api-key, {TRACING}"
    answer = preflight(cors, path, headers=asked, method="PATCH")

    assert (answer.status_code, answer.data) == (200, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert {
        name.strip().lower() for name in answer.headers["Access-Control-Allow-Headers"].split(",")
    } == set(asked.split(", "))
    assert {"GET", "POST", "PUT", "PATCH", "DELETE"} <= set(
        answer.headers["Access-Control-Allow-Methods"].split(", ")
    )
    assert answer.headers["Access-Control-Max-Age"] == "600"
    assert "X-Request-ID" in answer.headers


def test_a_preflight_of_a_stranger_is_2xx_and_lets_nobody_in(cors):
    for path in ("/v1/coupons", "/nothing"):
        answer = preflight(cors, path, "https://evil.example")
        assert answer.status_code == 200
        assert "Access-Control-Allow-Origin" not in answer.headers
    # Without an origin it is no preflight.
    assert cors.options("/nothing").status_code == 404


def test_a_header_that_nobody_needs_is_not_let_through(cors):
    answer = preflight(cors, "/v1/coupons", headers="content-type, x-forwarded-for, cookie")

    assert answer.headers["Access-Control-Allow-Headers"].lower() == "content-type"


@pytest.mark.parametrize("path", ["/api/coupons", "/api/coupons/"])
@pytest.mark.parametrize("named", [[], ["https://app.example"]], ids=["none", "an app's"])
def test_pages_of_any_website_may_ask_for_e_mail_coupons_whatever_origins_are_named(
    app_without_tables, path, named
):
    client = app_without_tables(
        **PRODUCTION,
        cors_allowed_origins=named,
        rate_limits_enabled=True,
        rate_limit_coupons="2 per hour",
    ).test_client()

    for origin in (ORIGIN, "http://localhost:3000", "null"):
        before = preflight(client, path, origin)
        assert (before.status_code, before.headers["Access-Control-Max-Age"]) == (200, "600")
        assert before.headers["Access-Control-Allow-Headers"].lower() == "content-type"
        assert "POST" in before.headers["Access-Control-Allow-Methods"]
        answer = client.post(path, json={}, headers={"Origin": origin})
        assert answer.status_code == (429 if origin == "null" else 400)
        # The page may read why it is refused and when to come back.
        assert set(answer.headers["Access-Control-Expose-Headers"].split(", ")) == EXPOSED
        for told in (before, answer):
            assert told.headers.getlist("Access-Control-Allow-Origin") == ["*"]
            assert "Access-Control-Allow-Credentials" not in told.headers


@pytest.fixture(scope="module")
def websites(app_without_tables):
    """Return a client of an application that gives codes for some websites alone."""
    return app_without_tables(
        **PRODUCTION,
        cors_allowed_origins=["https://app.example"],
        coupon_allowed_websites=["tea.example", ".cafe.example", "localhost"],
    ).test_client()


@pytest.mark.parametrize(
    "origin",
    [
        "https://tea.example",
        "http://tea.example",
        "https://www.tea.example",
        "https://tea.example:8443",
        "https://cafe.example",
        "https://www.cafe.example",
        "https://a.b.cafe.example",
        "http://localhost:3000",
        "https://app.example",
    ],
)
def test_where_websites_are_named_their_pages_may_ask_for_e_mail_coupons(websites, origin):
    assert allowed(websites, "/api/coupons", origin) == origin
    assert varies(websites.get("/api/coupons"))


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "https://shop.tea.example",
        "https://tea.example.evil.example",
        "https://teaxexample",
        "https://evilcafe.example",
        "https://cafe.example.evil.example",
        "ftp://tea.example",
        "null",
    ],
)
def test_pages_of_websites_that_are_not_named_may_not(websites, origin):
    assert allowed(websites, "/api/coupons", origin) is None


def test_a_websites_pages_may_call_nothing_but_the_popups_part(websites):
    for path in ("/api/ping", "/v1/coupons", "/api/couponss", "/api/v1/coupons"):
        assert allowed(websites, path, "https://tea.example") is None
        assert allowed(websites, path, "https://app.example") == "https://app.example"


def test_any_page_may_load_the_popup_and_is_told_so_once(cors, websites):
    for client in (cors, websites):
        answer = client.get("/popup.js", headers={"Origin": ORIGIN})
        assert answer.headers.getlist("Access-Control-Allow-Origin") == ["*"]


def test_where_no_origin_is_allowed_none_is(app_without_tables):
    client = app_without_tables(**PRODUCTION).test_client()

    for path in ("/api/ping", "/api/couponss", "/api/v1/coupons", "/v1/coupons"):
        for origin in (ORIGIN, "http://localhost:3000"):
            assert allowed(client, path, origin) is None
        assert not varies(client.get(path))


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost:3000",
        "http://localhost",
        "https://localhost:8443",
        "http://127.0.0.1:5173",
        "http://[::1]:4200",
        "http://shop.localhost:3000",
    ],
)
def test_in_development_pages_of_this_machine_may_call(app_without_tables, origin):
    client = app_without_tables().test_client()
    limited = app_without_tables(
        cors_allowed_origins=[ORIGIN], coupon_allowed_websites=["tea.example"]
    ).test_client()

    assert allowed(client, "/v1/coupons", origin) == origin
    assert allowed(limited, "/v1/coupons", origin) == origin
    assert allowed(limited, "/api/coupons", origin) == origin


@pytest.mark.parametrize(
    "origin", [ORIGIN, "http://localhost.evil.example", "http://evillocalhost", "http://1.2.3.4"]
)
def test_in_development_pages_of_other_machines_may_not(app_without_tables, origin):
    assert allowed(app_without_tables().test_client(), "/v1/coupons", origin) is None


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("http://localhost:3000/", "http://localhost:3000"),
        ("HTTPS://Shop.Example", "https://shop.example"),
        ("https://shop.example:443", "https://shop.example"),
        ("http://shop.example:80/", "http://shop.example"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("http://[::1]:3000/", "http://[::1]:3000"),
        ("capacitor://localhost", "capacitor://localhost"),
    ],
)
def test_an_origin_is_mended_to_what_browsers_send(app_without_tables, written, meant):
    app = app_without_tables(**PRODUCTION, cors_allowed_origins=written)

    assert app.extensions["settings"].cors_allowed_origins == (meant,)
    assert allowed(app.test_client(), "/api/ping", meant) == meant


def test_any_origin_may_be_named(app_without_tables):
    client = app_without_tables(**PRODUCTION, cors_allowed_origins="*").test_client()

    assert allowed(client, "/api/ping", ORIGIN) == "*"
    assert not varies(client.get("/api/ping"))


@pytest.mark.parametrize(
    "written",
    [
        "shop.example",
        "localhost:3000",
        "https://",
        "https://shop.example/app",
        "https://shop.example?x",
        "https://user@shop.example",
        "https://*.shop.example",
        "https://shop.example:port",
        "https://shop example",
        "htps://shop.example",
        "null",
    ],
)
def test_what_can_be_no_origin_stops_the_start_with_a_sentence(written):
    with pytest.raises(ConfigurationError) as stopped:
        settings_for("sqlite:////tmp/unused.db", cors_allowed_origins=f"{ORIGIN}, {written}")

    assert str(stopped.value) == (
        f"Configuration: CORS_ALLOWED_ORIGINS is not valid: {written!r} is no origin such as "
        "https://shop.example"
    )
