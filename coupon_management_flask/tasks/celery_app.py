"""What `celery --app coupon_management_flask.tasks.celery_app worker` and `... beat` import.

Celery gives turns and nothing else. The outbox says what is to be done, and a lease there says who
does it. A lost turn is made up for a second later, and a turn too many finds nothing to do. So
however many beats and workers there are, and whichever of them dies, each message is done once.
"""

import logging
from threading import BoundedSemaphore, Event
from typing import Any

import structlog
from celery import Celery, signals
from celery.beat import Scheduler

from .. import config
from ..application import create_app
from ..db.failures import is_unavailable
from ..messaging import loop

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
    service = create_app()
    settings: config.Settings = service.extensions["settings"]
    if not settings.celery_broker_url:
        raise config.ConfigurationError(
            "Configuration: CELERY_BROKER_URL is not set; "
            "without it `flask serve` and `flask worker` do the background work."
        )
except config.ConfigurationError as error:
    raise SystemExit(str(error)) from None

_slots = {name: BoundedSemaphore(AT_ONCE) for name in service.extensions["background"].names()}
_stopping = Event()


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
            return super().apply_async(entry, producer, advance, **kwargs)
        except self.connection.recoverable_connection_errors as error:
            log.warning("beat.broker_unavailable", error=type(error).__name__)
            return None


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
    slot = _slots[topic]
    if not slot.acquire(blocking=False):
        return
    try:
        with service.app_context():
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
    """Keep Celery from setting up its own logging, which it does unless somebody listens here."""
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))


@signals.worker_shutting_down.connect
def _stop(**_: object) -> None:
    _stopping.set()
