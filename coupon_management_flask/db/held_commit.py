"""The commit of a request's last transaction, held back until its answer is known.

An Idempotency-Key's answer must be stored in the very transaction that did the work, and only the
view knows the answer.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy.orm import Session

from .session import commit_holder, db, transaction


class HeldCommit:
    """A commit that `transaction()` has handed over, or none yet."""

    def __init__(self) -> None:
        self._session: Session | None = None

    def take(self, session: Session) -> None:
        """Take over the commit of a transaction that has just ended."""
        self._session = session

    def settle(self) -> None:
        """Commit what is held, if anything."""
        if self._session is not None:
            session, self._session = self._session, None
            with session:
                session.commit()

    def finish(self, last_words: Callable[[Session], None]) -> None:
        """Run `last_words` in the held transaction, or in one of its own, and commit."""
        if self._session is None:
            with transaction():
                last_words(db.session())
        else:
            last_words(self._session)
        self.settle()

    def drop(self) -> None:
        """Roll back what is held, if anything."""
        if self._session is not None:
            session, self._session = self._session, None
            session.close()


@contextmanager
def held_commit() -> Iterator[HeldCommit]:
    """Have `transaction()` hand its commit over inside the block.

    What is still held when the block ends, however it ends, is rolled back.
    """
    held = HeldCommit()
    token = commit_holder.set(held)
    try:
        yield held
    finally:
        held.drop()
        commit_holder.reset(token)
