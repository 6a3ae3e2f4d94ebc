"""GET /api/business/promo."""

from uuid import UUID

import pytest
import sqlalchemy as sa

from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.models import CompanyPromoCount, Promo, PromoCounter, Stock, new_id

from ...support.promos import activate, assert_invalid, new_user, publish

pytestmark = pytest.mark.both_databases

PATH = "/api/business/promo"


def _ids(company, query=""):
    answer = company.get(f"{PATH}?{query}")
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return [promo["promo_id"] for promo in answer.json]


def _total(company, query=""):
    return company.get(f"{PATH}?{query}").headers["X-Total-Count"]


@pytest.fixture
def three(company):
    """The ids of three promos, in the order in which they were published."""
    return [publish(company, description=f"Number {number} of the list") for number in range(3)]


def test_a_company_without_promos_gets_an_empty_list(company, rival):
    publish(rival)

    answer = company.get(PATH)

    assert (answer.status_code, answer.json, answer.headers["X-Total-Count"]) == (200, [], "0")


def test_the_list_holds_ones_own_promos_as_each_is_read(client, company, rival):
    ids = [
        publish(company),
        publish(company, mode="UNIQUE"),
        publish(
            company,
            target={"country": "Fr"},
            image_url="https://example.com",
            active_from="2020-01-01",
        ),
    ]
    publish(rival)
    for promo_id in ids[:2]:
        activate(new_user(client), promo_id)

    answer = company.get(PATH)

    assert answer.json == [company.get(f"{PATH}/{promo_id}").json for promo_id in reversed(ids)]
    assert answer.headers["X-Total-Count"] == "3"


def test_the_newest_is_first(company, three):
    assert _ids(company) == three[::-1]


def test_a_change_moves_nothing(company, three):
    company.patch(f"{PATH}/{three[0]}", json={"description": "Changed after the others"})

    assert _ids(company) == three[::-1]


# Days as they are published; the order, by their numbers, in which they are listed.
@pytest.mark.parametrize(
    ("sort_by", "days", "order"),
    [
        ("active_from", ["2025-02-01", None, "2025-03-01", "2024-12-31", None], [2, 0, 3, 4, 1]),
        ("active_until", ["2025-02-01", None, "2025-03-01", "2024-12-31", None], [4, 1, 2, 0, 3]),
        ("active_from", ["2025-02-01", "2025-02-01", "2025-02-01"], [2, 1, 0]),
        ("active_until", ["2025-02-01", "2025-02-01", "2025-02-01"], [2, 1, 0]),
        ("active_from", [None, None, "0001-01-01"], [2, 1, 0]),
        ("active_until", ["9999-12-31", None, None, "9999-12-31"], [2, 1, 3, 0]),
        ("active_from", ["0900-01-01", "1000-01-01", "9999-12-31"], [2, 1, 0]),
    ],
)
def test_a_list_by_a_date_is_descending_and_of_equals_the_newest_is_first(
    sort_by, days, order, company
):
    # Of more than one target country, for the list is put together from them.
    countries = [{}, {"country": "de"}, {"country": "FR"}]
    ids = [
        publish(company, target=countries[number % 3], **({} if day is None else {sort_by: day}))
        for number, day in enumerate(days)
    ]

    expected = [ids[number] for number in order]
    assert _ids(company, f"sort_by={sort_by}") == expected
    assert [
        promo_id
        for offset in range(0, len(ids), 2)
        for promo_id in _ids(company, f"sort_by={sort_by}&limit=2&offset={offset}")
    ] == expected


def test_a_list_by_one_date_does_not_look_at_the_other(company):
    first = publish(company, active_from="2025-01-01", active_until="2025-12-31")
    second = publish(company, active_from="2025-02-01", active_until="2025-11-30")

    assert _ids(company, "sort_by=active_from") == [second, first]
    assert _ids(company, "sort_by=active_until") == [first, second]


@pytest.fixture
def by_country(company):
    """A promo for each of some countries, by the country as it was written.

    None is for everybody.
    """
    return {
        country: publish(
            company, target={} if country is None else {"country": country, "age_from": 18}
        )
        for country in (None, "ru", "FR", "us", "De")
    }


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("country=ru", [None, "ru"]),
        ("country=RU", [None, "ru"]),
        ("country=rU", [None, "ru"]),
        ("country=fr", [None, "FR"]),
        ("country=dE", [None, "De"]),
        ("country=jp", [None]),
        ("country=ru,fr", [None, "ru", "FR"]),
        ("country=ru%2Cfr", [None, "ru", "FR"]),
        ("country=ru&country=us", [None, "ru", "us"]),
        ("country=ru,fr&country=us", [None, "ru", "FR", "us"]),
        ("country=ru,RU,ru&country=Ru", [None, "ru"]),
        ("country=jp,ru", [None, "ru"]),
        ("", [None, "ru", "FR", "us", "De"]),
    ],
)
def test_a_list_by_country_has_the_promos_for_it_and_those_for_every_country(
    query, found, company, by_country
):
    expected = [by_country[country] for country in reversed(found)]

    assert _ids(company, query) == expected
    assert _total(company, query) == str(len(expected))


