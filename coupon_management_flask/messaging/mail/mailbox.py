"""Development's mailbox on disk: the mails that were sent nowhere."""

import mailbox
from contextlib import suppress
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

from flask import current_app

KEEPS = 200


@dataclass(frozen=True, slots=True)
class Kept:
    """A mail of the mailbox and the key by which it is found again."""

    key: str
    message: EmailMessage


def kept() -> list[Kept]:
    """Return the mails, newest first."""
    found = []
    for path in _newest_first(_box()):
        # Another process may just have deleted it.
        with suppress(FileNotFoundError):
            found.append(Kept(path.name, message_from_bytes(path.read_bytes(), policy=default)))
    return found


def find(key: str) -> EmailMessage | None:
    """Return the mail that has this key, or None where it is not there any more."""
    try:
        return message_from_bytes(_box().get_bytes(key), policy=default)
    except (KeyError, FileNotFoundError):
        return None


def keep(written: bytes) -> None:
    """Put a mail into the mailbox, and delete the oldest beyond KEEPS."""
    box = _box()
    box.add(written)
    for path in _newest_first(box)[KEEPS:]:
        box.discard(path.name)


def _box() -> mailbox.Maildir:
    # Maildir makes its folders too, but fails where two processes do so at one moment.
    for name in ("tmp", "new", "cur"):
        (_folder() / name).mkdir(parents=True, exist_ok=True)
    return mailbox.Maildir(_folder())


def _folder() -> Path:
    return Path(current_app.instance_path) / "mailbox"


def _newest_first(box: mailbox.Maildir) -> list[Path]:
    ages = {}
    for key in box.iterkeys():
        path = _folder() / "new" / key
        with suppress(FileNotFoundError):
            ages[path] = path.stat().st_mtime_ns
    return sorted(ages, key=lambda path: (ages[path], path.name), reverse=True)
