"""Promos under load: users arrive all at once at a server with two processes, on both databases."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest
import requests
import sqlalchemy as sa

from ..support.promos import Caller, new_company, new_user, publish
from ..support.remote import Answer, RemoteClient
from ..support.server import assert_books_add_up, running_server
from ..support.waiting import wait_until

pytestmark = pytest.mark.server

# Other tests cover the built-in antifraud check.
SETTINGS = {"ANTIFRAUD_MAX_PER_MINUTE": "1000000"}


@pytest.fixture(scope="module")
def shared_url(shared_track):
    return shared_track.database_url


@pytest.fixture(scope="module")
def client(shared_track):
    return RemoteClient(shared_track.server)


@pytest.fixture(scope="module")
def users(client):
    return [
        new_user(client, other={"age": 30, "country": "de" if number % 2 else "FR"})
        for number in range(30)
    ]


@pytest.fixture
def company(client):
    return new_company(client)


def all_at_once(calls: list[Callable[[], Answer]]) -> list[Answer]:
    """Start the calls together and return the answers in their order."""
    together = Barrier(len(calls))

    def start(call):
        together.wait(timeout=20)
        return call()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(start, calls))


def activating(user: Caller, promo: str) -> Callable[[], Answer]:
    return lambda: user.post(f"/api/user/promo/{promo}/activate")


def errors_of(answers: list[Answer]) -> Counter:
    return Counter(
        (answer.status_code, answer.json["error_code"])
        for answer in answers
        if answer.status_code != 200
    )


def stands_at(company: Caller, promo: str) -> dict:
    return company.get(f"/api/business/promo/{promo}").json


def test_of_60_activations_of_20_exactly_20_succeed(users, company, shared_url):
    promo = publish(company, max_count=20)

    answers = all_at_once([activating(user, promo) for user in users * 2])

    assert [answer.json for answer in answers if answer.status_code == 200] == [
        {"promo": "tea-10"}
    ] * 20
    assert errors_of(answers) == {(403, "promo_inactive"): 40}
    seen = stands_at(company, promo)
    assert (seen["used_count"], seen["active"]) == (20, False)
    by_country = Counter(
        "de" if number % 2 else "fr"
        for number, answer in enumerate(answers)
        if answer.status_code == 200
    )
    assert company.get(f"/api/business/promo/{promo}/stat").json == {
        "activations_count": 20,
        "countries": [
            {"country": country, "activations_count": by_country[country]}
            for country in sorted(by_country)
        ],
    }
    assert_books_add_up(shared_url)


def test_of_25_values_each_entry_is_handed_out_once(users, company, shared_url):
    values = [f"value-{number % 20}" for number in range(25)]
    promo = publish(company, mode="UNIQUE", promo_unique=values)

    answers = all_at_once([activating(user, promo) for user in users * 2])

    assert Counter(
        answer.json["promo"] for answer in answers if answer.status_code == 200
    ) == Counter(values)
    assert errors_of(answers) == {(403, "promo_inactive"): 35}
    seen = stands_at(company, promo)
    assert (seen["used_count"], seen["active"], seen["promo_unique"]) == (25, False, values)
    assert_books_add_up(shared_url)


def test_max_count_holds_while_it_is_lowered_and_raised_under_load(users, company, shared_url):
    promo = publish(company, max_count=100_000)
    path = f"/api/business/promo/{promo}"
    stop = Event()
    values: list[str] = []
    refusals: list[Answer] = []

    def activate_until_stopped(user: Caller) -> None:
        while not stop.is_set():
            answer = activating(user, promo)()
            values.append(answer.json["promo"]) if answer.status_code == 200 else refusals.append(
                answer
            )

    def lower() -> int:
        """Set a limit just above the current use, and try again as long as users are faster."""
        while True:
            limit = stands_at(company, promo)["used_count"] + 3
            answer = company.patch(path, json={"max_count": limit})
            if answer.status_code == 200:
                assert answer.json["used_count"] <= answer.json["max_count"] == limit
                return limit
            assert (answer.status_code, answer.json["error_code"]) == (400, "max_count_too_low")

    with ThreadPoolExecutor(4) as threads:
        running = [threads.submit(activate_until_stopped, user) for user in users[:4]]
        try:
            for _ in range(4):
                before = len(values)
                wait_until(lambda before=before: len(values) > before + 5, "users activate")
                limit = lower()
                refused = len(refusals)
                # Everybody is refused, and all earlier requests have been answered.
                wait_until(lambda refused=refused: len(refusals) > refused + 8, "users are refused")
                assert len(values) == limit
                too_low = company.patch(path, json={"max_count": limit - 1})
                assert (too_low.status_code, too_low.json["error_code"]) == (
                    400,
                    "max_count_too_low",
                )
                seen = stands_at(company, promo)
                assert (seen["used_count"], seen["max_count"], seen["active"]) == (
                    limit,
                    limit,
                    False,
                )
                assert len(values) == limit
                assert company.patch(path, json={"max_count": limit + 30}).json["active"] is True
            wait_until(lambda: len(values) == limit + 30, "users take what was added")
        finally:
            stop.set()
        for one in running:
            one.result(timeout=20)

    assert len(values) == stands_at(company, promo)["used_count"] == limit + 30
    assert errors_of(refusals).keys() == {(403, "promo_inactive")}
    assert_books_add_up(shared_url)


def test_30_users_who_like_twice_at_once_are_30_likes(users, company, shared_url):
    promo = publish(company)
    path = f"/api/user/promo/{promo}/like"

    for method, count in (("POST", 30), ("DELETE", 0)):
        answers = all_at_once(
            [lambda user=user, method=method: user.request(method, path) for user in users * 2]
        )

        assert [(answer.status_code, answer.json) for answer in answers] == [
            (200, {"status": "ok"})
        ] * 60
        assert stands_at(company, promo)["like_count"] == count
        assert users[0].get(f"/api/user/promo/{promo}").json["is_liked_by_user"] is bool(count)
    assert_books_add_up(shared_url)


def test_comments_are_counted_while_they_come_and_go(users, company, shared_url):
    promo = publish(company)
    path = f"/api/user/promo/{promo}/comments"

    def writes(user):
        return lambda: user.post(path, json={"text": "What a pleasant cup of tea."})

    first = all_at_once([writes(user) for user in users])
    assert [answer.status_code for answer in first] == [201] * 30
    deletes = [
        lambda user=user, answer=answer: user.delete(f"{path}/{answer.json['id']}")
        for user, answer in zip(users, first, strict=True)
    ]
    # Everybody writes another comment, and half of them delete their first one, twice.
    answers = all_at_once([writes(user) for user in users] + deletes[:15] * 2)

    assert Counter(answer.status_code for answer in answers) == {201: 30, 200: 15, 404: 15}
    listed = users[0].get(f"{path}?limit=100")
    assert (listed.headers["X-Total-Count"], len(listed.json)) == ("45", 45)
    dates = [comment["date"] for comment in listed.json]
    assert dates == sorted(dates, reverse=True)
    assert users[0].get(f"/api/user/promo/{promo}").json["comment_count"] == 45
    assert_books_add_up(shared_url)


def test_of_sign_ins_at_once_one_token_lives(client, shared_url):
    for kind, path, caller in (
        ("user", "profile", new_user(client)),
        ("business", "promo", new_company(client)),
    ):
        credentials = {"email": caller.email, "password": caller.password}
        tokens = [caller.token]
        for at_once in (2, 2, 2, 8):
            answers = all_at_once(
                [
                    lambda kind=kind, body=credentials: client.post(
                        f"/api/{kind}/auth/sign-in", json=body
                    )
                ]
                * at_once
            )
            assert [answer.status_code for answer in answers] == [200] * at_once
            tokens += [answer.json["token"] for answer in answers]
            statuses = [
                client.open(
                    f"/api/{kind}/{path}", headers={"Authorization": f"Bearer {token}"}
                ).status_code
                for token in tokens
            ]
            # One of the latest tokens is valid, and none of the others.
            assert Counter(statuses) == {200: 1, 401: len(tokens) - 1}
            assert statuses.index(200) >= len(tokens) - at_once
    assert_books_add_up(shared_url)


def test_what_was_answered_before_a_crash_was_given_and_is_not_given_again(fresh_database_url):
    values = [f"value-{number}" for number in range(3000)]
    answered: list[str] = []

    def activate_until_it_dies(user: Caller) -> int:
        count = 0
        while True:
            try:
                answer = activating(user, promo)()
            except requests.ConnectionError:
                return count
            assert answer.status_code == 200, answer.text
            answered.append(answer.json["promo"])
            count += 1

    with (
        running_server(fresh_database_url, workers=2, **SETTINGS) as server,
        ThreadPoolExecutor(6) as threads,
    ):
        client = RemoteClient(server)
        company, users = new_company(client), [new_user(client) for _ in range(6)]
        promo = publish(company, mode="UNIQUE", promo_unique=values)
        running = [threads.submit(activate_until_it_dies, user) for user in users]
        try:
            wait_until(lambda: len(answered) >= 60, "60 values are given out")
        finally:
            server.kill()
        counts = [one.result(timeout=20) for one in running]

    given = values_given_out(fresh_database_url)
    assert len(set(answered)) == len(answered) == sum(counts)
    # Each of the six may have been killed between its commit and its answer.
    assert set(answered) <= given
    assert len(given) <= len(answered) + 6
    with running_server(fresh_database_url, workers=2, **SETTINGS) as server:
        for caller in (company, *users):
            caller.client = RemoteClient(server)
        assert stands_at(company, promo)["used_count"] == len(given)
        for user, count in zip(users, counts, strict=True):
            assert (
                count
                <= int(user.get("/api/user/promo/history").headers["X-Total-Count"])
                <= count + 1
            )
        more = all_at_once([activating(user, promo) for user in users * 3])
        assert {answer.json["promo"] for answer in more} == values_given_out(
            fresh_database_url
        ) - given
        assert len(values_given_out(fresh_database_url)) == len(given) + len(more)
    assert_books_add_up(fresh_database_url)


def values_given_out(shared_url: str) -> set[str]:
    engine = sa.create_engine(shared_url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        return set(
            connection.execute(
                sa.text("SELECT value FROM promo_values WHERE redemption_id IS NOT NULL")
            ).scalars()
        )
