"""`flask ...`: what operators run, and what it tells them."""

import re
import signal
import subprocess
import sys
from datetime import timedelta

import pytest
import sqlalchemy as sa

from coupon_management_flask import create_app
from coupon_management_flask.core import clock, errors
from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.discount_coupons.webhooks import service
from coupon_management_flask.identity import accounts, api_keys, credentials
from coupon_management_flask.messaging import loop, outbox
from coupon_management_flask.messaging.webhooks import recording
from coupon_management_flask.models import (
    AntifraudQuestion,
    AntifraudVerdict,
    ApiKey,
    CouponBatch,
    CouponImportPart,
    GuessLog,
    IdempotencyKey,
    LedgerEntry,
    LoginSession,
    OutboxMessage,
    PasswordReset,
    PaymentEvent,
    Redemption,
    Stock,
    Wallet,
    first_id_at,
    new_id,
)
from coupon_management_flask.tasks import jobs, thread

from .conftest import dispose_engines, settings_for
from .support.people import PASSWORD, make_coupon, make_user, sign_in
from .support.ports import free_port
from .support.server import FLASK, ROOT, STRONG_KEY, environment, run_flask, running_server
from .support.waiting import wait_until
from .support.webhook_receiver import running_receiver

NEW_PASSWORD = "another horse 2"


@pytest.fixture
def flask(app):
    """Run a command in this process. It must not fail in a way that it does not announce."""

    def run(*arguments, **options):
        result = app.test_cli_runner().invoke(
            args=[str(argument) for argument in arguments], **options
        )
        assert result.exception is None or isinstance(result.exception, SystemExit), (
            result.exception
        )
        assert "Traceback" not in result.output
        return result

    return run


def log_in(client, login, password):
    return client.post("/v1/auth/login", json={"username": login, "password": password})


def told(result):
    """Return what a command said that refused to run."""
    assert result.exit_code != 0
    (sentence,) = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    return sentence.removeprefix("Error: ")


def test_create_admin_makes_an_administrator_who_signs_in_by_e_mail(flask, client):
    result = flask("create-admin", "--email", "admin@example.com", "--password", PASSWORD)

    assert (result.exit_code, result.output) == (0, "Administrator admin@example.com created.\n")
    answer = log_in(client, "admin@example.com", PASSWORD)
    assert answer.json["user"] == {
        "id": answer.json["user"]["id"],
        "username": "admin@example.com",
        "name": "Administrator",
        "credit": 0,
    }
    headers = {"Authorization": f"Bearer {answer.json['access_token']}"}
    assert client.get("/v1/user", headers=headers).status_code == 200


def test_create_admin_may_give_a_username_and_a_name(flask, client):
    flask(
        "create-admin",
        "--email",
        "admin@example.com",
        "--password",
        PASSWORD,
        "--username",
        "admin",
        "--name",
        "Admin",
    )

    for login in ("admin", "admin@example.com"):
        user = log_in(client, login, PASSWORD).json["user"]
        assert (user["username"], user["name"]) == ("admin", "Admin")


def test_a_password_that_is_not_given_is_asked_for_twice_and_not_shown(flask, client):
    result = flask(
        "create-admin", "--email", "admin@example.com", input=f"{PASSWORD}\n{PASSWORD}\n"
    )

    assert result.exit_code == 0
    assert PASSWORD not in result.output
    assert log_in(client, "admin@example.com", PASSWORD).status_code == 200


def test_create_user_makes_a_user_with_credit(flask, client, books):
    result = flask(
        "create-user",
        "--username",
        "alice",
        "--password",
        PASSWORD,
        "--email",
        "alice@example.com",
        "--name",
        "Alice",
        "--credit",
        100,
    )

    assert (result.exit_code, result.output) == (0, "User alice created.\n")
    answer = log_in(client, "alice@example.com", PASSWORD)
    assert (
        answer.json["user"]["username"],
        answer.json["user"]["name"],
        answer.json["user"]["credit"],
    ) == ("alice", "Alice", 100)
    assert (
        client.get(
            "/v1/user", headers={"Authorization": f"Bearer {answer.json['access_token']}"}
        ).status_code
        == 403
    )
    assert flask("audit").exit_code == 0


