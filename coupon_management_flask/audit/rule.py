"""How rules ask."""

from typing import Any

import sqlalchemy as sa

from ..db.session import AnySelect, db


def rows(statement: AnySelect) -> sa.Result[Any]:
    return db.session.execute(statement)
