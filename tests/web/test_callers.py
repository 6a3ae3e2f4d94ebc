"""A caller's address is counted as a person would, whatever it is counted for."""

import pytest
import sqlalchemy as sa

from coupon_management_flask.db.session import db
from coupon_management_flask.models import AdminChange, GuessLog
from coupon_management_flask.text.callers import counted_address

from ..support.people import make_coupon, make_user
from ..support.refusals import refusal

# Each line is one caller, in some of the ways in which its address comes.
CALLERS = {
    "5.5.5.5": [
        "5.5.5.5",
        "5.5.5.5:4711",
        '"5.5.5.5"',
        "005.005.05.5",
        "::ffff:5.5.5.5",
        "::FFFF:0505:0505",
        "0:0:0:0:0:ffff:5.5.5.5",
        "[::ffff:5.5.5.5]:443",
        "::5.5.5.5",
        "::ffff:0:5.5.5.5",
        "64:ff9b::5.5.5.5",
        "64:ff9b:1::505:505",
        # 6to4 gives one IPv4 address 65,536 networks.
        "2002:505:505::1",
        "2002:505:505:ffff::1",
        # Of Teredo: the address behind it, written with every bit turned.
        "2001:0:4136:e378:8000:63bf:fafa:fafa",
    ],
    "2001:db8:1:2::/64": [
        "2001:db8:1:2::1",
        "2001:DB8:1:2:FFFF:ffff:ffff:FFFF",
        "2001:0db8:0001:0002:0:0:0:1",
        "[2001:db8:1:2::1]:443",
        '"[2001:db8:1:2::1]"',
        "2001:db8:1:2::1%eth0",
        " 2001:db8:1:2::1 ",
    ],
    "2001:db8:1:3::/64": ["2001:db8:1:3::1"],
    "6.6.6.6": ["6.6.6.6", "64:ff9b::6.6.6.6"],
    "::/64": ["::1", "::"],
    "unknown": ["", "unknown", "_hidden", "5.5.5.5.5", "1.2.3.4:x", "[::1", "9" * 100_000],
}


@pytest.mark.parametrize("counted", CALLERS)
def test_an_address_counts_as_one_caller_however_it_is_written(counted):
    assert {counted_address(text) for text in CALLERS[counted]} == {counted}


def test_whoever_has_no_address_counts_together():
    assert counted_address(None) == "unknown"


def log_in(client, address):
    return client.post(
        "/v1/auth/login",
        json={"username": "nobody", "password": "wrong"},
        environ_overrides={"REMOTE_ADDR": address},
    )


def ask_for_a_coupon(client, address):
    return client.post(
        "/api/coupons/",
        json={"email": "user@example.com", "website": "example.com"},
        environ_overrides={"REMOTE_ADDR": address},
    )


def ask_for_a_link(client, address):
    return client.post(
        "/api/auth/password-reset/",
        json={"email": "user@example.com"},
        environ_overrides={"REMOTE_ADDR": address},
    )


@pytest.mark.parametrize("call", [log_in, ask_for_a_coupon, ask_for_a_link])
@pytest.mark.parametrize("counted", ["5.5.5.5", "2001:db8:1:2::/64"])
def test_a_limit_counts_a_caller_once_however_many_addresses_it_has(configured_app, call, counted):
    one = "1 per hour"
    client = configured_app(
        rate_limits_enabled=True,
        rate_limit_logins=one,
        rate_limit_coupons=one,
        rate_limit_password_resets=one,
    ).test_client()
    first, *others = CALLERS[counted]

    assert call(client, first).status_code in (200, 201, 401)
    assert {call(client, address).status_code for address in others} == {429}
    assert call(client, "2001:db8:1:3::1").status_code in (200, 201, 401)


def test_guesses_from_one_network_count_together(configured_app, somebody):
    app = configured_app(rate_limits_enabled=True)
    coupon = make_coupon()
    people = [somebody(app, credit=100) for _ in range(3)]

    def use(person, code, address):
        return person.post(f"/v1/coupons/use/{code}", environ_overrides={"REMOTE_ADDR": address})

    use(people[0], "WRONG", "2001:db8:1:2::1")
    use(people[1], "WRONG", "[2001:db8:1:2:ffff::2]:443")
    use(people[2], "WRONG", "::ffff:5.5.5.5")

    rows = db.session.execute(sa.select(GuessLog.subject, GuessLog.moments))
    counted = {subject: len(moments) for subject, moments in rows}
    assert counted["code:address:2001:db8:1:2::/64"] == 2
    assert counted["code:address:5.5.5.5"] == 1
    assert use(people[2], coupon.hidden_code, "5.5.5.5").status_code == 200
    assert refusal(use(people[0], "WRONG", "2001:db8:1:2::3")) == (404, "coupon_not_found")


def test_the_log_of_changes_names_the_caller_of_a_sign_in_as_limits_count_it(client):
    make_user(username="boss", role="administrator")
    page = client.get("/admin/sign-in", environ_overrides={"REMOTE_ADDR": "::ffff:5.5.5.5"}).text
    token = page.partition('name="csrf_token"')[2].partition('value="')[2].partition('"')[0]

    client.post(
        "/admin/sign-in",
        data={"csrf_token": token, "login": "boss", "password": "wrong"},
        environ_overrides={"REMOTE_ADDR": "::ffff:5.5.5.5"},
    )

    noted = db.session.scalar(sa.select(AdminChange.after))
    assert noted == {"address": "5.5.5.5", "error": "wrong_credentials"}
