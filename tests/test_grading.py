"""How exercises are graded and kept: printed verdicts, ids, progress, the clinic; and the converter behind them."""

from __future__ import annotations

import json
import warnings
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from course_utils.exercises import answers, exercise, grading, trials
from course_utils.exercises.grading import (
    NotAttempted,
    NotYet,
    UnknownExercise,
    check,
    clinic,
    grade,
    hint,
    progress,
    solution,
)

COUNT = grading.find("1.9").answer


@pytest.fixture(autouse=True)
def kept(tmp_path, monkeypatch):
    """Keep the learner's own progress out of the tests, and the tests out of it."""
    monkeypatch.setattr(grading, "PROGRESS", tmp_path / "new" / "progress.json")
    monkeypatch.setattr(grading, "_hints_given", {})
    return tmp_path / "new" / "progress.json"


def test_a_verdict_is_printed_and_kept(kept, capsys):
    check("1.9", ...)
    assert "1.9 Count the parameters: not attempted" in capsys.readouterr().out
    assert not kept.exists()
    check("1.9", lambda sizes: 1)
    assert "not yet: for sizes [3, 2] expected 8, got 1\n" in capsys.readouterr().out
    assert json.loads(kept.read_text(encoding="utf-8")) == {"1.9": "not yet"}
    check("1.9", COUNT)
    assert "✓ 1.9 Count the parameters: correct" in capsys.readouterr().out
    check("1.9", lambda sizes: 1)  # what was once correct stays correct
    check("1.1", lambda *inputs: 1)
    assert json.loads(kept.read_text(encoding="utf-8")) == {"1.1": "not yet", "1.9": "correct"}
    assert [file.name for file in kept.parent.iterdir()] == [kept.name]


@pytest.mark.parametrize("damage", [b"{", b"", b"\xff\xfe", b"[]", b"null", b"3"])
def test_a_damaged_file_is_moved_aside(kept, capsys, damage):
    kept.parent.mkdir()
    kept.write_bytes(damage)
    check("1.9", COUNT)
    assert "progress.damaged.json" in capsys.readouterr().out
    assert kept.with_suffix(".damaged.json").read_bytes() == damage
    assert json.loads(kept.read_text(encoding="utf-8")) == {"1.9": "correct"}


def test_a_verdict_is_printed_where_nothing_can_be_kept(kept, capsys):
    kept.parent.write_text("a file where the folder should be", encoding="utf-8")
    check("1.9", COUNT)
    out = capsys.readouterr().out
    assert "✓ 1.9" in out
    assert "Your progress could not be kept" in out


def test_a_full_disk_leaves_no_half_file(kept, monkeypatch, capsys):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(json, "dump", full)
    check("1.9", COUNT)
    assert "No space left on device" in capsys.readouterr().out
    assert list(kept.parent.iterdir()) == []


def test_progress_lists_every_exercise_of_a_chapter():
    check("1.9", COUNT)
    table = progress("01")
    assert [row[0] for row in table.rows] == list(table.records)
    assert [row[0] for row in table.rows if row[2] == "correct"] == ["1.9"]
    assert f"1 of {len(table.rows)} exercises correct" in table._repr_html_()
    assert repr(table).count("\n") == len(table.rows) - 1
    with pytest.raises(UnknownExercise, match="chapter 77 has no exercises"):
        progress("77")


@pytest.mark.parametrize(
    ("id", "words"),
    [
        ("1.99", r"unknown exercise '1\.99'; chapter 1 has 1\.0, 1\.1"),
        (1.99, r"unknown exercise 1\.99; chapter 1 has 1\.0, .*in quotes"),
        ("77.1", "chapter 77 has no exercises"),
        ("one", "'one', expected chapter and number such as '1.2'"),
        ("", "such as '1.2'"),
        ("1.2.3", "such as '1.2'"),
        ("²·¹", "such as '1.2'"),
        (2, "such as '1.2'"),
        (-2.1, "such as '1.2'"),
        (float("nan"), "such as '1.2'"),
        (None, "such as '1.2'"),
        (check, "such as '1.2'"),
    ],
)
@pytest.mark.parametrize("ask", [lambda id: check(id, 1), hint, solution])
def test_an_unknown_exercise_is_answered_in_one_sentence(ask, id, words):
    with pytest.raises(UnknownExercise, match=words):
        ask(id)


