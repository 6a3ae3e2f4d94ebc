"""`/api/auth/profile` and the same under `/api/users`, where the password is changed too."""

from ..identity.accounts import UserChanges
from ..web.aliases import alias
from ..web.body import Routes
from ..web.guard import actor, guard
from ..web.rates import count_password_change, limited_address
from . import voucher_profile, voucher_schemas
from .voucher_profile import Profile

routes: Routes = Routes(
    "voucher-users",
    __name__,
    error_schema=voucher_schemas.AccountErrorSchema(),
    url_prefix="/api",
    description="The signed-in user",
)


@routes.route("/auth/profile", methods=["GET"])
@routes.route("/users/profile", methods=["GET"])
@guard()
@routes.response(200, voucher_schemas.AccountSchema())
def read_profile() -> Profile:
    """The signed-in user"""
    return voucher_profile.read_profile(actor().id)


@routes.route("/auth/profile", methods=["PUT"])
@routes.route("/users/profile", methods=["PUT"])
@guard()
@routes.arguments(voucher_schemas.AccountReplacement())
@routes.response(200, voucher_schemas.AccountSchema())
def replace_profile(body: UserChanges) -> Profile:
    """Change the signed-in user, who has a name; what may be left out stays as it is"""
    return voucher_profile.change_profile(actor().id, body)


@alias(
    routes,
    "/users/profile/update",
    of="/users/profile",
    name="update_profile",
    methods=["PATCH"],
)
@routes.route("/auth/profile", methods=["PATCH"])
@routes.route("/users/profile", methods=["PATCH"])
@guard()
@routes.arguments(voucher_schemas.AccountChanges())
@routes.response(200, voucher_schemas.AccountSchema())
def change_profile(body: UserChanges) -> Profile:
    """Change what is named of the signed-in user"""
    return voucher_profile.change_profile(actor().id, body)


@routes.route("/users/change-password", methods=["POST"])
@guard()
@routes.arguments(voucher_schemas.ChangePassword())
@routes.response(200, voucher_schemas.DoneMessageSchema())
@routes.refuses(429)
def change_password(body: dict[str, str]) -> dict[str, str]:
    """Change the password; every other session ends"""
    count_password_change()
    current = actor()
    voucher_profile.change_password(
        current.id,
        body["old_password"],
        body["new_password"],
        address=limited_address(),
        session_id=current.session_id,
    )
    return {"message": "The password is changed."}
