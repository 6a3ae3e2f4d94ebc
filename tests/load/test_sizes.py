"""Bodies that are too large, at a real server: they are refused, and nobody waits for them."""

import pytest

from .clients import Request

pytestmark = pytest.mark.server

MARKS = "\u0301\u0327" * 40_000


def test_huge_bodies_are_all_refused_while_others_are_answered(track):
    user = track.user()
    # Before lengths came first, one of each kind held an interpreter for 5 to 20 seconds. A client
    # of these waits a minute.
    huge = [
        Request("POST", "/api/auth/register/", {"email": f"a{MARKS}@example.com"}),
        Request("POST", "/api/coupons/", {"email": f"a{MARKS}@example.com", "website": MARKS}),
        Request("POST", "/v1/auth/login", {f"field{number}": 1 for number in range(50_000)}),
        user.request(
            "POST",
            "/api/v1/coupons/validate",
            {"code": "SPRING", "cartTotal": 1, "items": [{}] * 200_000},
        ),
    ]

    answers = track.at_once([*huge * 3, *[Request("GET", "/api/health/live")] * 8])

    assert [answer.status_code for answer in answers] == [400] * 12 + [200] * 8
    assert max(len(answer.text) for answer in answers) < 8_000