def test_create_user_takes_the_username_for_a_name_and_starts_with_nothing(flask, client):
    flask("create-user", "--username", "alice", "--password", PASSWORD)

    user = log_in(client, "alice", PASSWORD).json["user"]
    assert (user["name"], user["credit"]) == ("alice", 0)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["create-user", "--username", "ALICE", "--password", PASSWORD], "username taken"),
        (
            [
                "create-user",
                "--username",
                "carol",
                "--email",
                "Alice@Example.com",
                "--password",
                PASSWORD,
            ],
            "email taken",
        ),
        (
            ["create-user", "--username", "carol@example.com", "--password", PASSWORD],
            "username: A username holds no @",
        ),
        (["create-user", "--username", "carol", "--password", "short"], "8 to 128 characters"),
        (["create-user", "--username", "carol", "--password", "x" * 129], "8 to 128 characters"),
        (
            ["create-user", "--username", "carol", "--password", PASSWORD, "--credit", "-1"],
            "--credit",
        ),
        (
            ["create-user", "--username", "carol", "--password", PASSWORD, "--credit", str(10**20)],
            "--credit",
        ),
        (["create-user", "--username", "", "--password", PASSWORD], "username"),
        (
            ["create-user", "--username", "carol", "--email", "no address", "--password", PASSWORD],
            "email",
        ),
        (["create-user", "--password", PASSWORD], "--username"),
        (["create-admin", "--email", "alice@example.com", "--password", PASSWORD], "email taken"),
        (
            [
                "create-admin",
                "--email",
                "carol@example.com",
                "--username",
                "alice",
                "--password",
                PASSWORD,
            ],
            "username taken",
        ),
        (["create-admin", "--email", "no address", "--password", PASSWORD], "email"),
        (
            ["create-admin", "--email", "carol@example.com", "--password", "short"],
            "8 to 128 characters",
        ),
        (["create-admin", "--password", PASSWORD], "--email"),
        (["change-password", "nobody", "--password", NEW_PASSWORD], "not found"),
        (["change-password", "alice", "--password", "short"], "8 to 128 characters"),
        (
            ["change-password", "alice@example.com", "--company", "--password", NEW_PASSWORD],
            "not found",
        ),
        (["api-keys", "create", "--service", "shop"], "--permission"),
        (["api-keys", "create", "--service", "shop", "--permission", "everything"], "everything"),
        (
            [
                "api-keys",
                "create",
                "--service",
                "shop",
                "--permission",
                "getCoupons",
                "--days",
                "0",
            ],
            "--days",
        ),
        (["api-keys", "revoke", "--service", "nobody"], "not found"),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else "",
)
def test_a_refusal_is_told_in_words_and_changes_nothing(flask, books, arguments, says):
    make_user(username="alice", email="alice@example.com")
    before = books()

    assert says in told(flask(*arguments))

    assert books() == before


def test_change_password_ends_all_sessions_and_the_old_password(flask, client):
    alice = sign_in(client, *make_user(username="alice"))
    other = log_in(client, "alice", PASSWORD).json
    bob = sign_in(client, *make_user(username="bob"))

    result = flask("change-password", "alice", "--password", NEW_PASSWORD)

    assert (result.exit_code, result.output) == (
        0,
        "Password of alice changed; all its sessions have ended.\n",
    )
    for token in (alice.access_token, other["access_token"]):
        assert (
            client.get("/v1/coupons", headers={"Authorization": f"Bearer {token}"}).status_code
            == 401
        )
    assert (
        client.post(
            "/v1/auth/token/refresh", headers={"Authorization": f"Bearer {other['refresh_token']}"}
        ).status_code
        == 401
    )
    assert bob.get("/v1/coupons").status_code == 200
    assert log_in(client, "alice", PASSWORD).status_code == 401
    assert log_in(client, "alice", NEW_PASSWORD).status_code == 200


