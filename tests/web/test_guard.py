"""The guard: who is asking, and may it?

It is tested on routes of the service, and on probes where no route is of the kind.
"""

import re
from base64 import urlsafe_b64encode
from datetime import timedelta
from uuid import uuid4

import jwt
import pytest
import sqlalchemy as sa

from coupon_management_flask import create_app
from coupon_management_flask.config import DEVELOPMENT_SECRET_KEY
from coupon_management_flask.core import clock
from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.identity import accounts, api_keys, sessions
from coupon_management_flask.models import Account
from coupon_management_flask.web.guard import access_token, actor, refresh_token

from ..conftest import dispose_engines, settings_for
from ..support.books import read_books
from ..support.people import PASSWORD, make_coupon
from ..support.probes import add_guarded
from ..support.refusals import refusal

HOUR = timedelta(hours=1)


def signed(key=DEVELOPMENT_SECRET_KEY, algorithm="HS256", **claims):
    return jwt.encode(claims, key, algorithm)


def text_of(account_id):
    return urlsafe_b64encode(account_id.bytes).rstrip(b"=").decode()


def who_asks():
    current = actor()
    return {"id": str(current.id), "kind": current.kind, "permissions": sorted(current.permissions)}


def disable(account_id):
    with transaction():
        db.session.execute(
            sa.update(Account).where(Account.id == account_id).values(is_active=False)
        )


def open_session(account_id):
    return sessions.open_session(account_id, issued_by="credit", lifetime=HOUR)


def use_with(person, header):
    """Send a request that would change something, with this Authorization header."""
    coupon = make_coupon()
    headers = {} if header is None else {"Authorization": header}
    return person.client.post(f"/v1/coupons/use/{coupon.hidden_code}", headers=headers)


@pytest.mark.parametrize("header", [None, ""], ids=["no header", "empty header"])
def test_without_a_token_one_is_asked_for(alice, header):
    answer = use_with(alice, header)

    assert refusal(answer) == (401, "authentication_required")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Bearer a.b.c",
        "Bearer ..",
        "Bearer é",
        "Bearer " + "x" * 20_000,
        *(f"Bearer {deep}.{deep}.x" for deep in ("W1tb" * 120, "W1tb" * 2_500)),
        "Basic YWxpY2U6eA==",
        "Token x",
        "x",
    ],
    ids=[
        "nothing",
        "blank",
        "a word",
        "three words",
        "dots",
        "not ASCII",
        "very long",
        "JSON in a header of 360 lists",
        "JSON in a header of 7,500 lists",
        "Basic",
        "another scheme",
        "no scheme",
    ],
)
def test_what_is_no_token_is_refused(alice, header):
    answer = use_with(alice, header)

    assert refusal(answer) == (401, "invalid_token")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_the_scheme_is_compared_without_case(alice):
    assert use_with(alice, f"bearer {alice.access_token}").status_code == 200


@pytest.fixture
def claims(alice):
    """Return the claims of an access token of Alice's whose session stands."""
    return jwt.decode(alice.access_token, DEVELOPMENT_SECRET_KEY, ["HS256"])


def test_the_claims_of_a_token_signed_by_us_are_accepted(alice, claims):
    # Without changes it is accepted: each refusal below is for the one change.
    assert use_with(alice, f"Bearer {signed(**claims)}").status_code == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"sub": "alice"},
        {"sub": ""},
        {"sub": text_of(uuid4())},
        {"sub": 1},
        {"jti": "x"},
        {"jti": text_of(uuid4())},
        {"jti": 1},
        {"type": "refresh"},
        {"type": "admin"},
        {"exp": 1},
        {"exp": "soon"},
        {"exp": "4102444800"},
        {"exp": 4102444800.5},
        {"exp": True},
        {"exp": None},
        {"exp": float("inf")},
        {"nbf": float("inf")},
        {"nbf": "soon"},
        {"iat": "soon"},
        {"iat": float("nan")},
        {"type": ["access"]},
        {"type": {}},
        {"jti": text_of(uuid4()) + "\x00"},
        {"sub": "é"},
    ],
    ids=lambda changes: "-".join(changes),
)
def test_a_token_that_says_anything_else_is_refused(alice, claims, books, changes):
    before = books()

    answer = alice.get(
        "/v1/coupons", headers={"Authorization": f"Bearer {signed(**{**claims, **changes})}"}
    )

    assert refusal(answer) == (401, "invalid_token")
    assert books() == before


