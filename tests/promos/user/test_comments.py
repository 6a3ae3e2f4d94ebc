"""/api/user/promo/{id}/comments and /api/user/promo/{id}/comments/{comment_id}."""

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from ...support.promos import new_user, publish
from .shapes import NO_OBJECT, page, refusal

pytestmark = pytest.mark.both_databases

TEXT = "A comment of some length."
OTHER_TEXT = "Quite another comment."


@pytest.fixture
def promo(company):
    return publish(company)


def comments(promo, comment=None):
    return f"/api/user/promo/{promo}/comments" + (f"/{comment}" if comment else "")


def write(user, promo, text=TEXT):
    answer = user.post(comments(promo), json={"text": text})
    assert answer.status_code == 201, answer.json
    return answer.json


def count(user, promo):
    return user.get(f"/api/user/promo/{promo}").json["comment_count"]


def test_a_comment_says_who_wrote_what_and_when(promo, alice):
    before = datetime.now(UTC)

    comment = write(alice, promo)

    assert comment == {
        "id": str(UUID(comment["id"])),
        "text": TEXT,
        "date": comment["date"],
        "author": {"name": "Alice", "surname": "Alpha"},
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", comment["date"])
    assert before <= datetime.fromisoformat(comment["date"]) <= datetime.now(UTC)
    assert alice.get(comments(promo, comment["id"])).json == comment
    assert alice.get(comments(promo)).json == [comment]
    assert count(alice, promo) == 1


def test_an_author_with_an_avatar_shows_it(promo, client):
    alice = new_user(
        client, name="Alice", surname="Alpha", avatar_url="https://example.com/alice.png"
    )

    assert write(alice, promo)["author"] == {
        "name": "Alice",
        "surname": "Alpha",
        "avatar_url": "https://example.com/alice.png",
    }


@pytest.mark.parametrize(
    "text",
    [
        "1234567890",
        "x" * 1000,
        "Ж" * 1000,
        "\U0001f600" * 10,
        "<b>&amp; 'quoted' \"twice\" \\ %s {}\nnew line",
    ],
)
def test_a_text_within_the_bounds_is_kept_as_it_was_written(text, promo, alice):
    comment = write(alice, promo, text)

    assert alice.get(comments(promo, comment["id"])).json["text"] == text
    assert alice.put(comments(promo, comment["id"]), json={"text": text}).json == comment


def test_a_wrong_text_is_refused_and_changes_nothing(promo, alice, books):
    comment = write(alice, promo)
    before = books()

    body = {"text": "123456789"}
    answers = [
        alice.post(comments(promo), json=body),
        alice.put(comments(promo, comment["id"]), json=body),
    ]

    assert [refusal(answer) for answer in answers] == [(400, "validation_error")] * 2
    assert all("text" in answer.json["message"] for answer in answers)
    assert books() == before


def test_what_is_no_json_object_is_refused(promo, alice, books):
    comment = write(alice, promo)
    before = books()

    for body in NO_OBJECT:
        assert refusal(alice.post(comments(promo), data=body))[0] == 400, body
        assert refusal(alice.put(comments(promo, comment["id"]), data=body))[0] == 400, body
    assert books() == before


def test_unknown_and_read_only_fields_are_ignored(promo, alice, bob):
    extra = {
        "id": str(uuid4()),
        "date": "2020-01-01T00:00:00Z",
        "author": {"name": "Bob", "surname": "Beta"},
    }

    comment = alice.post(comments(promo), json={"text": TEXT, **extra}).json

    assert comment["id"] != extra["id"]
    assert comment["date"] != extra["date"]
    assert comment["author"]["name"] == "Alice"
    assert alice.put(comments(promo, comment["id"]), json={"text": OTHER_TEXT, **extra}).json == {
        **comment,
        "text": OTHER_TEXT,
    }


def test_comments_are_listed_newest_first(promo, alice, bob):
    written = [
        write(user, promo, f"Comment number {number}.")
        for number, user in enumerate((alice, bob, alice, bob))
    ]

    answer = bob.get(comments(promo))

    assert (answer.status_code, answer.json, answer.headers["X-Total-Count"]) == (
        200,
        written[::-1],
        "4",
    )


def test_comments_of_one_moment_keep_the_order_in_which_they_came(promo, alice, now_is):
    now_is("2025-06-15T12:00:00Z")
    written = [write(alice, promo, f"Comment number {number}.") for number in range(5)]

    assert alice.get(comments(promo)).json == written[::-1]


def test_a_list_has_the_comments_of_its_promo_alone(promo, company, alice):
    other = publish(company)
    write(alice, other)
    comment = write(alice, promo)

    assert page(alice.get(comments(promo)), "id") == (1, [comment["id"]])


def test_editing_keeps_date_author_and_place(promo, alice, bob, now_is):
    now_is("2025-06-15T12:00:00Z")
    first, second = write(alice, promo), write(bob, promo)
    now_is("2025-06-16T12:00:00Z")

    answer = alice.put(comments(promo, first["id"]), json={"text": OTHER_TEXT})

    edited = {**first, "text": OTHER_TEXT}
    assert (answer.status_code, answer.json) == (200, edited)
    assert first["date"] == "2025-06-15T12:00:00Z"
    assert bob.get(comments(promo, first["id"])).json == edited
    assert bob.get(comments(promo)).json == [second, edited]
    assert count(bob, promo) == 2


def test_a_deleted_comment_is_gone(promo, alice, bob):
    first, second = write(alice, promo), write(bob, promo)

    answer = alice.delete(comments(promo, first["id"]))

    assert (answer.status_code, answer.json) == (200, {"status": "ok"})
    assert page(alice.get(comments(promo)), "id") == (1, [second["id"]])
    assert count(alice, promo) == 1
    path = comments(promo, first["id"])
    again = [alice.get(path), alice.put(path, json={"text": TEXT}), alice.delete(path)]
    assert [refusal(answer) for answer in again] == [(404, "comment_not_found")] * 3
    assert count(alice, promo) == 1


def change_all(user, promo, comment):
    """Do with a comment what may be done beyond reading it, and return the answers."""
    return [
        user.put(comments(promo, comment), json={"text": OTHER_TEXT}),
        user.delete(comments(promo, comment)),
    ]


def test_only_the_author_changes_a_comment(promo, alice, bob, books):
    comment = write(alice, promo)["id"]
    before = books()

    assert [refusal(answer) for answer in change_all(bob, promo, comment)] == [
        (403, "not_your_comment")
    ] * 2
    assert books() == before


def test_a_comment_of_another_promo_is_not_found_whoever_asks(promo, company, alice, bob, books):
    comment, other = write(alice, promo)["id"], publish(company)
    before = books()

    for user in (alice, bob):
        answers = [user.get(comments(other, comment)), *change_all(user, other, comment)]
        assert [refusal(answer) for answer in answers] == [(404, "comment_not_found")] * 3
    assert books() == before


def test_a_comment_that_never_was_is_not_found(promo, alice, books):
    before = books()

    answers = [alice.get(comments(promo, uuid4())), *change_all(alice, promo, uuid4())]

    assert [refusal(answer) for answer in answers] == [(404, "comment_not_found")] * 3
    assert books() == before


@pytest.mark.parametrize(
    "terms",
    [
        {"max_count": 0},
        {"active_until": "2020-01-01"},
        {"target": {"country": "de"}},
        {"target": {"age_from": 100}},
    ],
)
def test_who_may_not_activate_may_comment(terms, company, alice):
    promo = publish(company, **terms)
    assert alice.post(f"/api/user/promo/{promo}/activate").status_code == 403

    comment = write(alice, promo)

    assert alice.put(comments(promo, comment["id"]), json={"text": OTHER_TEXT}).status_code == 200
    assert alice.get(comments(promo)).json == [{**comment, "text": OTHER_TEXT}]
    assert alice.delete(comments(promo, comment["id"])).status_code == 200


def test_a_repeated_idempotency_key_writes_one_comment(promo, alice):
    key = {"Idempotency-Key": "once"}

    answers = [alice.post(comments(promo), json={"text": TEXT}, headers=key) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].data == answers[1].data
    assert (
        answers[0].headers.get("Idempotent-Replayed"),
        answers[1].headers.get("Idempotent-Replayed"),
    ) == (None, "true")
    assert count(alice, promo) == 1


def test_dates_are_told_to_the_microsecond_they_were_written(promo, alice, now_is):
    now_is("2025-06-15T12:00:00.123456Z")

    comment = write(alice, promo)

    assert datetime.fromisoformat(comment["date"]) - datetime(
        2025, 6, 15, 12, tzinfo=UTC
    ) == timedelta(microseconds=123456)
    assert alice.get(comments(promo)).json == [comment]
