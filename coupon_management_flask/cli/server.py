"""Serving: the service itself, and the built-in antifraud check as a service of its own."""

import os

import click

from .. import config
from ..db import schema
from ..db.engines import SERVER_THREADS
from ..db.session import db
from ..health import start
from ..tasks import thread
from ..web import observability
from .demo.shop import service_url
from .listening import check_port, metrics_directory
from .terminal import Command


@click.command(cls=Command)
@click.option("--host", envvar="HOST", default="127.0.0.1", show_default=True)
@click.option(
    "--port", envvar="PORT", type=click.IntRange(1, 65535), default=8000, show_default=True
)
@click.option(
    "--workers", envvar="WORKERS", type=click.IntRange(min=1), default=1, show_default=True
)
def serve(host: str, port: int, workers: int) -> None:
    """Serve. HOST, PORT and WORKERS may also come from the environment."""
    settings = config.current()
    check_port(host, port)
    start.check_database()
    with metrics_directory() as directory:
        # Workers are new processes: what they are to know goes through the environment.
        observability.count_in(directory)
        os.environ[thread.ASKED_FOR] = "1"
        if not settings.is_production:
            # Links in mails lead to the host and port that this server listens on.
            os.environ["PUBLIC_URL"] = service_url(settings.public_url, host, str(port))
        database = schema.name_of(db.engine.url)
        click.echo(
            f"Serving on http://{host}:{port} with {database} (API description: /docs)", err=True
        )
        start.warn(works_itself=not settings.celery_broker_url)
        start.warn_of_strangers(host)
        start.let_go()
        _serve("coupon_management_flask.wsgi:app", host, port, workers=workers)


@click.command(cls=Command)
@click.option("--host", envvar="ANTIFRAUD_HOST", default="127.0.0.1", show_default=True)
@click.option(
    "--port",
    envvar="ANTIFRAUD_PORT",
    type=click.IntRange(1, 65535),
    default=9090,
    show_default=True,
)
def antifraud(host: str, port: int) -> None:
    """Serve the built-in antifraud check as a service of its own, for development and Compose."""
    check_port(host, port)
    click.echo(f"Antifraud on http://{host}:{port}", err=True)
    # One process: it counts in memory.
    target = "coupon_management_flask.promos.antifraud.service:create_antifraud_app"
    _serve(target, host, port, workers=1, is_factory=True)


def _serve(target: str, host: str, port: int, *, workers: int, is_factory: bool = False) -> None:
    # No other command needs them.
    from ..edge.limits import MIB, Limits
    from ..edge.server import Server

    settings = config.current()
    Server(
        target,
        host,
        port,
        is_factory=is_factory,
        workers=workers,
        threads=SERVER_THREADS,
        limits=Limits(
            settings.request_seconds,
            settings.waiting_memory_mib * MIB,
            settings.waiting_disk_mib * MIB,
        ),
        log_level="INFO" if settings.log_level == "DEBUG" else "WARNING",
    ).run()


COMMANDS = (serve, antifraud)
