"""The statements that the service sends for a request, as text that pgbench can send again."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from flask import Flask
from psycopg2.extensions import cursor as Cursor

_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def record(app: Flask, requests: Iterable[str], folder: Path) -> list[Path]:
    """A pgbench script for each request (a line of load.lua's file). Ids that a statement makes are made anew whenever it is sent."""
    client = app.test_client()
    scripts = []
    for number, line in enumerate(requests):
        method, path, token, *body = line.split(" ", 3)
        sent = _sent_while(lambda: client.open(path, method=method, data="".join(body), headers=_headers(token)))  # noqa: B023
        scripts.append(folder / f"request-{number}.sql")
        scripts[-1].write_text("".join(f"{_repeatable(statement)};\n" for statement in sent), encoding="utf-8")
    return scripts


def _headers(token: str) -> dict[str, str]:
    return {} if token == "-" else {"Authorization": f"Bearer {token}"}


def _sent_while(work: Any) -> list[str]:
    sent: list[str] = []

    def note(connection: sa.Connection, cursor: Cursor, statement: str, parameters: Any, *_: Any) -> None:
        autocommit = connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"
        if not autocommit and (not sent or not sent[-1].startswith("BEGIN")) and "BEGIN" not in sent:
            sent.append("BEGIN")
        sent.append(cursor.mogrify(statement, parameters).decode())

    def committed(_connection: sa.Connection) -> None:
        if "BEGIN" in sent and "COMMIT" not in sent:
            sent.append("COMMIT")

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    sa.event.listen(sa.Engine, "commit", committed)
    try:
        answer = work()
        assert answer.status_code < 300, answer.get_data(as_text=True)
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
        sa.event.remove(sa.Engine, "commit", committed)
    return sent


def _repeatable(statement: str) -> str:
    statement = statement.replace("\n", " ")
    # A claim's key ends with the new redemption's id.
    made = re.search(rf"'(user:{_UUID}):({_UUID})'", statement)
    if made is None:
        return statement
    return statement.replace(made[0], f"'{made[1]}:' || gen_random_uuid()").replace(f"'{made[2]}'", "gen_random_uuid()")
