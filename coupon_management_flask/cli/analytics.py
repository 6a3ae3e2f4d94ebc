"""The daily figures."""

import click

from ..analytics.figures import rebuilding, rollup
from .terminal import Group

analytics = Group("analytics", help="The daily figures that the dashboard reads.")


@analytics.command("roll-up")
def roll_up_figures() -> None:
    """Sum up what has happened since; the worker does that twice a minute."""
    while rollup.roll_up() == rollup.STEPS_AT_ONCE:
        pass
    click.echo("All is summed up.")


@analytics.command("rebuild")
def rebuild_figures() -> None:
    """Forget all figures and sum up everything anew, where the audit says that they are wrong."""
    rebuilding.rebuild()
    click.echo("All is summed up anew.")


COMMANDS = (analytics,)
