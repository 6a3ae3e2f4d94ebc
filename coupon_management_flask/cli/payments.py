"""Payments by card."""

import click

from ..payments.cards import reconciliation
from .terminal import Group

payments = Group("payments", help="Payments by card.")


@payments.command("reconcile")
def reconcile_payments() -> None:
    """Ask Stripe about every payment that is not decided, and settle it."""
    done = reconciliation.reconcile(at_once=True)
    click.echo(f"{done.asked} asked about, {done.decided} of them decided.")
    if done.is_away:
        raise click.ClickException("Stripe could not be asked; the rest is asked about later.")


COMMANDS = (payments,)
