"""What an exercise is, and the two things that an examiner may say besides "correct"."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

SHOWN_MISTAKES = 3


class NotYet(Exception):
    """A wrong answer; the message says for which input what was expected and what came."""


class NotAttempted(Exception):
    """The stub is still there."""


@dataclass(frozen=True)
class Exercise:
    """One exercise of a chapter.

    Args:
        title: A few words.
        examine: Takes the learner's answer; raises `NotYet` with a message that helps.
        answer: A worked answer: a function that is called like the notebook's stub, or a value.
        hints: Given one by one, the last almost gives the answer away.
        reasoning: Why the answer is right, for `solution` and the instructor's edition.
        mistakes: Wrong answers that learners give, each with what is behind it; the most telling ones first.
        notes: For the instructor: what the exercise is for, what to ask next.
        name: How the notebook calls the answer, where that is a value; a function has its own name.
    """

    title: str
    examine: Callable[[Any], None]
    answer: Any
    hints: tuple[str, ...]
    reasoning: str
    mistakes: tuple[tuple[Any, str], ...]
    notes: str
    name: str = "answer"

    @property
    def stub(self) -> str:
        """The name that the notebook's stub has."""
        return str(self.answer.__name__) if callable(self.answer) else self.name

    def worked(self) -> str:
        """Return the worked answer as code that runs where the stub stands."""
        return as_code(self.answer, self.name)

    def record(self) -> dict[str, Any]:
        """Return all that a handout shows, as JSON can hold it."""
        return {
            "title": self.title,
            "hints": list(self.hints),
            "answer": self.worked(),
            "reasoning": self.reasoning,
            "mistakes": [[as_code(answer, self.name), why] for answer, why in self.mistakes[:SHOWN_MISTAKES]],
            "notes": self.notes,
        }


def texts(module: str) -> dict[str, dict[str, Any]]:
    """Return title, hints, reasoning and notes of a chapter's exercises, from the table beside its module."""
    table = yaml.safe_load(Path(module).with_suffix(".yaml").read_text(encoding="utf-8"))
    return {id: {**words, "hints": tuple(words["hints"])} for id, words in table.items()}


def is_stub(answer: object, depth: int = 4) -> bool:
    """Whether an answer is `...`, or a list, tuple or table of nothing else."""
    if isinstance(answer, dict):
        answer = list(answer.values())
    if isinstance(answer, list | tuple) and answer and depth:
        return all(is_stub(part, depth - 1) for part in answer)
    return answer is ...


def as_code(answer: object, name: str = "answer") -> str:
    """Return an answer as a learner would write it: the course's annotations are left out."""
    if not callable(answer):
        return f"{name} = {answer!r}"
    source = textwrap.dedent(inspect.getsource(answer)).rstrip()
    function = ast.parse(source).body[0]
    return _without_annotations(source, function) if isinstance(function, ast.FunctionDef) else source


def _without_annotations(source: str, function: ast.FunctionDef) -> str:
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    cuts = []
    for one in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs):
        if one.annotation:
            cuts.append(
                (starts[one.lineno - 1] + one.col_offset + len(one.arg), _end(one.annotation, starts))
            )
    if function.returns:
        before = starts[function.returns.lineno - 1] + function.returns.col_offset
        cuts.append((source.rindex(")", 0, before) + 1, _end(function.returns, starts)))
    for first, last in sorted(cuts, reverse=True):
        source = source[:first] + source[last:]
    return source


def _end(node: ast.expr, starts: list[int]) -> int:
    return starts[(node.end_lineno or 1) - 1] + (node.end_col_offset or 0)
