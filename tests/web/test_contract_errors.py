"""Errors have the body of the contract that the path belongs to.

That holds whatever goes wrong, and whoever notices it.
"""

from datetime import timedelta
from io import BytesIO

import pytest
import sqlalchemy as sa

from coupon_management_flask import create_app
from coupon_management_flask.db.session import db
from coupon_management_flask.identity import sessions
from coupon_management_flask.models import new_id
from coupon_management_flask.web.guard import access_token

from ..conftest import settings_for
from ..support.people import PASSWORD, make_user, sign_in
from ..support.ports import free_port
from ..support.postgres import create_database, drop_database
from ..support.probes import add_form, add_guarded
from ..support.promos import PASSWORD as PROMO_PASSWORD
from ..support.promos import company_body, new_company, new_user, publish, user_body
from ..support.refusals import PREFIXES, refusal

MIB = 1024 * 1024

EVERYWHERE = pytest.mark.parametrize(("contract", "prefix"), PREFIXES.items())

# Paths and their contracts: a prefix matches whole segments.
WHOSE = {
    "/v1": "credit_coupons",
    "/v1/no/such/thing": "credit_coupons",
    "/v1x": "promos",
    "/v10/coupons": "promos",
    "/V1/coupons": "promos",
    "/api/v1": "discount_coupons",
    "/api/v1/nothing": "discount_coupons",
    "/api/v1x": "promos",
    "/api/v10": "promos",
    "/api/coupons/x/y": "email_coupons",
    "/api/couponss": "promos",
    "/api/user": "promos",
    "/api/user/nothing": "promos",
    "/api/users": "vouchers",
    "/api/users/nothing": "vouchers",
    "/api/userss": "promos",
    "/api/business/nothing": "promos",
    "/api/ping/nothing": "promos",
    "/api/auth/nothing": "vouchers",
    "/api/vouchers/nothing": "vouchers",
    "/api/payments/nothing": "vouchers",
    "/api/analytics/nothing": "vouchers",
    "/api/health/nothing": "vouchers",
    "/api/healthy": "promos",
    "/api/test/nothing": "vouchers",
    "/api/testing": "promos",
    "/api/nothing": "promos",
    "/api": "promos",
    "/nothing": "promos",
    "/": "promos",
    "/docs/nothing": "promos",
}


@pytest.fixture(scope="module")
def probed(tmp_path_factory):
    """Return a client of an application without tables.

    Under every prefix it has a form, a route that fails and one that asks who is calling.
    """
    app = create_app(settings_for(f"sqlite:///{tmp_path_factory.mktemp('probed')}/empty.db"))
    for prefix in PREFIXES.values():
        add_form(app, prefix)
        app.add_url_rule(f"{prefix}/failing", endpoint=f"{prefix}/failing", view_func=fail)
        add_guarded(app, f"{prefix}/guarded", dict)
    return app.test_client()


def fail():
    raise RuntimeError("hunter2 at /srv/secret")


@pytest.mark.parametrize(("path", "contract"), WHOSE.items())
def test_an_unknown_path_is_told_in_the_body_of_the_contract_whose_segments_it_starts_with(
    probed, path, contract
):
    for method in ("GET", "POST", "DELETE"):
        assert refusal(probed.open(path, method=method), contract) == (404, "not_found")


