"""Measure a process and all that it started, and end them together."""

from __future__ import annotations

import os
import platform
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import psutil


class Stopped(BaseException):
    """The user or the system asks the command to end."""


@dataclass
class Tree:
    """A process with its descendants: a kernel is a grandchild of the command that runs a chapter.

    Args:
        root: The first process of the tree.
        cpu_s: Last known user + system seconds of each process; the ended ones stay.
        peak_bytes: The largest sum of resident memory seen.
    """

    root: psutil.Process
    cpu_s: dict[psutil.Process, float] = field(default_factory=dict)
    peak_bytes: int = 0

    def sample(self) -> None:
        """Look at each process once."""
        resident = 0
        for process in self._members():
            with suppress(psutil.Error), process.oneshot():
                times = process.cpu_times()
                resident += process.memory_info().rss
                self.cpu_s[process] = times.user + times.system
        self.peak_bytes = max(self.peak_bytes, resident)

    def kill(self, *, spare_root: bool = False) -> None:
        """End every process of the tree, also those whose parent is gone.

        Args:
            spare_root: End the descendants only.
        """
        ended = {self.root} if spare_root else set()
        while alive := [process for process in self._members() if process not in ended]:
            for process in alive:
                with suppress(psutil.Error):
                    process.kill()
                ended.add(process)

    def _members(self) -> set[psutil.Process]:
        found = {process for process in list(self.cpu_s) if process.is_running()}
        with suppress(psutil.Error):
            found |= {self.root, *self.root.children(recursive=True)}
        return found


@contextmanager
def stoppable() -> Iterator[None]:
    """Turn SIGINT and SIGTERM into `Stopped`, once."""
    numbers = (signal.SIGINT, signal.SIGTERM)

    def stop(number: int, frame: FrameType | None) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        raise Stopped(number)

    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def hardware() -> dict[str, str | int]:
    """Return what a measured time depends on: processor, cores, memory, GPU."""
    found: dict[str, str | int] = {
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "system": platform.system(),
    }
    gpu = _gpu()
    return {**found, "gpu": gpu} if gpu else found


def _processor() -> str:
    with suppress(OSError):  # Linux leaves platform.processor() empty
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _gpu() -> str:
    command = shutil.which("nvidia-smi")
    if not command:
        return ""
    asked = [command, "--query-gpu=name", "--format=csv,noheader"]
    with suppress(OSError, subprocess.SubprocessError):
        return subprocess.run(asked, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    return ""
