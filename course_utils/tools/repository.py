"""Where the course is published: one slug, written in a few files."""

from __future__ import annotations

import re
from pathlib import Path

from course_utils.tools.tree import CourseError


def rename(root: Path, slug: str) -> list[Path]:
    """Write another repository slug wherever the present one stands; return the changed files.

    Raises:
        CourseError: If the slug is not of the form OWNER/NAME.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+", slug):
        raise CourseError(f"a repository is named OWNER/NAME, got {slug!r}")
    project = (root / "pyproject.toml").read_text(encoding="utf-8")
    present = re.search(r'^Repository = "https://github\.com/([^"/]+/[^"/]+)"', project, re.MULTILINE)
    if not present:
        raise CourseError("pyproject.toml names no Repository under [project.urls]")
    pattern = re.compile(rf"(?<![\w.-]){re.escape(present[1])}(?![\w-])")
    files = [root / name for name in ("README.md", "pyproject.toml", "CONTRIBUTING.md")]
    files += [*root.glob("notebooks/*.ipynb"), *root.glob(".github/**/*.y*ml"), *root.glob(".github/**/*.md")]
    return [path for path in sorted(files) if path.exists() and _replaced(path, pattern, slug)]


def _replaced(path: Path, pattern: re.Pattern[str], slug: str) -> bool:
    before = path.read_bytes().decode()
    after = pattern.sub(slug, before)
    path.write_bytes(after.encode())
    return after != before