@pytest.mark.parametrize(
    ("path", "method", "allowed", "contract"),
    [
        ("/v1/coupons", "PUT", {"GET", "HEAD", "OPTIONS", "POST"}, "credit_coupons"),
        ("/v1/coupons/x", "POST", {"DELETE", "GET", "HEAD", "OPTIONS", "PATCH"}, "credit_coupons"),
        ("/v1/auth/login", "GET", {"OPTIONS", "POST"}, "credit_coupons"),
        ("/api/ping", "POST", {"GET", "HEAD", "OPTIONS"}, "promos"),
        ("/api/business/auth/sign-up", "GET", {"OPTIONS", "POST"}, "promos"),
        ("/api/business/promo", "DELETE", {"GET", "HEAD", "OPTIONS", "POST"}, "promos"),
        ("/api/business/promo/x", "PUT", {"GET", "HEAD", "OPTIONS", "PATCH"}, "promos"),
        ("/api/business/promo/x/stat", "POST", {"GET", "HEAD", "OPTIONS"}, "promos"),
        ("/api/user/profile", "POST", {"GET", "HEAD", "OPTIONS", "PATCH"}, "promos"),
        ("/api/user/promo/history", "DELETE", {"GET", "HEAD", "OPTIONS"}, "promos"),
        ("/api/user/promo/x/like", "GET", {"DELETE", "OPTIONS", "POST"}, "promos"),
        (
            "/api/user/promo/x/comments/x",
            "PATCH",
            {"DELETE", "GET", "HEAD", "OPTIONS", "PUT"},
            "promos",
        ),
        ("/api/user/promo/x/activate", "GET", {"OPTIONS", "POST"}, "promos"),
        ("/api/coupons/", "DELETE", {"GET", "HEAD", "OPTIONS", "POST"}, "email_coupons"),
        ("/api/coupons/unsubscribe", "PUT", {"GET", "HEAD", "OPTIONS", "POST"}, "email_coupons"),
        ("/api/health", "DELETE", {"GET", "HEAD", "OPTIONS"}, "vouchers"),
        ("/api/users/profile", "DELETE", {"GET", "HEAD", "OPTIONS", "PATCH", "PUT"}, "vouchers"),
        ("/api/vouchers/types/x", "GET", {"DELETE", "OPTIONS", "PATCH"}, "vouchers"),
        ("/api/payments/webhook", "GET", {"OPTIONS", "POST"}, "vouchers"),
        ("/api/analytics/export.csv", "POST", {"GET", "HEAD", "OPTIONS"}, "vouchers"),
        ("/openapi.json", "POST", {"GET", "HEAD", "OPTIONS"}, "promos"),
        ("/metrics", "POST", {"GET", "HEAD", "OPTIONS"}, "promos"),
        ("/v1/coupons", "INVENTED", {"GET", "HEAD", "OPTIONS", "POST"}, "credit_coupons"),
        *(
            (f"{prefix}/form", "DELETE", {"GET", "HEAD", "OPTIONS", "POST"}, contract)
            for contract, prefix in PREFIXES.items()
        ),
    ],
)
def test_a_wrong_method_is_405_and_says_which_are_allowed(probed, path, method, allowed, contract):
    answer = probed.open(path, method=method)

    assert refusal(answer, contract) == (405, "method_not_allowed")
    assert set(answer.headers["Allow"].split(", ")) == allowed


@EVERYWHERE
@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"whole": 1',
        b'{"whole": NaN}',
        b'{"whole": 01}',
        b"{'whole': 1}",
        b'{"whole": 1} x',
        b'{"text": "\xff"}',
        b'{"text": "\\ud800"}',
        b"[" * 5000,
        b"",
    ],
    ids=[
        "open",
        "unfinished",
        "NaN",
        "leading zero",
        "wrong quotes",
        "something after it",
        "not UTF-8",
        "half a character",
        "deep",
        "missing",
    ],
)
def test_what_is_no_json_is_400(probed, contract, prefix, body):
    assert refusal(probed.post(f"{prefix}/form", data=body), contract) == (400, "malformed_request")


@EVERYWHERE
@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"whole": 1,\n "text": x}', "(line 2, column 10)"),
        ('{"text": "é", x}'.encode(), "(line 1, column 15)"),
        (b'{"text":\n"\xc3\xa9 \xff"}', "it is not UTF-8 (line 2, column 4)"),
        (b"{", "(line 1, column 2)"),
        (b"", "There is no body"),
        (b" \n", "There is no body"),
    ],
)
def test_what_is_wrong_with_json_is_told_with_its_place(probed, contract, prefix, body, told):
    answer = probed.post(f"{prefix}/form", data=body)

    assert refusal(answer, contract) == (400, "malformed_request")
    assert told in answer.text
    assert ("is no valid JSON" in answer.text) is bool(body.strip())


