"""/admin in a real browser: an administrator signs in, finds, exports and changes things.

The change is shown in the log, and nothing is loaded from another host.
"""

import csv
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from coupon_management_flask import create_app
from coupon_management_flask.vouchers import types

from ..conftest import dispose_engines, settings_for
from ..support.people import PASSWORD, make_user
from ..support.server import Server, assert_books_add_up, running_server
from .conftest import Visit, needs_axe, needs_browser, violations

pytestmark = [pytest.mark.server, needs_browser]


WRITTEN = (
    "<img src=x onerror=\"document.title='taken over'\">"
    "<script>document.title='taken over'</script>"
)


@pytest.fixture(scope="module")
def database(new_database):
    database = new_database("sqlite")
    with create_app(settings_for(database)).app_context():
        make_user(username="boss", email="boss@example.com", role="administrator")
        make_user(username="alice", credit=100)
        make_user(username="mallory", name=WRITTEN, credit=50)
        types.create_samples()
        dispose_engines()
    return database


@pytest.fixture(scope="module")
def server(database):
    with running_server(database, workers=1) as server:
        yield server
        assert_books_add_up(database)


def sign_in(visit: Visit, server: Server) -> None:
    visit.page.goto(f"{server.url}/admin/")
    visit.page.get_by_label("E-mail or username").fill("boss")
    visit.page.get_by_label("Password").fill(PASSWORD)
    visit.page.keyboard.press("Enter")
    expect(visit.page.get_by_role("heading", name="Dashboard")).to_be_visible()


@pytest.fixture
def visit(browser: Browser, server: Server):
    """Sign in. At the end, check that nothing has gone wrong."""
    with browser.new_page(viewport={"width": 1280, "height": 900}) as page:
        page.set_default_timeout(10_000)
        visit = Visit(page)
        sign_in(visit, server)
        yield visit
        # Chromium reports redirects, 304 and downloads as failures, which they are not.
        assert [
            told
            for told in visit.complaints
            if not re.search(r": (30[234]|net::ERR_ABORTED)$", told)
        ] == []
        assert [url for url in visit.requests if not url.startswith(f"{server.url}/admin")] == []


def open_table(visit: Visit, group: str, name: str) -> None:
    tables = visit.page.get_by_role("navigation", name="Tables")
    tables.locator("summary").get_by_text(group, exact=True).click()
    tables.get_by_role("link", name=name, exact=True).click()
    expect(visit.page.get_by_role("heading", name=name, exact=True)).to_be_visible()


@pytest.mark.long
def test_an_account_is_found_by_search_and_by_filters(visit):
    page = visit.page
    open_table(visit, "Accounts", "Accounts")
    expect(page.locator("tbody tr")).to_have_count(3)

    page.get_by_role("searchbox", name="Search").fill("ALICE")
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("searchbox", name="Search").fill("")
    page.keyboard.press("Enter")

    page.get_by_text("Filters", exact=True).click()
    page.get_by_label("role", exact=True).select_option("administrator")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody")).to_contain_text("boss@example.com")
    page.get_by_role("link", name="Reset", exact=True).click()
    expect(page.locator("tbody tr")).to_have_count(3)


@pytest.mark.long
def test_what_is_found_is_downloaded_as_a_file(visit, tmp_path: Path):
    page = visit.page
    open_table(visit, "Credit", "Ledger entries")
    with page.expect_download() as downloading:
        page.get_by_role("link", name="Export as CSV").click()
    file = tmp_path / "ledger.csv"
    downloading.value.save_as(file)

    assert re.fullmatch(r"ledger_entries-\d{8}-\d{6}Z\.csv", downloading.value.suggested_filename)
    with file.open(newline="", encoding="utf-8") as text:
        assert [row["amount"] for row in csv.DictReader(text)] == ["100", "50"]


def test_a_change_is_made_in_a_form_and_seen_in_the_log(visit):
    page = visit.page
    open_table(visit, "Vouchers", "Voucher types")
    page.get_by_role("row", name="Exam Results Checking").get_by_role("link", name="Edit").click()
    page.get_by_label("Price").fill("much")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("Price")).to_have_attribute("aria-invalid", "true")

    page.get_by_label("Price").fill("12.50")
    page.get_by_label("Is active").uncheck()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("saved")
    row = page.get_by_role("row", name="Exam Results Checking")
    expect(row).to_contain_text("12.50")

    row.get_by_role("link", name="View").click()
    page.get_by_role("link", name="Changes made here").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    for said in (
        "boss",
        "change",
        "voucher_types",
        '"price":1000',
        '"price":1250',
        '"is_active":true',
    ):
        expect(page.locator("tbody tr")).to_contain_text(said)


