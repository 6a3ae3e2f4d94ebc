"""PATCH /api/business/promo/<id>."""

import pytest

from ...support.promos import (
    activate,
    assert_invalid,
    assert_refused,
    new_user,
    promo_body,
    publish,
)
from .cases import RIGHT_TARGETS, RIGHT_TERMS

FULL = {
    "image_url": "https://example.com/tea.png",
    "target": {"age_from": 18, "age_until": 65, "country": "Fr", "categories": ["food", "tea"]},
    "active_from": "2025-03-10",
    "active_until": "9999-12-31",
}


@pytest.fixture
def path(company):
    """The path of a COMMON promo with all its terms."""
    return f"/api/business/promo/{publish(company, **FULL)}"


@pytest.fixture
def unique_path(company):
    return f"/api/business/promo/{publish(company, mode='UNIQUE')}"


def _change(company, path, **changes):
    """Change a promo and return how it is then, by the answer and by whoever reads it."""
    answer = company.patch(path, json=changes)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    assert company.get(path).json == answer.json
    return answer.json


def _without(promo, *names):
    return {name: value for name, value in promo.items() if name not in names}


@pytest.mark.parametrize(
    "changes",
    [
        {"description": "Twenty per cent off all tea"},
        {"image_url": "https://example.com/coffee.png"},
        {"target": {"country": "us"}},
        {"max_count": 11},
        {"active_from": "2025-03-11"},
        {"active_until": "9999-12-30"},
        {
            "description": "Everything is new here",
            "image_url": "http://example.com",
            "target": {},
            "max_count": 1,
            "active_from": "2020-01-01",
        },
    ],
    ids=lambda changes: "+".join(changes),
)
def test_what_is_named_is_changed_and_nothing_else(changes, company, path):
    before = company.get(path).json

    assert _change(company, path, **changes) == {**before, **changes}


def test_a_change_of_nothing_is_valid(company, path, unique_path):
    for one in (path, unique_path):
        before = company.get(one).json
        assert _change(company, one) == before


@pytest.mark.parametrize(("field", "values"), RIGHT_TERMS.items())
def test_a_term_at_its_bounds_is_accepted(field, values, company):
    path = f"/api/business/promo/{publish(company)}"
    for value in values:
        assert _change(company, path, **{field: value})[field] == value


def test_the_target_is_replaced_as_a_whole(company, path):
    before = company.get(path).json

    # There and back again, so that each is reached from another.
    for target in [*RIGHT_TARGETS, *reversed(RIGHT_TARGETS)]:
        assert _change(company, path, target=target) == {**before, "target": target}


@pytest.mark.parametrize(
    "cleared",
    [
        ["image_url"],
        ["active_from"],
        ["active_until"],
        ["image_url", "active_from", "active_until"],
    ],
)
def test_null_takes_away_what_need_not_be_there(cleared, company, path):
    before = company.get(path).json

    after = _change(company, path, **dict.fromkeys(cleared))

    assert after == _without(before, *cleared)
    assert _change(company, path, **dict.fromkeys(cleared)) == after


@pytest.mark.parametrize(
    ("about", "wrong"),
    [
        ("description", {"description": "short"}),
        ("image_url", {"image_url": "tea.png"}),
        ("target.country", {"target": {"country": "zz"}}),
        ("max_count", {"max_count": -1}),
        ("active_from", {"active_from": "tomorrow"}),
        ("active_until", {"active_until": "2025-02-30"}),
        ("active_until", {"active_from": "2025-03-02", "active_until": "2025-03-01"}),
    ],
)
def test_a_change_that_is_wrong_in_one_field_changes_none(about, wrong, company, path, books):
    before = books()
    right = {
        "description": "Nobody will read this",
        "image_url": None,
        "target": {},
        "max_count": 99,
        "active_from": None,
        "active_until": None,
    }

    assert_invalid(company.patch(path, json={**right, **wrong}), about)

    assert books() == before


def test_unknown_and_read_only_fields_are_ignored(company, path):
    before = company.get(path).json
    ignored = {
        "promo_id": "00000000-0000-7000-8000-000000000000",
        "company_id": None,
        "company_name": "Rival Shop",
        "like_count": 1000,
        "used_count": -5,
        "active": "no",
        "extra": {},
    }

    assert _change(company, path, **ignored) == before
    assert _change(company, path, **ignored, description="Changed all the same") == {
        **before,
        "description": "Changed all the same",
    }
    assert _change(company, path, target={"age_from": 5, "city": None}) == {
        **before,
        "description": "Changed all the same",
        "target": {"age_from": 5},
    }


@pytest.mark.parametrize(
    "ignored",
    [
        {"mode": "UNIQUE"},
        {"mode": "COMMON"},
        {"mode": None},
        {"mode": 5},
        {"promo_common": "other-10"},
        {"promo_common": None},
        {"promo_common": "x"},
        {"promo_unique": ["other"]},
        {"promo_unique": None},
        {"promo_unique": "x"},
        {"mode": "UNIQUE", "promo_unique": ["other"], "promo_common": None},
    ],
)
def test_mode_and_values_can_not_be_changed(ignored, company, path, unique_path):
    for one in (path, unique_path):
        before = company.get(one).json
        assert _change(company, one, **ignored) == before


