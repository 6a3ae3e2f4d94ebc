"""`/v1/auth`: signing in and out by the credit contract.

The 200 bodies of login and refresh stand bare, without this contract's envelope.
"""

from dataclasses import dataclass
from uuid import UUID

from ..core import wallet
from ..credit_coupons.envelope import credit_routes, enveloped
from ..identity import sessions
from ..web.body import NO_STORE
from ..web.guard import (
    TokenPair,
    actor,
    guard,
    no_store,
    refresh_lifetime,
    token_pair,
)
from ..web.rates import limit_logins, limited_address
from . import sign_in
from .credit_schemas import CreditLogin, CreditLoginAnswer, TokensSchema
from .described import CREDIT

routes = credit_routes(
    "credit-auth",
    __name__,
    described=CREDIT,
    url_prefix="/v1/auth",
    description="Signing in and out",
)


@dataclass(frozen=True, slots=True)
class CreditUser:
    id: UUID
    username: str | None
    name: str
    credit: int


@dataclass(frozen=True, slots=True)
class LoggedIn(TokenPair):
    user: CreditUser


def _terms() -> sign_in.SessionTerms:
    return sign_in.SessionTerms(sessions.Issuer.CREDIT, refresh_lifetime())


@routes.route("/login", methods=["POST"])
@limit_logins
@no_store
@routes.arguments(CreditLogin())
@routes.response(200, CreditLoginAnswer(), headers=NO_STORE)
@routes.refuses(401, 403, 429)
def log_in(body: dict[str, str]) -> LoggedIn:
    """Sign in with a username or an e-mail address"""
    signed_in = sign_in.sign_in(
        body["username"], body["password"], _terms(), address=limited_address()
    )
    who, tokens = signed_in.identity, token_pair(signed_in.grant)
    user = CreditUser(who.id, who.username, who.name, wallet.balance_of(who.id) or 0)
    return LoggedIn(tokens.access, tokens.refresh, user)


@routes.route("/token/refresh", methods=["GET", "POST"])
@limit_logins
@no_store
@guard(token=("refresh",), idempotent=False)
@routes.response(200, TokensSchema(), headers=NO_STORE)
@routes.refuses(429)
def refresh() -> TokenPair:
    """Exchange the refresh token for a new pair; the old one is dead from then on"""
    return token_pair(sign_in.refresh(*actor().refreshing(), _terms()))


@routes.route("/logout", methods=["POST"])
@guard(token=("access", "refresh"), idempotent=False)
@routes.response(200, enveloped("CreditLogoutAnswer"))
def log_out() -> dict[str, object]:
    """End the session: its access and refresh tokens are dead from now on"""
    session_id = actor().session_id
    assert session_id is not None
    sessions.revoke(session_id)
    return {}
