"""The audit of the books."""

import click

from ..audit import rules
from .terminal import Command


@click.command("audit", cls=Command)
def audit_books() -> None:
    """Prove that the books add up: print what does not, and exit 1 if there is anything.

    Then print what somebody should know.
    """
    adds_up = True
    for sentence in rules.discrepancies():
        adds_up = False
        click.echo(sentence)
    for sentence in rules.notes():
        click.echo(sentence)
    if not adds_up:
        raise click.exceptions.Exit(1)
    click.echo("The books add up.")


COMMANDS = (audit_books,)
