"""Accounts of people and keys of servers."""

from datetime import timedelta

import click

from ..identity import accounts, credentials
from ..identity import api_keys as keys
from ..identity.roles import Permission
from ..models import AccountKind, Role
from ..web.body import LARGEST, EmailAddress, Text
from ..web.typed import Name
from .terminal import Command, Group, checked, new_password, password_option

_username = checked(Text(longest=accounts.LONGEST_USERNAME))
_email = checked(EmailAddress())
_name = checked(Name())


@click.command(cls=Command)
@click.option("--email", required=True, callback=_email)
@password_option
@click.option("--username", help="The e-mail address, unless given.", callback=_username)
@click.option("--name", default="Administrator", show_default=True, callback=_name)
def create_admin(email: str, password: str, username: str | None, name: str) -> None:
    """Create an administrator."""
    accounts.create_user(
        email=email,
        username=username,
        password=new_password(password),
        name=name,
        role=Role.ADMINISTRATOR,
    )
    click.echo(f"Administrator {username or email} created.")


@click.command(cls=Command)
@click.option("--username", required=True, callback=_username)
@password_option
@click.option("--email", callback=_email)
@click.option("--name", help="The username, unless given.", callback=_name)
@click.option("--credit", type=click.IntRange(0, LARGEST), default=0, show_default=True)
def create_user(
    username: str, password: str, email: str | None, name: str | None, credit: int
) -> None:
    """Create a user with some credit."""
    accounts.create_user(
        username=username,
        email=email,
        password=new_password(password),
        name=name or username,
        credit=credit,
    )
    click.echo(f"User {username} created.")


@click.command(cls=Command)
@click.argument("login")
@password_option
@click.option("--company", is_flag=True, help="LOGIN is a company's e-mail address.")
def change_password(login: str, password: str, company: bool) -> None:
    """Give the account of that username or e-mail a new password. All its sessions end."""
    kind = AccountKind.COMPANY if company else AccountKind.USER
    credentials.replace_password(login, new_password(password), kind=kind)
    click.echo(f"Password of {login} changed; all its sessions have ended.")


api_keys = Group("api-keys", help="Keys with which servers sign in.")


@api_keys.command("create")
@click.option(
    "--service", required=True, help="Whose key it is; keys of one service act as one account."
)
@click.option(
    "--permission",
    "permissions",
    multiple=True,
    required=True,
    type=click.Choice(sorted(permission.value for permission in Permission)),
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


@api_keys.command("revoke")
@click.option("--service", required=True)
def revoke_api_keys(service: str) -> None:
    """End all keys of a service."""
    click.echo(f"{keys.revoke_api_keys(service)} keys of {service} have ended.")


COMMANDS = (create_admin, create_user, change_password, api_keys)
