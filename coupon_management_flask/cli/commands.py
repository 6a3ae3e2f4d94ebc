"""`flask --app coupon_management_flask ...`: what operators run."""

import json
import os
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import timedelta
from signal import SIGINT, SIGTERM, signal
from tempfile import TemporaryDirectory
from typing import Any, cast

import click
import marshmallow as ma
import structlog
from flask import Flask, current_app
from flask.cli import AppGroup

from .. import config
from ..analytics.figures import rollup
from ..audit import rules
from ..core import errors
from ..db.engines import SERVER_THREADS
from ..discount_coupons.bulk import batches, schemas
from ..identity import accounts, credentials, passwords
from ..identity import api_keys as keys
from ..identity.roles import Permission
from ..messaging import loop as background
from ..messaging import outbox
from ..models import AccountKind, Role
from ..payments import reconciliation
from ..tasks import purge, thread
from ..vouchers import type_service as voucher_types
from ..web.body import LARGEST, EmailAddress, Text
from .demo import credit_coupons as credit_demo
from .demo import discount_coupons as discount_demo
from .demo import shop

log = structlog.get_logger(__name__)


def _told(error: errors.DomainError) -> click.ClickException:
    """A refusal, for a terminal."""
    if isinstance(error, errors.Invalid):
        return click.ClickException(
            " ".join(f"{name}: {' '.join(words)}" for name, words in error.fields.items())
        )
    return click.ClickException(error.name.replace("_", " "))


class _Command(click.Command):
    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except errors.DomainError as error:
            raise _told(error) from error


_password = click.option(
    "--password",
    prompt=True,
    hide_input=True,
    confirmation_prompt=True,
    help="Asked for where it is not given.",
)


