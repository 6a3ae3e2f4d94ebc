"""Checkouts to measure: this one, or that of another commit, each running its own code."""

import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy.engine import URL

from tests.support.server import FLASK, ROOT, Server, environment, running_server

WORKERS = 2

# As in production, but for the limits: one machine makes all the load.
ENVIRONMENT = {
    "APP_ENV": "production",
    "SECRET_KEY": "benchmark-secret-key-benchmark-secret-key",
    "RATE_LIMITS_ENABLED": "false",
    "ANTIFRAUD_MAX_PER_MINUTE": "1000000000",
    "PASSWORD_HASH_MEMORY_KIB": "19456",
    "PASSWORD_HASH_ROUNDS": "2",
    "LOG_LEVEL": "INFO",
    # Without a host mails wait: thousands of them, still going out, would disturb what comes next.
    "EMAIL_BACKEND": "smtp",
}


@contextmanager
def other_tree(revision: str) -> Iterator[Path]:
    """Check out a commit in a temporary worktree, which is gone at the end.

    Raises: SystemExit where there is no such commit.
    """
    commit = _git("rev-parse", "--quiet", "--verify", f"{revision}^{{commit}}")
    if not commit:
        raise SystemExit(f"{revision} is no commit.")
    with TemporaryDirectory(prefix="coupons-bench-") as folder:
        tree = Path(folder) / "tree"
        try:
            _git("worktree", "add", "--quiet", "--detach", str(tree), commit)
            if not tree.is_dir():
                raise SystemExit(f"git could not check out {revision}.")
            if (ROOT / ".venv").exists():
                (tree / ".venv").symlink_to(ROOT / ".venv")
            yield tree
        finally:
            _git("worktree", "remove", "--force", str(tree))


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return ran.stdout.strip()


def describe(tree: Path) -> str:
    """Name the commit that a tree stands on, and say whether something in it is changed."""
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    ran = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    return ran.stdout.strip()


def migrations(tree: Path) -> set[str]:
    return {file.name for file in (tree / "migrations" / "versions").glob("*.py")}


def text_of(url: URL) -> str:
    return url.render_as_string(hide_password=False)


def flask(tree: Path, *arguments: str, url: URL) -> str:
    """Run one of a tree's commands, and return what it printed.

    Raises: SystemExit with its output where it failed.
    """
    ran = subprocess.run(
        [*FLASK, *arguments],
        env=environment(text_of(url), **{**ENVIRONMENT, "PYTHONPATH": str(tree)}),
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    if ran.returncode:
        raise SystemExit(f"flask {' '.join(arguments)} has failed:\n{ran.stdout}{ran.stderr}")
    return ran.stdout


def serving(
    tree: Path,
    url: URL,
    redis_url: str,
    command: list[str] | None = None,
    port: int | None = None,
) -> AbstractContextManager[Server]:
    """Start a tree's production server; `command` starts it in another way."""
    # Python looks in the folder that it is started in, and then here: in none but this tree.
    more = {**ENVIRONMENT, "PYTHONPATH": str(tree), "REDIS_URL": redis_url}
    return running_server(
        text_of(url),
        workers=WORKERS,
        command=command,
        port=port,
        checkout=tree,
        **more,
    )
