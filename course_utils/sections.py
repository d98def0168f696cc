"""A section that is run alone after a restart says which other section it needs."""

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from course_utils import ROOT


def watch(chapter: str) -> None:
    """In Jupyter, let each `NameError` say where the chapter makes the missing name; elsewhere do nothing.

    Args:
        chapter: Two digits, e.g. `"01"`.
    """
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is not None:
        shell.set_custom_exc((NameError,), lambda *caught, **given: _explain(chapter, *caught, **given))


def maker(name: str, notebook: Path) -> str | None:
    """Return the heading of the section whose cell makes a name first, e.g. `"1.7 The data"`.

    Args:
        name: A variable, function, class or module.
        notebook: The lesson.

    Returns:
        The heading without its mark; empty for the cells before the first section; None if no cell makes it.
    """
    heading = ""
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            headings = [line[3:] for line in text.splitlines() if line.startswith("## ")]
            heading = (headings or [heading])[-1].rpartition(" · ")[0] or (headings or [heading])[-1]
        elif name in _made(text):
            return heading
    return None


def _made(text: str) -> Iterator[str]:
    """Yield the names that a cell makes for those after it."""
    for statement in ast.parse(text).body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            yield statement.name
            continue
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id
            elif isinstance(node, ast.alias):
                yield node.asname or node.name.partition(".")[0]


def _explain(chapter: str, shell: Any, kind: type, error: NameError, trace: Any, **given: Any) -> None:  # noqa: ANN401
    lessons = sorted((ROOT / "notebooks").glob(f"{chapter}_*.ipynb"))
    place = maker(error.name or "", lessons[0]) if lessons and kind is NameError else None
    if place is not None:
        where = f"section {place}" if place else "the cells before the first section"
        error.args = (f"{error}. It is made in {where}: run that first, then this cell again.",)
    shell.showtraceback((kind, error, trace), **given)
