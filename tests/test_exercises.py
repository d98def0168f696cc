"""Every exercise of every chapter: what is right passes in any form, what is wrong is told why, nothing crashes."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
from functools import partial
from pathlib import Path

import lessons
import numpy as np
import pytest
import torch
from torch import nn

from course_utils import ROOT
from course_utils.exercises import exercise as exercise_module
from course_utils.exercises import grading
from course_utils.exercises.grading import Exercise, grade, hint, solution
from course_utils.exercises.trials import copied

MODULES = sorted((ROOT / "course_utils" / "exercises").glob("chapter_[0-9][0-9].py"))
CHAPTERS = [file.stem[-2:] for file in MODULES]
ALL = {
    id: exercise
    for chapter in CHAPTERS
    for id, exercise in importlib.import_module(f"course_utils.exercises.chapter_{chapter}").EXERCISES.items()
}
FUNCTIONS = [id for id, exercise in ALL.items() if callable(exercise.answer)]
CORRECT = grading.Verdict("correct")


def attempts(kind: str) -> list[tuple[str, object]]:
    """Return the answers in tests/attempts, `RIGHT` or `WRONG`, with the ids of their exercises."""
    found = []
    for file in sorted((ROOT / "tests" / "attempts").glob("chapter_[0-9][0-9].py")):
        spec = importlib.util.spec_from_file_location(f"attempts_{file.stem}", file)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found += [(id, answer) for id, answers in getattr(module, kind).items() for answer in answers]
    return found


RIGHT, WRONG = attempts("RIGHT"), attempts("WRONG")
WRONG += [(id, answer) for id, exercise in ALL.items() for answer, _ in exercise.mistakes]


def named(pairs: list[tuple[str, object]]) -> list[str]:
    return [f"{id}-{number}-{getattr(a, '__name__', 'value')}" for number, (id, a) in enumerate(pairs)]


@pytest.fixture(autouse=True)
def kept(tmp_path, monkeypatch):
    """Keep the learner's own progress out of the tests, and the tests out of it."""
    monkeypatch.setattr(grading, "PROGRESS", tmp_path / "progress.json")
    monkeypatch.setattr(grading, "_hints_given", {})


# --- What is right ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", ALL)
def test_the_answer_passes_twice(id):
    for _ in range(2):  # an examination leaves nothing behind
        assert grade(id, ALL[id].answer) == CORRECT


@pytest.mark.parametrize(("id", "answer"), RIGHT, ids=named(RIGHT))
def test_what_learners_write_rightly_passes(id, answer):
    assert grade(id, answer) == CORRECT


def dressed(value, dress):
    """Return numbers in another dress; whole ones stay whole, names and networks as they are."""
    if isinstance(value, tuple):
        return tuple(dressed(part, dress) for part in value)
    if isinstance(value, dict):
        return {name: dressed(part, dress) for name, part in value.items()}
    if isinstance(value, list) and (
        not value or any(isinstance(part, dict | nn.Parameter | str) for part in value)
    ):
        return [dressed(part, dress) for part in value]
    if isinstance(value, str | nn.Module | nn.Parameter):
        return value
    return dress(torch.as_tensor(value))


def as_numpy(values, dtype):
    return values.detach().numpy().astype(dtype if values.is_floating_point() else np.int64)


DRESSES = {
    "list": lambda values: values.tolist(),
    "tuple of tensors": lambda values: tuple(values) if values.ndim else values,
    "float32": partial(as_numpy, dtype=np.float32),
    "float64": partial(as_numpy, dtype=np.float64),
    "objects": partial(as_numpy, dtype=object),
    "tensor": lambda values: values.double() if values.is_floating_point() else values,
    "with gradient": lambda values: values.requires_grad_() if values.is_floating_point() else values,
    "a row of one": lambda values: values.reshape(1) if values.ndim == 0 else values,
}


@pytest.mark.parametrize("dress", DRESSES.values(), ids=DRESSES)
@pytest.mark.parametrize("id", ALL)
def test_it_does_not_matter_what_numbers_come_as(id, dress):
    answer = ALL[id].answer
    changed = (
        (lambda *inputs: dressed(answer(*inputs), dress)) if callable(answer) else dressed(answer, dress)
    )
    assert grade(id, changed) == CORRECT


