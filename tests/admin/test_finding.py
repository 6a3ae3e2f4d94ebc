"""What a filter or a search of /admin finds, and what it says where it has not looked at all.

No value is too strange for them. A page names the row that it is about.
"""

import re
from datetime import timedelta
from html import unescape

import pytest

from coupon_management_flask.admin.tables import finding, view
from coupon_management_flask.core import clock
from coupon_management_flask.models import new_id

from .conftest import file_of, rows_of, told

pytestmark = [pytest.mark.books_are_wrong, pytest.mark.both_databases]

STRANGE = [
    "9999-12-31",
    "0001-01-01",
    "2026-02-30",
    "99999-01-01",
    "-1",
    "9" * 40,
    "1e400",
    "\x00",
    "\U0001f600" * 200,
    "%",
    "true",
    "{}",
    str(new_id()).upper(),
    "\u0661\u0662",
]


@pytest.fixture
def few(monkeypatch):
    """A list looks through the two newest rows, and a file through two rows at once."""
    monkeypatch.setattr(finding, "NEWEST", 2)
    monkeypatch.setattr(view, "WINDOW", 2)


def say(answer):
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", answer.text)))


@pytest.mark.parametrize(
    "value", [STRANGE[0], *(pytest.param(each, marks=pytest.mark.long) for each in STRANGE[1:])]
)
def test_no_value_of_a_filter_is_too_strange(console, app, value):
    views = app.extensions["admin"][0]._views[1:]
    for one in views:
        for place in range(len(one._filters or ())):
            name = one.filter_name(place)
            for path in ("", "export/csv/"):
                answer = console.get(f"/admin/{one.table.name}/{path}", **{name: value})
                assert answer.status_code == 200, (one.table.name, name)


def test_the_last_day_of_all_is_no_bound_and_the_first_is_one(console, make):
    make("redemptions")
    for query, found in (
        ({"flt_until": "9999-12-31"}, 1),
        ({"flt_since": "9999-12-31"}, 0),
        ({"flt_since": "0001-01-01"}, 1),
        ({"flt_until": "0001-01-01"}, 0),
        ({"flt_since": "0001-01-01", "flt_until": "9999-12-31"}, 1),
    ):
        answer = console.get("/admin/redemptions/", **query)
        assert len(rows_of(answer)) == found, query
        assert len(file_of(console.get("/admin/redemptions/export/csv/", **query))) == found, query


def test_the_coupons_of_a_batch_are_found_however_many_came_after_it(console, make, few):
    batch = make("coupon_batches", size=1, done=1)
    made = make("discount_coupons", batch_id=batch["id"])
    for _ in range(3):
        make("discount_coupons")

    query = {"flt_batch_id_is": str(batch["id"])}
    answer = console.get("/admin/discount_coupons/", **query)

    assert len(rows_of(answer)) == 1
    assert "of that kind" not in say(answer)
    (row,) = file_of(console.get("/admin/discount_coupons/export/csv/", **query))
    assert row["id"] == str(made["id"])


@pytest.mark.parametrize(
    ("table", "given", "query"),
    [
        ("redemptions", {"kind": "voucher"}, {"flt_kind_is": "voucher"}),
        (
            "redemptions",
            {"rolled_back_at": clock.now(), "claim_key": None},
            {"flt_rolled_back_at_is_set": "true"},
        ),
        ("voucher_types", {"is_active": False}, {"flt_is_active_is": "false"}),
        ("promos", {"description": "a red hat"}, {"search": "RED"}),
        ("promos", {"description": "a red hat"}, {"search": "red", "flt_mode_is": "COMMON"}),
        ("unsubscribed_addresses", {"email": "a@example.org"}, {"search": "example.org"}),
    ],
)
def test_a_list_says_that_it_has_not_looked_at_all_and_a_file_has_all(
    console, make, few, table, given, query
):
    old = make(table, **given)
    for _ in range(4):
        make(table, **({"email": f"{new_id()}@example.com"} if "email" in given else {}))

    answer = console.get(f"/admin/{table}/", **query)
    if rows_of(answer):
        # Keys that are no times have no newest: it may be among those that were looked at.
        assert table == "unsubscribed_addresses"
    else:
        assert "There is nothing of that kind among the newest 2." in say(answer)
        assert "There is nothing of that kind here" not in say(answer)
    assert "Only the newest 2 were looked through" in told(answer)
    (row,) = file_of(console.get(f"/admin/{table}/export/csv/", **query))
    key = "email" if "email" in given else "id"
    assert row[key] == str(old[key])


def test_where_all_was_looked_through_a_list_says_that_there_is_nothing(console, make):
    make("redemptions", kind="promo")

    answer = console.get("/admin/redemptions/", flt_kind_is="voucher")

    assert "There is nothing of that kind here." in say(answer)
    assert told(answer) == ""


