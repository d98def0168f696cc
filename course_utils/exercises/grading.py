"""Exercises that answer back: `check`, `hint` and `solution`, and the learner's own progress.

One module a chapter holds its exercises: what is checked, hints, a worked answer, common mistakes, teaching notes.
"""

from __future__ import annotations

import contextlib
import html
import importlib
import json
import os
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from course_utils import ROOT
from course_utils.exercises.exercise import Exercise, NotAttempted, NotYet, is_stub

__all__ = ["Exercise", "NotAttempted", "NotYet", "check", "clinic", "grade", "hint", "progress", "solution"]

PROGRESS = Path(os.environ.get("COURSE_PROGRESS", ROOT / "data" / "progress.json"))
MIME = "application/vnd.course.exercises+json"
Status = Literal["not attempted", "not yet", "correct"]


class UnknownExercise(KeyError):
    """No exercise of that id; the message lists those of the chapter."""

    def __str__(self) -> str:
        """Return the message without the quotes that a KeyError adds."""
        return str(self.args[0])


@dataclass(frozen=True)
class Verdict:
    """What `grade` found: the status, and for a wrong answer what differs."""

    status: Status
    message: str = ""


_hints_given: dict[str, int] = {}


def find(id: str | float) -> Exercise:
    """Return the exercise with that id, e.g. `"1.2"`.

    Raises:
        UnknownExercise: If there is none.
    """
    return _named(id)[1]


def _named(id: str | float) -> tuple[str, Exercise]:
    """Return the id as the chapter writes it, and the exercise; `1.2` and `"01.2"` mean `"1.2"`."""
    chapter, _, number = (str(id).strip() if isinstance(id, str | int | float) else "").partition(".")
    if not (chapter + number).isascii() or not chapter.isdigit() or not number.isdigit():
        raise UnknownExercise(f"got exercise {id!r}, expected chapter and number such as '1.2'")
    exercises = _chapter(int(chapter))
    name = f"{int(chapter)}.{int(number)}"
    if isinstance(id, float) and f"{name}0" in exercises:
        raise UnknownExercise(f"{name} may mean '{name}' or '{name}0': write the number in quotes")
    if name not in exercises:
        quotes = "; write the number in quotes" if isinstance(id, float) else ""
        raise UnknownExercise(
            f"unknown exercise {id!r}; chapter {int(chapter)} has {', '.join(exercises)}{quotes}"
        )
    return name, exercises[name]


def _chapter(number: int) -> dict[str, Exercise]:
    name = f"course_utils.exercises.chapter_{number:02d}"
    try:
        exercises: dict[str, Exercise] = importlib.import_module(name).EXERCISES
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise UnknownExercise(f"chapter {number} has no exercises") from error
    return exercises


def grade(id: str | float, answer: Any) -> Verdict:  # noqa: ANN401
    """Judge an answer by what it does, without recording anything; whatever it is, a verdict comes back.

    Args:
        id: E.g. `"1.2"`.
        answer: A function or a value, as the exercise asks.

    Raises:
        UnknownExercise: If there is no such exercise.
    """
    exercise = find(id)
    from course_utils.exercises import answers, trials  # torch: not before an answer is judged

    try:
        with trials.undisturbed():
            if is_stub(answer):
                raise NotAttempted
            exercise.examine(answer)
    except NotAttempted:
        return Verdict("not attempted")
    except NotYet as found:
        return Verdict("not yet", str(found))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # the last net: the examiners themselves say more
        return Verdict("not yet", f"{answers.shown(answer)} cannot be judged: {answers.said(error)}")
    return Verdict("correct")


def check(id: str | float, answer: Any) -> None:  # noqa: ANN401
    """Say whether an answer is right, and keep the learner's progress.

    Args:
        id: E.g. `"1.2"`.
        answer: A function or a value, as the exercise asks.
    """
    name, exercise = _named(id)
    verdict = grade(name, answer)
    title = f"{name} {exercise.title}"
    if verdict.status == "not attempted":
        print(f"○ {title}: not attempted. Replace the `...`, or ask hint({name!r}).")
        return
    mark, more = ("✓", "") if verdict.status == "correct" else ("✗", f": {verdict.message}")
    print(f"{mark} {title}: {verdict.status}{more}")
    try:
        _record(name, verdict.status)
    except OSError as error:
        print(f"(Your progress could not be kept in data/{PROGRESS.name}: {error.strerror or error}.)")


def hint(id: str | float) -> None:
    """Print the next hint of an exercise."""
    name, exercise = _named(id)
    hints, given = exercise.hints, _hints_given.get(name, 0)
    if given >= len(hints):
        print(f"That was the last hint of {name}. solution({name!r}) shows a worked answer.")
        return
    _hints_given[name] = given + 1
    print(f"Hint {given + 1} of {len(hints)} for {name}: {hints[given]}")


def solution(id: str | float) -> None:
    """Print a worked answer, ready to be pasted over the stub, with its reasoning as a comment."""
    exercise = find(id)
    reasoning = textwrap.fill(exercise.reasoning, 100, initial_indent="# ", subsequent_indent="# ")
    print(f"{exercise.worked()}\n\n\n{reasoning}")