def test_change_password_tells_a_company_from_a_user_with_the_same_e_mail(flask, client):
    make_user(username="alice", email="shared@example.com")
    accounts.create_company(name="Company", email="shared@example.com", password=PASSWORD)

    assert (
        flask(
            "change-password", "shared@example.com", "--company", "--password", NEW_PASSWORD
        ).exit_code
        == 0
    )

    assert log_in(client, "shared@example.com", PASSWORD).status_code == 200
    assert (
        credentials.authenticate(
            "shared@example.com", NEW_PASSWORD, kind="company", address=None
        ).name
        == "Company"
    )


DEMO_USERS = [
    ("a.faghihi", "password", 100),
    ("user2", "user2pass", 500),
    ("user3", "user3pass", 50),
    ("user4", "user4pass", 1500),
    ("user5", "user5pass", 20),
    ("user6", "user6pass", 175),
]
DEMO_COUPONS = [
    ("one", 50, "ABC", 5, timedelta(days=10)),
    ("two", 450, "BCD", 3, timedelta(days=1)),
    ("three", 350, "CDE", 12, timedelta(hours=5)),
    ("four", 250, "DEF", 1, timedelta(hours=1)),
    ("five", 150, "EFG", 4, timedelta(minutes=10)),
]


def test_seed_demo_loads_exactly_the_example_data_of_the_contract(flask, client, monkeypatch):
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now)

    result = flask("seed-demo")

    assert (result.exit_code, result.output) == (0, "Example data loaded.\n")
    for username, password, credit in DEMO_USERS:
        user = log_in(client, username, password).json["user"]
        assert (user["username"], user["credit"]) == (username, credit)
    admin = sign_in(client, *make_user(username="admin", role="administrator"))
    assert admin.get("/v1/user").json["data"]["meta"]["total_count"] == len(DEMO_USERS) + 1
    found = admin.get("/v1/coupons?all=true").json["data"]["coupons"]
    assert [
        (
            coupon["name"],
            coupon["value"],
            coupon["hidden_code"],
            coupon["number_left"],
            coupon["expiration_date"],
        )
        for coupon in found
    ] == [
        (name, value, code, left, (now + life).isoformat().replace("+00:00", "Z"))
        for name, value, code, left, life in DEMO_COUPONS
    ]
    assert all(coupon["active"] for coupon in found)
    assert flask("audit").exit_code == 0


def test_seed_demo_loads_once(flask, books):
    flask("seed-demo")
    before = books()

    result = flask("seed-demo")

    assert (result.exit_code, result.output) == (0, "Example data is there already.\n")
    assert books() == before


def test_seed_demo_refuses_production(configured_app, capsys):
    app = configured_app(app_env="production", secret_key=STRONG_KEY)

    result = app.test_cli_runner().invoke(args=["seed-demo"])

    assert "production" in told(result)
    assert db.session.scalar(sa.select(sa.func.count()).select_from(Wallet)) == 0


SAMPLE_VOUCHERS = [
    ("Exam Results Checking", 10, "exam_results"),
    ("School Application", 25, "school_application"),
    ("Placement Application", 35, "placement_application"),
    ("Document Verification", 15, "document_verification"),
]


def test_create_sample_vouchers_creates_exactly_the_four_of_the_contract(flask, client):
    result = flask("create-sample-vouchers")

    assert (result.exit_code, result.output) == (0, "4 voucher types created.\n")
    found = client.get("/api/vouchers/types/").json["results"]
    assert [
        (kind["name"], kind["price"], kind["service_type"]) for kind in found
    ] == SAMPLE_VOUCHERS
    assert {
        (kind["currency"], kind["validity_days"], kind["max_uses"], kind["is_active"])
        for kind in found
    } == {("USD", 365, 1, True)}