def _checked(field: Text) -> Callable[..., str | None]:
    """An option is held to what the field of a body would be."""

    def check(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
        try:
            return None if value is None else str(field.deserialize(value))
        except ma.ValidationError as error:
            raise click.BadParameter(" ".join(error.messages)) from error

    return check


def _new_password(password: str) -> str:
    if not passwords.SHORTEST <= len(password) <= passwords.LONGEST:
        raise click.BadParameter(
            f"{passwords.SHORTEST} to {passwords.LONGEST} characters.", param_hint="--password"
        )
    return password


@click.command(cls=_Command)
@click.option("--email", required=True, callback=_checked(EmailAddress()))
@_password
@click.option(
    "--username",
    help="The e-mail address, unless given.",
    callback=_checked(Text(longest=accounts.LONGEST_USERNAME)),
)
@click.option("--name", default="Administrator", show_default=True)
def create_admin(email: str, password: str, username: str | None, name: str) -> None:
    """Create an administrator."""
    accounts.create_user(
        email=email,
        username=username,
        password=_new_password(password),
        name=name,
        role=Role.ADMINISTRATOR,
    )
    click.echo(f"Administrator {username or email} created.")


@click.command(cls=_Command)
@click.option(
    "--username", required=True, callback=_checked(Text(longest=accounts.LONGEST_USERNAME))
)
@_password
@click.option("--email", callback=_checked(EmailAddress()))
@click.option("--name", help="The username, unless given.")
@click.option("--credit", type=click.IntRange(0, LARGEST), default=0, show_default=True)
def create_user(
    username: str, password: str, email: str | None, name: str | None, credit: int
) -> None:
    """Create a user with some credit."""
    accounts.create_user(
        username=username,
        email=email,
        password=_new_password(password),
        name=name or username,
        credit=credit,
    )
    click.echo(f"User {username} created.")


@click.command(cls=_Command)
@click.argument("login")
@_password
@click.option("--company", is_flag=True, help="LOGIN is a company's e-mail address.")
def change_password(login: str, password: str, company: bool) -> None:
    """Give the account of that username or e-mail a new password. All its sessions end."""
    credentials.replace_password(
        login, _new_password(password), kind=AccountKind.COMPANY if company else AccountKind.USER
    )
    click.echo(f"Password of {login} changed; all its sessions have ended.")


@click.command(cls=_Command)
def seed_demo() -> None:
    """Load the example users and coupons, once. Not for production."""
    if config.current().is_production:
        raise click.ClickException(
            "Example data, with passwords that everybody knows, is not loaded in production."
        )
    loaded = [
        load()
        for load in (
            credit_demo.load,
            lambda: discount_demo.load(config.current().currency),
            voucher_types.create_samples,
        )
    ]
    click.echo("Example data loaded." if any(loaded) else "Example data is there already.")


@click.command()
def create_sample_vouchers() -> None:
    """Create the sample voucher types, those that are not there."""
    click.echo(f"{voucher_types.create_samples()} voucher types created.")


@click.command("audit")
def audit_books() -> None:
    """Prove that the books add up: print what does not, and exit 1 if there is anything; then what somebody should know."""
    adds_up = True
    for sentence in rules.discrepancies():
        adds_up = False
        click.echo(sentence)
    for sentence in rules.notes():
        click.echo(sentence)
    if not adds_up:
        raise click.exceptions.Exit(1)
    click.echo("The books add up.")


api_keys = AppGroup("api-keys", help="Keys with which servers sign in.")


@api_keys.command("create", cls=_Command)
@click.option(
    "--service", required=True, help="Whose key it is; keys of one service act as one account."
)
@click.option(
    "--permission",
    "permissions",
    multiple=True,
    required=True,
    type=click.Choice(sorted(Permission)),
)
@click.option(
    "--days",
    type=click.IntRange(1, 3650),
    default=365,
    show_default=True,
    help="How long it is valid.",
)
def create_api_key(service: str, permissions: tuple[str, ...], days: int) -> None:
    """Create a key and show it, this once."""
    click.echo(keys.create_api_key(service, list(permissions), timedelta(days=days)))


@api_keys.command("revoke", cls=_Command)
@click.option("--service", required=True)
def revoke_api_keys(service: str) -> None:
    """End all keys of a service."""
    click.echo(f"{keys.revoke_api_keys(service)} keys of {service} have ended.")


outbox_group = AppGroup("outbox", help="What is to be done after commits.")


@outbox_group.command("deliver")
def deliver_outbox() -> None:
    """Deliver what is due now, and stop."""
    click.echo(f"{outbox.deliver_due(background.HANDLERS)} delivered.")


payments_group = AppGroup("payments", help="Payments by card.")


@payments_group.command("reconcile", cls=_Command)
def reconcile_payments() -> None:
    """Ask Stripe about every payment that is not decided, and settle it."""
    done = reconciliation.reconcile(at_once=True)
    click.echo(f"{done.asked} asked about, {done.decided} of them decided.")
    if done.is_away:
        raise click.ClickException("Stripe could not be asked; the rest is asked about later.")


codes_group = AppGroup("codes", help="Discount codes in bulk.")


@codes_group.command("generate", cls=_Command)
@click.option("--count", type=int, required=True)
@click.option(
    "--pattern", default="##########", show_default=True, help="Each # is a random character."
)
@click.option("--template", required=True, help="A discount coupon without a code, as JSON.")
@click.option(
    "--output",
    type=click.File("w", encoding="utf-8", lazy=True),
    default="-",
    help="Where the codes go, as CSV. [default: standard output]",
)
def generate_codes(count: int, pattern: str, template: str, output: Any) -> None:
    """Make single-use discount codes, and write them down. Whatever stops it, the worker makes the rest."""
    try:
        asked = schemas.NewBatch().load(
            {"count": count, "pattern": pattern, "template": json.loads(template)}
        )
    except ma.ValidationError as error:
        raise click.ClickException(str(error)) from error
    except ValueError as error:
        raise click.BadParameter("It is no JSON.", param_hint="--template") from error
    batch = batches.generate(None, **asked, currency=config.current().currency)
    click.echo(f"Batch {batch.batch_id}", err=True)
    with click.progressbar(length=count, label="Codes", file=sys.stderr) as bar:
        for done in batches.work_off(batch.batch_id):
            bar.update(done - bar.pos)
    output.write("code\n")
    for page in batches.codes_of(batch.batch_id):
        output.writelines(f"{code}\n" for code in page)


analytics_group = AppGroup("analytics", help="The daily figures that the dashboard reads.")


@analytics_group.command("roll-up")
def roll_up_figures() -> None:
    """Sum up what has happened since; the worker does that twice a minute."""
    while rollup.roll_up() == rollup.STEPS_AT_ONCE:
        pass
    click.echo("All is summed up.")


@analytics_group.command("rebuild")
def rebuild_figures() -> None:
    """Forget all figures and sum up everything anew, where the audit says that they are wrong."""
    rollup.rebuild()
    click.echo("All is summed up anew.")


@click.command("purge")
def purge_spent() -> None:
    """Delete what nobody can need any more: spent keys, sessions, guesses, delivered messages."""
    for table, count in purge.spent().items():
        click.echo(f"{table}: {count} deleted")


@click.command()
def worker() -> None:
    """Deliver the outbox and purge, until stopped."""
    stop = threading.Event()
    _on_stop(stop.set)
    log.info("worker.started")
    for loop in thread.start(cast(Any, current_app)._get_current_object(), stop):
        loop.join()
    log.info("worker.stopped")


def _on_stop(do: Callable[[], None]) -> None:
    for number in (SIGINT, SIGTERM):
        signal(number, lambda *_: do())


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
        if not config.current().is_production:
            # Links in mails lead here, wherever here is this time.
            os.environ["PUBLIC_URL"] = shop.service_url(
                config.current().public_url, host, str(port)
            )
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
    """Serve the built-in antifraud check as a service of its own, for development and compose."""
    click.echo(f"Antifraud on http://{host}:{port}", err=True)
    # One process: it counts in memory.
    _serve(
        "coupon_management_flask.promos.antifraud.service:create_antifraud_app",
        host,
        port,
        factory=True,
    )


@click.command("demo-shop", cls=_Command)
@click.option("--host", envvar="DEMO_HOST", default="127.0.0.1", show_default=True)
@click.option(
    "--port", envvar="DEMO_PORT", type=click.IntRange(1, 65535), default=8001, show_default=True
)
def serve_demo_shop(host: str, port: int) -> None:
    """Serve a shop that embeds the popup and takes its codes at the checkout, for development. The service runs beside it."""
    settings = config.current()
    if settings.is_production:
        raise click.ClickException(
            "The demo shop, which anybody may order from, is not for production."
        )
    service = shop.service_url(
        settings.public_url, os.environ.get("HOST", ""), os.environ.get("PORT", "")
    )
    try:
        listening = shop.listen(host, port)
    except OSError as error:
        raise click.ClickException(
            f"There is no demo shop: {host}:{port} can't be listened on ({error.strerror}). DEMO_PORT names another port."
        ) from error
    # The key of the last start is of no use to anybody.
    with suppress(errors.NotFound):
        keys.revoke_api_keys("demo-shop")
    api_key = keys.create_api_key("demo-shop", ["getCoupons", "manageCoupons"], timedelta(days=30))
    click.echo(f"Demo shop on http://{host}:{port} (its mails: {service}/dev/mailbox)", err=True)
    with listening:
        shop.serve(shop.create_demo_shop(service, api_key), listening)


def _serve(target: str, host: str, port: int, **options: Any) -> None:
    from granian.constants import Interfaces
    from granian.server import Server

    Server(
        target,
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        blocking_threads=SERVER_THREADS,
        respawn_failed_workers=True,
        websockets=False,
        log_enabled=config.current().log_level == "DEBUG",
        **options,
    ).serve()


def _metrics_directory() -> AbstractContextManager[str]:
    given = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    return nullcontext(given) if given else TemporaryDirectory(prefix="coupon-metrics-")


def init_app(app: Flask) -> None:
    for command in (
        create_admin,
        create_user,
        change_password,
        seed_demo,
        create_sample_vouchers,
        audit_books,
        api_keys,
        outbox_group,
        codes_group,
        payments_group,
        analytics_group,
        purge_spent,
        worker,
        serve,
        antifraud,
        serve_demo_shop,
    ):
        app.cli.add_command(command)
