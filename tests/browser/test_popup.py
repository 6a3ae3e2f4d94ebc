"""The popup in a real browser, on pages of other origins than the service's."""

import json
import re
from datetime import UTC, datetime, timedelta
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

import pytest
from playwright.sync_api import Browser, Page, expect

from ..support.server import Server, running_server
from .conftest import Visit, needs_axe, needs_browser, violations

pytestmark = [pytest.mark.server, needs_browser]

DAYS = 14
PER_EMAIL = 2
KEY = "coupon-popup:example.com"

BAD_ADDRESS = "Please enter a valid e-mail address."
NO_NETWORK = "We can't reach the server. Please check your connection and try again."
TROUBLE = "Something went wrong on our side. Please try again later."

# What a page may do to all of its elements, and to those that popups are usually made of.
HOSTILE = """
    * {
        font-size: 1px !important; visibility: hidden !important; opacity: .01 !important;
        color: lime !important; text-transform: uppercase !important;
        letter-spacing: 1em !important;
    }
    body *, coupon-popup { display: none !important; }
    div, dialog, button, input, h2, form {
        all: unset !important; font-size: 1px !important; position: fixed !important;
        left: -9999px !important; transform: scale(.01) !important;
        animation: away 1s infinite !important;
    }
    @keyframes away { to { opacity: 0; } }
    dialog::backdrop { background: red !important; }
"""


