"""The statements that the service sends for a request, as text that pgbench can send again."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from psycopg2.extensions import cursor as Cursor

from coupon_management_flask.db.session import db

from .load import Request

_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def record(app: Flask, requests: Iterable[str], folder: Path) -> list[str]:
    """Write a script for each request (a line of load.lua's file), and return pgbench's options.

    Ids that a statement makes are made anew whenever it is sent.
    """
    with app.app_context():
        # New connections prepare anew, and we hear it.
        for engine in db.engines.values():
            engine.dispose()
    client = app.test_client()
    options: list[str] = []
    prepared: dict[str, str] = {}
    for number, line in enumerate(requests):
        request = Request.parse(line)
        sent = _sent_while(client, request)
        prepares = [statement for statement in sent if statement.startswith("PREPARE")]
        prepared |= {statement.split()[1]: statement for statement in prepares}
        used = {name for statement in sent for name in re.findall(r"\bEXECUTE (\w+) \(", statement)}
        lines = [_once_a_client(name, prepared[name]) for name in sorted(used)]
        others = [statement for statement in sent if statement not in prepares]
        lines += [f"{_repeatable(statement)};\n" for statement in others]
        script = folder / f"request-{number}.sql"
        script.write_text("".join(lines), encoding="utf-8")
        options += ["-f", str(script)]
    for name in prepared:
        options += ["-D", f"{_new(name)}=1"]
    return options


def _once_a_client(name: str, prepare: str) -> str:
    """Prepare it where pgbench's client has not: its variables last as long as its connection."""
    return f"\\if :{_new(name)}\n{_one_line(prepare)};\n\\set {_new(name)} 0\n\\endif\n"


def _new(name: str) -> str:
    return f"new_{name}"


def _one_line(statement: str) -> str:
    return statement.replace("\n", " ")


def _sent_while(client: FlaskClient, request: Request) -> list[str]:
    sent: list[str] = []

    def note(
        connection: sa.Connection | None,
        cursor: Cursor,
        statement: str,
        parameters: Any,
        *_: Any,
    ) -> None:
        # A prepared statement that goes straight to the driver has no connection of SQLAlchemy's,
        # and is alone.
        options = {} if connection is None else connection.get_execution_options()
        alone = connection is None or options.get("isolation_level") == "AUTOCOMMIT"
        if not alone and (not sent or not sent[-1].startswith("BEGIN")) and "BEGIN" not in sent:
            sent.append("BEGIN")
        sent.append(cursor.mogrify(statement, parameters).decode())

    def committed(_connection: sa.Connection) -> None:
        if "BEGIN" in sent and "COMMIT" not in sent:
            sent.append("COMMIT")

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    sa.event.listen(sa.Engine, "commit", committed)
    try:
        answer = client.open(
            request.path,
            method=request.method,
            data=request.body,
            headers=request.headers,
        )
        assert answer.status_code < 300, answer.get_data(as_text=True)
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
        sa.event.remove(sa.Engine, "commit", committed)
    return sent


def _repeatable(statement: str) -> str:
    statement = _one_line(statement)
    # A claim's key ends with the new redemption's id.
    made = re.search(rf"'(user:{_UUID}):({_UUID})'", statement)
    if made is None:
        return statement
    statement = statement.replace(made[0], f"'{made[1]}:' || gen_random_uuid()")
    return statement.replace(f"'{made[2]}'", "gen_random_uuid()")