def test_create_sample_vouchers_leaves_alone_what_became_of_them(flask, client):
    flask("seed-demo")
    admin = sign_in(client, *make_user(role="administrator"))
    one, other, *_ = client.get("/api/vouchers/types/").json["results"]
    admin.patch(f"/api/vouchers/types/{one['id']}/", json={"name": "Another name", "price": 11})
    admin.delete(f"/api/vouchers/types/{other['id']}/")
    before = client.get("/api/vouchers/types/").json

    result = flask("create-sample-vouchers")

    assert (result.exit_code, result.output) == (0, "0 voucher types created.\n")
    assert client.get("/api/vouchers/types/").json == before
    assert (before["count"], before["results"][0]["name"]) == (3, "Another name")


def test_audit_says_that_the_books_add_up(flask, client):
    alice = sign_in(client, *make_user(credit=100))
    assert alice.post(f"/v1/coupons/use/{make_coupon().hidden_code}").status_code == 200

    result = flask("audit")

    assert (result.exit_code, result.output) == (0, "The books add up.\n")


@pytest.mark.books_are_wrong
@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (
            lambda use: sa.update(Stock).values(claimed=Stock.claimed + 1),
            r"stock {stock}: claimed says 2, its live redemptions say 1",
        ),
        (
            lambda use: sa.update(Redemption).values(units=2),
            r"stock {stock}: claimed says 1, its live redemptions say 2",
        ),
        (
            lambda use: sa.update(Wallet).values(balance=71),
            r"wallet of {account}: balance says 71, its ledger says 70",
        ),
        (
            lambda use: (
                sa.update(LedgerEntry).where(LedgerEntry.amount < 0).values(reference=new_id())
            ),
            r"redemption {redemption}: no ledger entry paid for it",
        ),
        (
            lambda use: (
                sa.update(LedgerEntry).where(LedgerEntry.amount < 0).values(reference=new_id())
            ),
            r"ledger entry \S+: it paid for a redemption that does not",
        ),
        (
            lambda use: sa.update(Redemption).values(stock_id=new_id()),
            r"redemption {redemption}: its stock \S+ does not exist",
        ),
    ],
)
def test_audit_exits_1_and_names_what_does_not_add_up(flask, client, spoil, says):
    alice = sign_in(client, *make_user(credit=100))
    coupon = make_coupon(value=30)
    use = alice.post(f"/v1/coupons/use/{coupon.hidden_code}").json["data"]["redemption"]
    with transaction():
        db.session.execute(spoil(use))

    result = flask("audit")

    assert result.exit_code == 1
    assert re.search(
        says.format(stock=coupon.stock_id, account=alice.id, redemption=use["id"]), result.output
    )
    assert "add up" not in result.output


def test_an_api_key_is_shown_once_and_only_its_digest_is_kept(flask):
    result = flask(
        "api-keys",
        "create",
        "--service",
        "shop",
        "--permission",
        "getCoupons",
        "--permission",
        "manageCoupons",
        "--days",
        "30",
    )

    key = result.output.strip()
    assert re.fullmatch(r"ck_[\w-]{43}", key)
    owner, permissions = api_keys.api_key_owner(key)
    assert (owner.kind, owner.username, permissions) == (
        "service",
        "shop",
        {"getCoupons", "manageCoupons"},
    )
    kept = db.session.execute(sa.select(ApiKey.__table__)).one()
    assert key not in str(kept)
    assert timedelta(days=29, hours=23) < kept.expires_at - clock.now() <= timedelta(days=30)


def test_revoking_ends_all_keys_of_a_service_and_of_no_other(flask):
    shop = [
        flask(
            "api-keys", "create", "--service", "shop", "--permission", "getCoupons"
        ).output.strip()
        for _ in range(2)
    ]
    till = flask(
        "api-keys", "create", "--service", "till", "--permission", "getCoupons"
    ).output.strip()

    result = flask("api-keys", "revoke", "--service", "shop")

    assert (result.exit_code, result.output) == (0, "2 keys of shop have ended.\n")
    for key in shop:
        with pytest.raises(errors.InvalidToken):
            api_keys.api_key_owner(key)
    assert api_keys.api_key_owner(till)[0].username == "till"
    assert flask("api-keys", "revoke", "--service", "shop").output == "0 keys of shop have ended.\n"


