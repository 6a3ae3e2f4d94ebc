"""POST and DELETE /api/user/promo/{id}/like."""

import pytest

from ...support.promos import publish

pytestmark = pytest.mark.both_databases

DONE = (200, {"status": "ok"})


@pytest.fixture
def promo(company):
    return publish(company)


def like(user, promo):
    answer = user.post(f"/api/user/promo/{promo}/like")
    return answer.status_code, answer.json


def unlike(user, promo):
    answer = user.delete(f"/api/user/promo/{promo}/like")
    return answer.status_code, answer.json


def likes(user, promo):
    seen = user.get(f"/api/user/promo/{promo}").json
    return seen["like_count"], seen["is_liked_by_user"]


def test_a_user_counts_once_however_often(promo, alice, company):
    assert [like(alice, promo) for _ in range(3)] == [DONE] * 3

    assert likes(alice, promo) == (1, True)
    assert company.get(f"/api/business/promo/{promo}").json["like_count"] == 1


def test_a_like_can_be_taken_back_any_number_of_times(promo, alice, bob):
    like(alice, promo)
    like(bob, promo)

    assert [unlike(alice, promo) for _ in range(3)] == [DONE] * 3

    assert [likes(alice, promo), likes(bob, promo)] == [(1, False), (1, True)]


def test_who_never_liked_may_take_it_back_and_takes_nobody_elses(promo, alice, bob, books):
    like(bob, promo)
    before = books()

    assert unlike(alice, promo) == DONE
    assert books() == before


def test_one_may_like_again(promo, alice):
    like(alice, promo)
    unlike(alice, promo)

    assert like(alice, promo) == DONE
    assert likes(alice, promo) == (1, True)


def test_a_like_is_of_one_promo(promo, company, alice):
    other = publish(company)

    like(alice, promo)

    assert likes(alice, other) == (0, False)


def test_a_body_is_ignored(promo, alice):
    assert alice.post(f"/api/user/promo/{promo}/like", data=b"{").status_code == 200
    assert alice.delete(f"/api/user/promo/{promo}/like", json={"id": 7}).status_code == 200


def test_the_feed_and_the_history_show_likes(promo, alice, bob):
    like(bob, promo)
    alice.post(f"/api/user/promo/{promo}/activate")

    for path in ("/api/user/feed", "/api/user/promo/history"):
        assert [
            (item["like_count"], item["is_liked_by_user"]) for item in alice.get(path).json
        ] == [(1, False)], path


@pytest.mark.parametrize(
    "terms",
    [
        {"max_count": 0},
        {"active_until": "2020-01-01"},
        {"target": {"country": "de"}},
        {"target": {"age_from": 100}},
    ],
)
def test_who_may_not_activate_may_like(terms, company, alice):
    promo = publish(company, **terms)
    assert alice.post(f"/api/user/promo/{promo}/activate").status_code == 403

    assert like(alice, promo) == DONE
    assert likes(alice, promo) == (1, True)
    assert unlike(alice, promo) == DONE
