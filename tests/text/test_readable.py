"""text/readable: hosts in the letters of those who read them, where that misleads nobody."""

import idna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coupon_management_flask.text import hosts, readable


@pytest.mark.parametrize(
    "name",
    [
        "b\u00fccher.example",
        "fa\u00df.example",
        "caf\u00e9-24.example",
        "\u0142\u00f3d\u017a.example",
        "\u043c\u043e\u0441\u043a\u0432\u0430.example",
        "\u03b5\u03bb\u03bb\u03ac\u03b4\u03b1.example",
        "\u4f50\u3005\u6728.example",
        "\u30b9\u30fc\u30d1\u30fc.\u30c6\u30b9\u30c8",
        "\ud55c\uad6d.example",
        "shop.\u0939\u093f\u0928\u094d\u0926\u0940.example",
    ],
)
def test_a_name_is_shown_in_its_own_letters(name):
    assert readable.host(hosts.ascii_name(name)) == name
    assert readable.address(f"One.Two@{hosts.ascii_name(name)}") == f"One.Two@{name}"


@pytest.mark.parametrize(
    "label",
    [
        "\u0430\u0440\u0440\u04cf\u0435",  # apple, in Cyrillic
        "\u0430\u0440\u0440\u04cf\u0451",  # the same with a dotted e
        "\u0440\u0430\u0443\u0440\u0430l",  # paypal, with one Latin letter
        "g\u043eogle",  # with one Cyrillic letter
        "\u0131stanbul",  # a dotless i
        "\u0261oogle",  # a script g
        "\u03b1\u03bd",  # Greek for av
        "\u0645\u062b\u0627\u0644",  # written from right to left
    ],
)
def test_a_label_that_could_be_taken_for_another_is_shown_in_ascii(label):
    name = f"shop.{idna.encode(label).decode()}.b\u00fccher.example"

    assert readable.host(hosts.ascii_name(name)) == name


@pytest.mark.parametrize(
    "name",
    ["", "example.com", "127.0.0.1", "::1", "xn--.example", "xn--a.example", "xn--a-.example"],
)
def test_what_is_no_such_name_stays_as_it_is(name):
    assert readable.host(name) == name
    assert readable.address(name) == name


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20))
def test_what_is_shown_always_leads_back_to_the_host(text):
    try:
        name = hosts.website_host(f"{text}.example")
    except ValueError:
        return
    assert hosts.website_host(readable.host(name)) == name
