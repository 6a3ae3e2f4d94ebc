"""What the API description says of accounts, by contract. Examples are of the demo data."""

from ..core import errors
from ..identity.accounts import EmailTaken
from ..web.operations import Described, Operations

_SIGNING_IN = (errors.WrongCredentials, errors.AccountDisabled)
_PASSWORD = "TeaAndCake4!"  # noqa: S105 - an example
_COMPANY = {"email": "hello@tea.example.com", "password": _PASSWORD}
_USER = {"email": "ada@example.com", "password": _PASSWORD}
_MEMBER = {"email": "grace@example.com", "password": _PASSWORD}
_SESSION = {"refresh": "as-sign-in-gives-it"}

CREDIT: Operations = {
    "log_in": Described(refuses=_SIGNING_IN, body={"username": "user4", "password": "user4pass"}),
    "refresh": Described("refresh_tokens"),
    "log_out": Described(),
}

COMPANIES: Operations = {
    "sign_up_company": Described(refuses=(EmailTaken,), body={"name": "Tea and Cake", **_COMPANY}),
    "sign_in_company": Described(
        refuses=_SIGNING_IN, body=_COMPANY, needs="the company that `sign_up_company` makes"
    ),
}

PROMO_USERS: Operations = {
    "sign_up_user": Described(
        refuses=(EmailTaken,),
        body={
            "name": "Ada",
            "surname": "Byron",
            **_USER,
            "other": {"age": 36, "country": "GB"},
        },
    ),
    "sign_in_user": Described(
        refuses=_SIGNING_IN, body=_USER, needs="the user that `sign_up_user` makes"
    ),
    "read_profile": Described(),
    "change_profile": Described(body={"other": {"age": 37, "country": "GB"}}),
}

VOUCHER_ACCOUNTS: Operations = {
    "register": Described(
        more="A mailbox or a username that is taken is told beside its field.",
        body={
            **_MEMBER,
            "password_confirm": _PASSWORD,
            "first_name": "Grace",
            "last_name": "Hopper",
        },
    ),
    "log_in": Described(
        "sign_in", refuses=_SIGNING_IN, body={"email": "user4", "password": "user4pass"}
    ),
    "refresh": Described(
        "refresh_session",
        refuses=(errors.InvalidToken,),
        body=_SESSION,
        needs="a refresh token, such as `sign_in` gives",
    ),
    "log_out": Described(
        "sign_out",
        refuses=(errors.InvalidToken,),
        body=_SESSION,
        needs="a refresh token, such as `sign_in` gives",
    ),
    "ask_for_reset": Described("ask_for_password_reset", body={"email": _MEMBER["email"]}),
    "confirm_reset": Described(
        "reset_password",
        refuses=(errors.Invalid,),
        body={
            "token": "as-the-mail-has-it",
            "password": _PASSWORD,
            "password_confirm": _PASSWORD,
        },
        needs="the token of a link in a mail that was sent",
    ),
}

VOUCHER_PROFILES: Operations = {
    "read_profile": Described("read_account"),
    "replace_profile": Described(
        "replace_account",
        body={"first_name": "Grace", "last_name": "Hopper", "address": "1 Tea Street"},
    ),
    "change_profile": Described("change_account", body={"phone_number": "+44 20 7946 0000"}),
    "change_password": Described(
        refuses=(errors.Invalid,),
        body={
            "old_password": "as-it-was",
            "new_password": _PASSWORD,
            "confirm_password": _PASSWORD,
        },
        needs="the password of whoever is signed in",
    ),
}
