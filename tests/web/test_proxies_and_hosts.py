"""TRUSTED_PROXIES and ALLOWED_HOSTS.

Which proxies are believed about where a request comes from, and which hosts are answered.
"""

from functools import cache

import pytest
from flask import request
from structlog.testing import capture_logs

from ..support.refusals import refusal
from ..support.server import STRONG_KEY, running_server

CLIENT = "8.8.8.8"


@pytest.fixture(scope="module")
def seen(app_without_tables):
    """Send a request to an application that trusts these proxies, and return what it saw."""

    @cache
    def app_that_trusts(*proxies):
        app = app_without_tables(trusted_proxies=list(proxies))
        app.add_url_rule(
            "/v1/probe",
            view_func=lambda: {
                "address": request.remote_addr,
                "scheme": request.scheme,
                "host": request.host,
            },
        )
        return app

    def send(proxies, peer, **headers):
        app = app_that_trusts(*proxies)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return (
            app.test_client()
            .get("/v1/probe", headers=headers, environ_overrides={"REMOTE_ADDR": peer})
            .json
        )

    return send


@pytest.mark.parametrize(
    ("proxies", "peer"),
    [([], "127.0.0.1"), ([], "10.0.0.1"), (["10.0.0.1"], "10.0.0.2"), (["10.0.0.0/8"], "11.0.0.1")],
)
def test_whoever_is_not_trusted_is_not_believed(seen, proxies, peer):
    told = seen(
        proxies,
        peer,
        X_Forwarded_For=CLIENT,
        X_Forwarded_Proto="https",
        X_Forwarded_Host="evil.example",
        Forwarded=f"for={CLIENT};proto=https",
    )

    assert told == {"address": peer, "scheme": "http", "host": "localhost"}


@pytest.mark.parametrize(
    ("proxies", "peer"),
    [
        (["10.0.0.1"], "10.0.0.1"),
        (["10.0.0.0/8"], "10.1.2.3"),
        (["192.168.0.1", "10.0.0.0/8"], "10.1.2.3"),
        (["::1"], "::1"),
        (["fd00::/8"], "fd00::5"),
        (["::ffff:10.0.0.1"], "10.0.0.1"),
        (["FD00:0::5"], "fd00::5"),
    ],
)
def test_a_trusted_proxy_says_who_the_client_is_and_whether_it_came_by_https(seen, proxies, peer):
    assert seen(proxies, peer, X_Forwarded_For=CLIENT, X_Forwarded_Proto="https") == {
        "address": CLIENT,
        "scheme": "https",
        "host": "localhost",
    }
    assert seen(proxies, peer, X_Forwarded_For=CLIENT, X_Forwarded_Proto="http")["scheme"] == "http"
    assert seen(proxies, peer) == {"address": peer, "scheme": "http", "host": "localhost"}


def test_what_a_client_has_put_into_the_header_itself_is_not_believed(seen):
    assert (
        seen(["10.0.0.1"], "10.0.0.1", X_Forwarded_For=f"1.1.1.1, 127.0.0.1, {CLIENT}")["address"]
        == CLIENT
    )


def test_of_a_chain_of_trusted_proxies_the_first_that_is_not_trusted_is_the_client(seen):
    assert (
        seen(["10.0.0.0/8"], "10.0.0.1", X_Forwarded_For=f"1.1.1.1, {CLIENT}, 10.0.0.3, 10.0.0.2")[
            "address"
        ]
        == CLIENT
    )


