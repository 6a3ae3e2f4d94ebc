"""The development mailbox in a real browser: mails look as for their reader, and run nothing."""

from threading import Thread
from uuid import UUID

import pytest
from playwright.sync_api import expect
from werkzeug.serving import make_server

from coupon_management_flask import create_app
from coupon_management_flask.messaging.mail import sender

from ..conftest import settings_for
from .conftest import Visit, needs_axe, needs_browser, violations

pytestmark = [pytest.mark.server, needs_browser]

HTML = """<p>Your code: <b>ABC23456</b></p>
<script>document.body.innerHTML = "taken over"; parent.document.title = "taken over"</script>
<p onclick="document.body.innerHTML = 'taken over'">Click</p>
<a href="{link}">No more mails</a>"""


@pytest.fixture(scope="module")
def url(new_database, tmp_path_factory):
    app = create_app(settings_for(new_database("sqlite"), email_backend=""))
    app.instance_path = str(tmp_path_factory.mktemp("instance"))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    with app.app_context():
        html = HTML.format(link=f"{url}/api/ping")
        sender.send(
            sender.Mail(
                to="alice@example.com",
                subject="Your code",
                text="ABC23456",
                html=html,
                message_id=UUID(int=1),
            )
        )
    yield url
    server.shutdown()
    server.server_close()


def test_a_mail_is_found_and_shown_runs_nothing_and_its_link_opens_beside_it(browser, url):
    with browser.new_page() as page:
        page.goto(f"{url}/dev/mailbox")
        page.get_by_role("link", name="Your code").click()
        shown = page.frame_locator("iframe")
        expect(shown.get_by_text("ABC23456")).to_be_visible()
        shown.get_by_text("Click").click()
        expect(shown.get_by_text("ABC23456")).to_be_visible()
        expect(page).to_have_title("Your code")

        with page.expect_popup() as opened:
            shown.get_by_role("link", name="No more mails").click()
        expect(opened.value.get_by_text("ok")).to_be_visible()


@pytest.mark.long
@needs_axe
def test_the_pages_can_be_used_with_a_screen_reader_and_complain_of_nothing(browser, url):
    with browser.new_page() as page:
        visit = Visit(page)
        page.goto(f"{url}/dev/mailbox")
        # The page reloads itself by meta refresh, so that waiting for a mail needs no script.
        assert [one for one in violations(page) if not one.startswith("meta-refresh:")] == []
        assert visit.complaints == []
        page.get_by_role("link", name="Your code").click()
        assert violations(page) == []
