"""Exercises on forecasts: windows and splits that do not look ahead, a baseline, and whether a promise is kept."""

# ruff: noqa: D103 - worked answers and common mistakes are shown to learners as they would write them
import math
from itertools import product
from typing import Any

import numpy as np

from course_utils.exercises.answers import Values, numbers, pair, same, shown
from course_utils.exercises.exercise import NotYet
from course_utils.exercises.trials import call


def my_windows(values: Values, length: int, horizon: int) -> tuple[Values, Values]:
    starts = range(len(values) - length - horizon + 1)
    pasts = np.stack([values[start : start + length] for start in starts])
    futures = np.array([values[start + length + horizon - 1] for start in starts])
    return pasts, futures


SERIES = np.array([3.0, -1.0, 4.0, 1.5, -9.0, 2.0, 6.0, 0.5])
CUTS = tuple(
    (SERIES[:steps], length, horizon) for steps, length, horizon in ((6, 3, 1), (8, 2, 3), (5, 4, 1))
)


def same_windows(found: Any, expected: tuple[Values, Values], case: str) -> None:  # noqa: ANN401
    pasts, futures = pair(found, "pasts", "futures")
    same(pasts, expected[0], f"{case}as the pasts ")
    leak = np.array_equal(numbers(futures), expected[0][:, -1])
    advice = "a past of yours holds its own future. That is a leak" if leak else ""
    same(futures, expected[1], f"{case}as the futures ", advice=advice)


def past_holds_the_future(values: Values, length: int, horizon: int) -> tuple[Values, Values]:
    starts = range(len(values) - length - horizon + 1)
    pasts = np.stack([values[start : start + length] for start in starts])
    return pasts, np.array([values[start + length - 1] for start in starts])


def forgets_the_last_window(values: Values, length: int, horizon: int) -> tuple[Values, Values]:
    starts = range(max(1, len(values) - length - horizon))
    pasts = np.stack([values[start : start + length] for start in starts])
    return pasts, np.array([values[start + length + horizon - 1] for start in starts])


def my_baseline(series: Values, horizon: int) -> float:
    steps_back = 24 * math.ceil(horizon / 24)
    return float(series[len(series) - 1 + horizon - steps_back])


def examine_baseline(answer: Any) -> None:  # noqa: ANN401
    days, ragged = np.arange(100.0, 172.0), np.arange(153.0, 100.0, -1.0)
    cases = [(series, horizon) for series in (days, ragged) for horizon in (1, 6, 24, 25, 30, 48)]
    expected = [my_baseline(*case) for case in cases]
    for (series, horizon), right in zip(cases, expected, strict=True):
        hours = f"for {len(series)} hours with the values {series[0]:.0f} to {series[-1]:.0f}, horizon {horizon}, "
        same(call(answer, series, horizon), right, f"{hours}the latest known value at that time of day: ")


def last_value(series: Values, horizon: int) -> float:
    return float(series[-1])


def one_hour_off(series: Values, horizon: int) -> float:
    return float(series[len(series) + horizon - 24 * math.ceil(horizon / 24) - 2])


def my_prepare(values: Values, train_share: float, length: int) -> tuple[Values, Values]:
    cut = round(len(values) * train_share)
    train, test = values[:cut], values[cut:]
    mean, std = train.mean(), train.std()
    parts = [(part - mean) / std for part in (train, test)]
    windows = [np.lib.stride_tricks.sliding_window_view(part, length) for part in parts]
    return windows[0], windows[1]


def examine_prepare(answer: Any) -> None:  # noqa: ANN401
    rng = np.random.default_rng(0)
    for steps, share, length in ((100, 0.6, 5), (53, 0.75, 3)):
        cut = round(steps * share)
        values = np.concatenate([rng.normal(size=cut), rng.normal(50, 9, size=steps - cut)])
        case = f"for {steps} steps, {share:.0%} of them for training, windows of {length}: "
        train, test = _two_parts(call(answer, values, share, length), length, case)
        last, first = len(train) + length - 1, steps - len(test) - length + 1  # of the steps of both parts
        if first < last:
            found = f"{len(train)} training and {len(test)} test windows"
            raise NotYet(f"{case}{found}: some hold steps of both parts")
        if abs(last - cut) > length or first - last >= length:
            about = f"about {cut - length + 1} training and {steps - cut - length + 1} test windows"
            raise NotYet(f"{case}expected {about}, one for each start, got {len(train)} and {len(test)}")
        future = values.copy()
        future[first:] += 1000.0  # the training windows must not notice
        other, _ = _two_parts(call(answer, future, share, length), length, case)
        if other.shape != train.shape or not np.allclose(train, other):
            raise NotYet(
                f"{case}the training windows change when only the future changes: something leaks back"
            )
        _scaled_by_training(train, test, values, first, case)


def _two_parts(found: Any, length: int, case: str) -> tuple[Values, Values]:  # noqa: ANN401
    parts = [numbers(part, "windows") for part in pair(found, "training windows", "test windows")]
    for part in parts:
        if part.ndim != 2 or part.shape[1] != length:
            raise NotYet(f"{case}expected windows of shape (N, {length}), got {part.shape}")
    return parts[0], parts[1]


