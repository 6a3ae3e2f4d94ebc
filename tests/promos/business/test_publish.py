"""POST /api/business/promo."""

import json
from uuid import UUID

import pytest

from ...support.promos import assert_invalid, assert_refused, promo_body, publish
from .cases import RIGHT_TARGETS, RIGHT_TERMS

pytestmark = pytest.mark.both_databases

PATH = "/api/business/promo"
READ_ONLY = {
    "id": "00000000-0000-7000-8000-000000000000",
    "promo_id": "00000000-0000-7000-8000-000000000000",
    "company_id": 5,
    "company_name": "Rival Shop",
    "like_count": 1000,
    "used_count": 7,
    "active": False,
}


def _unique(**overrides):
    return promo_body(mode="UNIQUE", **overrides)


def test_a_promo_gets_an_id_and_nothing_else_is_answered(company):
    answer = company.post(PATH, json=promo_body())

    assert answer.status_code == 201
    assert set(answer.json) == {"id"}
    assert str(UUID(answer.json["id"])) == answer.json["id"]
    assert UUID(answer.json["id"]).version == 7


def test_a_common_promo_with_all_its_terms_is_given_back_as_it_was_written(company):
    terms = promo_body(
        image_url="https://example.com/tea.png",
        target={"age_from": 18, "age_until": 65, "country": "Fr", "categories": ["food", "Чай"]},
        active_from="2020-02-29",
        active_until="9999-12-31",
    )

    promo_id = publish(company, **terms)

    assert company.get(f"{PATH}/{promo_id}").json == {
        **terms,
        "promo_id": promo_id,
        "company_id": company.id,
        "company_name": "Corner Shop",
        "like_count": 0,
        "used_count": 0,
        "active": True,
    }


def test_a_unique_promo_is_given_back_as_it_was_written(company):
    terms = _unique(promo_unique=["zebra", "apple", "zebra", "Apple", "мята"])

    promo_id = publish(company, **terms)

    assert company.get(f"{PATH}/{promo_id}").json == {
        **terms,
        "promo_id": promo_id,
        "company_id": company.id,
        "company_name": "Corner Shop",
        "like_count": 0,
        "used_count": 0,
        "active": True,
    }


@pytest.mark.parametrize(("field", "values"), RIGHT_TERMS.items())
def test_a_term_at_its_bounds_is_accepted(field, values, company):
    for value in values:
        promo_id = publish(company, **{field: value})
        assert company.get(f"{PATH}/{promo_id}").json[field] == value


def test_a_target_is_given_back_as_it_was_written(company):
    for target in RIGHT_TARGETS:
        promo_id = publish(company, target=target)
        assert company.get(f"{PATH}/{promo_id}").json["target"] == target


def test_a_wrong_field_is_refused_and_named(company, books):
    before = books()

    assert_invalid(company.post(PATH, json=promo_body(target={"country": "zz"})), "target.country")

    assert books() == before


@pytest.mark.parametrize(
    "number", ["1e1", "10.0", "1E+2", "-0.0", "100000000000000000000", "-9223372036854775809"]
)
def test_a_number_that_json_does_not_write_as_an_integer_in_bounds_is_refused(
    number, company, books
):
    before = books()
    body = json.dumps(promo_body(max_count=12345)).replace("12345", number)

    assert_invalid(company.post(PATH, data=body, content_type="application/json"), "max_count")

    assert books() == before


def test_a_common_value_at_its_bounds_is_accepted(company):
    for value in ["abcde", "a" * 30, "Ж" * 30, "🍵" * 5, "TEA 10%"]:
        promo_id = publish(company, promo_common=value)
        assert company.get(f"{PATH}/{promo_id}").json["promo_common"] == value


@pytest.mark.parametrize(
    "values",
    [
        ["abc"],
        ["a" * 30],
        ["Ж" * 30, "🍵" * 3],
        ["same", "same", "same"],
        [f"value {number:04}" for number in range(5000)],
        ["v" * 30] * 5000,
    ],
    ids=["shortest", "longest", "other scripts", "repeated", "5000", "5000 of the longest"],
)
def test_unique_values_at_their_bounds_are_given_back_in_their_order(values, company):
    promo_id = publish(company, mode="UNIQUE", promo_unique=values)

    assert company.get(f"{PATH}/{promo_id}").json["promo_unique"] == values


@pytest.mark.parametrize("max_count", [0, 2, 3, 100_000_000])
def test_a_unique_promo_has_a_max_count_of_one(max_count, company, books):
    before = books()

    assert_invalid(company.post(PATH, json=_unique(max_count=max_count)), "max_count")

    assert books() == before


@pytest.mark.parametrize("day", ["0001-01-01", "2025-03-01", "9999-12-31"])
def test_a_window_of_one_day_is_accepted(day, company):
    promo = company.get(f"{PATH}/{publish(company, active_from=day, active_until=day)}").json

    assert (promo["active_from"], promo["active_until"]) == (day, day)


@pytest.mark.parametrize(
    ("first", "last"),
    [("2025-03-02", "2025-03-01"), ("9999-12-31", "0001-01-01"), ("2025-10-01", "2025-09-30")],
)
def test_a_window_that_ends_before_it_begins_is_refused(first, last, company, books):
    before = books()

    assert_invalid(
        company.post(PATH, json=promo_body(active_from=first, active_until=last)), "active_until"
    )

    assert books() == before


@pytest.mark.parametrize("body", [promo_body(), _unique()], ids=["COMMON", "UNIQUE"])
def test_unknown_and_read_only_fields_are_ignored(body, company):
    answer = company.post(
        PATH,
        json={
            **body,
            **READ_ONLY,
            "target": {"country": "de", "city": 5, "is_new": None},
            "extra": None,
        },
    )

    assert answer.status_code == 201
    assert answer.json["id"] != READ_ONLY["promo_id"]
    assert company.get(f"{PATH}/{answer.json['id']}").json == {
        **body,
        "target": {"country": "de"},
        "promo_id": answer.json["id"],
        "company_id": company.id,
        "company_name": "Corner Shop",
        "like_count": 0,
        "used_count": 0,
        "active": True,
    }


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'"promo"', b'{"max_count": NaN}', b"\xff"]
)
def test_a_body_that_is_no_json_object_is_refused(body, company, books):
    before = books()

    answer = company.post(PATH, data=body, content_type="application/json")

    assert answer.json["error_code"] in ("malformed_request", "validation_error")
    assert_refused(answer, 400, answer.json["error_code"])
    assert books() == before


def test_a_body_over_a_mebibyte_is_refused(company, books):
    before = books()

    assert_refused(company.post(PATH, json=promo_body(extra="x" * 2**20)), 413, "body_too_large")

    assert books() == before


def test_equal_promos_are_two_promos(company, rival):
    ids = {publish(who, promo_common="the same") for who in (company, company, rival)}

    assert len(ids) == 3
    assert [len(who.get(PATH).json) for who in (company, rival)] == [2, 1]
