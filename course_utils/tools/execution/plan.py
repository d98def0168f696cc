"""What shall run, checked before anything does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from course_utils.settings import Settings, SettingsError, load
from course_utils.tools.execution import keys, records
from course_utils.tools.execution.records import Record
from course_utils.tools.tree import Chapter, Course, CourseError


@dataclass(frozen=True)
class Job:
    """One run of one chapter, checked and ready to start.

    Args:
        course: Where the chapter stands.
        chapter: The lesson.
        settings: All its values, with profile, seed, device and overrides.
        strict: Whether a broken claim fails the run.
        cell_timeout: Seconds that one cell may take.
        key: The skip key.
        problem: Why the chapter cannot run, if its notebook is damaged; the others can.
    """

    course: Course
    chapter: Chapter
    settings: Settings
    strict: bool
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
        return self.course.runs / keys.folder(self.settings, strict=self.strict)

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
    relaxed: bool = False,
    cell_timeout: int = 300,
    **run: Any,  # noqa: ANN401
) -> list[Job]:
    """Return the jobs for chapters; every name and value is checked before anything runs.

    Args:
        course: Where the chapters stand.
        names: The chapters; all of them if empty.
        relaxed: Let broken claims pass, as for measuring bands; changed settings always do.
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
        strict = not relaxed and not settings.overrides
        try:
            key, problem = keys.key(course, chapter, settings, strict=strict), ""
        except CourseError as error:
            key, problem = "", str(error)
        jobs.append(Job(course, chapter, settings, strict, cell_timeout, key, problem))
    return jobs


def unchanged(job: Job) -> Record | None:
    """Return the record of an earlier run that passed with the same key, if there is one."""
    record = records.read(job.record)
    same = record is not None and record.passed and record.key == job.key
    return record if same and job.output.exists() else None


def environment(job: Job, base: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a worker: what would change a number is set or removed."""
    env = {**base, "JUPYTER_PREFER_ENV_PATH": "1", "PYTHONHASHSEED": "0"}
    env.pop("COURSE_STRICT", None)
    if job.settings.profile == "fast":
        env["OMP_NUM_THREADS"] = "1"
    if job.strict:
        env["COURSE_STRICT"] = "1"
    return env


def spec(job: Job, folder: str) -> dict[str, Any]:
    """Return what a worker is told: the job, and the folder into which it writes."""
    places = {"input": str(job.chapter.path), "cwd": str(job.course.notebooks), "folder": folder}
    return {**places, "parameters": job.parameters, "cell_timeout": job.cell_timeout}
