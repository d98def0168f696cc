"""Measure the band of each claim: what several seeds give, kept in `notebooks/claims.json`."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from course_utils.tools.execution.records import Record
from course_utils.tools.tree import CourseError, write_json

MIN_SEEDS = 5

Band = dict[str, Any]


def measure(records: Sequence[Record]) -> dict[str, Band]:
    """Return the bands of one chapter's claims; those of `full` have keys such as `"01.1@full"`.

    Args:
        records: Runs of one chapter in one profile, each with a seed of its own.

    Raises:
        CourseError: If a claim is not made in each run, or not finite.
    """
    first = records[0]
    made = [{claim["id"]: claim for claim in record.claims} for record in records]
    for record, claims in zip(records, made, strict=True):
        if differ := set(claims) ^ set(made[0]):
            raise CourseError(
                f"{record.chapter}: seed {record.seed} and seed {first.seed} do not make the same "
                f"claims: {', '.join(sorted(differ))}; a claim must not depend on chance",
                1,
            )
    mark = "" if first.profile == "fast" else f"@{first.profile}"
    return {f"{id}{mark}": _band([claims[id] for claims in made], records) for id in made[0]}


def update(file: Path, records: Sequence[Record]) -> None:
    """Write the bands of the measured chapters and profile into `claims.json`; the others stay.

    Args:
        file: Written as a whole, or not at all.
        records: Runs of some chapters in one profile, several seeds each.
    """
    known: dict[str, Band] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    full = records[0].profile == "full"
    for number in sorted({record.chapter[:2] for record in records}):
        new = measure([record for record in records if record.chapter[:2] == number])
        old = [id for id in known if id.startswith(f"{number}.") and _is_full(id) == full]
        known = {id: band for id, band in known.items() if id not in old} | new
    write_json(file, dict(sorted(known.items(), key=lambda item: _order(item[0]))))


def _is_full(key: str) -> bool:
    return "@" in key


def _order(key: str) -> tuple[int, ...]:
    """Sort 01.2 before 01.10."""
    return (*map(int, key.partition("@")[0].split(".")), _is_full(key))


def _band(claims: Sequence[Mapping[str, Any]], records: Sequence[Record]) -> Band:
    values = [claim["value"] for claim in claims]
    if None in values:
        seed = records[values.index(None)].seed
        raise CourseError(f"claim {claims[0]['id']} has no finite value for seed {seed}", 1)
    return {
        "n": len(values),
        "min": min(values),
        "mean": statistics.fmean(values),
        "max": max(values),
        "spread": statistics.stdev(values),
        "profile": records[0].profile,
        "hardware": records[0].hardware,
        "versions": records[0].versions,
        "date": max(record.date for record in records)[:10],
        "cell_sha256": claims[0]["cell_sha256"],
    }
