"""Promises to those who work on the project and operate it: hooks, CI and documentation.

The pages name only what exists.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from flask import Flask

from coupon_management_flask import cli
from coupon_management_flask.config.settings import DECLARATIONS

from .support.server import ROOT

TOOLS = Path(sys.executable).parent
HOOKS = ROOT / ".pre-commit-config.yaml"
CI = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
PAGES = {
    name: (ROOT / name).read_text(encoding="utf-8")
    for name in ("CONTRIBUTING.md", "docs/operations/README.md")
}
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")

# `flask --app coupon_management_flask ...` as a page shows it, up to what is not part of the
# command.
COMMANDS = sorted(
    {
        found.strip()
        for page in PAGES.values()
        for found in re.findall(
            r"flask --app coupon_management_flask ((?:(?!2>)[\w@.-]+ ?)+)", page
        )
    }
)
TO_BE_RUN_AT_ANY_TIME = ("audit", "outbox deliver", "purge")


def _hooks():
    return [
        (repo["repo"], hook)
        for repo in yaml.safe_load(HOOKS.read_text(encoding="utf-8"))["repos"]
        for hook in repo["hooks"]
    ]


def _pre_commit(*arguments, cwd=ROOT, **environment):
    return subprocess.run(
        [TOOLS / "pre-commit", *arguments],
        cwd=cwd,
        env={"PATH": f"{TOOLS}:{os.environ['PATH']}", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_hooks_are_valid_and_fetch_nothing(tmp_path):
    checked = _pre_commit("validate-config", str(HOOKS), PRE_COMMIT_HOME=str(tmp_path))

    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    assert {(repo, hook["language"]) for repo, hook in _hooks()} == {("local", "system")}


def test_the_hooks_are_the_tools_of_make_check():
    check = MAKEFILE.partition("\ncheck:")[2].partition("\n\n")[0]
    used = {" ".join(words.split()) for words in re.findall(r"\$\(BIN\)/(ruff [a-z]+|mypy)", check)}

    assert used == {
        hook["entry"].partition(" --")[0].removeprefix(".venv/bin/") for _, hook in _hooks()
    }


@pytest.mark.parametrize(
    ("text", "failing"),
    [("x = 1\n", []), ("x=1\n", ["ruff format"]), ("import os\n", ["ruff check"])],
)
def test_a_commit_is_held_back_by_the_hook_that_finds_something(text, failing, tmp_path):
    (tmp_path / ".venv").symlink_to(sys.prefix)
    for file in (HOOKS, ROOT / "pyproject.toml"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "module.py").write_text(text, encoding="utf-8")
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "module.py", HOOKS.name], cwd=tmp_path, check=True)

    # mypy checks the whole package, which is not there.
    ran = _pre_commit(
        "run",
        "--all-files",
        "--color=never",
        cwd=tmp_path,
        PRE_COMMIT_HOME=str(tmp_path / "cache"),
        HOME=str(tmp_path),
        SKIP="mypy",
    )

    assert re.findall(r"^(.+?)\.+Failed$", ran.stdout, re.MULTILINE) == failing, (
        ran.stdout + ran.stderr
    )
    assert ran.returncode == bool(failing)


def test_ci_runs_what_everybody_runs_on_the_oldest_and_the_newest_python():
    (job,) = CI["jobs"].values()

    assert [step["run"] for step in job["steps"] if "run" in step] == ["bash .ci/run"]
    assert re.findall(
        r"^make .*", (ROOT / ".ci/run").read_text(encoding="utf-8"), re.MULTILINE
    ) == ["make check", "make test", "make test-long"]
    oldest, newest = re.findall(r"\((\d), (\d+)\)", re.search(r"sys.exit\((.*?)\)'", MAKEFILE)[1])
    assert job["strategy"]["matrix"]["python"] == [".".join(oldest), ".".join(newest)]


def test_ci_may_only_read_ends_by_itself_and_stops_when_overtaken():
    (job,) = CI["jobs"].values()

    assert CI["permissions"] == {"contents": "read"}
    assert "permissions" not in job
    assert job["timeout-minutes"] <= 60
    assert CI["concurrency"]["cancel-in-progress"] is True
    assert "github.ref" in CI["concurrency"]["group"]
    uses = [step for step in job["steps"] if "uses" in step]
    assert all(step["uses"].startswith("actions/") for step in uses)
    assert [step["with"]["persist-credentials"] for step in uses if "checkout" in step["uses"]] == [
        False
    ]
    # YAML reads "on" as a boolean.
    assert set(CI[True]) == {"push", "pull_request"}


@pytest.mark.parametrize(
    "command", [command for command in COMMANDS if not command.startswith("db ")]
)
def test_a_flask_command_of_the_pages_exists_with_its_options(command):
    app = Flask(__name__)
    cli.init_app(app)
    found, words = app.cli, command.split()
    while words and hasattr(found, "commands"):
        found = found.commands[words.pop(0)]

    options = {option for parameter in found.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options


@pytest.mark.parametrize("command", TO_BE_RUN_AT_ANY_TIME)
def test_what_operators_run_by_the_clock_runs_on_both_databases(command, app):
    assert command in COMMANDS
    ran = app.test_cli_runner().invoke(args=command.split())
    assert ran.exit_code == 0, ran.output


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_only_variables_targets_and_files_that_exist(page):
    text = PAGES[page]
    compose = set(
        re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    )
    variables = (
        {one.name.upper() for one in DECLARATIONS} | {"HOST", "PORT", "WORKERS", "TMPDIR"} | compose
    )

    assert set(re.findall(r"`([A-Z]+(?:_[A-Z]+)*)`", text)) <= variables
    assert set(re.findall(r"(?:`|    |/)make ([a-z-]+)", text)) <= set(
        re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE)
    )
    paths = [
        path
        for path in re.findall(r"`([\w.*-]+(?:/[\w.*-]+)+/?|[\w-]+/)`", text)
        if not path.startswith("instance")
    ]
    assert [
        path
        for path in paths
        if not list(ROOT.glob(path)) and not list((ROOT / "coupon_management_flask").glob(path))
    ] == []
