"""Exercises that answer back: `check`, `hint` and `solution`, and the learner's own progress.

One module a chapter holds its exercises: what is checked, hints, a worked answer, common mistakes, teaching notes.
"""

from __future__ import annotations

import contextlib
import html
import importlib
import inspect
import json
import os
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from course_utils import ROOT

PROGRESS = Path(os.environ.get("COURSE_PROGRESS", ROOT / "data" / "progress.json"))
MIME = "application/vnd.course.exercises+json"
Status = Literal["not attempted", "not yet", "correct"]


class NotYet(Exception):
    """A wrong answer; the message says for which input what was expected and what came."""


class NotAttempted(Exception):
    """The stub is still there."""


class UnknownExercise(KeyError):
    """No exercise of that id; the message lists those of the chapter."""

    def __str__(self) -> str:
        """Return the message without the quotes that a KeyError adds."""
        return str(self.args[0])


@dataclass(frozen=True)
class Exercise:
    """One exercise of a chapter.

    Args:
        title: A few words.
        examine: Takes the learner's answer; raises `NotYet` with a message that helps.
        answer: A worked answer: a function, or a value.
        hints: Given one by one, the last almost gives the answer away.
        reasoning: Why the answer is right, for `solution` and the instructor's edition.
        mistakes: Wrong answers that learners give, each with what is behind it.
        notes: For the instructor: what the exercise is for, what to ask next.
    """

    title: str
    examine: Callable[[Any], None]
    answer: Any
    hints: tuple[str, ...]
    reasoning: str
    mistakes: tuple[tuple[Any, str], ...]
    notes: str

    def worked(self) -> str:
        """Return the worked answer as code."""
        return _as_code(self.answer)

    def record(self) -> dict[str, Any]:
        """Return all that a handout shows, as JSON can hold it."""
        return {
            "title": self.title,
            "hints": list(self.hints),
            "answer": self.worked(),
            "reasoning": self.reasoning,
            "mistakes": [[_as_code(answer), why] for answer, why in self.mistakes],
            "notes": self.notes,
        }


@dataclass(frozen=True)
class Verdict:
    """What `grade` found: the status, and for a wrong answer what differs."""

    status: Status
    message: str = ""


_hints_given: dict[str, int] = {}


def find(id: str) -> Exercise:
    """Return the exercise with that id, e.g. `"1.2"`.

    Raises:
        UnknownExercise: If there is none.
    """
    chapter, _, number = id.partition(".")
    if not chapter.isdigit() or not number.isdigit():
        raise UnknownExercise(f"got exercise {id!r}, expected chapter and number such as '1.2'")
    name = f"course_utils.exercises.chapter_{int(chapter):02d}"
    try:
        exercises: dict[str, Exercise] = importlib.import_module(name).EXERCISES
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise UnknownExercise(f"chapter {chapter} has no exercises") from error
    if id not in exercises:
        raise UnknownExercise(f"unknown exercise {id!r}; chapter {chapter} has {', '.join(exercises)}")
    return exercises[id]


def call(function: Any, *inputs: Any) -> Any:  # noqa: ANN401 - a learner's function takes and gives anything
    """Call a learner's function; a stub and an error become verdicts.

    Raises:
        NotAttempted: If it returns `...`.
        NotYet: If it is not a function, returns nothing, or raises.
    """
    if function is ...:
        raise NotAttempted
    if not callable(function):
        raise NotYet(
            f"expected a function, got {type(function).__name__}: pass the function itself, not its result"
        )
    shown = ", ".join(_short(value) for value in inputs)
    try:
        result = function(*inputs)
    except Exception as error:
        raise NotYet(f"for {shown} your function raised {type(error).__name__}: {error}") from error
    if result is ...:
        raise NotAttempted
    if result is None:
        raise NotYet(f"for {shown} your function returned None: does it end with `return`?")
    return result


def grade(id: str, answer: Any) -> Verdict:  # noqa: ANN401
    """Judge an answer by what it does, without recording anything.

    Args:
        id: E.g. `"1.2"`.
        answer: A function or a value, as the exercise asks.

    Raises:
        UnknownExercise: If there is no such exercise.
    """
    exercise = find(id)
    if answer is ...:
        return Verdict("not attempted")
    try:
        exercise.examine(answer)
    except NotAttempted:
        return Verdict("not attempted")
    except NotYet as found:
        return Verdict("not yet", str(found))
    return Verdict("correct")


def check(id: str, answer: Any) -> None:  # noqa: ANN401
    """Say whether an answer is right, and keep the learner's progress.

    Args:
        id: E.g. `"1.2"`.
        answer: A function or a value, as the exercise asks.
    """
    verdict = grade(id, answer)
    title = f"{id} {find(id).title}"
    if verdict.status == "not attempted":
        print(f"○ {title}: not attempted. Replace the `...`, or ask hint({id!r}).")
        return
    mark, more = ("✓", "") if verdict.status == "correct" else ("✗", f": {verdict.message}")
    print(f"{mark} {title}: {verdict.status}{more}")
    _record(id, verdict.status)


def hint(id: str) -> None:
    """Print the next hint of an exercise."""
    hints = find(id).hints
    given = _hints_given.get(id, 0)
    if given >= len(hints):
        print(f"That was the last hint of {id}. solution({id!r}) shows a worked answer.")
        return
    _hints_given[id] = given + 1
    print(f"Hint {given + 1} of {len(hints)} for {id}: {hints[given]}")


def solution(id: str) -> None:
    """Print a worked answer with its reasoning."""
    exercise = find(id)
    print(f"{exercise.worked()}\n\n{exercise.reasoning}")


class Progress:
    """The learner's verdicts for the exercises of a chapter, as a table.

    Its output also carries the exercises' texts, unseen, so that a handout is rendered without importing torch.
    """

    def __init__(self, chapter: str) -> None:
        """Read the verdicts of a chapter, e.g. `"01"`."""
        find(f"{int(chapter)}.1")  # a chapter without exercises has no progress either
        module = importlib.import_module(f"course_utils.exercises.chapter_{int(chapter):02d}")
        kept = _read()
        self.records = {id: exercise.record() for id, exercise in module.EXERCISES.items()}
        self.rows = [(id, e.title, kept.get(id, "not attempted")) for id, e in module.EXERCISES.items()]

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


@contextlib.contextmanager
def clinic(name: str) -> Iterator[None]:
    """Run a sick cell: print the last line of its error instead of stopping, or say that it is healed."""
    try:
        yield
    except Exception as error:
        last = str(error).strip().splitlines() or [""]
        print(f"✗ {name}: {type(error).__name__}: {' '.join(last)[:400]}")
    else:
        print(f"✓ {name}: runs without an error")


def _as_code(answer: object) -> str:
    """Return an answer as a learner would write it."""
    if callable(answer):
        return textwrap.dedent(inspect.getsource(answer)).rstrip()
    return f"answer = {answer!r}"


def _short(value: object) -> str:
    """Return a value on one line, cut if it is long."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:77]}…"


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
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(kept, file, indent=1, sort_keys=True)
    Path(name).replace(PROGRESS)
