"""Notebooks in the form kept in git: outputs of kept cells only, nothing that changes from run to run."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import nbformat
import pytest
from conftest import Playground, cell, notebook
from typer.testing import CliRunner

from course_utils.claims import MIME
from course_utils.tools import bounds, notebooks
from course_utils.tools.cli import app
from course_utils.tools.notebooks import KEPT, Notebook, is_stripped, strip, text
from course_utils.tools.tree import CourseError

TAGS = sorted(KEPT)


def lesson() -> Notebook:
    return notebook(
        cell("# A title", id="title", kind="markdown"), "x = 41", cell("x + 1", id="kept", tags=TAGS), "x + 2"
    )


def executed(source: Notebook) -> Notebook:
    """Return what papermill makes of a lesson: outputs, counts, an extra cell, metadata everywhere."""
    ran = copy.deepcopy(source)
    ran["cells"].insert(1, cell("seed = 3", id="extra", tags=["injected-parameters"]))
    for count, each in enumerate(notebooks.code_cells(ran), start=1):
        each["execution_count"] = count
        each["metadata"]["papermill"] = {"duration": 0.25}
        each["outputs"] = [
            {"output_type": "stream", "name": "stdout", "text": ["one\n"]},
            {"output_type": "stream", "name": "stdout", "text": "two\n"},
            {
                "output_type": "execute_result",
                "execution_count": count,
                "metadata": {},
                "data": {"text/plain": "42"},
            },
        ]
    ran["metadata"]["papermill"] = {"duration": 1}
    return ran


def test_only_kept_outputs_stay_counted_one() -> None:
    stripped = strip(lesson(), executed(lesson()))
    by_id = {each["id"]: each for each in stripped["cells"]}
    assert by_id["kept"]["execution_count"] == 1
    assert by_id["kept"]["outputs"] == [
        {"output_type": "stream", "name": "stdout", "text": "one\ntwo\n"},
        {"output_type": "execute_result", "execution_count": 1, "metadata": {}, "data": {"text/plain": "42"}},
    ]
    others = [each for each in stripped["cells"] if each["cell_type"] == "code" and each["id"] != "kept"]
    assert [(each["outputs"], each["execution_count"]) for each in others] == [([], None)] * 3


def test_sources_ids_and_tags_stay_all_other_metadata_goes() -> None:
    source = lesson()
    source["cells"][2]["metadata"] = {"collapsed": True, "execution": {"started": "now"}}
    source["metadata"]["widgets"] = {"state": {}}
    stripped = strip(source, executed(source))
    assert [(c["id"], c["source"]) for c in stripped["cells"]] == [
        (c["id"], c["source"]) for c in source["cells"]
    ]
    assert [c["metadata"] for c in stripped["cells"]] == [
        {"tags": ["parameters"]},
        {},
        {},
        {"tags": TAGS},
        {},
    ]
    assert set(stripped["metadata"]) == {"kernelspec", "language_info"}


def test_stripping_is_pure_valid_and_changes_nothing_the_second_time() -> None:
    source, ran = lesson(), executed(lesson())
    before = copy.deepcopy((source, ran))
    once = strip(source, ran)
    assert (source, ran) == before
    assert strip(once, once) == once
    assert text(once) == text(strip(lesson(), executed(lesson())))
    nbformat.validate(nbformat.reads(text(once), as_version=4))


@pytest.mark.parametrize("index", [2, 3], ids=["a cell before it", "the kept cell"])
def test_an_edit_since_the_run_is_refused(index: int) -> None:
    edited = lesson()
    edited["cells"][index]["source"] += "  # edited"
    with pytest.raises(CourseError, match=r"code cell .*edited.* is not what was executed last"):
        strip(edited, executed(lesson()))


def test_an_edit_behind_the_last_kept_cell_needs_no_run() -> None:
    edited = lesson()
    edited["cells"][-1]["source"] = "x + 3"
    assert strip(edited, executed(lesson()))["cells"][-1]["source"] == "x + 3"


def test_a_kept_cell_that_was_not_reached_is_refused() -> None:
    ran = executed(lesson())
    notebooks.code_cells(ran)[2]["execution_count"] = None
    with pytest.raises(CourseError, match="not what was executed"):
        strip(lesson(), ran)
    with pytest.raises(CourseError, match="not what was executed"):
        strip(lesson())


def test_one_of_the_two_tags_is_not_enough() -> None:
    source = notebook(cell("1", tags=TAGS[:1]), cell("2", tags=TAGS[1:]))
    assert all(not each["outputs"] for each in strip(source)["cells"])


@pytest.fixture
def stripped_file(playground: Playground) -> Path:
    path = playground.add("01_lesson", "x = 41", cell("x + 1", id="kept", tags=TAGS))
    ran = playground.runs / "fast" / path.name
    ran.parent.mkdir(parents=True)
    ran.write_text(text(executed(notebooks.read(path))), encoding="utf-8")
    return path


def course(playground: Playground, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["--root", str(playground.root), *arguments])
    return result.exit_code, result.output


def test_the_command_strips(playground: Playground, stripped_file: Path) -> None:
    assert not is_stripped(stripped_file)
    assert course(playground, "strip", "01") == (0, "stripped 01_lesson.ipynb\n")
    assert is_stripped(stripped_file)
    assert course(playground, "strip", "01") == (0, "")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"execution_count": 1', '"execution_count": 2'),
        ('"metadata": {}', '"metadata": {"editable": true}'),
        ("}\n", "}"),
    ],
)
def test_any_other_form_is_noticed(playground: Playground, stripped_file: Path, old: str, new: str) -> None:
    course(playground, "strip")
    good = stripped_file.read_text(encoding="utf-8")
    head, found, tail = good.rpartition(old)
    assert found
    stripped_file.write_text(head + new + tail, encoding="utf-8")
    assert not is_stripped(stripped_file)


def test_without_a_run_the_command_says_what_to_do(playground: Playground) -> None:
    path = playground.add("01_lesson", cell("1", tags=TAGS))
    before = path.read_bytes()
    code, said = course(playground, "strip")
    assert code == 1
    assert "run first: course run 01" in said
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", ["", "{}", '{"nbformat": 3, "cells": []}', "[1]"])
def test_what_is_no_notebook_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.ipynb").write_text(content, encoding="utf-8")
    with pytest.raises(CourseError, match=r"a\.ipynb"):
        notebooks.read(tmp_path / "a.ipynb")


def test_records_know_their_cell() -> None:
    claim: dict[str, Any] = {"id": "01.1", "value": 1.0, "ok": True}
    source = notebook(cell("claim()", id="claim"))
    source["cells"][1] |= {
        "execution_count": 2,
        "outputs": [
            {"output_type": "display_data", "metadata": {}, "data": {MIME: claim}},
            {"output_type": "stream", "name": "stderr", "text": ["a"]},
            {"output_type": "stream", "name": "stderr", "text": "b"},
        ],
    }
    hash_of_cell = bounds.cell_hash(notebooks.source(source["cells"][1]))
    assert bounds.claim_records(source) == [{**claim, "cell": hash_of_cell}]
    assert notebooks.stderr_records(source) == [{"cell": 2, "text": "ab"}]
