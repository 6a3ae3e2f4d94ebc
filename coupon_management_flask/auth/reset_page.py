"""`/reset-password`: where a mail's link to a new password leads. It asks for it and works without script; front ends may call the API instead."""

import marshmallow as ma
from flask import Blueprint, Response, render_template, request

from ..core import errors
from ..identity import accounts, passwords
from ..web.guard import no_store
from ..web.rates import limit_logins
from . import mailer, voucher_schemas, voucher_service

pages = Blueprint("reset-password", __name__, template_folder="templates")

_form = voucher_schemas.ConfirmReset()


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


@pages.get(mailer.PAGE)
@no_store
def ask_for_password() -> Response:
    """Changes nothing: mail programs look at links themselves."""
    token = request.args.get("token", "")
    return _page(200, "form", token=token) if accounts.is_reset_token(token) else _page(400, "dead")


@pages.post(mailer.PAGE)
@limit_logins
@no_store
def set_password() -> Response:
    typed = {name: request.form.get(name, "") for name in _form.fields}
    try:
        body = _form.load(typed)
        voucher_service.reset_password(body["token"], body["password"])
    except ma.ValidationError as error:
        return _page(400, "form", token=typed["token"], wrong=error.messages_dict)
    except errors.Invalid:
        return _page(400, "dead")
    return _page(200, "done")
