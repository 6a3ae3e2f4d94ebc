"""forms of text

Revision: 0013, after 0012, 2026-11-29 16:30:00

What people typed is brought into the forms by which it is compared from now on. The database says
which rows may have another form; printable ASCII mostly keeps its own. Python sees only those, ten
thousand at a time.

The forms stand here as they were when this was written. Those of `text/` may change, and history
must not change with them.
"""

import unicodedata
from collections import defaultdict

import idna
import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

ROWS = 10_000
EARLIER = "earlier:"

accounts = sa.table(
    "accounts",
    sa.column("id", sa.Uuid()),
    sa.column("created_at", sa.DateTime(timezone=True)),
    sa.column("kind", sa.Text()),
    sa.column("username", sa.Text()),
    sa.column("username_key", sa.Text()),
    sa.column("email", sa.Text()),
    sa.column("email_key", sa.Text()),
)
credit_coupons = sa.table(
    "credit_coupons",
    sa.column("id", sa.Uuid()),
    sa.column("created_at", sa.DateTime(timezone=True)),
    sa.column("hidden_code", sa.Text()),
    sa.column("hidden_code_key", sa.Text()),
)


def upgrade() -> None:
    _lock("accounts", "credit_coupons")
    for name in ("email", "username"):
        _rekey(accounts, name, _login, oldest_first=True)
    _rekey(credit_coupons, "hidden_code", _code)

    # It locks the table to the end, so that nobody numbers a code while they are numbered anew.
    op.add_column("email_coupons", sa.Column("mailed_to", sa.Text(), nullable=True))
    _unite_pairs()


def downgrade() -> None:
    """Bring back the keys that nobody else has meanwhile.

    Pairs that became one stay one, so every code that was given is still there. Mails that wait
    go to the form of their address.
    """
    _lock("accounts", "credit_coupons")
    for name in ("email", "username"):
        _rekey(accounts, name, _earlier_login)
    _rekey(credit_coupons, "hidden_code", _earlier_code)
    op.drop_column("email_coupons", "mailed_to")


def _is_postgresql():
    return op.get_bind().dialect.name == "postgresql"


def _lock(*tables):
    """Let nobody else write to these tables. They can be read, and people can sign in."""
    if _is_postgresql():
        op.execute(f"LOCK TABLE {', '.join(tables)} IN SHARE ROW EXCLUSIVE MODE")


# --- Keys of accounts and of hidden codes


def _rekey(table, name, form, *, oldest_first=False):
    """Give each row the form of its text for a key, unless another row has it.

    Rows of one form are not merged. With `oldest_first`, the oldest gets it, and the key of each
    other one is marked as an earlier spelling. Otherwise the row that has it keeps it, and each
    other one keeps its own key.
    """
    bind = op.get_bind()
    text, key = table.c[name], table.c[f"{name}_key"]
    kind = table.c.kind if "kind" in table.c else sa.literal("", sa.Text())
    rows = sa.select(
        table.c.id, table.c.created_at, kind.label("kind"), text.label("text"), key.label("key")
    )
    changing = defaultdict(list)
    for row in _pages(rows, table.c.id, sa.or_(_is_not_plain(text), key.like(f"{EARLIER}%"))):
        if form(row.text) != row.key:
            changing[row.kind, form(row.text)].append(row)
    ids = {row.id for group in changing.values() for row in group}
    for some in _slices(sorted({new for _, new in changing})):
        for row in bind.execute(rows.where(key.in_(some))):
            if row.id not in ids and (row.kind, row.key) in changing:
                changing[row.kind, row.key].append(row)
    moves = []
    for (_, new), group in changing.items():
        group.sort(key=lambda row: (not oldest_first and row.key != new, row.created_at, row.id))
        moves += [(group[0], new)]
        if oldest_first:
            moves += [(row, EARLIER + row.key.removeprefix(EARLIER)) for row in group[1:]]
    moves = [(row, new) for row, new in moves if row.key != new]
    update = (
        sa.update(table).where(table.c.id == sa.bindparam("row")).values({key: sa.bindparam("new")})
    )
    # One row may get the key that another gives up: those give theirs up first.
    given = {(row.kind, new) for row, new in moves}
    for some in _slices([row for row, _ in moves if (row.kind, row.key) in given]):
        bind.execute(update, [{"row": row.id, "new": f"moving:{row.id}"} for row in some])
    for some in _slices(moves):
        bind.execute(update, [{"row": row.id, "new": new} for row, new in some])


def _is_not_plain(text):
    """Return the condition that it has more than printable ASCII, or spaces around it."""
    if _is_postgresql():
        other = text.collate("C").regexp_match("[^ -~]")
    else:
        other = text.op("GLOB")("*[^ -~]*")
    return sa.or_(other, text != sa.func.trim(text))


def _pages(rows, by, condition):
    """Yield all rows of a condition in the order of a unique column, read a page at a time."""
    after = sa.true()
    while (
        page := op.get_bind().execute(rows.where(condition, after).order_by(by).limit(ROWS)).all()
    ):
        yield from page
        after = by > getattr(page[-1], by.name)


