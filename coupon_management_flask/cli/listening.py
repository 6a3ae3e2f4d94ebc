"""What a server needs of the machine before it starts: a free port, a folder for metrics."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory, TemporaryFile

import click


def check_port(host: str, port: int) -> None:
    """Refuse an address on which somebody listens, or on which this process may not.

    The server itself would try again for some seconds, and tell of each.

    Raises: ClickException, a sentence for the operator.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in found:
            with socket.socket(family, kind, protocol) as probe:
                # What a server that has ended left behind is no obstacle. One that listens is.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
    except OSError as error:
        raise click.ClickException(
            f"Nothing can listen on {host}:{port} (HOST, PORT): {error.strerror}."
        ) from error


@contextmanager
def metrics_directory() -> Iterator[str]:
    """Make the folder in which the workers of a server count together, or take the one given.

    Raises: ClickException, a sentence for the operator, where nobody can write there.
    """
    given = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    try:
        made = None if given else TemporaryDirectory(prefix="coupon-metrics-")
        directory = given or (made.name if made else "")
        os.makedirs(directory, exist_ok=True)
        with TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise click.ClickException(
            f"The folder for metrics ({given or 'TMPDIR'}) can't be written: {error.strerror}."
        ) from error
    try:
        yield directory
    finally:
        if made is not None:
            made.cleanup()
