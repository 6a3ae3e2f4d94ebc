"""Background work: the outbox, the worker, and what is deleted in time."""

import threading
from collections.abc import Callable
from signal import SIGINT, SIGTERM, signal

import click
import structlog
from flask import Flask, current_app

from ..health import start
from ..messaging import loop, outbox
from ..tasks import purge, thread
from .terminal import Command, Group

log = structlog.get_logger(__name__)

outbox_group = Group("outbox", help="What is to be done after commits.")


@outbox_group.command("deliver")
def deliver_outbox() -> None:
    """Deliver what is due now, and stop."""
    click.echo(f"{outbox.deliver_due(loop.current().topics)} delivered.")


@click.command("purge", cls=Command)
def purge_spent() -> None:
    """Delete what nobody can need any more: spent keys, sessions, guesses, delivered messages."""
    for table, count in purge.spent().items():
        click.echo(f"{table}: {count} deleted")


@click.command(cls=Command)
def worker() -> None:
    """Deliver the outbox and do the periodic jobs, until stopped."""
    start.check_database()
    stop = threading.Event()
    _on_stop(stop.set)
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    log.info("worker.started")
    for one in thread.start(app, stop):
        one.join()
    log.info("worker.stopped")


def _on_stop(do: Callable[[], None]) -> None:
    for number in (SIGINT, SIGTERM):
        signal(number, lambda *_: do())


COMMANDS = (outbox_group, purge_spent, worker)
