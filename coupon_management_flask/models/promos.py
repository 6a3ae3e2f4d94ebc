"""Companies' promos, what people did with them, and what keeps lists over millions fast."""

from datetime import date, datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from ..db.session import Model
from .columns import AccountId, CreatedAt, Id, is_among, where
from .kinds import AntifraudAnswer, PromoMode


class Promo(Model):
    """A company's offer: a window of days, a target, and a stock of activations.

    `country` and `categories` stand as they were written, `country_key` ("" = any) as it is
    compared. `version` rises with every change of the terms. `is_active` says whether the promo
    counted as active when that last changed. Only the feed goes by it (promos/feed).
    """

    __tablename__ = "promos"

    id: Mapped[Id]
    company_id: Mapped[AccountId]
    description: Mapped[str]
    image_url: Mapped[str | None]
    mode: Mapped[PromoMode]
    promo_common: Mapped[str | None]
    max_count: Mapped[int] = mapped_column(sa.BigInteger)
    stock_id: Mapped[UUID] = mapped_column(sa.Uuid, sa.ForeignKey("stocks.id"), unique=True)
    active_from: Mapped[date | None]
    active_until: Mapped[date | None]
    age_from: Mapped[int | None]
    age_until: Mapped[int | None]
    country: Mapped[str | None]
    country_key: Mapped[str]
    categories: Mapped[list[str] | None] = mapped_column(sa.JSON(none_as_null=True))
    version: Mapped[int] = mapped_column(default=1)
    is_active: Mapped[bool]
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        sa.CheckConstraint(is_among("mode", PromoMode), name="mode"),
        sa.CheckConstraint("(mode = 'COMMON') = (promo_common IS NOT NULL)", name="common_value"),
        # A company's list in each of its orders: one look for each country that the company has
        # promos for. They are read backwards: the newest first, the latest date first.
        sa.Index("ix_promos_company_newest", "company_id", "country_key", "id"),
        sa.Index("ix_promos_company_until", "company_id", "country_key", "active_until", "id"),
        # SQLite can't say where nulls go in an index (they come first there), and sorts a company's
        # promos in memory.
        sa.Index(
            "ix_promos_company_from",
            "company_id",
            "country_key",
            sa.text("active_from NULLS FIRST"),
            "id",
        ).ddl_if(dialect="postgresql"),
        # Promos whose window opens or closes on a day.
        sa.Index(
            "ix_promos_active_from",
            "active_from",
            postgresql_where=sa.text("active_from IS NOT NULL"),
        ),
        sa.Index(
            "ix_promos_active_until",
            "active_until",
            postgresql_where=sa.text("active_until IS NOT NULL"),
        ),
    )


