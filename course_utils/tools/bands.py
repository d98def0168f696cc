"""Measure the band of each claim: what several seeds give, kept in `notebooks/claims.json`."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from course_utils.tools.records import Record
from course_utils.tools.tree import CourseError, write_json

MIN_SEEDS = 5

Band = dict[str, Any]


def measure(records: Sequence[Record]) -> dict[str, Band]:
    """Return the bands of one chapter's claims.

    Args:
        records: Runs of one chapter in one profile, each with a seed of its own.

    Raises:
        CourseError: If there are too few seeds, or a claim is made twice, not in each run, or not finite.
    """
    if len({record.seed for record in records}) < MIN_SEEDS:
        raise CourseError(f"a band needs at least {MIN_SEEDS} seeds, got {len(records)}", 1)
    claims = [_by_id(record) for record in records]
    for record, made in zip(records, claims, strict=True):
        if differ := set(made) ^ set(claims[0]):
            raise CourseError(
                f"{record.chapter}: seed {record.seed} and seed {records[0].seed} do not make the same "
                f"claims: {', '.join(sorted(differ))}; a claim must not depend on chance",
                1,
            )
    return {_key(id, records[0].profile): _band([made[id] for made in claims], records) for id in claims[0]}


def merged(
    bands: Mapping[str, Band], new: Mapping[str, Band], *, number: str, profile: str
) -> dict[str, Band]:
    """Return all bands, sorted, with those of one chapter and profile replaced.

    Args:
        bands: What `claims.json` holds.
        new: From `measure`.
        number: The chapter's, e.g. `"01"`.
        profile: `"fast"` or `"full"`.
    """
    kept = {
        id: band
        for id, band in bands.items()
        if not (id.startswith(f"{number}.") and _profile(id) == profile)
    }
    return dict(sorted({**kept, **new}.items(), key=lambda item: _order(item[0])))


def update(file: Path, records: Sequence[Record]) -> None:
    """Write the bands of the measured chapters into `claims.json`; the others stay.

    Args:
        file: Written as a whole, or not at all.
        records: Runs of some chapters in one profile, several seeds each.
    """
    bands: dict[str, Band] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    for number in sorted({record.chapter[:2] for record in records}):
        new = measure([record for record in records if record.chapter[:2] == number])
        bands = merged(bands, new, number=number, profile=records[0].profile)
    write_json(file, bands)


def _order(key: str) -> tuple[str, int, str]:
    """Sort 01.2 before 01.10."""
    chapter, _, rest = key.partition(".")
    number, _, profile = rest.partition("@")
    return (chapter, int(number) if number.isdigit() else 0, f"{number}@{profile}")


def _key(id: str, profile: str) -> str:
    return id if profile == "fast" else f"{id}@{profile}"


def _profile(key: str) -> str:
    return key.partition("@")[2] or "fast"


def _by_id(record: Record) -> dict[str, dict[str, Any]]:
    made = {claim["id"]: claim for claim in record.claims}
    number = record.chapter[:2]
    if len(made) < len(record.claims):
        raise CourseError(
            f"{record.chapter} makes a claim twice: {sorted(c['id'] for c in record.claims)}", 1
        )
    if foreign := [id for id in made if not id.startswith(f"{number}.")]:
        raise CourseError(
            f"{record.chapter} makes claims of another chapter: {', '.join(foreign)}; use {number}.N", 1
        )
    return made


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
