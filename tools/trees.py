"""Git revisions as folders, which is what both rulers read."""

import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "coupon_management_flask"
TEST_TOOLS = "tests/tools/node_modules"


@contextmanager
def checked_out(revision: str) -> Iterator[Path]:
    """Check a revision out into a temporary worktree, and remove it at the end."""
    with tempfile.TemporaryDirectory(prefix="ruler-") as parent:
        folder = Path(parent) / "tree"
        try:
            git("worktree", "add", "--quiet", "--detach", str(folder), revision)
            # Tests run in it, with what is installed here.
            (folder / ".venv").symlink_to(Path(sys.prefix).resolve())
            if (ROOT / TEST_TOOLS).exists():
                (folder / TEST_TOOLS).symlink_to((ROOT / TEST_TOOLS).resolve())
            yield folder
        finally:
            # Git may have been interrupted before it knew of the worktree.
            git("worktree", "remove", "--force", str(folder), check=False)
            shutil.rmtree(folder, ignore_errors=True)


def working_tree() -> str:
    """Name a commit of the working tree as it is now: its tracked files, changed ones included."""
    return git("stash", "create").strip() or git("rev-parse", "HEAD").strip()


def git(*arguments: str, check: bool = True) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if check and ran.returncode:
        raise SystemExit(f"git {' '.join(arguments)}: {ran.stderr.strip()}")
    return ran.stdout


def end_as_interrupted() -> None:
    """Make SIGTERM end the program as Ctrl-C does, so that worktrees are removed."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def python_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if path.is_file())
