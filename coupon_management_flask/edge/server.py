"""The server: gunicorn, which keeps the processes, with workers that run the edge's loop."""

import asyncio
import os
import resource
import signal
from contextlib import suppress
from dataclasses import replace
from typing import cast

import uvloop
from gunicorn.app.base import BaseApplication
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.workers.base import Worker
from werkzeug.utils import import_string

from .answer import Application
from .limits import Limits, PlainRules
from .loop import Edge

# A worker whose loop does not turn for so long is replaced.
STUCK_SECONDS = 120
# A worker that is to stop has so long for what it has begun.
GRACE_SECONDS = 60
# Descriptors that are not clients': databases, files, logs.
OTHER_DESCRIPTORS = 512
MOST_DESCRIPTORS = 65_536


class EdgeWorker(Worker):
    """A process: it loads the application, and serves until it is told to stop."""

    app: "Server"

    def init_signals(self) -> None:
        super().init_signals()
        # The loop wakes itself up.
        signal.set_wakeup_fd(-1)

    def handle_exit(self, *_: object) -> None:
        """Finish what has begun. SIGTERM asks for it."""
        self.alive = False

    def run(self) -> None:
        application = self.wsgi
        rules = getattr(application, "extensions", {}).get("edge_rules") or PlainRules()
        edge = Edge(application, rules, self.app.limits, self.app.threads)
        listeners = [listener.sock for listener in self.sockets]
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(edge.serve(listeners, self._tick))

    def _tick(self) -> bool:
        self.notify()
        # Its master may have been killed.
        return self.alive and os.getppid() == self.ppid


class Server(BaseApplication):
    """The processes. Each loads the application, whose name is `target`, by itself."""

    def __init__(
        self,
        target: str,
        host: str,
        port: int,
        *,
        workers: int,
        threads: int,
        limits: Limits,
        log_level: str,
        is_factory: bool = False,
    ) -> None:
        self._target = target
        self._is_factory = is_factory
        self.threads = threads
        connections = _descriptors() - OTHER_DESCRIPTORS
        self.limits = replace(
            limits,
            memory=limits.memory // workers,
            disk=limits.disk // workers,
            connections=min(limits.connections, max(connections, OTHER_DESCRIPTORS)),
        )
        address = f"[{host}]" if ":" in host else host
        self._options = {
            "bind": f"{address}:{port}",
            "workers": workers,
            "worker_class": EdgeWorker,
            "timeout": STUCK_SECONDS,
            "graceful_timeout": GRACE_SECONDS,
            "control_socket_disable": True,
            "logger_class": _Log,
            "loglevel": log_level,
            "errorlog": None,
        }
        super().__init__()

    def load(self) -> Application:
        found = import_string(self._target)
        return cast(Application, found() if self._is_factory else found)

    def load_config(self) -> None:
        for name, value in self._options.items():
            self.cfg.set(name, value)


class _Log(Logger):
    """What gunicorn has to say goes where all other lines go, and looks like them."""

    def setup(self, cfg: Config) -> None:
        super().setup(cfg)
        self.error_log.propagate = True


def _descriptors() -> int:
    """Allow this process and its workers as many open files as the system lets them have."""
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_DESCRIPTORS if most == resource.RLIM_INFINITY else min(most, MOST_DESCRIPTORS)
    # Some systems have a limit that they don't tell.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(now, wanted), most))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