@pytest.mark.long
def test_deleting_asks_first(visit):
    page = visit.page
    open_table(visit, "E-mail coupons", "Unsubscribed addresses")
    page.get_by_role("link", name="Create").click()
    page.get_by_label("Email").fill("visitor@example.com")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("link", name="Delete visitor@example.com").click()
    expect(
        page.get_by_role("heading", name="Delete from Unsubscribed addresses: visitor@example.com?")
    ).to_be_visible()
    page.get_by_role("link", name="Cancel").click()
    expect(page.locator("tbody tr")).to_have_count(1)

    page.get_by_role("link", name="Delete visitor@example.com").click()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("There is nothing here.")).to_be_visible()


@pytest.mark.long
def test_the_dashboard_has_charts_with_a_table_beside_them(visit):
    page = visit.page
    expect(page.get_by_role("img", name="Redeemed by day")).to_be_visible()
    page.get_by_text("The same as a table").click()
    expect(page.get_by_role("row")).not_to_have_count(0)

    page.get_by_role("link", name="7 days").click()
    expect(page.locator("svg").first.locator("rect")).to_have_count(7)


@pytest.mark.long
def test_signing_out_is_the_end_of_it(visit, server):
    visit.page.get_by_role("button", name="Sign out").click()
    expect(visit.page.get_by_role("heading", name="Sign in")).to_be_visible()

    visit.page.go_back()
    visit.page.goto(f"{server.url}/admin/accounts/")
    expect(visit.page.get_by_role("heading", name="Sign in")).to_be_visible()


@pytest.mark.long
def test_what_somebody_has_written_runs_nowhere(visit, server):
    page = visit.page
    for path in (
        "/admin/accounts/?search=mallory",
        "/admin/accounts/?search=%3Cscript%3Ealert(1)%3C/script%3E",
    ):
        page.goto(server.url + path)
        expect(page).to_have_title("Accounts - Coupons")
    page.goto(f"{server.url}/admin/accounts/?search=mallory")
    page.get_by_role("link", name="Edit").click()
    expect(page.get_by_label("Name", exact=True)).to_have_value(WRITTEN)
    expect(page).to_have_title("Edit mallory - Accounts - Coupons")


SCREENS = {"desk": {"width": 1440, "height": 900}, "phone": {"width": 390, "height": 844}}


@pytest.mark.long
@needs_axe
@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_any_kind_of_page_and_none_is_wider_than_the_screen(
    browser, server, scheme, screen
):
    size = SCREENS[screen]
    with browser.new_page(viewport=size, color_scheme=scheme) as page:

        def look(name: str) -> None:
            assert violations(page) == [], name
            assert width_of(page) <= size["width"], name

        page.set_default_timeout(10_000)
        page.goto(f"{server.url}/admin/")
        look("sign in")
        sign_in(Visit(page), server)
        look("dashboard")
        page.get_by_text("The same as a table").click()
        look("dashboard's table")
        for path in (
            "accounts/?flt_role_is=user",
            "accounts/?flt_since=x",
            "voucher_types/new/",
            "redemptions/",
            "nothing",
        ):
            page.goto(f"{server.url}/admin/{path}")
            look(path)
        for table, heading in (("voucher_types", "Voucher types"), ("accounts", "Accounts")):
            for name in ("Edit", "View"):
                page.goto(f"{server.url}/admin/{table}/")
                page.get_by_role("link", name=name).first.click()
                expect(page.get_by_role("heading", level=1)).to_contain_text(heading)
                look(f"{name} {table}")


def width_of(page: Page) -> int:
    return int(page.evaluate("document.scrollingElement.scrollWidth"))


def test_on_a_phone_pages_name_their_row_and_tables_scroll_by_themselves(visit, server):
    page = visit.page
    page.set_viewport_size(SCREENS["phone"])
    page.goto(f"{server.url}/admin/accounts/?search=alice")
    assert width_of(page) <= 390
    rows = page.get_by_role("region", name="Accounts, page 1")
    assert rows.evaluate("box => box.scrollWidth > box.clientWidth")
    expect(rows.locator("time").first).to_contain_text(" UTC")

    for link, title in (("View", "alice"), ("Edit", "Edit alice")):
        page.goto(f"{server.url}/admin/accounts/?search=alice")
        page.get_by_role("link", name=link).first.click()
        expect(page).to_have_title(f"{title} - Accounts - Coupons")
        trail = page.get_by_role("navigation", name="Where this is")
        expect(trail.get_by_role("listitem")).to_have_text(
            ["Dashboard", re.compile("Accounts"), re.compile("alice"), re.compile(link)]
        )
        assert width_of(page) <= 390


@pytest.mark.long
def test_the_pages_fit_a_small_screen(visit, server):
    visit.page.set_viewport_size({"width": 320, "height": 640})
    for path in ("", "accounts/", "voucher_types/new/", "sessions/"):
        visit.page.goto(f"{server.url}/admin/{path}")
        assert width_of(visit.page) <= 320
    visit.page.goto(f"{server.url}/admin/")
    visit.page.get_by_text("The same as a table").click()
    assert width_of(visit.page) <= 320
