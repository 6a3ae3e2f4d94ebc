"""What the API description says of codes for visitors of websites."""

from ..web.operations import Described, Operations

_TOKEN = {"token": "as-the-mail-has-it"}
_MAIL = "the token of a link in a mail that was sent"

EMAIL_COUPONS: Operations = {
    "issue_coupon": Described(
        "issue_email_coupon",
        more="Asked again before it expires, the same code is given, and mailed no second time.",
        body={"email": "visitor@example.com", "website": "shop.example.com"},
    ),
    "list_coupons": Described(
        "list_email_coupons",
        query={"page": 1, "page_size": 20, "website": "shop.example.com"},
    ),
    "ask_to_unsubscribe": Described(query=_TOKEN, needs=_MAIL),
    "unsubscribe": Described(query=_TOKEN, needs=_MAIL),
}
