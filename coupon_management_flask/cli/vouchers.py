"""Voucher types."""

import click

from ..vouchers import type_service


@click.command()
def create_sample_vouchers() -> None:
    """Create the sample voucher types that are not there yet."""
    click.echo(f"{type_service.create_samples()} voucher types created.")


COMMANDS = (create_sample_vouchers,)