class Website:
    """Somebody's website: pages made by a test, on two origins."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.port = server.server_address[1]
        self.pages: dict[str, tuple[str, dict[str, str]]] = {}
        self.rest_of_slow_page = Event()

    def add(self, page: str, headers: dict[str, str]) -> str:
        path = f"/{len(self.pages)}"
        self.pages[path] = (page, headers)
        return path


@pytest.fixture(scope="module")
def website():
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            # Browsers also ask for an icon.
            page, headers = site.pages.get(self.path, ("", {}))
            self.send_response(200 if page else 204)
            for name, value in {"Content-Type": "text/html; charset=utf-8", **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            head, slow, rest = page.partition("<slow>")
            self.wfile.write(head.encode())
            if slow:
                self.wfile.flush()
                assert site.rest_of_slow_page.wait(20)
                self.wfile.write(rest.encode())

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        site = Website(server)
        Thread(target=server.serve_forever, daemon=True).start()
        yield site
        server.shutdown()


@pytest.fixture(scope="module")
def server(new_database):
    settings = {
        "RATE_LIMITS_ENABLED": "true",
        "RATE_LIMIT_COUPONS": "1000 per minute",
        "RATE_LIMIT_COUPON_EMAILS": f"{PER_EMAIL} per day",
    }
    with running_server(
        new_database("sqlite"), workers=1, COUPON_EXPIRY_DAYS=str(DAYS), **settings
    ) as server:
        yield server


@pytest.fixture
def visit(server: Server, browser: Browser, website: Website):
    """Open a page with the popup as a new visitor: `visit(delay="none", lang="de")`."""
    contexts = []

    def open_page(
        *,
        lang="en",
        head="",
        after_head="",
        body="<button>Buy</button>",
        headers=None,
        host="127.0.0.1",
        before=None,
        until="load",
        tags=1,
        browser_options=None,
        **options,
    ):
        options = {"website": "example.com", "delay": "0", **options}
        attributes = " ".join(
            f'data-{name.replace("_", "-")}="{escape(value)}"'
            for name, value in options.items()
            if value is not None
        )
        script = f'<script src="{server.url}/popup.js" {attributes} async></script>'
        head = f'<meta charset="utf-8"><title>A shop</title>{head}{script * tags}'
        page = (
            f'<!doctype html><html lang="{lang}"><head>{head}</head>{after_head}'
            f"<body><main><h1>A shop</h1>{body}</main></body></html>"
        )
        context = browser.new_context(
            **{
                "viewport": {"width": 900, "height": 700},
                "reduced_motion": "reduce",
                **(browser_options or {}),
            }
        )
        contexts.append(context)
        visit = Visit(context.new_page())
        visit.page.set_default_timeout(10_000)
        if before is not None:
            before(visit.page)
        visit.page.goto(
            f"http://{host}:{website.port}{website.add(page, headers or {})}", wait_until=until
        )
        return visit

    yield open_page
    for context in contexts:
        context.close()


def dialog(page: Page):
    return page.get_by_role("dialog")


def assert_gone(page: Page) -> None:
    """Wait until the popup has closed and cleaned up, which is just after its dialog is gone."""
    expect(page.locator("coupon-popup")).to_have_count(0)


def email_field(page: Page):
    return page.get_by_role("textbox", name="E-mail address")


def code_field(page: Page):
    return page.get_by_role("textbox", name="Here is your code")


def send(page: Page, email: str) -> None:
    email_field(page).fill(email)
    page.get_by_role("button", name="Get my code").click()


def settled(page: Page) -> None:
    """Wait until the page has reacted to what has just happened."""
    page.evaluate(
        "() => new Promise((done) => "
        "requestAnimationFrame(() => setTimeout(() => requestAnimationFrame(done))))"
    )


def ask(server: Server, email: str):
    return server.request("POST", "/api/coupons/", json={"email": email, "website": "example.com"})


def remembered_days(page: Page) -> float:
    return (page.evaluate(f"Number(localStorage.getItem('{KEY}')) - Date.now()")) / 86_400_000


# --- When it opens, and when not


def stop_the_clock(page: Page) -> None:
    page.clock.install(time=0)
    page.clock.pause_at(1)


@pytest.mark.long
def test_it_comes_after_the_delay(visit):
    for delay, seconds in ((None, 5), ("0.5", 0.5), ("soon", 5)):
        page = visit(delay=delay, before=stop_the_clock).page

        page.clock.run_for(round(seconds * 1000) - 100)
        expect(dialog(page)).to_have_count(0)
        page.clock.run_for(100)
        expect(dialog(page)).to_be_visible()


@pytest.mark.long
def test_it_does_not_come_by_itself_where_there_is_no_delay(visit):
    for delay in ("none", "-1"):
        page = visit(delay=delay, before=stop_the_clock).page

        page.clock.fast_forward(30 * 86_400_000)

        expect(dialog(page)).to_have_count(0)


def leave_through(page: Page, x: int, y: int) -> None:
    page.mouse.move(300, 300)
    page.mouse.move(x, y)
    settled(page)


@pytest.mark.long
def test_it_comes_when_the_mouse_leaves_through_the_top_and_nowhere_else(visit):
    page = visit(delay="none").page

    leave_through(page, -1, 300)
    expect(dialog(page)).to_have_count(0)
    leave_through(page, 300, -1)
    expect(dialog(page)).to_be_visible()

    page = visit(delay="none", exit_intent="off").page
    leave_through(page, 300, -1)
    expect(dialog(page)).to_have_count(0)


@pytest.mark.long
def test_it_comes_when_so_much_of_the_page_was_scrolled(visit):
    tall = '<p style="height: 5000px">Tall</p>'
    page = visit(delay="none", scroll="50", body=tall).page
    height = page.evaluate(
        "document.scrollingElement.scrollHeight - document.scrollingElement.clientHeight"
    )

    page.evaluate(f"scrollTo(0, {height * 0.45})")
    settled(page)
    expect(dialog(page)).to_have_count(0)
    page.evaluate(f"scrollTo(0, {height * 0.55})")
    expect(dialog(page)).to_be_visible()

    page = visit(delay="none", scroll="a lot", body=tall).page
    page.evaluate("scrollTo(0, 5000)")
    settled(page)
    expect(dialog(page)).to_have_count(0)


@pytest.mark.long
def test_two_copies_on_a_page_are_one_popup(visit):
    page = visit(tags=2).page

    expect(dialog(page)).to_be_visible()
    settled(page)
    expect(page.locator("coupon-popup")).to_have_count(1)


@pytest.mark.long
def test_copies_for_other_websites_are_one_popup_too_also_where_it_was_closed_before(
    visit, server, website
):
    def embed(*websites):
        scripts = "".join(
            f'<script src="{server.url}/popup.js" data-website="{name}" data-delay="0"></script>'
            for name in websites
        )
        return f"<!doctype html><title>A shop</title>{scripts}<main><h1>A shop</h1></main>"

    page = visit(tags=0, head=embed("example.com", "other.example")).page
    expect(dialog(page)).to_be_visible()
    settled(page)
    expect(page.locator("coupon-popup")).to_have_count(1)
    page.keyboard.press("Escape")
    assert_gone(page)

    # However a website is written, it is the one whose popup was closed.
    own = website.add(embed("https://WWW.example.com/tea", "third.example"), {})
    page.goto(f"http://127.0.0.1:{website.port}{own}")
    settled(page)
    expect(page.locator("coupon-popup")).to_have_count(0)


@pytest.mark.long
def test_the_address_goes_to_the_service_of_its_own_script_and_to_no_other(visit, server, website):
    other = f"http://localhost:{website.port}"
    vendor = f'<script src="{other}/vendor/popup.js" data-website="vendor.example"></script>'
    there = visit(head=vendor)

    send(there.page, "own-script@example.com")

    expect(code_field(there.page)).to_be_visible()
    posted = [url for url in there.requests if url.endswith("/api/coupons/")]
    assert posted == [f"{server.url}/api/coupons/"]


@pytest.mark.long
def test_it_stays_away_where_it_can_not_see_its_own_script(visit, server, website):
    other = f'<script src="http://localhost:{website.port}/popup.js" async></script>'
    module = f'<script src="{server.url}/popup.js" type="module"></script>'
    page = visit(tags=0, head=other + module).page

    settled(page)
    expect(page.locator("coupon-popup")).to_have_count(0)


# Where a card's number may be typed.
CARD = '<label>Card <input id="card" inputmode="numeric"></label>'
OPEN_ROOT = """<pay-form></pay-form><script>
    document.querySelector("pay-form").attachShadow({ mode: "MODE" }).innerHTML =
        `<label>Card <input id="card"></label>`;
