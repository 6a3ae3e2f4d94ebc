"""GET /api/business/promo/<id>/stat."""

import pytest

from ...support.people import make_user, sign_in
from ...support.promos import activate, assert_refused, new_user, publish

pytestmark = pytest.mark.both_databases


def _statistics(company, promo_id):
    answer = company.get(f"/api/business/promo/{promo_id}/stat")
    assert answer.status_code == 200
    return answer.json


def _from(client, country):
    return new_user(client, other={"age": 30, "country": country})


@pytest.mark.parametrize("mode", ["COMMON", "UNIQUE"])
def test_a_promo_that_nobody_activated_has_no_countries(mode, company):
    assert _statistics(company, publish(company, mode=mode)) == {
        "activations_count": 0,
        "countries": [],
    }


def test_activations_are_counted_by_country_in_lower_case_and_alphabetical_order(client, company):
    promo_id = publish(company)
    for country in ("US", "de", "fr", "De", "us", "AT", "dE"):
        activate(_from(client, country), promo_id)

    assert _statistics(company, promo_id) == {
        "activations_count": 7,
        "countries": [
            {"country": "at", "activations_count": 1},
            {"country": "de", "activations_count": 3},
            {"country": "fr", "activations_count": 1},
            {"country": "us", "activations_count": 2},
        ],
    }


@pytest.mark.parametrize("mode", ["COMMON", "UNIQUE"])
def test_every_activation_of_one_user_counts(mode, client, company):
    promo_id, user = publish(company, mode=mode), _from(client, "fr")
    for _ in range(3):
        activate(user, promo_id)

    assert _statistics(company, promo_id) == {
        "activations_count": 3,
        "countries": [{"country": "fr", "activations_count": 3}],
    }


def test_a_country_is_that_of_the_user_at_the_activation(client, company):
    promo_id, user = publish(company), _from(client, "fr")
    activate(user, promo_id)
    assert (
        user.patch("/api/user/profile", json={"other": {"age": 31, "country": "US"}}).status_code
        == 200
    )
    before = _statistics(company, promo_id)
    activate(user, promo_id)

    assert before == {
        "activations_count": 1,
        "countries": [{"country": "fr", "activations_count": 1}],
    }
    assert _statistics(company, promo_id) == {
        "activations_count": 2,
        "countries": [
            {"country": "fr", "activations_count": 1},
            {"country": "us", "activations_count": 1},
        ],
    }


def test_a_user_of_unknown_country_counts_without_one(client, company):
    promo_id = publish(company)
    activate(sign_in(client, *make_user()), promo_id)
    activate(_from(client, "fr"), promo_id)

    assert _statistics(company, promo_id) == {
        "activations_count": 2,
        "countries": [{"country": "fr", "activations_count": 1}],
    }


def test_refused_activations_likes_and_other_promos_do_not_count(client, company):
    promo_id, other = publish(company, max_count=1), publish(company)
    user = _from(client, "fr")
    activate(user, promo_id)
    activate(user, other)

    assert_refused(user.post(f"/api/user/promo/{promo_id}/activate"), 403, "promo_inactive")
    assert user.post(f"/api/user/promo/{promo_id}/like").status_code == 200

    assert _statistics(company, promo_id) == {
        "activations_count": 1,
        "countries": [{"country": "fr", "activations_count": 1}],
    }


def test_a_change_of_the_promo_changes_no_statistics(client, company):
    promo_id = publish(company)
    activate(_from(client, "fr"), promo_id)
    before = _statistics(company, promo_id)

    assert (
        company.patch(
            f"/api/business/promo/{promo_id}",
            json={"target": {"country": "us"}, "max_count": 1, "active_until": "2020-01-01"},
        ).status_code
        == 200
    )

    assert _statistics(company, promo_id) == before
