"""What is known of a run, kept as `NN.json` beside the executed notebook: the newest run counts."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from course_utils.tools.tree import write_json


@dataclass(frozen=True)
class Failure:
    """Where and why a chapter failed.

    Args:
        cell: Number of the code cell, as `In [7]` shows it in the executed notebook; 0 if it is none of them.
        line: The first line of that cell, or when it happened; empty before the first cell.
        error: What went wrong.
    """

    cell: int
    line: str
    error: str


@dataclass(frozen=True)
class Record:
    """One run of one chapter.

    Args:
        chapter: The notebook's name.
        key: The skip key; a page or number is current only if it equals the chapter's key of today.
        status: `"passed"` or `"failed"`.
        profile: `"fast"` or `"full"`.
        seed: Of the run.
        device: As asked for.
        overrides: Settings that were changed by hand.
        strict: Whether a broken claim failed the run.
        cells: Code cells of the notebook.
        cells_done: Those that ended well.
        cpu_s: User + system seconds of the whole process tree.
        wall_s: Seconds from start to end.
        peak_bytes: Largest resident memory of the tree.
        claims: What each claim recorded, with the hash of its cell.
        stderr: What cells wrote to stderr: `{"cell": …, "text": …}`.
        failure: Where and why it failed.
        output: File name of the executed notebook beside this record; empty if there is none.
        date: When it ended (UTC, ISO 8601).
        versions: Of Python and the key libraries.
        hardware: Processor, cores, memory, GPU.
    """

    chapter: str
    key: str
    status: str
    profile: str
    seed: int
    device: str
    overrides: dict[str, Any]
    strict: bool
    cells: int
    cells_done: int
    cpu_s: float
    wall_s: float
    peak_bytes: int
    claims: list[dict[str, Any]]
    stderr: list[dict[str, Any]]
    failure: Failure | None
    output: str
    date: str
    versions: dict[str, str] = field(repr=False)
    hardware: dict[str, str | int] = field(repr=False)

    @property
    def passed(self) -> bool:
        """Whether every cell ended well."""
        return self.status == "passed"

    @property
    def broken(self) -> list[str]:
        """The claims outside their bound, also where settings were changed."""
        return [claim["id"] for claim in self.claims if not claim["ok"]]

    @property
    def recorded(self) -> list[str]:
        """The claims that this profile has no bound or no band for."""
        found = [claim for claim in self.claims if claim["kind"] != "measured"]
        return [claim["id"] for claim in found if claim["verdict"] == "recorded"]


def read(path: Path) -> Record | None:
    """Return a record, or None if there is none that this version understands."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        failure = Failure(**values["failure"]) if values["failure"] else None
        return Record(**{**values, "failure": failure})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write(path: Path, record: Record) -> None:
    """Keep a record."""
    write_json(path, asdict(record))
