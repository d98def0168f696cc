"""The exercises of chapter 03: the answer passes, the stub is not attempted, each mistake is told what differs."""

from __future__ import annotations

import pytest

from course_utils.exercises import grading as exercises
from course_utils.exercises.chapter_03 import EXERCISES

MISTAKES = [(id, number) for id, exercise in EXERCISES.items() for number in range(len(exercise.mistakes))]


@pytest.mark.parametrize("id", EXERCISES)
def test_the_answer_passes_and_the_stub_is_not_attempted(id: str):
    assert exercises.grade(id, EXERCISES[id].answer).status == "correct"
    assert exercises.grade(id, ...).status == "not attempted"
    assert exercises.grade(id, lambda *inputs: ...).status == "not attempted"
    assert exercises.grade(id, lambda *inputs: 7).status == "not yet"
    assert len(EXERCISES[id].mistakes) >= 2


@pytest.mark.parametrize(("id", "number"), MISTAKES)
def test_a_mistake_is_told_what_differs(id: str, number: int):
    verdict = exercises.grade(id, EXERCISES[id].mistakes[number][0])
    assert verdict.status == "not yet"
    assert len(verdict.message) > 30
    assert "raised" not in verdict.message
