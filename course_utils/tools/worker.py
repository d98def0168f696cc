"""Execute one notebook: `python -m course_utils.tools.worker`, started by the runner only.

The first line of stdin is the job, as JSON. Progress goes to stdout, a JSON object a line. When stdin ends,
the runner is gone, however it died: the worker then ends its kernel and itself.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import psutil

from course_utils.tools.processes import Tree


@dataclass
class Reporter:
    """Tells the runner which cell is at work, and remembers it.

    Args:
        stream: Where the runner listens.
        cell: The code cell at work, with its number and first line.
        started: All cells that started, by index.
        done: How many ended well.
        tree: All processes that were there at the end of some cell.
    """

    stream: TextIO
    cell: dict[str, Any] = field(default_factory=dict)
    started: dict[int, Any] = field(default_factory=dict)
    done: int = 0
    tree: Tree = field(default_factory=lambda: Tree(psutil.Process()))

    def send(self, event: str, **values: object) -> None:
        """Send one event."""
        print(json.dumps({"event": event, **values}), file=self.stream, flush=True)

    def on_cell_start(self, cell: Any, cell_index: int) -> None:  # noqa: ANN401
        """Note a code cell that starts."""
        if is_executed(cell):
            self.started[cell_index] = cell
            self.cell = {"cell": len(self.started), "line": cell.source.strip().splitlines()[0]}
            self.send("cell", done=self.done, **self.cell)

    def on_cell_executed(self, cell: Any, cell_index: int, execute_reply: dict[str, Any]) -> None:  # noqa: ANN401
        """Count a cell that ended well, and note what it started: nothing may outlive the chapter."""
        self.tree.sample()
        self.done += execute_reply["content"]["status"] == "ok"


def is_executed(cell: Any) -> bool:  # noqa: ANN401
    """Return whether a kernel has something to do with a cell."""
    return bool(cell.cell_type == "code" and cell.source.strip())


def main() -> None:
    """Read the job, execute it, say how it ended."""
    job = json.loads(sys.stdin.readline())
    reporter = Reporter(os.fdopen(os.dup(1), "w", encoding="utf-8"))
    os.dup2(2, 1)  # what kernels and libraries print by themselves goes to the log, not among the events
    threading.Thread(target=_end_with_runner, args=(reporter.tree,), daemon=True).start()
    error = _execute(job, reporter)
    reporter.tree.kill(spare_root=True)
    times = psutil.Process().cpu_times()
    cpu_s = sum(times[:4])  # user, system, and where the platform has them those of ended children
    reporter.send("end", error=error, done=reporter.done, cpu_s=cpu_s, **reporter.cell)
    os._exit(0)  # nothing is left to do: no library's thread may hold up the end


def _end_with_runner(tree: Tree) -> None:
    while os.read(0, 4096):
        pass
    tree.kill(spare_root=True)
    os._exit(1)


def _execute(job: dict[str, Any], reporter: Reporter) -> str:
    """Execute the notebook and write it; return what went wrong, or an empty string."""
    import papermill as pm

    given = {"parameters": job["parameters"], "kernel_name": "python3", "progress_bar": False}
    prepared = pm.execute_notebook(job["input"], None, prepare_only=True, **given)
    total = sum(map(is_executed, prepared.cells))
    reporter.send("start", total=total)
    try:
        pm.execute_notebook(
            job["input"],
            job["output"],
            cwd=job["cwd"],
            execution_timeout=job["cell_timeout"],
            request_save_on_cell_execute=False,
            autosave_cell_every=0,
            on_cell_start=reporter.on_cell_start,
            on_cell_executed=reporter.on_cell_executed,
            **given,
        )
    except pm.exceptions.PapermillExecutionError as error:
        return f"{error.ename}: {error.evalue}".strip()
    except (
        Exception
    ) as error:  # a time-out or a dead kernel: papermill writes no file, so what ran is saved here
        _save(prepared, reporter.started, Path(job["output"]))
        return _reason(error, job["cell_timeout"])
    return "" if reporter.done == total else "the notebook ended itself before its last cell"


def _save(notebook: Any, started: dict[int, Any], path: Path) -> None:  # noqa: ANN401
    import nbformat

    for index, cell in started.items():
        notebook.cells[index] = cell
    nbformat.write(notebook, path)  # type: ignore[no-untyped-call, unused-ignore]


def _reason(error: Exception, cell_timeout: int) -> str:
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    if isinstance(error, CellTimeoutError):
        return f"the cell ran longer than {cell_timeout} s (change the limit with --cell-timeout)"
    if isinstance(error, DeadKernelError):
        return "the kernel died (out of memory, or the cell ended its own process)"
    return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    main()
