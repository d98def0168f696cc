"""Execute one notebook: `python -m course_utils.tools.execution.worker JOB`, started by the runner only.

JOB is JSON. Into the job's folder go the executed notebook and the progress, a JSON object a line. When stdin
ends, the runner is gone, however it died: the worker then ends its kernel and itself.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from pathlib import Path
from typing import Any

import psutil

from course_utils.tools.execution.watch import Tree

REASONS = {
    "CellTimeoutError": "the cell ran longer than {cell_timeout} s (change the limit with --cell-timeout)",
    "DeadKernelError": "the kernel died (out of memory, or the cell ended its own process)",
}


class Reporter:
    """Tells the runner which cell is at work, and remembers what started."""

    def __init__(self, file: Path) -> None:
        """Write into this file."""
        self.file = file
        self.started: dict[int, Any] = {}  # code cells, by index
        self.done = 0  # code cells that ended well
        self.tree = Tree(psutil.Process())  # all processes that were there at the end of some cell

    def tell(self, **news: object) -> None:
        """Add a line for the runner."""
        with self.file.open("a", encoding="utf-8") as file:
            print(json.dumps({"done": self.done, **news}), file=file)

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
    reporter = Reporter(folder / "progress")
    threading.Thread(target=_end_with_runner, args=(reporter.tree, folder), daemon=True).start()
    error = _execute(job, reporter, folder / "notebook.ipynb")
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
    prepared = pm.execute_notebook(job["input"], None, prepare_only=True, **given)
    total = sum(map(is_executed, prepared.cells))
    reporter.tell(total=total)
    try:
        pm.execute_notebook(job["input"], output, **given, **callbacks, **limits, **once)
    except pm.exceptions.PapermillExecutionError as error:
        return f"{error.ename}: {error.evalue}".strip()
    except Exception as error:  # a time-out or a dead kernel: papermill writes no file
        prepared.cells = [reporter.started.get(index, cell) for index, cell in enumerate(prepared.cells)]
        nbformat.write(prepared, output)  # type: ignore[no-untyped-call, unused-ignore]
        kind = type(error).__name__
        return REASONS[kind].format(**job) if kind in REASONS else f"{kind}: {error}"
    return "" if reporter.done == total else "the notebook ended itself before its last cell"


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