def _scaled_by_training(train: Values, test: Values, values: Values, first: int, case: str) -> None:
    """Mean and spread may come from all training steps, from a few less, or from the training windows."""
    length = train.shape[1]
    windows = np.lib.stride_tricks.sliding_window_view(values, length)
    known = [values[:end] for end in range(len(train), first + 1)]
    advice = "scale both parts with mean and spread of the training part"
    for part, ddof in product([*known, windows[: len(train)]], (0, 1)):
        scaled = (windows - part.mean()) / part.std(ddof=ddof)
        if np.allclose(train, scaled[: len(train)], atol=1e-5):
            if np.allclose(test, scaled[len(windows) - len(test) :], atol=1e-5):
                return
            advice = "the training windows are right; scale the test part alike, keep all its windows"
    raise NotYet(f"{case}no leak, but other values: {advice}")


def scales_by_everything(values: Values, train_share: float, length: int) -> tuple[Values, Values]:
    cut = round(len(values) * train_share)
    scaled = (values - values.mean()) / values.std()
    windows = [
        np.lib.stride_tricks.sliding_window_view(part, length) for part in (scaled[:cut], scaled[cut:])
    ]
    return windows[0], windows[1]


def splits_the_windows(values: Values, train_share: float, length: int) -> tuple[Values, Values]:
    train = values[: round(len(values) * train_share)]
    windows = np.lib.stride_tricks.sliding_window_view((values - train.mean()) / train.std(), length)
    cut = round(len(windows) * train_share)
    return windows[:cut], windows[cut:]


def my_coverage(errors: Values, widths: Values, months: list[int]) -> dict[int, float]:
    inside = np.abs(errors) <= widths
    return {month: float(inside[np.array(months) == month].mean()) for month in sorted(set(months))}


def examine_coverage(answer: Any) -> None:  # noqa: ANN401
    errors = np.array([1.0, -3.0, 2.0, -0.5, 4.0, -2.0, 0.0, 5.0, -1.0])
    cases = [
        (errors, np.full(9, 2.0), [9, 9, 9, 10, 10, 10, 12, 12, 12]),
        (errors, np.array([0.5, 3.5, 1.0, 1.0, 3.0, 1.0, 1.0, 4.5, 0.5]), [11, 1, 1, 11, 1, 1, 12, 7, 11]),
    ]
    expected = [my_coverage(*case) for case in cases]
    for case, right in zip(cases, expected, strict=True):
        found = call(answer, *case)
        words = f"for errors {shown(case[0])}, widths {shown(case[1])} and months {case[2]}: "
        if not isinstance(found, dict):
            raise NotYet(f"{words}expected a dict from month to share, got {shown(found)}")
        if len(found) != len(right):
            raise NotYet(f"{words}expected {len(right)} months, got {len(found)}")
        for month, share in right.items():
            if month not in found:
                raise NotYet(f"{words}expected the share of month {month}, got {shown(found)}")
            advice = "`months` is a list: compare `np.array(months)`" if "nan" in shown(found[month]) else ""
            same(found[month], share, f"{words}in month {month} ", advice=advice)


def forgets_the_sign(errors: Values, widths: Values, months: list[int]) -> dict[int, float]:
    inside = errors <= widths
    return {month: float(inside[np.array(months) == month].mean()) for month in sorted(set(months))}


def one_share_for_all(errors: Values, widths: Values, months: list[int]) -> dict[int, float]:
    return {month: float((np.abs(errors) <= widths).mean()) for month in sorted(set(months))}


Folds = tuple[tuple[Any, Any], ...]


def my_rolling_split(steps: int, folds: int, horizon: int) -> Folds:
    starts = [steps - horizon * left for left in range(folds, 0, -1)]
    return tuple((np.arange(start), np.arange(start, start + horizon)) for start in starts)


def same_folds(found: Any, expected: Folds, case: str) -> None:  # noqa: ANN401
    if isinstance(found, np.ndarray) and found.dtype == object:
        found = found.tolist()
    if not isinstance(found, list | tuple) or len(found) != len(expected):
        got = f"{len(found)}: " if isinstance(found, list | tuple) else ""
        raise NotYet(f"{case}expected a list of {len(expected)} folds, got {got}{shown(found)}")
    for number, (fold, right) in enumerate(zip(found, expected, strict=True), start=1):
        where = f"{case}fold {number}: "
        train, test = (_steps(part, where) for part in pair(fold, "training steps", "test steps"))
        if train.size and test.size and train.max() >= test.min():
            raise NotYet(f"{where}training step {train.max():g} is not before test step {test.min():g}")
        same(test, right[1], f"{where}as the test steps ")
        same(train, right[0], f"{where}as the training steps ")


def _steps(part: Any, where: str) -> Values:  # noqa: ANN401
    what = f"numbers of steps {where}".rstrip(": ")
    return np.sort(numbers(list(part), what)) if isinstance(part, set | frozenset) else numbers(part, what)


def every_part_but_one(steps: int, folds: int, horizon: int) -> Folds:
    return tuple(
        (np.setdiff1d(np.arange(steps), test), test) for _, test in my_rolling_split(steps, folds, horizon)
    )


def one_fold_short(steps: int, folds: int, horizon: int) -> Folds:
    return my_rolling_split(steps - horizon, folds, horizon)
