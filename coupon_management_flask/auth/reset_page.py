"""`/reset-password`: where a mail's link to a new password leads.

The form works without script. Front ends may call the API instead.
"""

import marshmallow as ma
from flask import Blueprint, Response, render_template, request

from ..core import errors
from ..identity import password_reset, passwords
from ..web.guard import no_store
from ..web.rates import limit_logins
from ..web.security import form_fields
from . import reset, reset_mail
from .voucher_schemas import ConfirmReset

pages = Blueprint("reset-password", __name__, template_folder="templates")

_form = ConfirmReset()


def _page(
    status: int, state: str, *, token: str = "", wrong: errors.FieldMessages | None = None
) -> Response:
    page = render_template(
        "auth/reset_password.html",
        state=state,
        token=token,
        wrong=wrong or {},
        shortest=passwords.SHORTEST,
    )
    return Response(page, status, mimetype="text/html")


@pages.get(reset_mail.PAGE)
@no_store
def ask_for_password() -> Response:
    """Show the form. It spends nothing: mail programs look at links themselves."""
    token = request.args.get("token", "")
    return _page(200, "form", token=token) if password_reset.is_valid(token) else _page(400, "dead")


@pages.post(reset_mail.PAGE)
@limit_logins
@no_store
def set_password() -> Response:
    """Set the password that was typed."""
    typed = form_fields(_form.fields)
    try:
        body = _form.load(typed)
        reset.reset_password(body["token"], body["password"])
    except ma.ValidationError as error:
        return _page(400, "form", token=typed["token"], wrong=error.messages_dict)
    except errors.Invalid:
        return _page(400, "dead")
    return _page(200, "done")
