"""GET /api/business/promo/<id>.

What a company sees of its promo, and when that counts as active.
"""

import pytest

from ...support.promos import activate, new_company, new_user, promo_body, publish, stop_clock

PATH = "/api/business/promo"


def _read(company, promo_id):
    answer = company.get(f"{PATH}/{promo_id}")
    assert answer.status_code == 200
    return answer.json


def _is_active(company, promo_id):
    """Return whether a promo is active, by every call that says so."""
    (listed,) = [promo for promo in company.get(PATH).json if promo["promo_id"] == promo_id]
    said = {
        _read(company, promo_id)["active"],
        listed["active"],
        company.patch(f"{PATH}/{promo_id}", json={}).json["active"],
    }
    assert len(said) == 1
    return said.pop()


def test_what_has_no_value_is_absent(company):
    promo_id = publish(company)

    assert _read(company, promo_id) == {
        "promo_id": promo_id,
        "company_id": company.id,
        "company_name": "Corner Shop",
        "description": "Ten per cent off all tea",
        "target": {},
        "max_count": 10,
        "mode": "COMMON",
        "promo_common": "tea-10",
        "like_count": 0,
        "used_count": 0,
        "active": True,
    }


def test_likes_and_activations_are_counted(client, company):
    promo_id = publish(company, max_count=3)
    before = _read(company, promo_id)
    alice, bob = new_user(client), new_user(client)
    for user in (alice, bob):
        assert user.post(f"/api/user/promo/{promo_id}/like").status_code == 200
    activate(alice, promo_id)
    activate(alice, promo_id)

    assert _read(company, promo_id) == {**before, "like_count": 2, "used_count": 2}

    bob.delete(f"/api/user/promo/{promo_id}/like")
    activate(bob, promo_id)
    assert _read(company, promo_id) == {**before, "like_count": 1, "used_count": 3, "active": False}


def test_a_unique_promo_shows_all_its_values_in_their_order_given_out_or_not(client, company):
    values = ["zebra", "apple", "zebra", "mint"]
    promo_id = publish(company, mode="UNIQUE", promo_unique=values)
    before = _read(company, promo_id)
    user = new_user(client)

    for given in range(1, 5):
        activate(user, promo_id)
        assert _read(company, promo_id) == {**before, "used_count": given, "active": given < 4}
    assert before["promo_unique"] == values
    assert before["max_count"] == 1


def test_a_common_promo_of_nothing_is_not_active(company):
    assert not _is_active(company, publish(company, max_count=0))


WINDOW = {"active_from": "2025-03-10", "active_until": "2025-03-12"}
AT_ITS_EDGES = [
    (WINDOW, "2025-03-09T23:59:59.999999", False),
    (WINDOW, "2025-03-10T00:00:00", True),
    (WINDOW, "2025-03-11T12:00:00", True),
    (WINDOW, "2025-03-12T23:59:59.999999", True),
    (WINDOW, "2025-03-13T00:00:00", False),
    ({"active_from": "2025-03-10"}, "2025-03-09T23:59:59.999999", False),
    ({"active_from": "2025-03-10"}, "2025-03-10T00:00:00", True),
    ({"active_until": "2025-03-12"}, "2025-03-12T23:59:59.999999", True),
    ({"active_until": "2025-03-12"}, "2025-03-13T00:00:00", False),
    ({"active_from": "2024-02-29", "active_until": "2024-02-29"}, "2024-02-29T23:59:59", True),
    ({"active_from": "2024-02-29", "active_until": "2024-02-29"}, "2024-03-01T00:00:00", False),
]


@pytest.mark.parametrize(("window", "moment", "active"), AT_ITS_EDGES)
def test_a_promo_is_active_on_the_first_and_the_last_day_of_its_window(
    window, moment, active, company, monkeypatch
):
    promo_id = publish(company, **window)

    stop_clock(monkeypatch, f"{moment}Z")

    assert _is_active(company, promo_id) is active


@pytest.mark.parametrize(
    ("timezone", "offset"), [("Asia/Tokyo", "+09:00"), ("Pacific/Honolulu", "-10:00")]
)
def test_days_begin_and_end_in_the_configured_time_zone(
    timezone, offset, configured_app, monkeypatch
):
    company = new_company(configured_app(promo_timezone=timezone).test_client())
    for window, moment, active in AT_ITS_EDGES:
        promo_id = publish(company, **window)
        stop_clock(monkeypatch, moment + offset)
        assert _is_active(company, promo_id) is active, (window, moment)


def test_a_promo_becomes_active_and_stops_by_itself(company, monkeypatch):
    stop_clock(monkeypatch, "2025-03-01T00:00:00Z")
    promo_id = publish(company, **WINDOW)
    seen = []
    for day in ("01", "09", "10", "12", "13", "20"):
        stop_clock(monkeypatch, f"2025-03-{day}T12:00:00Z")
        seen.append(_is_active(company, promo_id))

    assert seen == [False, False, True, True, False, False]


@pytest.mark.parametrize("mode", ["COMMON", "UNIQUE"])
def test_a_promo_out_of_its_window_is_not_active_whatever_is_left(mode, company):
    assert not _is_active(
        company, publish(company, **promo_body(mode=mode, active_until="2020-01-01"))
    )
