"""`/api/auth`: registering, signing in and out, forgotten passwords, by the voucher contract."""

from dataclasses import dataclass
from typing import TypedDict

from ..identity import sessions
from ..text import mailboxes
from ..web.aliases import alias
from ..web.body import NO_STORE, Routes
from ..web.guard import (
    TokenPair,
    actor_of,
    no_store,
    refresh_lifetime,
    signed_refresh_token,
    token_pair,
)
from ..web.rates import (
    count_password_reset_email,
    limit_logins,
    limit_password_resets,
    limited_address,
)
from . import reset, sign_in, voucher_profile, voucher_schemas
from .sign_up import UserDetails

routes: Routes = Routes(
    "voucher-auth",
    __name__,
    error_schema=voucher_schemas.AccountErrorSchema(),
    url_prefix="/api/auth",
    description="Registering, signing in and out",
)


class NewUser(TypedDict):
    email: str
    password: str
    name: str
    surname: str
    details: UserDetails


@dataclass(frozen=True, slots=True)
class SignedIn(TokenPair):
    user: voucher_profile.Profile
    message: str


def _terms() -> sign_in.SessionTerms:
    return sign_in.SessionTerms(sessions.Issuer.VOUCHER, refresh_lifetime())


def _signed_in(grant: sessions.Grant, message: str) -> SignedIn:
    profile, tokens = voucher_profile.read_profile(grant.account_id), token_pair(grant)
    return SignedIn(tokens.access, tokens.refresh, profile, message)


@routes.route("/register", methods=["POST"])
@limit_logins
@no_store
@routes.arguments(voucher_schemas.Registration())
@routes.response(201, voucher_schemas.SignedInSchema(), headers=NO_STORE)
@routes.refuses(429)
def register(body: NewUser) -> SignedIn:
    """Register a user"""
    return _signed_in(voucher_profile.register(**body, terms=_terms()), "Registration successful.")


@routes.route("/login", methods=["POST"])
@limit_logins
@no_store
@routes.arguments(voucher_schemas.Login())
@routes.response(200, voucher_schemas.SignedInSchema(), headers=NO_STORE)
@routes.refuses(401, 403, 429)
def log_in(body: dict[str, str]) -> SignedIn:
    """Sign in"""
    signed_in = sign_in.sign_in(
        body["email"], body["password"], _terms(), address=limited_address()
    )
    return _signed_in(signed_in.grant, "Login successful.")


@alias(routes, "/refresh", of="/token/refresh", name="refresh_access", methods=["POST"])
@routes.route("/token/refresh", methods=["POST"])
@limit_logins
@no_store
@routes.arguments(voucher_schemas.RefreshToken())
@routes.response(200, voucher_schemas.TokenPairSchema(), headers=NO_STORE)
@routes.refuses(401, 429)
def refresh(body: dict[str, str]) -> TokenPair:
    """Exchange the refresh token for a new pair; the old one is dead from then on"""
    current = actor_of(body["refresh"], token=("refresh",))
    return token_pair(sign_in.refresh(*current.refreshing(), _terms()))


@routes.route("/logout", methods=["POST"])
@routes.arguments(voucher_schemas.RefreshToken())
@routes.response(200, voucher_schemas.DoneMessageSchema())
@routes.refuses(401)
def log_out(body: dict[str, str]) -> dict[str, str]:
    """End the session: its tokens are dead from now on; once more does no harm"""
    grant = signed_refresh_token(body["refresh"])
    sign_in.sign_out(grant.account_id, grant.session_id)
    return {"message": "Logout successful."}


@routes.route("/password-reset", methods=["POST"])
@limit_password_resets
@routes.arguments(voucher_schemas.AskForReset())
@routes.response(200, voucher_schemas.DoneMessageSchema())
@routes.refuses(429)
def ask_for_reset(body: dict[str, str]) -> dict[str, str]:
    """Have a link to a new password mailed, if there is an account with this e-mail address"""
    count_password_reset_email(mailboxes.comparable(body["email"]))
    reset.ask_for_reset(body["email"])
    return {
        "message": "If there is an account with this e-mail address, "
        "a link to a new password is on its way."
    }


@routes.route("/password-reset-confirm", methods=["POST"])
@limit_logins
@routes.arguments(voucher_schemas.ConfirmReset())
@routes.response(200, voucher_schemas.DoneMessageSchema())
@routes.refuses(429)
def confirm_reset(body: dict[str, str]) -> dict[str, str]:
    """Set a new password by the token of a mailed link; all sessions end"""
    reset.reset_password(body["token"], body["password"])
    return {"message": "The password is changed. Sign in with the new one."}
