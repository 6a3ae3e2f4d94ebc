"""Serving: the service itself, and the built-in antifraud check as a service of its own."""

import os
from contextlib import AbstractContextManager, nullcontext
from tempfile import TemporaryDirectory

import click

from .. import config
from ..db.engines import SERVER_THREADS
from ..tasks import thread
from .demo.shop import service_url


@click.command()
@click.option("--host", envvar="HOST", default="127.0.0.1", show_default=True)
@click.option(
    "--port", envvar="PORT", type=click.IntRange(1, 65535), default=8000, show_default=True
)
@click.option(
    "--workers", envvar="WORKERS", type=click.IntRange(min=1), default=1, show_default=True
)
def serve(host: str, port: int, workers: int) -> None:
    """Serve with granian. HOST, PORT and WORKERS may also come from the environment."""
    with _metrics_directory() as directory:
        # Workers are new processes: what they are to know goes through the environment.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = directory
        os.environ[thread.ASKED_FOR] = "1"
        settings = config.current()
        if not settings.is_production:
            # Links in mails lead to the host and port that this server listens on.
            os.environ["PUBLIC_URL"] = service_url(settings.public_url, host, str(port))
        click.echo(f"Serving on http://{host}:{port} (API description: /docs)", err=True)
        _serve("coupon_management_flask.wsgi:app", host, port, workers=workers)


@click.command()
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
    click.echo(f"Antifraud on http://{host}:{port}", err=True)
    # One process: it counts in memory.
    target = "coupon_management_flask.promos.antifraud.service:create_antifraud_app"
    _serve(target, host, port, workers=1, factory=True)


def _serve(target: str, host: str, port: int, *, workers: int, factory: bool = False) -> None:
    from granian.constants import Interfaces
    from granian.server import Server

    Server(
        target,
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=workers,
        factory=factory,
        blocking_threads=SERVER_THREADS,
        respawn_failed_workers=True,
        websockets=False,
        log_enabled=config.current().log_level == "DEBUG",
    ).serve()


def _metrics_directory() -> AbstractContextManager[str]:
    given = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    return nullcontext(given) if given else TemporaryDirectory(prefix="coupon-metrics-")


COMMANDS = (serve, antifraud)
