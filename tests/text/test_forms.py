"""text/: which texts are the same, for each kind of text, and how long finding out may take."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coupon_management_flask.text import codes, hosts, mailboxes, passwords, usernames

PASTED = ["{} ", "\t{}\r\n", "\u00a0{}\u3000", "\ufeff{}\u200b", "\u2066{}\u2069", "\u2800{}\ufe0f"]
# 256 KB that take 12 seconds to normalise.
SLOW = "e" + "\u0301\u0323" * 64_000


@pytest.mark.parametrize("pasted", PASTED)
def test_what_comes_along_when_text_is_pasted_makes_no_difference(pasted):
    for text in ("Save-20", "two words", "caf\u00e9"):
        assert codes.trimmed(pasted.format(text)) == text
        assert codes.comparable(pasted.format(text)) == codes.comparable(text)
        assert usernames.comparable(pasted.format(text)) == usernames.comparable(text)
    assert codes.discount(pasted.format("save20")) == "SAVE20"
    assert mailboxes.checked(pasted.format("one@example.com")) == "one@example.com"


def test_a_code_is_found_by_all_of_its_text_before_it_is_found_without_the_white_space():
    assert codes.keys("Save20") == ("save20",)
    assert codes.keys(" Save20") == (" save20", "save20")


@pytest.mark.parametrize(
    "typed", ["stra\u00dfe", "\u017fave20", "\ufb01ve", "\u0131", "\uff21\uff22"]
)
def test_a_discount_code_is_ascii_before_it_is_in_capitals(typed):
    assert codes.discount(typed) == typed


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("One@Example.com", "one@example.COM"),
        ("one@b\u00fccher.example", "one@xn--bcher-kva.example"),
        ("one@B\u00dcCHER.example", "one@XN--BCHER-KVA.example"),
        ("one@bu\u0308cher.example", "one@b\u00fccher.example"),
        ("one@\uff45xample\u3002com", "one@example.com"),
        ("zo\u00eb@example.com", "ZOE\u0308@example.com"),
        ("WEI\u00df@example.com", "wei\u00df@example.com"),
    ],
)
def test_two_ways_to_write_a_mailbox_are_one(one, other):
    assert mailboxes.comparable(one) == mailboxes.comparable(other)
    assert usernames.comparable(one) == usernames.comparable(other)
    assert mailboxes.without_tag(one) == mailboxes.without_tag(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("wei\u00df@example.com", "weiss@example.com"),
        ("one@fa\u00df.example", "one@fass.example"),
        ("one+a@example.com", "one@example.com"),
        ("o.ne@gmail.com", "one@gmail.com"),
        ("one@googlemail.com", "one@gmail.com"),
    ],
)
def test_two_mailboxes_stay_two(one, other):
    assert mailboxes.comparable(one) != mailboxes.comparable(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("one+a@example.com", "ONE@example.com"),
        ("one+a+b@example.com", "one+@example.com"),
        ("o.n.e+x@googlemail.com", "one@gmail.com"),
        ("one+x@b\u00fccher.example", "one@xn--bcher-kva.example"),
    ],
)
def test_what_a_person_would_call_the_same_address_is_one_without_its_tag(one, other):
    assert mailboxes.without_tag(one) == mailboxes.without_tag(other)


def test_dots_and_names_that_are_not_googles_make_a_difference():
    forms = ["o.ne@example.com", "one@example.com", "+a@example.com", "+b@example.com"]

    assert len({mailboxes.without_tag(form) for form in forms}) == len(forms)


def test_mails_go_to_the_address_as_it_was_typed_with_its_domain_in_ascii():
    assert mailboxes.deliverable("J.Doe+x@B\u00fccher.Example") == "J.Doe+x@xn--bcher-kva.example"
    assert mailboxes.deliverable("Zo\u00eb@Example.com") == "Zo\u00eb@example.com"


@given(st.text(max_size=40))
def test_a_form_is_its_own_form_and_does_not_depend_on_how_accents_were_typed(text):
    for form in (
        codes.comparable,
        codes.discount,
        usernames.comparable,
        usernames.trimmed,
        mailboxes.comparable,
        mailboxes.without_tag,
        passwords.normalised,
    ):
        for typed in (text, f"{text}@{text}.example"):
            assert form(form(typed)) == form(typed)
    for form in (codes.comparable, usernames.comparable, passwords.normalised):
        assert form(unicodedata.normalize("NFD", text)) == form(text)


def test_text_that_is_too_long_for_its_kind_comes_back_without_work(monkeypatch):
    normalised: list[int] = []
    normalize = unicodedata.normalize
    monkeypatch.setattr(
        unicodedata,
        "normalize",
        lambda form, text: normalised.append(len(text)) or normalize(form, text),
    )

    for form in (
        codes.comparable,
        codes.keys,
        codes.discount,
        usernames.trimmed,
        usernames.comparable,
        usernames.earlier,
        mailboxes.comparable,
        mailboxes.without_tag,
        mailboxes.deliverable,
        passwords.normalised,
        passwords.tries,
    ):
        for text in (SLOW, f"{SLOW}@example.com", f"one@{SLOW}"):
            form(text)
    for refuses in (mailboxes.checked, hosts.website_host, hosts.ascii_name):
        with pytest.raises(ValueError, match="too long"):
            refuses(f"one@{SLOW}.example")

    assert max(normalised, default=0) <= 1_000


def test_a_password_is_tried_normalised_and_then_as_it_was_typed_where_that_differs():
    assert passwords.tries("correct horse 1") == ("correct horse 1",)
    assert passwords.tries("zo\u00eb") == ("zo\u00eb",)
    assert passwords.tries("zoe\u0308") == ("zo\u00eb", "zoe\u0308")


def test_a_website_is_among_those_named_and_below_those_with_a_dot():
    named = ("example.com", ".example.org")

    assert all(
        hosts.is_among(host, named) for host in ("example.com", "example.org", "a.b.example.org")
    )
    assert not any(
        hosts.is_among(host, named)
        for host in ("a.example.com", "notexample.org", "example.net", "org", "com")
    )


def test_names_may_be_of_any_language_and_never_reorder_the_text_around_them():
    for name in (
        "Anne-Marie O'Neil",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "\u05d0\u200f!",
    ):
        assert usernames.is_plain_name(name)
    for name in ("\u202egpj", "a\u2066b", "a\nb", "a\u2028b", "a\x1b[2Jb"):
        assert not usernames.is_plain_name(name)
