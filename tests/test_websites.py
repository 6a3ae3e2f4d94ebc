"""text/hosts.py: a website has one name, however a person may write it."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from coupon_management_flask.text.hosts import LONGEST, website_host

LABEL_63 = "a" * 63


@pytest.mark.parametrize(
    ("name", "ways"),
    [
        (
            "example.com",
            [
                "example.com",
                " Example.COM ",
                "www.example.com",
                "WWW.example.com",
                "www.www.example.com",
                "example.com.",
                "example.com:8080",
                "example.com/x?y#z",
                "example.com//x",
                "example.com?from=https://other.example",
                "//example.com",
                "http://example.com",
                "HTTPS://WWW.Example.com/x",
                "https://www.example.com:443/a//b",
                "https://user:password@example.com/",
            ],
        ),
        ("shop.example.com", ["shop.example.com", "https://www.shop.example.com"]),
        # The name is nothing but www.
        ("www.com", ["www.com", "www.www.com"]),
        ("wwww.example.com", ["wwww.example.com"]),
        (
            "xn--bcher-kva.example",
            [
                "bücher.example",
                "BÜCHER.example",
                "https://www.bu\u0308cher.example/",
                "xn--bcher-kva.example",
                "XN--BCHER-KVA.example",
            ],
        ),
        ("xn--fa-hia.example", ["faß.example"]),
        ("xn--r8jz45g.xn--zckzah", ["例え.テスト", "例え。テスト"]),
        ("my_shop.example.com", ["my_shop.example.com"]),
        ("localhost", ["localhost", "http://LOCALHOST:5000/shop", "localhost."]),
        ("127.0.0.1", ["127.0.0.1", "http://127.0.0.1:8001/"]),
        ("2001:db8::1", ["2001:db8::1", "[2001:DB8:0::1]", "http://[2001:db8::1]:8001/"]),
        (f"{LABEL_63}.example", [f"{LABEL_63}.example"]),
        # With its scheme it may be longer than a host name.
        (
            f"{LABEL_63}.{LABEL_63}.{LABEL_63}.{'a' * 61}",
            [f"https://{LABEL_63}.{LABEL_63}.{LABEL_63}.{'a' * 61}/x"],
        ),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
def test_ways_to_write_a_website_are_one_name(name, ways):
    assert {way: website_host(way) for way in ways} == dict.fromkeys(ways, name)


JUNK = [
    *(
        "",
        " ",
        ".",
        "..",
        "/",
        "//",
        "://",
        "https://",
        "https:///x",
        "http:example.com",
        "?x",
        "#",
        "@",
        ":80",
        "www.",
        "www",
    ),
    *(
        "example",
        "shop",
        "com.",
        "a..b.com",
        ".example.com",
        "example .com",
        "exa mple.com",
        "example.com\tx",
        "example.com\nBcc: x@y.z",
        "a\x00b.com",
    ),
    *(
        "-a.example.com",
        "a-.example.com",
        "exa$mple.com",
        "exa<b>.com",
        '"example.com"',
        "example.com\\x",
        "*.example.com",
        "%65xample.com",
    ),
    *(
        "\u200bexample.com",
        "\u202eexample.com",
        "a\u00adb.\u2028com",
        "ex\u2488ample.com",
        "bü-.example",
        "ü" * 64 + ".example",
    ),
    *(
        "javascript:alert(1)",
        "mailto:alice",
        "data:text/html,x",
        "c:\\shop",
        "1.2.3",
        "1.2.3.4.5",
        "256.1.1.1",
        "127.1",
        "1",
        "\uff11\uff12\uff17.0.0.1",
    ),
    *(
        "[::1",
        "::1]",
        "[::g]",
        "[]",
        "1::2::3",
        "[fe80::1%eth0]",
        "fe80::1%<b>",
        "http://[example.com]/",
    ),
    *("a" * 64 + ".example", f"{LABEL_63}.{LABEL_63}.{LABEL_63}.{'a' * 62}", "a." * 126 + "aa"),
]


def test_what_means_no_host_is_refused():
    accepted = {}
    for text in JUNK:
        try:
            accepted[text] = website_host(text)
        except ValueError:
            continue
    assert accepted == {}


words = st.text("abz09-_.ü例。wW/:@[]?#% \\", max_size=12)


@given(
    st.one_of(
        st.text(max_size=40),
        st.builds(
            "".join,
            st.lists(
                st.one_of(
                    words, st.sampled_from(["www.", "https://", "example", ".com", "::1", "xn--"])
                )
            ),
        ),
    )
)
@example("www.www.www.com")
@example("[::1]")
@example("ß.\uff43\uff4f\uff4d")
def test_a_name_is_in_its_final_form_and_nothing_but_a_name_comes_out(text):
    try:
        name = website_host(text)
    except ValueError:
        return
    assert website_host(name) == name
    assert (
        website_host(
            f"https://www.{name}/x"
            if ":" not in name and name.count(".") and not name[-1].isdigit()
            else name
        )
        == name
    )
    assert 0 < len(name) <= LONGEST
    assert name.isascii()
    assert name == name.lower()
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_.:")
