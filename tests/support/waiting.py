import time
from collections.abc import Callable


def wait_until(happened: Callable[[], object], what: str, seconds: float = 60) -> None:
    """Return as soon as it has happened. Fail if it has not happened in time."""
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} seconds in vain: {what}")
        time.sleep(0.02)
