"""The core of a lesson stands alone, and so does the core with any one extra: by the names that cells make and use."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from typing import Any

from lessons import Lesson

from course_utils.tools import notebooks

KNOWN = set(dir(builtins)) | {"__name__"}


def core_stands_alone(lesson: Lesson) -> list[str]:
    """Setup and core need no extra; setup, core and one extra need no other extra."""
    parts = sections_of(lesson)
    extras = [heading for heading, _ in parts if notebooks.is_extra(heading)]
    complaints = []
    for extra in ("", *extras):
        kept = [(heading, cells) for heading, cells in parts if heading == extra or heading not in extras]
        words = f"with {extra.partition(' ')[0]}" if extra else "alone"
        for heading, name in sorted(set(missing(kept))):
            if not extra or heading == extra:
                complaints.append(
                    f"the core {words}: section {heading!r} uses {name!r}, which nothing before it makes"
                )
    return complaints


def sections_of(lesson: Lesson) -> list[tuple[str, list[str]]]:
    """Return heading and code cells of each section."""
    cells = [
        {"cell_type": cell.kind, "source": cell.source, "metadata": {"tags": list(cell.tags)}}
        for cell in lesson.cells
    ]
    found = notebooks.sections({"cells": cells})
    return [(heading, [c["source"] for c in part if c["cell_type"] == "code"]) for heading, part in found]


def missing(parts: list[tuple[str, list[str]]]) -> Iterator[tuple[str, str]]:
    """Yield section and name where a cell uses what none before it makes, or a function what none at all makes."""
    everywhere = {name for _, cells in parts for cell in cells for name in made(ast.parse(cell))}
    known = set(KNOWN)
    for heading, cells in parts:
        for cell in cells:
            tree = ast.parse(cell)
            now, later = used(tree)
            known |= made(tree)
            yield from ((heading, name) for name in sorted((now - known) | (later - everywhere - KNOWN)))


def made(tree: ast.Module) -> set[str]:
    """Return the names that a cell makes at its top."""
    found: set[str] = set()
    for node in _outside_functions(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef) or (
            isinstance(node, ast.ExceptHandler) and node.name
        ):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    return found


def used(tree: ast.Module) -> tuple[set[str], set[str]]:
    """Return the names that a cell reads at once, and those that its functions will read when they are called."""
    now, later = set(), set()
    for node in _outside_functions(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            now.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.Lambda):
            later |= _free(node)
    return now, later


def _free(function: ast.FunctionDef | ast.Lambda) -> set[str]:
    """Return the names that a function reads and does not make itself."""
    nodes = list(ast.walk(function))
    own = {n.id for n in nodes if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    own |= {n.arg for n in nodes if isinstance(n, ast.arg)}
    own |= {n.name for n in nodes if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    own |= {n.name for n in nodes if isinstance(n, ast.ExceptHandler) and n.name}
    return {n.id for n in nodes if isinstance(n, ast.Name)} - own


def _outside_functions(tree: ast.AST) -> Iterator[Any]:
    """Yield the nodes of a cell, but not those inside of its functions; comprehensions have names of their own."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.Lambda):
            yield node
            continue
        if isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            yield from (name for name in _comprehension(node))
            continue
        yield node
        yield from _outside_functions(node)


def _comprehension(node: ast.AST) -> Iterator[ast.Name]:
    own = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    own |= {n.arg for n in ast.walk(node) if isinstance(n, ast.arg)}
    names = (n for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load))
    yield from (name for name in names if name.id not in own)
    yield from (
        n.target for n in ast.walk(node) if isinstance(n, ast.NamedExpr) and isinstance(n.target, ast.Name)
    )


def functions_stay(lesson: Lesson) -> list[str]:
    """No cell gives the name of a function, class or module to something else: older cells would then fail."""
    complaints: list[str] = []
    defined: dict[str, str] = {}
    for cell in lesson.code():
        body = ast.parse(cell.source).body
        named = {s.name for s in body if isinstance(s, ast.FunctionDef | ast.ClassDef)}
        loose = [s for s in body if not isinstance(s, ast.ClassDef | ast.Import | ast.ImportFrom)]
        taken = (made(ast.Module(loose, [])) | named) & set(defined)
        complaints += [
            f"{cell}: {name!r} is a function, class or module of {defined[name]}" for name in sorted(taken)
        ]
        imports = made(ast.Module([s for s in body if isinstance(s, ast.Import | ast.ImportFrom)], []))
        defined |= dict.fromkeys(named | imports, str(cell))
    return complaints
