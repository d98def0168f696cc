"""Run chapters: one worker process each, nothing left behind, whatever happens."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Generator, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any

import psutil

from course_utils.tools import keys, notebooks, records
from course_utils.tools.jobs import Job, environment, spec, unchanged
from course_utils.tools.processes import Tree, hardware
from course_utils.tools.records import Failure, Record

TICK_S = 0.2


@dataclass(frozen=True)
class Progress:
    """Where one job stands.

    Args:
        job: The job.
        state: `"running"`, `"unchanged"`, `"passed"` or `"failed"`.
        done: Code cells that ended well.
        total: Code cells of the notebook; 0 until it is read.
        elapsed_s: Seconds since the start.
        record: The result, once there is one.
    """

    job: Job
    state: str
    done: int = 0
    total: int = 0
    elapsed_s: float = 0.0
    record: Record | None = None


def run(jobs: Iterable[Job], *, workers: int = 1, force: bool = False) -> Generator[Progress]:
    """Run jobs, some at a time, and yield what happens; a failed one does not stop the others.

    Close the iterator (`contextlib.closing`) to stop: workers and kernels end, finished chapters stay.

    Args:
        jobs: From `plan`.
        workers: How many run at a time; changes no number of any chapter.
        force: Run also what is unchanged.
    """
    waiting = deque(jobs)
    tasks: list[_Task] = []
    try:
        while waiting or tasks:
            while waiting and len(tasks) < workers:
                job = waiting.popleft()
                record = None if force else unchanged(job)
                if record:
                    yield Progress(job, "unchanged", record.cells_done, record.cells, 0.0, record)
                else:
                    tasks.append(_start(job))
                    yield tasks[-1].progress("running")
            for task in list(tasks):
                if task.advance(TICK_S / len(tasks)):
                    record = _finish(task)
                    tasks.remove(task)
                    yield task.progress(record.status, record)
                else:
                    yield task.progress("running")
    finally:
        for task in tasks:
            task.stop()


@dataclass
class _Task:
    """A worker at work."""

    job: Job
    process: subprocess.Popen[str]
    tree: Tree
    inbox: queue.SimpleQueue[dict[str, Any] | None]
    listener: threading.Thread
    started: float = field(default_factory=time.monotonic)
    seen: dict[str, Any] = field(default_factory=dict)  # the newest value of each field of the events

    def advance(self, wait_s: float) -> bool:
        """Take in what the worker says for a while; return whether it is done."""
        self.tree.sample()
        until = time.monotonic() + wait_s
        while (left := until - time.monotonic()) > 0:
            try:
                event = self.inbox.get(timeout=left)
            except queue.Empty:
                return False
            if event is None:
                return True
            self.seen.update(event)
        return False

    def progress(self, state: str, record: Record | None = None) -> Progress:
        """Return where the job stands."""
        elapsed_s = time.monotonic() - self.started
        return Progress(
            self.job, state, self.seen.get("done", 0), self.seen.get("total", 0), elapsed_s, record
        )

    def stop(self) -> None:
        """End the worker and all that it started."""
        self.tree.kill()
        self.close()
        self.job.partial.unlink(missing_ok=True)

    def close(self) -> None:
        """Wait for the worker's end and for its last word."""
        self.process.wait()
        self.listener.join()
        assert self.process.stdin is not None
        self.process.stdin.close()


def _start(job: Job) -> _Task:
    job.folder.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(job)
    with job.log.open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "course_utils.tools.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            encoding="utf-8",
            env=environment(job, os.environ),
            start_new_session=True,  # Ctrl-C reaches the runner, which ends its workers in order
        )
    assert process.stdin is not None
    with suppress(OSError):  # a worker that died at once is noticed when its events end
        process.stdin.write(json.dumps(spec(job)) + "\n")
        process.stdin.flush()
    inbox: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
    listener = threading.Thread(target=_listen, args=(process.stdout, inbox), daemon=True)
    listener.start()
    return _Task(job, process, Tree(psutil.Process(process.pid)), inbox, listener)


def _listen(stream: IO[str], inbox: queue.SimpleQueue[dict[str, Any] | None]) -> None:
    with stream:
        for line in stream:
            with suppress(ValueError):  # the last line of a killed worker may be half a line
                inbox.put(json.loads(line))
    inbox.put(None)


def _remove_leftovers(job: Job) -> None:
    """Remove partial notebooks of runners that were killed."""
    for path in job.folder.glob(f".{job.chapter.name}.*.ipynb"):
        pid = path.name.split(".")[-2]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            path.unlink(missing_ok=True)


def _finish(task: _Task) -> Record:
    """Wait for a worker that said its last word, put its notebook in place, keep its record."""
    task.close()
    task.tree.kill()  # what the notebook started and left behind
    job, failure = task.job, _failure(task)
    output = _put_in_place(job, failed=failure is not None)
    notebook = notebooks.read(output) if output else {"cells": []}
    record = Record(
        chapter=job.chapter.name,
        key=job.key,
        status="failed" if failure else "passed",
        profile=job.settings.profile,
        seed=job.settings.seed,
        device=job.settings.device,
        overrides=dict(job.settings.overrides),
        strict=job.strict,
        cells=task.seen.get("total", 0),
        cells_done=task.seen.get("done", 0),
        cpu_s=round(max(sum(task.tree.cpu_s.values()), task.seen.get("cpu_s", 0.0)), 2),
        wall_s=round(time.monotonic() - task.started, 2),
        peak_bytes=task.tree.peak_bytes,
        claims=notebooks.claim_records(notebook),
        stderr=notebooks.stderr_records(notebook),
        failure=failure,
        output=output.name if output else "",
        date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        versions=keys.versions(),
        hardware=hardware(),
    )
    records.write(job.record, record)
    return record


def _failure(task: _Task) -> Failure | None:
    """Return why a job failed; a worker that did not say how it ended failed too."""
    code = task.process.returncode
    died = f"the worker process ended with code {code}; its log: {task.job.log}"
    error = task.seen.get("error", died)
    return Failure(task.seen.get("cell", 0), task.seen.get("line", ""), error) if error else None


def _put_in_place(job: Job, *, failed: bool) -> Path | None:
    """Give the executed notebook its name; a failed one never takes the place of a good one."""
    job.failed_output.unlink(missing_ok=True)
    if not job.partial.exists():
        return None
    target = job.failed_output if failed else job.output
    job.partial.replace(target)
    return target
