"""Claims: every number that a lesson teaches is measured, recorded and held to a bound.

The bound stands in the lesson's cell. The band, what ≥ 5 seeds measured, stands in `notebooks/claims.json`
and is written by `course claims` only.
"""

from __future__ import annotations

import html
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from course_utils import ROOT

MIME = "application/vnd.course.claim+json"
FILE = ROOT / "notebooks" / "claims.json"


class BrokenClaim(AssertionError):
    """A measured value that lies outside its bound, in a run that must hold (`COURSE_STRICT=1`)."""


@dataclass(frozen=True)
class Claim:
    """One measured statement of a lesson, with its bound.

    Args:
        id: Chapter and number, e.g. `"01.3"`; unique in the course.
        text: The sentence that the value stands for.
        value: What this run measured.
        unit: Of the value, e.g. `"accuracy"`, `"points"`, `"s"`; empty for a plain number.
        bound: In words, e.g. `"at least 0.85"`; empty for a measured quantity without one.
        ok: Whether the value keeps the bound; always true where there is none.
        kind: `"asserted"` or `"measured"` (time, memory, latency: recorded, never raised).
    """

    id: str
    text: str
    value: float
    unit: str
    bound: str
    ok: bool
    kind: str

    def line(self, band: Mapping[str, Any] | None) -> str:
        """Return the claim as one line of text: value, bound and band."""
        parts = [f"{'✓' if self.ok else '✗'} {self.id}  {self.text}: {quantity(self.value, self.unit)}"]
        if self.bound:
            parts.append(f"bound: {self.bound}")
        if band:
            low, high = quantity(band["min"], ""), quantity(band["max"], "")
            parts.append(f"our band: {low} to {high} over {band['n']} seeds")
        return " · ".join(parts)


_made: dict[str, Claim] = {}  # the claims of this kernel, for the table at the chapter's end
_run: dict[str, Any] = {"profile": "fast", "overrides": {}}


def start(profile: str, overrides: Mapping[str, Any]) -> None:
    """Begin a chapter: forget earlier claims and note what the learner changed."""
    _made.clear()
    _run.update(profile=profile, overrides=dict(overrides))


def claim(
    id: str,
    text: str,
    value: float,
    *,
    unit: str = "",
    at_least: float | None = None,
    at_most: float | None = None,
    equals: float | None = None,
    kind: str = "asserted",
) -> None:
    """Show a measured value with its bound and band, record it, and hold it to the bound.

    Args:
        id: Chapter and number, e.g. `"01.3"`.
        text: The sentence that the value stands for, without numbers of its own.
        value: What was measured, a finite number.
        unit: Of the value; empty for a plain number.
        at_least: The value must not be smaller.
        at_most: The value must not be larger.
        equals: The value must be exactly this (counts).
        kind: `"asserted"`, or `"measured"` for time, memory and latency.

    Raises:
        BrokenClaim: If the bound is broken and `COURSE_STRICT=1` is set, in a profile that has a band.
        ValueError: If an asserted claim has no bound or a measured one has one.
    """
    from IPython.display import display

    bounds = {"at least": at_least, "at most": at_most, "exactly": equals}
    given = {words: float(bound) for words, bound in bounds.items() if bound is not None}
    if kind not in ("asserted", "measured") or (kind == "asserted") != bool(given):
        raise ValueError(
            f"claim {id}: an asserted claim needs a bound and a measured one has none; got {given}, {kind!r}"
        )
    value = float(value)
    ok = _holds(value, given)
    made = Claim(
        id, text, value, unit, " and ".join(f"{w} {quantity(b, unit)}" for w, b in given.items()), ok, kind
    )
    _made[id] = made
    band = _band(id)
    record = {
        "id": id,
        "text": text,
        "value": value if math.isfinite(value) else None,
        "unit": unit,
        "ok": ok,
        "kind": kind,
        "bound": made.bound,
    }
    display({MIME: record, "text/plain": made.line(band)}, raw=True)
    if ok:
        return
    broken = f"claim {id} is broken: {text}: got {quantity(value, unit)}, expected {made.bound}"
    if os.environ.get("COURSE_STRICT") == "1" and (_run["profile"] == "fast" or band):
        raise BrokenClaim(broken)
    changed = ", ".join(f"{name} = {new!r}" for name, new in _run["overrides"].items())
    print(f"{broken}. You changed: {changed or 'nothing in the settings'}; profile {_run['profile']!r}.")


def quantity(value: float, unit: str) -> str:
    """Return a value as lessons and handouts write it: three digits, whole numbers in full, then the unit."""
    number = f"{value:,.0f}" if float(value).is_integer() and abs(value) >= 1 else f"{value:.3g}"
    return f"{number} {unit}".strip()


class Summary:
    """All claims of the chapter so far, as one table."""

    def _rows(self) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = []
        for made in _made.values():
            band = _band(made.id)
            measured = (
                f"{quantity(band['min'], '')} … {quantity(band['max'], '')} ({band['n']} seeds)"
                if band
                else "–"
            )
            mark = "holds" if made.ok else "broken"
            status = mark if made.kind == "asserted" else "recorded"
            rows.append(
                (made.id, made.text, quantity(made.value, made.unit), made.bound or "–", measured, status)
            )
        return rows

    def _repr_html_(self) -> str:
        names = ("claim", "what we measured", "this run", "bound", "our band", "verdict")
        head = "".join(f"<th scope='col'>{name}</th>" for name in names)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(value)}</td>" for value in row) + "</tr>"
            for row in self._rows()
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def __repr__(self) -> str:
        """Return the table as plain text, a claim a line."""
        return "\n".join(" · ".join(row) for row in self._rows())


def summary() -> Summary:
    """Return the table of all claims that this kernel has made since the chapter's set-up."""
    return Summary()


def _holds(value: float, given: Mapping[str, float]) -> bool:
    """Return whether the value keeps every bound; a value that is not finite never does."""
    keeps = {
        "at least": lambda b: value >= b,
        "at most": lambda b: value <= b,
        "exactly": lambda b: value == b,
    }
    return (not given or math.isfinite(value)) and all(keeps[words](bound) for words, bound in given.items())


def _band(id: str) -> dict[str, Any] | None:
    key = id if _run["profile"] == "fast" else f"{id}@{_run['profile']}"
    bands = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    band: dict[str, Any] | None = bands.get(key)
    return band
