"""Text that people type is brought to its form by every contract, wherever it stands in a call."""

from datetime import timedelta
from urllib.parse import quote

import pytest
import sqlalchemy as sa

from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.identity import accounts, api_keys, passwords
from coupon_management_flask.models import Account, DiscountCoupon, GuessLog

from ..support.books import read_books
from ..support.discounts import PATH as COUPONS
from ..support.discounts import Shop, coupon_body, new_shop
from ..support.people import PASSWORD, Person, make_coupon, make_user, sign_in
from ..support.promos import company_body, user_body
from ..support.refusals import refusal
from ..support.vouchers import bought, buy, redeem, sell

NFC, NFD = "Zo\u00eb's horse 1", "Zoe\u0308's horse 1"


@pytest.fixture
def limited(configured_app):
    """A client of an application that counts guesses."""
    return configured_app(rate_limits_enabled=True).test_client()


def somebody(client, **given) -> Person:
    return sign_in(client, *make_user(**given))


def failed_attempts() -> list[int]:
    return [len(moments) for moments in db.session.scalars(sa.select(GuessLog.moments))]


def test_a_pasted_hidden_code_is_found_and_counts_as_no_guess(limited):
    user = somebody(limited, credit=1_000)
    coupon = make_coupon(hidden_code="Spring-7")

    for pasted in ("SPRING-7 ", "\u200bspring-7\n", "\ufeffSpring-7\u00a0"):
        looked_up = user.get(f"/v1/coupons/{quote(pasted)}")
        assert looked_up.json["data"]["coupons"]["hidden_code"] == "Spring-7"
    assert user.post(f"/v1/coupons/use/{quote('Spring-7 ')}").status_code == 200
    chosen = user.post(f"/v1/coupons/{coupon.id}/use", json={"hidden_code": f"spring-7{' ' * 90}"})
    assert refusal(chosen, "credit_coupons") == (400, "coupon_already_used")
    assert failed_attempts() == []


def test_a_hidden_code_is_set_without_what_came_along(admin):
    terms = {"name": "x", "value": 1, "number_left": 1, "expiration_date": "2099-01-01T00:00:00Z"}
    made = admin.post("/v1/coupons", json={**terms, "hidden_code": f"\u200b{'x' * 64} "})
    assert made.json["data"]["coupons"]["hidden_code"] == "x" * 64
    again = admin.post("/v1/coupons", json={**terms, "hidden_code": f"{'X' * 64}\u00a0"})
    assert refusal(again, "credit_coupons") == (409, "hidden_code_taken")
    for code in ("\u200b", " mine "):
        blank = admin.post("/v1/coupons", json={**terms, "hidden_code": code})
        assert refusal(blank, "credit_coupons") == (400, "validation_error")


def test_a_pasted_discount_code_is_found_wherever_it_stands(limited):
    shop = new_shop(limited)
    coupon = shop.new(code=" save20\u200b")
    assert coupon["code"] == "SAVE20"
    pasted, cart = "\ufeffsave20 ", {"cartTotal": 100}
    shopper = Shop(limited, api_keys.create_api_key("shopper", ["getCoupons"], timedelta(days=1)))

    assert shopper.get(f"{COUPONS}/code/{quote(pasted)}").json["id"] == coupon["id"]
    for call in ("validate", "apply"):
        answer = shopper.post(f"{COUPONS}/{call}", json={"code": pasted, **cart})
        assert answer.status_code == 200, answer.text
    together = shopper.post(f"{COUPONS}/apply-all", json={"codes": [pasted, "SAVE20"], **cart})
    assert [code["code"] for code in together.json["codes"]] == ["SAVE20"]
    assert shop.redeem(pasted).status_code == 201
    for listed in ("/api/v1/redemptions", COUPONS):
        assert shop.get(f"{listed}?code={quote(pasted)}").json["totalResults"] == 1
    assert failed_attempts() == []