@EVERYWHERE
def test_a_byte_order_mark_before_a_body_is_read_over(probed, contract, prefix):
    answer = probed.post(f"{prefix}/form", data=b'\xef\xbb\xbf{"whole": 1}')

    assert (answer.status_code, answer.json) == (200, {"whole": 1})
    twice = probed.post(f"{prefix}/form", data=b'\xef\xbb\xbf\xef\xbb\xbf{"whole": 1}')
    assert refusal(twice, contract) == (400, "malformed_request")


def told_by_field(contract, fields):
    told = {**fields, "error_code": "validation_error"}
    if contract == "vouchers":
        ((name, (message,)),) = fields.items()
        told["message"] = f"{name}: {message}"
    return told


@EVERYWHERE
@pytest.mark.parametrize("body", [b"[]", b'[{"whole": 1}]', b'"text"', b"1", b"true", b"null"])
def test_a_body_that_is_no_object_is_400(probed, contract, prefix, body):
    answer = probed.post(f"{prefix}/form", data=body)

    if contract in ("email_coupons", "vouchers"):
        assert (answer.status_code, answer.json) == (
            400,
            told_by_field(contract, {"body": ["It must be a JSON object."]}),
        )
    else:
        assert refusal(answer, contract) == (400, "validation_error")


@EVERYWHERE
def test_a_wrong_field_is_named(probed, contract, prefix):
    answer = probed.post(f"{prefix}/form", json={"whole": "1", "truth": True})

    if contract in ("email_coupons", "vouchers"):
        assert (answer.status_code, answer.json) == (
            400,
            told_by_field(contract, {"whole": ["Not a valid integer."]}),
        )
    else:
        assert refusal(answer, contract) == (400, "validation_error")
        assert "whole: Not a valid integer." in answer.text


# Discounts take more: a cart may have 10,000 items.
@pytest.mark.parametrize(
    "contract", ["credit_coupons", "promos", "email_coupons", "vouchers", "elsewhere"]
)
@pytest.mark.parametrize("chunked", [False, True], ids=["with its length", "chunked"])
def test_a_body_over_1_mib_is_413_and_one_of_1_mib_is_read(probed, contract, chunked):
    def send(size):
        body = b'{"whole": 1}'.ljust(size)
        if not chunked:
            return probed.post(f"{PREFIXES[contract]}/form", data=body)
        told = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
        return probed.post(
            f"{PREFIXES[contract]}/form", input_stream=BytesIO(body), environ_overrides=told
        )

    assert (send(MIB).status_code, send(MIB).json) == (200, {"whole": 1})
    assert refusal(send(MIB + 1), contract) == (413, "body_too_large")


@EVERYWHERE
def test_an_unexpected_failure_is_500_and_tells_nothing_of_the_inside(
    probed, capsys, contract, prefix
):
    answer = probed.get(f"{prefix}/failing")

    assert refusal(answer, contract) == (500, "internal_error")
    for inside in ("hunter2", "srv", "RuntimeError", "Traceback"):
        assert inside not in answer.text


@EVERYWHERE
def test_who_sends_no_token_is_401_in_the_contracts_body(probed, contract, prefix):
    answer = probed.get(f"{prefix}/guarded")

    assert refusal(answer, contract) == (401, "authentication_required")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.fixture(scope="module", params=["postgresql", "sqlite"])
def without_database(request, tmp_path_factory):
    """Return a client of an application whose database is away, and a token that it signed."""
    nowhere = {
        "postgresql": f"postgresql://coupons@127.0.0.1:{free_port()}/coupons",
        "sqlite": f"sqlite:///{tmp_path_factory.mktemp('folder')}",
    }[request.param]
    app = create_app(settings_for(nowhere))
    for prefix in PREFIXES.values():
        add_guarded(app, f"{prefix}/guarded", dict)
    with app.app_context():
        token = access_token(sessions.Grant(new_id(), new_id(), None), timedelta(hours=1))
    yield app.test_client(), {"Authorization": f"Bearer {token}"}
    with app.app_context():
        db.engine.dispose()