</script>"""


def type_a_card(page: Page, website: Website, kind: str) -> None:
    if kind in ("its own origin", "another origin"):
        field = page.frame_locator("iframe").locator("#card")
    elif kind == "a closed shadow root":
        box = page.locator("pay-form").bounding_box()
        page.mouse.click(box["x"] + box["width"] - 20, box["y"] + box["height"] / 2)
        page.keyboard.type("4242")
        return
    else:
        field = page.locator("#card")
    field.click()
    page.keyboard.type("4242")


def paying(website: Website, kind: str) -> str:
    frame = website.add(f"<!doctype html><title>Pay</title>{CARD}", {})
    return {
        "the page": CARD,
        "a text area": '<textarea id="card" aria-label="Card"></textarea>',
        "an editor": '<div id="card" contenteditable role="textbox" aria-label="Card">a</div>',
        "an open shadow root": OPEN_ROOT.replace("MODE", "open"),
        "a closed shadow root": OPEN_ROOT.replace("MODE", "closed"),
        "its own origin": f'<iframe title="Pay" src="{frame}"></iframe>',
        "another origin": (
            f'<iframe title="Pay" src="http://localhost:{website.port}{frame}"></iframe>'
        ),
    }[kind]


@pytest.mark.parametrize(
    "kind",
    [
        "another origin",
        *(
            pytest.param(kind, marks=pytest.mark.long)
            for kind in (
                "the page",
                "a text area",
                "an editor",
                "an open shadow root",
                "a closed shadow root",
                "its own origin",
            )
        ),
    ],
)
def test_whoever_types_keeps_the_focus_until_some_seconds_after(visit, website, kind):
    page = visit(delay="5", body=paying(website, kind) + "<p>Below</p>", before=stop_the_clock).page
    type_a_card(page, website, kind)

    for _ in range(4):
        page.clock.run_for(5_000)
        # The mouse leaves through the top, too: nothing opens it.
        page.mouse.move(300, 300)
        page.mouse.move(300, -1)
        expect(page.locator("coupon-popup")).to_have_count(0)
    # The next keys still arrive where the first did.
    page.keyboard.type("4")

    page.get_by_text("Below").click()
    page.clock.run_for(2_500)
    expect(page.locator("coupon-popup")).to_have_count(0)
    page.clock.run_for(1_500)
    expect(dialog(page)).to_be_visible()
    expect(email_field(page)).to_be_focused()


@pytest.mark.long
def test_from_one_field_to_the_next_it_does_not_come_in_between(visit):
    fields = '<input id="one" aria-label="One"><p>Between</p><input id="two" aria-label="Two">'
    page = visit(delay="1", body=fields, before=stop_the_clock).page

    for field in ("#one", "#two", "#one"):
        page.locator(field).click()
        page.clock.run_for(2_000)
        page.get_by_text("Between").click()
        page.clock.run_for(2_000)

    expect(page.locator("coupon-popup")).to_have_count(0)


@pytest.mark.long
def test_a_focus_on_no_field_does_not_keep_it_away(visit):
    page = visit(delay="1", before=stop_the_clock).page

    page.get_by_role("button", name="Buy").click()
    page.clock.run_for(1_000)

    expect(dialog(page)).to_be_visible()


@pytest.mark.long
def test_it_comes_also_before_the_page_has_a_body(visit, website):
    page = visit(after_head="<slow>", until="commit").page

    expect(dialog(page)).to_be_visible()
    assert page.evaluate("document.body") is None
    website.rest_of_slow_page.set()

    expect(page.get_by_text("A shop", exact=True)).to_be_attached()
    expect(dialog(page)).to_be_visible()


@pytest.mark.long
def test_who_has_a_code_is_not_asked_again_while_it_lasts(visit, server):
    page = visit().page
    send(page, "served@example.com")
    expect(code_field(page)).to_be_visible()
    page.keyboard.press("Escape")
    expires_at = ask(server, "served@example.com").json()["expires_at"]

    assert page.evaluate(f"Number(localStorage.getItem('{KEY}')) === Date.parse('{expires_at}')")
    page.reload()
    settled(page)
    expect(dialog(page)).to_have_count(0)

    page.evaluate(f"localStorage.setItem('{KEY}', Date.now() - 1)")
    page.reload()
    expect(dialog(page)).to_be_visible()


@pytest.mark.long
def test_who_closed_it_is_left_alone_for_as_long_as_a_code_lasts(visit):
    def press_escape(page):
        page.keyboard.press("Escape")

    def press_button(page):
        page.get_by_role("button", name="Close").click()

    def click_beside(page):
        page.mouse.click(5, 5)

    for close in (press_escape, press_button, click_beside):
        page = visit().page
        expect(dialog(page)).to_be_visible()

        close(page)

        assert_gone(page)
        assert remembered_days(page) == pytest.approx(DAYS, abs=0.01)
        page.reload()
        settled(page)
        expect(dialog(page)).to_have_count(0)

    page = visit(days="2").page
    page.keyboard.press("Escape")
    assert_gone(page)
    assert remembered_days(page) == pytest.approx(2, abs=0.01)


@pytest.mark.long
def test_marking_the_address_and_letting_go_outside_does_not_close_it(visit):
    page = visit().page
    box = email_field(page).bounding_box()

    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(5, 5)
    page.mouse.up()
    settled(page)

    expect(dialog(page)).to_be_visible()


@pytest.mark.long
def test_where_storage_is_blocked_it_comes_once_for_each_page(visit):
    blocked = """Object.defineProperty(window, "localStorage", {
        get() { throw new DOMException("blocked", "SecurityError"); }
    })"""
    there = visit(before=lambda page: page.add_init_script(blocked))

    for _ in range(2):
        expect(dialog(there.page)).to_be_visible()
        there.page.keyboard.press("Escape")
        assert_gone(there.page)
        there.page.reload()

    assert there.complaints == []


# --- Getting a code


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_code_is_shown_and_copied_with_one_click(visit, server, host):
    there = visit(host=host, browser_options={"permissions": ["clipboard-read", "clipboard-write"]})
    page, email = there.page, f"alice@{host.replace('.', '-')}.example.com"

    with page.expect_request("**/api/coupons/") as asked:
        send(page, f"  {email} ")
    expect(code_field(page)).to_be_visible()
    code = code_field(page).input_value()
    page.get_by_role("button", name="Copy code").click()

    expect(page.get_by_role("status")).to_have_text("Copied")
    expect(page.get_by_role("button", name="Copied")).to_be_focused()
    assert page.evaluate("navigator.clipboard.readText()") == code
    # It is the code that the service has for this address.
    answer = ask(server, email)
    assert (answer.status_code, answer.json()["code"]) == (200, code)
    expires = datetime.fromisoformat(answer.json()["expires_at"])
    assert abs(expires - datetime.now(UTC) - timedelta(days=DAYS)) < timedelta(minutes=1)
    written = page.evaluate(
        """(text) => new Intl.DateTimeFormat("en", { dateStyle: "long", timeStyle: "short" })
            .format(new Date(text))""",
        answer.json()["expires_at"],
    )
    expect(dialog(page)).to_contain_text(f"Valid until {written}.")
    # The request does not say who visits which page. As plain text it needs no preflight request.
    headers = asked.value.all_headers()
    assert not {"referer", "cookie", "authorization"} & set(headers)
    assert headers["content-type"].startswith("text/plain")
    assert [url for url in there.requests if "/api/" in url] == [f"{server.url}/api/coupons/"]
    assert there.complaints == []


@pytest.mark.long
def test_a_visitor_who_has_a_code_already_sees_the_same(visit, server):
    code = ask(server, "again@example.com").json()["code"]
    page = visit().page

    send(page, "Again@Example.com")

    expect(code_field(page)).to_have_value(code)


@pytest.mark.long
def test_a_code_is_copied_also_where_the_clipboard_is_not_to_be_had(visit):
    refused = """navigator.clipboard.writeText =
        () => Promise.reject(new DOMException("no", "NotAllowedError"))"""
    page = visit(
        before=lambda page: page.add_init_script(refused),
        browser_options={"permissions": ["clipboard-read"]},
    ).page
    send(page, "fallback@example.com")

    page.get_by_role("button", name="Copy code").click()

    expect(page.get_by_role("status")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == code_field(page).input_value()


@pytest.mark.long
def test_sending_twice_asks_once(visit):
    held = []
    there = visit(
        before=lambda page: page.route("**/api/coupons/", lambda route: held.append(route))
    )
    page, button = (
        there.page,
        there.page.get_by_role("button", name=re.compile("Get my code|One moment")),
    )

    email_field(page).fill("twice@example.com")
    with page.expect_request("**/api/coupons/"):
        page.keyboard.press("Enter")
    expect(button).to_have_attribute("aria-disabled", "true")
    expect(page.locator("form")).to_have_attribute("aria-busy", "true")
    page.keyboard.press("Enter")
    button.click(force=True)
    settled(page)
    assert len(held) == 1
    held[0].continue_()

    expect(code_field(page)).to_be_visible()
    assert len([url for url in there.requests if "/api/" in url]) == 1


@pytest.mark.long
def test_the_page_is_told_what_happens_and_never_the_address(visit):
    listen = """for (const name of ["shown", "served", "dismissed"])
        document.addEventListener(
            `coupon-popup:${name}`, (event) => (window.told ??= []).push([name, event.detail])
        )"""
    page = visit(before=lambda page: page.add_init_script(listen)).page
    send(page, "told@example.com")
    code = code_field(page).input_value()
    page.keyboard.press("Escape")
    assert_gone(page)

    told = page.evaluate("window.told")
    assert [name for name, _ in told] == ["shown", "served"]
    assert told[1][1] == {
        "website": "example.com",
        "code": code,
        "expires_at": told[1][1]["expires_at"],
    }
    assert "told@" not in json.dumps(told)

    page = visit(before=lambda page: page.add_init_script(listen)).page
    page.keyboard.press("Escape")
    assert_gone(page)
    assert page.evaluate("window.told") == [
        ["shown", {"website": "example.com"}],
        ["dismissed", {"website": "example.com"}],
    ]


# --- What can go wrong


def assert_refused(
    page: Page, sentence: str | re.Pattern[str], email: str, *, about_address: bool = False
) -> None:
    expect(page.get_by_role("alert")).to_have_text(sentence)
    expect(email_field(page)).to_have_value(email)
    expect(email_field(page)).to_be_focused()
    expect(email_field(page)).to_have_accessible_description(sentence)
    assert email_field(page).get_attribute("aria-invalid") == ("true" if about_address else None)
    expect(page.get_by_role("button", name="Get my code")).to_be_enabled()


@pytest.mark.long
def test_a_bad_address_is_said_in_words_and_can_be_mended(visit):
    there = visit()
    page = there.page
    for email in ("", "alice", "alice @example.com"):
        send(page, email)
        assert_refused(page, BAD_ADDRESS, email, about_address=True)
    assert [url for url in there.requests if "/api/" in url] == []

    # An address that only the service knows to be invalid.
    send(page, "alice@nowhere..example")
    assert_refused(page, BAD_ADDRESS, "alice@nowhere..example", about_address=True)

    send(page, "mended@example.com")
    expect(code_field(page)).to_be_visible()


@pytest.mark.long
def test_too_many_tries_are_told_with_how_long_to_wait(visit, server):
    for _ in range(PER_EMAIL):
        assert ask(server, "keen@example.com").ok
    page = visit().page

    send(page, "keen@example.com")

    assert_refused(
        page,
        re.compile(r"^Too many tries\. Please try again in \d+ (hours?|minutes?)\.$"),
        "keen@example.com",
    )


@pytest.mark.long
def test_no_network_is_said_in_words_and_the_next_try_succeeds(visit):
    page = visit().page
    page.context.set_offline(True)
    send(page, "offline@example.com")
    assert_refused(page, NO_NETWORK, "offline@example.com")

    page.context.set_offline(False)
    page.get_by_role("button", name="Get my code").click()
    expect(code_field(page)).to_be_visible()


@pytest.mark.long
def test_a_service_that_does_not_answer_is_not_waited_for_forever(visit):
    page = visit(
        before=lambda page: (
            page.clock.install(),
            page.route("**/api/coupons/", lambda route: None),
        )
    ).page
    page.clock.fast_forward(1)
    with page.expect_request("**/api/coupons/"):
        send(page, "slow@example.com")

    page.clock.fast_forward(15_000)

    assert_refused(page, NO_NETWORK, "slow@example.com")


@pytest.mark.long
def test_trouble_of_the_service_and_a_website_without_codes_are_said_in_words(visit):
    page = visit(
        before=lambda page: page.route(
            "**/api/coupons/",
            lambda route: route.fulfill(
                status=502,
                body="<h1>Bad gateway</h1>",
                headers={"Access-Control-Allow-Origin": "*"},
            ),
        )
    ).page
    send(page, "trouble@example.com")
    assert_refused(page, TROUBLE, "trouble@example.com")

    page = visit(website="no website").page
    send(page, "trouble@example.com")
    assert_refused(
        page, "There are no codes for this website at the moment.", "trouble@example.com"
    )


@pytest.mark.long
def test_nothing_that_an_attribute_says_breaks_the_page(visit):
    nonsense = {
        "delay": "0",
        "scroll": "1e99",
        "exit_intent": "?",
        "days": "-3",
        "color": "url(x)",
        "text_color": "red;}",
        "background": "12",
        "language": "__proto__",
        "api": "http://:x",
    }
    there = visit(
        **nonsense, title="<b>10 %</b> & more", text="<img src=x onerror=alert(1)>", button=" "
    )

    expect(there.page.get_by_role("heading", name="<b>10 %</b> & more")).to_be_visible()
    expect(there.page.get_by_text("<img src=x onerror=alert(1)>")).to_be_visible()
    send(there.page, "nonsense@example.com")
    expect(code_field(there.page)).to_be_visible()
    assert there.complaints == []


# --- By keyboard, for screen readers, on any page


@pytest.mark.long
def test_it_can_be_used_by_keyboard_alone(visit):
    page = visit(
        delay="none", scroll="1", body='<button autofocus>Buy</button><p style="height: 3000px">'
    ).page
    buy = page.get_by_role("button", name="Buy")
    buy.focus()
    page.keyboard.press("PageDown")
    close, submit = (
        page.get_by_role("button", name="Close"),
        page.get_by_role("button", name="Get my code"),
    )

    expect(email_field(page)).to_be_focused()
    for stop in (submit, close, email_field(page)):
        page.keyboard.press("Tab")
        expect(stop).to_be_focused()
    for stop in (close, submit, email_field(page)):
        page.keyboard.press("Shift+Tab")
        expect(stop).to_be_focused()
    page.keyboard.type("keyboard@example.com")
    page.keyboard.press("Enter")

    copy = page.get_by_role("button", name="Copy code")
    expect(copy).to_be_focused()
    for stop in (close, code_field(page), copy):
        page.keyboard.press("Tab")
        expect(stop).to_be_focused()
    page.keyboard.press("Escape")
    assert_gone(page)
    expect(buy).to_be_focused()


@pytest.mark.long
def test_the_pages_shortcuts_do_not_hear_what_is_typed(visit):
    greedy = "addEventListener('keydown', (event) => event.key === 's' && event.preventDefault())"
    page = visit(before=lambda page: page.add_init_script(greedy)).page

    expect(email_field(page)).to_be_focused()
    page.keyboard.type("s@s.example")

    expect(email_field(page)).to_have_value("s@s.example")


@pytest.mark.long
def test_it_is_a_named_dialog_and_says_aloud_what_happens(visit):
    page = visit().page
    expect(dialog(page)).to_have_accessible_name("A discount for you")
    expect(dialog(page)).to_have_accessible_description(
        "Leave your e-mail address and get a code for your next order."
    )

    send(page, "aloud@example.com")

    expect(dialog(page)).to_have_accessible_name("Here is your code")
    expect(page.get_by_role("status")).to_have_text(
        f"Here is your code: {code_field(page).input_value()}"
    )


@pytest.mark.long
@needs_axe
def test_axe_finds_nothing_in_any_state_and_any_colours(visit):
    for number, colours in enumerate(
        (
            {},
            {"color": "gold", "background": "#14161f"},
            {"color": "#777", "background": "rebeccapurple"},
        )
    ):
        page = visit(**colours).page
        expect(dialog(page)).to_be_visible()
        assert violations(page) == []
        send(page, "alice")
        expect(page.get_by_role("alert")).to_have_text(BAD_ADDRESS)
        assert violations(page) == []
        send(page, f"axe{number}@example.com")
        expect(code_field(page)).to_be_visible()
        assert violations(page) == []


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours as WCAG defines it."""

    def luminance(colour):
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)]
        red, green, blue = (
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.long
def test_colours_are_taken_where_they_are_colours_and_what_stands_on_them_can_be_read(visit):
    def shown(**options):
        page = visit(head="<style>:root { --brand: #ffd700 }</style>", **options).page
        style = """(element) => {
            const { color, backgroundColor } = getComputedStyle(element);
            return [backgroundColor, color];
        }"""
        return dialog(page).evaluate(style), page.get_by_role(
            "button", name="Get my code"
        ).evaluate(style)

    default = shown()
    assert shown(color="url(x)", background="transparent", text_color="nothing") == default
    given = shown(color="var(--brand)", background="rgb(20 20 20)", text_color="#ddd")
    assert given[0] == ["rgb(20, 20, 20)", "rgb(221, 221, 221)"]
    assert given[1][0] == "rgb(255, 215, 0)"
    # No colour has much contrast with a middle grey.
    for pair in (*default, *given, *shown(color="#777", background="#767676")):
        assert contrast(*pair) >= 4.5


@pytest.mark.long
def test_it_fits_a_small_screen(visit):
    def fits(page):
        box = dialog(page).bounding_box()
        assert box["x"] >= 0
        assert box["y"] >= 0
        assert box["x"] + box["width"] <= 320
        assert box["y"] + box["height"] <= 480
        assert page.evaluate("document.scrollingElement.scrollWidth") <= 320
        assert dialog(page).evaluate("(element) => element.scrollWidth <= element.clientWidth")
        for target in [
            *dialog(page).get_by_role("button").all(),
            *dialog(page).get_by_role("textbox").all(),
        ]:
            target.scroll_into_view_if_needed()
            size = target.bounding_box()
            assert min(size["width"], size["height"]) >= 44

    page = visit(
        language="en",
        title="A very long word: Donaudampfschifffahrtsgesellschaftskapitän",
        browser_options={"viewport": {"width": 320, "height": 480}},
    ).page
    expect(dialog(page)).to_be_visible()
    fits(page)
    page.context.set_offline(True)
    send(page, "small@example.com")
    expect(page.get_by_role("alert")).to_have_text(NO_NETWORK)
    fits(page)
    page.context.set_offline(False)
    send(page, "small@example.com")
    expect(code_field(page)).to_be_visible()
    fits(page)


@pytest.mark.long
def test_the_pages_styles_do_not_reach_it_nor_its_own_the_page(visit):
    style = """(element) => {
        const style = getComputedStyle(element), box = element.getBoundingClientRect();
        return [style.fontSize, style.color, style.visibility, style.opacity, style.direction,
            style.display, style.textTransform, style.letterSpacing, box.width, box.height];
    }"""

    def looks(page):
        expect(dialog(page)).to_be_visible()
        return [
            target.evaluate(style)
            for target in (
                dialog(page),
                page.get_by_role("heading", name="A discount for you"),
                email_field(page),
            )
        ]

    friendly, hostile = visit().page, visit(head=f"<style>{HOSTILE}</style>").page

    assert looks(hostile) == looks(friendly)
    send(hostile, "hostile@example.com")
    expect(code_field(hostile)).to_be_in_viewport(ratio=1)
    # The page's own button looks the same as without a popup.
    buy = "document.querySelector('main button')"
    without = visit(delay="none").page
    assert friendly.evaluate(f"({style})({buy})") == without.evaluate(f"({style})({buy})")


@pytest.mark.long
def test_a_page_with_a_strict_policy_needs_to_allow_the_script_and_the_api_alone(visit, server):
    policy = (
        f"default-src 'none'; script-src {server.url}; connect-src {server.url}; "
        "style-src 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )
    there = visit(
        headers={"Content-Security-Policy": policy},
        color="teal",
        browser_options={"permissions": ["clipboard-write"]},
    )

    send(there.page, "strict@example.com")
    there.page.get_by_role("button", name="Copy code").click()
    expect(there.page.get_by_role("status")).to_have_text("Copied")
    assert (
        there.page.get_by_role("button", name="Copied").evaluate(
            "(element) => getComputedStyle(element).backgroundColor"
        )
        == "rgb(0, 128, 128)"
    )
    there.page.keyboard.press("Escape")
    assert_gone(there.page)

    assert there.complaints == []


@pytest.mark.long
def test_a_page_that_isolates_itself_may_load_it(visit):
    there = visit(
        headers={
            "Cross-Origin-Embedder-Policy": "require-corp",
            "Cross-Origin-Opener-Policy": "same-origin",
        }
    )

    expect(dialog(there.page)).to_be_visible()
    assert there.page.evaluate("crossOriginIsolated")
    assert there.complaints == []


@pytest.mark.long
def test_it_speaks_the_language_that_is_asked_for_or_the_pages_or_the_visitors_or_english(visit):
    titles = {
        "en": "A discount for you",
        "de": "Ein Rabatt für Sie",
        "fr": "Une remise pour vous",
        "es": "Un descuento para ti",
    }
    for wanted, of_page, of_visitor, spoken in (
        ("de-AT", "fr", "es-ES", "de"),
        (None, "fr-CA", "es-ES", "fr"),
        (None, "", "es-MX", "es"),
        ("tlh", "ja", "pt-BR", "en"),
    ):
        page = visit(language=wanted, lang=of_page, browser_options={"locale": of_visitor}).page
        expect(dialog(page)).to_have_accessible_name(titles[spoken])
        expect(dialog(page)).to_have_attribute("lang", spoken)


@pytest.mark.long
@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York"])
def test_it_says_until_which_hour_of_the_visitors_own_day_a_code_is_valid(visit, zone):
    answer = {"code": "TEATEATE", "expires_at": "2027-01-31T22:15:30Z"}
    page = visit(
        before=lambda page: page.route(
            "**/api/coupons/", lambda route: route.fulfill(status=201, body=json.dumps(answer))
        ),
        browser_options={"timezone_id": zone},
    ).page

    send(page, "hour@example.com")

    said = {
        "Asia/Tokyo": "February 1, 2027 at 7:15",
        "America/New_York": "January 31, 2027 at 5:15",
    }
    expect(dialog(page)).to_contain_text(f"Valid until {said[zone]}")


@pytest.mark.long
def test_a_website_may_have_a_name_in_any_letters(visit):
    for number, name in enumerate(("bücher.example", "BÜCHER.example", "xn--bcher-kva.example")):
        page = visit(website=f"https://www.{name}/tea" if number else name).page

        send(page, f"letters{number}@example.com")

        expect(code_field(page)).to_be_visible()
        page.keyboard.press("Escape")
        assert_gone(page)
        assert page.evaluate("Object.keys(localStorage)") == ["coupon-popup:xn--bcher-kva.example"]


@pytest.mark.long
@needs_axe
@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("how", ["dir", "style"])
def test_it_follows_the_direction_of_the_page(visit, width, how):
    head = "<style>body { direction: rtl }</style>" if how == "style" else ""
    page = visit(
        lang='he" dir="rtl' if how == "dir" else "he",
        head=head,
        title="10 % הנחה על ההזמנה הראשונה",
        browser_options={"viewport": {"width": width, "height": 844}},
    ).page

    expect(dialog(page)).to_have_css("direction", "rtl")
    close = page.get_by_role("button", name="Close").bounding_box()
    box = dialog(page).bounding_box()
    assert close["x"] - box["x"] < box["width"] / 4
    # Addresses and codes are written from the left everywhere.
    expect(email_field(page)).to_have_css("direction", "ltr")
    assert violations(page) == []
    send(page, f"{how}{width}@example.com")
    expect(code_field(page)).to_have_css("direction", "ltr")
    assert violations(page) == []
    assert page.evaluate("document.scrollingElement.scrollWidth") <= width


@pytest.mark.long
def test_it_moves_only_where_motion_is_welcome(visit):
    for motion, animations in (("reduce", 0), ("no-preference", 1)):
        page = visit(browser_options={"reduced_motion": motion}).page
        expect(dialog(page)).to_be_visible()
        names = dialog(page).evaluate("(element) => getComputedStyle(element).animationName")
        assert (names != "none") == bool(animations)