@pytest.mark.parametrize("missing", ["sub", "jti", "exp"])
def test_a_token_that_says_too_little_is_refused(alice, claims, missing):
    del claims[missing]

    assert refusal(use_with(alice, f"Bearer {signed(**claims)}")) == (401, "invalid_token")


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        ("another-secret-key-of-the-same-length-as-that-of-the-service", "HS256"),
        (DEVELOPMENT_SECRET_KEY, "HS512"),
        ("", "none"),
    ],
    ids=["another key", "another algorithm", "no signature"],
)
def test_a_token_that_the_service_has_not_signed_is_refused(alice, claims, key, algorithm):
    assert refusal(use_with(alice, f"Bearer {signed(key, algorithm, **claims)}")) == (
        401,
        "invalid_token",
    )


def test_a_token_with_a_changed_payload_is_refused(alice, bob, claims):
    header, _, signature = alice.access_token.split(".")
    payload = signed(**{**claims, "sub": text_of(bob.id)}).split(".")[1]

    assert refusal(use_with(alice, f"Bearer {header}.{payload}.{signature}")) == (
        401,
        "invalid_token",
    )


def test_a_token_lives_as_long_as_it_says_also_when_its_signature_was_verified_before(
    alice, time_is
):
    assert alice.get("/v1/coupons").status_code == 200
    end = clock.now() + timedelta(minutes=60)

    time_is(end - timedelta(seconds=5))
    assert alice.get("/v1/coupons").status_code == 200
    time_is(end)
    assert refusal(alice.get("/v1/coupons")) == (401, "invalid_token")


@pytest.mark.parametrize("claim", ["iat", "nbf"])
def test_a_token_of_a_server_whose_clock_is_a_little_ahead_is_accepted(alice, claims, claim):
    issued = int(clock.now().timestamp())

    near = signed(**{**claims, claim: issued + 8})
    assert use_with(alice, f"Bearer {near}").status_code == 200
    far = signed(**{**claims, claim: issued + 60})
    assert refusal(use_with(alice, f"Bearer {far}")) == (401, "invalid_token")


def test_a_token_that_had_expired_before_it_was_first_seen_is_refused(alice):
    token = access_token(open_session(alice.id), timedelta(seconds=-1))

    assert refusal(use_with(alice, f"Bearer {token}")) == (401, "invalid_token")


def test_a_token_is_dead_once_its_session_has_expired(alice, configured_app, somebody, time_is):
    dave = somebody(
        configured_app(access_token_minutes=1440, refresh_token_days=1), username="dave"
    )
    session_ends = clock.now() + timedelta(days=1)
    time_is(session_ends - timedelta(seconds=10))
    assert dave.get("/v1/coupons").status_code == 200

    time_is(session_ends)
    assert refusal(dave.get("/v1/coupons")) == (401, "invalid_token")


def test_a_refresh_token_is_no_access_token(alice):
    assert refusal(use_with(alice, f"Bearer {alice.refresh_token}")) == (401, "invalid_token")


def test_an_access_token_is_no_refresh_token(alice):
    assert refusal(alice.post("/v1/auth/token/refresh")) == (401, "invalid_token")
    assert alice.get("/v1/coupons").status_code == 200


def test_a_revoked_token_is_dead_with_the_next_request(alice):
    assert alice.get("/v1/coupons").status_code == 200
    assert alice.post("/v1/auth/logout").status_code == 200

    assert refusal(alice.get("/v1/coupons")) == (401, "invalid_token")
    assert refusal(
        alice.get(
            "/v1/auth/token/refresh", headers={"Authorization": f"Bearer {alice.refresh_token}"}
        )
    ) == (401, "invalid_token")


def test_a_verified_signature_never_hides_that_another_worker_has_revoked_the_token(
    configured_app, somebody
):
    here, elsewhere = configured_app(), configured_app()
    dave = somebody(here)
    assert dave.get("/v1/coupons").status_code == 200
    assert (
        elsewhere.test_client()
        .post("/v1/auth/logout", headers={"Authorization": f"Bearer {dave.access_token}"})
        .status_code
        == 200
    )

    assert refusal(dave.get("/v1/coupons")) == (401, "invalid_token")


def test_a_signature_that_one_key_has_verified_means_nothing_to_another_key(
    configured_app, somebody
):
    here = configured_app()
    elsewhere = configured_app(
        secret_key="another-secret-key-of-the-same-length-as-that-of-the-service"
    )
    dave = somebody(here)
    assert dave.get("/v1/coupons").status_code == 200

    answer = elsewhere.test_client().get(
        "/v1/coupons", headers={"Authorization": f"Bearer {dave.access_token}"}
    )

    assert refusal(answer) == (401, "invalid_token")


def test_a_disabled_account_is_401_with_any_token(alice):
    assert alice.get("/v1/coupons").status_code == 200
    disable(alice.id)

    for token in (alice.access_token, alice.refresh_token):
        for path in ("/v1/coupons", "/v1/auth/token/refresh"):
            assert refusal(alice.get(path, headers={"Authorization": f"Bearer {token}"})) == (
                401,
                "invalid_token",
            )


