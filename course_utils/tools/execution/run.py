"""Run chapters: one worker process each, nothing left behind, whatever happens."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from course_utils.claims import sentence
from course_utils.tools import bounds, notebooks
from course_utils.tools.execution import faults, keys, records
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
                elif isinstance(begun := _begin(job), Progress):
                    yield begun
                else:
                    tasks.append(begun)
            for task in list(tasks):
                yield task.look()
                if task.process.poll() is not None:
                    yield _end(task)
                    tasks.remove(task)
            time.sleep(TICK_S if tasks else 0)
    finally:
        for task in tasks:
            task.stop()


@dataclass
class _Task:
    """A worker at work, which writes the notebook into a folder of its own and tells how far it is."""

    job: Job
    folder: TemporaryDirectory[str]
    process: subprocess.Popen[bytes]
    tree: Tree
    started: float = field(default_factory=time.monotonic)
    seen: dict[str, Any] = field(default_factory=dict)  # the newest value of each field of the events

    def __post_init__(self) -> None:
        """Take in what the worker tells, as long as it lives."""
        self.listener = threading.Thread(target=self._listen, daemon=True)
        self.listener.start()

    def _listen(self) -> None:
        for line in self.process.stdout or ():
            with suppress(ValueError):  # the half line of a worker that was killed
                self.seen.update(json.loads(line))

    def look(self) -> Progress:
        """Measure the worker and return where the job stands."""
        self.tree.sample()
        done, total = self.seen.get("done", 0), self.seen.get("total", 0)
        return Progress(self.job, "running", done, total, time.monotonic() - self.started)

    def stop(self) -> None:
        """End the worker and all that it started."""
        self.tree.kill()
        self.process.wait()
        self.listener.join(5)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()
        self.folder.cleanup()


def _begin(job: Job) -> _Task | Progress:
    """Start a job, or say why it cannot be started."""
    if job.problem:
        return _failed(job, Failure(0, "", job.problem))
    try:
        return _start(job)
    except OSError as error:
        return _failed(job, Failure(0, "", faults.unwritable(error, job.folder)))


def _end(task: _Task) -> Progress:
    """Finish a job; where its notebook or record cannot be written, that is its failure."""
    try:
        task.listener.join(5)  # for what the worker told last
        return _finish(task)
    except OSError as error:
        failure = _failure(task) or Failure(0, faults.WRITING, faults.unwritable(error, task.job.folder))
        return _failed(task.job, failure, task.look())
    finally:
        task.stop()  # also what the notebook started and left behind


def _failed(job: Job, failure: Failure, end: Progress | None = None) -> Progress:
    """Return the failure of a job that left nothing behind but its reason, and keep that where possible."""
    end = end or Progress(job, "failed")
    record = _record(job, end, failure=failure)
    with suppress(OSError):
        job.folder.mkdir(parents=True, exist_ok=True)
        records.write(job.record, record)
    return replace(end, state="failed", record=record)


def _start(job: Job) -> _Task:
    job.folder.mkdir(parents=True, exist_ok=True)
    folder = TemporaryDirectory(prefix=f".{job.chapter.name}.", dir=job.folder, ignore_cleanup_errors=True)
    with job.log.open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "course_utils.tools.execution.worker", json.dumps(spec(job, folder.name))],
            stdin=subprocess.PIPE,  # its end tells the worker that the runner is gone
            stdout=subprocess.PIPE,  # how far it is
            stderr=log,
            env=environment(job, os.environ),
            start_new_session=True,  # Ctrl-C reaches the runner, which ends its workers in order
        )
    return _Task(job, folder, process, Tree(psutil.Process(process.pid)))


def _finish(task: _Task) -> Progress:
    """Put the notebook of a worker that ended in place and keep its record."""
    end, job, failure = task.look(), task.job, _failure(task)
    written = Path(task.folder.name, "notebook.ipynb")
    notebook = notebooks.read(written) if written.exists() else {"cells": []}
    made = bounds.claim_records(notebook)
    failure = failure or (_broken(made) if job.way.strict else None)
    output = _put_in_place(job, written, failed=failure is not None)
    record = _record(
        job,
        end,
        failure=failure,
        cpu_s=round(max(sum(task.tree.cpu_s.values()), task.seen.get("cpu_s", 0.0)), 2),
        peak_bytes=task.tree.peak_bytes,
        claims=made,
        stderr=notebooks.stderr_records(notebook),
        output=output.name if output else "",
    )
    records.write(job.record, record)
    return replace(end, state=record.status, record=record)


def _record(
    job: Job,
    end: Progress,
    *,
    failure: Failure | None,
    cpu_s: float = 0.0,
    peak_bytes: int = 0,
    claims: Sequence[dict[str, Any]] = (),
    stderr: Sequence[dict[str, Any]] = (),
    output: str = "",
) -> Record:
    return Record(
        chapter=job.chapter.name,
        key=job.key,
        status="failed" if failure else "passed",
        **job.parameters,
        strict=job.way.strict,
        cells=end.total,
        cells_done=end.done,
        cpu_s=cpu_s,
        wall_s=round(end.elapsed_s, 2),
        peak_bytes=peak_bytes,
        claims=list(claims),
        stderr=list(stderr),
        failure=failure,
        output=output,
        date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        versions=keys.versions(),
        hardware=hardware(),
    )


def _failure(task: _Task) -> Failure | None:
    """Return why a job failed; a worker that did not say how it ended failed too."""
    error = task.seen.get("error", faults.ended(task.process.returncode, task.job.log))
    return Failure(task.seen.get("cell", 0), task.seen.get("line", ""), error) if error else None


def _broken(made: list[dict[str, Any]]) -> Failure | None:
    """Return the failure of a run that made all its claims and some of them do not hold."""
    sentences = [sentence(claim) for claim in made if claim["verdict"] == "broken"]
    return Failure(0, "after its last cell", "\n".join(sentences)) if sentences else None


def _put_in_place(job: Job, written: Path, *, failed: bool) -> Path | None:
    """Give the executed notebook its name; a failed one never takes the place of a good one."""
    job.failed_output.unlink(missing_ok=True)
    return written.replace(job.failed_output if failed else job.output) if written.exists() else None
