"""What shall run, checked before anything does."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from course_utils.settings import Settings, SettingsError, load
from course_utils.tools import notebooks
from course_utils.tools.execution import keys, records
from course_utils.tools.execution.keys import Way
from course_utils.tools.execution.records import Record
from course_utils.tools.tree import Chapter, Course, CourseError


@dataclass(frozen=True)
class Job:
    """One run of one chapter, checked and ready to start.

    Args:
        course: Where the chapter stands.
        chapter: The lesson.
        settings: All its values, with profile, seed, device and overrides.
        way: Strictly or not, whole or its core, with which shipped files.
        cell_timeout: Seconds that one cell may take.
        key: The skip key.
        problem: Why the chapter cannot run, if its notebook is damaged; the others can.
    """

    course: Course
    chapter: Chapter
    settings: Settings
    way: Way
    cell_timeout: int
    key: str
    problem: str = ""

    @property
    def parameters(self) -> dict[str, Any]:
        """What the notebook's `parameters` cell is given."""
        return {name: getattr(self.settings, name) for name in ("profile", "seed", "device", "overrides")}

    @property
    def folder(self) -> Path:
        """Where the executed notebook, its record and its log go."""
        return self.course.runs / keys.folder(self.settings, self.way)

    @property
    def output(self) -> Path:
        """The executed notebook of a run that passed."""
        return self.folder / self.chapter.path.name

    @property
    def failed_output(self) -> Path:
        """The executed notebook of a run that failed."""
        return self.folder / f"{self.chapter.name}.failed.ipynb"

    @property
    def record(self) -> Path:
        """What is known of the newest run."""
        return self.folder / f"{self.chapter.number}.json"

    @property
    def log(self) -> Path:
        """What kernel and libraries printed outside of any cell."""
        return self.folder / f"{self.chapter.number}.log"


def plan(
    course: Course,
    names: Iterable[str] = (),
    *,
    way: Way = Way(),  # noqa: B008 - frozen
    cell_timeout: int = 300,
    **run: Any,  # noqa: ANN401
) -> list[Job]:
    """Return the jobs for chapters; every name and value is checked before anything runs.

    Args:
        course: Where the chapters stand.
        names: The chapters; all of them if empty.
        way: How; with changed settings a run is never strict.
        cell_timeout: Seconds that one cell may take.
        run: `profile`, `seed`, `device` and `overrides`, as `settings.load` takes them.

    Raises:
        CourseError: If a chapter is unknown or its settings are not usable as asked.
    """
    jobs = []
    for chapter in course.find(names):
        try:
            settings = load(chapter.number, **run, file=course.profiles)
        except SettingsError as error:
            raise CourseError(f"{chapter.name}: {error}") from error
        own = replace(way, strict=way.strict and not settings.overrides)
        try:
            key, problem = keys.key(course, chapter, settings, own), ""
        except CourseError as error:
            key, problem = "", str(error)
        jobs.append(Job(course, chapter, settings, own, cell_timeout, key, problem))
    return jobs


def unchanged(job: Job) -> Record | None:
    """Return the record of an earlier run that passed with the same key, if there is one."""
    record = records.read(job.record)
    same = record is not None and record.passed and record.key == job.key
    return record if same and job.output.exists() else None


def environment(job: Job, base: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a worker: what would change a number is set or removed."""
    env = {**base, "JUPYTER_PREFER_ENV_PATH": "1", "PYTHONHASHSEED": "0"}
    env.pop("COURSE_STRICT", None)  # a run makes all its claims and is judged after its last cell
    if job.way.checkpoints:
        env["COURSE_CHECKPOINTS"] = str(job.way.checkpoints)
    if job.settings.profile == "fast":
        env["OMP_NUM_THREADS"] = "1"
    return env


def spec(job: Job, folder: str) -> dict[str, Any]:
    """Return what a worker is told: the job, and the folder into which it writes."""
    source = job.chapter.path
    if job.way.core:
        source = Path(folder, "core.ipynb")
        source.write_text(json.dumps(notebooks.core(notebooks.read(job.chapter.path))), encoding="utf-8")
    places = {"input": str(source), "cwd": str(job.course.notebooks), "folder": folder}
    return {**places, "parameters": job.parameters, "cell_timeout": job.cell_timeout}
