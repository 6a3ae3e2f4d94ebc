"""Limit, offset and X-Total-Count: the same on every list of the user side."""

from uuid import UUID

import pytest
import sqlalchemy as sa

from coupon_management_flask.core import clock
from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.models import Account, PromoComment, PromoCounter, new_id

from ...support.promos import publish
from .shapes import page, refusal

# A query, and from where to where in a list of twelve its page goes.
PAGES = [
    ("", 0, 10),
    ("?limit=3", 0, 3),
    ("?limit=0", 0, 0),
    ("?limit=12", 0, 12),
    ("?limit=13", 0, 12),
    ("?limit=1001", 0, 12),
    ("?limit=1000000000000", 0, 12),
    ("?offset=3", 3, 12),
    ("?offset=0", 0, 10),
    ("?offset=2&limit=4", 2, 6),
    ("?offset=11&limit=4", 11, 12),
    ("?offset=12", 12, 12),
    ("?offset=1000000000000", 12, 12),
    ("?limit=0&offset=5", 0, 0),
    ("?limit=2&unknown=7", 0, 2),
]


@pytest.fixture(params=["feed", "history", "comments"])
def items(request, company, alice):
    """A list of twelve: its path, the name of its ids, and the ids.

    The ids are in the order in which the list gives them.
    """
    if request.param == "feed":
        return (
            "/api/user/feed",
            "promo_id",
            [publish(company, description=f"Promo number {number}") for number in range(12)][::-1],
        )
    if request.param == "history":
        promos = [publish(company) for _ in range(12)]
        for promo in promos:
            assert alice.post(f"/api/user/promo/{promo}/activate").status_code == 200
        return "/api/user/promo/history", "promo_id", promos[::-1]
    path = f"/api/user/promo/{publish(company)}/comments"
    return (
        path,
        "id",
        [
            alice.post(path, json={"text": f"Comment number {number}"}).json["id"]
            for number in range(12)
        ][::-1],
    )


def test_a_page_is_cut_by_limit_and_offset_and_the_total_is_that_of_all(items, alice):
    path, key, ids = items

    for query, first, after in PAGES:
        assert page(alice.get(path + query), key) == (12, ids[first:after]), query


def test_a_number_is_a_number_however_large(items, alice):
    path, key, ids = items

    assert page(alice.get(f"{path}?limit={10**20}"), key) == (12, ids)
    assert page(alice.get(f"{path}?offset={10**20}"), key) == (12, [])


@pytest.mark.parametrize("name", ["limit", "offset"])
def test_limit_and_offset_are_whole_numbers_of_at_least_0(name, items, alice):
    answer = alice.get(f"{items[0]}?{name}=-1")

    assert refusal(answer) == (400, "validation_error")
    assert name in answer.json["message"]


def test_an_empty_list_is_an_empty_array(alice, company):
    comments = f"/api/user/promo/{publish(company, target={'country': 'de'})}/comments"

    answers = [alice.get(path) for path in ("/api/user/feed", "/api/user/promo/history", comments)]

    assert [
        (answer.status_code, answer.json, answer.headers["X-Total-Count"]) for answer in answers
    ] == [(200, [], "0")] * 3


def test_a_page_has_at_most_1000_items(alice, company):
    promo = publish(company)
    author = db.session.scalar(sa.select(Account.id).where(Account.email == "alice@example.com"))
    row = {
        "promo_id": UUID(promo),
        "account_id": author,
        "text": "One of very many.",
        "created_at": clock.now(),
    }
    with transaction():
        db.session.execute(sa.insert(PromoComment), [{"id": new_id(), **row} for _ in range(1002)])
        db.session.execute(sa.update(PromoCounter).values(comments=1002))

    total, ids = page(alice.get(f"/api/user/promo/{promo}/comments?limit=1001&offset=1"), "id")

    assert (total, len(ids)) == (1002, 1000)
