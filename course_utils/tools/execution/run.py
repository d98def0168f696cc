"""Run chapters: one worker process each, nothing left behind, whatever happens."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Generator, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from course_utils.claims import sentence
from course_utils.tools import bounds, notebooks
from course_utils.tools.execution import keys, records
from course_utils.tools.execution.plan import Job, environment, spec, unchanged
from course_utils.tools.execution.records import Failure, Record
from course_utils.tools.execution.watch import Tree, hardware

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
                if record := None if force else unchanged(job):
                    yield Progress(job, "unchanged", record.cells_done, record.cells, 0.0, record)
                else:
                    tasks.append(_start(job))
            for task in list(tasks):
                yield task.look()
                if task.process.poll() is not None:
                    yield _finish(task)
                    tasks.remove(task)
            time.sleep(TICK_S if tasks else 0)
    finally:
        for task in tasks:
            task.stop()


@dataclass
class _Task:
    """A worker at work in a folder of its own, where it writes the notebook and how far it is."""

    job: Job
    folder: TemporaryDirectory[str]
    process: subprocess.Popen[bytes]
    tree: Tree
    started: float = field(default_factory=time.monotonic)
    seen: dict[str, Any] = field(default_factory=dict)  # the newest value of each field of the events

    def look(self) -> Progress:
        """Measure the worker, take in what it has written, and return where the job stands."""
        self.tree.sample()
        with suppress(OSError, ValueError):  # not begun yet, or the last line is half a line
            for line in Path(self.folder.name, "progress").read_text(encoding="utf-8").splitlines():
                self.seen.update(json.loads(line))
        done, total = self.seen.get("done", 0), self.seen.get("total", 0)
        return Progress(self.job, "running", done, total, time.monotonic() - self.started)

    def stop(self) -> None:
        """End the worker and all that it started."""
        self.tree.kill()
        self.process.communicate()
        self.folder.cleanup()


def _start(job: Job) -> _Task:
    job.folder.mkdir(parents=True, exist_ok=True)
    folder = TemporaryDirectory(prefix=f".{job.chapter.name}.", dir=job.folder, ignore_cleanup_errors=True)
    with job.log.open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "course_utils.tools.execution.worker", json.dumps(spec(job, folder.name))],
            stdin=subprocess.PIPE,  # its end tells the worker that the runner is gone
            stdout=log,
            stderr=log,
            env=environment(job, os.environ),
            start_new_session=True,  # Ctrl-C reaches the runner, which ends its workers in order
        )
    return _Task(job, folder, process, Tree(psutil.Process(process.pid)))


def _finish(task: _Task) -> Progress:
    """Put the notebook of a worker that ended in place, keep its record, and clear up."""
    end, job, failure = task.look(), task.job, _failure(task)
    written = Path(task.folder.name, "notebook.ipynb")
    notebook = notebooks.read(written) if written.exists() else {"cells": []}
    made = bounds.claim_records(notebook)
    failure = failure or (_broken(made) if job.way.strict else None)
    output = _put_in_place(job, written, failed=failure is not None)
    record = Record(
        chapter=job.chapter.name,
        key=job.key,
        status="failed" if failure else "passed",
        **job.parameters,
        strict=job.way.strict,
        cells=end.total,
        cells_done=end.done,
        cpu_s=round(max(sum(task.tree.cpu_s.values()), task.seen.get("cpu_s", 0.0)), 2),
        wall_s=round(end.elapsed_s, 2),
        peak_bytes=task.tree.peak_bytes,
        claims=made,
        stderr=notebooks.stderr_records(notebook),
        failure=failure,
        output=output.name if output else "",
        date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        versions=keys.versions(),
        hardware=hardware(),
    )
    records.write(job.record, record)
    task.stop()  # what the notebook started and left behind
    return Progress(job, record.status, end.done, end.total, end.elapsed_s, record)


def _failure(task: _Task) -> Failure | None:
    """Return why a job failed; a worker that did not say how it ended failed too."""
    died = f"the worker process ended with code {task.process.returncode}; its log: {task.job.log}"
    error = task.seen.get("error", died)
    return Failure(task.seen.get("cell", 0), task.seen.get("line", ""), error) if error else None


def _broken(made: list[dict[str, Any]]) -> Failure | None:
    """Return the failure of a run that made all its claims and some of them do not hold."""
    sentences = [sentence(claim) for claim in made if claim["verdict"] == "broken"]
    return Failure(0, "after its last cell", "\n".join(sentences)) if sentences else None


def _put_in_place(job: Job, written: Path, *, failed: bool) -> Path | None:
    """Give the executed notebook its name; a failed one never takes the place of a good one."""
    job.failed_output.unlink(missing_ok=True)
    return written.replace(job.failed_output if failed else job.output) if written.exists() else None
