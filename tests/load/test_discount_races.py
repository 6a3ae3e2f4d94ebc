"""Many orders at once, at a server with two processes, on both databases: limits hold."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Barrier

import pytest
import requests

from ..support.discounts import PATH, Shop, items
from ..support.remote import Answer, RemoteClient
from ..support.server import assert_books_add_up, run_command, running_server
from ..support.waiting import wait_until

pytestmark = pytest.mark.server

KEY = (
    "api-keys",
    "create",
    "--service",
    "shop",
    "--permission",
    "getCoupons",
    "--permission",
    "manageCoupons",
)
_numbers = count(1)


def key_of(shared_url: str) -> str:
    return run_command(*KEY, database_url=shared_url).strip()


@pytest.fixture(scope="module")
def shared_url(shared_track):
    return shared_track.database_url


@pytest.fixture(scope="module")
def shop(shared_track, shared_url):
    return Shop(RemoteClient(shared_track.server), key_of(shared_url))


def at_once(calls: list[Callable[[], Answer]], threads: int = 30) -> list[Answer]:
    """Make the calls in so many threads, which start together, and return the answers in order."""
    together = Barrier(min(threads, len(calls)))

    def run(own):
        together.wait(timeout=20)
        return [call() for call in own]

    with ThreadPoolExecutor(threads) as pool:
        shares = list(
            pool.map(run, [calls[number::threads] for number in range(min(threads, len(calls)))])
        )
    answers: list[Answer] = [None] * len(calls)
    for number, share in enumerate(shares):
        answers[number::threads] = share
    return answers


def redeeming(shop: Shop, *codes: str, **more) -> Callable[[], Answer]:
    order = more.pop("order", None) or f"race-{next(_numbers)}"
    return lambda: shop.redeem(*codes, order=order, **more)


def told(answers: list[Answer]) -> Counter:
    return Counter((answer.status_code, answer.json.get("error_code")) for answer in answers)


def test_of_300_orders_at_once_100_get_the_100_uses(shop, shared_url):
    coupon = shop.new(maxUsage=100)

    answers = at_once([redeeming(shop, coupon["code"]) for _ in range(300)])

    assert told(answers) == {(201, None): 100, (400, "usage_limit_exceeded"): 200}
    assert shop.use(coupon) == 100
    assert_books_add_up(shared_url)


def test_one_order_many_times_at_once_takes_one_use_of_each_code(shop, shared_url):
    coupons = [
        shop.new(combinable=True, maxUsage=1, limits={"perDay": 1, "budget": 50}) for _ in range(3)
    ]

    answers = at_once(
        [
            redeeming(
                shop, *(coupon["code"] for coupon in coupons), order="the-order", customerId="c1"
            )
        ]
        * 20,
        20,
    )

    assert Counter(answer.status_code for answer in answers) == {201: 1, 200: 19}
    assert len({answer.text for answer in answers}) == 1
    assert [shop.use(coupon) for coupon in coupons] == [1, 1, 1]
    assert_books_add_up(shared_url)


@pytest.mark.parametrize(
    ("terms", "most", "error"),
    [
        ({"limits": {"perCustomer": 3}}, 3, "usage_limit_exceeded"),
        ({"limits": {"perCustomerPerDay": 3}}, 3, "period_limit_reached"),
        ({"limits": {"perDay": 4}}, 4, "period_limit_reached"),
        ({"limits": {"budget": 50}}, 5, "budget_used_up"),
        ({"firstOrderOnly": True}, 1, "first_orders_only"),
    ],
    ids=["customer", "customer and day", "day", "budget", "first order"],
)
def test_a_limit_holds_against_50_orders_at_once(shop, shared_url, terms, most, error):
    coupon = shop.new(**terms)

    answers = at_once(
        [
            redeeming(shop, coupon["code"], customerId=f"customer of {coupon['code']}")
            for _ in range(50)
        ]
    )

    assert told(answers) == {(201, None): most, (400, error): 50 - most}
    assert shop.use(coupon) == most
    assert_books_add_up(shared_url)


def test_sets_that_share_codes_do_not_wait_for_each_other_in_a_circle(shop, shared_url):
    codes = [
        shop.new(combinable=True, maxUsage=1000, limits={"perDay": 1000, "budget": 100000})["code"]
        for _ in range(4)
    ]
    pairs = [(one, other) for one in codes for other in codes if one != other]

    answers = at_once([redeeming(shop, *pair, customerId="c1") for pair in pairs * 5])

    assert told(answers) == {(201, None): 60}
    redemptions = [answer.json["redemptionId"] for answer in answers]
    # Half of them are rolled back, each twice, while as many new ones arrive.
    more = [redeeming(shop, *pair, customerId="c1") for pair in pairs * 3]
    backs = [lambda one=one: shop.roll_back(one) for one in redemptions[:30] * 2]
    answers = at_once(
        [call for pair in zip(more, backs, strict=False) for call in pair] + backs[len(more) :]
    )
    assert set(told(answers)) <= {(201, None), (200, None)}
    assert sum(
        shop.get(f"{PATH}?code={code}").json["results"][0]["usageCount"] for code in codes
    ) == 2 * (60 - 30 + len(more))
    assert_books_add_up(shared_url)


def test_a_rollback_many_times_at_once_gives_back_once(shop, shared_url):
    coupon = shop.new(limits={"budget": 100, "perCustomer": 10}, maxUsage=10)
    cart = items(("a", 1, 1000), ("b", 1, 1000), ("c", 1, 1000))
    kept, gone = (
        shop.redeem(coupon["code"], customerId="c1", total=None, **cart).json["redemptionId"]
        for _ in range(2)
    )

    answers = at_once(
        [
            lambda body=body: shop.roll_back(gone, **body)
            for body in ({"lines": [0]}, {"lines": [1, 2]}, {}, {"lines": [0, 1, 2]})
        ]
        * 5,
        20,
    )

    assert {answer.status_code for answer in answers} == {200}
    assert shop.get(f"/api/v1/redemptions/{gone}").json["status"] == "rolled_back"
    assert shop.get(f"/api/v1/redemptions/{kept}").json["status"] == "redeemed"
    assert shop.use(coupon) == 1
    backs = shop.get(f"/api/v1/redemptions/{gone}").json["rollbacks"]
    assert sum(one["discountAmount"] for one in backs) == 3
    assert_books_add_up(shared_url)


def test_terms_that_change_under_load_are_those_of_every_order(shop, shared_url):
    coupon = shop.new(type="fixed", discount=1, limits={"budget": 1000})
    path = f"{PATH}/{coupon['id']}"
    changes = [
        lambda discount=discount: shop.patch(
            path, json={"discount": discount, "limits": {"budget": 900 + discount}}
        )
        for discount in (2, 3, 4, 5)
    ]

    answers = at_once([redeeming(shop, coupon["code"]) for _ in range(40)] + changes)

    assert {answer.status_code for answer in answers[40:]} == {200}
    # An order that met a change at every try is asked to come back.
    assert {answer.status_code for answer in answers[:40]} <= {201, 503}
    for answer in answers[:40]:
        if answer.status_code == 201:
            seen = shop.get(f"/api/v1/redemptions/{answer.json['redemptionId']}/explain").json[
                "redeemed"
            ]
            assert seen["codes"][0]["coupon"]["discount"] == answer.json["discountAmount"]
    assert_books_add_up(shared_url)


def test_what_was_answered_before_a_crash_was_redeemed_and_is_not_redeemed_again(
    fresh_database_url,
):
    answered: list[dict] = []

    def redeem_until_it_dies(shop: Shop, code: str) -> None:
        while True:
            try:
                answer = redeeming(shop, code)()
            except requests.ConnectionError:
                return
            assert answer.status_code == 201, answer.text
            answered.append(answer.json)

    key = key_of(fresh_database_url)
    with running_server(fresh_database_url, workers=2) as server, ThreadPoolExecutor(6) as threads:
        shop = Shop(RemoteClient(server), key)
        coupon = shop.new(maxUsage=5000, limits={"budget": 100000, "perDay": 5000})
        running = [threads.submit(redeem_until_it_dies, shop, coupon["code"]) for _ in range(6)]
        try:
            wait_until(lambda: len(answered) >= 40, "40 orders are redeemed")
        finally:
            server.kill()
        for one in running:
            one.result(timeout=20)

    assert_books_add_up(fresh_database_url)
    with running_server(fresh_database_url) as server:
        shop = Shop(RemoteClient(server), key)
        # Each of the six may have been killed between its commit and its answer.
        assert len(answered) <= shop.use(coupon) <= len(answered) + 6
        for one in answered:
            assert (
                shop.get(f"/api/v1/redemptions/{one['redemptionId']}").json["status"] == "redeemed"
            )
