"""The statements that a call sends, and how PostgreSQL runs them."""

import json

import sqlalchemy as sa


def sent_while(work):
    """Run a call that must succeed, and return its statements with their parameters."""
    sent = []

    def note(_connection, _cursor, statement, parameters, *_):
        sent.append((statement, parameters))

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        answer = work()
        assert answer.status_code == 200, answer.text
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
    return sent


def scans(connection, statement, parameters):
    """Run a statement and return the nodes of its plan that read a table.

    A PREPARE is only executed: it has none.
    """
    cursor = connection.cursor()
    if statement.startswith("PREPARE"):
        cursor.execute(statement, parameters)
        return []
    cursor.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + statement, parameters)
    (plan,) = cursor.fetchone()
    return [
        node
        for node in _nodes((plan if isinstance(plan, list) else json.loads(plan))[0]["Plan"])
        if "Relation Name" in node
    ]


def _nodes(node):
    return [node, *(inner for child in node.get("Plans", []) for inner in _nodes(child))]