def test_a_filter_by_day_looks_further_back(console, make, few):
    week_ago = clock.now() - timedelta(days=7)
    old = make("webhook_deliveries", started_at=week_ago)
    for _ in range(3):
        make("webhook_deliveries", finished_at=clock.now())
    # By its id it is as young as the others: what is asked is its day.
    query = {"flt_finished_at_is_set": "false"}
    assert rows_of(console.get("/admin/webhook_deliveries/", **query)) == []
    found = file_of(console.get("/admin/webhook_deliveries/export/csv/", **query))
    assert [row["id"] for row in found] == [str(old["id"])]


@pytest.mark.parametrize("size", [1, 2, 4, 5])
def test_a_file_that_is_read_window_by_window_has_each_row_once(console, make, few, size):
    made = [make("redemptions", kind="promo") for _ in range(size)]
    make("redemptions", kind="credit")

    found = file_of(console.get("/admin/redemptions/export/csv/", flt_kind_is="promo"))

    assert [row["id"] for row in found] == sorted(str(row["id"]) for row in made)


def test_a_filter_finds_a_text_however_it_is_written_as_a_search_does(console, make):
    make("email_coupons", email="one@example.com", website="xn--bcher-kva.example")
    make("discount_coupons", code="SAVE20")

    for table, query in (
        ("email_coupons", {"flt_website_is": "https://www.b\u00fccher.example/x"}),
        ("email_coupons", {"search": "B\u00fccher.example"}),
        ("email_coupons", {"flt_email_is": " One+x@Example.COM "}),
        ("discount_coupons", {"flt_code_is": "save20"}),
    ):
        assert len(rows_of(console.get(f"/admin/{table}/", **query))) >= 1, query
        assert len(file_of(console.get(f"/admin/{table}/export/csv/", **query))) >= 1, query


def test_a_website_is_shown_in_its_own_letters_and_filed_in_ascii(console, make):
    make("email_coupons", website="xn--bcher-kva.example")

    (row,) = rows_of(console.get("/admin/email_coupons/"))
    (filed,) = file_of(console.get("/admin/email_coupons/export/csv/"))

    assert '<span title="xn--bcher-kva.example">b\u00fccher.example</span>' in row
    assert filed["website"] == "xn--bcher-kva.example"


@pytest.mark.parametrize("page", ["details", "edit"])
def test_a_page_names_the_row_that_it_is_about(console, make, page):
    row = make("voucher_types", name="Tea <for> two")
    path = f"/admin/voucher_types/{page}/"
    answer = console.get(path, id=str(row["id"]))

    verb = "Edit " if page == "edit" else ""
    title = unescape(re.search(r"<title>(.*?)</title>", answer.text)[1])
    assert title == f"{verb}Tea <for> two - Voucher types - Coupons"
    heading = unescape(re.search(r"<h1>(.*?)</h1>", answer.text)[1])
    assert heading == f"{verb}Voucher types: Tea <for> two"
    trail = re.search(r'<nav class="path".*?</nav>', answer.text, re.DOTALL)[0]
    steps = [unescape(step.strip()) for step in re.findall(r"<li[^>]*>(.*?)</li>", trail)]
    assert [re.sub(r"<[^>]*>", "", step) for step in steps[:2]] == ["Dashboard", "Voucher types"]
    assert steps[2:] == ["Tea <for> two", verb.strip() or "View"]
    assert str(row["id"]) in answer.text


def test_a_row_that_has_no_name_is_named_by_its_key(console, make):
    row = make("redemptions")
    answer = console.get("/admin/redemptions/details/", id=str(row["id"]))

    assert f"<title>{row['id']} - Redemptions - Coupons</title>" in answer.text


def test_times_say_that_they_are_utc_wherever_they_are(console, make):
    row = make("voucher_types")
    coupon = make("discount_coupons")
    said = f"{row['created_at']:%Y-%m-%d %H:%M:%S} UTC"

    assert said in console.get("/admin/voucher_types/").text
    assert said in console.get("/admin/voucher_types/details/", id=str(row["id"])).text
    listed = console.get("/admin/redemptions/").text
    assert ">since (UTC)</label>" in listed
    assert ">until (UTC)</label>" in listed
    form = console.get("/admin/discount_coupons/edit/", id=str(coupon["id"])).text
    labels = re.findall(r"<label[^>]*>([^<]*)</label>\s*<input[^>]*datetime-local", form)
    assert labels == ["Starts at (UTC)", "Expires at (UTC)"]
    filed = console.get("/admin/voucher_types/export/csv/")
    assert file_of(filed)[0]["created_at"].endswith("Z")
    assert re.search(r"-\d{6}Z\.csv", filed.headers["Content-Disposition"])
