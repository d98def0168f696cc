"""What holds for the claims and the shown code of every lesson, as pure functions that return complaints."""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lessons import Lesson, calls

from course_utils import CHECKPOINTS
from course_utils.claims import KINDS
from course_utils.tools import bounds
from course_utils.tools.bounds import ClaimCell

FEWEST_CLAIMS = 8
FEWEST_SEEDS = 20
FEWEST_REMAKES = 5
PROFILES = ("fast", "full")

Bands = Mapping[str, Mapping[str, Mapping[str, Any]]]


def claims_of(lesson: Lesson) -> list[ClaimCell]:
    """Return the claims of a lesson, read from its syntax trees."""
    return [claim for cell in lesson.code() for claim in bounds.claims_in(cell.source)]


def claim_calls(lesson: Lesson) -> list[str]:
    """Claims are tagged, literal, numbered by their chapter, and there are enough of them."""
    found = claims_of(lesson)
    complaints = [] if len(found) >= FEWEST_CLAIMS else [f"{len(found)} claims, at least {FEWEST_CLAIMS}"]
    for cell in lesson.code():
        if bool(calls(cell.tree, "claim")) != ("claim" in cell.tags):
            complaints.append(f"{cell}: the tag `claim` and a call of claim(…) go together")
    for claim in found:
        complaints += [f"claim {claim.id}: {problem}" for problem in _call_problems(claim, lesson.chapter)]
    return complaints


def _call_problems(claim: ClaimCell, chapter: str) -> list[str]:
    numbers = [
        b for bound in claim.bounds.values() for b in (bound.values() if isinstance(bound, dict) else [bound])
    ]
    profiles = {name for bound in claim.bounds.values() if isinstance(bound, dict) for name in bound}
    wrong = {
        f"the id must be a literal like '{chapter}.3'": not re.fullmatch(rf"{chapter}\.\d+", claim.id),
        "the bound must be a literal number, or a table of them by profile": None in numbers,
        f"bounds by profile are for {PROFILES}": not profiles <= set(PROFILES),
        "asserted claims have a bound, measured ones none": (claim.kind != "measured") != bool(claim.bounds),
        f"the kind must be one of {KINDS}": claim.kind not in KINDS,
        "a shipped claim, and only it, names its file": (claim.kind == "shipped") != bool(claim.file),
    }
    return [words for words, is_so in wrong.items() if is_so]


def unique_claims(lessons: Iterable[Lesson]) -> list[str]:
    """Every claim id stands once in the course."""
    count = Counter(claim.id for lesson in lessons for claim in claims_of(lesson))
    return [f"claim {id} stands {times} times" for id, times in count.items() if times > 1]


def bands(lesson: Lesson, measured: Bands) -> list[str]:
    """Every asserted claim has a band, measured with its cell of today, and a bound that means something."""
    complaints = []
    for claim in claims_of(lesson):
        for profile in PROFILES:
            chapter = measured.get(profile, {}).get(lesson.chapter, {"n": 0, "bands": {}})
            band = chapter["bands"].get(claim.id)
            if band:
                found = _band_problems(claim, {"n": chapter["n"], **band}, profile)
                complaints += [f"claim {claim.id}, {profile}: {problem}" for problem in found]
            elif profile == "fast" and claim.of_profile(profile):
                complaints.append(f"claim {claim.id} has no band; run `course claims {lesson.chapter}`")
    return complaints


def _band_problems(claim: ClaimCell, band: Mapping[str, Any], profile: str) -> list[str]:
    fewest = FEWEST_REMAKES if claim.file else FEWEST_SEEDS
    problems = [] if band["n"] >= fewest else [f"only {band['n']} runs, at least {fewest}"]
    if band["cell"] != claim.hash:
        problems.append("the cell has changed since its band was measured; run `course claims`")
    if claim.file and band.get("file") != f"{claim.file} {_sha256(claim.file)}":
        problems.append("the shipped file has changed since the band was measured; run `course claims`")
    found = [bounds.problem(name, bound, band) for name, bound in claim.of_profile(profile).items()]
    return problems + [problem for problem in found if problem]


def _sha256(name: str) -> str:
    file = CHECKPOINTS / f"{name}.safetensors"
    return hashlib.sha256(file.read_bytes()).hexdigest()[:32] if file.exists() else "missing"


def shipped_says_so(lesson: Lesson) -> list[str]:
    """The sentence of a claim that one shipped file decides says that it is shipped."""
    found = [(cell, call) for cell in lesson.code() for call in calls(cell.tree, "claim")]
    shipped = [
        (cell, ast.unparse(call)) for cell, call in found if any(word.arg == "file" for word in call.keywords)
    ]
    return [
        f"{cell}: the sentence of a shipped claim says so"
        for cell, words in shipped
        if "shipped" not in words.partition("kind=")[0]
    ]


def orphans(lessons: Iterable[Lesson], measured: Bands) -> list[str]:
    """Every band belongs to a claim that exists."""
    known = {claim.id for lesson in lessons for claim in claims_of(lesson)}
    measured_ids = [
        id for chapters in measured.values() for chapter in chapters.values() for id in chapter["bands"]
    ]
    return [f"band {id} belongs to no claim" for id in measured_ids if id not in known]


def read_bands(file: Path) -> dict[str, dict[str, Any]]:
    """Return the bands by profile and chapter; none while there is no file."""
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
