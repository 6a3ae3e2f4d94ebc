"""Who is at /admin: a cookie that names a session, and a token in each form."""

from dataclasses import dataclass
from uuid import UUID

from flask import Blueprint, Flask, g, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_admin import Admin, BaseView
from flask_wtf.csrf import generate_csrf, validate_csrf
from wtforms import ValidationError

from ..identity import sessions
from ..models import Role
from ..web.security import check_form_size
from .errors import FormExpired

csrf_token = generate_csrf

# The one page that anybody may open.
SIGN_IN = "admin.sign_in"


@dataclass(frozen=True, slots=True)
class Administrator:
    id: UUID
    username: str | None


def init_app(app: Flask) -> None:
    # A token is bound to its session, which ends soon enough.
    app.config["WTF_CSRF_TIME_LIMIT"] = None


def remember(grant: sessions.Grant) -> None:
    """Sign this browser in.

    Whatever its cookie held before is gone, and so are the forms that were opened before.
    """
    session.clear()
    session.permanent = True
    session["account_id"], session["session_id"] = str(grant.account_id), str(grant.session_id)


def forget() -> None:
    session.clear()


def signed_in() -> Administrator | None:
    """Return the administrator whose session and account stood when this request began."""
    found = g.administrator
    assert found is None or isinstance(found, Administrator)
    return found


def administrator() -> Administrator:
    account = signed_in()
    assert account is not None
    return account


def session_id() -> UUID:
    return UUID(session["session_id"])


def is_sent() -> bool:
    return request.method not in ("GET", "HEAD", "OPTIONS")


def check_form() -> None:
    """Check that the form that is sent was opened in this session.

    Raises: FormExpired if it was not.
    """
    try:
        validate_csrf(request.form.get("csrf_token"))
    except ValidationError as error:
        raise FormExpired from error


class SignedIn(BaseView):
    """A view of Flask-Admin that administrators alone may open.

    It is guarded in one place, before any method of the view is chosen.
    """

    def create_blueprint(self, admin: Admin) -> Blueprint:
        blueprint: Blueprint = super().create_blueprint(admin)
        blueprint.before_request(_let_in)
        return blueprint


def _let_in() -> ResponseReturnValue | None:
    g.administrator = _look()
    if g.administrator is None and request.endpoint != SIGN_IN:
        here = None if is_sent() else request.full_path.rstrip("?")
        return redirect(url_for(SIGN_IN, next=here), 303)
    if is_sent():
        if g.administrator is None:
            check_form_size()
        check_form()
    return None


def _look() -> Administrator | None:
    # The cookie is signed: what it says was written by us.
    if "session_id" not in session:
        return None
    account = sessions.standing(session_id(), UUID(session["account_id"]))
    if account is None or account.role != Role.ADMINISTRATOR:
        return None
    return Administrator(account.id, account.username)
