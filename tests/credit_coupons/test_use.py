"""POST /v1/coupons/use/<hidden_code> and POST /v1/coupons/<id>/use."""

from ..support.people import make_coupon


def test_a_use_takes_one_unit_and_the_credit(alice):
    coupon = make_coupon(value=30, number_left=5)

    answer = alice.post(f"/v1/coupons/use/{coupon.hidden_code}")

    assert answer.status_code == 200
    assert answer.json["data"]["credit"] == 70
    assert answer.json["data"]["redemption"]["coupon"]["number_left"] == 4
