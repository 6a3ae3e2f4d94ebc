"""Idempotency-Key where a company publishes and changes promos."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from ...support.promos import (
    activate,
    assert_invalid,
    assert_refused,
    new_user,
    promo_body,
    publish,
)

PATH = "/api/business/promo"
KEY = {"Idempotency-Key": "tea of march"}


def _how_many(company):
    return int(company.get(PATH).headers["X-Total-Count"])


@pytest.mark.parametrize("mode", ["COMMON", "UNIQUE"])
def test_a_promo_published_twice_with_one_key_is_one_promo(mode, company, books):
    body = promo_body(mode=mode)
    first = company.post(PATH, json=body, headers=KEY)
    before = books()

    second = company.post(PATH, json=body, headers=KEY)

    assert (first.status_code, second.status_code) == (201, 201)
    assert second.get_data() == first.get_data()
    assert ("Idempotent-Replayed" in first.headers, second.headers["Idempotent-Replayed"]) == (
        False,
        "true",
    )
    assert books() == before
    assert [promo["promo_id"] for promo in company.get(PATH).json] == [first.json["id"]]


def test_a_promo_published_with_one_key_many_times_at_once_is_one_promo(app, company):
    body, barrier = promo_body(), Barrier(8)

    def send():
        barrier.wait()
        headers = {"Authorization": f"Bearer {company.token}", **KEY}
        return app.test_client().post(PATH, json=body, headers=headers)

    with ThreadPoolExecutor(8) as threads:
        answers = [future.result() for future in [threads.submit(send) for _ in range(8)]]

    published = [answer for answer in answers if answer.status_code == 201]
    assert published
    assert {answer.get_data() for answer in published} == {published[0].get_data()}
    assert sum("Idempotent-Replayed" not in answer.headers for answer in published) == 1
    # Who came while the first still ran is told to come back.
    for answer in answers:
        if answer not in published:
            assert_refused(answer, 409, "idempotency_key_in_use")
            assert int(answer.headers["Retry-After"]) >= 1
    assert _how_many(company) == 1
    assert company.post(PATH, json=body, headers=KEY).get_data() == published[0].get_data()


def test_a_key_with_another_body_is_refused(company, books):
    assert company.post(PATH, json=promo_body(), headers=KEY).status_code == 201
    before = books()

    assert_refused(
        company.post(PATH, json=promo_body(max_count=11), headers=KEY),
        422,
        "idempotency_key_reused",
    )

    assert books() == before


def test_a_key_with_another_path_is_refused(company, books):
    paths = [f"{PATH}/{publish(company)}" for _ in range(2)]
    assert company.patch(paths[0], json={"max_count": 5}, headers=KEY).status_code == 200
    before = books()

    assert_refused(
        company.patch(paths[1], json={"max_count": 5}, headers=KEY), 422, "idempotency_key_reused"
    )

    assert books() == before


def test_companies_have_keys_of_their_own(company, rival):
    ids = [who.post(PATH, json=promo_body(), headers=KEY).json["id"] for who in (company, rival)]

    assert ids[0] != ids[1]
    assert [_how_many(who) for who in (company, rival)] == [1, 1]


def test_two_keys_are_two_promos(company):
    for key in ("k", "k" * 255):
        assert (
            company.post(PATH, json=promo_body(), headers={"Idempotency-Key": key}).status_code
            == 201
        )

    assert _how_many(company) == 2


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_a_key_beyond_its_bounds_is_refused(key, company, books):
    before = books()

    assert_invalid(
        company.post(PATH, json=promo_body(), headers={"Idempotency-Key": key}), "Idempotency-Key"
    )

    assert books() == before


def test_the_key_is_looked_at_before_the_body(company, books):
    before = books()

    assert_invalid(
        company.post(PATH, json={}, headers={"Idempotency-Key": "k" * 256}), "Idempotency-Key"
    )

    assert books() == before


def test_a_key_is_free_again_after_a_body_that_was_wrong(company):
    assert_invalid(company.post(PATH, json=promo_body(max_count=-1), headers=KEY), "max_count")

    answer = company.post(PATH, json=promo_body(), headers=KEY)

    assert answer.status_code == 201
    assert "Idempotent-Replayed" not in answer.headers


def test_a_change_that_is_repeated_undoes_no_later_one(company):
    path = f"{PATH}/{publish(company)}"
    first = company.patch(path, json={"max_count": 5}, headers=KEY)
    assert company.patch(path, json={"max_count": 7}).json["max_count"] == 7

    second = company.patch(path, json={"max_count": 5}, headers=KEY)

    assert second.get_data() == first.get_data()
    assert second.headers["Idempotent-Replayed"] == "true"
    assert company.get(path).json["max_count"] == 7


def test_a_key_outlives_the_token(client, company):
    first = company.post(PATH, json=promo_body(), headers=KEY)
    signed_in = client.post(
        "/api/business/auth/sign-in", json={"email": company.email, "password": company.password}
    )
    assert_refused(company.post(PATH, json=promo_body(), headers=KEY), 401, "invalid_token")

    company.token = signed_in.json["token"]

    assert company.post(PATH, json=promo_body(), headers=KEY).get_data() == first.get_data()
    assert _how_many(company) == 1


def test_a_refusal_by_a_rule_is_kept(client, company):
    promo_id = publish(company)
    path = f"{PATH}/{promo_id}"
    activate(new_user(client), promo_id)
    first = company.patch(path, json={"max_count": 0}, headers=KEY)

    second = company.patch(path, json={"max_count": 0}, headers=KEY)

    assert_refused(first, 400, "max_count_too_low")
    assert second.get_data() == first.get_data()
    assert second.headers["Idempotent-Replayed"] == "true"
