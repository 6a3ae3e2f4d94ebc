"""Who may call what: each route by each kind of caller, as docs/operations/security.md has it.

After a new route: `.venv/bin/python -m pytest tests/web/test_access.py --update-documents`, and
read what has changed in the table.
"""

import re
from collections.abc import Iterable

import pytest

from ..support.server import ROOT
from .cast import CALLERS, Stage

PAGE = ROOT / "docs/operations/security.md"
BEGIN, END = "<!-- routes: written by tests/web/test_access.py -->\n", "<!-- /routes -->"

# Rows are taken from other tables, without what belongs to them.
pytestmark = pytest.mark.books_are_wrong

# Routes that are not in the table with all below them: why, and the test that asks them.
ELSEWHERE = {
    "/admin": (
        "asks for a cookie instead of a token, before any of its views",
        "tests/admin/test_sign_in.py::test_whoever_is_not_signed_in_is_asked_to_on_every_page",
    ),
    "/v1/auth/token/refresh": (
        "asks for a refresh token",
        "tests/auth/test_refresh.py::test_an_access_token_is_refused_and_nothing_ends",
    ),
    "/v1/auth/logout": (
        "would end the session that the other calls need",
        "tests/auth/test_logout.py::test_without_a_token_one_is_asked_for",
    ),
    "/dev/mailbox": (
        "is there in development alone",
        "tests/mail/test_mailbox.py::test_in_production_there_is_no_mailbox",
    ),
}


def is_under(path: str, rule: str) -> bool:
    return rule == path or rule.startswith(f"{path}/")


def routes(app) -> list[tuple[str, str]]:
    """Return the method and rule of each route that belongs into the table."""
    return sorted(
        (
            (method, rule.rule)
            for rule in app.url_map.iter_rules()
            for method in rule.methods - {"HEAD", "OPTIONS"}
            if not any(is_under(path, rule.rule) for path in ELSEWHERE)
        ),
        key=lambda route: (route[1], route[0]),
    )


def shown(rule: str) -> str:
    """Return a path as the table shows it: there is no room for which id."""
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", re.sub(r"\w*_id>", "id>", rule))


def cell(answer) -> str:
    """Return 401, 403 or 404, or `yes` for whoever is let in, whatever comes of it."""
    status = answer.status_code
    is_away = status == 503 and answer.json["error_code"] == "payments_not_configured"
    assert status < 500 or is_away, (answer.request.path, answer.text)
    answer.close()
    return str(status) if status in (401, 403, 404) else "yes"


def line(route: str, path: str, cells: Iterable[str]) -> str:
    return f"{route:<6} {path:<46}{''.join(f'{one:>5}' for one in cells)}\n"


def written(app) -> str:
    """Return what the page says of callers and routes."""
    stage = Stage(app.test_client())
    callers = "".join(f"- `{name}`: {who}\n" for name, who in CALLERS.items())
    table = line("", "", CALLERS) + "".join(
        line(method, shown(rule), [cell(stage.ask(who, method, rule)) for who in CALLERS])
        for method, rule in routes(app)
    )
    elsewhere = "".join(f"- `{path}` {why}.\n" for path, (why, _) in ELSEWHERE.items())
    return f"{callers}\n```text\n{table}```\n\nNot in the table:\n\n{elsewhere}"


def test_each_route_answers_each_kind_of_caller_as_the_page_says(app, request):
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    was, _, after = rest.partition(END)
    now = written(app)

    if request.config.getoption("--update-documents"):
        PAGE.write_text(f"{before}{BEGIN}{now}{END}{after}", encoding="utf-8")
    else:
        assert was.splitlines() == now.splitlines(), (
            "see the first lines of this file: --update-documents"
        )


def test_each_test_that_the_page_names_exists_and_each_point_names_one():
    points = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    assert [point[:6].rstrip(": ") for point in points[:10]] == [f"API{n}" for n in range(1, 11)]

    for point in points[:10]:
        file, named = "", 0
        for path, name in re.findall(r"^ +(?:(tests/\S+\.py)|(test_\w+))$", point, re.MULTILINE):
            if path:
                file = (ROOT / path).read_text(encoding="utf-8")
            else:
                named += 1
                assert re.search(rf"^def {name}\(", file, re.MULTILINE), name
        assert named, point


def test_each_route_that_is_not_in_the_table_is_there_and_has_a_test_of_its_own(app):
    rules = [rule.rule for rule in app.url_map.iter_rules()]
    for path, (_, test) in ELSEWHERE.items():
        assert any(is_under(path, rule) for rule in rules), path
        file, _, name = test.partition("::")
        assert re.search(rf"^def {name}\(", (ROOT / file).read_text(encoding="utf-8"), re.M), test