def test_outbox_deliver_delivers_what_is_due_and_stops(app, flask, monkeypatch):
    delivered = []
    greeting = outbox.Topic(lambda _, payload: delivered.append(payload))
    monkeypatch.setitem(app.extensions, "background", loop.Background({"greeting": greeting}, {}))
    with transaction():
        outbox.write("greeting", {"to": "alice"})
        outbox.write("greeting", {"to": "bob"})

    assert flask("outbox", "deliver").output == "2 delivered.\n"
    assert delivered == [{"to": "alice"}, {"to": "bob"}]
    assert flask("outbox", "deliver").output == "0 delivered.\n"


# For each table that is purged: how long it keeps a row, and how to make one of a given age.
PURGED = {
    AntifraudQuestion: (
        timedelta(hours=24),
        lambda account_id, moment: AntifraudQuestion(account_id=account_id, leased_until=moment),
    ),
    AntifraudVerdict: (
        timedelta(0),
        lambda account_id, moment: AntifraudVerdict(
            account_id=account_id, ok=True, valid_until=moment
        ),
    ),
    CouponBatch: (
        timedelta(days=30),
        lambda account_id, moment: CouponBatch(
            account_id=account_id,
            pattern="x",
            template={},
            size=1,
            done=0,
            failed_at=moment,
            created_at=moment,
        ),
    ),
    CouponImportPart: (
        timedelta(hours=1),
        lambda _, moment: CouponImportPart(batch_id=first_id_at(moment), start=0, body=b""),
    ),
    GuessLog: (
        timedelta(minutes=10),
        lambda account_id, moment: GuessLog(subject=str(account_id), moments=[], updated_at=moment),
    ),
    IdempotencyKey: (
        timedelta(hours=24),
        lambda account_id, moment: IdempotencyKey(
            account_id=account_id,
            key="x",
            fingerprint="x",
            lease_id=new_id(),
            leased_until=moment,
            created_at=moment,
        ),
    ),
    LoginSession: (
        timedelta(days=7),
        lambda account_id, moment: LoginSession(
            account_id=account_id, issued_by="x", created_at=moment, expires_at=moment
        ),
    ),
    PasswordReset: (
        timedelta(0),
        lambda account_id, moment: PasswordReset(
            account_id=account_id, digest=str(account_id), expires_at=moment
        ),
    ),
    PaymentEvent: (
        timedelta(days=30),
        lambda account_id, moment: PaymentEvent(id=str(account_id), type="x", received_at=moment),
    ),
    OutboxMessage: (
        timedelta(days=7),
        lambda _, moment: OutboxMessage(
            topic="x", payload={}, created_at=moment, due_at=moment, delivered_at=moment
        ),
    ),
}


def test_purge_deletes_what_nobody_can_need_and_nothing_else(flask, monkeypatch):
    now, minute = clock.now(), timedelta(minutes=1)
    monkeypatch.setattr(clock, "now", lambda: now)
    with transaction():
        for kept, row in PURGED.values():
            db.session.add_all(
                row(make_user()[0], now - age) for age in (kept + minute, kept - minute)
            )
        # It was never delivered and still has to be, however old it is.
        db.session.add(
            OutboxMessage(
                topic="x",
                payload={},
                created_at=now - timedelta(days=365),
                due_at=now - timedelta(days=365),
            )
        )

    result = flask("purge")

    assert result.exit_code == 0
    assert sorted(result.output.splitlines()) == sorted(
        f"{model.__tablename__}: 1 deleted" for model in PURGED
    )
    left = {
        model: db.session.scalar(sa.select(sa.func.count()).select_from(model)) for model in PURGED
    }
    assert left == {**dict.fromkeys(PURGED, 1), OutboxMessage: 2}


