"""Where everything of a course lies, and which chapters it has."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from course_utils import ROOT


class CourseError(ValueError):
    """Something that was asked for cannot be done; the message says what to do instead.

    Args:
        message: What was got, what was expected, what to do.
        exit_code: Of the command: 2 where nothing was begun, 1 where something failed.
    """

    def __init__(self, message: str, exit_code: int = 2) -> None:
        """Keep the exit code."""
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True)
class Chapter:
    """One lesson.

    Args:
        number: Two digits, e.g. `"01"`.
        path: The notebook.
    """

    number: str
    path: Path

    @property
    def name(self) -> str:
        """The file's name without its ending, e.g. `01_neural_network_fundamentals`."""
        return self.path.stem


@dataclass(frozen=True)
class Course:
    """The folders and files of a course; tests build small ones of their own.

    Args:
        root: The checkout.
    """

    root: Path = ROOT

    @property
    def notebooks(self) -> Path:
        """The lessons, their settings and their bands."""
        return self.root / "notebooks"

    @property
    def profiles(self) -> Path:
        """The settings of every chapter."""
        return self.notebooks / "profiles.yaml"

    @property
    def claims(self) -> Path:
        """The bands that `course claims` measured."""
        return self.notebooks / "claims.json"

    @property
    def runs(self) -> Path:
        """Executed notebooks and their records, one folder a kind of run."""
        return self.root / "build" / "runs"

    def chapters(self) -> list[Chapter]:
        """Return all chapters, in order."""
        files = sorted(self.notebooks.glob("[0-9][0-9]_*.ipynb"))
        return [Chapter(path.name[:2], path) for path in files]

    def find(self, names: Iterable[str] = ()) -> list[Chapter]:
        """Return the chapters that are meant, in order and each once; all of them where no name is given.

        Args:
            names: Such as `"1"`, `"01"`, the notebook's name or its path.

        Raises:
            CourseError: If there is no such chapter; the message lists those there are.
        """
        chapters = self.chapters()
        wanted = {Path(name).stem.zfill(2) for name in names}
        if not chapters:
            raise CourseError(f"there is no chapter (NN_name.ipynb) in {self.notebooks}")
        if unknown := sorted(wanted - {name for c in chapters for name in (c.number, c.name)}):
            listed = ", ".join(chapter.name for chapter in chapters)
            raise CourseError(f"unknown chapter {', '.join(unknown)}; the chapters are: {listed}")
        return [c for c in chapters if not wanted or {c.number, c.name} & wanted]


def write_json(path: Path, value: object) -> None:
    """Write JSON so that a reader finds the old file or the new one, never a half."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text so that a reader finds the old file or the new one, never a half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8", newline="\n")
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        raise


def repository(root: Path) -> str:
    """Return OWNER/NAME of the repository, which stands once in the project file.

    Raises:
        CourseError: If it names none.
    """
    project = (root / "pyproject.toml").read_text(encoding="utf-8")
    found = re.search(r'^Repository = "https://github\.com/([^"]+)"', project, re.MULTILINE)
    if not found:
        raise CourseError("pyproject.toml names no Repository under [project.urls]")
    return found[1]


def rename(root: Path, slug: str) -> list[Path]:
    """Write another repository slug wherever the present one stands; return the changed files.

    Raises:
        CourseError: If the slug is not of the form OWNER/NAME.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+", slug):
        raise CourseError(f"a repository is named OWNER/NAME, got {slug!r}")
    present = repository(root)
    names = ("README.md", "CONTRIBUTING.md", "pyproject.toml", "notebooks/*.ipynb", ".github/**/*.*")
    texts = {path: path.read_bytes().decode() for name in names for path in sorted(root.glob(name))}
    pattern = rf"(?<![\w.-]){re.escape(present)}(?![\w-])"
    new = {path: re.sub(pattern, slug, text) for path, text in texts.items()}
    changed = [path for path in new if new[path] != texts[path]]
    for path in changed:
        path.write_bytes(new[path].encode())
    return changed
