"""Exercises on judging what was measured: curves, the difference of two methods, certainty; and questions by letter."""

# ruff: noqa: D103 - worked answers and common mistakes are shown to learners as they would write them
from collections.abc import Mapping
from typing import Any

import numpy as np

from course_utils.exercises.answers import Values, letter, numbers, same, shown
from course_utils.exercises.exercise import NotAttempted, NotYet
from course_utils.exercises.trials import agree, call_any
from course_utils.intervals import accuracy_interval


def examine_letters(answers: Any, right: Mapping[str, tuple[str, str]], options: str, words: str) -> None:  # noqa: ANN401
    """Compare letters with the right ones, and say of the wrong ones what to look at.

    Args:
        answers: A letter for each question.
        right: For each question its letter and what to look at.
        options: All letters.
        words: What the advice begins with.
    """
    if not isinstance(answers, dict) or set(answers) != set(right):
        raise NotYet(f"expected a dict with the keys {', '.join(right)}, got {shown(answers)}")
    if all(answer is ... for answer in answers.values()):
        raise NotAttempted
    for name, answer in answers.items():
        if answer is ... or letter(answer) not in tuple(options):
            raise NotYet(
                f"for {name!r} expected a letter from {options[0]!r} to {options[-1]!r}, got {shown(answer)}"
            )
    wrong = [right[name][1] for name, answer in answers.items() if letter(answer) != right[name][0]]
    if wrong:
        raise NotYet(words + "; and about ".join(wrong))


# --- Learning curves ---------------------------------------------------------------------------------------

CURVES = {
    "A": (
        (1.99, 0.57, 0.28, 0.14, 0.07, 0.03, 0.01, 0.01, 0.01, 0.01, 0.0, 0.0),
        (1.38, 0.67, 0.57, 0.55, 0.54, 0.56, 0.57, 0.59, 0.59, 0.60, 0.61, 0.62),
    ),
    "B": (
        (2.30, 2.27, 2.24, 2.20, 2.16, 2.11, 2.06, 2.00, 1.94, 1.88, 1.81, 1.74),
        (2.29, 2.26, 2.22, 2.18, 2.14, 2.09, 2.04, 1.98, 1.92, 1.85, 1.79, 1.72),
    ),
    "C": (
        (1.73, 0.70, 0.44, 0.35, 0.29, 0.26, 0.24, 0.21, 0.19, 0.17, 0.16, 0.14),
        (1.03, 0.54, 0.42, 0.37, 0.34, 0.34, 0.32, 0.31, 0.30, 0.29, 0.30, 0.28),
    ),
    "D": (
        (9.82, 1.78, 1.58, 1.90, 1.70, 1.47, 1.45, 1.65, 1.46, 1.46, 1.40, 1.58),
        (1.89, 1.71, 1.65, 2.00, 1.63, 1.61, 2.51, 1.76, 1.59, 1.68, 1.57, 1.78),
    ),
    "E": (
        (1.66, 1.16, 0.93, 0.72, 0.62, 0.54, 0.49, 0.44, 0.42, 0.39, 0.36, 0.33),
        (0.76, 0.67, 0.49, 0.37, 0.34, 0.32, 0.29, 0.27, 0.23, 0.26, 0.24, 0.23),
    ),
}
"""Five recorded trainings of the first network: training and validation loss at twelve times."""

DIAGNOSES = {
    "A": ("c", "A: one loss goes to zero while the other has turned round"),
    "B": ("a", "B: both losses still fall, hardly faster than at the start"),
    "C": ("d", "C: does either loss jump or turn round?"),
    "D": ("b", "D: both losses jump up and down, and neither gets low"),
    "E": ("d", "E: the training digits were changed at random, so they are the harder ones; is that bad?"),
}


# --- Which of two methods ----------------------------------------------------------------------------------


def my_verdict(first: Values, second: Values) -> str:
    difference = first - second
    error = 1.96 * difference.std(ddof=1) / np.sqrt(len(difference))
    if difference.mean() > error:
        return "first"
    return "second" if difference.mean() < -error else "cannot tell"


