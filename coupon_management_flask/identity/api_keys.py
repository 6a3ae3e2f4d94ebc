"""API keys: how a server signs in, and what its key may do."""

from collections.abc import Iterable
from datetime import timedelta

import sqlalchemy as sa

from ..core import clock, errors
from ..db.dialects import rows_changed
from ..db.session import db, transaction
from ..db.statements import Prepared
from ..db.types import Moment
from ..models import Account, AccountKind, ApiKey
from .accounts import Identity, find, find_or_create_service
from .roles import Permission
from .tokens import digest_of, new_token

LONGEST = 255


def create_api_key(service: str, permissions: Iterable[str], lifetime: timedelta) -> str:
    """Return a new API key for the service of that name, which is created where it is new.

    The key is shown this once. Keys of one service act as one account, so that a new key takes
    over where the old one left off.

    Raises: Invalid for no permission, or for one that does not exist.
    """
    granted = sorted(set(permissions))
    if not granted or not set(granted) <= set(Permission):
        raise errors.Invalid({"permissions": [f"Choose from {', '.join(sorted(Permission))}."]})
    api_key = "ck_" + new_token()
    now = clock.now()
    with transaction():
        db.session.add(
            ApiKey(
                account_id=find_or_create_service(service),
                digest=digest_of(api_key),
                permissions=granted,
                created_at=now,
                expires_at=now + lifetime,
            )
        )
    return api_key


def revoke_api_keys(service: str) -> int:
    """End all keys of a service, and return how many there were.

    Raises: NotFound for an unknown service.
    """
    with transaction():
        account = find(service, AccountKind.SERVICE)
        if account is None:
            raise errors.NotFound
        revoked = db.session.execute(
            sa.update(ApiKey)
            .where(ApiKey.account_id == account.id, ApiKey.revoked_at.is_(None))
            .values(revoked_at=clock.now()),
            execution_options={"synchronize_session": False},
        )
        return rows_changed(revoked)


_OWNER = Prepared(
    "api_key_owner",
    sa.select(
        Account.id, Account.kind, Account.username, Account.name, Account.role, ApiKey.permissions
    )
    .join(ApiKey, ApiKey.account_id == Account.id)
    .where(
        ApiKey.digest == sa.bindparam("digest", type_=ApiKey.digest.type),
        ApiKey.revoked_at.is_(None),
        ApiKey.expires_at > sa.bindparam("now", type_=Moment),
        Account.is_active,
    ),
)


def api_key_owner(api_key: str) -> tuple[Identity, frozenset[str]]:
    """Return the service behind an API key, and what the key may do.

    Raises: InvalidApiKey for a key that is unknown, expired or revoked.
    """
    # No key is as long.
    if len(api_key) > LONGEST:
        raise errors.InvalidApiKey
    row = _OWNER.execute({"digest": digest_of(api_key), "now": clock.now()}).one_or_none()
    if row is None:
        raise errors.InvalidApiKey
    return Identity(row.id, row.kind, row.username, row.name, row.role), frozenset(row.permissions)
