"""`/api/v1/webhooks`: who is told of what."""

import base64

import pytest
import sqlalchemy as sa

from coupon_management_flask.db.session import db
from coupon_management_flask.messaging.webhooks import recording
from coupon_management_flask.models import (
    OutboxMessage,
    Webhook,
    WebhookDelivery,
    WebhookSubscription,
    new_id,
)

from ...support.refusals import refusal
from .conftest import FACTS, deliver_due, happen

URL = "https://shop.example.com/hook?shop=1"
TABLES = (Webhook, WebhookSubscription, WebhookDelivery, OutboxMessage)


def counts():
    return [db.session.scalar(sa.select(sa.func.count()).select_from(table)) for table in TABLES]


def create(person, **changes):
    return person.post(
        "/api/v1/webhooks", json={"url": URL, "events": ["coupon.created"], **changes}
    )


def test_a_webhook_is_created_and_its_secret_is_shown_once(admin):
    answer = create(admin, events=["redemption.created", "coupon.created", "redemption.created"])

    assert answer.status_code == 201
    assert answer.headers["Cache-Control"] == "no-store"
    webhook = answer.json
    secret = webhook.pop("secret")
    assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
    assert (webhook["url"], webhook["events"]) == (URL, ["coupon.created", "redemption.created"])
    assert set(webhook) == {"id", "url", "events", "createdAt", "isActive", "goneAt"}
    assert (webhook["isActive"], webhook["goneAt"]) == (True, None)
    assert admin.get(f"/api/v1/webhooks/{webhook['id']}").json == webhook
    assert admin.get("/api/v1/webhooks").json == {
        "results": [webhook],
        "page": 1,
        "limit": 10,
        "totalPages": 1,
        "totalResults": 1,
    }


def test_two_webhooks_have_different_secrets_even_for_one_url(admin):
    first, second = create(admin).json, create(admin).json

    assert first["secret"] != second["secret"]
    assert first["id"] != second["id"]


def test_the_same_idempotency_key_creates_one(admin):
    answers = [
        admin.post(
            "/api/v1/webhooks",
            json={"url": URL, "events": ["coupon.created"]},
            headers={"Idempotency-Key": "k"},
        )
        for _ in range(2)
    ]

    assert answers[0].data == answers[1].data
    assert counts()[0] == 1


def test_a_server_manages_webhooks_with_an_api_key_that_may(client, app):
    def key(permission):
        return (
            app.test_cli_runner()
            .invoke(
                args=["api-keys", "create", "--service", permission, "--permission", permission]
            )
            .output.strip()
        )

    body = {"url": URL, "events": ["coupon.created"]}

    assert (
        client.post(
            "/api/v1/webhooks", json=body, headers={"X-API-Key": key("manageCoupons")}
        ).status_code
        == 201
    )
    assert refusal(
        client.post("/api/v1/webhooks", json=body, headers={"X-API-Key": key("getCoupons")}),
        "discount_coupons",
    ) == (403, "permission_denied")
    assert counts()[0] == 1


def test_who_does_not_manage_coupons_sees_and_changes_nothing(client, admin, alice):
    path = f"/api/v1/webhooks/{create(admin).json['id']}"
    calls = [
        ("POST", "/api/v1/webhooks"),
        ("GET", "/api/v1/webhooks"),
        ("GET", path),
        ("DELETE", path),
        ("GET", f"{path}/deliveries"),
        ("POST", f"{path}/deliveries/{new_id()}/resend"),
    ]
    before = counts()

    for method, path in calls:
        assert refusal(
            alice.request(method, path, json={"url": URL, "events": ["coupon.created"]}),
            "discount_coupons",
        ) == (403, "permission_denied")
        assert refusal(client.open(path, method=method), "discount_coupons") == (
            401,
            "authentication_required",
        )
    assert counts() == before


def test_bodies_of_the_wrong_shape_are_refused_and_nothing_is_made(admin):
    bad_events = [
        None,
        [],
        "coupon.created",
        ["coupon.deleted"],
        ["coupon.created", "x"],
        [None],
        [1],
        [["coupon.created"]],
        {"coupon.created": True},
    ]
    bad_urls = [
        *(
            None,
            1,
            True,
            [URL],
            "",
            "shop.example.com",
            "/hook",
            "https://",
            "https:///hook",
            "ftp://shop.example.com/",
            "file:///etc/passwd",
        ),
        *(
            "https://shop.example.com:0/",
            "https://shop.example.com:99999/",
            "https://shop.example.com:x/",
            "https://[::1",
            "https://bücher.example/",
        ),
        *(
            "https://a b.example/",
            "https://shop.example.com/a b",
            "https://shop.example.com/\r\nX: y",
            "https://shop.example.com\\@10.0.0.1/",
        ),
        *(
            "https://user@shop.example.com/",
            "https://user:password@shop.example.com/",
            URL + "#fragment",
            URL + "\x00",
            URL + "x" * 2000,
        ),
    ]
    bodies = [
        {"url": URL},
        {"events": ["coupon.created"]},
        {"url": URL, "events": ["coupon.created"], "secret": "whsec_mine"},
    ]
    bodies += [{"url": URL, "events": events} for events in bad_events] + [
        {"url": url, "events": ["coupon.created"]} for url in bad_urls
    ]
    for body in bodies:
        answer = admin.post("/api/v1/webhooks", json=body)
        assert (answer.status_code, answer.json["error_code"]) == (400, "validation_error"), body
    assert counts() == [0, 0, 0, 0]


