"""Exercises: of every one the answer passes, the stub is seen, and each mistake is told what is wrong."""

from __future__ import annotations

import importlib
import json

import pytest
import torch
from torch import nn

from course_utils import ROOT
from course_utils.exercises import grading as exercises
from course_utils.exercises.grading import (
    Exercise,
    NotYet,
    UnknownExercise,
    check,
    grade,
    hint,
    progress,
    solution,
)

MODULES = sorted((ROOT / "course_utils" / "exercises").glob("chapter_[0-9][0-9].py"))
CHAPTERS = [file.stem[-2:] for file in MODULES]
ALL = {
    id: exercise
    for chapter in CHAPTERS
    for id, exercise in importlib.import_module(f"course_utils.exercises.chapter_{chapter}").EXERCISES.items()
}
MISTAKES = [(id, answer, why) for id, exercise in ALL.items() for answer, why in exercise.mistakes]
FUNCTIONS = [id for id, exercise in ALL.items() if callable(exercise.answer)]


@pytest.fixture(autouse=True)
def kept(tmp_path, monkeypatch):
    """Keep the learner's own progress out of the tests, and the tests out of it."""
    monkeypatch.setattr(exercises, "PROGRESS", tmp_path / "new" / "progress.json")
    monkeypatch.setattr(exercises, "_hints_given", {})
    return tmp_path / "new" / "progress.json"


@pytest.mark.parametrize("id", ALL)
def test_the_answer_passes_twice(id):
    for _ in range(2):  # an examination leaves nothing behind
        assert grade(id, ALL[id].answer) == exercises.Verdict("correct")


@pytest.mark.parametrize("id", ALL)
def test_the_stub_is_not_attempted(id):
    assert grade(id, ...).status == "not attempted"
    answer = ALL[id].answer
    if callable(answer):
        assert grade(id, lambda *inputs: ...).status == "not attempted"
    if isinstance(answer, dict):
        assert grade(id, dict.fromkeys(answer, ...)).status == "not attempted"


@pytest.mark.parametrize(("id", "answer", "why"), MISTAKES, ids=[f"{i}: {w}" for i, _, w in MISTAKES])
def test_a_mistake_is_told_what_is_wrong(id, answer, why):
    verdict = grade(id, answer)
    assert verdict.status == "not yet"
    assert len(verdict.message) >= 15
    assert "raised" not in verdict.message
    assert why.strip()


@pytest.mark.parametrize("id", FUNCTIONS)
def test_an_error_of_the_learner_comes_back_to_the_learner(id):
    def broken(*inputs):
        raise RuntimeError("the shapes do not fit")

    verdict = grade(id, broken)
    assert verdict.status == "not yet"
    assert "raised RuntimeError: the shapes do not fit" in verdict.message


ODD = {
    "nothing": None,
    "a word": "seven",
    "a number": -12345,
    "a list": [1, 2, 3],
    "ragged": [[1.0], [2.0, 3.0]],
    "a table": {"a": 1},
    "an object": object(),
    "a type": int,
    "an array": torch.ones(3).numpy(),
    "a tensor": torch.full((2, 3), torch.nan),
    "an empty tensor": torch.zeros(0),
    "a layer": nn.Linear(2, 7),
    "no layer": nn.Identity(),
}


@pytest.mark.parametrize("id", ALL)
@pytest.mark.parametrize("odd", ODD.values(), ids=ODD.keys())
def test_an_odd_answer_is_not_yet_right_and_never_an_error(id, odd):
    found = grade(id, odd)
    assert (found.status, bool(found.message)) == ("not yet", True)
    if id in FUNCTIONS:
        found = grade(id, lambda *inputs: odd)
        assert (found.status, bool(found.message)) == ("not yet", True)


@pytest.mark.parametrize("id", FUNCTIONS)
def test_a_number_instead_of_a_function_is_explained(id):
    assert "expected a function" in grade(id, 3).message


@pytest.mark.parametrize(("id", "exercise"), ALL.items(), ids=ALL.keys())
def test_every_exercise_is_complete(id, exercise):
    assert isinstance(exercise, Exercise)
    assert exercise.title.strip()
    assert len(exercise.mistakes) >= 2
    assert exercise.hints
    assert all(words.strip() for words in (*exercise.hints, exercise.reasoning, exercise.notes))
    if callable(exercise.answer):
        assert exercise.worked().startswith("def ")
        assert len(exercise.hints) >= 2
        compile(exercise.worked(), id, "exec")


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_exercises_of_a_chapter_are_at_least_five_and_numbered(chapter):
    ids = list(importlib.import_module(f"course_utils.exercises.chapter_{chapter}").EXERCISES)
    assert len(ids) >= 5
    assert {id.split(".")[0] for id in ids} == {str(int(chapter))}
    numbers = [int(id.split(".")[1]) for id in ids]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("id", FUNCTIONS)
