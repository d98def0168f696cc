"""Many seeds: what runs to measure the bands of the claims, or to hold the bounds to seeds that no band saw."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from course_utils.tools import bands, bounds, notebooks
from course_utils.tools.execution import keys
from course_utils.tools.execution.keys import Way
from course_utils.tools.execution.plan import Job, plan
from course_utils.tools.tree import Chapter, Course, CourseError


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
    wanted, found = parse_seeds(seeds), course.find(names)
    if not check and len(wanted) < bands.MIN_SEEDS:
        raise CourseError(f"a band needs at least {bands.MIN_SEEDS} seeds, got {len(wanted)} ({seeds})")
    shipped = {chapter.number: [] if check else shipped_files(chapter) for chapter in found}
    planned = []
    for seed in wanted:
        for chapter in found:
            files = shipped[chapter.number]
            own = _remake(course, chapter, files, seed) if files and 0 < seed <= bands.REMAKES else None
            way = Way(strict=check, checkpoints=own)
            planned += plan(course, [chapter.number], way=way, seed=seed, **options)
    return planned


def shipped_files(chapter: Chapter) -> list[str]:
    """Return the shipped files that decide a claim of a chapter."""
    return sorted({claim.file for claim in bounds.claim_cells(notebooks.read(chapter.path))} - {""})


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


def _remake(course: Course, chapter: Chapter, files: list[str], seed: int) -> Path:
    """Return a folder of shipped files, some of them as another seed makes them; none is made twice."""
    makers = sorted({file[:2] for file in files})  # a chapter may measure what an earlier one ships
    key = _key(course, makers)
    folder = course.root / "build" / "checkpoints" / f"{chapter.number}-{key}" / f"seed-{seed}"
    options = ("--seed", str(seed), "--folder", str(folder), "--files", *files)
    command = [sys.executable, "-m", "course_utils.recipes", *makers, *options]
    done = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False)
    if done.returncode:
        raise CourseError(f"the shipped files could not be made again with seed {seed}; see above", 1)
    folder.mkdir(parents=True, exist_ok=True)
    for file in (course.root / "data" / "checkpoints").glob("*.safetensors"):
        if not (folder / file.name).exists():
            shutil.copy(file, folder)
    return folder


def _key(course: Course, makers: list[str]) -> str:
    """Return what changes when the recipe of one of these chapters does, or a module that it imports."""
    package = course.root / "course_utils"
    recipes = [package / "recipes" / f"chapter_{number}.py" for number in makers]
    text = "".join(recipe.read_text(encoding="utf-8") for recipe in recipes if recipe.exists())
    named = re.findall(r"^from course_utils\.(\S+) import", text, flags=re.MULTILINE)
    modules = sorted(package / f"{name.replace('.', '/')}.py" for name in named)
    sources = [text, *(module.read_text(encoding="utf-8") for module in modules if module.exists())]
    return hashlib.sha256("".join(sources).encode()).hexdigest()[:8]