@pytest.mark.parametrize(
    ("peer", "told", "client"),
    [
        ("::ffff:10.0.0.1", CLIENT, CLIENT),
        ("10.0.0.1", f"{CLIENT}:4711", CLIENT),
        ("10.0.0.1", f'"{CLIENT}"', CLIENT),
        ("10.0.0.1", f"::FFFF:{CLIENT}", CLIENT),
        ("10.0.0.1", '"[2001:DB8:0::1]:443"', "2001:db8::1"),
        ("10.0.0.1", "2001:db8::1%eth0", "2001:db8::1"),
        ("10.0.0.1", f"1.1.1.1, {CLIENT}:80, 10.0.0.3:5555, [::ffff:10.0.0.2]:80, ", CLIENT),
        # A proxy that is asked about itself.
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", " , ", "10.0.0.1"),
        # What a proxy writes where it does not know, and whatever a client has put before it.
        ("10.0.0.1", f"{CLIENT}, _hidden", "unknown"),
        ("10.0.0.1", "<script>, 10.0.0.3", "unknown"),
        # 6to4 of a trusted address is somebody else's address.
        ("2002:a00:1::1", CLIENT, "2002:a00:1::1"),
        ("11.0.0.1", CLIENT, "11.0.0.1"),
    ],
)
def test_an_address_is_read_however_a_proxy_writes_it(seen, peer, told, client):
    assert seen(["10.0.0.0/8"], peer, X_Forwarded_For=told)["address"] == client


@pytest.mark.parametrize("proto", ["ftp", "javascript", "https, http", ""])
def test_a_scheme_that_is_none_is_not_believed(seen, proto):
    assert (
        seen(["10.0.0.1"], "10.0.0.1", X_Forwarded_For=CLIENT, X_Forwarded_Proto=proto)["scheme"]
        == "http"
    )


def test_a_trusted_proxy_does_not_say_which_host_was_asked(seen):
    assert (
        seen(["10.0.0.1"], "10.0.0.1", X_Forwarded_For=CLIENT, X_Forwarded_Host="evil.example")[
            "host"
        ]
        == "localhost"
    )


def test_a_proxy_that_nobody_named_is_told_of_once(app_without_tables):
    client = app_without_tables(trusted_proxies=["10.0.0.0/8", "::ffff:192.0.2.1"]).test_client()

    def send(peer, **headers):
        client.get("/api/health/live", headers=headers, environ_overrides={"REMOTE_ADDR": peer})

    forwarded = {"X-Forwarded-For": CLIENT}
    with capture_logs() as logs:
        send("11.0.0.1")
        send("10.1.2.3", **forwarded)
        send("::ffff:10.1.2.3", **forwarded)
        send("192.0.2.1", **forwarded)
        assert not [line for line in logs if line["event"] == "proxy.not_trusted"]
        for peer in ("11.0.0.1", "12.0.0.1"):
            send(peer, **forwarded)

    told = [line for line in logs if line["event"] == "proxy.not_trusted"]
    assert [(line["peer"], line["log_level"]) for line in told] == [("11.0.0.1", "warning")]
    assert "TRUSTED_PROXIES" in told[0]["says"]


@pytest.mark.server
def test_all_workers_of_a_server_together_tell_of_it_once(new_database):
    with running_server(new_database("sqlite"), workers=2) as server:
        for _ in range(40):
            # A connection of its own each time, which either worker may take.
            answer = server.request(
                "GET",
                "/api/health/live",
                headers={"X-Forwarded-For": CLIENT, "Connection": "close"},
            )
            assert answer.status_code == 200
        lines = [line for line in server.log().splitlines() if "proxy.not_trusted" in line]

    assert len(lines) == 1
    assert "127.0.0.1" in lines[0]


def test_metrics_are_not_for_whoever_a_trusted_proxy_brings(app_without_tables):
    client = app_without_tables(trusted_proxies=["127.0.0.1"]).test_client()

    for forwarded in (CLIENT, "127.0.0.1", "nonsense", ""):
        answer = client.get("/metrics", headers={"X-Forwarded-For": forwarded})
        assert refusal(answer, "promos") == (403, "permission_denied")


