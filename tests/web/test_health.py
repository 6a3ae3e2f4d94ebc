"""`/api/health`, `/api/health/live`, `/api/test` and `/api/ping`: is the service well?"""

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from coupon_management_flask import __version__, create_app
from coupon_management_flask.core import clock
from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.messaging import loop
from coupon_management_flask.messaging.mail import sender
from coupon_management_flask.models import new_id

from ..conftest import settings_for
from ..support.ports import free_port
from ..support.server import STRONG_KEY
from ..support.smtp import running_smtp

WELL = {
    "status": "healthy",
    "flask": "running",
    "database": "ok",
    "redis": "not configured",
    "mail": "ok",
    "background": "not running",
    "version": __version__,
}


@pytest.mark.parametrize("path", ["/api/health", "/api/health/"])
def test_a_service_that_has_its_database_is_well(client, path):
    answer = client.get(path)

    assert (answer.status_code, answer.json) == (200, WELL)


def test_a_redis_that_answers_is_ok(configured_app, redis_server):
    answer = configured_app(redis_url=redis_server.url).test_client().get("/api/health")

    assert (answer.status_code, answer.json) == (200, {**WELL, "redis": "ok"})


def test_without_its_redis_the_service_is_well_and_says_what_fails(configured_app):
    answer = (
        configured_app(redis_url=f"redis://127.0.0.1:{free_port()}/0")
        .test_client()
        .get("/api/health")
    )

    assert (answer.status_code, answer.json) == (200, {**WELL, "redis": "failing"})


def mail_of(app):
    answer = app.test_client().get("/api/health")
    assert (answer.status_code, answer.json) == (200, {**WELL, "mail": answer.json["mail"]})
    return answer.json["mail"]


SERVER = {"email_backend": "", "email_host": "127.0.0.1", "email_use_tls": False}


def test_mails_that_go_nowhere_are_not_configured(configured_app):
    nowhere = {"email_backend": "", "app_env": "production", "secret_key": STRONG_KEY}

    assert mail_of(configured_app(**nowhere)) == "not configured"
    assert mail_of(configured_app(**{**nowhere, "email_backend": "smtp"})) == "not configured"
    assert mail_of(configured_app(**{**nowhere, "email_backend": "console"})) == "ok"
    assert mail_of(configured_app(email_backend="")) == "ok"


def test_a_mail_server_that_failed_last_is_failing_on_every_process_until_it_takes_a_mail(
    configured_app, monkeypatch
):
    def send():
        sender.send(
            sender.Mail(
                to="alice@example.com", subject="x", text="x", html="x", message_id=new_id()
            )
        )

    with running_smtp() as smtp:
        app, other = (configured_app(**SERVER, email_port=smtp.port) for _ in range(2))
        assert mail_of(other) == "ok"
        smtp.stop()
        with app.app_context(), pytest.raises(sender.MailFailed):
            send()
        assert mail_of(app) == mail_of(other) == "failing"
        # The command's output does not depend on it.
        monkeypatch.setitem(
            other.extensions,
            "settings",
            replace(other.extensions["settings"], email_backend="console"),
        )
        assert mail_of(other) == "ok"
        monkeypatch.undo()

        smtp.start()
        assert mail_of(other) == "failing"
        with app.app_context():
            send()
        assert mail_of(other) == "ok"


@pytest.fixture(params=["postgresql", "sqlite"])
def without_database(request, tmp_path):
    url = {
        "postgresql": f"postgresql://coupons@127.0.0.1:{free_port()}/coupons",
        "sqlite": f"sqlite:///{tmp_path}",
    }[request.param]
    app = create_app(settings_for(url))
    yield app.test_client()
    with app.app_context():
        db.engine.dispose()


def test_without_its_database_the_service_is_not_well(without_database):
    answer = without_database.get("/api/health")

    assert (answer.status_code, answer.json) == (
        503,
        {
            **WELL,
            "status": "unhealthy",
            "database": "failing",
            "mail": "failing",
            "background": "failing",
        },
    )
    assert int(answer.headers["Retry-After"]) >= 1


def set_version(version):
    with transaction():
        db.session.execute(sa.text("UPDATE alembic_version SET version_num = :v"), {"v": version})


@pytest.mark.both_databases
def test_a_schema_that_is_not_this_releases_is_not_well_also_while_the_server_runs(
    client, statements
):
    before = db.session.scalar(sa.text("SELECT version_num FROM alembic_version"))
    assert client.get("/api/health").json["database"] == "ok"
    try:
        for version in ("9999", "0001"):
            set_version(version)
            answer = client.get("/api/health")
            assert (answer.status_code, answer.json["status"], answer.json["database"]) == (
                503,
                "unhealthy",
                "wrong schema",
            )
    finally:
        set_version(before)
    loop.take_turn("figures", timedelta(seconds=15))
    assert client.get("/api/health").json["background"] == "ok"
    statements.clear()
    assert client.get("/api/health").status_code == 200
    # No more than before it was looked at.
    assert [statement.split()[:2] for statement in statements] == [["SELECT", "version_num"]]


def test_a_database_without_tables_is_not_well(app_without_tables):
    answer = app_without_tables().test_client().get("/api/health")

    assert (answer.status_code, answer.json["database"]) == (503, "wrong schema")


def test_the_background_runs_for_two_minutes_after_any_turn_in_any_process(client, time_is):
    assert client.get("/api/health").json["background"] == "not running"
    began = clock.now()
    loop.take_turn("figures", timedelta(seconds=15))

    for later, background in ((0, "ok"), (119, "ok"), (121, "not running")):
        time_is(began + timedelta(seconds=later))
        answer = client.get("/api/health")
        assert (answer.status_code, answer.json["background"]) == (200, background)


def test_live_ping_and_test_look_at_nothing(without_database):
    for path, body in {
        "/api/health/live": {"status": "healthy"},
        "/api/ping": {"status": "ok"},
        "/api/test": {"message": "API is working!", "version": __version__},
    }.items():
        for form in (path, path + "/"):
            answer = without_database.get(form)
            assert (answer.status_code, answer.json) == (200, body)


def test_live_ping_and_test_send_no_statement(client, statements):
    for path in ("/api/health/live", "/api/ping", "/api/test"):
        assert client.get(path).status_code == 200
    assert statements == []
