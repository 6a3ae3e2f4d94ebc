"""Imports go one way (DESIGN: application, cli -> features -> web -> core -> models -> database), held by .importlinter; and no module is forgotten."""

import shutil
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

from .support.server import ROOT

PACKAGE = "coupon_management_flask"

# What a server, `flask` and Alembic load; all else must be reached from there.
ENTRIES = {f"{PACKAGE}.wsgi", PACKAGE, f"{PACKAGE}.models", f"{PACKAGE}.database"}

LAYERS = "Imports go one way, and features never import each other"
CONFIGURATION = "The database is told what it needs and reads no configuration"
ERRORS = "The error tree imports nothing of ours"
HTTP = "Rules and tables know no HTTP"


def lint(folder: Path) -> "subprocess.CompletedProcess[str]":
    """import-linter on the package in that folder."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--config", str(ROOT / ".importlinter"), "--no-cache", "--no-logo"]
    return subprocess.run(command, cwd=folder, env={"PYTHONPATH": str(folder)}, capture_output=True, text=True, check=False, timeout=60)


def test_imports_go_one_way():
    result = lint(ROOT)

    assert result.returncode == 0, result.stdout + result.stderr
    for contract in (LAYERS, CONFIGURATION, ERRORS, HTTP):
        assert f"{contract} KEPT" in " ".join(result.stdout.split())


@pytest.fixture
def copy(tmp_path):
    """A copy of the package, to be spoilt."""
    shutil.copytree(ROOT / PACKAGE, tmp_path / PACKAGE, ignore=shutil.ignore_patterns("__pycache__", "static", "templates"))
    return tmp_path


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("credit_coupons/service.py", "from ..promos import errors", LAYERS),
        ("promos/errors.py", "from ..auth import service", LAYERS),
        ("health/service.py", "from ..application import CONTRACTS", LAYERS),
        ("auth/service.py", "from .. import cli", LAYERS),
        ("web/guard.py", "from ..auth import service", LAYERS),
        ("core/wallet.py", "from ..web import guard", LAYERS),
        ("core/wallet.py", "from ..credit_coupons.errors import CouponExpired", LAYERS),
        ("models/wallet.py", "from ..core import clock", LAYERS),
        ("database.py", "from . import models", LAYERS),
        ("database.py", "from .config import ROOT", CONFIGURATION),
        ("config.py", "from . import database", LAYERS),
        ("core/errors.py", "from . import clock", ERRORS),
        ("core/errors.py", "from ..models import new_id", ERRORS),
        ("core/guesses.py", "from flask import request", HTTP),
        ("core/accounts.py", "from flask import g", HTTP),
        ("core/accounts.py", "def f():\n    from werkzeug.exceptions import NotFound", HTTP),
        ("models/accounts.py", "from flask import current_app", HTTP),
        ("forgotten.py", "", LAYERS),
    ],
    ids=lambda value: value if value not in (LAYERS, CONFIGURATION, ERRORS, HTTP) else "",
)
def test_a_step_off_the_way_is_noticed(copy, module, line, contract):
    with (copy / PACKAGE / module).open("a") as file:
        file.write(f"\n\n{line}\n")

    result = lint(copy)

    assert result.returncode == 1
    assert f"{contract} BROKEN" in " ".join(result.stdout.split())


def test_no_module_is_forgotten():
    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    reached = set(ENTRIES)
    for entry in ENTRIES:
        reached |= graph.find_upstream_modules(entry)
    # Importing a module imports the packages around it.
    reached |= {".".join(name.split(".")[:size]) for name in reached for size in range(1, name.count(".") + 1)}

    assert graph.modules - reached == set()
