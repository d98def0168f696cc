"""What is wrong with a patient of the error clinic that raises no error: functions for `clinic(..., symptom=...)`.

Each takes what the healed cell hands over, and returns what is still wrong in a few words, or nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from course_utils.exercises.answers import numbers, shown
from course_utils.exercises.exercise import NotYet


def not_seen(name: str, names: Sequence[str]) -> Callable[[Any], str]:
    """Return a symptom: a network that does not see what a picture shows.

    Args:
        name: What the picture shows, one of `names`.
        names: The classes, in the order of the logits, shape (classes,) or (1, classes), that are handed over.

    Raises:
        ValueError: If there is no such class.
    """
    place = names.index(name)

    def symptom(logits: Any) -> str:  # noqa: ANN401
        values = _finite(logits, "the logits of one picture").ravel()
        if values.size != len(names):
            return f"expected {len(names):,} logits of one picture, got {values.size:,}"
        first = int(values.argmax())
        return "" if first == place else f"a picture of {name!r} is taken for {names[first]!r}"

    return symptom


def stands_still(losses: Any) -> str:  # noqa: ANN401
    """Say whether a training has learned nothing: its last loss is not a tenth below the first.

    Args:
        losses: Of all steps, in order, at least two.
    """
    values = _finite(losses, "the losses of all steps").ravel()
    if values.size < 2:
        return f"expected the losses of all steps, got {shown(losses)}"
    first, last = values[0], values[-1]
    return "" if last < 0.9 * first else f"the loss was {first:.4f}, and after all steps it is {last:.4f}"


def two_answers(answers: Any) -> str:  # noqa: ANN401
    """Say whether the same input got two answers.

    Args:
        answers: Both, shape (2, width).
    """
    values = _finite(answers, "two answers to the same input")
    if values.ndim != 2 or len(values) != 2:
        return f"expected two answers, got numbers of shape {values.shape}"
    gap = np.abs(values[0] - values[1])
    place = int(gap.argmax())
    if gap[place] <= 1e-3 * max(1.0, float(np.abs(values).max())):
        return ""
    one, other = values[:, place]
    return f"the same input gets two answers: number {place} is {one:.3f} and {other:.3f}"


def other_than(wanted: float, what: str) -> Callable[[Any], str]:
    """Return a symptom: one number that is more than a hundredth away from what it must be.

    Args:
        wanted: What it must be.
        what: Its name, e.g. `"the accuracy"`.
    """

    def symptom(value: Any) -> str:  # noqa: ANN401
        values = _finite(value, what).ravel()
        if values.size != 1:
            return f"expected one number, {what}, got {values.size:,}"
        if abs(values[0] - wanted) <= 0.01 * max(abs(wanted), 1e-9):
            return ""
        return f"{what} is {values[0]:.4g}, and must be {wanted:.4g}"

    return symptom


def _finite(value: Any, what: str) -> np.ndarray[Any, np.dtype[np.float64]]:  # noqa: ANN401
    values = numbers(value, what)
    if not np.isfinite(values).all() or not values.size:
        raise NotYet(f"expected {what}, got {shown(value)}")
    return values