def _right_answers(both: int, first: int, second: int, neither: int) -> tuple[Values, Values]:
    """Return two methods' answers, 1 if right, of which so many are right in both, in one, in none."""
    hits = [(1, 1)] * both + [(1, 0)] * first + [(0, 1)] * second + [(0, 0)] * neither
    mixed = np.random.default_rng(0).permutation(np.array(hits, dtype=np.float64))
    return mixed[:, 0].copy(), mixed[:, 1].copy()


COUNTS = (
    (290, 10, 1, 99),
    (240, 60, 51, 49),
    (700, 20, 80, 200),
    (150, 0, 0, 50),
    (10, 3, 0, 7),
    (300, 8, 20, 72),  # told by 95 %, not by 99 %
)


def examine_verdict(answer: Any) -> None:  # noqa: ANN401
    cases = [_right_answers(*counts) for counts in COUNTS]
    expected = [my_verdict(*case) for case in cases]
    for counts, case, right in zip(COUNTS, cases, expected, strict=True):
        whole = [values.astype(int) for values in case]  # as `~first` needs them
        found = call_any(answer, case, whole)
        said = " ".join(found.lower().split()) if isinstance(found, str) else ""
        if said not in ("first", "second", "cannot tell"):
            raise NotYet(f"expected 'first', 'second' or 'cannot tell', got {shown(found)}")
        if said != right:
            both, one, other, neither = counts
            raise NotYet(
                f"with {both} examples right in both, {one} only in the first, {other} only in the second and "
                f"{neither} in neither expected {right!r}, got {said!r}: where is zero in the paired interval?"
            )


def by_the_means(first: Values, second: Values) -> str:
    return "first" if first.mean() > second.mean() else "second"


def by_two_intervals(first: Values, second: Values) -> str:
    (low, high), (other_low, other_high) = (accuracy_interval(x.mean(), len(x)) for x in (first, second))
    if low > other_high:
        return "first"
    return "second" if high < other_low else "cannot tell"


# --- Certainty ---------------------------------------------------------------------------------------------


def my_calibration_error(certainty: Values, right: Values, bins: int) -> float:
    which = np.minimum((certainty * bins).astype(int), bins - 1)
    error = 0.0
    for number in range(bins):
        inside = which == number
        if inside.any():
            error += inside.mean() * abs(certainty[inside].mean() - right[inside].mean())
    return float(error)


def calibration_cases() -> list[tuple[Values, Values, int]]:
    random = np.random.default_rng(1)
    few = np.array([0.92, 0.97, 0.55, 1.0, 0.33, 0.58])
    many = random.uniform(0.21, 0.999, 200)
    chances = np.where(many > 0.6, many**2, many**0.5)  # too sure here, too modest there
    hits = (random.random(200) < chances).astype(np.float64)
    return [(few, np.array([1.0, 1.0, 1.0, 0.0, 0.0, 1.0]), 10), (many, hits, 10), (many, hits, 4)]


def examine_calibration(answer: Any) -> None:  # noqa: ANN401
    agree(answer, my_calibration_error, calibration_cases(), _same_error)


def _same_error(found: Any, expected: float, case: str) -> None:  # noqa: ANN401
    if np.isnan(numbers(found, f"a number {case}".strip())).any():
        raise NotYet(
            f"{case}expected {expected:.6g}, got nan: a bin without answers has no mean, leave it out"
        )
    same(
        found, expected, case, advice="the share of all answers in a bin, times the distance of its two means"
    )


def one_bin_for_all(certainty: Values, right: Values, bins: int) -> float:
    return float(abs(certainty.mean() - right.mean()))


def bins_of_equal_weight(certainty: Values, right: Values, bins: int) -> float:
    which = np.minimum((certainty * bins).astype(int), bins - 1)
    gaps = [
        abs(certainty[which == n].mean() - right[which == n].mean())
        for n in range(bins)
        if (which == n).any()
    ]
    return float(np.mean(gaps))
