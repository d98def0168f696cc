"""Read notebooks, and put them into the form that is kept in git.

Notebooks are plain dictionaries here, as JSON has them: nbformat is loaded only where one is written.
"""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

from course_utils.tools.tree import CourseError, write_text

Notebook = dict[str, Any]
PARTS = {"cell_type", "metadata", "source"}
KEPT = {"nbval-check-output", "keep_output"}
FOLDED = {"colab", "setup", "claim", "check", "widget", "hide-input"}
"""Tags of cells whose code is out of the learner's way: plumbing, drawing, bookkeeping."""
WORDS_A_MINUTE, EXERCISE_MINUTES = 200, 5
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def read(path: Path) -> Notebook:
    """Return a notebook.

    Raises:
        CourseError: If the file is no notebook of format 4.
    """
    try:
        notebook: Notebook = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        restore = "take it from git again (`git checkout -- FILE`) or run its chapter again"
        raise CourseError(f"{path} cannot be read as a notebook ({error}); {restore}") from error
    cells = notebook.get("cells") if isinstance(notebook, dict) and notebook.get("nbformat") == 4 else None
    if not isinstance(cells, list) or not all(isinstance(c, dict) and c.keys() >= PARTS for c in cells):
        raise CourseError(f"{path} is no notebook of format 4; open and save it in JupyterLab")
    return notebook


def text(notebook: Notebook) -> str:
    """Return the one text of a notebook: the same notebook gives the same bytes."""
    import nbformat

    node = nbformat.from_dict(notebook)  # type: ignore[no-untyped-call, unused-ignore]
    nbformat.validate(node)
    written: str = nbformat.writes(node)  # type: ignore[no-untyped-call, unused-ignore]
    return written.rstrip("\n") + "\n"


def source(cell: dict[str, Any]) -> str:
    """Return the text of a cell, which the file may hold as a list of lines."""
    return joined(cell["source"])


def tags(cell: dict[str, Any]) -> list[str]:
    """Return the tags of a cell."""
    return list(cell["metadata"].get("tags", []))


def joined(value: str | list[str]) -> str:
    """Return text that the file may hold as a list of lines."""
    return value if isinstance(value, str) else "".join(value)


def code_cells(notebook: Notebook) -> list[dict[str, Any]]:
    """Return the cells that a kernel executes, without the one that papermill adds."""
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code" and source(cell).strip()]
    return [cell for cell in cells if "injected-parameters" not in tags(cell)]


