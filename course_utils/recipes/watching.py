"""What an operator reads from outside of a running service: its metrics page, its memory, whether it still runs."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Iterable
from typing import NamedTuple

import psutil
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample


class Page(NamedTuple):
    """A metrics page as text, and when it was read, in seconds of a clock that only runs forward."""

    text: str
    read_at: float


def read_page(url: str) -> Page:
    """Fetch the metrics page of a service.

    Args:
        url: Of the service, without the path.

    Raises:
        OSError: If it does not answer.

    See: chapter 06, "Watch it: the metrics page".
    """
    with urllib.request.urlopen(f"{url}/metrics") as found:
        return Page(found.read().decode(), time.perf_counter())


def lines_of(page: Page) -> list[Sample]:
    """Return the lines of a page, in order: each has `name`, `labels` (a dictionary) and `value`."""
    return [sample for family in text_string_to_metric_families(page.text) for sample in family.samples]


def megabytes(pid: int) -> float:
    """Return the memory that a process holds (resident), in MB."""
    return float(psutil.Process(pid).memory_info().rss) / 1e6


def still_running(pids: Iterable[int]) -> int:
    """Return how many of these processes there still are."""
    return sum(psutil.pid_exists(pid) for pid in pids)
