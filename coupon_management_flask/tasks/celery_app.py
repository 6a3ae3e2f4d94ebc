"""What `celery --app coupon_management_flask.tasks.celery_app worker` and `... beat` import.

Celery gives turns and nothing else. The outbox says what is to be done, and a lease there says who
does it. A lost turn is made up for a second later, and a turn too many finds nothing to do. So
however many beats and workers there are, and whichever of them dies, each message is done once.
"""

import logging
import re
from functools import cache
from threading import BoundedSemaphore, Event
from typing import Any

import structlog
from celery import Celery, signals
from celery.beat import Scheduler, SchedulingError
from celery.worker import WorkController
from click import ClickException
from flask import Flask
from kombu.exceptions import OperationalError

from .. import config
from ..application import create_app
from ..db.failures import is_unavailable
from ..health import start
from ..messaging import loop
from ..web.observability import configure_logging
from .jobs import BACKGROUND

# How many messages of a topic a worker delivers at once. Each topic has threads of its own: one
# whose receivers keep us waiting holds up no other.
AT_ONCE = 4
QUEUE = "coupons"
# Longer than a worker's poll of Redis, which takes a second.
BROKER_SECONDS = 10

# These would log a line for each turn, several a second.
TALKATIVE = ("celery.app.trace", "celery.beat", "celery.worker.strategy")

log = structlog.get_logger(__name__)

try:
    # Beat gives turns and needs no secret and no database. A worker asks for them below.
    settings = config.load_settings(signs_and_stores=False)
    if not settings.celery_broker_url:
        raise config.ConfigurationError(
            "Configuration: CELERY_BROKER_URL is not set; "
            "without it `flask serve` and `flask worker` do the background work."
        )
except config.ConfigurationError as error:
    raise SystemExit(str(error)) from None

_slots = {name: BoundedSemaphore(AT_ONCE) for name in BACKGROUND.names()}
_stopping = Event()


@cache
def _service() -> Flask:
    return create_app()


class _Outage(logging.Filter):
    """Let one line through when the broker goes away, and log one when it is back.

    Celery would log each try to reach it.
    """

    _FAILED = re.compile(r"Cannot connect to|Connection to broker lost|Connection error")
    _LOGGERS = ("celery.worker.consumer.consumer", "celery.beat")
    _is_away = False

    def watch(self) -> None:
        for name in self._LOGGERS:
            logging.getLogger(name).addFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        return not self._FAILED.search(record.getMessage()) or self.begins()

    def begins(self) -> bool:
        """Note that the broker is away; return whether that is new."""
        is_new, self._is_away = not self._is_away, True
        return is_new

    def ends(self) -> None:
        if self._is_away:
            self._is_away = False
            log.warning("broker.available")


_outage = _Outage()


class Turns(Scheduler):
    """A schedule without a file: it has nothing to remember beyond the second.

    It gives no turn while as many are waiting as there are topics. Without a worker they would fill
    Redis. Turns that expire would not do: the clocks of two machines may differ by more than that.
    """

    def apply_async(
        self, entry: Any, producer: Any = None, advance: bool = True, **kwargs: Any
    ) -> Any:
        try:
            if producer.channel.queue_declare(QUEUE).message_count >= len(_slots):
                return None
            given = super().apply_async(entry, producer, advance, **kwargs)
        except Exception as error:
            # Celery wraps what fails while it publishes, a broker that goes away just then too.
            cause = error.__context__ if isinstance(error, SchedulingError) else error
            of_the_broker = (OperationalError, *self.connection.recoverable_connection_errors)
            if not isinstance(cause, of_the_broker):
                raise
            if _outage.begins():
                log.warning("beat.broker_unavailable", error=type(cause).__name__)
            return None
        _outage.ends()
        return given


celery = Celery("coupons", broker=settings.celery_broker_url)
celery.conf.update(
    task_default_queue=QUEUE,
    task_ignore_result=True,
    # Beat makes up for a lost turn a second later.
    task_publish_retry=False,
    accept_content=["json"],
    # Deliveries wait for others most of the time. Processes would have no slots in common, and
    # could not be asked to stop between two messages.
    worker_pool="threads",
    worker_concurrency=AT_ONCE * len(_slots),
    worker_prefetch_multiplier=1,
    beat_scheduler=Turns,
    beat_schedule={
        topic: {"task": "turn", "args": (topic,), "schedule": loop.PAUSE_SECONDS}
        for topic in _slots
    },
    # Beat answers `celery inspect ping` as a worker does, unless it has not looked at its schedule
    # for a minute.
    beat_enable_remote_control=True,
    beat_remote_control_max_tick_age=60.0,
    # Wait for a broker that is away for however long, at the start as later.
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={
        "socket_connect_timeout": BROKER_SECONDS,
        "socket_timeout": BROKER_SECONDS,
    },
    # It changes nothing for turns, which are acknowledged at once. Celery warns where it is unset.
    worker_cancel_long_running_tasks_on_connection_loss=True,
)


@celery.task(name="turn")
def turn(topic: str) -> None:
    """Deliver what is due of a topic, or do the job of that name if it is time.

    Where AT_ONCE threads already do so, do nothing.
    """
    # Celery itself tells of a new connection below the level of the line that it was lost.
    _outage.ends()
    slot = _slots[topic]
    if not slot.acquire(blocking=False):
        return
    try:
        with _service().app_context():
            while not _stopping.is_set() and loop.turn([topic], _stopping):
                pass
    except Exception as error:
        if not is_unavailable(error):
            raise
        log.warning("worker.database_unavailable")
    finally:
        slot.release()


@signals.setup_logging.connect
def _keep_our_logging(**_: object) -> None:
    """Log as the service does. Celery sets up its own logging unless somebody listens here."""
    configure_logging(settings)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))
    _outage.watch()


@signals.worker_init.connect
def _check_the_start(**_: object) -> None:
    """End a worker that could do nothing, with a sentence."""
    try:
        with _service().app_context():
            start.check_database()
            start.let_go()
    except ClickException as error:
        raise SystemExit(str(error)) from None


@signals.worker_init.connect
def _leave_other_workers_alone(sender: WorkController, **_: object) -> None:
    """Neither gossip nor mingle: workers need nothing of each other.

    Celery's gossip fails with a traceback when the broker goes away.
    """
    sender.options.update(without_gossip=True, without_mingle=True)


@signals.worker_shutting_down.connect
def _stop(**_: object) -> None:
    _stopping.set()
