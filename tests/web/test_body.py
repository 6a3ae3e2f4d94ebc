"""Bodies and queries: types are strict, unknown fields are refused, nothing is converted."""

import json

import pytest
import sqlalchemy as sa

from coupon_management_flask import create_app
from coupon_management_flask.db.session import db

from ..conftest import settings_for
from ..support.people import make_coupon
from ..support.probes import add_form
from ..support.refusals import refusal


@pytest.fixture(scope="module")
def form(tmp_path_factory):
    """Return a client of an application with a form at /v1/form that stores nothing."""
    app = create_app(settings_for(f"sqlite:///{tmp_path_factory.mktemp('form')}/empty.db"))
    add_form(app, "/v1")
    return app.test_client()


def send(form, field, value):
    return form.post("/v1/form", data=json.dumps({field: value}))


def assert_refused(answer, field):
    assert refusal(answer) == (400, "validation_error")
    assert answer.json["error"]["message"].startswith(f"{field}: ")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("whole", -5),
        ("whole", 0),
        ("whole", 1_000_000_000),
        ("truth", True),
        ("truth", False),
        ("text", "x"),
        ("text", "0123456789"),
        ("text", "🎟" * 10),
        ("text", " "),
        ("text", "a\nb"),
        ("email", "Alice.B+shop@Example.com"),
    ],
)
def test_what_is_meant_is_understood(form, field, value):
    answer = send(form, field, value)

    assert (answer.status_code, answer.json) == (200, {field: value})


OTHER_KINDS = [None, [], {}, [1], ["x"], {"x": 1}]


@pytest.mark.parametrize(
    "value",
    [
        "5",
        "",
        "x",
        5.0,
        5.5,
        -0.0,
        1e3,
        True,
        False,
        -6,
        1_000_000_001,
        2**63,
        2**64,
        10**30,
        *OTHER_KINDS,
    ],
    ids=repr,
)
def test_a_whole_number_is_an_integer_of_json_within_its_bounds(form, value):
    assert_refused(send(form, "whole", value), "whole")


@pytest.mark.parametrize("value", ["true", "false", "", "yes", 0, 1, 1.0, *OTHER_KINDS], ids=repr)
def test_a_truth_is_true_or_false(form, value):
    assert_refused(send(form, "truth", value), "truth")


@pytest.mark.parametrize(
    "value", ["", "01234567890", "🎟" * 11, "a\x00b", "\x00", 5, 5.5, True, *OTHER_KINDS], ids=repr
)
def test_a_text_is_a_string_of_its_length_without_null_characters(form, value):
    assert_refused(send(form, "text", value), "text")


@pytest.mark.parametrize(
    "value",
    [
        "alice",
        "alice@",
        "@example.com",
        "a b@example.com",
        "alice@exa mple.com",
        "a" * 250 + "@example.com",
        "",
        5,
        True,
        *OTHER_KINDS,
    ],
)
def test_an_e_mail_address_could_exist(form, value):
    assert_refused(send(form, "email", value), "email")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
        ("2026-01-02t03:04:05z", "2026-01-02T03:04:05Z"),
        ("2026-01-02 03:04:05Z", "2026-01-02T03:04:05Z"),
        ("2026-01-02T03:04:05+00:00", "2026-01-02T03:04:05Z"),
        ("2026-01-02T03:04:05-00:00", "2026-01-02T03:04:05Z"),
        ("2026-01-02T03:04:05+03:30", "2026-01-01T23:34:05Z"),
        ("2026-01-02T03:04:05-23:59", "2026-01-03T03:03:05Z"),
        ("2026-01-02T03:04:05.5Z", "2026-01-02T03:04:05.500000Z"),
        ("2026-01-02T03:04:05.123456789Z", "2026-01-02T03:04:05.123456Z"),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
    ],
)
def test_a_moment_comes_in_with_any_offset_and_goes_out_in_utc(form, text, moment):
    answer = send(form, "moment", text)

    assert (answer.status_code, answer.json) == (200, {"moment": moment})


@pytest.mark.parametrize(
    "value",
    [
        "2026-01-02T03:04:05",
        "2026-01-02",
        "2026-01-02T03:04Z",
        "2026-01-02T03:04:05+0330",
        "2026-01-02T03:04:05+03",
        "2026-01-02T03:04:05+24:00",
        "2026-01-02T03:04:05+00:60",
        "2026-01-02T03:04:05+00:99",
        "2026-01-02T03:04:05,5Z",
        "2026-01-02T03:04:05.Z",
        "2026-01-02T24:00:00Z",
        "2026-01-02T03:60:05Z",
        "2026-12-31T23:59:60Z",
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-W01-1T00:00:00Z",
        "20260102T030405Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "10000-01-01T00:00:00Z",
        "-2026-01-02T03:04:05Z",
        " 2026-01-02T03:04:05Z",
        "2026-01-02T03:04:05Z\n",
        "٢٠٢٦-01-02T03:04:05Z",
        "tomorrow",
        "",
        1767322800,
        1767322800.5,
        True,
        *OTHER_KINDS,
    ],
    ids=repr,
)
def test_what_is_no_moment_or_none_that_can_be_kept_is_refused(form, value):
    assert_refused(send(form, "moment", value), "moment")


