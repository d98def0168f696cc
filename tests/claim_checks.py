"""What holds for the claims and the shown code of every lesson, as pure functions that return complaints."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lessons import Cell, Lesson, argument, calls, number

from course_utils.tools import notebooks

FEWEST_CLAIMS = 8
FEWEST_SEEDS = 5
BAND_KEYS = frozenset(
    ["n", "min", "mean", "max", "spread", "profile", "hardware", "versions", "date", "cell_sha256"]
)

# A bound that almost any result would keep proves nothing. It may stand away from its band by the larger of
# so many spreads, or this share of the mean, or what floating-point sums differ by.
SLACK_SPREADS = 4.0
SLACK_SHARE = 0.25
SLACK_ROUNDING = 1e-4

Bands = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class ClaimCall:
    """One `claim(…)` call as it stands in a lesson."""

    id: str
    cell: Cell
    bounds: dict[str, float | None]
    kind: str

    @property
    def sha256(self) -> str:
        return notebooks.cell_sha256({"source": self.cell.source})


def claims_of(lesson: Lesson) -> list[ClaimCall]:
    """Return the claims of a lesson, read from its syntax trees."""
    found = [(cell, call) for cell in lesson.code() for call in calls(cell.tree, "claim")]
    return [_claim(cell, call) for cell, call in found]


def _claim(cell: Cell, call: ast.Call) -> ClaimCall:
    given = {name: argument(call, name) for name in ("at_least", "at_most", "equals")}
    bounds = {name: number(node) for name, node in given.items() if node is not None}
    name, kind = argument(call, "id", 0), argument(call, "kind")
    literal = name.value if isinstance(name, ast.Constant) else ""
    return ClaimCall(str(literal), cell, bounds, kind.value if isinstance(kind, ast.Constant) else "asserted")


def claim_calls(lesson: Lesson) -> list[str]:
    """Claims are tagged, literal, numbered by their chapter, and there are enough of them."""
    found = claims_of(lesson)
    complaints = [] if len(found) >= FEWEST_CLAIMS else [f"{len(found)} claims, at least {FEWEST_CLAIMS}"]
    for cell in lesson.code():
        if bool(calls(cell.tree, "claim")) != ("claim" in cell.tags):
            complaints.append(f"{cell}: the tag `claim` and a call of claim(…) go together")
    for claim in found:
        if not re.fullmatch(rf"{lesson.chapter}\.\d+", claim.id):
            complaints.append(
                f"{claim.cell}: the id must be a literal like '{lesson.chapter}.3', got {claim.id!r}"
            )
        if None in claim.bounds.values():
            complaints.append(f"{claim.cell}: the bound of claim {claim.id} must be a literal number")
        if (claim.kind == "asserted") != bool(claim.bounds):
            complaints.append(
                f"{claim.cell}: claim {claim.id}: asserted claims have a bound, measured ones none"
            )
    return complaints


def unique_claims(lessons: Iterable[Lesson]) -> list[str]:
    """Every claim id stands once in the course."""
    count = Counter(claim.id for lesson in lessons for claim in claims_of(lesson))
    return [f"claim {id} stands {times} times" for id, times in count.items() if times > 1]


def bands(lesson: Lesson, measured: Bands) -> list[str]:
    """Every asserted claim has a band, measured with its cell of today, and a bound that means something."""
    complaints = []
    for claim in claims_of(lesson):
        if claim.kind == "asserted" and claim.id not in measured:
            complaints.append(f"claim {claim.id} has no band; run `course claims {lesson.chapter}`")
        for key in (claim.id, f"{claim.id}@full"):
            band = measured.get(key)
            complaints += (
                [f"claim {key}: {problem}" for problem in _band_problems(claim, band)] if band else []
            )
    return complaints


def _band_problems(claim: ClaimCall, band: Mapping[str, Any]) -> list[str]:
    lacking = sorted(BAND_KEYS - set(band))
    if lacking:
        return [f"the band lacks {lacking}"]
    problems = [] if band["n"] >= FEWEST_SEEDS else [f"only {band['n']} seeds, at least {FEWEST_SEEDS}"]
    if band["cell_sha256"] != claim.sha256:
        problems.append("the cell has changed since its band was measured; run `course claims`")
    bounds = [(name, bound) for name, bound in claim.bounds.items() if bound is not None]
    return problems + [problem for name, bound in bounds if (problem := bound_problem(name, bound, band))]


def bound_problem(name: str, bound: float, band: Mapping[str, Any]) -> str:
    """Say what is wrong with a bound: inside the band, or so far out that it proves nothing."""
    if name == "equals":
        exact = band["min"] == band["max"] == bound
        return "" if exact else f"equals {bound}, but the band is {band['min']} to {band['max']}"
    distance = band["min"] - bound if name == "at_least" else bound - band["max"]
    if distance <= 0:
        return f"{name} {bound} lies inside the band {band['min']} to {band['max']}"
    slack = max(SLACK_SPREADS * band["spread"], SLACK_SHARE * abs(band["mean"]), SLACK_ROUNDING)
    return f"{name} {bound} is vacuous: {distance:.3g} away, at most {slack:.3g}" if distance > slack else ""


def orphans(lessons: Iterable[Lesson], measured: Bands) -> list[str]:
    """Every band belongs to a claim that exists."""
    known = {claim.id for lesson in lessons for claim in claims_of(lesson)}
    return [f"band {key} belongs to no claim" for key in measured if key.split("@")[0] not in known]


def read_bands(file: Path) -> dict[str, dict[str, Any]]:
    """Return the bands by claim id; none while there is no file."""
    found: dict[str, dict[str, Any]] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return found


Definition = ast.FunctionDef | ast.ClassDef
Package = Mapping[str, list[Definition]]


def package_definitions(folder: Path) -> dict[str, list[Definition]]:
    """Return the functions and classes that lessons import, by name.

    The tools are left out, and the exercises: their reference answers may have a stub's name.
    """
    found: dict[str, list[Definition]] = {}
    for file in sorted(folder.rglob("*.py")):
        if file.relative_to(folder).parts[0] not in ("tools", "exercises"):
            for node in definitions(ast.parse(file.read_text(encoding="utf-8"))):
                found.setdefault(node.name, []).append(node)
    return found


def definitions(tree: ast.Module) -> list[Definition]:
    """Return the functions and classes that a module or cell defines at its top."""
    return [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]


def shown_is_used(lesson: Lesson, package: Package) -> list[str]:
    """A `shown` cell defines what the package has, in the same words; no other cell takes such a name."""
    complaints = []
    for cell in lesson.code():
        found = definitions(cell.tree)
        if "shown" in cell.tags:
            complaints += [] if found else [f"{cell}: a shown cell defines a function or class"]
            complaints += [f"{cell}: {problem}" for node in found if (problem := _difference(node, package))]
        else:
            taken = [node.name for node in found if node.name in package and not node.name.startswith("_")]
            complaints += [f"{cell}: redefines {name} of course_utils" for name in taken]
    return complaints


def _difference(node: Definition, package: Package) -> str:
    originals = package.get(node.name, [])
    if not originals:
        return f"shows {node.name}, which course_utils does not have"
    same = any(bare(node) == bare(original) for original in originals)
    return "" if same else f"{node.name} differs from course_utils:\n{_first_difference(node, originals[0])}"


def _first_difference(node: Definition, original: Definition) -> str:
    shown, used = (ast.unparse(_Bare().visit(_copy(tree))).splitlines() for tree in (node, original))
    pairs = [(a, b) for a, b in zip([*shown, ""], [*used, ""], strict=False) if a != b]
    return (
        f"  lesson:  {pairs[0][0].strip()}\n  package: {pairs[0][1].strip()}"
        if pairs
        else "  one goes on longer"
    )


def bare(node: Definition) -> str:
    """Return the syntax tree as text, without docstrings and annotations."""
    return ast.dump(_Bare().visit(_copy(node)))


def _copy(node: Definition) -> ast.AST:
    return ast.parse(ast.unparse(node)).body[0]


class _Bare(ast.NodeTransformer):
    """Takes docstrings and annotations away."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self._without_docstring(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._without_docstring(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is None:  # a field of a dataclass: its name counts, its type does not
            node.annotation = ast.Constant(None)
            return node
        return ast.Assign([node.target], self.visit(node.value), lineno=node.lineno)

    def _without_docstring(self, node: Any) -> ast.AST:
        if ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        return self.generic_visit(node)
