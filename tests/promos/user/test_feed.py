"""GET /api/user/feed."""

from dataclasses import replace
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest

from coupon_management_flask import create_app
from coupon_management_flask.db.session import db

from ...support.people import make_user, sign_in
from ...support.promos import activate, new_company, new_user, publish
from .shapes import page, refusal

pytestmark = pytest.mark.both_databases

PATH = "/api/user/feed"


def feed(user, **query):
    return page(user.get(PATH, query_string=query))


def test_the_feed_shows_promos_as_users_see_them(client, company, alice):
    plain = publish(company, mode="UNIQUE", description="Ten percent off")
    liked = publish(
        company, image_url="https://example.com/10.png", description="Twenty percent off"
    )
    alice.post(f"/api/user/promo/{liked}/like")
    alice.post(f"/api/user/promo/{liked}/comments", json={"text": "A comment of some length."})
    activate(alice, liked)

    answer = alice.get(PATH)

    same = {"company_id": company.id, "company_name": "Corner Shop", "active": True}
    assert (answer.status_code, answer.headers["X-Total-Count"]) == (200, "2")
    assert answer.json == [
        {
            "promo_id": liked,
            "description": "Twenty percent off",
            "image_url": "https://example.com/10.png",
            "is_activated_by_user": True,
            "like_count": 1,
            "is_liked_by_user": True,
            "comment_count": 1,
            **same,
        },
        {
            "promo_id": plain,
            "description": "Ten percent off",
            "is_activated_by_user": False,
            "like_count": 0,
            "is_liked_by_user": False,
            "comment_count": 0,
            **same,
        },
    ]


def test_promos_of_all_companies_stand_newest_first(client, company, alice):
    other = new_company(client)
    promos = [publish(owner) for owner in (company, other, company, other)]

    assert feed(alice) == (4, promos[::-1])


def test_a_changed_promo_keeps_its_place(company, alice):
    promos = [publish(company) for _ in range(3)]

    company.patch(
        f"/api/business/promo/{promos[0]}",
        json={"description": "Something quite new", "target": {"country": "us"}, "max_count": 99},
    )

    assert feed(alice) == (3, promos[::-1])


@pytest.mark.parametrize(
    ("target", "fits"),
    [
        ({}, [True, True, True]),
        ({"categories": ["food"]}, [True, True, True]),
        ({"categories": []}, [True, True, True]),
        ({"age_from": 30}, [True, True, False]),
        ({"age_from": 31}, [False, True, False]),
        ({"age_from": 50}, [False, True, False]),
        ({"age_from": 51}, [False, False, False]),
        ({"age_until": 50}, [True, True, False]),
        ({"age_until": 49}, [True, False, False]),
        ({"age_until": 30}, [True, False, False]),
        ({"age_until": 29}, [False, False, False]),
        ({"age_from": 30, "age_until": 30}, [True, False, False]),
        ({"age_from": 30, "age_until": 50}, [True, True, False]),
        ({"age_from": 31, "age_until": 49}, [False, False, False]),
        ({"age_from": 0, "age_until": 100}, [True, True, False]),
        ({"age_from": 0}, [True, True, False]),
        ({"age_until": 100}, [True, True, False]),
        ({"country": "us"}, [True, False, False]),
        ({"country": "US"}, [True, False, False]),
        ({"country": "Fr"}, [False, True, False]),
        ({"country": "de"}, [False, False, False]),
        ({"country": "US", "age_from": 31}, [False, False, False]),
        ({"country": "US", "age_until": 31}, [True, False, False]),
    ],
)
def test_a_promo_is_for_those_whose_age_and_country_fit(target, fits, company, client, alice, bob):
    """Alice is 30 and from the US, Bob is 50 and from France, of the third neither is known."""
    third = sign_in(client, *make_user(username="eve"))

    promo = publish(company, target=target)

    assert [feed(user) for user in (alice, bob, third)] == [
        (1, [promo]) if fit else (0, []) for fit in fits
    ]


@pytest.mark.parametrize("age", [0, 100])
def test_the_youngest_and_the_oldest_are_found(age, company, client):
    user = new_user(client, other={"age": age, "country": "us"})
    promos = [
        publish(company, target=target)
        for target in (
            {"age_from": age},
            {"age_until": age},
            {"age_from": age, "age_until": age},
            {"age_from": 1, "age_until": 99},
        )
    ]

    assert feed(user) == (3, promos[2::-1])


@pytest.mark.parametrize("country", ["us", "US", "uS"])
def test_a_country_has_no_case_on_either_side(country, company, client):
    promos = [publish(company, target={"country": written}) for written in ("us", "US", "Us")]

    assert feed(new_user(client, other={"age": 30, "country": country})) == (3, promos[::-1])


