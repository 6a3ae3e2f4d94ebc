"""`/v1/auth`: signing in and out by the credit contract. Its 200 bodies of login and refresh stand bare, without the envelope."""

from datetime import timedelta
from typing import Any

from .. import config
from ..credit_coupons.envelope import credit_routes, enveloped
from ..identity import sessions
from ..web.body import NO_STORE
from ..web.guard import access_token, actor, guard, no_store, refresh_token
from ..web.rates import guessing_address, limit_logins
from . import schemas, service

routes = credit_routes(
    "credit-auth", __name__, url_prefix="/v1/auth", description="Signing in and out"
)


def _tokens(grant: sessions.Grant) -> dict[str, str]:
    settings = config.current()
    return {
        "access_token": access_token(grant, timedelta(minutes=settings.access_token_minutes)),
        "refresh_token": refresh_token(grant, timedelta(days=settings.refresh_token_days)),
    }


@routes.route("/login", methods=["POST"])
@limit_logins
@no_store
@routes.arguments(schemas.CreditLogin())
@routes.response(200, schemas.CreditLoginAnswer(), headers=NO_STORE)
@routes.refuses(401, 403, 429)
def log_in(body: dict[str, str]) -> dict[str, Any]:
    """Sign in with a username or an e-mail address"""
    lifetime = timedelta(days=config.current().refresh_token_days)
    signed_in = service.log_in(
        body["username"],
        body["password"],
        issued_by="credit",
        lifetime=lifetime,
        address=guessing_address(),
    )
    user = {
        "id": signed_in.identity.id,
        "username": signed_in.identity.username,
        "name": signed_in.identity.name,
        "credit": signed_in.credit,
    }
    return {"user": user, **_tokens(signed_in.grant)}


@routes.route("/token/refresh", methods=["GET", "POST"])
@limit_logins
@no_store
@guard(token=("refresh",), idempotent=False)
@routes.response(200, schemas.TokensSchema(), headers=NO_STORE)
@routes.refuses(429)
def refresh() -> dict[str, str]:
    """Exchange the refresh token for a new pair; the old one is dead from then on"""
    current = actor()
    assert current.session_id is not None
    assert current.refresh_id is not None
    lifetime = timedelta(days=config.current().refresh_token_days)
    return _tokens(service.refresh(current.session_id, current.refresh_id, lifetime=lifetime))


@routes.route("/logout", methods=["POST"])
@guard(token=("access", "refresh"), idempotent=False)
@routes.response(200, enveloped("CreditLogoutAnswer"))
def log_out() -> dict[str, Any]:
    """End the session: its access and refresh tokens are dead from now on"""
    current = actor()
    assert current.session_id is not None
    sessions.revoke(current.session_id)
    return {}
