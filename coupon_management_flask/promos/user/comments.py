"""Users discuss promos."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from ...core import clock
from ...db.dialects import rows_changed, table
from ...db.session import db, transaction
from ...models import Account, PromoComment, PromoCounter, new_id
from ..errors import CommentNotFound, NotYourComment, PromoNotFound
from . import counters


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment, and what is shown of its author."""

    id: UUID
    text: str
    created_at: datetime
    account_id: UUID
    name: str
    surname: str
    avatar_url: str | None


@dataclass(frozen=True, slots=True)
class CommentPage:
    comments: list[Comment]
    total: int


_SELECT = sa.select(
    PromoComment.id,
    PromoComment.text,
    PromoComment.created_at,
    PromoComment.account_id,
    Account.name,
    Account.surname,
    Account.avatar_url,
).join(Account, Account.id == PromoComment.account_id)


def comment(account_id: UUID, promo_id: UUID, text: str) -> Comment:
    """Write a comment on a promo.

    Raises: PromoNotFound.
    """
    counters.check_exists(promo_id)
    comment_id = new_id()
    with transaction():
        db.session.execute(
            sa.insert(table(PromoComment)).values(
                id=comment_id,
                promo_id=promo_id,
                account_id=account_id,
                text=text,
                created_at=clock.now(),
            )
        )
        counters.add(promo_id, comments=1)
        return read_comment(promo_id, comment_id)


def read_comment(promo_id: UUID, comment_id: UUID) -> Comment:
    """Return a comment on this promo.

    Raises: PromoNotFound; CommentNotFound, for a comment on another promo too.
    """
    found = db.session.execute(
        _SELECT.where(PromoComment.id == comment_id, PromoComment.promo_id == promo_id)
    ).one_or_none()
    if found is None:
        counters.check_exists(promo_id)
        raise CommentNotFound
    return Comment(*found)


def list_comments(promo_id: UUID, *, limit: int, offset: int) -> CommentPage:
    """Return a page of a promo's comments, newest first.

    Raises: PromoNotFound.
    """
    total = db.session.scalar(
        sa.select(PromoCounter.comments).where(PromoCounter.promo_id == promo_id)
    )
    if total is None:
        raise PromoNotFound
    page = _SELECT.where(PromoComment.promo_id == promo_id).order_by(
        PromoComment.created_at.desc(), PromoComment.id.desc()
    )
    rows = db.session.execute(page.limit(limit).offset(offset))
    return CommentPage([Comment(*row) for row in rows], total)


def edit_comment(account_id: UUID, promo_id: UUID, comment_id: UUID, text: str) -> Comment:
    """Change the text of one's own comment. Its date and place stay.

    Raises: PromoNotFound, CommentNotFound, NotYourComment.
    """
    _check_own(account_id, promo_id, comment_id)
    with transaction():
        db.session.execute(
            sa.update(PromoComment)
            .where(PromoComment.id == comment_id)
            .values(text=text)
            .execution_options(synchronize_session=False)
        )
        return read_comment(promo_id, comment_id)


def delete_comment(account_id: UUID, promo_id: UUID, comment_id: UUID) -> None:
    """Delete one's own comment.

    Raises: PromoNotFound, CommentNotFound, NotYourComment.
    """
    _check_own(account_id, promo_id, comment_id)
    with transaction():
        deleted = db.session.execute(
            sa.delete(PromoComment)
            .where(PromoComment.id == comment_id)
            .execution_options(synchronize_session=False)
        )
        # Somebody may have deleted it since it was looked at.
        if not rows_changed(deleted):
            raise CommentNotFound
        counters.add(promo_id, comments=-1)


def _check_own(account_id: UUID, promo_id: UUID, comment_id: UUID) -> None:
    if read_comment(promo_id, comment_id).account_id != account_id:
        raise NotYourComment
