"""A program that uses the generated Python client, as whoever generates one would write it."""

import os

from coupons_client import AuthenticatedClient, Client
from coupons_client.api.credit_auth import log_in, refresh_tokens
from coupons_client.api.credit_coupons import list_credit_coupon_uses, use_credit_coupon_by_code
from coupons_client.api.discount_coupons import redeem_coupon
from coupons_client.models import (
    CreditCouponsErrorCode,
    CreditCouponUseAnswer,
    CreditCouponUsesAnswer,
    CreditError,
    CreditLogin,
    CreditLoginAnswer,
    DiscountCouponsErrorCode,
    DiscountError,
    OrderWithCode,
    OrderWithCodes,
    Redeemed,
    Tokens,
)

URL = os.environ["SERVICE_URL"]


def main() -> None:
    """Sign in, use a coupon, be refused, and refresh the tokens; then redeem as a shop."""
    signed_in = log_in.sync(client=Client(URL), body=CreditLogin("user4", "user4pass"))
    assert isinstance(signed_in, CreditLoginAnswer)
    assert signed_in.user.username == "user4"

    user = AuthenticatedClient(URL, signed_in.access_token)
    used = use_credit_coupon_by_code.sync("ABC", client=user, idempotency_key="first")
    assert isinstance(used, CreditCouponUseAnswer)
    assert used.data.credit == signed_in.user.credit - used.data.redemption.credit_spent

    again = use_credit_coupon_by_code.sync("ABC", client=user)
    assert isinstance(again, CreditError)
    assert again.error.error_code is CreditCouponsErrorCode.COUPON_ALREADY_USED

    refreshed = refresh_tokens.sync(client=AuthenticatedClient(URL, signed_in.refresh_token))
    assert isinstance(refreshed, Tokens)
    renewed = AuthenticatedClient(URL, refreshed.access_token)
    uses = list_credit_coupon_uses.sync(client=renewed, per_page=5)
    assert isinstance(uses, CreditCouponUsesAnswer)
    assert [one.coupon.name for one in uses.data.redemptions] == ["one"]

    shop = AuthenticatedClient(URL, os.environ["API_KEY"], prefix="", auth_header_name="X-API-Key")
    order = OrderWithCode(cart_total=60, code="OVER50", order_id="order-1")
    redeemed = redeem_coupon.sync(client=shop, body=order)
    assert isinstance(redeemed, Redeemed)
    assert (redeemed.discount_amount, redeemed.final_amount) == (9, 51)
    unknown = OrderWithCodes(cart_total="60.00", codes=["NOBODYS"], order_id="order-2")
    refused = redeem_coupon.sync(client=shop, body=unknown)
    assert isinstance(refused, DiscountError)
    assert refused.error_code is DiscountCouponsErrorCode.COUPON_NOT_FOUND


if __name__ == "__main__":
    main()
