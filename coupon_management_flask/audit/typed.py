"""What people typed before it had one form, and what met in that form at an upgrade.

It is found by its earlier text, and so nothing is wrong.
"""

from collections.abc import Iterator

import sqlalchemy as sa

from ..db.dialects import is_postgresql
from ..db.session import db
from ..models import Account, CreditCoupon
from ..text import codes, usernames


def notes() -> Iterator[str]:
    """Give a sentence for each account and hidden code that is found by its earlier text alone."""
    yield from _accounts()
    yield from _hidden_codes()


def _accounts() -> Iterator[str]:
    columns = ((Account.email, Account.email_key), (Account.username, Account.username_key))
    is_earlier = sa.or_(*(key.startswith(usernames.EARLIER) for _, key in columns))
    rows = db.session.execute(
        sa.select(Account.id, Account.kind, Account.email, Account.username)
        .where(is_earlier)
        .order_by(Account.id)
    )
    for account_id, kind, email, username in rows.all():
        form = usernames.comparable(email or username or "")
        older = db.session.scalar(
            sa.select(Account.id).where(
                Account.kind == kind,
                sa.or_(Account.email_key == form, Account.username_key == form),
            )
        )
        yield (
            f"note: account {account_id}: its name is that of the older account {older} now;"
            " it signs in with its name as it was typed then"
        )


def _hidden_codes() -> Iterator[str]:
    code, key = CreditCoupon.hidden_code, CreditCoupon.hidden_code_key
    # Printable ASCII without spaces around it has its form.
    has_more = (
        key.collate("C").regexp_match("[^ -~]") if is_postgresql() else key.op("GLOB")("*[^ -~]*")
    )
    rows = db.session.execute(
        sa.select(CreditCoupon.id, code, key)
        .where(sa.or_(has_more, key != sa.func.trim(key)))
        .order_by(CreditCoupon.id)
    )
    for coupon_id, hidden_code, stored in rows:
        if codes.comparable(hidden_code) != stored:
            yield (
                f"note: credit coupon {coupon_id}: without the white space around it, its hidden"
                " code would be another coupon's; it is found with it"
            )