@pytest.mark.parametrize(
    ("peer", "status"),
    [
        ("127.0.0.1", 200),
        ("::1", 200),
        ("::ffff:127.0.0.1", 200),
        ("127.0.0.1%lo", 200),
        # Whole addresses are compared, not what limits go by: these are others in the same /64.
        ("::2", 403),
        ("64:ff9b::127.0.0.1", 403),
        ("2002:7f00:1::1", 403),
        ("10.0.0.1", 403),
        ("nonsense", 403),
        ("", 403),
    ],
)
def test_metrics_without_a_token_are_for_loopback_alone(app_without_tables, peer, status):
    client = app_without_tables().test_client()

    answer = client.get("/metrics", environ_overrides={"REMOTE_ADDR": peer})

    assert answer.status_code == status


def test_log_ins_are_limited_by_the_client_behind_the_proxy(configured_app):
    client = configured_app(
        trusted_proxies=["127.0.0.1"], rate_limits_enabled=True, rate_limit_logins="1 per hour"
    ).test_client()

    def log_in(address):
        return client.post(
            "/v1/auth/login",
            json={"username": "x", "password": "x"},
            headers={"X-Forwarded-For": address},
        ).status_code

    assert [log_in("8.8.8.1"), log_in("8.8.8.1"), log_in("8.8.8.2")] == [401, 429, 401]


@pytest.fixture(scope="module")
def hosted(app_without_tables):
    return app_without_tables(allowed_hosts=["shop.example", ".example.org"]).test_client()


@pytest.mark.parametrize(
    "host", ["shop.example", "shop.example:8000", "example.org", "a.example.org", "a.b.example.org"]
)
def test_an_allowed_host_is_answered(hosted, host):
    assert hosted.get("/api/ping", headers={"Host": host}).json == {"status": "ok"}


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "shop.example.evil.example",
        "a.shop.example",
        "badexample.org",
        "localhost",
        "127.0.0.1",
        "shop.example@evil.example",
        "",
    ],
)
@pytest.mark.parametrize(
    ("path", "contract"),
    [
        ("/v1/coupons", "credit_coupons"),
        ("/api/ping", "promos"),
        ("/api/health", "vouchers"),
        ("/nothing", "promos"),
    ],
)
def test_any_other_host_is_refused_in_the_contracts_body(hosted, host, path, contract):
    assert refusal(hosted.get(path, headers={"Host": host}), contract) == (400, "host_not_allowed")


PAGES = ["/dev/mailbox", "/docs", "/openapi.json", "/admin/sign-in", "/metrics"]
THIS_MACHINE = ["localhost", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST.:80", "shop.localhost"]
OTHERS = ["rebound.example", "127.0.0.1.rebound.example", "192.168.1.5:8000", "[::2]", "[", ""]


@pytest.mark.parametrize("path", PAGES)
def test_what_is_shown_to_this_machine_answers_no_name_that_a_website_may_rebind(
    app_without_tables, path
):
    client = app_without_tables(email_backend="").test_client()
    for host in THIS_MACHINE:
        assert client.get(path, headers={"Host": host}).status_code < 400, host
    for host in OTHERS:
        answer = client.get(path, headers={"Host": host})
        assert answer.status_code == 400, host
        assert "host" in answer.text.lower()


def test_a_name_of_allowed_hosts_is_shown_it_too_and_production_shows_its_pages_to_all(
    app_without_tables,
):
    allowed = app_without_tables(allowed_hosts=["shop.example"]).test_client()
    for path in PAGES:
        assert allowed.get(path, headers={"Host": "shop.example"}).status_code < 400

    production = app_without_tables(app_env="production", secret_key=STRONG_KEY).test_client()
    for path, status in (("/docs", 200), ("/metrics", 400), ("/dev/mailbox", 404)):
        assert production.get(path, headers={"Host": "shop.example"}).status_code == status


def test_without_allowed_hosts_any_is_answered(app_without_tables):
    assert (
        app_without_tables()
        .test_client()
        .get("/api/ping", headers={"Host": "anything.example"})
        .status_code
        == 200
    )
