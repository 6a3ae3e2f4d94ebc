"""Idempotency-Key: a request happens once, however often it is sent, with one answer."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier, Event

import orjson
import pytest
import sqlalchemy as sa

from coupon_management_flask.core import clock, errors, wallet
from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.models import IdempotencyKey
from coupon_management_flask.web import contract
from coupon_management_flask.web.guard import actor

from ..support.books import read_books
from ..support.discounts import new_shop
from ..support.people import PASSWORD, make_coupon, make_user
from ..support.probes import add_guarded
from ..support.refusals import refusal

pytestmark = pytest.mark.both_databases

KEY = {"Idempotency-Key": "7f1c"}
SOON = "2100-01-01T00:00:00Z"


def kept_keys():
    return db.session.scalar(sa.select(sa.func.count()).select_from(IdempotencyKey))


def give_ten(**answer):
    """Grant the caller 10 credits."""
    with transaction():
        wallet.credit(actor().id, 10, reason="probe")
    return {"granted": 10, **answer}


@pytest.fixture
def change(admin, bob):
    """Requests that change something, by name: who sends it, and what."""
    coupon = make_coupon(value=10)
    other = make_coupon()
    return {
        "use by code": (bob, "POST", f"/v1/coupons/use/{coupon.hidden_code}", None),
        "use of a chosen coupon": (
            bob,
            "POST",
            f"/v1/coupons/{coupon.id}/use",
            {"hidden_code": coupon.hidden_code},
        ),
        "new coupon": (
            admin,
            "POST",
            "/v1/coupons",
            {"name": "new", "value": 1, "number_left": 2, "expiration_date": SOON},
        ),
        "changed coupon": (admin, "PATCH", f"/v1/coupons/{other.id}", {"number_left": 3}),
        "deactivated coupon": (admin, "DELETE", f"/v1/coupons/{other.id}", None),
        "new user": (
            admin,
            "POST",
            "/v1/user",
            {"username": "carol", "password": PASSWORD, "name": "Carol"},
        ),
        "credit": (admin, "POST", f"/v1/user/{bob.id}/credit", {"amount": 5, "reason": "gift"}),
    }


CHANGES = [
    "use by code",
    "use of a chosen coupon",
    "new coupon",
    "changed coupon",
    "deactivated coupon",
    "new user",
    "credit",
]


@pytest.mark.parametrize("name", CHANGES)
def test_the_same_request_again_gives_the_first_answer_byte_for_byte_and_does_nothing(
    change, books, name
):
    who, method, path, body = change[name]
    first = who.request(method, path, json=body, headers=KEY)
    assert first.status_code in (200, 201), first.text
    assert "Idempotent-Replayed" not in first.headers
    before = books()

    again = who.request(method, path, json=body, headers=KEY)

    assert (again.status_code, again.data, again.content_type) == (
        first.status_code,
        first.data,
        first.content_type,
    )
    assert again.headers["Idempotent-Replayed"] == "true"
    assert books() == before


def test_without_a_key_the_same_request_happens_again(admin, alice):
    for credit in (105, 110):
        answer = admin.post(f"/v1/user/{alice.id}/credit", json={"amount": 5, "reason": "gift"})
        assert answer.json["data"]["user"]["credit"] == credit


def test_a_trailing_slash_does_not_make_it_another_request(admin, alice, books):
    path, body = f"/v1/user/{alice.id}/credit", {"amount": 5, "reason": "gift"}
    first = admin.post(path, json=body, headers=KEY)
    before = books()

    again = admin.post(path + "/", json=body, headers=KEY)

    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.data == first.data
    assert books() == before


@pytest.mark.parametrize("different", ["method", "path", "query", "body"])
def test_the_key_of_another_request_is_refused(admin, alice, bob, books, different):
    coupon = make_coupon()
    if different == "method":
        first = admin.patch(f"/v1/coupons/{coupon.id}", json={}, headers=KEY)
    else:
        first = admin.post(
            f"/v1/user/{alice.id}/credit", json={"amount": 5, "reason": "gift"}, headers=KEY
        )
    assert first.status_code == 200
    before = books()

    second = {
        "method": lambda: admin.delete(f"/v1/coupons/{coupon.id}", json={}, headers=KEY),
        "path": lambda: admin.post(
            f"/v1/user/{bob.id}/credit", json={"amount": 5, "reason": "gift"}, headers=KEY
        ),
        "query": lambda: admin.post(
            f"/v1/user/{alice.id}/credit?x=1", json={"amount": 5, "reason": "gift"}, headers=KEY
        ),
        "body": lambda: admin.post(
            f"/v1/user/{alice.id}/credit", json={"amount": 6, "reason": "gift"}, headers=KEY
        ),
    }[different]()

    assert refusal(second) == (422, "idempotency_key_reused")
    assert books() == before


def test_the_same_key_of_another_account_is_another_key(alice, bob):
    coupon = make_coupon(value=30, number_left=5)

    for who in (alice, bob):
        answer = who.post(f"/v1/coupons/use/{coupon.hidden_code}", headers=KEY)
        assert answer.status_code == 200
        assert "Idempotent-Replayed" not in answer.headers

    assert alice.get("/v1/coupons").json["data"]["coupons"][0]["number_left"] == 3


@pytest.mark.parametrize(
    ("given", "error_code"),
    [
        ({"active": False}, "coupon_inactive"),
        ({"number_left": 0}, "coupon_exhausted"),
        ({"value": 101}, "insufficient_credit"),
    ],
)
def test_a_refusal_by_a_rule_is_kept_even_when_nothing_refuses_any_more(
    alice, admin, books, given, error_code
):
    coupon = make_coupon(**given)
    path = f"/v1/coupons/use/{coupon.hidden_code}"
    first = alice.post(path, headers=KEY)
    assert refusal(first) == (400, error_code)
    admin.patch(f"/v1/coupons/{coupon.id}", json={"active": True, "number_left": 1, "value": 1})
    before = books()

    again = alice.post(path, headers=KEY)

    assert (again.status_code, again.data) == (400, first.data)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert books() == before
    assert alice.post(path, headers={"Idempotency-Key": "another"}).status_code == 200


def test_a_collision_is_kept_like_any_refusal_by_a_rule(admin, books):
    taken = make_coupon(hidden_code="TAKEN")
    body = {
        "name": "new",
        "value": 1,
        "number_left": 2,
        "expiration_date": SOON,
        "hidden_code": "taken",
    }
    first = admin.post("/v1/coupons", json=body, headers=KEY)
    assert refusal(first) == (409, "hidden_code_taken")
    admin.patch(f"/v1/coupons/{taken.id}", json={"hidden_code": "FREED"})
    before = books()

    again = admin.post("/v1/coupons", json=body, headers=KEY)

    assert (again.status_code, again.data) == (409, first.data)
    assert books() == before


def test_a_body_of_the_wrong_shape_does_not_spend_the_key(admin, alice, books):
    path = f"/v1/user/{alice.id}/credit"
    before = books()
    for wrong in (
        {"json": {"amount": "5", "reason": "gift"}},
        {"data": b"{"},
        {"data": b"x" * (1024 * 1024 + 1)},
    ):
        assert admin.post(path, headers=KEY, **wrong).status_code in (400, 413)
    assert books() == before
    assert kept_keys() == 0

    answer = admin.post(path, json={"amount": 5, "reason": "gift"}, headers=KEY)

    assert answer.status_code == 200
    assert answer.json["data"]["user"]["credit"] == 105


def test_a_request_that_nobody_signed_does_not_spend_the_key(alice, books):
    coupon = make_coupon(value=30)
    path = f"/v1/coupons/use/{coupon.hidden_code}"
    before = books()
    for token in ({"Authorization": ""}, {"Authorization": "Bearer x"}):
        assert alice.post(path, headers={**KEY, **token}).status_code == 401
    assert books() == before
    assert kept_keys() == 0

    assert alice.post(path, headers=KEY).status_code == 200


def test_too_many_tries_do_not_spend_the_key(configured_app, somebody, time_is):
    now = clock.now()
    time_is(now - timedelta(minutes=11))
    alice = somebody(configured_app(rate_limits_enabled=True), credit=100)
    coupon = make_coupon(value=30)
    for _ in range(10):
        alice.post("/v1/coupons/use/WRONG")
    before = read_books()

    refused = alice.post(f"/v1/coupons/use/{coupon.hidden_code}", headers=KEY)

    assert refusal(refused) == (429, "rate_limited")
    assert int(refused.headers["Retry-After"]) == 600
    assert read_books() == before
    time_is(now)
    assert alice.post(f"/v1/coupons/use/{coupon.hidden_code}", headers=KEY).status_code == 200


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (RuntimeError("no"), (500, "internal_error")),
        (errors.Unavailable(), (503, "service_unavailable")),
    ],
    ids=["500", "503"],
)
def test_a_failure_does_not_spend_the_key(configured_app, somebody, failure, told):
    app = configured_app()
    failures = [failure]

    def fail_once():
        if failures:
            raise failures.pop()
        return give_ten()

    add_guarded(app, "/v1/probe", fail_once)
    alice = somebody(app, credit=100)
    before = read_books()
    assert refusal(alice.post("/v1/probe", headers=KEY)) == told
    assert read_books() == before

    answer = alice.post("/v1/probe", headers=KEY)

    assert (answer.status_code, answer.json) == (200, {"granted": 10})
    assert wallet.balance_of(alice.id) == 110


def test_what_an_unexpected_failure_had_done_is_undone_so_that_it_can_be_sent_again(
    configured_app, somebody
):
    app = configured_app()
    failures = [RuntimeError("after the work, before the answer")]

    def fail_late():
        answer = give_ten()
        if failures:
            raise failures.pop()
        return answer

    add_guarded(app, "/v1/probe", fail_late)
    alice = somebody(app, credit=100)
    before = read_books()

    assert refusal(alice.post("/v1/probe", headers=KEY)) == (500, "internal_error")

    assert read_books() == before
    assert alice.post("/v1/probe", headers=KEY).status_code == 200
    assert wallet.balance_of(alice.id) == 110


def test_a_key_is_remembered_for_24_hours_and_then_free(configured_app, somebody, time_is):
    now = clock.now()
    time_is(now - timedelta(hours=24))
    app = configured_app()
    add_guarded(app, "/v1/probe", lambda: give_ten())
    add_guarded(app, "/v1/other", lambda: give_ten(other=True))
    alice = somebody(app)
    alice.post("/v1/probe", headers=KEY)

    time_is(now - timedelta(seconds=1))
    assert alice.post("/v1/probe", headers=KEY).headers["Idempotent-Replayed"] == "true"
    assert alice.post("/v1/other", headers=KEY).status_code == 422
    assert wallet.balance_of(alice.id) == 10

    time_is(now)
    anew = alice.post("/v1/other", headers=KEY)
    assert (anew.status_code, anew.json) == (200, {"granted": 10, "other": True})
    assert wallet.balance_of(alice.id) == 20
    assert alice.post("/v1/other", headers=KEY).data == anew.data
    assert wallet.balance_of(alice.id) == 20


@pytest.fixture
def slow(configured_app, somebody):
    """Return Alice, a thread with a request of hers that has begun, and the event that ends it.

    The request finishes once the event is set.
    """
    app = configured_app()
    began, finish = Event(), Event()

    def wait_the_first_time():
        if not began.is_set():
            began.set()
            assert finish.wait(20)
            return give_ten(by="the first")
        return give_ten(by="the second")

    add_guarded(app, "/v1/probe", wait_the_first_time)
    alice = somebody(app, credit=100)
    with ThreadPoolExecutor(1) as pool:
        headers = {"Authorization": f"Bearer {alice.access_token}", **KEY}
        first = pool.submit(lambda: app.test_client().post("/v1/probe", headers=headers))
        assert began.wait(20)
        yield alice, first, finish
        finish.set()


def test_while_the_first_still_runs_the_second_is_told_to_come_back(slow):
    alice, first, finish = slow
    before = read_books()

    meanwhile = alice.post("/v1/probe", headers=KEY)

    assert refusal(meanwhile) == (409, "idempotency_key_in_use")
    assert int(meanwhile.headers["Retry-After"]) >= 1
    assert read_books() == before
    assert alice.post("/v1/probe", json={"other": 1}, headers=KEY).status_code == 422
    finish.set()
    assert first.result(20).status_code == 200
    later = alice.post("/v1/probe", headers=KEY)
    assert (later.data, later.headers["Idempotent-Replayed"]) == (first.result().data, "true")
    assert wallet.balance_of(alice.id) == 110


def test_a_lease_that_lapsed_is_taken_over_and_whoever_finishes_too_late_has_done_nothing(
    slow, time_is
):
    alice, first, finish = slow
    time_is(clock.now() + timedelta(seconds=31))

    second = alice.post("/v1/probe", headers=KEY)
    assert (second.status_code, second.json) == (200, {"granted": 10, "by": "the second"})
    finish.set()

    assert refusal(first.result(20)) == (409, "idempotency_key_in_use")
    assert wallet.balance_of(alice.id) == 110
    assert alice.post("/v1/probe", headers=KEY).data == second.data


def test_a_lapsed_lease_can_not_be_taken_over_by_another_request(slow, time_is):
    alice, first, finish = slow
    time_is(clock.now() + timedelta(seconds=31))
    before = read_books()

    assert alice.post("/v1/probe", json={"other": 1}, headers=KEY).status_code == 422

    assert read_books() == before
    finish.set()
    assert first.result(20).json["by"] == "the first"


def test_of_many_at_once_one_happens(app, alice):
    coupons = [make_coupon(value=10, hidden_code=f"RACE-{number}") for number in range(3)]
    start = Barrier(8)

    def send(path):
        start.wait(20)
        return app.test_client().post(
            path, headers={"Authorization": f"Bearer {alice.access_token}", **KEY}
        )

    # The key belongs to the first coupon. Requests for the others are other requests.
    paths = [f"/v1/coupons/use/{coupons[number % 3].hidden_code}" for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, paths))

    done = [
        answer
        for answer in answers
        if answer.status_code == 200 and "Idempotent-Replayed" not in answer.headers
    ]
    assert len(done) == 1
    assert wallet.balance_of(alice.id) == 90
    for answer, path in zip(answers, paths, strict=True):
        if path != done[0].request.path:
            assert answer.status_code == 422
        elif answer.status_code == 200:
            assert answer.data == done[0].data
        else:
            assert refusal(answer) == (409, "idempotency_key_in_use")


@pytest.mark.parametrize("key", ["7f1c", "k" * 256], ids=["valid", "too long"])
def test_on_sign_in_refresh_and_sign_out_the_key_is_ignored(client, alice, key):
    def send(path, token=None, **options):
        bearer = {} if token is None else {"Authorization": f"Bearer {token}"}
        answer = client.post(path, headers={"Idempotency-Key": key, **bearer}, **options)
        assert "Idempotent-Replayed" not in answer.headers
        return answer

    credentials = {"username": "alice", "password": PASSWORD}
    one, two = (send("/v1/auth/login", json=credentials).json for _ in range(2))
    assert one["access_token"] != two["access_token"]

    assert send("/v1/auth/token/refresh", one["refresh_token"]).status_code == 200
    assert send("/v1/auth/token/refresh", one["refresh_token"]).status_code == 401

    assert send("/v1/auth/logout", two["access_token"]).status_code == 200
    assert send("/v1/auth/logout", two["access_token"]).status_code == 401
    assert kept_keys() == 0


def test_on_calls_that_change_nothing_the_key_is_ignored(alice):
    for key in ("7f1c", "k" * 256):
        assert alice.get("/v1/coupons", headers={"Idempotency-Key": key}).status_code == 200
    assert kept_keys() == 0


@pytest.mark.parametrize("key", ["", "k" * 256], ids=["empty", "256 characters"])
def test_a_key_of_the_wrong_length_is_refused(alice, books, key):
    coupon = make_coupon()
    before = books()

    answer = alice.post(f"/v1/coupons/use/{coupon.hidden_code}", headers={"Idempotency-Key": key})

    assert refusal(answer) == (400, "validation_error")
    assert "Idempotency-Key" in answer.json["error"]["message"]
    assert books() == before


@pytest.mark.parametrize(
    "key", ["k", "k" * 255, "schlüssel 1"], ids=["1 character", "255 characters", "not ASCII"]
)
def test_a_key_may_be_any_text_of_1_to_255_characters(alice, key):
    coupon = make_coupon()
    path = f"/v1/coupons/use/{coupon.hidden_code}"

    first, again = (alice.post(path, headers={"Idempotency-Key": key}) for _ in range(2))

    assert first.status_code == 200
    assert (again.data, again.headers["Idempotent-Replayed"]) == (first.data, "true")


def test_a_wrong_guess_stays_counted_although_its_answer_is_not_kept(configured_app, somebody):
    alice = somebody(configured_app(rate_limits_enabled=True), credit=100)
    coupon = make_coupon(value=30)
    before = read_books()

    for _ in range(10):
        answer = alice.post("/v1/coupons/use/WRONG", headers=KEY)
        assert refusal(answer) == (404, "coupon_not_found")
        assert "Idempotent-Replayed" not in answer.headers

    assert refusal(alice.post(f"/v1/coupons/use/{coupon.hidden_code}")) == (429, "rate_limited")
    assert read_books() == before


def test_a_wrong_guess_whose_answer_is_kept_counts_once(configured_app, somebody):
    alice = somebody(configured_app(rate_limits_enabled=True), credit=100)
    coupon = make_coupon(value=30)

    first, *others = (
        alice.post(f"/v1/coupons/{coupon.id}/use", json={"hidden_code": "WRONG"}, headers=KEY)
        for _ in range(12)
    )
    assert refusal(first) == (400, "wrong_hidden_code")
    assert {answer.data for answer in others} == {first.data}

    for _ in range(9):
        assert refusal(alice.post("/v1/coupons/use/WRONG")) == (404, "coupon_not_found")
    assert refusal(alice.post(f"/v1/coupons/use/{coupon.hidden_code}")) == (429, "rate_limited")


def test_a_kept_answer_is_out_of_reach_once_the_session_has_ended(alice, client):
    coupon = make_coupon()
    path = f"/v1/coupons/use/{coupon.hidden_code}"
    assert alice.post(path, headers=KEY).status_code == 200
    client.post("/v1/auth/logout", headers={"Authorization": f"Bearer {alice.access_token}"})

    assert refusal(alice.post(path, headers=KEY)) == (401, "invalid_token")


def test_a_new_session_of_the_same_account_gets_the_kept_answer(app):
    _, username = make_user(credit=100)
    coupon = make_coupon()
    path = f"/v1/coupons/use/{coupon.hidden_code}"

    def sign_in_and_use():
        token = (
            app.test_client()
            .post("/v1/auth/login", json={"username": username, "password": PASSWORD})
            .json["access_token"]
        )
        return app.test_client().post(path, headers={"Authorization": f"Bearer {token}", **KEY})

    first, again = sign_in_and_use(), sign_in_and_use()

    assert first.status_code == 200
    assert (again.data, again.headers["Idempotent-Replayed"]) == (first.data, "true")


PRICE_CHECKS = ("validate", "apply", "apply-all", "best")


@pytest.mark.parametrize("call", PRICE_CHECKS)
def test_a_price_check_ignores_the_key_and_keeps_nothing(client, call):
    shop = new_shop(client)
    coupon = shop.new(discount=10)
    is_of_one = call in ("validate", "apply")
    codes = {"code": coupon["code"]} if is_of_one else {"codes": [coupon["code"], "UNKNOWN"]}

    def check(key, total):
        answer = shop.post(
            f"/api/v1/coupons/{call}",
            json={**codes, "cartTotal": total},
            headers={"Idempotency-Key": key},
        )
        assert answer.status_code == 200, answer.text
        assert "Idempotent-Replayed" not in answer.headers
        return answer.json

    first, other_cart = check("7f1c", 100), check("7f1c", 200)
    assert (first == other_cart) == (call == "validate")
    shop.patch(f"/api/v1/coupons/{coupon['id']}", json={"discount": 20})
    now = check("k" * 256, 100)

    assert now != first
    assert kept_keys() == 0
    operation = client.get("/openapi.json").json["paths"][f"/api/v1/coupons/{call}"]["post"]
    assert operation.get("parameters", []) == []


def kept_fingerprint():
    return db.session.scalar(sa.select(IdempotencyKey.fingerprint))


def bare_hash(method, path, body):
    """Return the form in which fingerprints were kept before they were keyed."""
    digest = hashlib.sha256()
    for part in (method, path, b"", body):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def test_what_is_kept_of_a_request_does_not_tell_a_password_that_was_in_it(
    configured_app, somebody
):
    path, new = "/api/users/change-password", "quite another 2"
    body = orjson.dumps({"old_password": PASSWORD, "new_password": new, "confirm_password": new})
    kept = []
    for secret_key in ("one key of many letters, 32 at least", "another key of as many letters!!!"):
        alice = somebody(configured_app(secret_key=secret_key))
        assert alice.post(path, data=body, headers=KEY).status_code == 200
        kept.append(kept_fingerprint())

    # Whoever has the database can't try passwords without the key.
    assert kept[0] != kept[1]
    guesses = {
        hashlib.new(name, guess).hexdigest()
        for name in ("sha256", "blake2b")
        for guess in (new.encode(), body)
    } | {bare_hash(b"POST", path.encode(), body)}
    assert not any(guess in fingerprint for guess in guesses for fingerprint in kept)


@pytest.fixture
def kept_before(alice):
    """Return a request that was made before fingerprints were keyed, and its first answer."""
    path, body = "/v1/coupons/use/" + make_coupon(value=10).hidden_code, b'{"ignored": 1}'
    first = alice.post(path, data=body, headers=KEY)
    assert first.status_code == 200
    change_key(fingerprint=bare_hash(b"POST", path.encode(), body))
    return path, body, first


def change_key(**columns):
    with transaction():
        db.session.execute(sa.update(IdempotencyKey).values(columns))


def test_a_request_that_was_kept_before_the_upgrade_is_recognised(alice, books, kept_before):
    path, body, first = kept_before
    before = books()

    again = alice.post(path, data=body, headers=KEY)
    assert (again.data, again.headers["Idempotent-Replayed"]) == (first.data, "true")
    assert alice.post(path, data=b"{}", headers=KEY).status_code == 422
    assert books() == before


def test_a_lease_from_before_the_upgrade_that_lapsed_is_taken_over_by_the_same_request_alone(
    alice, books, kept_before
):
    path, body, _ = kept_before
    change_key(status=None, body=None, leased_until=clock.now() + timedelta(seconds=30))
    before = books()
    running = alice.post(path, data=body, headers=KEY)
    assert refusal(running) == (409, "idempotency_key_in_use")
    change_key(leased_until=clock.now())

    assert alice.post(path, data=b"{}", headers=KEY).status_code == 422
    taken_over = alice.post(path, data=body, headers=KEY)

    # The use is there already: the answer says so, and is kept.
    assert refusal(taken_over) == (400, "coupon_already_used")
    assert alice.post(path, data=body, headers=KEY).headers["Idempotent-Replayed"] == "true"
    assert books() == before


@pytest.mark.parametrize(
    ("status", "kept"), [(400, True), (409, True), (401, False), (429, False), (502, False)]
)
def test_a_refusal_by_a_rule_is_kept_unless_its_contract_tells_it_as_401_429_or_5xx(
    configured_app, somebody, monkeypatch, status, kept
):
    class NotToday(errors.Conflict):
        name = "not_today"

    monkeypatch.setitem(contract.STATUSES, NotToday, status)
    refusals = [NotToday()]

    def refuse_once():
        if refusals:
            raise refusals.pop()
        return give_ten()

    app = configured_app()
    add_guarded(app, "/v1/probe", refuse_once)
    alice = somebody(app, credit=100)
    assert alice.post("/v1/probe", headers=KEY).status_code == status

    again = alice.post("/v1/probe", headers=KEY)

    assert ("Idempotent-Replayed" in again.headers, again.status_code) == (
        kept,
        status if kept else 200,
    )
    assert wallet.balance_of(alice.id) == (100 if kept else 110)
