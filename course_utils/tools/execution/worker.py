"""Execute one notebook: `python -m course_utils.tools.execution.worker JOB`, started by the runner only.

JOB is JSON. The executed notebook goes into the job's folder, whole or not at all; how far it is goes to stdout, a
JSON object a line, which needs no disk. When stdin ends, the runner is gone, however it died: the worker then ends
its kernel and itself.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from pathlib import Path
from typing import Any, TextIO

import psutil

from course_utils.tools.execution import faults
from course_utils.tools.execution.watch import Tree


class Reporter:
    """Tells the runner which cell is at work, and remembers what started."""

    def __init__(self, news: TextIO) -> None:
        """Write there."""
        self.news = news
        self.started: dict[int, Any] = {}  # code cells, by index
        self.done = 0  # code cells that ended well
        self.tree = Tree(psutil.Process())  # all processes that were there at the end of some cell

    def tell(self, **news: object) -> None:
        """Add a line for the runner."""
        print(json.dumps({"done": self.done, **news}), file=self.news, flush=True)

    def on_cell_start(self, cell: Any, cell_index: int) -> None:  # noqa: ANN401
        """Note a code cell that starts."""
        if is_executed(cell):
            self.started[cell_index] = cell
            self.tell(cell=len(self.started), line=cell.source.strip().splitlines()[0])

    def on_cell_executed(self, cell: Any, cell_index: int, execute_reply: dict[str, Any]) -> None:  # noqa: ANN401
        """Count a cell that ended well, and note what it started: nothing may outlive the chapter."""
        self.tree.sample()
        self.done += execute_reply["content"]["status"] == "ok"


def is_executed(cell: Any) -> bool:  # noqa: ANN401
    """Return whether a kernel has something to do with a cell."""
    return bool(cell.cell_type == "code" and cell.source.strip())


def main(job: dict[str, Any]) -> None:
    """Execute a job and say how it ended."""
    folder = Path(job["folder"])
    reporter = Reporter(os.fdopen(os.dup(1), "w", encoding="utf-8"))
    os.dup2(2, 1)  # what libraries and the kernel print goes to the log
    threading.Thread(target=_end_with_runner, args=(reporter.tree, folder), daemon=True).start()
    part = folder / "part.ipynb"
    try:
        error = _execute(job, reporter, part)
        if part.exists():
            part.replace(folder / "notebook.ipynb")
    except OSError as fault:
        error = faults.unwritable(fault, folder.parent)
        part.unlink(missing_ok=True)  # half a notebook: its room is needed for the record
        reporter.tell(cell=0, line=faults.WRITING if reporter.done else "")  # no cell is to blame
    reporter.tree.kill()
    times = (
        psutil.Process().cpu_times()
    )  # user, system, and those of ended children where the platform has them
    reporter.tell(error=error, cpu_s=sum(times[:4]))
    os._exit(0)  # nothing is left to do: no library's thread may hold up the end


def _end_with_runner(tree: Tree, folder: Path) -> None:
    sys.stdin.read()
    tree.kill()
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


def _execute(job: dict[str, Any], reporter: Reporter, output: Path) -> str:
    """Execute the notebook and write it; return what went wrong, or an empty string."""
    import nbformat
    import papermill as pm

    given = {"parameters": job["parameters"], "kernel_name": "python3", "progress_bar": False}
    callbacks = {"on_cell_start": reporter.on_cell_start, "on_cell_executed": reporter.on_cell_executed}
    limits = {"execution_timeout": job["cell_timeout"], "cwd": job["cwd"]}
    once = {"request_save_on_cell_execute": False, "autosave_cell_every": 0}  # saved at the end
    prepared = None
    try:
        prepared = pm.execute_notebook(job["input"], None, prepare_only=True, **given)
        total = sum(map(is_executed, prepared.cells))
        reporter.tell(total=total)
        pm.execute_notebook(job["input"], output, **given, **callbacks, **limits, **once)
    except pm.exceptions.PapermillExecutionError as error:
        return faults.in_kernel(error.ename, error.evalue)
    except Exception as error:  # a time-out or a dead kernel: papermill writes no file
        if isinstance(error, OSError) and faults.is_unwritable(error):
            raise
        if prepared:
            prepared.cells = [reporter.started.get(i, cell) for i, cell in enumerate(prepared.cells)]
            nbformat.write(prepared, output)  # type: ignore[no-untyped-call, unused-ignore]
        return faults.of_kernel(error, job["cell_timeout"])
    return "" if reporter.done == total else "the notebook ended itself before its last cell"


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
