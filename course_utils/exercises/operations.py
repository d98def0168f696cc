"""Exercises on a running service: percentiles, drift, and what a metrics page tells."""

# ruff: noqa: D103, ANN401 - worked answers and common mistakes are shown to learners as they would write them
import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from course_utils.exercises.answers import same, shown
from course_utils.exercises.exercise import NotYet
from course_utils.exercises.trials import agree, call

# --- 6.5: percentiles by hand ---------------------------------------------------------------------------------


def my_percentile(times: list[float], share: float) -> float:
    rank = int(np.ceil(share * len(times)))  # how many times must be no larger
    return sorted(times)[rank - 1]


TIMES = [12.0, 5.0, 90.0, 7.0, 8.0, 6.0, 300.0, 9.0, 10.0, 11.0]
PERCENTILES = (
    (TIMES, 0.5),
    (TIMES, 0.95),
    (TIMES, 0.81),
    (TIMES, 1.0),
    ([3.0, 1.0, 2.0, 4.0], 0.75),
    ([3.0, 1.0, 2.0, 4.0], 0.76),
    ([7.0], 0.99),
    ([5.0, 5.0, 1.0, 5.0, 9.0], 0.25),
)


def examine_percentile(answer: Any) -> None:
    agree(answer, my_percentile, PERCENTILES)


def one_place_too_far(times: list[float], share: float) -> float:
    return sorted(times)[min(int(share * len(times)), len(times) - 1)]


def between_two_times(times: list[float], share: float) -> float:
    return float(np.percentile(times, 100 * share))


def forgets_to_sort(times: list[float], share: float) -> float:
    return times[math.ceil(share * len(times)) - 1]


# --- 6.7: reading a metrics page ------------------------------------------------------------------------------


def my_rates(before: str, after: str, seconds: float) -> tuple[float, float, float]:
    def total(page: str, name: str, status: str = "") -> float:
        lines = [line for line in page.splitlines() if line.startswith(name) and 'route="/predict"' in line]
        return sum(float(line.split()[-1]) for line in lines if f'status="{status}' in line or not status)

    requests = total(after, "service_requests_total") - total(before, "service_requests_total")
    failed = total(after, "service_requests_total", "5") - total(before, "service_requests_total", "5")
    spent, count = (
        total(after, f"service_request_seconds_{part}") - total(before, f"service_request_seconds_{part}")
        for part in ("sum", "count")
    )
    return requests / seconds, failed / requests, spent / count


def _page(counts: dict[tuple[str, int], float], spent: dict[str, float]) -> str:
    lines = ["# HELP service_requests_total Requests answered", "# TYPE service_requests_total counter"]
    lines += [f'service_requests_total{{route="{r}",status="{s}"}} {n}' for (r, s), n in counts.items()]
    lines += ["# HELP service_request_seconds Seconds", "# TYPE service_request_seconds histogram"]
    for route, value in spent.items():
        count = sum(number for (name, _), number in counts.items() if name == route)
        lines += [f'service_request_seconds_bucket{{le="0.1",route="{route}"}} {count - 1}']
        lines += [f'service_request_seconds_count{{route="{route}"}} {count}']
        lines += [f'service_request_seconds_sum{{route="{route}"}} {value}']
    return "\n".join(lines) + "\n"


def pages() -> list[tuple[str, str, float]]:
    """Return pages before and after, and the seconds between."""
    first = _page(
        {("/predict", 200): 100.0, ("/predict", 500): 4.0, ("/health", 200): 50.0}, {"/predict": 2.0}
    )
    second = _page(
        {("/predict", 200): 180.0, ("/predict", 415): 10.0, ("/predict", 500): 9.0, ("/predict", 503): 5.0}
        | {("/health", 200): 300.0, ("/health", 500): 3.0},
        {"/predict": 4.5, "/health": 0.7},
    )
    third = _page(
        {("/predict", 200): 1.2e4, ("/predict", 415): 10.0, ("/predict", 500): 9.0, ("/predict", 503): 5.0},
        {"/predict": 61.0},
    )
    return [(first, second, 20.0), (second, third, 60.0), (first, third, 2.5)]


def examine_rates(answer: Any) -> None:
    names = ("requests a second", "share answered with 5xx", "seconds a request")
    for number, (before, after, seconds) in enumerate(pages(), start=1):
        right = my_rates(before, after, seconds)
        found: Sequence[Any] | Any = call(answer, before, after, seconds)
        if isinstance(found, dict):
            found = list(found.values())
        if isinstance(found, np.ndarray | torch.Tensor) and tuple(found.shape) == (3,):
            found = list(found)
        if not isinstance(found, tuple | list) or len(found) != 3:
            raise NotYet(f"expected three numbers, {', '.join(names)}, got {shown(found)}")
        for name, value, wanted in zip(names, found, right, strict=True):
            same(value, wanted, f"for pair {number} of pages, {seconds:g} s apart, as {name} ")


def totals_since_the_start(before: str, after: str, seconds: float) -> tuple[float, float, float]:
    return my_rates("", after, seconds)


def all_routes(before: str, after: str, seconds: float) -> tuple[float, float, float]:
    one = [re.sub(r'route="[^"]+"', 'route="/predict"', page) for page in (before, after)]
    return my_rates(one[0], one[1], seconds)


def refusals_are_failures(before: str, after: str, seconds: float) -> tuple[float, float, float]:
    rate, _, spent = my_rates(before, after, seconds)
    refused = my_rates(
        before.replace('status="4', 'status="5'), after.replace('status="4', 'status="5'), seconds
    )
    return rate, refused[1], spent


# --- 6.8: how far two samples are apart -----------------------------------------------------------------------


def my_distance(reference: list[float], window: list[float]) -> float:
    def share(sample: list[float], value: float) -> float:  # that is at most this value
        return sum(number <= value for number in sample) / len(sample)

    return max(abs(share(reference, value) - share(window, value)) for value in reference + window)


SAMPLES = (
    ([0.1, 0.4, 0.7, 0.9], [0.2, 0.3, 0.5, 0.95]),
    ([0.9, 0.99, 0.95, 0.97, 0.98], [0.5, 0.96]),
    ([0.2, 0.6], [0.9, 0.7, 0.8]),
    ([1.0, 1.0, 0.5], [1.0, 0.5, 0.5, 0.5]),
    ([0.3, 0.1, 0.2], [0.2, 0.3, 0.1]),
    ([0.0, 0.5, 0.5, 1.0], [0.4, 0.5, 0.6]),
    ([3.2, -40.0, 3.2], [60.0, 3.2005, 3.2004]),  # the largest gap lies between two close values
)


def examine_distance(answer: Any) -> None:
    agree(answer, my_distance, SAMPLES)


def gap_of_the_means(reference: list[float], window: list[float]) -> float:
    return abs(sum(reference) / len(reference) - sum(window) / len(window))


def counts_what_is_below(reference: list[float], window: list[float]) -> float:
    return max(
        abs(
            sum(number <= value for number in reference) / len(reference)
            - sum(number < value for number in window) / len(window)
        )
        for value in reference + window
    )


def counts_without_shares(reference: list[float], window: list[float]) -> float:
    return max(
        abs(sum(number <= value for number in reference) - sum(number <= value for number in window))
        for value in reference + window
    )