@pytest.mark.parametrize(
    ("category", "asked"),
    [
        ("food", "food"),
        ("Food", "fOOD"),
        ("ЕДА и напитки", "еда И НАПИТКИ"),
        ("ёлка", "ЁЛКА"),
        ("ΚΑΦΈΣ", "καφές"),
        ("Straße", "STRASSE"),
        ("ÅÄÖ", "åäö"),
        ("寿司", "寿司"),
        ("50% off_now", "50% OFF_NOW"),
        ("a,b & c=d", "A,B & C=D"),
        ('say "hi" \\o/', 'SAY "HI" \\O/'),
        ("x" * 20, "X" * 20),
    ],
)
def test_a_category_matches_without_case_in_every_script(category, asked, company, alice):
    publish(company, target={"categories": ["another"]})
    promo = publish(company, target={"categories": ["one more", category]})

    for text in (category, asked):
        assert page(alice.get(f"{PATH}?category={quote(text)}")) == (1, [promo])


@pytest.mark.parametrize(
    "asked",
    [
        "foo",
        "food ",
        " food",
        "seafood",
        "foo%",
        "f__d",
        "%",
        "*",
        "food,drink",
        "[",
        '"food"',
        "еда",
        "f",
        "x" * 21,
        "food\\",
    ],
)
def test_a_category_matches_as_a_whole_value_only(asked, company, alice):
    publish(company, target={"categories": ["food", "drink"]})

    assert feed(alice, category=asked) == (0, [])


def test_a_promo_has_all_of_its_categories_and_each_once(company, alice):
    promo = publish(company, target={"categories": ["food", "FOOD", "drink", "food"]})
    publish(company, target={"categories": []})
    publish(company)

    assert [feed(alice, category=category) for category in ("food", "drink")] == [(1, [promo])] * 2
    assert feed(alice)[0] == 3


def test_filters_and_targeting_all_hold_together(company, alice):
    terms = [
        {"target": {"categories": ["food"]}},
        {"target": {"categories": ["food"]}, "max_count": 0},
        {"target": {"categories": ["food"], "country": "fr"}},
        {"target": {"categories": ["drink"]}},
        {"target": {"categories": ["Food"], "age_from": 30, "country": "US"}},
    ]
    first, ended, _, drink, last = [publish(company, **one) for one in terms]

    assert feed(alice) == (4, [last, drink, ended, first])
    assert feed(alice, category="food") == (3, [last, ended, first])
    assert feed(alice, category="food", active="true") == (2, [last, first])
    assert feed(alice, category="food", active="false") == (1, [ended])
    assert feed(alice, category="drink", active="false") == (0, [])
    assert feed(alice, category="food", active="true", limit=1, offset=1) == (2, [first])


@pytest.mark.parametrize("query", ["active=yes", "category=%00", "active=true&limit=-1"])
def test_a_query_with_something_wrong_is_refused(query, company, alice):
    publish(company)

    assert refusal(alice.get(f"{PATH}?{query}")) == (400, "validation_error")


def test_a_new_target_counts_at_once(company, alice, bob):
    promo = publish(company, target={"country": "us", "categories": ["food"]})

    company.patch(
        f"/api/business/promo/{promo}", json={"target": {"age_from": 50, "categories": ["drink"]}}
    )

    assert [feed(alice), feed(bob), feed(bob, category="food"), feed(bob, category="drink")] == [
        (0, []),
        (1, [promo]),
        (0, []),
        (1, [promo]),
    ]


def test_a_refused_change_moves_nothing(company, alice, books):
    promo = publish(company, target={"country": "us", "categories": ["food"]})
    before = books()

    assert (
        company.patch(
            f"/api/business/promo/{promo}", json={"target": {"country": "fr"}, "max_count": -1}
        ).status_code
        == 400
    )

    assert feed(alice, category="food") == (1, [promo])
    assert books() == before


def states(user):
    """Return what the feed says without a filter and what the filters find, newest first."""
    shown = {item["promo_id"]: item["active"] for item in user.get(PATH).json}
    return shown, feed(user, active="true"), feed(user, active="false")


def consistent(*, active, inactive):
    """Return the same three for these promos."""
    shown = {promo: promo in active for promo in sorted([*active, *inactive], reverse=True)}
    return (
        shown,
        (len(active), sorted(active, reverse=True)),
        (len(inactive), sorted(inactive, reverse=True)),
    )


def test_exhausted_promos_are_inactive_and_active_again_with_a_higher_max_count(company, alice):
    common, unique = (
        publish(company, max_count=1),
        publish(company, mode="UNIQUE", promo_unique=["HELLO-1"]),
    )
    assert states(alice) == consistent(active=[common, unique], inactive=[])

    activate(alice, common)
    assert states(alice) == consistent(active=[unique], inactive=[common])
    activate(alice, unique)
    assert states(alice) == consistent(active=[], inactive=[common, unique])
    company.patch(f"/api/business/promo/{common}", json={"max_count": 2})
    assert states(alice) == consistent(active=[common], inactive=[unique])
    activate(alice, common)
    assert states(alice) == consistent(active=[], inactive=[common, unique])


