"""A missing name: the section that makes it is found in the lesson, and said in Jupyter."""

from __future__ import annotations

import json

import nbformat
import pytest
from conftest import notebook
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from course_utils import ROOT, sections

LESSON = ("import numpy as np", {"text": "## 1.1 First · core\n\nWords."}, "a, b = 1, 2")


def lesson(tmp_path, *cells):
    path = tmp_path / "01_x.ipynb"
    made = [
        {
            "cell_type": "markdown",
            "metadata": {},
            "source": [line + "\n" for line in cell["text"].split("\n")],
        }
        if isinstance(cell, dict)
        else {"cell_type": "code", "metadata": {}, "source": cell}
        for cell in cells
    ]
    path.write_text(json.dumps({"cells": made}), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("np", ""),
        ("b", "1.1 First"),
        ("draw", "1.2 Second: it draws"),
        ("inner", None),
        ("argument", None),
        ("used", None),
        ("Net", "1.2 Second: it draws"),
        ("i", "1.2 Second: it draws"),
        ("late", "What we measured"),
    ],
)
def test_the_first_section_that_makes_a_name_is_found(tmp_path, name, place):
    more = (
        {"text": "## 1.2 Second: it draws · extra\n### Not a section"},
        "def draw(argument):\n    inner = 1\n    return used\n\n\nclass Net:\n    b = 3",
        "for i in range(3):\n    a += i",
        {"text": "## What we measured"},
        "late = 1",
    )
    assert sections.maker(name, lesson(tmp_path, *LESSON, *more)) == place


def test_outside_of_jupyter_nothing_happens():
    sections.watch("01")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("digits", "name 'digits' is not defined. It is made in section 1.6 The data: run that first"),
        ("plt", "It is made in the cells before the first section: run that first"),
        ("def f():\n    return digits\nf()", "It is made in section 1.6 The data"),
        ("my_typo", "name 'my_typo' is not defined"),
    ],
)
def test_in_a_kernel_the_error_names_the_section(code, words):
    start = "from course_utils import runtime, settings\nruntime.setup(settings.load('01', 'fast'))"
    course = nbformat.from_dict(notebook(start, code))
    with pytest.raises(CellExecutionError) as caught:
        NotebookClient(course, timeout=60, resources={"metadata": {"path": str(ROOT)}}).execute()
    assert caught.value.ename == "NameError"
    assert words in caught.value.evalue
    assert ("It is made in" in caught.value.evalue) == (code != "my_typo")
