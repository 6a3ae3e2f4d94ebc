"""What /metrics says of the outbox and the jobs.

It says what the database holds, whichever process delivers, and nothing while that can't be read.
"""

from datetime import timedelta
from types import SimpleNamespace

import psycopg2
import pytest
import sqlalchemy as sa
from prometheus_client.parser import text_string_to_metric_families

from coupon_management_flask import create_app
from coupon_management_flask.core import clock
from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.messaging import loop, outbox
from coupon_management_flask.models import OutboxMessage

from ..conftest import dispose_engines, settings_for
from ..support.plans import scans, sent_while

LAST_RUN = "background_job_last_run_timestamp_seconds"


def read(app):
    answer = app.test_client().get("/metrics")
    assert answer.status_code == 200
    found = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            label = sample.labels.get("topic") or sample.labels.get("job")
            found.setdefault(sample.name, {})[label] = sample.value
    return found


def write(topic, **values):
    with transaction():
        message_id = outbox.write(topic, {})
        if values:
            db.session.execute(
                sa.update(OutboxMessage).where(OutboxMessage.id == message_id).values(**values)
            )


@pytest.mark.parametrize("processes", ["one", "several"])
def test_messages_that_wait_and_that_were_given_up_are_told_by_topic(
    app, monkeypatch, tmp_path, processes
):
    if processes == "several":
        monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    nothing = dict.fromkeys(loop.current().topics, 0)
    assert (read(app)["outbox_waiting_messages"], read(app)["outbox_given_up_messages"]) == (
        nothing,
        nothing,
    )

    for _ in range(2):
        write("webhook")
    write("webhook", given_up_at=clock.now())
    write("webhook", delivered_at=clock.now())
    write("of_another_version", given_up_at=clock.now())

    found = read(app)
    assert found["outbox_waiting_messages"] == {**nothing, "webhook": 2}
    assert found["outbox_given_up_messages"] == {**nothing, "webhook": 1, "of_another_version": 1}


def test_the_age_of_the_oldest_message_that_is_due_and_each_jobs_last_turn_are_told(app, time_is):
    jobs = loop.current().jobs
    assert {*read(app)[LAST_RUN].values()} == {0}
    began = clock.now()
    for seconds in (30, 90, -60):
        write("webhook", due_at=began - timedelta(seconds=seconds))
    loop.take_turn("purge", jobs["purge"].every)

    time_is(began + timedelta(seconds=10))
    found = read(app)
    assert found["outbox_oldest_due_seconds"] == {
        **dict.fromkeys(loop.current().topics, 0),
        "webhook": 100,
    }
    assert found[LAST_RUN].pop("purge") == pytest.approx(began.timestamp(), abs=5)
    assert found[LAST_RUN] == dict.fromkeys(set(jobs) - {"purge"}, 0)


def test_a_database_that_can_not_be_read_leaves_the_rest_of_the_metrics(app_without_tables):
    app = app_without_tables()

    assert app.test_client().get("/api/ping").status_code == 200
    found = read(app)

    assert found["http_requests_total"]
    assert not [name for name in found if name.startswith(("outbox", "background"))]


# Many messages of another topic wait, as mails do without a mail server. Most of all messages have
# been delivered.
_SEED = """
INSERT INTO outbox_messages
    (id, topic, payload, created_at, due_at, attempts, delivered_at, given_up_at)
SELECT gen_random_uuid(), CASE WHEN n %% 4 = 0 THEN 'email_coupon' ELSE 'webhook' END, '{}',
    now(), now() - interval '1 day', 0,
    CASE WHEN n %% 4 <> 0 AND n %% 1000 <> 1 THEN now() END,
    CASE WHEN n %% 1000 = 1 THEN now() END
FROM generate_series(1, %(messages)s) n
"""


def test_neither_the_metrics_nor_an_idle_loop_look_at_more_messages_than_they_tell_of(new_database):
    url = new_database("postgresql")
    app = create_app(settings_for(url))
    with psycopg2.connect(url.replace("+psycopg2", "")) as connection:
        connection.cursor().execute(_SEED, {"messages": 20_000})
    connection.autocommit = True
    connection.cursor().execute("VACUUM ANALYZE")
    client = app.test_client()

    def looked_at(work):
        found = [
            scan
            for sent in sent_while(work)
            for scan in scans(connection, *sent)
            if scan["Relation Name"] == "outbox_messages"
        ]
        return sum(
            (scan["Actual Rows"] + scan.get("Rows Removed by Filter", 0)) * scan["Actual Loops"]
            for scan in found
        )

    def poll():
        assert outbox.deliver_due({"webhook": outbox.Topic(lambda *_: None)}) == 0
        return SimpleNamespace(status_code=200)

    with app.app_context():
        assert looked_at(lambda: client.get("/metrics")) == 5_000 + 20
        assert looked_at(poll) == 0
        dispose_engines()
    connection.close()