@pytest.mark.parametrize("code", ["stra\u00dfe", "\u017fave20", "caf\u00e9", "s\u200bave20"])
def test_a_discount_code_holds_ascii_alone_before_it_is_in_capitals(client, code):
    shop = new_shop(client)
    shop.new(code="STRASSE")
    shop.new(code="SAVE20")
    stored = sa.select(sa.func.count()).select_from(DiscountCoupon)
    before = read_books(), db.session.scalar(stored)

    made = shop.post(COUPONS, json=coupon_body(code=code))
    imported = shop.post(
        f"{COUPONS}/import",
        data=f"code,type,discount,couponFor\n{code},fixed,1,product\n".encode(),
        content_type="text/csv",
    )
    for answer in (made, imported):
        assert refusal(answer, "discount_coupons") == (400, "validation_error")
    assert refusal(shop.get(f"{COUPONS}/code/{quote(code)}"), "discount_coupons")[0] == 404
    assert (read_books(), db.session.scalar(stored)) == before


def test_an_import_and_a_pattern_take_pasted_codes(client):
    shop = new_shop(client)
    imported = shop.post(
        f"{COUPONS}/import",
        data="code,type,discount,couponFor\n\u200bsave20\u00a0,fixed,1,product\n".encode(),
        content_type="text/csv",
    )
    template = {"type": "fixed", "discount": 1, "couponFor": "product"}
    generated = shop.post(
        f"{COUPONS}/generate",
        json={"count": 1, "pattern": " a-##########\u200b", "template": template},
    )

    assert (imported.status_code, generated.status_code) == (201, 201)
    codes = sorted(db.session.scalars(sa.select(DiscountCoupon.code)))
    assert codes[1] == "SAVE20"
    assert (len(codes[0]), codes[0][:2]) == (12, "A-")


def test_a_pasted_voucher_code_and_a_discount_for_vouchers_are_found(limited):
    boss = somebody(limited, role="administrator")
    buyer = somebody(limited, credit=10_000)
    new_shop(limited).new(code="SAVE20", type="fixed", discount=1)
    kind = sell(boss, max_uses=2)

    (voucher,) = bought(buyer, kind, discount_code="\u200bsave20 ")
    pasted = f"\u00a0{voucher['code'].lower()} "
    assert buyer.get(f"/api/vouchers/detail/{quote(pasted)}/").json["code"] == voucher["code"]
    assert redeem(buyer, voucher, code=pasted).status_code == 200
    assert failed_attempts() == []
    wrong = buy(buyer, kind, discount_code="\u017fave20")
    assert wrong.status_code == 400
    assert set(failed_attempts()) == {1}


MAILBOX = [
    "one@b\u00fccher.example",
    "One@xn--bcher-kva.example",
    " ONE@bu\u0308cher.example\u200b",
]


def test_there_is_one_account_for_a_mailbox_in_every_contract(client, admin):
    registration = {
        "email": MAILBOX[0],
        "password": PASSWORD,
        "password_confirm": PASSWORD,
        "first_name": "One",
        "last_name": "Alpha",
    }
    assert client.post("/api/auth/register/", json=registration).status_code == 201
    company = company_body(email=MAILBOX[0])
    assert client.post("/api/business/auth/sign-up", json=company).status_code == 200
    before = read_books()

    for email in MAILBOX:
        answers = (
            client.post("/api/auth/register/", json={**registration, "email": email}),
            client.post("/api/user/auth/sign-up", json=user_body(email=email)),
            client.post("/api/business/auth/sign-up", json={**company, "email": email}),
            admin.post(
                "/v1/user",
                json={"username": "x", "password": PASSWORD, "name": "x", "email": email},
            ),
        )
        assert [answer.status_code for answer in answers] == [400, 409, 409, 409], email
        assert read_books() == before
        signed_in = (
            client.post("/v1/auth/login", json={"username": email, "password": PASSWORD}),
            client.post("/api/auth/login/", json={"email": email, "password": PASSWORD}),
            client.post("/api/user/auth/sign-in", json={"email": email, "password": PASSWORD}),
            client.post(
                "/api/business/auth/sign-in",
                json={"email": email, "password": company["password"]},
            ),
        )
        assert [answer.status_code for answer in signed_in] == [200] * 4, email


def test_sharp_s_and_double_s_are_two_mailboxes(app):
    for email in ("wei\u00df@example.com", "weiss@example.com"):
        make_user(username=None, email=email)
    assert accounts.find("WEI\u00df@example.com").email == "wei\u00df@example.com"


