"""Voucher types."""

import click

from ..vouchers import types as voucher_types
from .terminal import Command


@click.command(cls=Command)
def create_sample_vouchers() -> None:
    """Create the sample voucher types that are not there yet."""
    click.echo(f"{voucher_types.create_samples()} voucher types created.")


COMMANDS = (create_sample_vouchers,)