@pytest.mark.server
def test_antifraud_serves_the_built_in_check_where_it_is_told_to(tmp_path):
    # An option overrides the environment, and HOST and PORT of the service don't apply.
    port = free_port()
    command = [*FLASK, "antifraud", "--port", str(port)]
    told = {
        "ANTIFRAUD_HOST": "127.0.0.1",
        "ANTIFRAUD_PORT": str(free_port()),
        "ANTIFRAUD_MAX_PER_MINUTE": "2",
    }

    with running_server(
        f"sqlite:///{tmp_path}/coupons.db", command=command, port=port, **told
    ) as server:
        answers = [
            server.request(
                "POST", "/api/validate", json={"user_email": "alice@example.com", "promo_id": "x"}
            )
            for _ in range(3)
        ]
        assert [(answer.status_code, answer.json()) for answer in answers] == [
            (200, {"ok": True}),
            (200, {"ok": True}),
            (200, {"ok": False}),
        ]
        assert server.log() == f"Antifraud on {server.url}\n"


@pytest.mark.parametrize(
    "arguments", [["--port", "x"], ["--port", "70000"], ["--port", "-1"]], ids=" ".join
)
@pytest.mark.parametrize("command", ["antifraud", "serve"])
def test_a_port_that_can_not_be_is_refused(flask, monkeypatch, tmp_path, command, arguments):
    # Without one, `serve` would put a folder into the environment, where other tests would find it.
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))

    assert "--port" in told(flask(command, *arguments))


def test_every_command_says_what_it_does(app):
    for name, command in app.cli.commands.items():
        assert command.get_short_help_str(), name


# A worker works by itself, with a broker or without.
@pytest.mark.server
@pytest.mark.parametrize(
    ("kind", "number", "broker_url"),
    [("postgresql", signal.SIGTERM, ""), ("sqlite", signal.SIGINT, "redis://127.0.0.1:1/1")],
    ids=["postgresql-SIGTERM", "sqlite-SIGINT-with-a-broker"],
)
def test_the_worker_starts_works_and_stops_when_it_is_told_to(
    new_database, tmp_path, kind, number, broker_url
):
    log = tmp_path / "log"
    with log.open("wb") as output:
        told = environment(new_database(kind), LOG_LEVEL="INFO", CELERY_BROKER_URL=broker_url)
        worker = subprocess.Popen(
            [*FLASK, "worker"], env=told, cwd=ROOT, stdout=output, stderr=output
        )
    try:
        wait_until(
            lambda: "worker.purged" in log.read_text() or worker.poll() is not None,
            "the worker works",
        )
        worker.send_signal(number)
        assert worker.wait(timeout=20) == 0
    finally:
        if worker.poll() is None:
            worker.kill()
            worker.wait()
    assert log.read_text().index("worker.started") < log.read_text().index("worker.stopped")
    assert "Traceback" not in log.read_text()


@pytest.fixture
def told_of_coupons(new_database):
    """A receiver that is told of every new coupon, and the database with that webhook."""
    database_url = new_database("postgresql")
    with create_app(settings_for(database_url)).app_context(), running_receiver() as receiver:
        service.create(receiver.url(), ["coupon.created"], allow_private=True)
        yield receiver, database_url
        dispose_engines()


def happen():
    with transaction():
        recording.record("coupon.created", dict)


def outbox_rows():
    return [
        (message.delivered_at is not None, message.attempts)
        for message in db.session.execute(sa.select(OutboxMessage.__table__))
    ]


