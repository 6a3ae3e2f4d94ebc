"""Signing up and in by the promo contract, of companies and of users, and a user's profile."""

from datetime import timedelta
from typing import TypedDict
from uuid import UUID

from .. import config
from ..identity.accounts import UserChanges
from ..identity.sessions import Issuer
from ..models import AccountKind
from ..promos.errors import PromoErrorSchema
from ..web.body import NO_STORE, Routes
from ..web.guard import access_token, actor, guard, no_store
from ..web.rates import count_password_change, limit_logins, limited_address
from . import promo_profile, promo_schemas, sign_up
from .described import COMPANIES, PROMO_USERS
from .promo_profile import Profile
from .sign_in import SessionTerms, sign_in
from .sign_up import UserDetails

company_routes: Routes = Routes(
    "promo-business-auth",
    __name__,
    error_schema=PromoErrorSchema(),
    described=COMPANIES,
    url_prefix="/api/business",
    tag="promo-business",
    description="Companies and their promos",
)

user_routes: Routes = Routes(
    "promo-user-auth",
    __name__,
    error_schema=PromoErrorSchema(),
    described=PROMO_USERS,
    url_prefix="/api/user",
    tag="promo-user",
    description="Users and the promos they find",
)


class Token(TypedDict):
    token: str


class CompanyToken(Token):
    company_id: UUID


class NewCompany(TypedDict):
    name: str
    email: str
    password: str


class NewUser(NewCompany):
    surname: str
    details: UserDetails


class ProfileChanges(TypedDict):
    changes: UserChanges
    password: str | None


def _lifetime() -> timedelta:
    return timedelta(hours=config.current().promo_token_hours)


def _terms() -> SessionTerms:
    return SessionTerms(Issuer.PROMO, _lifetime(), is_only=True)


@company_routes.route("/auth/sign-up", methods=["POST"])
@limit_logins
@no_store
@company_routes.arguments(promo_schemas.CompanySignUp())
@company_routes.response(200, promo_schemas.CompanyTokenSchema(), headers=NO_STORE)
@company_routes.refuses(409, 429)
def sign_up_company(body: NewCompany) -> CompanyToken:
    """Register a company"""
    grant = sign_up.sign_up_company(**body, terms=_terms())
    return {"token": access_token(grant, _lifetime()), "company_id": grant.account_id}


@company_routes.route("/auth/sign-in", methods=["POST"])
@limit_logins
@no_store
@company_routes.arguments(promo_schemas.SignIn())
@company_routes.response(200, promo_schemas.TokenSchema(), headers=NO_STORE)
@company_routes.refuses(401, 403, 429)
def sign_in_company(body: dict[str, str]) -> Token:
    """Sign in as a company; every earlier token is dead at once"""
    return _sign_in(body, AccountKind.COMPANY)


def _sign_in(body: dict[str, str], kind: AccountKind) -> Token:
    signed_in = sign_in(
        body["email"], body["password"], _terms(), kind=kind, address=limited_address()
    )
    return {"token": access_token(signed_in.grant, _lifetime())}


@user_routes.route("/auth/sign-up", methods=["POST"])
@limit_logins
@no_store
@user_routes.arguments(promo_schemas.UserSignUp())
@user_routes.response(200, promo_schemas.TokenSchema(), headers=NO_STORE)
@user_routes.refuses(409, 429)
def sign_up_user(body: NewUser) -> Token:
    """Register a user"""
    return {"token": access_token(sign_up.sign_up_user(**body, terms=_terms()), _lifetime())}


@user_routes.route("/auth/sign-in", methods=["POST"])
@limit_logins
@no_store
@user_routes.arguments(promo_schemas.SignIn())
@user_routes.response(200, promo_schemas.TokenSchema(), headers=NO_STORE)
@user_routes.refuses(401, 403, 429)
def sign_in_user(body: dict[str, str]) -> Token:
    """Sign in; the tokens that these calls gave before are dead at once"""
    return _sign_in(body, AccountKind.USER)


@user_routes.route("/profile", methods=["GET"])
@guard()
@user_routes.response(200, promo_schemas.ProfileSchema())
def read_profile() -> Profile:
    """The signed-in user"""
    return promo_profile.read_profile(actor().id)


@user_routes.route("/profile", methods=["PATCH"])
@guard()
@user_routes.arguments(promo_schemas.ProfileChanges())
@user_routes.response(200, promo_schemas.ProfileSchema())
@user_routes.refuses(429)
def change_profile(body: ProfileChanges) -> Profile:
    """Change the signed-in user"""
    if body["password"] is not None:
        count_password_change()
    return promo_profile.change_profile(actor().id, **body, session_id=actor().session_id)
