"""What commands have in common: how they check their options, and how they tell of a refusal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
import marshmallow as ma
from flask.cli import AppGroup
from sqlalchemy.exc import SQLAlchemyError

from ..core import errors
from ..db import schema
from ..identity import passwords
from ..text.passwords import normalised
from ..web.body import Text


class Command(click.Command):
    """A command that tells of a refusal, and of a database that is away, in a sentence."""

    def invoke(self, ctx: click.Context) -> object:
        with _in_a_sentence():
            return super().invoke(ctx)


class Group(AppGroup):
    """A group of such commands."""

    def invoke(self, ctx: click.Context) -> object:
        with _in_a_sentence():
            return super().invoke(ctx)


@contextmanager
def _in_a_sentence() -> Iterator[None]:
    try:
        yield
    except errors.DomainError as error:
        raise _told(error) from error
    except SQLAlchemyError as error:
        sentence = schema.explanation(error)
        if sentence is None:
            raise
        raise click.ClickException(sentence) from error


def _told(error: errors.DomainError) -> click.ClickException:
    if isinstance(error, errors.Invalid):
        return click.ClickException(
            " ".join(f"{name}: {' '.join(words)}" for name, words in error.fields.items())
        )
    return click.ClickException(error.name.replace("_", " "))


password_option = click.option(
    "--password",
    prompt=True,
    hide_input=True,
    confirmation_prompt=True,
    help="Asked for where it is not given.",
)


def checked(field: Text) -> Callable[..., str | None]:
    """Return a callback that holds an option to what the field of a body would be held to."""

    def check(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
        try:
            return None if value is None else str(field.deserialize(value))
        except ma.ValidationError as error:
            raise click.BadParameter(" ".join(error.messages)) from error

    return check


def new_password(password: str) -> str:
    """Return the password, normalised, if it is as long as one must be.

    Raises:
        BadParameter: It is shorter or longer.
    """
    password = normalised(password)
    if not passwords.SHORTEST <= len(password) <= passwords.LONGEST:
        raise click.BadParameter(
            f"{passwords.SHORTEST} to {passwords.LONGEST} characters.", param_hint="--password"
        )
    return password
