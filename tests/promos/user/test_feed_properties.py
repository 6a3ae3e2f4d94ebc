"""The feed after anything that companies, users and the calendar may have done.

Its pages, order, totals and states are those of a plain list of promos.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coupon_management_flask.audit import rules
from coupon_management_flask.core import clock

from ...conftest import empty_tables
from ...support.people import make_user, sign_in
from ...support.promos import new_company, new_user, promo_body
from .shapes import page

FIRST_DAY = date(2025, 6, 15)
# Signed in so late in the year that the session outlasts every day that an example can reach.
LATE = "2025-12-01"
COUNTRIES = ["us", "FR"]
CATEGORIES = ["food", "Food", "ЁЛКА", "ёлка", "STRASSE", "straße"]


@dataclass
class Promo:
    """A promo as the contract describes it, without a database."""

    id: str
    terms: dict
    used: int = 0

    def fits(self, other):
        target = self.terms["target"]
        if "country" in target and (
            other is None or other["country"].casefold() != target["country"].casefold()
        ):
            return False
        if ("age_from" in target or "age_until" in target) and other is None:
            return False
        return other is None or target.get("age_from", 0) <= other["age"] <= target.get(
            "age_until", 100
        )

    def has(self, category):
        return category is None or category.casefold() in [
            one.casefold() for one in self.terms["target"].get("categories", [])
        ]

    def is_active(self, today):
        begins, ends = (self.terms.get(name) for name in ("active_from", "active_until"))
        return (
            (begins is None or begins <= today.isoformat())
            and (ends is None or today.isoformat() <= ends)
            and self.used < self.capacity
        )

    @property
    def capacity(self):
        return (
            self.terms["max_count"]
            if self.terms["mode"] == "COMMON"
            else len(self.terms["promo_unique"])
        )

    def takes(self, changes):
        """Return whether the promo with these changes is valid as a whole."""
        terms = {**self.terms, **changes}
        begins, ends = terms.get("active_from"), terms.get("active_until")
        in_order = begins is None or ends is None or begins <= ends
        return in_order and (
            terms["max_count"] >= self.used
            if terms["mode"] == "COMMON"
            else terms["max_count"] == 1
        )


@dataclass
class World:
    """The service, moved by HTTP, and beside it the model that is moved the same way."""

    client: object
    set_day: object
    company: object = None
    users: list = field(default_factory=list)
    promos: list = field(default_factory=list)
    today: date = FIRST_DAY

    def begin(self, others):
        empty_tables()
        self.client.application.extensions.pop("feed_day", None)
        self.set_day(date.fromisoformat(LATE))
        self.company, self.promos, self.today = new_company(self.client), [], FIRST_DAY
        elsewhere = sign_in(self.client, *make_user())
        self.users = [
            (elsewhere, None),
            *((new_user(self.client, other=other), other) for other in others),
        ]
        self.set_day(self.today)

    def publish(self, terms):
        answer = self.company.post("/api/business/promo", json=terms)
        if not Promo("", terms).takes({}):
            assert answer.status_code == 400
            return
        assert answer.status_code == 201, answer.json
        self.promos.append(Promo(answer.json["id"], terms))

    def change(self, number, changes):
        if not self.promos:
            return
        promo = self.promos[number % len(self.promos)]
        answer = self.company.patch(f"/api/business/promo/{promo.id}", json=changes)
        if not promo.takes(changes):
            assert answer.status_code == 400
            return
        promo.terms = {**promo.terms, **changes}
        assert (answer.status_code, answer.json["active"]) == (200, promo.is_active(self.today)), (
            answer.json
        )

    def activate(self, number, user_number):
        if not self.promos:
            return
        promo = self.promos[number % len(self.promos)]
        user, other = self.users[user_number % len(self.users)]
        may = promo.is_active(self.today) and promo.fits(other)
        assert user.post(f"/api/user/promo/{promo.id}/activate").status_code == (
            200 if may else 403
        )
        promo.used += may

    def move(self, days):
        self.today += timedelta(days=days)
        self.set_day(self.today)
        self.look(0, None, True, 10, 0)

    def look(self, user_number, category, active, limit, offset):
        """Check that a page of the feed is what the model says."""
        user, other = self.users[user_number % len(self.users)]
        fitting = [
            promo for promo in reversed(self.promos) if promo.fits(other) and promo.has(category)
        ]
        found = [
            promo for promo in fitting if active is None or promo.is_active(self.today) is active
        ]
        query = {
            "limit": limit,
            "offset": offset,
            "category": category,
            "active": None if active is None else str(active).lower(),
        }
        answer = user.get(
            "/api/user/feed",
            query_string={name: value for name, value in query.items() if value is not None},
        )
        expected = found[offset : offset + limit]
        assert page(answer) == (len(found), [promo.id for promo in expected])
        assert [item["active"] for item in answer.json] == [
            promo.is_active(self.today) for promo in expected
        ]

    def look_at_everything(self):
        for user_number in range(len(self.users)):
            for category in (None, *CATEGORIES, "another"):
                for active in (None, True, False):
                    self.look(user_number, category, active, 100, 0)


ages = st.sampled_from([0, 17, 18, 30, 63, 64, 100]) | st.integers(0, 100)
days = st.integers(-4, 4).map(lambda number: (FIRST_DAY + timedelta(days=number)).isoformat())
others = st.fixed_dictionaries({"age": ages, "country": st.sampled_from(["US", "us", "fr", "de"])})
max_counts = st.integers(0, 2)


@st.composite
def targets(draw):
    low, high = sorted([draw(ages), draw(ages)])
    whole = {
        "age_from": st.just(low),
        "age_until": st.just(high),
        "country": st.sampled_from(COUNTRIES),
        "categories": st.lists(st.sampled_from(CATEGORIES), max_size=3),
    }
    return draw(st.fixed_dictionaries({}, optional=whole))


windows = {"active_from": days, "active_until": days}
changed_windows = {name: day | st.none() for name, day in windows.items()}
common = st.fixed_dictionaries({"target": targets(), "max_count": max_counts}, optional=windows)
unique = st.fixed_dictionaries(
    {
        "target": targets(),
        "mode": st.just("UNIQUE"),
        "max_count": st.sampled_from([1, 1, 1, 2]),
        "promo_unique": st.lists(st.just("same"), min_size=1, max_size=3),
    },
    optional=windows,
)
numbers = st.integers(0, 30)
operations = st.one_of(
    st.tuples(st.just(World.publish), (common | unique).map(lambda terms: promo_body(**terms))),
    st.tuples(
        st.just(World.change),
        numbers,
        st.fixed_dictionaries(
            {}, optional={"target": targets(), "max_count": max_counts, **changed_windows}
        ),
    ),
    st.tuples(st.just(World.activate), numbers, numbers),
    # Not back by one day: servers whose clocks differ do not undo each other's midnight.
    st.tuples(st.just(World.move), st.sampled_from([1, 1, 1, 2, 3, 6, -2, -3, -6])),
    st.tuples(
        st.just(World.look),
        numbers,
        st.sampled_from([None, *CATEGORIES]),
        st.sampled_from([None, True, False]),
        st.integers(0, 3),
        st.integers(0, 3),
    ),
)


@pytest.fixture
def world(configured_app, monkeypatch):
    # So many that nobody is ever refused for their number: days stand still between moves.
    client = configured_app(antifraud_max_per_minute=10_000).test_client()

    def set_day(day):
        monkeypatch.setattr(clock, "now", lambda: datetime.combine(day, time(12), UTC))

    return World(client, set_day)


@given(
    others=st.lists(others, min_size=2, max_size=3),
    steps=st.lists(operations, min_size=5, max_size=40),
)
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_the_feed_is_that_of_a_plain_list(others, steps, world):
    world.begin(others)

    for operation, *details in steps:
        operation(world, *details)

    world.look_at_everything()
    assert list(rules.discrepancies()) == []