@pytest.mark.parametrize(
    ("window", "changes"),
    [
        (
            {"active_from": "2025-03-10", "active_until": "2025-03-20"},
            {"active_from": "2025-03-21"},
        ),
        (
            {"active_from": "2025-03-10", "active_until": "2025-03-20"},
            {"active_until": "2025-03-09"},
        ),
        (
            {"active_from": "2025-03-10", "active_until": "2025-03-20"},
            {"active_from": "2025-03-22", "active_until": "2025-03-21"},
        ),
        ({"active_until": "2025-03-20"}, {"active_from": "2025-03-21"}),
        ({"active_from": "2025-03-10"}, {"active_until": "2025-03-09"}),
        ({}, {"active_from": "2025-03-10", "active_until": "2025-03-09"}),
    ],
)
def test_dates_that_cross_are_refused_even_where_one_was_there_before(
    window, changes, company, books
):
    promo_id = publish(company, **window)
    before = books()

    assert_invalid(
        company.patch(
            f"/api/business/promo/{promo_id}",
            json={**changes, "description": "Changed with the dates"},
        ),
        "active_until",
    )

    assert books() == before


@pytest.mark.parametrize(
    "changes",
    [
        {"active_from": "2025-03-20"},
        {"active_until": "2025-03-10"},
        {"active_from": "2025-04-01", "active_until": "2025-04-30"},
        {"active_from": "2025-02-01", "active_until": "2025-02-28"},
        {"active_from": None, "active_until": "2025-03-09"},
        {"active_from": "2025-03-21", "active_until": None},
    ],
)
def test_dates_that_meet_or_move_together_are_accepted(changes, company):
    promo_id = publish(company, active_from="2025-03-10", active_until="2025-03-20")
    path = f"/api/business/promo/{promo_id}"
    expected = {"active_from": "2025-03-10", "active_until": "2025-03-20", **changes}

    after = _change(company, path, **changes)

    assert {name: after.get(name) for name in expected} == expected


def test_a_max_count_below_the_activations_is_refused_and_one_that_equals_them_is_not(
    client, company, path, books
):
    _change(company, path, target={}, active_from=None)
    user = new_user(client)
    for _ in range(3):
        activate(user, path.rpartition("/")[2])
    before = books()

    for too_low in (2, 1, 0):
        answer = company.patch(
            path, json={"max_count": too_low, "description": "Changed with the count"}
        )
        assert_refused(answer, 400, "max_count_too_low")
    assert books() == before

    after = _change(company, path, max_count=3)
    assert (after["max_count"], after["used_count"], after["active"]) == (3, 3, False)


def test_raising_max_count_makes_an_exhausted_promo_active_again(client, company):
    promo_id = publish(company, max_count=1)
    path, user = f"/api/business/promo/{promo_id}", new_user(client)
    activate(user, promo_id)
    assert company.get(path).json["active"] is False
    assert_refused(user.post(f"/api/user/promo/{promo_id}/activate"), 403, "promo_inactive")

    after = _change(company, path, max_count=2)

    assert (after["max_count"], after["used_count"], after["active"]) == (2, 1, True)
    assert user.get("/api/user/feed?active=true").headers["X-Total-Count"] == "1"
    assert activate(user, promo_id) == "tea-10"
    assert company.get(path).json["active"] is False


@pytest.mark.parametrize("max_count", [0, 2, 3, 100_000_000])
def test_a_unique_promo_keeps_its_max_count_of_one(max_count, company, unique_path, books):
    before = books()

    assert_invalid(
        company.patch(
            unique_path, json={"max_count": max_count, "description": "Changed with the count"}
        ),
        "max_count",
    )

    assert books() == before
    assert _change(company, unique_path, max_count=1) == company.get(unique_path).json


def test_a_unique_promo_keeps_what_it_has_given_out(client, company, unique_path):
    promo_id = unique_path.rpartition("/")[2]
    user = new_user(client)
    given = [activate(user, promo_id)]

    after = _change(company, unique_path, max_count=1, description="Changed after the first")
    given += [activate(user, promo_id), activate(user, promo_id)]

    assert (after["promo_unique"], after["used_count"], after["active"]) == (
        ["first", "second", "third"],
        1,
        True,
    )
    assert sorted(given) == ["first", "second", "third"]


def test_whoever_is_targeted_follows_the_change(client, company, path):
    promo_id, user = path.rpartition("/")[2], new_user(client, other={"age": 30, "country": "de"})
    assert_refused(user.post(f"/api/user/promo/{promo_id}/activate"), 403, "promo_not_targeted")
    assert user.get("/api/user/feed").json == []

    _change(company, path, target={"age_until": 30, "country": "DE"})

    assert [promo["promo_id"] for promo in user.get("/api/user/feed").json] == [promo_id]
    assert activate(user, promo_id) == "tea-10"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"promo"', b"\xff"])
def test_a_body_that_is_no_json_object_is_refused(body, company, path, books):
    before = books()

    answer = company.patch(path, data=body, content_type="application/json")

    assert answer.json["error_code"] in ("malformed_request", "validation_error")
    assert_refused(answer, 400, answer.json["error_code"])
    assert books() == before


def test_the_body_is_looked_at_before_the_promo_and_the_promo_before_its_owner(
    company, rival, books
):
    foreign = f"/api/business/promo/{publish(rival, active_until='2025-03-01')}"
    nowhere = "/api/business/promo/00000000-0000-7000-8000-000000000000"
    before = books()

    assert_invalid(company.patch(foreign, json={"max_count": -1}), "max_count")
    assert_invalid(company.patch(nowhere, json={"max_count": -1}), "max_count")
    assert_refused(company.patch(nowhere, json={"max_count": 5}), 404, "promo_not_found")
    # What contradicts a foreign promo is not told: that would say what is in it.
    assert_refused(
        company.patch(foreign, json={"active_from": "2025-03-02"}), 403, "not_your_promo"
    )
    assert books() == before


def test_equal_values_of_another_promo_stay_as_they_are(company, path):
    other = f"/api/business/promo/{publish(company, **promo_body(**FULL))}"
    before = company.get(other).json

    _change(
        company,
        path,
        description="Changed in one of the two",
        target={},
        max_count=1,
        image_url=None,
    )

    assert company.get(other).json == before
