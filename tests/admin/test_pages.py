"""Around the pages of /admin: headers, errors, and the dashboard."""

import re
from datetime import UTC, datetime

import pytest

from coupon_management_flask import create_app
from coupon_management_flask.admin.charts import bar_chart
from coupon_management_flask.core import clock
from coupon_management_flask.credit_coupons import use as credit_use

from ..conftest import settings_for
from ..support.people import make_coupon
from ..support.ports import free_port
from .conftest import SIGN_IN, Browser

POLICY = {
    "default-src": "'none'",
    "style-src": "'self'",
    "img-src": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
}


@pytest.mark.parametrize(
    "path",
    [
        "/admin",
        "/admin/",
        SIGN_IN,
        "/admin/accounts/",
        "/admin/accounts/export/csv/",
        "/admin/nothing",
        "/admin/sign-out",
    ],
)
def test_no_script_runs_on_a_page_of_admin_nobody_frames_it_and_none_is_kept(console, path):
    answer = console.get(path)

    policy = dict(
        rule.strip().split(" ", 1) for rule in answer.headers["Content-Security-Policy"].split(";")
    )
    assert policy == POLICY
    assert answer.headers.getlist("Cache-Control") == ["no-store"]
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert not re.search(r"<script|javascript:|\son\w+=|\sstyle=|https?://", answer.text)


def test_slashes_before_the_path_change_nothing_of_that(console):
    for path in ("//admin/sign-in", "///admin/nothing"):
        answer = console.open(
            "GET", "/", environ_overrides={"PATH_INFO": path, "REQUEST_URI": path}
        )

        assert "script-src" not in answer.headers["Content-Security-Policy"]
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.mimetype == "text/html"


def test_the_style_is_ours_and_may_be_kept(browser):
    answer = browser.get("/admin/files/admin.css")

    assert (answer.status_code, answer.mimetype) == (200, "text/css")
    assert answer.headers["Cache-Control"] == "no-cache"
    assert "Set-Cookie" not in answer.headers
    assert "url(" not in answer.text
    answer.close()
    # Flask-Admin's own scripts are not served at all.
    assert browser.get("/admin/static/vendor/jquery.min.js").status_code == 404


@pytest.mark.parametrize("path", ["/administrator", "/v1/coupons", "/api/ping", "/docs"])
def test_what_is_not_under_admin_gets_no_cookie_and_its_own_policy(browser, path):
    answer = browser.get(path)

    assert "Set-Cookie" not in answer.headers
    assert "script-src" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/admin/nothing", 404),
        ("GET", "/admin/sign-out", 405),
        ("PUT", SIGN_IN, 405),
        ("POST", SIGN_IN, 400),
    ],
)
def test_an_error_is_a_page_that_leads_back(browser, method, path, status):
    answer = browser.open(method, path)

    assert (answer.status_code, answer.mimetype) == (status, "text/html")
    assert 'href="/admin/"' in answer.text
    assert ("Allow" in answer.headers) is (status == 405)


def test_a_form_that_is_too_large_is_refused(console):
    answer = console.open(
        "POST", "/admin/voucher_types/new/", data={"name": "x" * (1024 * 1024 + 1)}
    )

    assert (answer.status_code, answer.mimetype) == (413, "text/html")


def test_a_database_that_is_away_is_told_in_a_page():
    app = create_app(settings_for(f"postgresql://nobody:x@127.0.0.1:{free_port()}/nothing"))

    with app.app_context():
        answer = Browser(app.test_client()).sign_in("boss")

    assert (answer.status_code, answer.mimetype) == (503, "text/html")
    assert "Retry-After" in answer.headers
    assert "come back later" in answer.text


def test_the_dashboard_has_the_figures_as_charts_and_as_a_table(console, alice):
    coupon = make_coupon(value=30)
    credit_use.use(alice.id, coupon)

    page = console.get("/admin/").text

    today = f"{clock.now():%Y-%m-%d}"
    assert re.search(
        rf'<th scope="row">{today}</th><td class="number">0</td><td class="number">1</td>', page
    )
    assert f'aria-label="Redeemed by day. 1 in all; the most, 1, on {today}."' in page
    assert f"<title>{today}: 1</title>" in page
    assert re.search(r"<dt>Credits spent</dt><dd>30</dd>", page)
    assert re.search(r"<dt>Users</dt><dd>2</dd>", page)
    assert coupon.name in page


@pytest.mark.parametrize("days", [1, 7, 366])
def test_the_dashboard_is_of_as_many_days_as_are_asked_for(console, days):
    page = console.get("/admin/", days=days).text

    assert len(re.findall(r'<th scope="row">\d{4}-\d\d-\d\d</th>', page)) == days


def test_a_dashboard_of_no_days_is_an_error(console):
    answer = console.get("/admin/?days=0")

    assert (answer.status_code, answer.mimetype) == (400, "text/html")


def test_a_chart_has_a_bar_for_each_value_none_above_the_top_and_none_below_zero():
    chart = bar_chart("Sold", ["a", "b", "c", "d"], [0, 5, 10, -3], "EUR")

    assert [bar.height for bar in chart.bars] == [0, 70, 140, 0]
    assert [bar.y + bar.height for bar in chart.bars] == [140] * 4
    assert chart.bars[1].told == "b: 5 EUR"
    assert chart.summary == "12 EUR in all; the most, 10 EUR, on c."
    assert bar_chart("Sold", ["a"], [0]).summary == "Nothing yet."
    assert bar_chart("Sold", [], []).bars == []


def test_times_in_the_log_are_utc(console, log, alice, monkeypatch):
    moment = datetime(2026, 11, 21, 23, 59, 59, tzinfo=UTC)
    monkeypatch.setattr(clock, "now", lambda: moment)
    console.sign_in("boss")
    console.send(f"/admin/accounts/edit/?id={alice.id}", name="Alicia")

    assert "2026-11-21 23:59:59" in console.get("/admin/admin_changes/").text
