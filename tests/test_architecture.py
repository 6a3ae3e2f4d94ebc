"""Imports go one way, held by .importlinter, and no module is forgotten."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

from .support.server import ROOT

PACKAGE = "coupon_management_flask"

# What servers, Celery, `flask` and Alembic load, some of it by its name; all else must be reached from there.
ENTRIES = {
    f"{PACKAGE}.wsgi",
    f"{PACKAGE}.tasks.celery_app",
    f"{PACKAGE}.promos.antifraud.service",
    PACKAGE,
    f"{PACKAGE}.models",
    f"{PACKAGE}.db",
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
        "credit_coupons/service.py",
        "from ..promos import errors",
        LAYERS,
        "credit_coupons.service -> promos.errors",
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
        "vouchers/service.py",
        "from ..payments import errors",
        LAYERS,
        "vouchers.service -> payments.errors",
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
