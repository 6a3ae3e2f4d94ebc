"""`flask --app coupon_management_flask ...`: what operators run, a file for each feature."""

from flask import Flask

from . import accounts, analytics, audit, background, codes, payments, server, vouchers
from .demo import commands as demo

COMMANDS = (
    *accounts.COMMANDS,
    *demo.COMMANDS,
    *vouchers.COMMANDS,
    *audit.COMMANDS,
    *background.COMMANDS,
    *codes.COMMANDS,
    *payments.COMMANDS,
    *analytics.COMMANDS,
    *server.COMMANDS,
)


def init_app(app: Flask) -> None:
    for command in COMMANDS:
        app.cli.add_command(command)