def test_a_role_that_was_taken_away_is_gone_with_the_next_request(admin):
    assert admin.get("/v1/user").status_code == 200
    with transaction():
        db.session.execute(sa.update(Account).where(Account.id == admin.id).values(role="user"))

    assert refusal(admin.get("/v1/user")) == (403, "permission_denied")


def test_the_token_of_a_company_has_no_business_on_a_users_path_nor_the_reverse(
    configured_app, somebody
):
    app = configured_app()
    add_guarded(app, "/api/business/probe", who_asks, kind="company")
    user = somebody(app)
    company = accounts.create_company(
        name="Company", email="company@example.com", password=PASSWORD
    )
    companys = {"Authorization": f"Bearer {access_token(open_session(company), HOUR)}"}

    assert refusal(user.get("/v1/coupons", headers=companys)) == (401, "invalid_token")
    assert refusal(user.get("/api/business/probe"), "promos") == (401, "invalid_token")
    answer = user.get("/api/business/probe", headers=companys)
    assert (answer.status_code, answer.json["id"], answer.json["kind"]) == (
        200,
        str(company),
        "company",
    )


def test_an_access_token_of_a_user_is_accepted_by_every_contract(configured_app, somebody):
    app = configured_app()
    for prefix in ("/api/user", "/api/v1", "/api/coupons", "/api/vouchers"):
        add_guarded(app, f"{prefix}/probe", who_asks)
    user = somebody(app)

    for prefix in ("/api/user", "/api/v1", "/api/coupons", "/api/vouchers"):
        assert user.get(f"{prefix}/probe").json == {
            "id": str(user.id),
            "kind": "user",
            "permissions": ["getCoupons"],
        }