@pytest.mark.parametrize(
    "username",
    ["al\u200bice", "al\u202eice", "al\u2066ice", "al\x07ice", "al\u00adice", "al\u2028ice"],
)
def test_a_username_has_no_character_that_nobody_sees(client, admin, alice, username):
    before = read_books()
    refused = (
        admin.post("/v1/user", json={"username": username, "password": PASSWORD, "name": "x"}),
        client.post(
            "/api/auth/register/",
            json={
                "email": "x@example.com",
                "password": PASSWORD,
                "password_confirm": PASSWORD,
                "first_name": "x",
                "last_name": "x",
                "username": username,
            },
        ),
        alice.patch("/api/users/profile/", json={"username": username}),
    )
    assert [answer.json.get("error_code", "") for answer in refused[1:]] == ["validation_error"] * 2
    assert [answer.status_code for answer in refused] == [400] * 3
    assert read_books() == before


def test_a_username_is_stored_composed_without_what_came_along(alice):
    changed = alice.patch("/api/users/profile/", json={"username": "\u200bZoe\u0308 "})

    assert changed.json["username"] == "Zo\u00eb"
    assert accounts.find("zoe\u0308").username == "Zo\u00eb"


def test_a_username_from_before_may_be_sent_back_as_it_is(alice):
    with transaction():
        db.session.execute(
            sa.update(Account)
            .where(Account.id == alice.id)
            .values(username="al\u200bice", username_key="earlier:al\u200bice")
        )
    before = read_books()

    sent = alice.patch(
        "/api/users/profile/", json={"username": "al\u200bice", "first_name": "Alice"}
    )

    assert (sent.status_code, sent.json["username"]) == (200, "al\u200bice")
    assert read_books() == before


@pytest.mark.parametrize("name", ["\u202eecilA", "A\u2067B", "A\nB", "A\x1bB"])
def test_a_name_that_others_are_shown_does_not_reorder_what_stands_beside_it(client, alice, name):
    before = read_books()
    for answer in (
        client.post("/api/user/auth/sign-up", json=user_body(name=name)),
        client.post("/api/user/auth/sign-up", json=user_body(surname=name)),
        client.post("/api/business/auth/sign-up", json=company_body(name=f"Shop {name}")),
        alice.patch("/api/user/profile", json={"surname": name}),
        alice.patch("/api/users/profile/", json={"first_name": name}),
    ):
        assert answer.status_code == 400, answer.text
    assert read_books() == before


def hashed_as_typed(password: str) -> str:
    """Hash a password as it was done before it was normalised."""
    return passwords._context.hash(password)


@pytest.mark.parametrize("stored", ["as typed", "normalised"])
@pytest.mark.parametrize("typed", [NFC, NFD], ids=["composed", "decomposed"])
def test_a_password_is_right_normalised_or_as_it_was_typed(limited, stored, typed):
    account_id, login = make_user(email="zoe@example.com")
    hashed = hashed_as_typed(typed) if stored == "as typed" else passwords.hash_password(NFD)
    with transaction():
        db.session.execute(
            sa.update(Account).where(Account.id == account_id).values(password_hash=hashed)
        )

    answer = limited.post("/v1/auth/login", json={"username": login, "password": typed})
    assert answer.status_code == 200
    headers = {"Authorization": f"Bearer {answer.json['access_token']}"}
    new = {"new_password": f"{NFD}!", "confirm_password": f"{NFC}!"}
    changed = limited.post(
        "/api/users/change-password/", json={"old_password": typed, **new}, headers=headers
    )
    assert changed.status_code == 200, changed.text
    for spelling in (f"{NFC}!", f"{NFD}!"):
        again = limited.post("/v1/auth/login", json={"username": login, "password": spelling})
        assert again.status_code == 200
    assert failed_attempts() == []


@pytest.mark.parametrize(("typed", "hashes"), [("wrong horse 1", 1), (NFC, 1), (NFD, 2)])
@pytest.mark.parametrize("login", ["alice", "nobody"])
def test_a_wrong_password_is_one_guess_and_hashed_twice_only_where_its_forms_differ(
    limited, monkeypatch, login, typed, hashes
):
    make_user(username="alice")
    tried = []
    verify = passwords._context.verify
    # Where there is no account, passlib compares with a hash of its own.
    monkeypatch.setattr(
        passwords._context, "verify", lambda *given: tried.append(1) or verify(*given)
    )

    answer = limited.post("/v1/auth/login", json={"username": login, "password": typed})

    assert answer.status_code == 401
    assert len(tried) == hashes
    assert failed_attempts() == [1, 1]
