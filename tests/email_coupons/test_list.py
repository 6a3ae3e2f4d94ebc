"""GET /api/coupons/: the codes that were given, for administrators."""

from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa

from coupon_management_flask.models import DiscountCoupon

from ..support.people import make_user, sign_in
from ..support.refusals import refusal
from .conftest import PATH


@pytest.fixture
def given(ask):
    """Five codes, oldest first."""
    pairs = [
        ("a@example.com", "one.example"),
        ("b@example.com", "one.example"),
        ("a@example.com", "two.example"),
    ]
    pairs += [("c@example.com", "two.example"), ("a@example.com", "xn--bcher-kva.example")]
    answers = [ask(*pair) for pair in pairs]
    assert [answer.status_code for answer in answers] == [201] * 5
    return [answer.json for answer in answers]


def page_of(answer):
    assert answer.status_code == 200, answer.text
    return answer.json


def test_newest_first_as_they_were_answered(admin, given):
    assert page_of(admin.get(PATH)) == {
        "count": 5,
        "next": None,
        "previous": None,
        "results": given[::-1],
    }


def test_nobody_else_reads_it(client, alice, given):
    assert refusal(client.get(PATH), "email_coupons") == (401, "authentication_required")
    # Who may not ask is told so before what is wrong with the question.
    assert refusal(alice.get(f"{PATH}?page=0"), "email_coupons") == (403, "permission_denied")


def test_pages_link_to_each_other_with_all_that_was_asked(admin, given):
    url, seen, pages = f"{PATH}?page_size=2&website=&email=A@Example.com", [], []
    while url is not None:
        # A proxy may ask under any name of its own.
        path = url.removeprefix("http://127.0.0.1:8000")
        page = page_of(admin.get(path, base_url="http://upstream:9000"))
        assert page["count"] == 3
        seen += page["results"]
        pages.append(page)
        url = page["next"]

    assert seen == [given[4], given[2], given[0]]
    assert [(page["next"] is None, page["previous"] is None) for page in pages] == [
        (False, True),
        (True, False),
    ]
    link = urlsplit(pages[0]["next"])
    assert (link.scheme, link.netloc, link.path) == ("http", "127.0.0.1:8000", PATH)
    assert parse_qs(link.query, keep_blank_values=True) == {
        "page": ["2"],
        "page_size": ["2"],
        "website": [""],
        "email": ["A@Example.com"],
    }
    assert page_of(admin.get(pages[1]["previous"])) == pages[0]


def test_links_lead_where_people_reach_the_service(configured_app):
    client = configured_app(public_url="https://shop.example/coupons/").test_client()
    boss = sign_in(client, *make_user(role="administrator"))
    for number in range(3):
        pair = {"email": "a@example.com", "website": f"w{number}.example"}
        assert client.post("/api/coupons", json=pair).status_code == 201

    page = boss.get(f"{PATH}?page_size=2", headers={"Host": "upstream:9000"}).json

    assert page["next"] == f"https://shop.example/coupons{PATH}?page_size=2&page=2"


def test_a_page_past_the_end_is_empty_and_leads_back(admin, given):
    page = page_of(admin.get(f"{PATH}?page=9&page_size=3"))

    assert (page["count"], page["next"], page["results"]) == (5, None, [])
    assert page_of(admin.get(page["previous"]))["results"] == [given[1], given[0]]
    assert page_of(admin.get(f"{PATH}?page=1000000000&page_size=100&email=nobody@example.com")) == {
        "count": 0,
        "next": None,
        "previous": None,
        "results": [],
    }


def test_20_on_a_page_unless_said_and_100_at_most(admin, ask):
    for number in range(21):
        ask(f"user{number}@example.com")

    assert len(page_of(admin.get(PATH))["results"]) == 20
    assert len(page_of(admin.get(f"{PATH}?page_size=100"))["results"]) == 21


def test_filters_know_what_is_the_same(admin, given):
    for query, found in (
        ("email=A@EXAMPLE.com", [4, 2, 0]),
        ("website=https://www.One.example/x", [1, 0]),
        ("website=b%C3%BCcher.example", [4]),
        ("email=a@example.com&website=two.example", [2]),
        ("email=c@example.com&website=one.example", []),
        ("email=&website=", [4, 3, 2, 1, 0]),
    ):
        assert page_of(admin.get(f"{PATH}?{query}"))["results"] == [
            given[number] for number in found
        ], query


def test_a_query_that_is_wrong_is_told_by_field(admin):
    answer = admin.get(f"{PATH}?email=user&page=0")

    assert (answer.status_code, set(answer.json)) == (400, {"email", "page", "error_code"})
    assert answer.json["email"] == ["Enter a valid email address."]


def test_codes_that_the_shop_has_deleted_are_not_there(admin, given, rows):
    rows(sa.delete(DiscountCoupon).where(DiscountCoupon.code == given[1]["code"]))

    page = page_of(admin.get(f"{PATH}?website=one.example"))

    assert (page["count"], page["results"]) == (1, [given[0]])