def test_tokens_have_at_most_300_characters(alice):
    for token in (alice.access_token, alice.refresh_token):
        assert re.fullmatch(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", token)
        assert len(token) <= 300


def test_who_is_asking_costs_one_statement(statements, configured_app, somebody):
    app = configured_app()
    add_guarded(app, "/v1/probe", who_asks)
    user = somebody(app)
    statements.clear()

    assert user.get("/v1/probe").status_code == 200

    assert len(statements) == 1, statements


# Order of checks: each step has all the faults of the steps after it, and one more.

LONG_KEY = {"Idempotency-Key": "k" * 256}
WRONG_BODY = {"number_left": "many"}


def test_who_asks_comes_first_then_role_then_key_then_shape_then_existence(
    alice, admin, client, books
):
    before = books()
    nowhere = f"/v1/coupons/{uuid4()}"

    assert refusal(client.patch("/v1/coupons/x", json=WRONG_BODY, headers=LONG_KEY)) == (
        401,
        "authentication_required",
    )
    assert refusal(alice.patch("/v1/coupons/x", json=WRONG_BODY, headers=LONG_KEY)) == (
        403,
        "permission_denied",
    )
    by_key = admin.patch("/v1/coupons/x", json=WRONG_BODY, headers=LONG_KEY)
    assert refusal(by_key) == (400, "validation_error")
    assert "Idempotency-Key" in by_key.json["error"]["message"]
    by_path = admin.patch("/v1/coupons/x", json=WRONG_BODY)
    assert refusal(by_path) == (400, "validation_error")
    assert "coupon_id" in by_path.json["error"]["message"]
    by_body = admin.patch(nowhere, json=WRONG_BODY)
    assert refusal(by_body) == (400, "validation_error")
    assert "number_left" in by_body.json["error"]["message"]
    assert refusal(admin.patch(nowhere, json={"number_left": 1})) == (404, "coupon_not_found")
    assert books() == before


@pytest.mark.parametrize(
    "options",
    [{"data": b"{"}, {}, {"data": b"[]"}, {"data": b"x" * (1024 * 1024 + 1)}],
    ids=["malformed", "missing", "list", "huge"],
)
def test_a_body_is_not_looked_at_for_whoever_may_not_send_one(client, alice, books, options):
    before = books()

    assert client.post("/v1/coupons", **options).status_code == 401
    assert alice.post("/v1/coupons", **options).status_code == 403
    assert books() == before


def test_an_id_of_the_wrong_shape_is_400_and_one_of_nobody_404(admin):
    assert refusal(admin.get("/v1/user/7")) == (400, "validation_error")
    assert refusal(admin.get(f"/v1/user/{uuid4()}")) == (404, "user_not_found")


def test_a_null_character_in_a_path_is_400(alice):
    assert refusal(alice.get("/v1/coupons/A%00B")) == (400, "validation_error")


@pytest.fixture(scope="session")
def keyed_app(database_url):
    """Return an application with probes for API keys: any key, and one with `manageCoupons`."""
    keyed = create_app(settings_for(database_url))
    add_guarded(keyed, "/api/v1/probe", who_asks, api_key=True)
    add_guarded(keyed, "/api/v1/managed", who_asks, api_key=True, permission="manageCoupons")
    yield keyed
    with keyed.app_context():
        dispose_engines()


@pytest.fixture
def keyed(app, keyed_app):
    return keyed_app.test_client()


def key_of(service="shop", permissions=("getCoupons",), lifetime=HOUR):
    return {"X-API-Key": api_keys.create_api_key(service, list(permissions), lifetime)}


def test_an_api_key_is_as_good_as_a_token(keyed):
    answer = keyed.get("/api/v1/probe", headers=key_of(permissions=["manageCoupons", "getCoupons"]))

    assert answer.status_code == 200
    assert (answer.json["kind"], answer.json["permissions"]) == (
        "service",
        ["getCoupons", "manageCoupons"],
    )


def test_a_token_is_still_accepted_where_an_api_key_is(keyed, keyed_app, somebody):
    assert somebody(keyed_app).get("/api/v1/probe").json["kind"] == "user"


def test_keys_of_one_service_act_as_one_account(keyed):
    first, second, other = (
        keyed.get("/api/v1/probe", headers=key_of(service)).json["id"]
        for service in ("shop", "shop", "till")
    )

    assert first == second
    assert first != other


def test_an_api_key_may_do_what_it_lists_and_nothing_else(keyed):
    before = read_books()

    assert refusal(keyed.post("/api/v1/managed", headers=key_of("reader")), "discount_coupons") == (
        403,
        "permission_denied",
    )
    assert read_books()["stocks"] == before["stocks"]
    assert (
        keyed.post("/api/v1/managed", headers=key_of("writer", ["manageCoupons"])).status_code
        == 200
    )


@pytest.mark.parametrize("key", ["ck_unknown", "x", "é", "k" * 10_000])
def test_an_unknown_api_key_is_refused(keyed, key):
    answer = keyed.get("/api/v1/probe", headers={"X-API-Key": key})

    assert refusal(answer, "discount_coupons") == (401, "invalid_token")
    assert answer.json["message"] == "The API key is not valid (any more)."


def test_an_api_key_lives_as_long_as_it_was_given(keyed, time_is):
    made = clock.now()
    time_is(made)
    key = key_of(lifetime=HOUR)

    time_is(made + HOUR - timedelta(seconds=1))
    assert keyed.get("/api/v1/probe", headers=key).status_code == 200
    time_is(made + HOUR)
    assert refusal(keyed.get("/api/v1/probe", headers=key), "discount_coupons") == (
        401,
        "invalid_token",
    )


def test_a_revoked_api_key_is_dead_with_the_next_request_and_a_later_one_lives(keyed):
    revoked = key_of()
    assert keyed.get("/api/v1/probe", headers=revoked).status_code == 200
    api_keys.revoke_api_keys("shop")
    later = key_of()

    assert refusal(keyed.get("/api/v1/probe", headers=revoked), "discount_coupons") == (
        401,
        "invalid_token",
    )
    assert keyed.get("/api/v1/probe", headers=later).status_code == 200


def test_the_api_key_of_a_disabled_service_is_refused(keyed):
    key = key_of()
    disable(accounts.find("shop", "service").id)

    assert refusal(keyed.get("/api/v1/probe", headers=key), "discount_coupons") == (
        401,
        "invalid_token",
    )


def test_where_no_api_key_is_taken_one_is_nobody(alice):
    answer = alice.client.get("/v1/coupons", headers=key_of())

    assert refusal(answer) == (401, "authentication_required")


def test_a_spent_refresh_token_ends_its_family(alice):
    refreshing = {"Authorization": f"Bearer {alice.refresh_token}"}
    second = alice.post("/v1/auth/token/refresh", headers=refreshing).json

    assert refusal(alice.post("/v1/auth/token/refresh", headers=refreshing)) == (
        401,
        "invalid_token",
    )
    for token in (alice.access_token, second["access_token"]):
        assert refusal(alice.get("/v1/coupons", headers={"Authorization": f"Bearer {token}"})) == (
            401,
            "invalid_token",
        )


def test_a_refresh_token_that_the_service_has_not_issued_does_not_end_the_family(alice):
    forged = refresh_token(sessions.Grant(alice.id, uuid4(), uuid4()), HOUR)

    assert refusal(
        alice.post("/v1/auth/token/refresh", headers={"Authorization": f"Bearer {forged}"})
    ) == (401, "invalid_token")
    assert alice.get("/v1/coupons").status_code == 200
