"""One process that serves, on every system; it says on stdout when it answers, and ends when it is told to."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import socket
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from PIL import Image

from course_utils.serving.front import Front
from course_utils.serving.store import Store

M_MMAP_THRESHOLD = -3  # of mallopt: bytes from which a block goes back to the system as soon as it is freed


def serve(folder: Path, *, host: str, port: int, threads: int, parent: bool = False) -> None:
    """Serve a bundle or a store until SIGTERM or Ctrl+C.

    Args:
        folder: What is served.
        host: Address to listen on; `"0.0.0.0"` for all.
        port: 0 for any that is free; the line on stdout tells which.
        threads: That answer requests.
        parent: Whether to end also when standard input does, as it does when the process that holds it dies.

    Raises:
        BundleError: If the bundle must not be used.
        OSError: If the port is taken.
    """
    set_up_process()
    store = Store(folder)
    listener = listen(host, port)
    front = Front(store, listener, threads=threads)

    def stop(signum: int, frame: FrameType | None) -> None:
        front.stop()

    for name in ("SIGTERM", "SIGINT", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), stop)
    if parent:
        when_input_ends(front.stop)
    announce(listener.getsockname()[:2], store.current().main.about())
    front.run()


def set_up_process() -> None:
    """Settings of the whole process: how Pillow's warnings are met, and that decoded pictures leave the memory."""
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    warnings.filterwarnings("ignore", category=UserWarning, module="PIL")  # of damaged EXIF; the log is JSON
    with contextlib.suppress(
        AttributeError, OSError, TypeError
    ):  # glibc only: else its threads each keep theirs
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, 1 << 20)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that is bound; Waitress or gunicorn will listen on it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    if os.name != "nt":  # on Windows this would let two servers take one port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise OSError(
            error.errno, f"cannot listen on {host}:{port}: {error.strerror}; choose another --port"
        ) from error
    return listener


def announce(address: tuple[str, int], model: dict[str, str]) -> None:
    """Say in one line of JSON on stdout where the service answers."""
    host, port = address
    name = f"[{host}]" if ":" in host else host
    told = {"url": f"http://{name}:{port}", "pid": os.getpid(), "model": model}
    print(json.dumps(told), flush=True)


def when_input_ends(stop: Callable[[], None]) -> None:
    """Call `stop` from a thread once standard input is closed."""

    def watch() -> None:
        while os.read(0, 1024):
            pass
        stop()

    threading.Thread(target=watch, daemon=True).start()
