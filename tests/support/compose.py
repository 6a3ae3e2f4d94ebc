"""docker-compose.yml as Compose resolves it, without a container engine."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from .server import ROOT, STRONG_KEY

TOOLS = Path(sys.executable).parent
# Compose starts with none of them missing.
SECRETS = {"SECRET_KEY": STRONG_KEY, "POSTGRES_PASSWORD": "p-ss", "REDIS_PASSWORD": "r-ss"}


def compose(folder: Path, text: str) -> "subprocess.CompletedProcess[str]":
    """Run `docker compose config` with that text as .env and nothing from this environment."""
    file = folder / "env"
    file.write_text(text, encoding="utf-8")
    command = [
        TOOLS / "docker-compose",
        "--file",
        ROOT / "docker-compose.yml",
        "--env-file",
        file,
        "config",
        "--format",
        "json",
    ]
    return subprocess.run(
        command,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def resolved_with(folder: Path, text: str) -> Any:
    ran = compose(folder, text)
    assert (ran.returncode, ran.stderr) == (0, "")
    return json.loads(ran.stdout)


def lines(**variables: str) -> str:
    return "".join(f"{name}={value}\n" for name, value in variables.items())
