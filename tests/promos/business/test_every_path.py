"""What holds on every path of a company.

The token is looked at before anything else, then ids, existence and owner. Methods and slashes are
the same everywhere.
"""

from base64 import urlsafe_b64encode

import pytest

from ...support.people import make_user, sign_in
from ...support.promos import assert_invalid, assert_refused, new_user, promo_body, publish

NOBODY = "00000000-0000-7000-8000-000000000000"
CALLS = [
    ("POST", "/api/business/promo"),
    ("GET", "/api/business/promo"),
    ("GET", f"/api/business/promo/{NOBODY}"),
    ("PATCH", f"/api/business/promo/{NOBODY}"),
    ("GET", f"/api/business/promo/{NOBODY}/stat"),
]


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_a_call_without_a_token_is_refused(method, path, client):
    answer = client.open(path, method=method, json=promo_body())

    assert_refused(answer, 401, "authentication_required")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_a_users_token_is_refused(method, path, client, books):
    user = new_user(client)
    before = books()

    assert_refused(user.request(method, path, json=promo_body()), 401, "invalid_token")

    assert books() == before


def test_a_users_token_of_another_contract_is_refused(client, app):
    assert_refused(sign_in(client, *make_user()).get("/api/business/promo"), 401, "invalid_token")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/user/profile"),
        ("PATCH", "/api/user/profile"),
        ("GET", "/api/user/feed"),
        ("GET", "/api/user/promo/history"),
        ("GET", f"/api/user/promo/{NOBODY}"),
        ("POST", f"/api/user/promo/{NOBODY}/like"),
        ("DELETE", f"/api/user/promo/{NOBODY}/like"),
        ("POST", f"/api/user/promo/{NOBODY}/comments"),
        ("GET", f"/api/user/promo/{NOBODY}/comments"),
        ("GET", f"/api/user/promo/{NOBODY}/comments/{NOBODY}"),
        ("PUT", f"/api/user/promo/{NOBODY}/comments/{NOBODY}"),
        ("DELETE", f"/api/user/promo/{NOBODY}/comments/{NOBODY}"),
        ("POST", f"/api/user/promo/{NOBODY}/activate"),
    ],
)
def test_a_companys_token_is_refused_where_users_call(method, path, company, books):
    before = books()

    assert_refused(
        company.request(method, path, json={"text": "Who is calling?"}), 401, "invalid_token"
    )

    assert books() == before


def _without_signature(token):
    header = urlsafe_b64encode(b'{"alg": "none", "typ": "JWT"}').rstrip(b"=").decode()
    return f"Bearer {header}.{token.split('.')[1]}."


def _of_another(token):
    header, _, signature = token.split(".")
    claims = urlsafe_b64encode(
        b'{"sub": "AAAAAAAAcACAAAAAAAAAAA", "jti": "AAAAAAAAcACAAAAAAAAAAA", '
        b'"type": "access", "exp": 9999999999}'
    )
    return f"Bearer {header}.{claims.rstrip(b'=').decode()}.{signature}"


@pytest.mark.parametrize(
    "header",
    [
        lambda token: "Bearer",
        lambda token: "Bearer ",
        lambda token: "Bearer null",
        lambda token: "Bearer a.b.c",
        lambda token: "Bearer ...",
        lambda token: f"Basic {token}",
        lambda token: f"Token {token}",
        lambda token: token,
        lambda token: f"Bearer {token[:-3]}",
        lambda token: f"Bearer {token}x",
        lambda token: f"Bearer {token[:-3]}{token[-3:].swapcase()}",
        lambda token: f"Bearer {token} {token}",
        _without_signature,
        _of_another,
    ],
    ids=[
        "no token",
        "blank",
        "null",
        "dots",
        "only dots",
        "basic",
        "token",
        "no scheme",
        "cut",
        "longer",
        "altered",
        "twice",
        "unsigned",
        "of another",
    ],
)
def test_a_malformed_token_is_refused(header, client, company):
    assert_refused(
        client.get("/api/business/promo", headers={"Authorization": header(company.token)}),
        401,
        "invalid_token",
    )


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_is_written_in_any_case(scheme, client, company):
    assert (
        client.get(
            "/api/business/promo", headers={"Authorization": f"{scheme} {company.token}"}
        ).status_code
        == 200
    )


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}"])
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/api/business/promo"), ("PATCH", "/api/business/promo/no-uuid")]
)
def test_the_token_is_looked_at_before_body_path_and_key(method, path, body, client):
    answer = client.open(path, method=method, data=body, headers={"Idempotency-Key": "k" * 256})

    assert_refused(answer, 401, "authentication_required")


