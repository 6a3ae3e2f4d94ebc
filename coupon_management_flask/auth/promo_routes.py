"""Signing up and in by the promo contract, of companies and of users, and a user's profile."""

from typing import Any

from ..promos.errors import PromoErrorSchema
from ..web.body import NO_STORE, Routes
from ..web.guard import access_token, actor, guard, no_store
from ..web.rates import guessing_address, limit_logins
from . import promo_schemas, promo_service
from .promo_tokens import token_lifetime

company_routes: Routes = Routes(
    "promo-business-auth",
    __name__,
    error_schema=PromoErrorSchema(),
    url_prefix="/api/business",
    tag="promo-business",
    description="Companies and their promos",
)

user_routes: Routes = Routes(
    "promo-user-auth",
    __name__,
    error_schema=PromoErrorSchema(),
    url_prefix="/api/user",
    tag="promo-user",
    description="Users and the promos they find",
)


@company_routes.route("/auth/sign-up", methods=["POST"])
@limit_logins
@no_store
@company_routes.arguments(promo_schemas.CompanySignUp())
@company_routes.response(200, promo_schemas.CompanyTokenSchema(), headers=NO_STORE)
@company_routes.refuses(409, 429)
def sign_up_company(body: dict[str, Any]) -> dict[str, Any]:
    """Register a company"""
    grant = promo_service.sign_up_company(**body, lifetime=token_lifetime())
    return {"token": access_token(grant, token_lifetime()), "company_id": grant.account_id}


@company_routes.route("/auth/sign-in", methods=["POST"])
@limit_logins
@no_store
@company_routes.arguments(promo_schemas.SignIn())
@company_routes.response(200, promo_schemas.TokenSchema(), headers=NO_STORE)
@company_routes.refuses(401, 403, 429)
def sign_in_company(body: dict[str, str]) -> dict[str, str]:
    """Sign in as a company; every earlier token is dead at once"""
    grant = promo_service.sign_in(
        body["email"],
        body["password"],
        kind="company",
        address=guessing_address(),
        lifetime=token_lifetime(),
    )
    return {"token": access_token(grant, token_lifetime())}


@user_routes.route("/auth/sign-up", methods=["POST"])
@limit_logins
@no_store
@user_routes.arguments(promo_schemas.UserSignUp())
@user_routes.response(200, promo_schemas.TokenSchema(), headers=NO_STORE)
@user_routes.refuses(409, 429)
def sign_up_user(body: dict[str, Any]) -> dict[str, str]:
    """Register a user"""
    return {
        "token": access_token(
            promo_service.sign_up_user(**body, lifetime=token_lifetime()), token_lifetime()
        )
    }


@user_routes.route("/auth/sign-in", methods=["POST"])
@limit_logins
@no_store
@user_routes.arguments(promo_schemas.SignIn())
@user_routes.response(200, promo_schemas.TokenSchema(), headers=NO_STORE)
@user_routes.refuses(401, 403, 429)
def sign_in_user(body: dict[str, str]) -> dict[str, str]:
    """Sign in; the tokens that these calls gave before are dead at once"""
    grant = promo_service.sign_in(
        body["email"],
        body["password"],
        kind="user",
        address=guessing_address(),
        lifetime=token_lifetime(),
    )
    return {"token": access_token(grant, token_lifetime())}


@user_routes.route("/profile", methods=["GET"])
@guard()
@user_routes.response(200, promo_schemas.ProfileSchema())
def read_profile() -> dict[str, Any]:
    """The signed-in user"""
    return promo_service.read_profile(actor().id)


@user_routes.route("/profile", methods=["PATCH"])
@guard()
@user_routes.arguments(promo_schemas.ProfileChanges())
@user_routes.response(200, promo_schemas.ProfileSchema())
def change_profile(body: dict[str, Any]) -> dict[str, Any]:
    """Change the signed-in user"""
    return promo_service.change_profile(actor().id, body, session_id=actor().session_id)