def _slices(items):
    return (items[start : start + ROWS] for start in range(0, len(items), ROWS))


# --- E-mail coupons


def _unite_pairs():
    """Have one pair for each mailbox and website, numbered anew, and unsubscribe mailboxes."""
    bind = op.get_bind()
    op.execute("CREATE TEMPORARY TABLE mailbox_forms (was TEXT PRIMARY KEY, form TEXT NOT NULL)")
    known = sa.table("mailbox_forms", sa.column("was", sa.Text()), sa.column("form", sa.Text()))
    for name in ("email_coupons", "unsubscribed_addresses"):
        email = sa.table(name, sa.column("email", sa.Text())).c.email
        may_change = sa.or_(
            _is_not_plain(email),
            email.like("%+%"),
            email.like("%.%@gmail.com"),
            email.like("%@googlemail.com"),
        )
        is_new = email.not_in(sa.select(known.c.was))
        addresses = _pages(sa.select(email).distinct(), email, sa.and_(may_change, is_new))
        forms = [{"was": row.email, "form": _without_tag(row.email)} for row in addresses]
        for some in _slices([one for one in forms if one["was"] != one["form"]]):
            bind.execute(sa.insert(known), some)
    for statement in _UNITE:
        op.execute(statement)


_UNITE = (
    # Where pairs become one, away from the numbers that there will be: no two rows may have one
    # even for a moment.
    """
    UPDATE email_coupons SET number = number + 1000000000 WHERE id IN (
        SELECT id FROM (
            SELECT coupon.id,
                min(coupon.email) OVER pair AS one, max(coupon.email) OVER pair AS other
            FROM email_coupons AS coupon
            LEFT JOIN mailbox_forms AS forms ON forms.was = coupon.email
            WHERE coupon.email IN (
                SELECT was FROM mailbox_forms UNION SELECT form FROM mailbox_forms
            )
            WINDOW pair AS (PARTITION BY coalesce(forms.form, coupon.email), coupon.website)
        ) AS pairs
        WHERE one <> other
    )
    """,
    """
    UPDATE email_coupons SET
        email = formed.form,
        mailed_to = CASE WHEN email_coupons.email <> formed.form THEN email_coupons.email END,
        number = CASE WHEN email_coupons.number > 1000000000 THEN formed.number
            ELSE email_coupons.number END
    FROM (
        SELECT coupon.id, coalesce(forms.form, coupon.email) AS form, row_number() OVER (
            PARTITION BY coalesce(forms.form, coupon.email), coupon.website
            ORDER BY coupon.created_at, coupon.id
        ) AS number
        FROM email_coupons AS coupon
        LEFT JOIN mailbox_forms AS forms ON forms.was = coupon.email
        WHERE forms.was IS NOT NULL OR coupon.number > 1000000000
    ) AS formed
    WHERE formed.id = email_coupons.id
    """,
    """
    INSERT INTO unsubscribed_addresses (email, created_at)
    SELECT forms.form, min(address.created_at)
    FROM unsubscribed_addresses AS address
    JOIN mailbox_forms AS forms ON forms.was = address.email
    WHERE true
    GROUP BY forms.form
    ON CONFLICT (email) DO NOTHING
    """,
    "DELETE FROM unsubscribed_addresses WHERE email IN (SELECT was FROM mailbox_forms)",
    "DROP TABLE mailbox_forms",
)


# --- The forms


_NO_GLYPH = frozenset({"Cc", "Cf", "Zl", "Zp"})
_BLANK = frozenset(
    map(
        chr,
        (
            *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5),
            *range(0x180B, 0x1810),
            *(0x2800, 0x3164, 0xFFA0),
            *range(0xFE00, 0xFE10),
            *range(0xE0100, 0xE01F0),
        ),
    )
)


def _trimmed(text):
    start, end = 0, len(text)
    while start < end and _is_invisible(text[start]):
        start += 1
    while start < end and _is_invisible(text[end - 1]):
        end -= 1
    return text[start:end]


def _is_invisible(character):
    category = unicodedata.category(character)
    return character.isspace() or category == "Zs" or category in _NO_GLYPH or character in _BLANK


def _composed(text):
    return unicodedata.normalize("NFC", text)


def _folded(text):
    return _composed(_composed(text).casefold())


_earlier_code = _folded


def _code(text):
    return _folded(_trimmed(text))


def _earlier_login(text):
    return text.strip().casefold()


def _login(text):
    return _mailbox(text) if "@" in text else _folded(_trimmed(text))


def _mailbox(text):
    local, at, domain = _trimmed(text).rpartition("@")
    return f"{_composed(_composed(local).lower())}{at}{_ascii(domain)}"


def _ascii(domain):
    if not domain.isascii():
        try:
            return idna.encode(domain, uts46=True).decode()
        except idna.IDNAError:
            pass
    return _composed(domain.lower())


def _without_tag(text):
    local, at, domain = _mailbox(text).rpartition("@")
    local = local.partition("+")[0] or local
    if domain in ("gmail.com", "googlemail.com"):
        local, domain = local.replace(".", "") or local, "gmail.com"
    return f"{local}{at}{domain}"