class Progress:
    """The learner's verdicts for the exercises of a chapter, as a table.

    Its output also carries the exercises' texts, unseen, so that a handout is rendered without importing torch.
    """

    def __init__(self, chapter: str) -> None:
        """Read the verdicts of a chapter, e.g. `"01"`."""
        exercises = _chapter(int(chapter))
        kept = _read()
        self.records = {id: exercise.record() for id, exercise in exercises.items()}
        self.rows = [(id, e.title, kept.get(id, "not attempted")) for id, e in exercises.items()]

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        return {"text/plain": repr(self), "text/html": self._repr_html_(), MIME: self.records}

    def _repr_html_(self) -> str:
        head = "".join(f"<th scope='col'>{name}</th>" for name in ("exercise", "title", "verdict"))
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(v)}</td>" for v in row) + "</tr>" for row in self.rows
        )
        done = sum(row[2] == "correct" for row in self.rows)
        caption = f"<caption>{done} of {len(self.rows)} exercises correct</caption>"
        return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def __repr__(self) -> str:
        """Return the table as plain text."""
        return "\n".join(" · ".join(row) for row in self.rows)


def progress(chapter: str) -> Progress:
    """Return the learner's own progress in a chapter, e.g. `progress("01")`."""
    return Progress(chapter)


class Patient:
    """What a clinic hands to its cell: `healed(value)` takes what the healed cell makes."""

    value: Any = ...

    def __call__(self, value: Any) -> None:  # noqa: ANN401
        """Take what the healed cell makes; of several values the last counts."""
        self.value = value


@contextlib.contextmanager
def clinic(
    name: str,
    expect: tuple[int | None, ...] | None = None,
    symptom: Callable[[Any], str] | None = None,
) -> Iterator[Patient]:
    """Run a sick cell: print the last line of its error instead of stopping, or say that it is healed.

    Args:
        name: What the patient suffers from.
        expect: The shape of what the healed cell hands over, `None` where any size is right.
        symptom: For a patient that raises no error: takes what was handed over, and returns what is wrong with it,
            or nothing. Without `expect` and `symptom`, a cell that raises nothing counts as healed, also an empty one.

    Example:
        with clinic("shape", expect=(8, 10)) as healed:
            healed(nn.Linear(784, 10)(images))
    """
    patient = Patient()
    try:
        yield patient
        wrong = _wrong(patient.value, expect, symptom)
    except Exception as error:
        last = str(error).strip().splitlines() or [""]
        wrong = f"{type(error).__name__}: {' '.join(last)[:400]}"
    right = "healed" if expect is not None or symptom else "runs without an error"
    print(f"✗ {name}: {wrong}" if wrong else f"✓ {name}: {right}")


def _wrong(value: Any, expect: tuple[int | None, ...] | None, symptom: Callable[[Any], str] | None) -> str:  # noqa: ANN401
    """Say what is wrong with what a healed cell made; nothing if all is well."""
    if expect is None and symptom is None:
        return ""
    if value is ...:
        what = "what the cell makes" if expect is None else f"a result of shape {_sizes(expect)}"
        return f"no error, and nothing came out: hand {what} to `healed`"
    try:
        found = _other_shape(value, expect) or (symptom(value) if symptom else "")
    except NotYet as error:
        found = str(error)
    return f"no error, but {found}" if found else ""


def _other_shape(value: Any, expect: tuple[int | None, ...] | None) -> str:  # noqa: ANN401
    from course_utils.exercises import answers

    if expect is None:
        return ""
    shape = answers.numbers(value).shape
    fits = len(shape) == len(expect) and all(e in (None, s) for s, e in zip(shape, expect, strict=True))
    return "" if fits else f"expected a result of shape {_sizes(expect)}, got {shape}"


def _sizes(expect: tuple[int | None, ...]) -> str:
    return f"({', '.join('any' if size is None else str(size) for size in expect)})"


def _read() -> dict[str, str]:
    """Read the progress; a damaged file is moved aside, never overwritten."""
    try:
        kept = json.loads(PROGRESS.read_text(encoding="utf-8"))
        if not isinstance(kept, dict):
            raise ValueError("not a table of verdicts")
    except FileNotFoundError:
        return {}
    except ValueError:
        aside = PROGRESS.with_suffix(".damaged.json")
        PROGRESS.replace(aside)
        print(
            f"Your progress file could not be read; it was moved to data/{aside.name} and a new one begins."
        )
        return {}
    return kept


def _record(id: str, status: Status) -> None:
    """Keep a verdict; what was once correct stays correct."""
    kept = _read()
    if kept.get(id) == "correct":
        return
    kept[id] = status
    PROGRESS.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=PROGRESS.parent, prefix=".progress-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(kept, file, indent=1, sort_keys=True)
        Path(name).replace(PROGRESS)
    except OSError:  # a full disk
        Path(name).unlink(missing_ok=True)
        raise
