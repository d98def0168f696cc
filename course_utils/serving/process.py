"""The real service as a process of its own, for lessons, tests and benchmarks; it ends when its owner does."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from pathlib import Path
from types import TracebackType

START_S, STOP_S, LINES = 60.0, 30.0, 10_000


class ServerProcess:
    """`python -m course_utils.serving BUNDLE`, on a free port of this machine, from `with` to its end.

    Args:
        folder: A bundle or a store.
        workers: Processes.
        threads: Of each.

    Raises:
        RuntimeError: If it does not answer; the text has the end of what it said.

    See: chapter 06, "From script to service".
    """

    def __init__(self, folder: Path, *, workers: int = 1, threads: int = 4) -> None:
        """Start it and wait until it answers."""
        began = time.perf_counter()
        words = ["--port", "0", "--workers", str(workers), "--threads", str(threads), "--parent"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "course_utils.serving", str(folder), *words],
            stdin=subprocess.PIPE,  # closed by the system when this process dies: then the service ends too
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self.pid = self._process.pid
        self.log: deque[str] = deque(maxlen=LINES)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        assert self._process.stdout
        line = self._process.stdout.readline()
        self.url = str(json.loads(line)["url"]) if line else ""
        try:
            self._wait()
        except RuntimeError:
            self._process.kill()
            self.stop()
            raise
        self.seconds = time.perf_counter() - began

    def stop(self) -> int:
        """Ask it to stop, wait until it has, and return its exit code: 0 if all went in order."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
        code = self._process.wait()
        self._reader.join(5)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            assert pipe
            pipe.close()
        return code

    def __enter__(self) -> ServerProcess:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        self.stop()

    def _read(self) -> None:
        assert self._process.stderr
        for line in self._process.stderr:
            self.log.append(line.rstrip("\n"))

    def _wait(self) -> None:
        until = time.monotonic() + START_S
        while time.monotonic() < until and self._process.poll() is None and self.url:
            try:
                with urllib.request.urlopen(f"{self.url}/ready", timeout=5):
                    return
            except OSError:
                time.sleep(0.02)
        self._reader.join(1)
        said = "\n".join(list(self.log)[-10:])
        raise RuntimeError(f"the service did not start (exit code {self._process.poll()}):\n{said}")
