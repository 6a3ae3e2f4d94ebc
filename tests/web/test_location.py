"""`Location`: where what a call has made can be read."""

import pytest

from coupon_management_flask.web.links import located

from ..support.discounts import coupon_body, new_shop
from ..support.people import PASSWORD
from ..support.promos import new_company, new_user, promo_body, publish
from ..support.vouchers import sell

PUBLIC = "http://127.0.0.1:8000"
KEY = {"Idempotency-Key": "once"}

# What is made here can be read nowhere by itself: in lists alone, or by nobody.
NOWHERE = {
    "POST /api/coupons": {"201"},
    "POST /api/vouchers/types": {"201"},
    "POST /api/v1/coupons/import": {"201"},
    "POST /api/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/resend": {"202"},
}


def test_each_call_that_makes_something_says_where_it_can_be_read(client):
    for path, methods in client.get("/openapi.json").json["paths"].items():
        for method, operation in methods.items():
            if method == "parameters":
                continue
            name = f"{method.upper()} {path}"
            silent = {
                status
                for status in operation["responses"].keys() & {"201", "202"}
                if "Location" not in operation["responses"][status].get("headers", {})
            }
            assert silent == NOWHERE.get(name, set()), name


@pytest.fixture
def making(client, admin, alice):
    """Calls that make something, by name: who sends it, where, and what."""
    shop, company, user = new_shop(client), new_company(client), new_user(client)
    template = {name: value for name, value in coupon_body().items() if name != "code"}
    return {
        "credit coupon": (
            admin,
            "/v1/coupons",
            {
                "name": "tea",
                "value": 1,
                "number_left": 2,
                "expiration_date": "2100-01-01T00:00:00Z",
                "hidden_code": "a b?c",
            },
        ),
        "user": (admin, "/v1/user", {"username": "carol", "password": PASSWORD, "name": "Carol"}),
        "discount": (shop, "/api/v1/coupons", coupon_body()),
        "redemption": (
            shop,
            "/api/v1/coupons/redeem",
            {"code": shop.new()["code"], "orderId": "o-1", "cartTotal": 100},
        ),
        "batch": (shop, "/api/v1/coupons/generate", {"count": 2, "template": template}),
        "webhook": (
            shop,
            "/api/v1/webhooks",
            {"url": "https://example.com/hook", "events": ["coupon.created"]},
        ),
        "promo": (company, "/api/business/promo", promo_body()),
        "comment": (
            user,
            f"/api/user/promo/{publish(company)}/comments",
            {"text": "Good tea, every day."},
        ),
        "purchase": (
            admin,
            "/api/vouchers/purchase/",
            {"voucher_type_id": sell(admin, price=0)["id"]},
        ),
    }


@pytest.mark.parametrize(
    "name",
    [
        "credit coupon",
        "user",
        "discount",
        "redemption",
        "batch",
        "webhook",
        "promo",
        "comment",
        "purchase",
    ],
)
def test_it_can_be_read_there_and_a_replay_says_so_again(making, name):
    who, path, body = making[name]

    first = who.post(path, json=body, headers=KEY)
    again = who.post(path, json=body, headers=KEY)

    assert first.status_code == again.status_code == 201, first.text
    assert again.headers["Idempotent-Replayed"] == "true"
    where = first.headers["Location"]
    assert again.headers["Location"] == where
    assert where.startswith(f"{PUBLIC}/")
    read = who.get(where.removeprefix(PUBLIC))
    assert read.status_code == 200, where
    # What was made is what is read: its id, or that of the one thing inside, is there.
    made = first.json
    ids = [made.get(key) for key in ("id", "redemptionId", "batchId")]
    ids += [inner.get("id") for inner in made.get("data", {}).values()] if "data" in made else []
    ids += [voucher["id"] for voucher in made.get("vouchers", [])]
    (one,) = filter(None, ids)
    assert one in read.text


def test_an_order_that_was_redeemed_before_makes_nothing(client):
    shop = new_shop(client)
    code = shop.new()["code"]
    assert "Location" in shop.redeem(code, order="o-2").headers

    again = shop.redeem(code, order="o-2")

    assert again.status_code == 200
    assert "Location" not in again.headers


def test_a_registered_user_reads_their_profile_there(client):
    body = {
        "email": "dora@example.com",
        "password": PASSWORD,
        "password_confirm": PASSWORD,
        "first_name": "Dora",
        "last_name": "D",
    }
    answer = client.post("/api/auth/register/", json=body)

    assert answer.status_code == 201, answer.text
    token = {"Authorization": f"Bearer {answer.json['access']}"}
    path = answer.headers["Location"].removeprefix(PUBLIC)
    assert client.get(path, headers=token).json["email"] == "dora@example.com"


def test_what_is_refused_says_no_place(client, alice):
    shop = new_shop(client)

    for answer in (
        shop.post("/api/v1/coupons", json={}),
        alice.post("/v1/user", json={}),
        shop.redeem("NOSUCHCODE"),
    ):
        assert answer.status_code >= 400
        assert "Location" not in answer.headers


def test_a_name_that_stands_in_a_path_is_quoted(app_without_tables):
    app = app_without_tables(public_url="https://shop.example/base/")

    @app.post("/probe/<shelf>")
    @located("/things/{shelf}/{made.name}")
    def make(shelf):
        return {"made": {"name": "a/b ?ü"}}, 201

    answer = app.test_client().post("/probe/top")
    assert answer.headers["Location"] == ("https://shop.example/base/things/top/a%2Fb%20%3F%C3%BC")