def test_an_unknown_field_is_refused(form):
    assert_refused(form.post("/v1/form", json={"whole": 1, "wholes": 1}), "wholes")


def test_every_wrong_field_is_named(form):
    answer = form.post("/v1/form", json={"whole": "1", "text": 1, "truth": True, "other": 1})

    assert refusal(answer) == (400, "validation_error")
    for name in ("whole", "text", "other"):
        assert f"{name}: " in answer.json["error"]["message"]
    assert "truth" not in answer.json["error"]["message"]


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "application/json",
        "application/json; charset=utf-8",
        "text/plain",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "nonsense",
    ],
)
def test_a_body_is_read_as_json_whatever_its_content_type(form, content_type):
    answer = form.post("/v1/form", data=b'{"text": "\xc3\xa9=1&a"}', content_type=content_type)

    assert (answer.status_code, answer.json) == (200, {"text": "é=1&a"})


@pytest.mark.parametrize(
    ("query", "understood"),
    [
        ("", {"page": 1, "per_page": 10, "all": False}),
        ("page=3&per_page=100&all=true", {"page": 3, "per_page": 100, "all": True}),
        ("page=1&all=false", {"page": 1, "per_page": 10, "all": False}),
        ("page=1000000000", {"page": 1_000_000_000, "per_page": 10, "all": False}),
    ],
)
def test_a_query_is_understood(form, query, understood):
    answer = form.get(f"/v1/form?{query}")

    assert (answer.status_code, answer.json) == (200, understood)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "0",
        "-1",
        "1.0",
        "1e3",
        "one",
        "+1",
        "%201",
        "1%20",
        "0x1",
        "1_000",
        "%D9%A1",
        "1%00",
        "1000000001",
        "9" * 40,
        "true",
    ],
)
def test_a_whole_number_in_a_query_is_digits_within_its_bounds(form, value):
    assert_refused(form.get(f"/v1/form?page={value}"), "page")


@pytest.mark.parametrize("value", ["", "True", "TRUE", "1", "0", "yes", "on", "true%20", "null"])
def test_a_truth_in_a_query_is_true_or_false(form, value):
    assert_refused(form.get(f"/v1/form?all={value}"), "all")


def test_per_page_is_1_to_100(form):
    for value in (0, 101):
        assert_refused(form.get(f"/v1/form?per_page={value}"), "per_page")


def test_a_page_beyond_all_pages_is_empty_and_no_failure(alice):
    answer = alice.get("/v1/coupons?page=1000000000&per_page=100")

    assert answer.status_code == 200
    assert answer.json["data"]["coupons"] == []


def test_where_one_field_is_wrong_nothing_is_carried_out(admin, books):
    coupon = make_coupon()
    before = books()

    answer = admin.patch(
        f"/v1/coupons/{coupon.id}", json={"name": "new", "number_left": 7, "active": "no"}
    )

    assert_refused(answer, "active")
    assert books() == before


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b"null", b"x" * 1000], ids=repr)
def test_a_call_that_needs_no_body_ignores_one(alice, body):
    assert alice.post(f"/v1/coupons/use/{make_coupon().hidden_code}", data=body).status_code == 200


@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999999Z"]
)
def test_every_moment_that_is_accepted_can_be_kept_and_shown(admin, moment):
    body = {
        "name": "edge",
        "value": 1,
        "number_left": 1,
        "expiration_date": moment,
        "hidden_code": "EDGE",
    }
    assert admin.post("/v1/coupons", json=body).status_code == 201

    (shown,) = admin.get("/v1/coupons?all=true").json["data"]["coupons"]

    assert shown["expiration_date"] == moment


@pytest.mark.parametrize("zone", ["Asia/Tehran", "America/New_York"])
@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_the_time_zone_of_a_database_makes_no_difference(new_database, somebody, zone, moment):
    app = create_app(settings_for(new_database("postgresql")))
    with app.app_context():
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(
                sa.text(f"ALTER DATABASE {db.engine.url.database} SET timezone = '{zone}'")
            )
        db.engine.dispose()
        admin = somebody(app, role="administrator")

        answer = admin.post(
            "/v1/coupons",
            json={"name": "edge", "value": 1, "number_left": 1, "expiration_date": moment},
        )

        assert answer.status_code == 201
        assert answer.json["data"]["coupons"]["expiration_date"] == moment
        db.engine.dispose()
