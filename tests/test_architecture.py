"""Imports go one way, held by .importlinter, and no module is forgotten."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

from .support.server import ROOT

PACKAGE = "coupon_management_flask"

# What servers, Celery, `flask` and Alembic load, partly by name. Everything else must be reachable
# from there.
ENTRIES = {
    f"{PACKAGE}.wsgi",
    f"{PACKAGE}.tasks.celery_app",
    f"{PACKAGE}.promos.antifraud.service",
    f"{PACKAGE}.config.__main__",
    PACKAGE,
    f"{PACKAGE}.models",
    f"{PACKAGE}.db",
    # What migrations/ imports.
    f"{PACKAGE}.db.migrating",
}

LAYERS = "Imports go one way"
CONFIGURATION = "The database is told what it needs and reads no configuration"
ERRORS = "The error tree imports nothing of ours"
HTTP = "Rules and tables know no HTTP"


def lint(folder: Path) -> "subprocess.CompletedProcess[str]":
    """import-linter on the package in that folder."""
    command = [
        str(Path(sys.executable).with_name("lint-imports")),
        "--config",
        str(ROOT / ".importlinter"),
        "--no-cache",
        "--no-logo",
    ]
    return subprocess.run(
        command,
        cwd=folder,
        env={"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_imports_go_one_way():
    result = lint(ROOT)

    assert result.returncode == 0, result.stdout + result.stderr
    for contract in (LAYERS, CONFIGURATION, ERRORS, HTTP):
        assert f"{contract} KEPT" in " ".join(result.stdout.split())


# A line in a module, and as what it is to be noticed.
STEPS = [
    (
        "credit_coupons/coupons.py",
        "from ..promos import errors",
        LAYERS,
        "credit_coupons.coupons -> promos.errors",
    ),
    ("promos/errors.py", "from ..auth import sign_in", LAYERS, "promos.errors -> auth.sign_in"),
    (
        "health/service.py",
        "from ..application import CONTRACTS",
        LAYERS,
        "health.service -> application",
    ),
    ("auth/sign_in.py", "from .. import cli", LAYERS, "auth.sign_in -> cli"),
    (
        "vouchers/redeem.py",
        "from ..payments import errors",
        LAYERS,
        "vouchers.redeem -> payments.errors",
    ),
    (
        "discount_coupons/rules.py",
        "from ..email_coupons import errors",
        LAYERS,
        "discount_coupons.rules -> email_coupons.errors",
    ),
    (
        "messaging/outbox.py",
        "from ..identity import accounts",
        LAYERS,
        "messaging.outbox -> identity.accounts",
    ),
    ("identity/accounts.py", "from ..web import guard", LAYERS, "identity.accounts -> web.guard"),
    ("web/guard.py", "from ..auth import sign_in", LAYERS, "web.guard -> auth.sign_in"),
    ("core/wallet.py", "from ..web import guard", LAYERS, "core.wallet -> web.guard"),
    (
        "core/wallet.py",
        "from ..credit_coupons.errors import CouponExpired",
        LAYERS,
        "core.wallet -> credit_coupons.errors",
    ),
    ("models/wallet.py", "from ..core import clock", LAYERS, "models.wallet -> core.clock"),
    ("db/session.py", "from .. import models", LAYERS, "db.session -> models"),
    ("db/session.py", "from ..config import ROOT", CONFIGURATION, "db.session -> config"),
    ("text/hosts.py", "from ..db import session", LAYERS, "text.hosts -> db.session"),
    ("core/errors.py", "from . import clock", ERRORS, "core.errors -> core.clock"),
    ("core/errors.py", "from ..models import new_id", ERRORS, "core.errors -> models"),
    ("core/stock.py", "from flask import request", HTTP, "core.stock -> flask"),
    ("core/wallet.py", "from flask import g", HTTP, "core.wallet -> flask"),
    (
        "core/codes.py",
        "def f():\n    from werkzeug.exceptions import NotFound",
        HTTP,
        "core.codes -> werkzeug",
    ),
    ("models/accounts.py", "from flask import current_app", HTTP, "models.accounts -> flask"),
    ("forgotten.py", "", LAYERS, "The following modules are not listed as layers: - forgotten"),
]


@pytest.fixture(scope="module")
def noticed(tmp_path_factory):
    """What is said about each rule of a copy of the package that takes all these steps at once."""
    copy = tmp_path_factory.mktemp("copy")
    shutil.copytree(
        ROOT / PACKAGE,
        copy / PACKAGE,
        ignore=shutil.ignore_patterns("__pycache__", "static", "templates"),
    )
    for module, line, _, _ in STEPS:
        with (copy / PACKAGE / module).open("a") as file:
            file.write(f"\n\n{line}\n")
    result = lint(copy)
    assert result.returncode == 1, result.stdout + result.stderr
    words = " ".join(result.stdout.split()).replace(f"{PACKAGE}.", "")
    # Of each rule first that it is broken, and then, under a line, how.
    said = re.split(rf"({'|'.join((LAYERS, CONFIGURATION, ERRORS, HTTP))}) -+ ", words)
    return dict(zip(said[1::2], said[2::2], strict=True))


@pytest.mark.parametrize(
    ("rule", "told"),
    [step[2:] for step in STEPS],
    ids=[f"{module}: {line}" for module, line, _, _ in STEPS],
)
def test_a_step_off_the_way_is_noticed(noticed, rule, told):
    assert re.search(rf"{re.escape(told)}\b", noticed[rule])


def test_no_module_is_forgotten():
    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    reached = set(ENTRIES)
    for entry in ENTRIES:
        reached |= graph.find_upstream_modules(entry)
    # Importing a module imports the packages around it.
    reached |= {
        ".".join(name.split(".")[:size])
        for name in reached
        for size in range(1, name.count(".") + 1)
    }

    assert graph.modules - reached == set()


def registering(module: ast.Module) -> list[int]:
    """The lines on which importing the module changes something of another module of ours."""
    imported = {
        alias.asname or alias.name
        for statement in module.body
        if isinstance(statement, ast.ImportFrom) and statement.level > 0
        for alias in statement.names
    }
    lines = []
    for statement in module.body:
        changed: list[ast.expr] = []
        if isinstance(statement, ast.Assign):
            changed = [one for one in statement.targets if not isinstance(one, ast.Name)]
        elif isinstance(statement, ast.AugAssign):
            changed = [statement.target]
        elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            changed = [statement.value.func]
        names = {name.id for one in changed for name in ast.walk(one) if isinstance(name, ast.Name)}
        if names & imported:
            lines.append(statement.lineno)
    return lines


# The base class of all models has to know the columns of the enums before any model is declared.
MAY_REGISTER = {"models/kinds.py"}


def test_importing_a_module_registers_nothing_in_another():
    package = ROOT / PACKAGE
    found = [
        f"{name}:{line}"
        for file in sorted(package.rglob("*.py"))
        if (name := file.relative_to(package).as_posix()) not in MAY_REGISTER
        for line in registering(ast.parse(file.read_text()))
    ]

    assert found == []


@pytest.mark.parametrize(
    "line", ["loop.HANDLERS[TOPIC] = deliver", "sender.handle(TOPIC, deliver)", "loop.ALL += [1]"]
)
def test_a_registry_that_an_import_fills_is_noticed(line):
    assert registering(ast.parse(f"from ..x import loop, sender\n{line}")) == [2]
