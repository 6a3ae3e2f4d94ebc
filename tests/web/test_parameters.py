"""Parameters of a query: which of them a call knows, and how often each may be given."""

import re

import pytest

from coupon_management_flask.models import new_id
from coupon_management_flask.web.body import Routes
from coupon_management_flask.web.operations import notes_of

from ..support.promos import new_company, new_user, publish
from ..support.refusals import refusal

# What is no promo and ignores them too: profiles, health, and what is called by links and addresses
# that others have written.
IGNORING = {
    "GET /api/health",
    "GET /api/health/live",
    "GET /api/test",
    "GET /api/coupons/unsubscribe",
    "POST /api/coupons/unsubscribe",
    "POST /api/payments/webhook",
    "GET /api/auth/profile",
    "PUT /api/auth/profile",
    "PATCH /api/auth/profile",
    "GET /api/users/profile",
    "PUT /api/users/profile",
    "PATCH /api/users/profile",
}


def calls(app):
    """Yield each call of the API, its path with ids of nobody, and its view."""
    for rule in app.url_map.iter_rules():
        if isinstance(app.blueprints.get(rule.endpoint.rpartition(".")[0]), Routes):
            path = re.sub(r"<(?:\w+:)?\w+>", str(new_id()), rule.rule)
            for method in sorted(rule.methods - {"HEAD", "OPTIONS"}):
                yield f"{method} {rule.rule}", method, path, app.view_functions[rule.endpoint]


def is_promo(call):
    return re.search(r" /api/(ping|business|user)(/|$)", call) is not None


def test_a_parameter_that_a_call_does_not_know_is_400_in_every_contract_and_changes_nothing(
    app, admin, books
):
    before = books()

    for call, method, path, view in calls(app):
        if is_promo(call) or call in IGNORING:
            continue
        shown = admin.credentials() if notes_of(view).guarded else {}
        if path == "/v1/auth/token/refresh":
            shown = {"Authorization": f"Bearer {admin.refresh_token}"}
        answer = admin.client.open(f"{path}?nonsense=1", method=method, headers=shown, json={})
        assert answer.status_code == 400, call
        assert "validation_error" in answer.text, call
        assert "nonsense" in answer.text, call
    assert books() == before


def test_promos_profiles_health_links_and_the_webhook_ignore_what_they_do_not_know(app, client):
    ignoring = {call for call, *_, view in calls(app) if notes_of(view).ignores_parameters}
    assert ignoring == IGNORING | {call for call, *_ in calls(app) if is_promo(call)}

    company, user = new_company(client), new_user(client)
    promo = publish(company)
    for who, path in (
        (company, "/api/business/promo"),
        (company, f"/api/business/promo/{promo}"),
        (user, "/api/user/feed"),
        (user, "/api/user/profile"),
        (user, "/api/users/profile"),
        (user, "/api/health"),
        (user, "/api/ping"),
    ):
        assert who.get(f"{path}?nonsense=1&nonsense=2").status_code == 200, path


def test_pages_scripts_and_metrics_ignore_what_they_do_not_know(client):
    for path in ("/docs", "/openapi.json", "/popup.js", "/metrics", "/admin/sign-in"):
        assert client.get(f"{path}?nonsense=1").status_code == 200, path


def test_a_filter_that_is_misspelt_does_not_list_everybody(admin):
    answer = admin.get("/v1/user?email=x")

    assert refusal(answer) == (400, "validation_error")
    assert answer.json["error"]["message"] == "email: Unknown parameter."


@pytest.mark.parametrize(
    "query", ["page=1&page=2", "page=1&page=1", "per_page=5&page=1&per_page=5"]
)
def test_a_parameter_that_is_given_twice_where_one_is_meant_is_400(alice, query):
    answer = alice.get(f"/v1/coupons?{query}")

    assert refusal(answer) == (400, "validation_error")
    assert "It may be given only once." in answer.json["error"]["message"]


def test_in_promos_too_one_is_meant_but_of_countries_there_may_be_several(client):
    company = new_company(client)

    for query in (
        "limit=1&limit=2",
        "offset=0&offset=0",
        "sort_by=active_from&sort_by=active_from",
    ):
        answer = company.get(f"/api/business/promo?{query}")
        assert refusal(answer, "promos") == (400, "validation_error"), query
    assert company.get("/api/business/promo?country=ru,fr&country=us").status_code == 200


def test_who_asks_comes_before_what_the_query_says(client, alice):
    assert refusal(client.get("/v1/user?x=1")) == (401, "authentication_required")
    assert refusal(alice.get("/v1/user?x=1")) == (403, "permission_denied")
    assert refusal(alice.get("/v1/user/x?x=1")) == (400, "validation_error")


def test_at_most_20_faults_of_a_query_are_told(alice):
    many = "&".join(f"x{number}={number}" for number in range(500))

    message = alice.get(f"/v1/coupons?{many}").json["error"]["message"]

    assert message.count("Unknown parameter.") == 20


def test_a_call_that_needs_no_body_ignores_one(alice, client):
    for body in (b"{", b"[]", b"\xff", b'{"page": "x"}'):
        for method, path in (("GET", "/v1/coupons"), ("GET", "/api/users/profile")):
            assert alice.request(method, path, data=body).status_code == 200
        assert client.post("/api/ping", data=body).status_code == 405
    refreshed = client.post(
        "/v1/auth/token/refresh",
        data=b"{",
        headers={"Authorization": f"Bearer {alice.refresh_token}"},
    )
    assert refreshed.status_code == 200