def spoil(value):
    """Overwrite whatever can be overwritten."""
    if isinstance(value, nn.Module):
        for weight in value.parameters():
            weight.data.fill_(7)
    elif isinstance(value, torch.Tensor):
        value.detach().fill_(7)
    elif isinstance(value, np.ndarray):
        value[...] = 7
    elif isinstance(value, list):
        for part in value:
            spoil(part)
        value[:] = [7]
    elif isinstance(value, dict):
        value.clear()


@pytest.mark.parametrize("id", FUNCTIONS)
def test_an_answer_may_overwrite_what_it_is_given(id):
    def in_place(*inputs):
        own = copied(list(inputs))
        for value in inputs:
            spoil(value)
        result = ALL[id].answer(*own)
        result = tuple(map(copied, result)) if isinstance(result, tuple) else copied(result)
        for value in (*inputs, *own):
            spoil(value)
        return result

    for _ in range(2):
        assert grade(id, in_place) == CORRECT


@pytest.mark.parametrize("id", FUNCTIONS)
def test_a_wrong_answer_cannot_overwrite_what_is_expected(id):
    blocks = []

    def too_early(*inputs):
        blocks.extend(value for value in inputs if not isinstance(value, int | float | str | bytes | Path))
        for value in inputs:
            spoil(value)
        return ALL[id].answer(*inputs)

    verdict = grade(id, too_early)
    assert verdict.status == ("not yet" if blocks else "correct")


@pytest.mark.parametrize("id", FUNCTIONS)
def test_nothing_leaks_into_the_notebook_nor_from_it(id):
    def state():
        return torch.get_default_dtype(), torch.is_grad_enabled(), torch.rand(1).item(), np.random.rand()

    def meddling(*inputs):
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        torch.manual_seed(1)
        np.random.seed(1)
        with torch.enable_grad():
            return ALL[id].answer(*inputs)

    torch.manual_seed(5)
    np.random.seed(5)
    before = state()
    torch.manual_seed(5)
    np.random.seed(5)
    grade(id, meddling)
    assert state() == before
    try:
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        assert grade(id, ALL[id].answer) == CORRECT
        assert torch.get_default_dtype() == torch.float64
        assert not torch.is_grad_enabled()
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_grad_enabled(True)


# --- What is wrong ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("id", "answer"), WRONG, ids=named(WRONG))
def test_a_mistake_is_told_what_is_wrong(id, answer):
    verdict = grade(id, answer)
    assert verdict.status == "not yet"
    assert 15 <= len(verdict.message) <= 700
    assert "cannot be judged" not in verdict.message


@pytest.mark.parametrize("id", ALL)
def test_at_least_four_mistakes_are_known(id):
    assert sum(other == id for other, _ in WRONG) >= 4
    assert all(why.strip() for _, why in ALL[id].mistakes)


@pytest.mark.parametrize("id", ALL)
def test_the_stub_is_not_attempted(id):
    answer = ALL[id].answer
    stubs = [..., (..., ...), [[..., ...], [...]]]
    if callable(answer):
        stubs += [lambda *inputs: ..., lambda *inputs: (..., ...)]
    if isinstance(answer, dict):
        stubs.append(dict.fromkeys(answer, ...))
    assert [grade(id, stub).status for stub in stubs] == ["not attempted"] * len(stubs)


@pytest.mark.parametrize("id", FUNCTIONS)
def test_an_error_of_the_learner_comes_back_to_the_learner(id):
    def broken(*inputs):
        raise RuntimeError("the shapes do not fit")

    verdict = grade(id, broken)
    assert verdict.status == "not yet"
    assert "raised RuntimeError: the shapes do not fit" in verdict.message
    assert "exit" in grade(id, lambda *inputs: exit()).message.lower()


@pytest.mark.parametrize("id", FUNCTIONS)
def test_who_interrupts_is_heard(id):
    def interrupted(*inputs):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        grade(id, interrupted)


@pytest.mark.parametrize("id", FUNCTIONS)
def test_other_inputs_than_the_stubs_are_explained(id):
    assert "inputs, as in the stub" in grade(id, lambda a, b, c, d, e, f, g: 1).message
    assert "expected a function" in grade(id, 3).message
    assert grade(id, type("Class", (), {})).status == "not yet"


