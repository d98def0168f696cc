"""The bands of the claims: what many seeds gave, kept in `notebooks/claims.json`, a line a claim."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from course_utils.tools.execution.records import Record
from course_utils.tools.tree import CourseError, write_text

MIN_SEEDS = 20
REMAKES = 4
"""Seeds 1 to 4 are measured with shipped files made again with that seed; seed 0 reads those that are shipped."""

Chapter = dict[str, Any]


def measure(records: Sequence[Record]) -> Chapter:
    """Return the bands of one chapter's claims: `{"n": …, "made": …, "bands": {"01.1": …}}`.

    Args:
        records: Runs of one chapter in one profile, each with a seed of its own; seeds 1 to 4 with shipped files
            that were made again.

    Raises:
        CourseError: If a claim is not made in each run, or not finite.
    """
    made = [{claim["id"]: claim for claim in record.claims} for record in records]
    for record, claims in zip(records, made, strict=True):
        if differ := set(claims) ^ set(made[0]):
            raise CourseError(
                f"{record.chapter}: seed {record.seed} and seed {records[0].seed} do not make the same "
                f"claims: {', '.join(sorted(differ))}; a claim must not depend on chance",
                1,
            )
    story = {
        "seeds": [record.seed for record in records],
        "date": max(record.date for record in records)[:10],
        "hardware": records[0].hardware,
        "versions": records[0].versions,
    }
    held = sorted((id for id, claim in made[0].items() if claim["kind"] != "measured"), key=by_number)
    found = {id: _band([claims[id] for claims in made], records) for id in held}
    return {"n": len(records), "made": story, "bands": found}


def update(file: Path, records: Sequence[Record]) -> None:
    """Write the bands of the measured chapters and profile; the others stay.

    Args:
        file: `claims.json`, written as a whole or not at all.
        records: Runs of some chapters in one profile, many seeds each.
    """
    known: dict[str, dict[str, Chapter]] = (
        json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    )
    chapters = known.setdefault(records[0].profile, {})
    for number in sorted({record.chapter[:2] for record in records}):
        chapters[number] = measure([record for record in records if record.chapter[:2] == number])
    write_text(file, text(known))


def text(known: Mapping[str, Mapping[str, Chapter]]) -> str:
    """Return the file's one text: JSON with a line a claim."""
    profiles = {
        profile: _table(map(_chapter_line, sorted(known[profile].items())), 2) for profile in sorted(known)
    }
    return _table((f"{json.dumps(profile)}: {chapters}" for profile, chapters in profiles.items()), 1) + "\n"


def _chapter_line(item: tuple[str, Chapter]) -> str:
    number, chapter = item
    made = json.dumps(chapter["made"], ensure_ascii=False)
    claims = _table((f"{json.dumps(id)}: {json.dumps(band)}" for id, band in chapter["bands"].items()), 4)
    parts = (f'"n": {chapter["n"]}', f'"made": {made}', f'"bands": {claims}')
    return f"{json.dumps(number)}: {_table(parts, 3)}"


def _table(lines: Iterable[str], depth: int) -> str:
    """Return a JSON object whose entries are lines of their own."""
    between = ",\n" + " " * depth
    return "{\n" + " " * depth + between.join(lines) + "\n" + " " * (depth - 1) + "}"


def by_number(id: str) -> tuple[int, ...]:
    """Sort 01.2 before 01.10."""
    return tuple(map(int, id.split(".")))


def _band(claims: Sequence[Mapping[str, Any]], records: Sequence[Record]) -> dict[str, Any]:
    shipped = claims[0]["kind"] == "shipped"
    used = [(c, r) for c, r in zip(claims, records, strict=True) if not shipped or r.seed <= REMAKES]
    if len(used) <= REMAKES and shipped:
        raise CourseError(
            f"claim {claims[0]['id']} is of a shipped file: the seeds must begin with 0 to {REMAKES}", 1
        )
    values = [claim["value"] for claim, _ in used]
    if None in values:
        seed = used[values.index(None)][1].seed
        raise CourseError(f"claim {claims[0]['id']} has no finite value for seed {seed}", 1)
    ends = {"low": min(values), "high": max(values)}
    band = {**ends, "mean": statistics.fmean(values), "sd": statistics.stdev(values)}
    rounded = {name: float(f"{value:.6g}") for name, value in band.items()} | ends
    more = {"n": len(values), "file": claims[0]["file"]} if shipped else {}
    return {**rounded, **more, "cell": claims[0]["cell"]}
