"""Several processes behind one address: gunicorn starts and replaces them, each runs Waitress on gunicorn's socket.

gunicorn's own workers read from the client in the thread that answers, so that a few slow clients stop them; Waitress
reads in its loop. gunicorn, not Waitress, knows how to keep processes alive.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.workers.base import Worker
from prometheus_client import multiprocess

from course_utils.serving.front import Front
from course_utils.serving.server import announce, listen, set_up_process, when_input_ends
from course_utils.serving.store import Store, about_served

STOP_S = 30


class _Worker(Worker):  # type: ignore[misc]
    """A process that answers with Waitress."""

    def run(self) -> None:
        folder, threads = self.wsgi
        set_up_process()
        front = Front(Store(folder), self.sockets[0].sock, threads=threads)

        def tick() -> None:
            self.notify()
            if not self.alive or os.getppid() != self.ppid:
                front.stop()

        front.run(tick)


class _Supervisor(BaseApplication):  # type: ignore[misc]
    """gunicorn, told what to run without a configuration file or a command line."""

    def __init__(self, settings: dict[str, Any], served: tuple[Path, int]) -> None:
        self.settings, self.served = settings, served
        super().__init__()

    def load_config(self) -> None:
        for name, value in self.settings.items():
            if name in self.cfg.settings:  # gunicorn before 25 has no control socket to switch off
                self.cfg.set(name, value)

    def load(self) -> tuple[Path, int]:
        return self.served


def _forget(server: object, worker: Worker) -> None:
    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def serve(folder: Path, *, host: str, port: int, threads: int, workers: int, parent: bool = False) -> None:
    """Serve a bundle or a store in several processes; arguments and errors as `server.serve` has them.

    Args:
        folder: What is served.
        host: Address to listen on.
        port: 0 for any that is free.
        threads: That answer requests, in each process.
        workers: Processes.
        parent: Whether to end also when standard input does.
    """
    # Not loaded here: ONNX Runtime's threads would not survive the fork.
    model, listener = about_served(folder), listen(host, port)
    address = listener.getsockname()[:2]
    own = os.getpid()
    if parent:
        when_input_ends(lambda: os.kill(own, signal.SIGTERM))

    def ready(server: object) -> None:
        announce(address, model)

    settings = {
        "bind": f"fd://{listener.detach()}",
        "workers": workers,
        "worker_class": _Worker,
        "timeout": STOP_S,
        "graceful_timeout": STOP_S,
        "loglevel": "warning",
        "when_ready": ready,
        "child_exit": _forget,
        "control_socket_disable": True,
    }
    _Supervisor(settings, (folder, threads)).run()
