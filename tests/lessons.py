"""A lesson as the static checks see it, and the parts of it that several checks ask for."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat

from course_utils import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TAGS = frozenset(
    [
        "colab",
        "parameters",
        "setup",
        "shown",
        "claim",
        "exercise",
        "check",
        "widget",
        "nbval-check-output",
        "keep_output",
        "hide-input",
    ]
)


@dataclass(frozen=True)
class Cell:
    """One cell, with where it stands for a readable complaint."""

    index: int
    kind: str
    source: str
    tags: frozenset[str] = frozenset()
    outputs: tuple[Any, ...] = ()
    execution_count: int | None = None

    def __str__(self) -> str:
        lines = self.source.strip().splitlines()
        return f"cell {self.index} ({lines[0][:40]!r})" if lines else f"cell {self.index} (empty)"

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.source if self.kind == "code" else "")


@dataclass(frozen=True)
class Lesson:
    """A notebook: its file name, cells and metadata."""

    name: str
    cells: tuple[Cell, ...]
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def chapter(self) -> str:
        return self.name[:2]

    def code(self) -> Iterator[Cell]:
        return (cell for cell in self.cells if cell.kind == "code")

    def markdown(self) -> Iterator[Cell]:
        return (cell for cell in self.cells if cell.kind == "markdown")

    def tagged(self, tag: str) -> list[Cell]:
        return [cell for cell in self.cells if tag in cell.tags]


def read(file: Path) -> Lesson:
    """Read and validate a notebook."""
    notebook = nbformat.read(file, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    return from_notebook(notebook, file.name)


def from_notebook(notebook: nbformat.NotebookNode, name: str) -> Lesson:
    """Return the lesson that a notebook holds."""
    cells = [
        Cell(
            index,
            cell.cell_type,
            cell.source,
            frozenset(cell.metadata.get("tags", ())),
            tuple(cell.get("outputs", ())),
            cell.get("execution_count"),
        )
        for index, cell in enumerate(notebook.cells)
    ]
    return Lesson(name, tuple(cells), dict(notebook.metadata))


def calls(tree: ast.AST, *names: str) -> list[ast.Call]:
    """Return the calls of a function by its last name: `show` finds `show(…)` and `plotting.show(…)`."""
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [call for call in found if called(call) in names]


def called(call: ast.Call) -> str:
    """Return the last name of what is called."""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def argument(call: ast.Call, name: str, position: int | None = None) -> ast.expr | None:
    """Return an argument of a call by keyword or position."""
    named = next((word.value for word in call.keywords if word.arg == name), None)
    if named is None and position is not None and len(call.args) > position:
        return call.args[position]
    return named


def constant_text(node: ast.AST | None) -> str:
    """Return the text that stands in the source of a string or f-string; what is computed is left out."""
    if node is None or isinstance(node, ast.FormattedValue):
        return ""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    return " … ".join(filter(None, map(constant_text, ast.iter_child_nodes(node))))


def number(node: ast.AST | None) -> float | None:
    """Return the number that a literal stands for, also a negative one, or None."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = number(node.operand)
        return None if value is None else -value
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return float(node.value)
    return None


def prose(cell: Cell) -> str:
    """Return the text of a Markdown cell without code blocks, code spans, maths and addresses."""
    text = re.sub(r"```.*?```|`[^`\n]*`|\$\$.*?\$\$|\$[^$\n]*\$", " ", cell.source, flags=re.DOTALL)
    return re.sub(r"\]\([^)]*\)|<[^>]*>", "] ", text)


def headings(lesson: Lesson) -> list[tuple[int, str, Cell]]:
    """Return level, text and cell of every Markdown heading."""
    found = []
    for cell in lesson.markdown():
        text = re.sub(r"```.*?```", "", cell.source, flags=re.DOTALL)
        found += [
            (len(marks), words.strip(), cell)
            for marks, words in re.findall(r"^(#+) (.*)$", text, re.MULTILINE)
        ]
    return found


def repository() -> str:
    """Return the address of the course's repository, which stands once in the project file."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["urls"]["Repository"])