@EVERYWHERE
def test_a_database_that_is_away_is_503_and_never_401(without_database, capsys, contract, prefix):
    client, headers = without_database

    for method in ("GET", "POST"):
        answer = client.open(f"{prefix}/guarded", method=method, headers=headers)
        assert refusal(answer, contract) == (503, "service_unavailable")
        assert int(answer.headers["Retry-After"]) >= 1
        assert "WWW-Authenticate" not in answer.headers


@pytest.mark.parametrize(
    ("contract", "method", "path", "options"),
    [
        (
            "credit_coupons",
            "POST",
            "/v1/auth/login",
            {"json": {"username": "alice", "password": PASSWORD}},
        ),
        ("credit_coupons", "POST", "/v1/auth/logout", {}),
        ("credit_coupons", "GET", "/v1/coupons", {}),
        ("credit_coupons", "POST", "/v1/coupons/use/ABC", {"headers": {"Idempotency-Key": "k"}}),
        ("promos", "POST", "/api/business/auth/sign-up", {"json": company_body()}),
        (
            "promos",
            "POST",
            "/api/business/auth/sign-in",
            {"json": {"email": "shop@example.com", "password": PROMO_PASSWORD}},
        ),
        ("promos", "GET", "/api/business/promo", {}),
        ("promos", "POST", "/api/user/auth/sign-up", {"json": user_body()}),
        (
            "promos",
            "POST",
            "/api/user/auth/sign-in",
            {"json": {"email": "alice@example.com", "password": PROMO_PASSWORD}},
        ),
        ("promos", "GET", "/api/user/feed", {}),
        (
            "promos",
            "POST",
            "/api/user/promo/01a1fdf8-0000-7000-8000-000000000000/activate",
            {"headers": {"Idempotency-Key": "k"}},
        ),
        (
            "email_coupons",
            "POST",
            "/api/coupons/",
            {"json": {"email": "user@example.com", "website": "example.com"}},
        ),
        ("email_coupons", "GET", "/api/coupons/", {}),
        (
            "vouchers",
            "POST",
            "/api/auth/login",
            {"json": {"email": "alice@example.com", "password": PASSWORD}},
        ),
        ("vouchers", "POST", "/api/auth/password-reset", {"json": {"email": "alice@example.com"}}),
        ("vouchers", "GET", "/api/vouchers/types", {}),
        (
            "vouchers",
            "POST",
            "/api/vouchers/redeem",
            {"json": {"code": "ABC", "service_type": "exam"}, "headers": {"Idempotency-Key": "k"}},
        ),
        ("vouchers", "GET", "/api/payments/history", {}),
        ("vouchers", "GET", "/api/analytics/export.csv", {}),
    ],
    ids=lambda value: value if str(value).startswith("/") else "",
)
def test_without_a_database_nobody_is_told_that_the_token_or_password_is_wrong(
    without_database, capsys, contract, method, path, options
):
    client, headers = without_database

    answer = client.open(
        path, method=method, **{**options, "headers": {**headers, **options.get("headers", {})}}
    )

    assert refusal(answer, contract) == (503, "service_unavailable")
    assert int(answer.headers["Retry-After"]) >= 1


def test_what_is_wrong_with_a_request_itself_is_told_without_a_database_too(without_database):
    client, _ = without_database

    assert refusal(client.get("/v1/coupons")) == (401, "authentication_required")
    assert refusal(client.get("/v1/coupons", headers={"Authorization": "Bearer x"})) == (
        401,
        "invalid_token",
    )
    assert refusal(client.get("/v1/nothing")) == (404, "not_found")
    assert refusal(client.post("/v1/auth/login", json={})) == (400, "validation_error")
    assert refusal(client.get("/api/user/feed"), "promos") == (401, "authentication_required")
    assert refusal(
        client.get("/api/business/promo", headers={"Authorization": "Bearer x"}), "promos"
    ) == (401, "invalid_token")
    assert refusal(client.post("/api/user/auth/sign-in", json={}), "promos") == (
        400,
        "validation_error",
    )
    assert client.get("/api/ping").status_code == 200