@pytest.mark.parametrize("id", ["1.9", 1.9, "01.9", " 1.9 ", np.float64(1.9)])
def test_an_id_may_be_written_in_several_ways(id, kept, capsys):
    check(id, COUNT)
    hint(id)
    solution(id)
    out = capsys.readouterr().out
    assert "✓ 1.9 Count the parameters: correct" in out
    assert "Hint 1 of 3 for 1.9" in out
    assert "def my_count(sizes):" in out
    assert json.loads(kept.read_text(encoding="utf-8")) == {"1.9": "correct"}


def test_a_number_that_means_two_exercises_is_asked_back(monkeypatch):
    two = dict.fromkeys(["2.1", "2.10"], grading.find("1.9"))
    monkeypatch.setattr(grading, "_chapter", lambda number: two)
    with pytest.raises(UnknownExercise, match=r"'2\.1' or '2\.10': write the number in quotes"):
        hint(2.1)
    hint("2.10")


# --- The clinic -------------------------------------------------------------------------------------------


def test_the_clinic_prints_the_error_or_the_recovery(capsys):
    with clinic("shapes"):
        torch.zeros(2, 3) @ torch.zeros(2, 3)
    assert capsys.readouterr().out.startswith("✗ shapes: RuntimeError: ")
    with clinic("empty"):
        raise ValueError
    assert "✗ empty: ValueError" in capsys.readouterr().out
    with clinic("shapes"):
        pass
    assert capsys.readouterr().out == "✓ shapes: runs without an error\n"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (torch.zeros(8, 10), "✓ shape: healed"),
        (np.zeros((8, 10)), "✓ shape: healed"),
        (torch.zeros(8, 3), "✗ shape: no error, but expected a result of shape (8, 10), got (8, 3)"),
        (torch.zeros(8, 10, device="meta"), "✗ shape: no error, but expected numbers, got a tensor of"),
        (None, "✗ shape: no error, but expected numbers, got None"),
        (..., "✗ shape: no error, and nothing came out: hand a result of shape (8, 10) to `healed`"),
    ],
)
def test_the_clinic_looks_at_what_the_healed_cell_makes(value, words, capsys):
    with clinic("shape", expect=(8, 10)) as healed:
        healed(value)
    assert capsys.readouterr().out.startswith(words)


def test_an_emptied_cell_is_not_healed(capsys):
    with clinic("loss", expect=()):
        pass
    assert "✗ loss: no error, and nothing came out" in capsys.readouterr().out
    with clinic("loss", expect=()) as healed:
        healed(nn.Linear(2, 1)(torch.ones(2)).sum())
    assert "✓ loss: healed" in capsys.readouterr().out
    with clinic("any batch", expect=(None, 4)) as healed:
        healed(torch.zeros(3, 4))
    assert "✓ any batch: healed" in capsys.readouterr().out
    with clinic("any batch", expect=(None, 4)) as healed:
        healed(torch.zeros(3, 4) @ torch.zeros(3, 4))
    assert "✗ any batch: RuntimeError" in capsys.readouterr().out


# --- The converter, and calling -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        [[1, 2], [3, 4]],
        ((1, 2), [3.0, 4]),
        range(1, 5),
        np.array([[1, 2], [3, 4]], dtype=np.uint8),
        np.array([[1, 2], [3, 4]], dtype=object),
        torch.tensor([[1, 2], [3, 4]], dtype=torch.bfloat16),
        torch.tensor([[1, 0], [3, 4]]).to_sparse() + torch.tensor([[0, 2], [0, 0]]).to_sparse(),
        torch.tensor([[1.0, 2], [3, 4]], requires_grad=True) * 1,
        [torch.tensor([1, 2]), np.array([3.0, 4])],
        [[torch.tensor(1.0), np.float32(2)], [Decimal(3), Fraction(4)]],
        pd.DataFrame([[1, 2], [3, 4]]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_numbers_come_in_many_forms(value):
    found = answers.numbers(value)
    assert found.dtype == np.float64
    assert found.ravel().tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("found", "fits"),
    [([1, 2.00005], True), ([1, 2.001], False), ([1, np.nan], False), ([[1, 2]], False), ([1, 2, 3], False)],
)
def test_numbers_are_compared_as_float32_allows(found, fits):
    if fits:
        answers.same(found, [1, 2], "for x ")
    else:
        with pytest.raises(NotYet, match=r"^for x expected .*, got "):
            answers.same(found, [1, 2], "for x ")