class Awkward:
    """Cannot be compared, shown, measured or turned into numbers."""

    def __eq__(self, other):
        raise ValueError("no comparing")

    __hash__ = None

    def __repr__(self):
        raise ValueError("no showing")

    def __len__(self):
        raise ValueError("no measuring")

    def __array__(self, *_, **__):
        raise ValueError("no numbers")

    def __getattr__(self, name):
        raise RecursionError(name)


class Silent(Exception):
    def __str__(self):
        raise ValueError


class Subclass(torch.Tensor):
    pass


class Bad(nn.Module):
    def forward(self, inputs):
        raise Silent


def endless():
    while True:
        yield 1


def holding_itself():
    inner = []
    inner.append(inner)
    return inner


def raising(error):
    raise error


ODD = {
    "nothing": lambda: None,
    "a word": lambda: "seven",
    "a number": lambda: -12345,
    "true": lambda: True,
    "complex": lambda: 1j,
    "nan": lambda: float("nan"),
    "infinity": lambda: -float("inf"),
    "a giant": lambda: 10**400,
    "bytes": lambda: b"7",
    "a list": lambda: [1, 2, 3],
    "a long list": lambda: [0.5] * 200_000,
    "an empty list": list,
    "an empty tuple": lambda: (),
    "two of nothing": lambda: (None, None),
    "two words": lambda: ("a", "b"),
    "three": lambda: (1, 2, 3),
    "half a stub": lambda: (torch.ones(2, 3), ...),
    "ragged": lambda: [[1.0], [2.0, 3.0]],
    "a list in itself": holding_itself,
    "a table": lambda: {"a": 1},
    "an empty table": dict,
    "a set": lambda: {1, 2},
    "an object": object,
    "an awkward object": Awkward,
    "awkward parts": lambda: (Awkward(), Awkward()),
    "an awkward table": lambda: {"<pad>": Awkward(), "shape": Awkward()},
    "a type": lambda: int,
    "a function": lambda: len,
    "a generator": lambda: (number for number in range(3)),
    "an endless generator": endless,
    "a module": lambda: np,
    "an array": lambda: np.ones(3),
    "an array of words": lambda: np.array(["a", "b"]),
    "an array of objects": lambda: np.array([object(), None]),
    "a structured array": lambda: np.zeros(2, dtype=[("a", float)]),
    "dates": lambda: np.array(["2020-01-01"], dtype="datetime64[D]"),
    "a scalar array": lambda: np.array(-7.5),
    "an enormous view": lambda: np.broadcast_to(np.zeros(1), (10**6, 10**6)),
    "a tensor of nan": lambda: torch.full((2, 3), torch.nan),
    "an empty tensor": lambda: torch.zeros(0),
    "a single number": lambda: torch.tensor(-7.5),
    "many axes": lambda: torch.zeros(1, 1, 1, 1, 1, 2),
    "complex tensor": lambda: torch.ones(3, dtype=torch.complex64),
    "without numbers": lambda: torch.zeros(3, device="meta"),
    "sparse": lambda: torch.eye(2).to_sparse(),
    "an enormous tensor": lambda: torch.zeros(1).expand(10**6, 10**6),
    "a subclass": lambda: torch.zeros(2, 2).as_subclass(Subclass),
    "a parameter": lambda: nn.Parameter(torch.zeros(2)),
    "a layer": lambda: nn.Linear(2, 7),
    "no layer": nn.Identity,
    "a lazy layer": lambda: nn.LazyLinear(3),
    "a layer that raises": Bad,
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@pytest.mark.parametrize("id", ALL)
def test_an_odd_answer_is_not_yet_right_and_never_an_error(id, odd):
    verdicts = [grade(id, odd())]
    if id in FUNCTIONS:
        verdicts.append(grade(id, lambda *inputs: odd()))
    for found in verdicts:
        assert (found.status, 10 <= len(found.message) <= 700) == ("not yet", True), found
        assert "cannot be judged" not in found.message


@pytest.mark.parametrize(
    "error",
    [
        Silent(),
        RecursionError("deep"),
        MemoryError(),
        SystemExit(3),
        GeneratorExit(),
        UserWarning("mind this"),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("id", FUNCTIONS)
def test_whatever_a_function_raises_is_a_verdict(id, error):
    assert "raised" in grade(id, lambda *inputs: raising(error)).message


def test_the_last_net_holds_whatever_an_examiner_does(monkeypatch):
    for error in (ValueError("a hole"), SystemExit(1), RecursionError()):
        broken = Exercise("t", lambda answer, error=error: raising(error), 1, ("h",), "r", (), "n")
        monkeypatch.setattr(grading, "find", lambda id, broken=broken: broken)
        found = grade("1.1", Awkward())
        assert found.status == "not yet"
        assert f"cannot be judged: {type(error).__name__}" in found.message


# --- Texts and solutions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("id", "exercise"), ALL.items(), ids=ALL)
def test_every_exercise_is_complete(id, exercise):
    assert isinstance(exercise, Exercise)
    assert exercise.title.strip()
    assert len(exercise.mistakes) >= 2
    assert len(exercise.record()["mistakes"]) <= exercise_module.SHOWN_MISTAKES
    assert len(exercise.hints) >= (2 if callable(exercise.answer) else 1)
    assert all(words.strip() for words in (*exercise.hints, exercise.reasoning, exercise.notes))


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_exercises_of_a_chapter_are_at_least_five_and_numbered(chapter):
    ids = list(importlib.import_module(f"course_utils.exercises.chapter_{chapter}").EXERCISES)
    assert len(ids) >= 5
    assert {id.split(".")[0] for id in ids} == {str(int(chapter))}
    numbers = [int(id.split(".")[1]) for id in ids]
    assert numbers == sorted(set(numbers))


def lesson(chapter: str) -> lessons.Lesson:
    (file,) = (ROOT / "notebooks").glob(f"{chapter}_*.ipynb")
    return lessons.read(file)


@pytest.fixture(scope="module", params=CHAPTERS)
def chapter(request):
    """Return a chapter's imports, and the stub's name of each exercise as its check names it."""
    found, (setup,) = lesson(request.param), lesson(request.param).tagged("setup")
    namespace = {}
    exec(setup.source, namespace)
    checks = [call for cell in found.tagged("check") for call in lessons.calls(cell.tree, "check")]
    return namespace, {lessons.constant_text(call.args[0]): call.args[1].id for call in checks}


def test_the_solution_runs_where_the_stub_stands(chapter, capsys):
    namespace, stubs = chapter
    assert stubs
    for id, stub in stubs.items():
        assert ALL[id].stub == stub
        capsys.readouterr()
        solution(id)
        pasted = dict(namespace)
        exec(capsys.readouterr().out, pasted)
        assert grade(id, pasted[stub]) == CORRECT, id


def test_the_solution_has_the_stubs_form(chapter, capsys):
    _, stubs = chapter
    sources = [
        cell.source for cell in lesson(f"{int(next(iter(stubs)).split('.')[0]):02d}").tagged("exercise")
    ]
    for id in stubs:
        solution(id)
        first = capsys.readouterr().out.splitlines()[0]
        if first.startswith("def "):
            assert any(first in source for source in sources), (id, first)


@pytest.mark.parametrize("id", ALL)
def test_the_solution_gives_its_reason(id, capsys):
    solution(id)
    printed = " ".join(capsys.readouterr().out.replace("\n# ", " ").split())
    assert " ".join(ALL[id].reasoning.split()) in printed


@pytest.mark.parametrize("id", ALL)
def test_hints_come_one_by_one_and_end(id, capsys):
    for number, words in enumerate(ALL[id].hints, start=1):
        hint(id)
        assert capsys.readouterr().out == f"Hint {number} of {len(ALL[id].hints)} for {id}: {words}\n"
    for _ in range(2):
        hint(id)
        assert f"last hint of {id}" in capsys.readouterr().out


@pytest.mark.parametrize("id", ALL)
def test_an_answer_may_print(id):
    def talking(*inputs):
        print("so many words")
        return ALL[id].answer(*inputs)

    if id in FUNCTIONS:
        with contextlib.redirect_stdout(io.StringIO()) as said:
            assert grade(id, talking) == CORRECT
        assert "so many words" in said.getvalue()
