"""GET /api/user/promo/{id}."""

import pytest

from ...support.promos import new_company, new_user, publish
from .shapes import refusal

DAYS = [
    ("2025-06-14T23:59:59.999999Z", False),
    ("2025-06-15T00:00:00Z", True),
    ("2025-06-16T12:00:00Z", True),
    ("2025-06-17T23:59:59.999999Z", True),
    ("2025-06-18T00:00:00Z", False),
]
WINDOW = {"active_from": "2025-06-15", "active_until": "2025-06-17"}


def read(user, promo):
    answer = user.get(f"/api/user/promo/{promo}")
    assert answer.status_code == 200
    return answer.json


def test_a_promo_shows_what_a_user_may_see_and_no_value(client, alice):
    company = new_company(client, name="Example Ltd")
    promo = publish(
        company,
        description="Ten percent off",
        image_url="https://example.com/10.png",
        mode="COMMON",
        promo_common="HELLO-10",
        max_count=5,
    )

    assert read(alice, promo) == {
        "promo_id": promo,
        "company_id": company.id,
        "company_name": "Example Ltd",
        "description": "Ten percent off",
        "image_url": "https://example.com/10.png",
        "active": True,
        "is_activated_by_user": False,
        "like_count": 0,
        "is_liked_by_user": False,
        "comment_count": 0,
    }


def test_without_an_image_the_field_is_left_out(company, alice):
    promo = publish(company, image_url="https://example.com/10.png")
    company.patch(f"/api/business/promo/{promo}", json={"image_url": None})

    assert read(alice, promo).keys() == {
        *("promo_id", "company_id", "company_name", "description", "active"),
        *("is_activated_by_user", "like_count", "is_liked_by_user", "comment_count"),
    }


def test_an_activated_promo_still_shows_no_value(company, alice):
    promo = publish(company, mode="UNIQUE", promo_unique=["HELLO-1", "HELLO-2"], max_count=1)
    value = alice.post(f"/api/user/promo/{promo}/activate").json["promo"]

    answer = alice.get(f"/api/user/promo/{promo}")

    assert answer.json["is_activated_by_user"] is True
    assert value not in answer.get_data(as_text=True)
    assert "promo_unique" not in answer.json


@pytest.mark.parametrize(
    "target",
    [
        {"country": "fr"},
        {"age_from": 31},
        {"age_until": 29},
        {"country": "de", "age_from": 99, "categories": ["food"]},
    ],
)
def test_a_promo_for_others_is_shown(target, company, alice):
    assert read(alice, publish(company, target=target))["active"] is True


def test_what_others_did_is_not_what_the_reader_did(company, alice, bob):
    promo = publish(company)
    bob.post(f"/api/user/promo/{promo}/like")
    bob.post(f"/api/user/promo/{promo}/comments", json={"text": "A comment of some length."})
    bob.post(f"/api/user/promo/{promo}/activate")

    seen = {
        name: {
            key: read(user, promo)[key]
            for key in ("is_activated_by_user", "is_liked_by_user", "like_count", "comment_count")
        }
        for name, user in (("alice", alice), ("bob", bob))
    }

    counts = {"like_count": 1, "comment_count": 1}
    assert seen == {
        "alice": {"is_activated_by_user": False, "is_liked_by_user": False, **counts},
        "bob": {"is_activated_by_user": True, "is_liked_by_user": True, **counts},
    }


@pytest.mark.parametrize("days", [DAYS, DAYS[::-1]], ids=["forwards", "backwards"])
def test_a_promo_is_active_on_the_days_of_its_window_both_included(days, company, alice, now_is):
    promo = publish(company, **WINDOW)

    for moment, active in days:
        now_is(moment)
        assert read(alice, promo)["active"] is active, moment


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ({"active_from": "2025-06-15"}, [False, True, True, True, True]),
        ({"active_until": "2025-06-17"}, [True, True, True, True, False]),
        (
            {"active_from": "2025-06-15", "active_until": "2025-06-15"},
            [False, True, False, False, False],
        ),
        ({}, [True] * 5),
    ],
)
def test_a_window_may_be_open_or_a_single_day(window, expected, company, alice, now_is):
    promo = publish(company, **window)

    found = []
    for moment, _ in DAYS:
        now_is(moment)
        found.append(read(alice, promo)["active"])
    assert found == expected


@pytest.mark.parametrize(
    ("zone", "edges"),
    [
        # Fourteen hours ahead of UTC, and eleven behind it.
        (
            "Pacific/Kiritimati",
            [
                ("2025-06-14T09:59:59Z", False),
                ("2025-06-14T10:00:00Z", True),
                ("2025-06-17T09:59:59Z", True),
                ("2025-06-17T10:00:00Z", False),
            ],
        ),
        (
            "Pacific/Pago_Pago",
            [
                ("2025-06-15T10:59:59Z", False),
                ("2025-06-15T11:00:00Z", True),
                ("2025-06-18T10:59:59Z", True),
                ("2025-06-18T11:00:00Z", False),
            ],
        ),
    ],
)
def test_a_day_begins_and_ends_in_the_configured_time_zone(zone, edges, configured_app, now_is):
    client = configured_app(promo_timezone=zone).test_client()
    company, alice = new_company(client), new_user(client)
    promo = publish(company, **WINDOW)

    for moment, active in edges:
        now_is(moment)
        assert read(alice, promo)["active"] is active, moment
        assert [item["active"] for item in alice.get("/api/user/feed").json] == [active], moment
        assert len(alice.get(f"/api/user/feed?active={str(active).lower()}").json) == 1, moment
        assert company.get(f"/api/business/promo/{promo}").json["active"] is active, moment


def test_a_promo_is_inactive_while_nothing_is_left(company, alice, bob):
    promo = publish(company, mode="COMMON", promo_common="HELLO-10", max_count=1)
    alice.post(f"/api/user/promo/{promo}/activate")
    assert [read(user, promo)["active"] for user in (alice, bob)] == [False, False]

    company.patch(f"/api/business/promo/{promo}", json={"max_count": 2})

    assert [read(user, promo)["active"] for user in (alice, bob)] == [True, True]


def test_a_promo_of_no_uses_was_never_active(company, alice):
    assert (
        read(alice, publish(company, mode="COMMON", promo_common="HELLO-10", max_count=0))["active"]
        is False
    )


def test_a_unique_promo_is_active_until_its_last_value_is_given_out(company, alice):
    promo = publish(company, mode="UNIQUE", promo_unique=["HELLO-1", "HELLO-1"], max_count=1)

    found = [read(alice, promo)["active"]]
    for _ in range(2):
        alice.post(f"/api/user/promo/{promo}/activate")
        found.append(read(alice, promo)["active"])

    assert found == [True, True, False]


def test_a_promo_follows_its_companys_changes(company, alice):
    promo = publish(company, description="Ten percent off")

    company.patch(
        f"/api/business/promo/{promo}",
        json={"description": "Twenty percent off", "image_url": "https://example.com/20.png"},
    )

    assert [read(alice, promo)[name] for name in ("description", "image_url")] == [
        "Twenty percent off",
        "https://example.com/20.png",
    ]


def test_history_is_no_id(alice):
    answer = alice.get("/api/user/promo/history")

    assert (answer.status_code, answer.json) == (200, [])
    assert refusal(alice.get("/api/user/promo/histories")) == (400, "validation_error")
