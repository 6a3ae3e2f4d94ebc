"""application.yml as the declarations have it."""

import json
from textwrap import wrap

from .settings import DECLARATIONS

WIDTH = 100

HEADER = """\
# Every setting, with its default. The environment and a .env file override each one under its name
# in capitals: PUBLIC_URL=https://... With an unknown name or a bad value, nothing starts.
# Written by `python -m coupon_management_flask.config` from config/settings.py.
"""


def application_yml() -> str:
    """Return the text of the file: each setting under what explains it."""
    lines = []
    for one in DECLARATIONS:
        if one.opens:
            lines.append("")
        for line in one.help.splitlines():
            # An example is indented, and stays a line.
            written = [line] if line.startswith(" ") else wrap(line, WIDTH - 2)
            lines += [f"# {part}" for part in written]
        lines.append(f"{one.name}: {_value(one.default)}")
    return HEADER + "\n".join(lines) + "\n"


def _value(default: object) -> str:
    return default if isinstance(default, str) and default else json.dumps(default)