def test_a_target_without_a_country_is_for_every_country(company):
    promo_id = publish(company, target={"age_from": 18, "categories": ["food"]})

    assert _ids(company, "country=fr") == [promo_id]


def test_a_list_by_country_follows_the_target(company, by_country):
    assert (
        company.patch(f"{PATH}/{by_country['ru']}", json={"target": {"country": "us"}}).status_code
        == 200
    )
    assert company.patch(f"{PATH}/{by_country['FR']}", json={"target": {}}).status_code == 200

    everywhere, russian, french, american = (
        by_country[country] for country in (None, "ru", "FR", "us")
    )
    assert _ids(company, "country=ru") == [french, everywhere]
    assert _ids(company, "country=us") == [american, french, russian, everywhere]
    assert [_total(company, query) for query in ("country=ru", "country=us", "")] == ["2", "4", "5"]


def test_a_list_by_country_and_date_is_paged_too(company):
    ids = [
        publish(company, target=target, active_from=f"2025-01-0{day}")
        for day, target in enumerate([{}, {"country": "fr"}, {"country": "us"}, {}], start=1)
    ]

    assert _ids(company, "country=fr&sort_by=active_from") == [ids[3], ids[1], ids[0]]
    assert _ids(company, "country=fr&sort_by=active_from&limit=1&offset=1") == [ids[1]]
    assert _total(company, "country=fr&sort_by=active_from&limit=1&offset=1") == "3"


@pytest.mark.parametrize(
    ("query", "page"),
    [
        ("limit=1", slice(0, 1)),
        ("limit=2", slice(0, 2)),
        ("limit=3", slice(0, 3)),
        ("limit=1000", slice(0, 3)),
        ("limit=1001", slice(0, 3)),
        ("limit=0", slice(0, 0)),
        ("limit=0&offset=1", slice(0, 0)),
        ("offset=0", slice(0, 3)),
        ("offset=1", slice(1, 3)),
        ("limit=1&offset=1", slice(1, 2)),
        ("limit=2&offset=2", slice(2, 3)),
        ("offset=3", slice(3, 3)),
        ("offset=1000000", slice(3, 3)),
        # Integers have no largest.
        (f"offset={10**15}", slice(3, 3)),
        (f"offset={2**63}", slice(3, 3)),
        (f"offset={10**30}", slice(3, 3)),
        (f"limit={10**30}", slice(0, 3)),
        ("page=2&per_page=1&unknown", slice(0, 3)),
    ],
)
def test_a_page_is_cut_from_the_list_and_the_total_is_that_of_all(query, page, company, three):
    assert _ids(company, query) == three[::-1][page]
    assert _total(company, query) == "3"


@pytest.mark.parametrize(
    ("query", "about"),
    [
        ("limit=%D9%A1", "limit"),
        ("offset=-1", "offset"),
        ("sort_by=description", "sort_by"),
        ("country=ru&country=zz", "country"),
    ],
)
def test_a_query_with_something_wrong_is_refused(query, about, company):
    assert_invalid(company.get(f"{PATH}?{query}"), about)


def _copy(promo_id, times):
    """Make as many more promos like that one, and return their ids.

    Publishing them one by one would take its time.
    """
    promo = (
        db.session.execute(sa.select(Promo.__table__).where(Promo.id == UUID(promo_id)))
        .one()
        ._asdict()
    )
    copies = [{**promo, "id": new_id(), "stock_id": new_id()} for _ in range(times)]
    with transaction():
        db.session.execute(
            sa.insert(Stock),
            [
                {"id": copy["stock_id"], "capacity": promo["max_count"], "claimed": 0}
                for copy in copies
            ],
        )
        db.session.execute(sa.insert(Promo), copies)
        db.session.execute(
            sa.insert(PromoCounter),
            [{"promo_id": copy["id"], "likes": 0, "comments": 0} for copy in copies],
        )
        db.session.execute(
            sa.update(CompanyPromoCount).values(promos=CompanyPromoCount.promos + times)
        )
    return [str(copy["id"]) for copy in copies]


# The copies are in no feed.
@pytest.mark.books_are_wrong
def test_a_page_has_10_unless_it_is_asked_for_more_and_never_more_than_1000(company):
    first = publish(company)
    newest_first = [first, *_copy(first, 1000)][::-1]

    assert _ids(company) == newest_first[:10]
    assert _ids(company, "limit=999") == newest_first[:999]
    assert _ids(company, "limit=1000") == newest_first[:1000]
    assert _ids(company, "limit=1001") == newest_first[:1000]
    assert _ids(company, "limit=1001&offset=999") == newest_first[999:]
    assert _total(company) == "1001"
