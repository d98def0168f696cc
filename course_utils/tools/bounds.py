"""The claims of a lesson as they stand in its cells, and whether their bounds mean something beside the bands."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from course_utils.claims import MIME, quantity
from course_utils.tools import notebooks

BOUNDS = ("at_least", "at_most", "equals")
NEAREST_SDS = 4.0
"""A bound stands at least so many standard deviations from the mean, and outside of what was seen."""

# A bound that almost any result would keep proves nothing. It may stand away from the band's end by the larger of
# so many standard deviations, or this share of the mean, or what floating-point sums differ by.
SLACK_SDS = 4.0
SLACK_SHARE = 0.25
SLACK_ROUNDING = 1e-4


@dataclass(frozen=True)
class ClaimCell:
    """One `claim(…)` call of a lesson.

    Args:
        id: E.g. `"01.3"`; empty where it is no literal.
        bounds: By name: a number, a table by profile, or None where it is no literal.
        kind: `"asserted"`, `"shipped"` or `"measured"`.
        file: Of a shipped claim, the checkpoint's name.
        hash: Of the cell without bounds and sentence: a band belongs to it.
    """

    id: str
    bounds: dict[str, Any]
    kind: str
    file: str
    hash: str

    def of_profile(self, profile: str) -> dict[str, float]:
        """Return the bounds that hold in a profile."""
        found = {n: b.get(profile) if isinstance(b, Mapping) else b for n, b in self.bounds.items()}
        return {name: float(bound) for name, bound in found.items() if bound is not None}


def claim_cells(notebook: notebooks.Notebook) -> list[ClaimCell]:
    """Return the claims of a lesson, read from its syntax trees."""
    return [claim for cell in notebooks.code_cells(notebook) for claim in claims_in(notebooks.source(cell))]


def claims_in(source: str) -> Iterator[ClaimCell]:
    """Yield the claims of one cell."""
    for call in _calls(ast.parse(source)):
        words = {word.arg: word.value for word in call.keywords}
        bounds = {name: _literal(words[name]) for name in BOUNDS if name in words}
        id, kind, file = (call.args[0] if call.args else None), words.get("kind"), words.get("file")
        yield ClaimCell(
            _literal(id) or "", bounds, _literal(kind) or "asserted", _literal(file) or "", cell_hash(source)
        )


def claim_records(notebook: notebooks.Notebook) -> list[dict[str, Any]]:
    """Return what the claims of an executed notebook recorded, each with the hash of its `cell`."""
    cells = notebooks.code_cells(notebook)
    found = [(notebooks.source(cell), output.get("data", {})) for cell in cells for output in cell["outputs"]]
    return [{**data[MIME], "cell": cell_hash(source)} for source, data in found if MIME in data]


def cell_hash(source: str) -> str:
    """Return a hash of a claim's cell that neither its bounds nor its sentence change."""
    tree = ast.parse(source)
    for call in _calls(tree):
        call.keywords = [word for word in call.keywords if word.arg not in BOUNDS]
        call.args[1:2] = []
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:12]


def problem(name: str, bound: float, band: Mapping[str, Any]) -> str:
    """Say what is wrong with a bound: inside the band, too near, or so far out that it proves nothing.

    Args:
        name: `"at_least"`, `"at_most"` or `"equals"`.
        bound: As the lesson has it.
        band: With `low`, `high`, `mean` and `sd`.
    """
    low, high, mean, sd = (band[key] for key in ("low", "high", "mean", "sd"))
    if name == "equals":
        return "" if low == high == bound else f"equals {bound}, but the band is {low} to {high}"
    end, sign = (low, -1) if name == "at_least" else (high, 1)
    away = sign * (bound - end)
    if away <= 0:
        return f"{name} {bound} lies inside the band {quantity(low, '')} to {quantity(high, '')}"
    nearest = mean + sign * NEAREST_SDS * sd
    if sign * (bound - nearest) < 0:
        return f"{name} {bound} stands too near: {NEAREST_SDS:g} sd from the mean is {nearest:.4g}"
    slack = max(SLACK_SDS * sd, SLACK_SHARE * abs(mean), SLACK_ROUNDING)
    return f"{name} {bound} is vacuous: {away:.3g} from the band, at most {slack:.3g}" if away > slack else ""


def problems(notebook: notebooks.Notebook, bands: Mapping[str, Any], profile: str) -> list[str]:
    """Say which bounds of a lesson do not go with the bands of a profile."""
    return [
        f"claim {claim.id}: {found}"
        for claim in claim_cells(notebook)
        if claim.id in bands
        for name, bound in claim.of_profile(profile).items()
        if (found := problem(name, bound, bands[claim.id]))
    ]


def _calls(tree: ast.AST) -> list[ast.Call]:
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [call for call in calls if ast.unparse(call.func).rpartition(".")[2] == "claim"]


def _literal(node: ast.expr | None) -> Any:  # noqa: ANN401
    try:
        return ast.literal_eval(node) if node is not None else None
    except ValueError:
        return None
