"""Example data and the demo shop."""

import os
from contextlib import suppress
from datetime import timedelta

import click

from ... import config
from ...core import errors
from ...identity import api_keys
from ...vouchers import types as voucher_types
from ..terminal import Command
from . import credit_coupons, discount_coupons, shop

# The account of the shop's API key.
SHOP = "demo-shop"


@click.command(cls=Command)
def seed_demo() -> None:
    """Load the example users and coupons, once. Not for production."""
    settings = config.current()
    if settings.is_production:
        raise click.ClickException(
            "Example data, with passwords that everybody knows, is not loaded in production."
        )
    loaded = [
        credit_coupons.load(),
        discount_coupons.load(settings.currency),
        voucher_types.create_samples(),
    ]
    click.echo("Example data loaded." if any(loaded) else "Example data is there already.")


@click.command("demo-shop", cls=Command)
@click.option("--host", envvar="DEMO_HOST", default="127.0.0.1", show_default=True)
@click.option(
    "--port", envvar="DEMO_PORT", type=click.IntRange(1, 65535), default=8001, show_default=True
)
def serve_demo_shop(host: str, port: int) -> None:
    """Serve a shop that embeds the popup and takes its codes at the checkout, for development.

    The service runs beside it.
    """
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
            f"There is no demo shop: {host}:{port} can't be listened on ({error.strerror}). "
            "DEMO_PORT names another port."
        ) from error
    # The key of the last start is of no use to anybody.
    with suppress(errors.NotFound):
        api_keys.revoke_api_keys(SHOP)
    api_key = api_keys.create_api_key(SHOP, ["getCoupons", "manageCoupons"], timedelta(days=30))
    click.echo(f"Demo shop on http://{host}:{port} (its mails: {service}/dev/mailbox)", err=True)
    with listening:
        shop.serve(shop.create_demo_shop(service, api_key), listening)


COMMANDS = (seed_demo, serve_demo_shop)
