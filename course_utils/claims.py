"""Claims: every number that a lesson teaches is measured, recorded and held to a bound.

The bound stands in the lesson's cell. The band, what many seeds measured, stands in `notebooks/claims.json`
and is written by `course claims` only.
"""

from __future__ import annotations

import hashlib
import html
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from course_utils import CHECKPOINTS, ROOT

MIME = "application/vnd.course.claim+json"
FILE = ROOT / "notebooks" / "claims.json"
KINDS = ("asserted", "shipped", "measured")
MARKS = {"holds": "✓", "broken": "✗", "outside": "!", "recorded": "·"}

Bound = float | Mapping[str, float] | None


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
        kind: `"asserted"`, `"shipped"` (one shipped file decides it) or `"measured"` (time, memory, latency).
        bound: In words, e.g. `"at least 0.85"`; empty where this profile has none.
        verdict: `"holds"`, `"broken"`, `"outside"` (settings were changed) or `"recorded"` (nothing to hold).
        file: Of a shipped claim: the checkpoint's name and the first half of its SHA-256.
    """

    id: str
    text: str
    value: float
    unit: str
    kind: str
    bound: str
    verdict: str
    file: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing speaks against the claim in this run."""
        return self.verdict in ("holds", "recorded")

    def line(self) -> str:
        """Return the claim as one quiet line: mark, id, sentence, value."""
        return f"{MARKS[self.verdict]} {self.id}  {self.text}: {quantity(self.value, self.unit)}"

    def record(self) -> dict[str, Any]:
        """Return the claim as JSON can hold it; a value that is not finite becomes None."""
        value = self.value if math.isfinite(self.value) else None
        return {**vars(self), "value": value, "ok": self.ok}


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
    at_least: Bound = None,
    at_most: Bound = None,
    equals: Bound = None,
    kind: str = "asserted",
    file: str = "",
) -> None:
    """Show a measured value, record it, and hold it to its bound.

    A bound is a number, or a table by profile such as `{"fast": 0.9, "full": 0.96}` where the data differ. In a
    profile without a bound or without a band the value is recorded and nothing else.

    Args:
        id: Chapter and number, e.g. `"01.3"`.
        text: The sentence that the value stands for, without numbers of its own.
        value: What was measured, a finite number.
        unit: Of the value; empty for a plain number.
        at_least: The value must not be smaller.
        at_most: The value must not be larger.
        equals: The value must be exactly this (counts).
        kind: `"asserted"`; `"shipped"` where one shipped file decides; `"measured"` for time, memory and latency.
        file: Of a shipped claim, the checkpoint that decides, e.g. `"02_emoji"`.

    Raises:
        BrokenClaim: If the bound is broken and `COURSE_STRICT=1` is set (as under nbval).
        ValueError: If kind, bound and file do not go together.
    """
    from IPython.display import display

    bounds: dict[str, Bound] = {"at least": at_least, "at most": at_most, "exactly": equals}
    _check(id, kind, {words for words, bound in bounds.items() if bound is not None}, file)
    given = {words: float(b) for words, bound in bounds.items() if (b := _of_profile(bound)) is not None}
    verdict = _verdict(id, float(value), given)
    in_words = " and ".join(f"{words} {quantity(bound, unit)}" for words, bound in given.items())
    hash_ = f"{file} {_sha256(file)}" if file else ""
    made = _made[id] = Claim(id, text, float(value), unit, kind, in_words, verdict, hash_)
    display({MIME: made.record(), "text/plain": made.line()}, raw=True)
    if verdict == "broken" and os.environ.get("COURSE_STRICT") == "1":
        raise BrokenClaim(sentence(made.record()))
    if not made.ok:
        print(f"  {_outside()}; this run gave {quantity(made.value, unit)}, the bound is {in_words}.")


def sentence(record: Mapping[str, Any]) -> str:
    """Return what is wrong with a claim that does not hold, from its record."""
    value = "no finite value" if record["value"] is None else quantity(record["value"], record["unit"])
    return f"claim {record['id']} is broken: {record['text']}: got {value}, expected {record['bound']}"


def quantity(value: float, unit: str) -> str:
    """Return a value as lessons and handouts write it: three digits, whole numbers in full, then the unit."""
    number = f"{value:,.0f}" if float(value).is_integer() and abs(value) >= 1 else f"{value:.3g}"
    return f"{number} {unit}".strip()


def bands(profile: str, chapter: str) -> dict[str, dict[str, Any]]:
    """Return the measured bands of a chapter by claim, each with `n` seeds; empty where there are none.

    Args:
        profile: `"fast"` or `"full"`.
        chapter: Two digits, e.g. `"01"`.
    """
    measured = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    found = measured.get(profile, {}).get(chapter, {"bands": {}})
    return {id: {"n": found["n"], **band} for id, band in found["bands"].items()}


class Summary:
    """All claims of the chapter so far, as one table."""

    def _rows(self) -> list[tuple[str, ...]]:
        return [
            (
                made.id,
                made.text,
                quantity(made.value, made.unit),
                made.bound or "–",
                _band_in_words(made.id),
                made.verdict,
            )
            for made in _made.values()
        ]

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


def _check(id: str, kind: str, bounds: set[str], file: str) -> None:
    """Refuse a claim whose parts do not go together."""
    if kind not in KINDS or (kind != "measured") != bool(bounds) or (kind == "shipped") != bool(file):
        raise ValueError(
            f"claim {id}: an asserted claim needs a bound, a shipped one a bound and a file, a measured one neither; "
            f"got kind {kind!r}, bounds {sorted(bounds)}, file {file!r}"
        )


def _of_profile(bound: Bound) -> float | None:
    return bound.get(_run["profile"]) if isinstance(bound, Mapping) else bound


def _verdict(id: str, value: float, given: Mapping[str, float]) -> str:
    if not given or id not in bands(_run["profile"], id[:2]):
        return "recorded"
    if _holds(value, given):
        return "holds"
    return "outside" if _run["overrides"] else "broken"


def _holds(value: float, given: Mapping[str, float]) -> bool:
    """Return whether the value keeps every bound; a value that is not finite never does."""
    keeps = {
        "at least": lambda b: value >= b,
        "at most": lambda b: value <= b,
        "exactly": lambda b: value == b,
    }
    return (not given or math.isfinite(value)) and all(keeps[words](bound) for words, bound in given.items())


def _outside() -> str:
    changed = ", ".join(f"{name} = {new!r}" for name, new in _run["overrides"].items())
    return f"outside the course's bound; you changed {changed or 'nothing in the settings'}"


def _band_in_words(id: str) -> str:
    band = bands(_run["profile"], id[:2]).get(id)
    return f"{quantity(band['low'], '')} … {quantity(band['high'], '')} ({band['n']} runs)" if band else "–"


def _sha256(name: str) -> str:
    """Return the first half of the SHA-256 of a shipped checkpoint."""
    return hashlib.sha256((CHECKPOINTS / f"{name}.safetensors").read_bytes()).hexdigest()[:32]