class PromoValue(Model):
    """One entry of a UNIQUE promo, in the company's order.

    The n-th activation gets the n-th entry. `redemption_id` is the activation that got it.
    """

    __tablename__ = "promo_values"

    promo_id: Mapped[UUID] = mapped_column(sa.Uuid, sa.ForeignKey("promos.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    value: Mapped[str]
    redemption_id: Mapped[UUID | None] = mapped_column(sa.Uuid, unique=True)


class PromoCounter(Model):
    """How many likes and comments a promo has.

    A narrow row of its own, because it changes often and the terms seldom do.
    """

    __tablename__ = "promo_counters"

    promo_id: Mapped[UUID] = mapped_column(sa.Uuid, sa.ForeignKey("promos.id"), primary_key=True)
    likes: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    comments: Mapped[int] = mapped_column(sa.BigInteger, default=0)

    __table_args__ = (
        sa.CheckConstraint("likes >= 0", name="likes_not_negative"),
        sa.CheckConstraint("comments >= 0", name="comments_not_negative"),
    )


class PromoLike(Model):
    __tablename__ = "promo_likes"

    promo_id: Mapped[UUID] = mapped_column(sa.Uuid, sa.ForeignKey("promos.id"), primary_key=True)
    account_id: Mapped[AccountId] = mapped_column(primary_key=True)


class PromoComment(Model):
    __tablename__ = "promo_comments"

    id: Mapped[Id]
    promo_id: Mapped[UUID] = mapped_column(sa.Uuid, sa.ForeignKey("promos.id"))
    account_id: Mapped[AccountId]
    text: Mapped[str]
    created_at: Mapped[CreatedAt]

    __table_args__ = (sa.Index(None, "promo_id", "created_at", "id"),)


class PromoCountryCount(Model):
    """How many activations came from a country (lower-case)."""

    __tablename__ = "promo_country_counts"

    promo_id: Mapped[UUID] = mapped_column(sa.Uuid, sa.ForeignKey("promos.id"), primary_key=True)
    country: Mapped[str] = mapped_column(primary_key=True)
    activations: Mapped[int] = mapped_column(sa.BigInteger)


class CompanyPromoCount(Model):
    """How many promos a company has for a target country ("" = any)."""

    __tablename__ = "company_promo_counts"

    company_id: Mapped[AccountId] = mapped_column(primary_key=True)
    country_key: Mapped[str] = mapped_column(primary_key=True)
    promos: Mapped[int] = mapped_column(sa.BigInteger)

    __table_args__ = (sa.CheckConstraint("promos >= 0", name="promos_not_negative"),)


class FeedEntry(Model):
    """Where the feed finds a promo.

    There is a row for each of its categories, and "" for readers who ask for none, with each node
    of ages that the promo covers.
    """

    __tablename__ = "feed_entries"

    promo_id: Mapped[UUID] = mapped_column(sa.Uuid, sa.ForeignKey("promos.id"), primary_key=True)
    category_key: Mapped[str] = mapped_column(primary_key=True)
    age_node: Mapped[int] = mapped_column(sa.SmallInteger, primary_key=True, autoincrement=False)
    country_key: Mapped[str]
    is_active: Mapped[bool]

    __table_args__ = (
        sa.Index(
            "ix_feed_entries_search",
            "category_key",
            "country_key",
            "age_node",
            "is_active",
            "promo_id",
        ),
        sa.Index(
            "ix_feed_entries_any_state", "category_key", "country_key", "age_node", "promo_id"
        ),
    )


class FeedCount(Model):
    """How many entries the feed has under a key. X-Total-Count is the sum of a few of these."""

    __tablename__ = "feed_counts"

    category_key: Mapped[str] = mapped_column(primary_key=True)
    country_key: Mapped[str] = mapped_column(primary_key=True)
    age_node: Mapped[int] = mapped_column(sa.SmallInteger, primary_key=True, autoincrement=False)
    is_active: Mapped[bool] = mapped_column(primary_key=True)
    promos: Mapped[int] = mapped_column(sa.BigInteger)

    __table_args__ = (sa.CheckConstraint("promos >= 0", name="promos_not_negative"),)


class FeedDay(Model):
    """The day for which the feed's states hold. There is one row."""

    __tablename__ = "feed_day"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    day: Mapped[date]
    timezone: Mapped[str]


class AntifraudVerdict(Model):
    """What the antifraud service said about a user, and until when. Used without Redis."""

    __tablename__ = "antifraud_verdicts"

    account_id: Mapped[AccountId] = mapped_column(primary_key=True)
    ok: Mapped[bool]
    valid_until: Mapped[datetime] = mapped_column(index=True)


class AntifraudQuestion(Model):
    """A question to the antifraud service, open while `answer` is null.

    A user has at most one open question. Activations at the same moment share its answer.
    """

    __tablename__ = "antifraud_questions"

    id: Mapped[Id]
    account_id: Mapped[AccountId]
    leased_until: Mapped[datetime] = mapped_column(index=True)
    answer: Mapped[AntifraudAnswer | None]

    __table_args__ = (
        sa.Index(
            "uq_antifraud_questions_open", "account_id", unique=True, **where("answer IS NULL")
        ),
        sa.CheckConstraint(is_among("answer", AntifraudAnswer), name="answer"),
    )
