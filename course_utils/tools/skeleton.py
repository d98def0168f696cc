"""The first and last cells that every chapter has, and a new chapter made of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from course_utils.tools import colab, notebooks
from course_utils.tools.tree import Course, CourseError, repository, write_text

PARAMETERS = """\
profile: str = "fast"  # "fast": CPU, offline, minutes · "full": GPU, downloads MNIST, CIFAR-10, IMDB, BERT
seed: int = 0  # every random choice follows from it
device: str = "auto"  # "auto", "cpu", "cuda", "mps"
overrides: dict = {}  # any value of the table below, e.g. {"threads": 2}"""
"""As the design has it, cut to the length of a line: broken into two, papermill could not read its help text."""

HEAD = """\
# Chapter {number}: {title}

{links}

What this chapter is about, in two sentences. At the end you can

- **do** what a learner could not do before.

**Time:** about 60 minutes for the sections marked *core*, about 60 for all. **You need:** chapter 1."""

LINKS = (
    "Open this chapter [in Colab](https://colab.research.google.com/github/{slug}/blob/main/notebooks/{file}) or "
    "[in Binder](https://mybinder.org/v2/gh/{slug}/main?labpath=notebooks%2F{file}), in your browser, with nothing "
    "to install."
)
SETUP = """\
from course_utils import runtime, settings
from course_utils.claims import claim, summary
from course_utils.exercises.grading import check, hint, progress, solution  # noqa: F401 (hint, solution: for you)"""
CONFIG = """\
config = settings.load("{chapter}", profile, seed=seed, device=device, overrides=overrides)
compute_device = runtime.setup(config)
config"""
MEASURED = """\
## What we measured

Every number of this chapter, with the bound that it must keep and the band in which our own runs lay."""
RECAP = "## Recap\n\n- What to take along.\n\n### Your progress"


def new(course: Course, name: str) -> Path:
    """Write the notebook of a new chapter: what every chapter begins and ends with, and one empty section.

    Args:
        course: Where it goes.
        name: Of the file, e.g. `"09_diffusion_models"`.

    Raises:
        CourseError: If the name is not of that form, or the chapter is there.
    """
    if not re.fullmatch(r"\d\d_[a-z][a-z0-9_]*", name):
        raise CourseError(f"a chapter is named like 09_diffusion_models, got {name!r}")
    if there := [chapter.name for chapter in course.chapters() if chapter.number == name[:2]]:
        raise CourseError(f"chapter {name[:2]} is there: {there[0]}")
    path = course.notebooks / f"{name}.ipynb"
    write_text(path, notebooks.text(_notebook(name, repository(course.root))))
    return path


def _notebook(name: str, slug: str) -> notebooks.Notebook:
    chapter, number = name[:2], int(name[:2])
    links = LINKS.format(slug=slug, file=f"{name}.ipynb")
    head = HEAD.format(number=number, title=name[3:].replace("_", " ").capitalize(), links=links)
    cells = [
        _cell(head),
        _cell(colab.cell(f"https://github.com/{slug}"), "colab", "hide-input"),
        _cell(PARAMETERS, "parameters"),
        _cell(SETUP, "setup"),
        _cell(CONFIG.format(chapter=chapter), code=True),
        _cell(f"## {number}.1 First section · core\n\n**Question:** what is it about?"),
        _cell(MEASURED),
        _cell("summary()", code=True),
        _cell(RECAP),
        _cell(f'progress("{chapter}")', code=True),
    ]
    numbered = [{**cell, "id": f"c{chapter}-{index}"} for index, cell in enumerate(cells)]
    return notebooks.strip({"cells": numbered, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def _cell(source: str, *tags: str, code: bool = False) -> dict[str, Any]:
    kind = "code" if tags or code else "markdown"
    more: dict[str, Any] = {"outputs": [], "execution_count": None} if kind == "code" else {}
    return {"cell_type": kind, "metadata": {"tags": list(tags)}, "source": source, **more}