def sections(notebook: Notebook) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return the chapter's sections: the heading (`"1.3 What a neuron is · core"`) and its cells.

    The first section, without a heading, is the introduction with the set-up. A Markdown cell that holds several
    headings is cut.
    """
    found: list[tuple[str, list[dict[str, Any]]]] = [("", [])]
    for cell in notebook["cells"]:
        parts = (
            re.split(r"^(?=## )", source(cell), flags=re.MULTILINE) if cell["cell_type"] == "markdown" else []
        )
        for part in parts or [source(cell)]:
            if parts and part.startswith("## "):
                found.append((part.partition("\n")[0].removeprefix("## ").strip(), []))
            if part.strip():
                found[-1][1].append({**cell, "source": part})
    return found


def is_extra(heading: str) -> bool:
    """Return whether a section may be left out."""
    return heading.endswith("· extra")


def core(notebook: Notebook) -> Notebook:
    """Return a notebook without its extra sections."""
    kept = [cell for heading, cells in sections(notebook) if not is_extra(heading) for cell in cells]
    numbered = [{**cell, "id": f"core-{number}"} for number, cell in enumerate(kept)]
    return {**notebook, "cells": numbered}


def minutes(notebook: Notebook) -> tuple[float, float]:
    """Return how long a learner takes by count, for the core and for all: words, open code cells, exercises."""
    times = [(heading, sum(map(_cell_minutes, cells))) for heading, cells in sections(notebook)]
    return sum(time for heading, time in times if not is_extra(heading)), sum(time for _, time in times)


def _cell_minutes(cell: dict[str, Any]) -> float:
    if cell["cell_type"] == "markdown":
        return len(source(cell).split()) / WORDS_A_MINUTE
    if "exercise" in tags(cell):
        return EXERCISE_MINUTES
    return float(cell["cell_type"] == "code" and not FOLDED & set(tags(cell)))


def stderr_records(notebook: Notebook) -> list[dict[str, Any]]:
    """Return what cells wrote to stderr: `{"cell": execution count, "text": …}`."""
    texts = {
        cell["execution_count"]: "".join(
            joined(o["text"]) for o in cell["outputs"] if o.get("name") == "stderr"
        )
        for cell in code_cells(notebook)
    }
    return [{"cell": number, "text": text} for number, text in texts.items() if text]


def strip(notebook: Notebook, executed: Notebook | None = None) -> Notebook:
    """Return a notebook in git form: outputs of kept cells only, tags and folding as the only metadata.

    Args:
        notebook: The lesson.
        executed: Its last run; kept outputs are copied from there by cell id. Without one, the lesson
            must have no kept cell.

    Raises:
        CourseError: If a kept cell, or a code cell before it, is not what was executed.
    """
    outputs = _kept_outputs(notebook, executed)
    cells = [_stripped_cell(cell, outputs.get(cell.get("id", ""))) for cell in notebook["cells"]]
    return {"cells": cells, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}


def strip_file(path: Path, executed: Path) -> bool:
    """Put a file into git form; return whether it changed.

    Args:
        path: The lesson.
        executed: Where its last run is, if there was one.

    Raises:
        CourseError: If a kept cell is not what was executed; the file stays as it is.
    """
    notebook = read(path)
    try:
        content = text(strip(notebook, read(executed) if executed.exists() else None))
    except CourseError as error:
        raise CourseError(f"{path.name}: {error}; run first: course run {path.name[:2]}", 1) from error
    changed = path.read_bytes() != content.encode()
    if changed:
        write_text(path, content)
    return changed


def is_stripped(path: Path) -> bool:
    """Return whether a file is, byte for byte, in the form that `strip` gives it."""
    notebook = read(path)
    try:
        return path.read_bytes() == text(strip(notebook, notebook)).encode()
    except CourseError:
        return False


def _kept_outputs(notebook: Notebook, executed: Notebook | None) -> dict[str, list[dict[str, Any]]]:
    cells, ran = code_cells(notebook), code_cells(executed) if executed else []
    kept = [index for index, cell in enumerate(cells) if set(tags(cell)) >= KEPT]
    for index in range(kept[-1] + 1 if kept else 0):
        same = index < len(ran) and _identity(ran[index]) == _identity(cells[index])
        if not same or (index in kept and ran[index]["execution_count"] is None):
            first_line = source(cells[index]).strip().splitlines()[0]
            raise CourseError(f"code cell {index + 1} ({first_line!r}) is not what was executed last")
    return {cells[index]["id"]: _canonical(ran[index]["outputs"]) for index in kept}


def _identity(cell: dict[str, Any]) -> tuple[str | None, str]:
    return cell.get("id"), source(cell)


def _canonical(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return outputs as they are kept: counted 1, and a stream whole, however many messages it came in."""
    kept: list[dict[str, Any]] = []
    for output in copy.deepcopy(outputs):
        if "execution_count" in output:
            output["execution_count"] = 1
        last = kept[-1] if kept else {}
        if output["output_type"] == "stream" and output["name"] == last.get("name"):
            last["text"] = joined(last["text"]) + joined(output["text"])
        else:
            kept.append(output)
    return kept


def _stripped_cell(cell: dict[str, Any], outputs: list[dict[str, Any]] | None) -> dict[str, Any]:
    bare: dict[str, Any] = {key: cell[key] for key in ("cell_type", "id", "attachments") if key in cell}
    folded = {"jupyter": {"source_hidden": True}} if FOLDED & set(tags(cell)) else {}
    bare |= {"metadata": folded | ({"tags": tags(cell)} if tags(cell) else {}), "source": source(cell)}
    if cell["cell_type"] == "code":
        bare |= {"outputs": outputs or [], "execution_count": None if outputs is None else 1}
    return bare
