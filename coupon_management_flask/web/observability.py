"""What operators see: a request id on everything, a log line for each request, and metrics.

Lines name the route, never the path, which may hold a code.
"""

import logging
import os
import re
import sys
from collections.abc import Iterable, Mapping
from secrets import compare_digest
from time import perf_counter
from typing import Any

import orjson
import structlog
from flask import Blueprint, Flask, Response, g, request
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
)
from prometheus_client import values as counts
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError
from uuid_utils import uuid7

from .. import config
from ..core import clock, errors
from ..messaging import loop, outbox
from ..text.callers import parse_address
from . import security

log = structlog.get_logger("access")

# Several workers write to files in the directory that PROMETHEUS_MULTIPROC_DIR names (`flask serve`
# makes one, see `count_in`), and each answers for all. There are only counters and histograms: what
# a worker counted stays counted when it has died.
_REQUESTS = Counter("http_requests_total", "Requests answered.", ["method", "route", "status"])
_SECONDS = Histogram(
    "http_request_duration_seconds",
    "Time to answer.",
    ["method", "route"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}", re.ASCII)

metrics = Blueprint("metrics", __name__)


def count_in(directory: str) -> None:
    """Have this process and those that it starts count together, in files of that directory.

    The library looks for the variable when it is imported. In a process that forks its workers that
    was before anybody could set it, so it is told again.
    """
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = directory
    counts.ValueClass = counts.get_value_class()  # type: ignore[no-untyped-call]


@metrics.get("/metrics")
def read_metrics() -> Response:
    _check_metrics_reader(config.current().metrics_token)
    registry: CollectorRegistry = REGISTRY
    background = CollectorRegistry()
    background.register(_BackgroundCollector())
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return Response(
        generate_latest(registry) + generate_latest(background), content_type=CONTENT_TYPE_LATEST
    )


class _BackgroundCollector(Collector):
    """What the outbox holds, and when the jobs ran.

    The database tells it: who does the work may be another server or Celery, and counts nothing in
    this process.
    """

    def collect(self) -> Iterable[Metric]:
        try:
            queues, given_up = outbox.look(), outbox.count_given_up()
            runs = loop.last_runs()
        except SQLAlchemyError:
            # The other metrics are answered all the same. A request that needs the database logs
            # that it is away.
            return
        now = clock.now()
        yield _by_topic(
            "outbox_waiting_messages",
            "Messages that are still to be delivered.",
            {topic: queue.waiting for topic, queue in queues.items()},
        )
        yield _by_topic(
            "outbox_oldest_due_seconds",
            "For how long the oldest message that is due has been due.",
            {
                topic: max((now - queue.first_due).total_seconds(), 0)
                for topic, queue in queues.items()
            },
        )
        yield _by_topic(
            "outbox_given_up_messages",
            "Messages of the last 30 days that were tried for a day in vain.",
            given_up,
        )
        last_run = GaugeMetricFamily(
            "background_job_last_run_timestamp_seconds",
            "When a job of the background had its last turn, 0 if it never had any.",
            labels=["job"],
        )
        for job in sorted(loop.current().jobs):
            last_run.add_metric([job], runs[job].timestamp() if job in runs else 0)
        yield last_run


def _by_topic(name: str, about: str, found: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, about, labels=["topic"])
    for topic in sorted({*loop.current().topics, *found}):
        family.add_metric([topic], found.get(topic, 0))
    return family


def _check_metrics_reader(token: str) -> None:
    if token:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not compare_digest(given.encode(), token.encode()):
            raise errors.InvalidToken if given else errors.NotAuthenticated
        return
    # A proxy on this machine that is not in TRUSTED_PROXIES makes strangers look like loopback. Its
    # header gives it away.
    forwarded = any(
        name in request.headers for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP")
    )
    address = parse_address(request.remote_addr)
    if forwarded or address is None or not address.is_loopback:
        raise errors.Forbidden
    security.check_host_is_this_machine()


def count_refusal(environ: Mapping[str, Any], status: int) -> str:
    """Count and log a request that the server's edge has refused, and return its id."""
    request_id = _id_of(environ.get("HTTP_X_REQUEST_ID", ""))
    method = environ.get("REQUEST_METHOD", "")
    method = method if method in _METHODS else "(other)"
    _REQUESTS.labels(method, _NO_ROUTE, status).inc()
    log.info("request", method=method, route=_NO_ROUTE, status=status, request_id=request_id)
    return request_id


def _id_of(given: str) -> str:
    return given if _REQUEST_ID.fullmatch(given) else uuid7().hex


def _begin() -> None:
    g.request_id = _id_of(request.headers.get("X-Request-ID", ""))
    g.began = perf_counter()
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def _end(response: Response) -> Response:
    seconds = perf_counter() - g.began
    route = request.url_rule.rule if request.url_rule is not None else _NO_ROUTE
    # Anybody can invent methods, and a label for each would grow without end.
    method = request.method if request.method in _METHODS else "(other)"
    response.headers["X-Request-ID"] = g.request_id
    _REQUESTS.labels(method, route, response.status_code).inc()
    _SECONDS.labels(method, route).observe(seconds)
    log.info(
        "request",
        method=method,
        route=route,
        status=response.status_code,
        milliseconds=round(seconds * 1000, 1),
    )
    return response


_NO_ROUTE = "(none)"
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


def configure_logging(settings: config.Settings) -> None:
    """Log JSON lines in production, readable ones in development, by the standard library too."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: list[Any]
    if settings.is_production:
        renderer = [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(
                serializer=lambda event, **_: orjson.dumps(event, default=str).decode()
            ),
        ]
    else:
        renderer = [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            )
        ]
    structlog.configure(
        processors=[*shared, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[settings.log_level]
        ),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)


def init_app(app: Flask, settings: config.Settings) -> None:
    configure_logging(settings)
    app.before_request(_begin)
    app.after_request(_end)
    app.register_blueprint(metrics)
