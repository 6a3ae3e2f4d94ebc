"""GET /docs in a real browser: Swagger UI shows the API and can call it.

Nothing is loaded from another host.
"""

import pytest
from playwright.sync_api import Browser, expect

from ..support.server import Server, running_server
from .conftest import Visit, needs_browser

pytestmark = [pytest.mark.server, needs_browser]


@pytest.fixture(scope="module")
def server(new_database):
    with running_server(new_database("sqlite"), workers=1) as server:
        yield server


@pytest.fixture
def docs(server: Server, browser: Browser):
    """Open /docs and wait until Swagger UI has drawn it."""
    with browser.new_page(viewport={"width": 1280, "height": 1600}) as page:
        visit = Visit(page)
        page.goto(f"{server.url}/docs")
        # The first who asks waits until the description is written.
        expect(page.locator(".opblock-tag").first).to_be_visible(timeout=30_000)
        yield visit


def search(page, phrase):
    page.locator(".operation-filter-input").fill(phrase)


def shown(page):
    return {one.get_attribute("data-path") for one in page.locator(".opblock-summary-path").all()}


def test_the_docs_are_folded_at_first_and_are_drawn_quickly(docs):
    page = docs.page

    assert page.locator(".opblock").count() == 0
    assert page.locator(".models").count() == 0
    # Few elements are what makes the page quick: unfolded it has tens of thousands.
    assert page.evaluate("document.querySelectorAll('*').length") < 1500


def test_operations_are_found_by_words_of_their_path_name_or_summary(docs):
    page = docs.page

    search(page, "redeem post")
    expect(page.locator(".opblock").first).to_be_visible()
    assert shown(page) == {"/api/v1/coupons/redeem", "/api/vouchers/redeem"}
    search(page, "activate_promo")
    expect(page.locator(".opblock")).to_have_count(1)
    assert shown(page) == {"/api/user/promo/{promo_id}/activate"}
    search(page, "no such call")
    expect(page.locator(".opblock-tag")).to_have_count(0)
    search(page, "")
    expect(page.locator(".opblock-tag").first).to_be_visible()
    assert page.locator(".opblock").count() == 0
    assert docs.complaints == []


def test_an_operation_shows_its_example_its_schemas_and_its_refusals(docs):
    search(docs.page, "redeem_coupon")
    redeem = docs.page.locator(".opblock")
    redeem.locator(".opblock-summary-control").click()

    expect(redeem.locator(".body-param__example")).to_contain_text('"code": "OVER50"')
    told = redeem.locator(".renderedMarkdown li", has_text="coupon_expired")
    expect(told).to_have_text("coupon_expired: Coupon has expired")
    redeem.get_by_text("Schema", exact=True).first.click()
    expect(redeem.get_by_text("OrderWithCodes").first).to_be_visible()
    assert docs.complaints == []


@pytest.mark.long
def test_the_docs_show_every_operation_of_the_api(server, docs):
    described = {
        (method.upper(), path)
        for path, operations in server.request("GET", "/openapi.json").json()["paths"].items()
        for method in operations
    }
    search(docs.page, "/")
    expect(docs.page.locator(".opblock").nth(len(described) - 1)).to_be_visible()

    drawn = [
        (
            operation.locator(".opblock-summary-method").inner_text(),
            operation.locator(".opblock-summary-path").get_attribute("data-path"),
        )
        for operation in docs.page.locator(".opblock").all()
    ]

    assert set(drawn) == described
    assert len(drawn) == len(described)


def test_the_docs_load_nothing_from_another_host_and_nothing_goes_wrong(server, docs):
    docs.page.wait_for_load_state("networkidle")

    assert f"{server.url}/openapi.json" in docs.requests
    assert [url for url in docs.requests if not url.startswith((f"{server.url}/", "data:"))] == []
    assert docs.complaints == []


@pytest.mark.long
def test_an_operation_can_be_tried_from_the_docs(docs):
    search(docs.page, "ping")
    ping = docs.page.locator(".opblock", has=docs.page.locator("[data-path='/api/ping']"))
    ping.locator(".opblock-summary-control").click()
    ping.get_by_role("button", name="Try it out").click()
    ping.get_by_role("button", name="Execute").click()

    answer = ping.locator(".live-responses-table .response")
    expect(answer.locator(".response-col_status")).to_have_text("200")
    expect(answer.locator(".response-col_description .highlight-code").first).to_contain_text(
        '"status": "ok"'
    )
    assert docs.complaints == []
