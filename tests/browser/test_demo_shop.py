"""The demo shop in a real browser: a visitor goes from the popup to a discounted order."""

from threading import Thread

import pytest
from playwright.sync_api import Browser, expect
from werkzeug.serving import make_server

from coupon_management_flask.cli.demo.shop import create_demo_shop

from ..support.server import assert_books_add_up, copy_checkout, run_command, running_server
from ..support.waiting import wait_until
from .conftest import Visit, needs_axe, needs_browser, violations

pytestmark = [pytest.mark.server, needs_browser]


@pytest.fixture(scope="module")
def database(new_database):
    return new_database("sqlite")


@pytest.fixture(scope="module")
def server(database, tmp_path_factory):
    with running_server(
        database,
        workers=1,
        checkout=copy_checkout(tmp_path_factory.mktemp("checkout")),
        EMAIL_BACKEND="",
    ) as server:
        yield server
        assert_books_add_up(database)


@pytest.fixture(scope="module")
def shop_url(server, database):
    """The address of the shop, which is another origin than the service's."""
    permissions = ["--permission", "getCoupons", "--permission", "manageCoupons"]
    api_key = run_command(
        "api-keys", "create", "--service", "demo-shop", *permissions, database_url=database
    ).strip()
    shop = make_server("127.0.0.1", 0, create_demo_shop(server.url, api_key), threaded=True)
    Thread(target=shop.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{shop.server_port}/"
    shop.shutdown()
    shop.server_close()


@pytest.fixture
def visit(browser: Browser, shop_url: str):
    with browser.new_page(reduced_motion="reduce") as page:
        page.set_default_timeout(10_000)
        page.clock.install()
        visit = Visit(page)
        page.goto(shop_url)
        page.clock.fast_forward(2000)
        yield visit


def test_a_code_of_the_popup_is_mailed_and_takes_a_tenth_off_one_order(visit, server):
    page = visit.page
    told = page.locator("#told")
    page.get_by_role("textbox", name="E-mail address").fill("visitor@example.com")
    page.keyboard.press("Enter")
    code = page.get_by_role("textbox", name="Here is your code").input_value()
    page.keyboard.press("Escape")

    page.get_by_role("button", name="Add to cart: Sencha").click()
    page.get_by_role("textbox", name="Discount code").fill(code.lower())
    page.get_by_role("button", name="Apply").click()
    expect(told).to_have_text(f"{code} takes $1.49 off.")
    expect(page.locator("#total")).to_have_text("$13.41")
    page.get_by_role("button", name="Place order").click()
    expect(told).to_contain_text("Order placed: $13.41.")
    assert visit.complaints == []

    page.get_by_role("button", name="Add to cart: Kettle").click()
    page.get_by_role("textbox", name="Discount code").fill(code)
    page.get_by_role("button", name="Apply").click()
    expect(told).to_have_text("Coupon usage limit exceeded")
    expect(page.locator("#total")).to_have_text("$59.00")
    # A test's server prints its mails.
    wait_until(lambda: f"Your code: {code}" in server.log(), "the code is mailed")


@pytest.mark.long
def test_a_code_that_is_none_is_refused_in_the_services_words_and_the_order_can_be_placed_without(
    visit,
):
    page = visit.page
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Add to cart: Two cups").click()
    page.get_by_role("textbox", name="Discount code").fill("NO-SUCH-CODE")
    page.keyboard.press("Enter")

    expect(page.locator("#told")).to_have_text("Coupon not found")
    page.get_by_role("button", name="Place order").click()
    expect(page.locator("#told")).to_contain_text("Order placed: $24.50.")


@pytest.mark.long
@needs_axe
def test_axe_finds_nothing_in_the_shop(visit):
    page = visit.page
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert violations(page) == []

    page.get_by_role("button", name="Add to cart: Sencha").click()
    page.get_by_role("textbox", name="Discount code").fill("NO-SUCH-CODE")
    page.keyboard.press("Enter")
    expect(page.locator("#told")).to_have_text("Coupon not found")
    assert violations(page) == []


@pytest.mark.long
def test_the_shop_fits_a_small_screen(visit):
    visit.page.set_viewport_size({"width": 320, "height": 480})
    visit.page.keyboard.press("Escape")

    assert visit.page.evaluate("document.scrollingElement.scrollWidth") <= 320