WINDOWS = {
    "always": {},
    "from": {"active_from": "2025-06-15"},
    "until": {"active_until": "2025-06-17"},
    "both": {"active_from": "2025-06-15", "active_until": "2025-06-17"},
    "one day": {"active_from": "2025-06-16", "active_until": "2025-06-16"},
    "never": {"active_from": "2025-06-15", "active_until": "2025-06-17", "max_count": 0},
}
OPEN = {
    "2025-06-14T23:59:59.999999Z": {"always", "until"},
    "2025-06-15T00:00:00Z": {"always", "from", "until", "both"},
    "2025-06-16T12:00:00Z": {"always", "from", "until", "both", "one day"},
    "2025-06-17T23:59:59.999999Z": {"always", "from", "until", "both"},
    "2025-06-18T00:00:00Z": {"always", "from"},
}
MOMENTS = list(OPEN)


def assert_followed(moments, promos, user, now_is):
    for moment in moments:
        now_is(moment)
        active = {promos[name] for name in OPEN[moment]}
        assert states(user) == consistent(active=active, inactive=set(promos.values()) - active), (
            moment
        )


@pytest.mark.parametrize(
    "moments",
    [
        pytest.param(MOMENTS, id="day by day"),
        pytest.param([MOMENTS[0], MOMENTS[4]], id="over everything"),
        pytest.param([MOMENTS[4], MOMENTS[0]], id="back over everything"),
        pytest.param([MOMENTS[number] for number in (0, 3, 1, 4, 2, 0, 3)], id="to and fro"),
    ],
)
@pytest.mark.parametrize("published", [MOMENTS[0], MOMENTS[2], MOMENTS[4]])
def test_active_follows_the_clock_over_the_edges_of_windows(
    published, moments, company, alice, now_is
):
    now_is(published)
    promos = {name: publish(company, **window) for name, window in WINDOWS.items()}

    assert_followed(moments, promos, alice, now_is)


def test_a_window_that_is_moved_counts_at_once(company, alice, now_is):
    now_is("2025-06-15T12:00:00Z")
    promo = publish(company)
    path = f"/api/business/promo/{promo}"

    for change, active in (
        ({"active_from": "2025-06-16"}, False),
        ({"active_from": "2025-06-15"}, True),
        ({"active_until": "2025-06-15"}, True),
        ({"active_from": None, "active_until": "2025-06-14"}, False),
        ({"active_until": None}, True),
    ):
        assert company.patch(path, json=change).json["active"] is active
        assert states(alice) == (
            consistent(active=[promo], inactive=[])
            if active
            else consistent(active=[], inactive=[promo])
        ), change


@pytest.fixture
def another_server(app):
    """Start a second server on the same database, with some settings changed.

    It returns the caller who speaks to that server.
    """
    servers = []

    def start(caller, **changed):
        servers.append(create_app(replace(app.extensions["settings"], **changed)))
        return replace(caller, client=servers[-1].test_client())

    yield start
    for server in servers:
        with server.app_context():
            db.engine.dispose()


# Two servers never agree to the millisecond when midnight is. Nor does one with itself, between
# looking at the clock and committing.
BEFORE_MIDNIGHT, AFTER_MIDNIGHT = "2025-06-15T23:59:59.999Z", "2025-06-16T00:00:00.001Z"


def test_what_is_published_while_another_server_is_a_day_ahead_keeps_to_its_window(
    another_server, company, alice, now_is
):
    now_is(AFTER_MIDNIGHT)
    assert feed(another_server(alice)) == (0, [])
    now_is(BEFORE_MIDNIGHT)
    ending, beginning = (
        publish(company, active_until="2025-06-15"),
        publish(company, active_from="2025-06-16"),
    )

    now_is(AFTER_MIDNIGHT)

    assert states(alice) == consistent(active=[beginning], inactive=[ending])


def test_what_is_changed_while_another_server_is_a_day_ahead_keeps_to_its_window(
    another_server, company, alice, now_is
):
    now_is(BEFORE_MIDNIGHT)
    ending, beginning = publish(company), publish(company)
    now_is(AFTER_MIDNIGHT)
    assert feed(another_server(alice))[0] == 2
    now_is(BEFORE_MIDNIGHT)
    company.patch(f"/api/business/promo/{ending}", json={"active_until": "2025-06-15"})
    company.patch(f"/api/business/promo/{beginning}", json={"active_from": "2025-06-16"})

    now_is(AFTER_MIDNIGHT)

    assert states(alice) == consistent(active=[beginning], inactive=[ending])


def test_another_time_zone_counts_from_the_restart_on(another_server, company, alice, now_is):
    now_is("2025-06-15T12:00:00Z")
    today, tomorrow = (
        publish(company, active_from=day, active_until=day) for day in ("2025-06-15", "2025-06-16")
    )
    assert states(alice) == consistent(active=[today], inactive=[tomorrow])

    assert states(
        another_server(alice, promo_timezone=ZoneInfo("Pacific/Kiritimati"))
    ) == consistent(active=[tomorrow], inactive=[today])
    assert states(another_server(alice, promo_timezone=ZoneInfo("UTC"))) == consistent(
        active=[today], inactive=[tomorrow]
    )