def test_a_database_that_goes_away_between_two_requests_is_503_and_once_it_is_back_all_is_well(
    postgres, migrated, capsys
):
    template = str(sa.make_url(migrated["postgresql"]).database)
    url = create_database(postgres, "coupons_that_go_away", template)
    app = create_app(settings_for(url.render_as_string(hide_password=False)))
    client = app.test_client()
    with app.app_context():
        dave = make_user(username="dave")
    dave = sign_in(client, *dave)
    assert dave.get("/v1/coupons").status_code == 200

    drop_database(postgres, "coupons_that_go_away")
    for _ in range(2):
        answer = dave.get("/v1/coupons")
        assert refusal(answer) == (503, "service_unavailable")
        assert int(answer.headers["Retry-After"]) >= 1

    create_database(postgres, "coupons_that_go_away", template)
    assert refusal(dave.get("/v1/coupons")) == (401, "invalid_token")
    with app.app_context():
        db.engine.dispose()
    drop_database(postgres, "coupons_that_go_away")


def routes_of(app):
    """Yield a path and a method of each route of the API whose path has an end.

    Pages for administrators are left out: they lead to the page for signing in.
    """
    for rule in app.url_map.iter_rules():
        if "<path:" not in rule.rule and not rule.rule.startswith("/admin/"):
            path = rule.rule
            for name in rule.arguments:
                path = path.replace(f"<{name}>", "x")
            for method in sorted(rule.methods - {"OPTIONS"}):
                yield method, path


def without_time(answer):
    body = answer.json if answer.is_json and answer.data else answer.data
    return (
        {name: value for name, value in body.items() if name != "timestamp"}
        if isinstance(body, dict)
        else body
    )


def test_a_trailing_slash_makes_no_difference_and_never_redirects(app, client):
    for method, path in routes_of(app):
        # Metrics count the requests that this test compares.
        if path == "/metrics":
            continue
        plain, slashed = client.open(path, method=method), client.open(path + "/", method=method)
        assert (slashed.status_code, without_time(slashed)) == (
            plain.status_code,
            without_time(plain),
        ), (method, path)
        assert not 300 <= slashed.status_code < 400, (method, path)
        # No mail has this key.
        assert slashed.status_code != 404 or path == "/dev/mailbox/x", (method, path)


def test_a_trailing_slash_makes_no_difference_to_somebody_who_is_signed_in(admin):
    for path in (
        "/v1/coupons",
        "/v1/coupons/mine",
        "/v1/user",
        f"/v1/user/{admin.id}",
        f"/v1/user/{admin.id}/ledger",
        "/api/users/profile",
        "/api/vouchers/stats",
        "/api/vouchers/my-vouchers",
    ):
        plain, slashed = admin.get(path), admin.get(path + "/")
        assert (slashed.status_code, without_time(slashed)) == (200, without_time(plain))


def test_a_trailing_slash_makes_no_difference_to_companies_and_to_users_of_promos(client):
    company, user = new_company(client), new_user(client)
    promo_id = publish(company)
    for who, path in (
        (company, "/api/business/promo"),
        (company, f"/api/business/promo/{promo_id}"),
        (company, f"/api/business/promo/{promo_id}/stat"),
        (user, "/api/user/profile"),
        (user, "/api/user/feed"),
        (user, "/api/user/promo/history"),
        (user, f"/api/user/promo/{promo_id}"),
        (user, f"/api/user/promo/{promo_id}/comments"),
    ):
        plain, slashed = who.get(path), who.get(path + "/")
        assert (slashed.status_code, slashed.json) == (200, plain.json), path
    assert user.post(f"/api/user/promo/{promo_id}/activate/").status_code == 200


def test_double_slashes_never_redirect(app, client):
    for method, path in routes_of(app):
        for doubled in (f"/{path}", path.replace("/", "//"), f"{path}//"):
            answer = client.open(
                "/", method=method, environ_overrides={"PATH_INFO": doubled, "REQUEST_URI": doubled}
            )
            assert not 300 <= answer.status_code < 400, (method, doubled)
            assert "Location" not in answer.headers