def test_the_token_is_looked_at_before_the_query(client):
    assert_refused(
        client.get("/api/business/promo?limit=-1&country=zz"), 401, "authentication_required"
    )


@pytest.mark.parametrize(("method", "path"), [("GET", "{}"), ("PATCH", "{}"), ("GET", "{}/stat")])
def test_an_id_that_is_no_uuid_is_refused(method, path, company):
    for promo_id in [
        "no-uuid",
        "1",
        NOBODY[:-1],
        NOBODY + "0",
        NOBODY.replace("-", ""),
        "{" + NOBODY + "}",
        "urn:uuid:" + NOBODY,
        "%00",
        "\uff10" + NOBODY[1:],
    ]:
        assert_invalid(
            company.request(method, "/api/business/promo/" + path.replace("{}", promo_id), json={}),
            "promo_id",
            promo_id,
        )


@pytest.mark.parametrize(("method", "path"), [("GET", "{}"), ("PATCH", "{}"), ("GET", "{}/stat")])
def test_a_promo_that_does_not_exist_is_not_found(method, path, company):
    assert_refused(
        company.request(method, "/api/business/promo/" + path.replace("{}", NOBODY), json={}),
        404,
        "promo_not_found",
    )


@pytest.mark.parametrize(("method", "path"), [("GET", "{}"), ("PATCH", "{}"), ("GET", "{}/stat")])
def test_another_companys_promo_is_forbidden(method, path, company, rival, books):
    path = "/api/business/promo/" + path.replace("{}", publish(rival))
    before = books()

    assert_refused(
        company.request(method, path, json={"description": "Mine from now on", "max_count": 0}),
        403,
        "not_your_promo",
    )

    assert books() == before
    assert rival.request(method, path, json={}).status_code == 200


@pytest.mark.parametrize("change", [str.upper, str])
def test_an_id_is_written_in_any_case(change, company):
    promo_id = publish(company)

    assert company.get(f"/api/business/promo/{change(promo_id)}").json["promo_id"] == promo_id


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/api/business/auth/sign-up", {"POST"}),
        ("PUT", "/api/business/auth/sign-in", {"POST"}),
        ("DELETE", "/api/business/promo", {"GET", "POST"}),
        ("PUT", f"/api/business/promo/{NOBODY}", {"GET", "PATCH"}),
        ("POST", f"/api/business/promo/{NOBODY}/stat", {"GET"}),
        ("POST", "/api/ping", {"GET"}),
    ],
)
def test_another_method_is_not_allowed_and_told_which_are(method, path, allowed, company):
    answer = company.request(method, path)

    assert_refused(answer, 405, "method_not_allowed")
    assert set(answer.headers["Allow"].split(", ")) - {"HEAD", "OPTIONS"} == allowed


@pytest.mark.parametrize(
    "path",
    [
        "/api/business",
        "/api/business/nothing",
        f"/api/business/promo/{NOBODY}/nothing",
        "/api/pingpong",
    ],
)
def test_an_unknown_path_is_not_found(path, company):
    assert_refused(company.get(path), 404, "not_found")


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_trailing_slash_makes_no_difference(slash, company):
    published = company.post(f"/api/business/promo{slash}", json=promo_body())
    promo = f"/api/business/promo/{published.json['id']}"

    assert published.status_code == 201
    assert [
        company.get(path + slash).status_code
        for path in ("/api/business/promo", promo, f"{promo}/stat", "/api/ping")
    ] == [200] * 4
    assert company.patch(promo + slash, json={}).status_code == 200


def test_a_ping_is_answered_to_anybody(client):
    answer = client.get("/api/ping")

    assert (answer.status_code, answer.json) == (200, {"status": "ok"})
