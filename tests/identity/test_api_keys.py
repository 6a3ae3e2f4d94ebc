"""identity/api_keys.py: how servers sign in, and what their keys may do."""

import hashlib
from datetime import timedelta

import pytest
import sqlalchemy as sa

from coupon_management_flask.core import errors
from coupon_management_flask.db.session import db
from coupon_management_flask.identity import accounts, api_keys
from coupon_management_flask.models import ApiKey

from .making import create_user, disable

DAY = timedelta(days=1)


def test_an_api_key_says_which_service_asks_and_what_it_may(app):
    api_key = api_keys.create_api_key(
        "Checkout", ["manageCoupons", "getCoupons", "getCoupons"], DAY
    )

    identity, permissions = api_keys.api_key_owner(api_key)

    assert (identity.kind, identity.username, identity.name, identity.role) == (
        "service",
        "Checkout",
        "Checkout",
        "user",
    )
    assert permissions == {"getCoupons", "manageCoupons"}
    assert api_keys.api_key_owner(api_keys.create_api_key("Checkout", ["getCoupons"], DAY))[1] == {
        "getCoupons"
    }


def test_an_api_key_is_stored_as_a_digest_alone(app, time):
    api_key = api_keys.create_api_key("checkout", ["getCoupons"], DAY)

    row = db.session.execute(sa.select(ApiKey.__table__)).one()
    assert row._asdict() == {
        "id": row.id,
        "account_id": accounts.find("checkout", "service").id,
        "digest": hashlib.sha256(api_key.encode()).hexdigest(),
        "permissions": ["getCoupons"],
        "created_at": time.moment,
        "expires_at": time.moment + DAY,
        "revoked_at": None,
    }


def test_api_keys_are_long_and_never_the_same(app):
    keys = {api_keys.create_api_key("checkout", ["getCoupons"], DAY) for _ in range(5)}

    assert len(keys) == 5
    # "ck_" and 256 bits in base64url.
    assert all(key.startswith("ck_") and len(key) == 46 for key in keys)


@pytest.mark.parametrize("permissions", [[], ["getCoupons", "flyToTheMoon"]])
def test_an_api_key_without_permissions_or_with_unknown_ones_is_invalid(app, books, permissions):
    before = books()
    with pytest.raises(errors.Invalid) as refused:
        api_keys.create_api_key("checkout", permissions, DAY)
    assert refused.value.fields == {"permissions": ["Choose from getCoupons, manageCoupons."]}
    assert books() == before
    assert db.session.scalar(sa.select(sa.func.count()).select_from(ApiKey)) == 0


def test_keys_of_one_service_are_one_account(app):
    keys = [
        api_keys.create_api_key(service, ["getCoupons"], DAY)
        for service in ("checkout", "Checkout", "other")
    ]

    first, second, other = (api_keys.api_key_owner(key)[0].id for key in keys)
    assert first == second != other


@pytest.mark.parametrize("key", ["", "ck_", "ck_" + "A" * 43])
def test_an_unknown_api_key_is_an_invalid_token(app, key):
    api_keys.create_api_key("checkout", ["getCoupons"], DAY)

    with pytest.raises(errors.InvalidToken):
        api_keys.api_key_owner(key)


def test_the_digest_of_an_api_key_opens_nothing(app):
    api_keys.create_api_key("checkout", ["getCoupons"], DAY)

    with pytest.raises(errors.InvalidToken):
        api_keys.api_key_owner(db.session.scalar(sa.select(ApiKey.digest)))


def test_an_api_key_ends_when_its_lifetime_is_over(app, time):
    api_key = api_keys.create_api_key("checkout", ["getCoupons"], timedelta(days=30))

    time.passes(days=30, microseconds=-1)
    api_keys.api_key_owner(api_key)
    time.passes(microseconds=1)
    with pytest.raises(errors.InvalidToken):
        api_keys.api_key_owner(api_key)


def test_an_api_key_of_a_disabled_service_is_an_invalid_token(app):
    api_key = api_keys.create_api_key("checkout", ["getCoupons"], DAY)
    disable(accounts.find("checkout", "service").id)

    with pytest.raises(errors.InvalidToken):
        api_keys.api_key_owner(api_key)


def test_revoking_ends_all_keys_of_a_service_and_of_no_other(app):
    ended = [api_keys.create_api_key("checkout", ["getCoupons"], DAY) for _ in range(2)]
    other = api_keys.create_api_key("other", ["getCoupons"], DAY)

    assert api_keys.revoke_api_keys("CHECKOUT") == 2

    for api_key in ended:
        with pytest.raises(errors.InvalidToken):
            api_keys.api_key_owner(api_key)
    api_keys.api_key_owner(other)
    assert api_keys.revoke_api_keys("checkout") == 0


def test_a_new_key_takes_over_where_the_revoked_one_left_off(app):
    old = api_keys.api_key_owner(api_keys.create_api_key("checkout", ["getCoupons"], DAY))[0]
    api_keys.revoke_api_keys("checkout")

    assert (
        api_keys.api_key_owner(api_keys.create_api_key("checkout", ["getCoupons"], DAY))[0] == old
    )


def test_there_is_nothing_to_revoke_of_an_unknown_service(app):
    create_user(username="checkout")

    with pytest.raises(errors.NotFound):
        api_keys.revoke_api_keys("checkout")
