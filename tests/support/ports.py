import socket


def free_port() -> int:
    """Return a loopback port on which nobody is listening at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
