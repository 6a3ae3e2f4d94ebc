"""What a role may do beyond its own things."""

from enum import StrEnum

from ..models import Role


class Permission(StrEnum):
    """An API key stores a list of these."""

    GET_COUPONS = "getCoupons"
    MANAGE_COUPONS = "manageCoupons"


PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.USER: frozenset({Permission.GET_COUPONS}),
    Role.ADMINISTRATOR: frozenset({Permission.GET_COUPONS, Permission.MANAGE_COUPONS}),
}
