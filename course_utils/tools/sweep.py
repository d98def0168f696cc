"""Many seeds: what runs to measure the bands of the claims, or to hold the bounds to seeds that no band saw."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from course_utils.tools import bands, bounds, notebooks
from course_utils.tools.execution import keys
from course_utils.tools.execution.keys import Way
from course_utils.tools.execution.plan import Job, plan
from course_utils.tools.tree import Course, CourseError


def jobs(course: Course, names: Iterable[str], seeds: str, *, check: bool, **options: Any) -> list[Job]:  # noqa: ANN401
    """Return the runs of a sweep, one a chapter and seed.

    Args:
        course: Where the chapters stand.
        names: The chapters; all of them if empty.
        seeds: `"0-19"`.
        check: Whether the runs are held to the bounds, as `course run` does; else they measure bands, and the first
            seeds after 0 read shipped files that were made again.
        options: `profile`, `device` and `cell_timeout`, as `plan` takes them.

    Raises:
        CourseError: If the seeds are no range, or too few for a band.
    """
    wanted, named = parse_seeds(seeds), list(names)
    if not check and len(wanted) < bands.MIN_SEEDS:
        raise CourseError(f"a band needs at least {bands.MIN_SEEDS} seeds, got {len(wanted)} ({seeds})")
    planned = []
    for seed in wanted:
        remade = not check and 0 < seed <= bands.REMAKES and course.root / "course_utils" / "recipes"
        way = Way(
            strict=check, checkpoints=_remake(course, remade, seed) if remade and remade.exists() else None
        )
        planned += plan(course, named, way=way, seed=seed, **options)
    return planned


def parse_seeds(text: str) -> range:
    """Return the seeds that a text such as `"0-19"` means.

    Raises:
        CourseError: If it is no such text.
    """
    found = re.fullmatch(r"(\d+)-(\d+)", text.strip())
    if not found or int(found[2]) < int(found[1]):
        raise CourseError(f"seeds are a range such as 0-19 or 100-119, got {text!r}")
    return range(int(found[1]), int(found[2]) + 1)


def problems(course: Course, names: Iterable[str], profile: str) -> list[str]:
    """Say which bounds do not go with the measured bands."""
    found = []
    for chapter in course.find(names):
        measured = keys.bands_of(course, profile, chapter.number)
        found += bounds.problems(notebooks.read(chapter.path), measured, profile)
    return found


def _remake(course: Course, recipes: Path, seed: int) -> Path:
    """Return a folder with all shipped files as another seed makes them; what is there is not made again."""
    sources = b"".join(file.read_bytes() for file in sorted(recipes.glob("*.py")))
    key = hashlib.sha256(sources).hexdigest()[:8]
    folder = course.root / "build" / "checkpoints" / key / f"seed-{seed}"
    command = [sys.executable, "-m", "course_utils.recipes", "--seed", str(seed), "--folder", str(folder)]
    done = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False)
    if done.returncode:
        raise CourseError(f"the shipped files could not be made again with seed {seed}; see above", 1)
    return folder
