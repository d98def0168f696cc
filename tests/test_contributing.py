"""CONTRIBUTING followed to the letter: a tiny ninth chapter runs, is checked, gets a handout, is thrown away."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from course_utils import ROOT
from course_utils.tools import notebooks
from course_utils.tools.execution import records

PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
SECTION = re.split(r"^## ", PAGE, flags=re.MULTILINE)
BLOCK = re.compile(r"^```(\w+) ?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LEFT_OUT = shutil.ignore_patterns("__pycache__", "cache", "*.ipynb", "claims.json")
TOO_SMALL = (
    "enough",
    "time_line",
    "claim_calls",
    "kept_outputs",
)  # what a tiny chapter cannot have enough of


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the project without its chapters, in which every block of the section was followed."""
    root = tmp_path_factory.mktemp("ninth")
    for name in ("course_utils", "notebooks", "data", "tests", "pyproject.toml", "requirements.txt"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, root / name, **({"ignore": LEFT_OUT} if (ROOT / name).is_dir() else {}))
    [section] = [part for part in SECTION if part.startswith("Add a chapter")]
    for language, file, text in BLOCK.findall(section):
        if language == "sh":
            for command in text.splitlines():
                run(root, *command.split())
        elif "#" in file:
            edit(root, *file.split("#"), text)
        else:
            with (root / file).open("a", encoding="utf-8") as opened:
                opened.write(text)
    return root


def run(root: Path, *command: str) -> str:
    """Run a command of the page as the copy's own; it must end well."""
    program = {"course": [sys.executable, "-m", "course_utils.tools.cli"]}
    words = [*program.get(command[0], [sys.executable, "-m", command[0]]), *command[1:]]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COURSE_"))}
    env = {**kept, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, cwd=root, env=env, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout


PLACES = {"setup": r'# %%.*tags=\["setup"\].*\n', "section": r"# %% \[markdown\]\n# ## What we measured"}


def edit(root: Path, file: str, place: str, text: str) -> None:
    """Edit the notebook as text, as the page says: imports into the setup cell, cells at the end of the section."""
    notebook, scratch = str(Path(file).with_suffix(".ipynb")), "scratch.py"
    run(root, "jupytext", "--to", "py:percent", notebook, "-o", scratch)
    lesson = (root / scratch).read_text(encoding="utf-8")
    [mark] = re.findall(PLACES[place], lesson)
    placed = f"{mark}{text}" if place == "setup" else f"{text}\n{mark}"
    (root / scratch).write_text(lesson.replace(mark, placed), encoding="utf-8")
    run(root, "jupytext", "--to", "ipynb", "--update", scratch, "-o", notebook)
    run(root, "ruff", "check", "-q", "--fix", "--select", "I", "notebooks")
    run(root, "ruff", "format", "-q", "notebooks")


def test_the_ninth_chapter_runs_and_keeps_its_claims(course: Path) -> None:
    record = records.read(course / "build" / "runs" / "fast" / "09.json")
    assert record is not None
    assert (record.status, record.stderr) == ("passed", [])
    assert [claim["verdict"] for claim in record.claims] == ["holds"]


def test_it_is_in_its_git_form_and_keeps_the_contracts(course: Path) -> None:
    assert notebooks.is_stripped(course / "notebooks" / "09_tiny_chapter.ipynb")
    left = " and ".join(f"not {name}" for name in TOO_SMALL)
    run(
        course,
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "tests/test_notebooks.py",
        "-k",
        f"test_lesson and {left}",
    )
    run(course, "ruff", "check", "--no-cache", "notebooks")


def test_its_exercise_answers_back(course: Path) -> None:
    run(course, "pytest", "-q", "-p", "no:cacheprovider", "tests/test_exercises.py", "-k", "9.1")


def test_nbval_passes(course: Path) -> None:
    run(course, "pytest", "-q", "-p", "no:cacheprovider", "--nbval-lax", "--nbval-current-env", "notebooks")


def test_it_has_its_handouts(course: Path) -> None:
    for edition in ("learner", "instructor"):
        page = (course / "build" / "handouts" / edition / "09_tiny_chapter.html").read_text(encoding="utf-8")
        assert "Exercise 9.1" in page
        assert "the share of random points inside the circle" in page
