"""/reset-password: where a mail's link to a new password leads, which works without script."""

import re

import pytest

from coupon_management_flask.identity import password_reset

from .conftest import ALICE, PASSWORD, WEAK

PAGE = "/reset-password"
NEW_PASSWORD = "new horse 1"


@pytest.fixture
def token(member):
    return password_reset.open_link(ALICE["email"]).token


@pytest.fixture
def send(client):
    """Type these passwords into the page that a link leads to, and press its button."""

    def press(token, password=NEW_PASSWORD, confirmed=None):
        return client.post(
            f"{PAGE}?token={token}",
            data={
                "token": token,
                "password": password,
                "password_confirm": password if confirmed is None else confirmed,
            },
        )

    return press


def is_page(answer, status, title):
    assert (answer.status_code, answer.mimetype, answer.headers["Cache-Control"]) == (
        status,
        "text/html",
        "no-store",
    )
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    # Nothing that the Content-Security-Policy forbids, and nothing from other hosts.
    assert not re.search(r"<script|\son\w+=|src=|href=|url\(|@import", answer.text)
    assert (
        re.findall(r"<h1>(.*)</h1>", answer.text)
        == re.findall(r"<title>(.*)</title>", answer.text)
        == [title]
    )


def test_the_link_shows_a_form_that_carries_its_token_and_spends_nothing(client, token):
    for _ in range(2):
        answer = client.get(f"{PAGE}?token={token}")
        is_page(answer, 200, "Choose a new password")
        assert f'<input type="hidden" name="token" value="{token}">' in answer.text
        assert re.findall(
            r'<input type="password" id="(\w+)" name="\1" autocomplete="new-password" required>',
            answer.text,
        ) == ["password", "password_confirm"]
    assert client.head(f"{PAGE}?token={token}").status_code == 200
    assert password_reset.is_valid(token)


def test_the_form_sets_the_password_and_ends_all_sessions(member, sign_in, token, send):
    is_page(send(token), 200, "Your password is changed")

    assert member.stands() == (False, False)
    assert sign_in(password=NEW_PASSWORD).user == member.user


def test_a_link_that_is_spent_or_none_says_so(client, token, send, stored):
    is_page(send(token), 200, "Your password is changed")
    before = stored()

    for dead in (token, "", "nonsense", "<b>"):
        is_page(
            client.get(PAGE, query_string={"token": dead}), 400, "This link is not valid any more"
        )
        is_page(send(dead), 400, "This link is not valid any more")
    is_page(client.get(PAGE), 400, "This link is not valid any more")
    assert stored() == before


def test_what_is_wrong_is_said_beside_the_field_and_the_link_works_on(token, send, stored):
    before = stored()

    for field, answer in [("password", send(token, weak)) for weak in WEAK] + [
        ("password_confirm", send(token, NEW_PASSWORD, PASSWORD))
    ]:
        is_page(answer, 400, "Choose a new password")
        assert re.findall(r'aria-invalid="true" aria-describedby="(\w+)-wrong"', answer.text) == [
            field
        ]
        assert re.findall(r'role="alert" id="(\w+)-wrong">[^<]+<', answer.text) == [field]
        # The page never shows a password.
        assert PASSWORD not in answer.text
        assert f'value="{token}"' in answer.text
    assert stored() == before
    is_page(send(token), 200, "Your password is changed")


def test_what_was_typed_is_no_markup(client):
    answer = client.post(PAGE, data={"token": '"><b>', "password": "x", "password_confirm": "x"})

    assert answer.status_code == 400
    assert "<b>" not in answer.text
