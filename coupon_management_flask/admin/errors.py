"""What is refused under /admin, and the page that says so."""

from flask import render_template

from ..core import errors
from ..credit_coupons import errors as credit_coupon_errors
from ..discount_coupons import errors as discount_coupon_errors
from ..promos import errors as promo_errors
from ..vouchers import errors as voucher_errors
from ..web.contract import MESSAGES as COMMON_MESSAGES
from ..web.contract import Contract, Problem


class NotAnAdministrator(errors.Forbidden):
    name = "not_an_administrator"


class ChangedMeanwhile(errors.Conflict):
    name = "changed_meanwhile"


class FormExpired(errors.DomainError):
    name = "form_expired"


MESSAGES = {
    **credit_coupon_errors.MESSAGES,
    **discount_coupon_errors.MESSAGES,
    **promo_errors.MESSAGES,
    **voucher_errors.MESSAGES,
    **COMMON_MESSAGES,
    "not_an_administrator": "This account is not an administrator's.",
    "changed_meanwhile": "Somebody else has changed this since you opened it. Look at it again.",
    "form_expired": (
        "This form is not valid (any more). Go back, load the page again and send it once more."
    ),
    "permission_denied": "Nobody may do this here.",
    "not_found": "There is nothing here.",
}


def render_error(problem: Problem) -> str:
    return render_template("console/error.html", problem=problem)


CONTRACT = Contract("admin", ("/admin",), render_error, MESSAGES)
