"""What is asked for again only where it has changed, and what is packed."""

import gzip

import orjson
import pytest

from coupon_management_flask.core import wallet
from coupon_management_flask.db.session import transaction

from ..support.people import make_coupon
from ..support.vouchers import sell

GZIP = {"Accept-Encoding": "br, gzip"}


def unpacked(answer):
    assert answer.headers["Content-Encoding"] == "gzip"
    return gzip.decompress(answer.data)


@pytest.mark.parametrize("path", ["/openapi.json", "/popup.js"])
def test_what_is_the_same_for_everybody_is_packed_and_sent_once(app_without_tables, path):
    client = app_without_tables().test_client()
    plain, packed = client.get(path), client.get(path, headers=GZIP)

    assert unpacked(packed) == plain.data
    assert len(packed.data) < len(plain.data) / 2
    for answer, headers in ((plain, {}), (packed, GZIP)):
        assert "Accept-Encoding" in answer.headers["Vary"]
        known = {**headers, "If-None-Match": answer.headers["ETag"]}
        again = client.get(path, headers=known)
        assert (again.status_code, again.data) == (304, b"")
        assert again.headers["ETag"] == answer.headers["ETag"]
    assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200
    refused = client.get(path, headers={"Accept-Encoding": "gzip;q=0, identity"})
    assert "Content-Encoding" not in refused.headers


def test_a_public_list_is_packed_and_sent_again_only_where_it_has_changed(client, admin):
    for _ in range(20):
        sell(admin)
    path = "/api/vouchers/types/"
    plain, packed = client.get(path), client.get(path, headers=GZIP)

    assert unpacked(packed) == plain.data
    assert plain.headers["Cache-Control"] == "no-cache"
    # Packed or not, and whoever asks: it is the same.
    known = {"If-None-Match": plain.headers["ETag"]}
    assert plain.headers["ETag"] == packed.headers["ETag"]
    for answer in (client.get(path, headers={**known, **GZIP}), admin.get(path, headers=known)):
        assert (answer.status_code, answer.data) == (304, b"")
        assert "Accept-Encoding" in answer.headers["Vary"]
        assert answer.headers.getlist("Cache-Control") == ["no-cache"]

    sell(admin)
    assert client.get(path, headers=known).status_code == 200


def test_a_long_list_is_packed_and_a_short_one_is_not(alice):
    path = f"/v1/user/{alice.id}/ledger?per_page=100"
    assert "Content-Encoding" not in alice.get(path, headers=GZIP).headers
    for _ in range(60):
        with transaction():
            wallet.credit(alice.id, 1, reason="gift")

    answer = alice.get(path, headers=GZIP)

    assert len(orjson.loads(unpacked(answer))["data"]["entries"]) >= 60
    assert "ETag" not in answer.headers
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert "Accept-Encoding" in answer.headers["Vary"]


def test_what_holds_a_token_or_a_hidden_code_is_never_packed(admin, client):
    for number in range(100):
        make_coupon(name=f"coupon {number}")

    answer = admin.get("/v1/coupons?all=true&per_page=100", headers=GZIP)
    assert len(answer.data) > 8192
    refreshed = client.post(
        "/v1/auth/token/refresh",
        headers={**GZIP, "Authorization": f"Bearer {admin.refresh_token}"},
    )
    for one in (answer, refreshed):
        assert one.status_code == 200
        assert "Content-Encoding" not in one.headers
        assert "ETag" not in one.headers


def test_a_browser_is_led_from_the_beginning_to_the_description(app_without_tables):
    client = app_without_tables().test_client()

    page = client.get("/", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert (page.status_code, page.headers["Location"]) == (302, "/docs")
    for headers in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}):
        answer = client.get("/", headers=headers)
        assert (answer.status_code, answer.json["error_code"]) == (404, "not_found")
        assert answer.headers["Vary"].startswith("Accept")
    for method, path in (("POST", "/"), ("GET", "/nothing")):
        answer = client.open(path, method=method, headers={"Accept": "text/html"})
        assert (answer.status_code, answer.json["error_code"]) == (404, "not_found")
