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
        expect(page.locator(".opblock").first).to_be_visible()
        yield visit


@pytest.mark.long
def test_the_docs_show_every_operation_of_the_api(server, docs):
    described = {
        (method.upper(), path)
        for path, operations in server.request("GET", "/openapi.json").json()["paths"].items()
        for method in operations
        if method != "parameters"
    }

    shown = [
        (
            operation.locator(".opblock-summary-method").inner_text(),
            operation.locator(".opblock-summary-path").get_attribute("data-path"),
        )
        for operation in docs.page.locator(".opblock").all()
    ]

    assert set(shown) == described
    assert len(shown) == len(described)


def test_the_docs_load_nothing_from_another_host_and_nothing_goes_wrong(server, docs):
    docs.page.wait_for_load_state("networkidle")

    assert f"{server.url}/openapi.json" in docs.requests
    assert [url for url in docs.requests if not url.startswith((f"{server.url}/", "data:"))] == []
    assert docs.complaints == []


@pytest.mark.long
def test_an_operation_can_be_tried_from_the_docs(docs):
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