@pytest.mark.server
def test_what_a_server_is_delivering_when_it_is_told_to_stop_is_brought_to_its_end(told_of_coupons):
    receiver, database_url = told_of_coupons
    with running_server(
        database_url, workers=1, WEBHOOKS_ALLOW_PRIVATE="true", LOG_LEVEL="INFO"
    ) as server:
        with receiver.holding():
            happen()
            receiver.wait_for(1)
            server.process.send_signal(signal.SIGTERM)
            wait_until(lambda: "background.stopping" in server.log(), "the server stops")
        assert server.process.wait(timeout=20) == 0

    assert (outbox_rows(), len(receiver.received)) == ([(True, 1)], 1)


@pytest.mark.server
def test_what_a_worker_is_delivering_when_it_is_told_to_stop_is_brought_to_its_end(told_of_coupons):
    receiver, database_url = told_of_coupons
    worker = subprocess.Popen(
        [*FLASK, "worker"], env=environment(database_url, WEBHOOKS_ALLOW_PRIVATE="true"), cwd=ROOT
    )
    try:
        with receiver.holding():
            happen()
            receiver.wait_for(1)
            worker.send_signal(signal.SIGTERM)
        assert worker.wait(timeout=20) == 0
    finally:
        if worker.poll() is None:
            worker.kill()
            worker.wait()

    assert (outbox_rows(), len(receiver.received)) == ([(True, 1)], 1)


@pytest.mark.server
@pytest.mark.parametrize(
    ("asked_for", "broker_url", "works"),
    [("1", "", True), ("1", "redis://127.0.0.1:1/1", False), ("", "", False)],
    ids=["a server alone", "beside Celery", "under another server"],
)
def test_a_server_process_works_in_the_background_where_nobody_else_does(
    new_database, asked_for, broker_url, works
):
    program = (
        "import threading, coupon_management_flask.wsgi; "
        "print([one.name for one in threading.enumerate() if one.name.startswith('background')])"
    )
    told = environment(
        new_database("sqlite"),
        CELERY_BROKER_URL=broker_url,
        **{thread.ASKED_FOR: asked_for},
    )

    ran = subprocess.run(
        [sys.executable, "-c", program],
        env=told,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert (
        ran.stdout
        == f"{[f'background {topic}' for topic in jobs.BACKGROUND.names()] if works else []}\n"
    )


@pytest.mark.server
def test_a_server_alone_delivers_what_is_due(new_database):
    database_url = new_database("postgresql")
    with (
        running_receiver() as receiver,
        running_server(database_url, WEBHOOKS_ALLOW_PRIVATE="true") as server,
    ):
        created = run_flask(
            "api-keys",
            "create",
            "--service",
            "shop",
            "--permission",
            "manageCoupons",
            database_url=database_url,
        )
        headers = {"X-API-Key": created.stdout.strip()}
        webhook = server.request(
            "POST",
            "/api/v1/webhooks",
            json={"url": receiver.url(), "events": ["coupon.created"]},
            headers=headers,
        )
        assert webhook.status_code == 201, webhook.text
        coupon = {"code": "TOLD-10", "type": "percentage", "discount": 10, "couponFor": "product"}
        assert (
            server.request("POST", "/api/v1/coupons", json=coupon, headers=headers).status_code
            == 201
        )

        wait_until(lambda: receiver.received, "the webhook is told")

    assert [
        received.verified(webhook.json()["secret"])["data"]["code"]
        for received in receiver.received
    ] == ["TOLD-10"]


@pytest.mark.server
def test_links_in_mails_lead_to_where_the_server_listens_unless_it_was_told_otherwise(new_database):
    pair = {"email": "visitor@example.com", "website": "example.com"}
    for told, prefix in (
        ({}, None),
        ({"PUBLIC_URL": "https://coupons.example"}, "https://coupons.example"),
    ):
        with running_server(
            new_database("sqlite"), workers=1, EMAIL_BACKEND="console", **told
        ) as server:
            assert server.request("POST", "/api/coupons/", json=pair).status_code == 201
            wait_until(
                lambda: "--- Mail to" in server.log() and server.log().endswith("---\n"),
                "the mail is printed",
            )

            assert f"{prefix or server.url}/api/coupons/unsubscribe?token=" in server.log()
