"""Measure a process and all that it started, and end them together."""

from __future__ import annotations

import os
import platform
import re
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

    def kill(self) -> None:
        """End every process of the tree but the one that asks, also those whose parent is gone."""
        ended = {psutil.Process()}
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
    ask = "nvidia-smi --query-gpu=name --format=csv,noheader"
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "system": platform.system(),
        "gpu": subprocess.getoutput(ask) if shutil.which("nvidia-smi") else "none",
    }


def _processor() -> str:
    listed = Path("/proc/cpuinfo")  # platform.processor() is empty on Linux
    named = re.search("model name\\s*: (.*)", listed.read_text("utf-8")) if listed.exists() else None
    return named[1] if named else platform.processor() or platform.machine()
