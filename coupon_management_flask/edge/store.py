"""Bodies and large answers while they wait: in memory, or in a temporary file."""

import io
from tempfile import TemporaryFile
from typing import BinaryIO

# More than this of one body or answer is kept on disk.
IN_MEMORY = 256 * 1024


class Full(Exception):
    """There is no room left."""


class Budget:
    """What all stores of a worker may take together. Only the loop's thread uses it."""

    def __init__(self, memory: int, disk: int) -> None:
        self.memory = memory
        self.disk = disk


class Store:
    """Bytes that are written once and then read.

    Raises:
        Full: There is neither memory nor disk for them.
    """

    __slots__ = ("_budget", "_disk", "_memory", "file", "size")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._memory = self._disk = self.size = 0
        self.file: BinaryIO = io.BytesIO()

    def write(self, piece: bytes) -> None:
        if not self._disk:
            if self.size + len(piece) <= IN_MEMORY and len(piece) <= self._budget.memory:
                self._budget.memory -= len(piece)
                self._memory += len(piece)
                self.file.write(piece)
                self.size += len(piece)
                return
            self._move_to_disk()
        self._take_disk(len(piece))
        self._write_to_disk(piece)
        self.size += len(piece)

    def _write_to_disk(self, piece: bytes) -> None:
        try:
            written = self.file.write(piece)
        except OSError as error:
            raise Full from error
        if written < len(piece):
            raise Full

    def _take_disk(self, size: int) -> None:
        if size > self._budget.disk:
            raise Full
        self._budget.disk -= size
        self._disk += size

    def _move_to_disk(self) -> None:
        self._take_disk(self.size)
        with self.rewind() as held:
            written = held.read()
        try:
            # Unbuffered: a buffer for each would be memory that nobody has counted.
            self.file = TemporaryFile(buffering=0)  # noqa: SIM115 - `close` closes it
        except OSError as error:
            raise Full from error
        self._write_to_disk(written)
        self._budget.memory += self._memory
        self._memory = 0

    def rewind(self) -> BinaryIO:
        """Return what was written, to be read from its beginning."""
        self.file.seek(0)
        return self.file

    def close(self) -> None:
        self.file.close()
        self._budget.memory += self._memory
        self._budget.disk += self._disk
        self._memory = self._disk = 0
