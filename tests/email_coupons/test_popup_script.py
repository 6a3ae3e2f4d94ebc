"""GET /popup.js: the script that any website embeds."""

import gzip
import re

import pytest

from coupon_management_flask import create_app
from coupon_management_flask.email_coupons import popup_routes

from ..conftest import settings_for
from ..support.server import ROOT

SOURCE = ROOT / "frontend" / "popup.js"


@pytest.fixture
def popup(tmp_path):
    """Return a maker of clients of an application with these settings and no database."""
    return lambda **settings: create_app(
        settings_for(f"sqlite:///{tmp_path}/none.db", **settings)
    ).test_client()


def test_any_page_may_load_it_and_it_is_kept_for_an_hour(popup):
    # Also one that sends an origin, and with settings that allow some origins the rest of the API.
    for client in (popup(), popup(cors_allowed_origins=["https://shop.example"])):
        answer = client.get("/popup.js", headers={"Origin": "https://shop.example"})

        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
        assert (
            answer.headers["Cache-Control"] == "public, max-age=3600, stale-while-revalidate=86400"
        )
        assert answer.headers.getlist("Access-Control-Allow-Origin") == ["*"]
        assert answer.headers.getlist("Cross-Origin-Resource-Policy") == ["cross-origin"]
        assert "Access-Control-Allow-Credentials" not in answer.headers
        assert "Set-Cookie" not in answer.headers


def test_it_is_below_8_kib_packed(popup):
    served = popup().get("/popup.js").data
    packed = popup().get("/popup.js", headers={"Accept-Encoding": "gzip, deflate, br"})

    assert len(gzip.compress(served, 9)) < 8 * 1024
    assert packed.headers["Content-Encoding"] == "gzip"
    assert len(packed.data) < 8 * 1024
    assert gzip.decompress(packed.data) == served


def test_who_does_not_unpack_gets_it_as_it_is(popup):
    for accepted in ("", "identity", "br", "gzip;q=0, br"):
        answer = popup().get("/popup.js", headers={"Accept-Encoding": accepted})
        assert "Content-Encoding" not in answer.headers
        assert answer.text.startswith("/* The coupon popup")
        assert "Accept-Encoding" in answer.headers["Vary"]


def test_it_is_sent_again_only_when_it_has_changed(popup):
    client, later = popup(), popup(coupon_expiry_days=31)
    first = client.get("/popup.js")
    packed = client.get("/popup.js", headers={"Accept-Encoding": "gzip"})
    tag = first.headers["ETag"]

    again = client.get("/popup.js", headers={"If-None-Match": tag})
    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", tag)
    assert again.headers["Cache-Control"] == first.headers["Cache-Control"]
    assert later.get("/popup.js", headers={"If-None-Match": tag}).status_code == 200
    assert not tag.startswith("W/")
    assert packed.headers["ETag"] != tag
    # The same for every process, and after every start.
    assert (
        popup()
        .get(
            "/popup.js",
            headers={"If-None-Match": packed.headers["ETag"], "Accept-Encoding": "gzip"},
        )
        .status_code
        == 304
    )


def test_head_says_what_get_would(popup):
    client = popup()
    head, get = client.head("/popup.js"), client.get("/popup.js")

    assert (head.status_code, head.data) == (200, b"")
    assert {name: head.headers[name] for name in ("ETag", "Content-Type", "Content-Length")} == {
        name: get.headers[name] for name in ("ETag", "Content-Type", "Content-Length")
    }
    refused = client.post("/popup.js")
    assert refused.status_code == 405
    assert set(refused.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


def test_a_dismissal_is_remembered_for_the_life_of_a_code(popup):
    source = SOURCE.read_text(encoding="utf-8")
    for days in (1, 30, 365):
        served = popup(coupon_expiry_days=days).get("/popup.js").text
        assert re.findall(r"EXPIRY_DAYS = .*", served) == [f"EXPIRY_DAYS = {days};"]
        assert served == source.replace("const EXPIRY_DAYS = 30;", f"const EXPIRY_DAYS = {days};")


@pytest.mark.parametrize(
    "script", ["", "  const EXPIRY_DAYS = 30;\n  const EXPIRY_DAYS = 30;\n"], ids=["none", "two"]
)
def test_a_script_without_one_place_for_that_stops_the_start(popup, tmp_path, monkeypatch, script):
    file = tmp_path / "popup.js"
    file.write_text(script, encoding="utf-8")
    monkeypatch.setattr(popup_routes, "SCRIPT", file)

    with pytest.raises(RuntimeError, match="EXPIRY_DAYS"):
        popup()


def test_it_asks_nothing_of_a_page_that_a_strict_policy_forbids():
    source = SOURCE.read_text(encoding="utf-8")

    assert (
        re.findall(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b"
            r"|new Function|import\(|createElement\(.script",
            source,
        )
        == []
    )
    # Where it came from and what it is told: no other address stands in it.
    assert re.findall(r"https?://[\w.]+", source) == ["https://coupons.example"]


def test_every_option_and_event_is_explained():
    source, page = (
        SOURCE.read_text(encoding="utf-8"),
        (ROOT / "docs" / "popup.md").read_text(encoding="utf-8"),
    )
    read = {
        re.sub("[A-Z]", lambda letter: f"-{letter[0].lower()}", name)
        for name in re.findall(r"options\.(\w+)", source)
    }
    told = {f"coupon-popup:{name}" for name in re.findall(r'tell\("(\w+)"', source)}

    assert set(re.findall(r"^\| `data-([\w-]+)` \|", page, re.MULTILINE)) == read
    assert set(re.findall(r"`(coupon-popup:\w+)` \|", page)) == told