def test_an_answer_may_change_what_it_is_given(id):
    def in_place(*inputs):
        result = ALL[id].answer(*inputs)
        result = result.clone() if isinstance(result, torch.Tensor) else result
        for value in inputs:
            if isinstance(value, torch.Tensor):
                value.detach().fill_(7)
        return result

    assert grade(id, in_place) == exercises.Verdict("correct")


def test_weights_that_are_not_finite_do_not_pass():
    def spoiled(model, inputs, targets, steps):
        found = ALL["1.6"].answer(model, inputs, targets, steps)
        with torch.no_grad():
            found.bias.fill_(torch.nan)
        return found

    assert grade("1.6", spoiled).status == "not yet"


def test_a_verdict_is_printed_and_kept(kept, capsys):
    check("1.3", ...)
    assert "1.3 Count the parameters: not attempted" in capsys.readouterr().out
    assert not kept.exists()
    check("1.3", lambda sizes: 1)
    assert "✗ 1.3 Count the parameters: not yet: for layers" in capsys.readouterr().out
    assert json.loads(kept.read_text(encoding="utf-8")) == {"1.3": "not yet"}
    check("1.3", ALL["1.3"].answer)
    assert "✓ 1.3 Count the parameters: correct" in capsys.readouterr().out
    check("1.3", lambda sizes: 1)  # what was once correct stays correct
    check("1.1", lambda *inputs: 1)
    assert json.loads(kept.read_text(encoding="utf-8")) == {"1.1": "not yet", "1.3": "correct"}
    assert [file.name for file in kept.parent.iterdir()] == [kept.name]


@pytest.mark.parametrize("damage", [b"{", b"", b"\xff\xfe", b"[]", b"null", b"3"])
def test_a_damaged_file_is_moved_aside(kept, capsys, damage):
    kept.parent.mkdir()
    kept.write_bytes(damage)
    check("1.3", ALL["1.3"].answer)
    assert "progress.damaged.json" in capsys.readouterr().out
    assert kept.with_suffix(".damaged.json").read_bytes() == damage
    assert json.loads(kept.read_text(encoding="utf-8")) == {"1.3": "correct"}


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_progress_lists_every_exercise(chapter, capsys):
    ids = [id for id in ALL if id.split(".")[0] == str(int(chapter))]
    check(ids[1], ALL[ids[1]].answer)
    table = progress(chapter)
    assert [row[0] for row in table.rows] == ids
    assert [row[0] for row in table.rows if row[2] == "correct"] == [ids[1]]
    assert f"1 of {len(ids)} exercises correct" in table._repr_html_()
    assert repr(table).count("\n") == len(ids) - 1


@pytest.mark.parametrize("id", ALL)
def test_hints_come_one_by_one_and_end(id, capsys):
    for number, words in enumerate(ALL[id].hints, start=1):
        hint(id)
        assert capsys.readouterr().out == f"Hint {number} of {len(ALL[id].hints)} for {id}: {words}\n"
    for _ in range(2):
        hint(id)
        assert f"last hint of {id}" in capsys.readouterr().out


@pytest.mark.parametrize("id", ALL)
def test_the_solution_shows_the_answer_and_the_reason(id, capsys):
    solution(id)
    printed = capsys.readouterr().out
    assert ALL[id].worked() in printed
    assert ALL[id].reasoning in printed


@pytest.mark.parametrize(
    ("id", "words"),
    [
        ("1.99", r"unknown exercise '1\.99'; chapter 1 has 1\.0, 1\.1"),
        ("77.1", "chapter 77 has no exercises"),
        ("one", "'one', expected chapter and number such as '1.2'"),
        ("", "such as '1.2'"),
        ("1.2.3", "such as '1.2'"),
    ],
)
@pytest.mark.parametrize("ask", [lambda id: check(id, 1), hint, solution])
def test_an_unknown_exercise_is_answered_with_the_known_ones(ask, id, words):
    with pytest.raises(UnknownExercise, match=words):
        ask(id)


def test_an_id_may_be_written_with_the_chapters_two_digits():
    with pytest.raises(UnknownExercise, match=r"1\.0, 1\.1"):
        grade("01.1", 1)


def test_a_function_that_returns_nothing_is_told_so():
    with pytest.raises(NotYet, match="does it end with `return`"):
        exercises.call(lambda value: None, 3)


def test_long_inputs_are_cut_in_messages():
    with pytest.raises(NotYet) as caught:
        exercises.call(lambda value: None, torch.zeros(1000))
    assert len(str(caught.value)) < 160


def test_the_clinic_prints_the_error_or_the_recovery(capsys):
    with exercises.clinic("shapes"):
        torch.zeros(2, 3) @ torch.zeros(2, 3)
    assert capsys.readouterr().out.startswith("✗ shapes: RuntimeError: ")
    with exercises.clinic("empty"):
        raise ValueError
    assert "✗ empty: ValueError" in capsys.readouterr().out
    with exercises.clinic("shapes"):
        pass
    assert capsys.readouterr().out == "✓ shapes: runs without an error\n"
