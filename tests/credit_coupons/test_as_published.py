"""`/v1/coupon/...`, as the collection that was published with the original has it."""

import pytest

from ..support.people import make_coupon

KEY = {"Idempotency-Key": "once"}
SOON = "2100-01-01T00:00:00Z"


def without_time(answer):
    return {name: value for name, value in answer.json.items() if name != "timestamp"}


@pytest.mark.both_databases
def test_a_coupon_is_made_looked_at_used_changed_and_deactivated_there(admin, bob):
    made = admin.post(
        "/v1/coupon",
        json={"name": "tea", "value": 10, "number_left": 2, "expiration_date": SOON},
    )
    assert made.status_code == 201, made.text
    coupon = made.json["data"]["coupons"]
    code, coupon_id = coupon["hidden_code"], coupon["id"]

    assert without_time(bob.get("/v1/coupon/")) == without_time(bob.get("/v1/coupons/"))
    assert without_time(bob.get(f"/v1/coupon/{code}")) == without_time(
        bob.get(f"/v1/coupons/{code}")
    )
    used = bob.post(f"/v1/coupon/use/{code}")
    assert (used.status_code, used.json["data"]["redemption"]["credit_spent"]) == (200, 10)
    again = bob.post(f"/v1/coupon/{coupon_id}/use", json={"hidden_code": code})
    assert (again.status_code, again.json["error"]["error_code"]) == (400, "coupon_already_used")
    assert without_time(bob.get("/v1/coupon/mine")) == without_time(bob.get("/v1/coupons/mine"))
    assert admin.patch(f"/v1/coupon/{coupon_id}", json={"value": 7}).status_code == 200
    assert admin.delete(f"/v1/coupon/{coupon_id}").status_code == 200
    refused = bob.post(f"/v1/coupon/use/{code}")
    assert (refused.status_code, refused.json["error"]["error_code"]) == (400, "coupon_inactive")


def test_its_refusals_are_those_of_the_contract_in_the_contracts_body(client, bob):
    for path in ("/v1/coupon/use/NOBODYS", "/v1/coupon/NOBODYS/none"):
        answer = bob.post(path)
        assert (answer.status_code, answer.json["http_status"]) == (404, "NOT_FOUND")
    assert client.get("/v1/coupon").json["error"]["error_code"] == "authentication_required"
    wrong = bob.put("/v1/coupon")
    assert (wrong.status_code, wrong.headers["Allow"]) == (405, "GET, HEAD, OPTIONS, POST")
    assert bob.post("/v1/coupon", json={}).status_code == 403


def test_one_key_is_one_request_whichever_name_it_comes_by(bob, books):
    coupon = make_coupon(value=10)
    first = bob.post(f"/v1/coupon/use/{coupon.hidden_code}", headers=KEY)
    assert first.status_code == 200, first.text
    after = books()

    for path in ("/v1/coupons/use", "/v1/coupon/use", "/v1/coupon/use/"):
        again = bob.post(f"{path.rstrip('/')}/{coupon.hidden_code}", headers=KEY)
        assert (again.status_code, again.data) == (200, first.data)
        assert again.headers["Idempotent-Replayed"] == "true"
    assert books() == after
    other = bob.post(f"/v1/coupon/use/{make_coupon().hidden_code}", headers=KEY)
    assert other.status_code == 422
