"""Write the digest of each image behind its tag: `make pin-images`.

A tag may mean another image tomorrow, a digest never does. Docker asks the registry.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILES = ("Dockerfile", "docker-compose.yml")
# An image of somebody else: ours has no tag.
IMAGE = re.compile(
    r"^(?P<before>(?:FROM|\s+image:)\s+)(?P<name>[\w./-]+:[\w.-]+)(?:@sha256:[0-9a-f]{64})?",
    re.MULTILINE,
)
ASK = ("docker", "buildx", "imagetools", "inspect", "--format", "{{json .Manifest}}")


def main() -> int:
    texts = {file: (ROOT / file).read_text(encoding="utf-8") for file in FILES}
    names = {found["name"] for text in texts.values() for found in IMAGE.finditer(text)}
    try:
        digests = {name: digest_of(name) for name in sorted(names)}
    except FileNotFoundError:
        print("Nothing is pinned: docker, which asks the registry, is not installed.")
        return 1
    except (subprocess.SubprocessError, ValueError, KeyError) as error:
        print(f"Nothing is pinned: {sentence(error)}")
        return 1
    for file, text in texts.items():
        pinned = IMAGE.sub(lambda m: f"{m['before']}{m['name']}@{digests[m['name']]}", text)
        (ROOT / file).write_text(pinned, encoding="utf-8")
    for name, digest in digests.items():
        print(f"{name} is {digest}")
    return 0


def digest_of(name: str) -> str:
    ran = subprocess.run([*ASK, name], capture_output=True, text=True, check=True, timeout=60)
    digest = str(json.loads(ran.stdout)["digest"])
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
        raise ValueError(f"{digest} is no digest")
    return digest


def sentence(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        said = (error.stderr or "no reason").strip().splitlines()
        return f"docker can't tell what {error.cmd[-1]} is ({said[0]})."
    if isinstance(error, subprocess.TimeoutExpired):
        return f"the registry did not answer for {error.cmd[-1]}."
    return f"docker answered with something else ({error})."


if __name__ == "__main__":
    sys.exit(main())
