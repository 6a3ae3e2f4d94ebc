"""`/api/auth`: registering, signing in and out, and forgotten passwords, in the voucher contract."""

from datetime import timedelta
from typing import Any

from .. import config
from ..identity import accounts, sessions
from ..web.body import NO_STORE, Routes
from ..web.guard import access_token, actor_of, no_store, refresh_token, signed_refresh_token
from ..web.rates import (
    count_password_reset_email,
    guessing_address,
    limit_logins,
    limit_password_resets,
)
from . import service, voucher_schemas, voucher_service

routes: Routes = Routes(
    "voucher-auth",
    __name__,
    error_schema=voucher_schemas.AccountErrorSchema(),
    url_prefix="/api/auth",
    description="Registering, signing in and out",
)


def _session_lifetime() -> timedelta:
    return timedelta(days=config.current().refresh_token_days)


def _tokens(grant: sessions.Grant) -> dict[str, str]:
    minutes = timedelta(minutes=config.current().access_token_minutes)
    return {
        "access": access_token(grant, minutes),
        "refresh": refresh_token(grant, _session_lifetime()),
    }


def _signed_in(grant: sessions.Grant, message: str) -> dict[str, Any]:
    return {
        "user": voucher_service.read_profile(grant.account_id),
        **_tokens(grant),
        "message": message,
    }


@routes.route("/register", methods=["POST"])
@limit_logins
@no_store
@routes.arguments(voucher_schemas.Registration())
@routes.response(201, voucher_schemas.SignedInSchema(), headers=NO_STORE)
@routes.refuses(429)
def register(body: dict[str, Any]) -> dict[str, Any]:
    """Register a user"""
    return _signed_in(
        voucher_service.register(**body, lifetime=_session_lifetime()), "Registration successful."
    )


@routes.route("/login", methods=["POST"])
@limit_logins
@no_store
@routes.arguments(voucher_schemas.Login())
@routes.response(200, voucher_schemas.SignedInSchema(), headers=NO_STORE)
@routes.refuses(401, 403, 429)
def log_in(body: dict[str, str]) -> dict[str, Any]:
    """Sign in"""
    grant = service.log_in(
        body["email"],
        body["password"],
        issued_by=voucher_service.ISSUED_BY,
        lifetime=_session_lifetime(),
        address=guessing_address(),
    ).grant
    return _signed_in(grant, "Login successful.")


@routes.route("/token/refresh", methods=["POST"])
@limit_logins
@no_store
@routes.arguments(voucher_schemas.RefreshToken())
@routes.response(200, voucher_schemas.TokenPairSchema(), headers=NO_STORE)
@routes.refuses(401, 429)
def refresh(body: dict[str, str]) -> dict[str, str]:
    """Exchange the refresh token for a new pair; the old one is dead from then on"""
    current = actor_of(body["refresh"], token=("refresh",))
    assert current.session_id is not None
    assert current.refresh_id is not None
    return _tokens(
        service.refresh(current.session_id, current.refresh_id, lifetime=_session_lifetime())
    )


@routes.route("/logout", methods=["POST"])
@routes.arguments(voucher_schemas.RefreshToken())
@routes.response(200, voucher_schemas.DoneMessageSchema())
@routes.refuses(401)
def log_out(body: dict[str, str]) -> dict[str, str]:
    """End the session: its access and refresh tokens are dead from now on; once more does no harm"""
    grant = signed_refresh_token(body["refresh"])
    service.log_out(grant.account_id, grant.session_id)
    return {"message": "Logout successful."}


@routes.route("/password-reset", methods=["POST"])
@limit_password_resets
@routes.arguments(voucher_schemas.AskForReset())
@routes.response(200, voucher_schemas.DoneMessageSchema())
@routes.refuses(429)
def ask_for_reset(body: dict[str, str]) -> dict[str, str]:
    """Have a link to a new password mailed, if there is an account with this e-mail address"""
    count_password_reset_email(accounts.comparable(body["email"]))
    voucher_service.ask_for_reset(body["email"])
    return {
        "message": "If there is an account with this e-mail address, a link to a new password is on its way."
    }


@routes.route("/password-reset-confirm", methods=["POST"])
@limit_logins
@routes.arguments(voucher_schemas.ConfirmReset())
@routes.response(200, voucher_schemas.DoneMessageSchema())
@routes.refuses(429)
def confirm_reset(body: dict[str, str]) -> dict[str, str]:
    """Set a new password by the token of a mailed link; all sessions end"""
    voucher_service.reset_password(body["token"], body["password"])
    return {"message": "The password is changed. Sign in with the new one."}