def test_private_addresses_and_plain_http_are_refused_unless_they_are_allowed(admin, allow_private):
    private = [
        *(
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
        ),
        *(
            "[::1]",
            "[::]",
            "[fe80::1]",
            "[fc00::1]",
            "[fec0::1]",
            "[ff02::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:10.0.0.1]",
            "[64:ff9b::7f00:1]",
        ),
        *(
            "[2002:7f00:1::]",
            "[2001:0:7f00:1::]",
            "localhost",
            "LOCALHOST",
            "localhost.",
            "shop.localhost",
        ),
    ]
    urls = [f"https://{host}/hook" for host in private] + ["http://shop.example.com/hook"]
    for url in urls:
        answer = create(admin, url=url)
        assert (answer.status_code, answer.json["error_code"]) == (400, "validation_error"), url
    assert counts()[0] == 0
    for host in (
        "93.184.215.14",
        "[2606:2800:21f:cb07:6820:80da:af6b:8b2c]",
        "[::ffff:93.184.215.14]",
        "shop.example.com",
    ):
        assert create(admin, url=f"https://{host}:8443").status_code == 201, host

    allow_private(True)

    for url in urls:
        assert create(admin, url=url).status_code == 201, url


def test_the_list_has_pages_oldest_first(admin):
    ids = [create(admin).json["id"] for _ in range(3)]

    pages = [admin.get(f"/api/v1/webhooks?page={page}&limit=2").json for page in (1, 2, 3)]

    assert [[webhook["id"] for webhook in page["results"]] for page in pages] == [
        ids[:2],
        ids[2:],
        [],
    ]
    assert [
        (page["page"], page["limit"], page["totalPages"], page["totalResults"]) for page in pages
    ] == [(page, 2, 2, 3) for page in (1, 2, 3)]
    for query in ("page=0", "limit=0", "limit=101", "page=x", "limit=1.0"):
        assert refusal(admin.get(f"/api/v1/webhooks?{query}"), "discount_coupons") == (
            400,
            "validation_error",
        ), query


def test_a_webhook_that_is_not_there_is_404_and_what_is_no_id_is_400(admin, subscribe):
    first, second = subscribe(), subscribe()
    happen()
    deliver_due()
    delivery = admin.get(f"/api/v1/webhooks/{first['id']}/deliveries").json["results"][0]["id"]
    before = counts()

    for webhook_id, expected in (
        (new_id(), (404, "webhook_not_found")),
        ("x", (400, "validation_error")),
    ):
        for method, path in (
            ("GET", ""),
            ("DELETE", ""),
            ("GET", "/deliveries"),
            ("POST", f"/deliveries/{delivery}/resend"),
        ):
            assert (
                refusal(
                    admin.request(method, f"/api/v1/webhooks/{webhook_id}{path}"),
                    "discount_coupons",
                )
                == expected
            )
    # A delivery is its own webhook's.
    for delivery_id, expected in (
        (delivery, (404, "delivery_not_found")),
        (new_id(), (404, "delivery_not_found")),
        ("x", (400, "validation_error")),
    ):
        assert (
            refusal(
                admin.post(f"/api/v1/webhooks/{second['id']}/deliveries/{delivery_id}/resend"),
                "discount_coupons",
            )
            == expected
        )
    assert counts() == before
    assert deliver_due() == 0


def test_a_deleted_webhook_is_told_nothing_any_more_not_even_what_had_happened_before(
    admin, subscribe, receiver
):
    deleted, stays = subscribe(), subscribe()
    happen()
    deliver_due()
    happen()

    assert admin.delete(f"/api/v1/webhooks/{deleted['id']}").status_code == 204
    happen()
    deliver_due()

    assert [received.verified(stays["secret"])["type"] for received in receiver.received[2:]] == [
        "coupon.created"
    ] * 2
    assert counts()[:2] == [1, len(recording.EVENTS)]
    assert refusal(admin.delete(f"/api/v1/webhooks/{deleted['id']}"), "discount_coupons") == (
        404,
        "webhook_not_found",
    )
    assert admin.get("/api/v1/webhooks").json["totalResults"] == 1


@pytest.mark.parametrize(
    ("wanted", "other"),
    [("coupon.created", "redemption.created"), ("redemption.created", "coupon.created")],
)
def test_a_webhook_is_told_of_its_own_events_alone(subscribe, receiver, wanted, other):
    subscribe(events=[wanted])

    happen(other)
    happen(wanted, {**FACTS, "number": 2})
    deliver_due()

    (received,) = receiver.received
    assert (received.path, b'"number":2' in received.body) == ("/hook?shop=1", True)


def test_recording_costs_one_statement_where_nobody_listens(subscribe, statements):
    subscribe(events=["coupon.updated"])
    statements.clear()

    happen("coupon.created")

    assert len(statements) == 1
    assert counts()[3] == 0