def test_the_first_difference_of_a_large_block_is_named():
    block = np.zeros((4, 5))
    block[2, 3] = 1
    with pytest.raises(NotYet, match=r"expected 0 at \[2, 3\], got 1$"):
        answers.same(block, np.zeros((4, 5)), "")


@pytest.mark.parametrize("text", ["b", "B", " b ", "b)", "(b)", "b.", "b) both", "B: (2, 4)"])
def test_a_letter_is_read_as_it_is_meant(text):
    assert answers.letter(text) == "b"


@pytest.mark.parametrize("text", ["", "both", "2", "?", None, 2, ["b"]])
def test_what_is_no_letter_is_none(text):
    assert answers.letter(text) == ""


def test_a_call_hands_copies_and_says_what_is_wrong():
    numbers, weights = torch.ones(3, requires_grad=True), [[1], np.zeros(2)]
    trials.call(lambda a, b: (a.mul_(5), b[0].append(2), b[1].fill(9)), numbers, weights)
    assert numbers.tolist() == [1, 1, 1]
    assert weights[0] == [1]
    assert weights[1].tolist() == [0, 0]
    for function, words in (
        (lambda value: None, "does it end with `return`"),
        (lambda value: map(str, [1]), "returned a map"),
        (lambda: 1, r"of 1 inputs, as in the stub; yours takes \(\)"),
        (3, "expected a function, got 3"),
    ):
        with pytest.raises(NotYet, match=words):
            trials.call(function, 3)
    with pytest.raises(NotAttempted):
        trials.call(lambda value: (..., [...]), 3)


def test_an_async_function_is_explained_without_a_warning():
    async def later(value):
        return value

    with pytest.raises(NotYet, match="async"):
        trials.call(later, 3)


def test_long_inputs_are_cut_in_messages():
    with pytest.raises(NotYet) as caught:
        trials.call(lambda value: None, torch.zeros(1000))
    assert len(str(caught.value)) < 160


def test_warnings_and_settings_of_a_learner_stay_in_the_call():
    def meddling(value):
        warnings.simplefilter("error")
        warnings.warn("mind this", stacklevel=1) if value < 0 else None
        np.seterr(all="raise")
        torch.set_default_device("meta")
        torch.set_num_threads(torch.get_num_threads() + 1)
        torch.use_deterministic_algorithms(True)
        return value

    def state():
        torches = (torch.get_default_device(), torch.get_num_threads())
        return [*torches, torch.are_deterministic_algorithms_enabled(), np.geterr(), list(warnings.filters)]

    before = state()
    assert trials.call(meddling, 1) == 1
    assert state() == before


def test_a_warning_is_no_error_even_where_warnings_are_errors():
    def warned(sizes):
        warnings.warn("mind this", stacklevel=1)
        return COUNT(sizes)

    assert grade("1.9", warned).status == "correct"


def test_a_worked_answer_is_shown_without_the_courses_annotations():
    def long_one(
        inputs: torch.Tensor, *, sizes: dict[str, tuple[int, ...]], rate: float = 0.1
    ) -> dict[str, int]:
        size: int = len(sizes)  # this one stays
        return {"a": size}

    code = exercise.as_code(long_one)
    assert "inputs, *, sizes, rate = 0.1\n" in code
    assert "):\n    size: int = len(sizes)  # this one stays" in code
    names = {}
    exec(code, names)
    assert names["long_one"](1, sizes=[2]) == {"a": 1}
    assert exercise.as_code([1], "mine") == "mine = [1]"
