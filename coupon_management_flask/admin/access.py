"""Who is at /admin: a cookie that names a session, and a token in each form."""

from typing import Any
from uuid import UUID

from flask import Flask, g, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import generate_csrf, validate_csrf
from wtforms import ValidationError

from ..identity import sessions
from .errors import FormExpired
from .service import ADMINISTRATOR

csrf_token = generate_csrf


def init_app(app: Flask) -> None:
    # A token is bound to its session, which ends soon enough.
    app.config["WTF_CSRF_TIME_LIMIT"] = None


def remember(grant: sessions.Grant) -> None:
    """This browser is signed in from now on. Whatever its cookie held before is gone, and so are the forms that were opened before."""
    session.clear()
    session.permanent = True
    session["account_id"], session["session_id"] = str(grant.account_id), str(grant.session_id)


def forget() -> None:
    session.clear()


def _claimed() -> sessions.Grant | None:
    """What the cookie says; it is signed."""
    if "session_id" not in session:
        return None
    return sessions.Grant(UUID(session["account_id"]), UUID(session["session_id"]), None)


def _look() -> sessions.Standing | None:
    claimed = _claimed()
    account = (
        sessions.standing(claimed.session_id, claimed.account_id) if claimed is not None else None
    )
    return account if account is not None and account.role == ADMINISTRATOR else None


def signed_in() -> sessions.Standing | None:
    """The administrator who is asking, whose session and account stood when this request began."""
    return g.administrator  # type: ignore[no-any-return]


def administrator() -> sessions.Standing:
    account = signed_in()
    assert account is not None
    return account


def session_id() -> UUID:
    return UUID(session["session_id"])


def check_form() -> None:
    """Raises FormExpired unless the form that is sent was opened in this session."""
    try:
        validate_csrf(request.form.get("csrf_token"))
    except ValidationError as error:
        raise FormExpired from error


def is_sent() -> bool:
    return request.method not in ("GET", "HEAD", "OPTIONS")


def ask_to_sign_in() -> ResponseReturnValue:
    here = None if is_sent() else request.full_path.rstrip("?")
    return redirect(url_for("admin.sign_in", next=here), 303)


class SignedIn:
    """A view of Flask-Admin, for administrators alone."""

    # What anybody may call.
    open: frozenset[str] = frozenset()

    def _handle_view(self, name: str, **_: Any) -> ResponseReturnValue | None:
        g.administrator = _look()
        if name not in self.open and signed_in() is None:
            return ask_to_sign_in()
        if is_sent():
            check_form()
        return None

    def _run_view(self, view: Any, *args: Any, **kwargs: Any) -> ResponseReturnValue:
        # Flask-Admin's own would call a view a second time after a TypeError in it.
        return view(self, *args, **kwargs)  # type: ignore[no-any-return]
