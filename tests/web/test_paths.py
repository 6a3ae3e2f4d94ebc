"""Names in a path: a slash that belongs to one, as `%2F` or plain."""

from urllib.parse import quote

import pytest

from coupon_management_flask.web import paths

from ..support.envelope import ok, shown_with_code
from ..support.people import make_coupon
from ..support.refusals import refusal


@pytest.mark.parametrize(
    ("target", "path", "kept"),
    [
        ("/a/b?x=%2F", "/a/b", "/a/b"),
        ("/a%2fb/c", "/a/b/c", "/a%2Fb/c"),
        ("/a%252Fb", "/a%2Fb", "/a%252Fb"),
        ("/%%32F", "/%2F", "/%252F"),
        ("/100%", "/100%", "/100%25"),
        ("http://h:1/a%2Fb?x", "/a/b", "/a%2Fb"),
        ("/%C3%BC%2F", "/\u00c3\u00bc/", "/\u00c3\u00bc%2F"),
        # What the server does not tell, or something has changed since, is taken as it is.
        ("", "/a/b%", "/a/b%25"),
        ("/x/a%2Fb", "/a/b", "/a/b"),
        ("http://[/a%2Fb", "/a/b", "/a/b"),
    ],
)
def test_slashes_of_names_are_told_from_those_between_names(target, path, kept):
    environ = {"PATH_INFO": path, "REQUEST_URI": target}

    paths.keep_slashes(environ)

    assert environ["PATH_INFO"] == kept
    assert paths.decoded(kept) == path
    gunicorns = {"PATH_INFO": path, "RAW_URI": target}
    paths.keep_slashes(gunicorns)
    assert gunicorns["PATH_INFO"] == kept


def test_spellings_of_a_path_have_one_key_and_two_paths_two():
    same = [paths.as_a_key(path) for path in ("/use/a", "/use/a/")]
    others = [paths.as_a_key(path) for path in ("/use/a%2F", "/use/a%252F", "/use/a%25")]

    assert same == ["/use/a", "/use/a"]
    assert len({*same, *others}) == 4


@pytest.mark.parametrize("code", ["SPRING/24", "a//b", "%2F", "use/it"])
def test_a_hidden_code_with_a_slash_is_looked_at_and_used(alice, code):
    coupon = make_coupon(hidden_code=code, number_left=10)
    in_a_path = quote(code, safe="")

    used = alice.post(f"/v1/coupons/use/{in_a_path}")
    assert used.status_code == 200, used.text
    left = {"coupons": shown_with_code(coupon, number_left=9)}
    ok(alice.get(f"/v1/coupons/{in_a_path}"), left)


def test_one_with_plain_slashes_is_the_same_unless_another_path_is_so_called(alice):
    coupon = make_coupon(hidden_code="SPRING/24", number_left=10)
    make_coupon(hidden_code="use/it")

    assert alice.post("/v1/coupons/use/SPRING/24/").status_code == 200
    ok(alice.get("/v1/coupons/SPRING/24"), {"coupons": shown_with_code(coupon, number_left=9)})
    for path in ("use/it", "use/it/", f"{coupon.id}/use"):
        answer = alice.get(f"/v1/coupons/{path}")
        assert refusal(answer) == (405, "method_not_allowed")
        assert answer.headers["Allow"] == "OPTIONS, POST"


def test_a_key_is_one_for_each_hidden_code(alice):
    for code in ("a", "a/"):
        make_coupon(hidden_code=code)
    key = {"Idempotency-Key": "k"}

    first = alice.post("/v1/coupons/use/a%2F", headers=key)
    assert alice.post("/v1/coupons/use/a%2f/", headers=key).json == first.json
    assert refusal(alice.post("/v1/coupons/use/a", headers=key)) == (422, "idempotency_key_reused")


def test_other_names_with_a_slash_name_nothing(alice):
    for path, contract, code in (
        ("/api/vouchers/detail/A%2FB", "vouchers", "voucher_not_found"),
        ("/api/vouchers/detail/A%2FB/qr.svg", "vouchers", "voucher_not_found"),
        ("/api/v1/coupons/code/A%2FB", "discount_coupons", "coupon_not_found"),
    ):
        assert refusal(alice.get(path), contract) == (404, code), path


def test_a_slash_between_names_is_none_of_a_name(alice):
    for path in ("/v1%2Fcoupons", "/api/v1/coupons%2Fproduct/x", "/api/vouchers%2Fstats"):
        assert alice.get(path).status_code == 404, path
