"""Versions that should not be released, for lessons and tests: one with a mistake that no hash notices, one damaged."""

from __future__ import annotations

import json
import shutil
import time
import urllib.request
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from course_utils.recipes import load, watching
from course_utils.serving import bundle
from course_utils.serving.process import ServerProcess
from course_utils.serving.store import choose_version


def copy_store(store: Path, target: Path) -> Path:
    """Copy a folder of versions, and return the copy: a lesson's experiments leave the first one alone."""
    return Path(shutil.copytree(store, target))


def add_wrong_scale(store: Path, version: str, *, of: str = "1") -> None:
    """Add a version whose mean and spread are on the scale 0 to 255, while the service divides pixels by 255 first.

    Args:
        store: Folder of versions.
        version: Its name.
        of: The version that it is copied from.
    """
    old = bundle.read_bundle(store / of)
    mean, std = (
        tuple(255 * value for value in values) for values in (old.preprocessing.mean, old.preprocessing.std)
    )
    bundle.write_bundle(
        store / version,
        name=old.name,
        version=version,
        files={bundle.GRAPH: old.graph},
        labels=old.labels,
        preprocessing=replace(old.preprocessing, mean=mean, std=std),
        metrics=old.metrics,
        versions=old.versions,
        data=old.data,
        licence=old.licence,
    )


def add_damaged(store: Path, version: str, *, of: str = "2") -> None:
    """Add a copy of a version whose graph lost its end, as a broken transfer leaves it."""
    graph = Path(shutil.copytree(store / of, store / version)) / bundle.GRAPH
    graph.write_bytes(graph.read_bytes()[:-100])


def switch(
    service: ServerProcess, store: Path, serve: str, *, shadow: str | None = None, check: bool = True
) -> bool:
    """Say which version answers, and wait until a running service has said what it makes of that.

    Args:
        service: A service of that store.
        store: Folder of versions.
        serve: The version that answers.
        shadow: The one that listens, or None.
        check: Whether versions are verified first; without it the line is written whatever it says.

    Returns:
        Whether the service said something within ten seconds.

    Raises:
        BundleError: If a version does not verify and `check` is set.

    See: chapter 06, "Two versions, a shadow and the way back".
    """
    before = _decisions(service)
    if check:
        choose_version(store, serve, shadow=shadow)
    else:
        (store / "serving.json").write_text(json.dumps({"serve": serve, "shadow": shadow}), encoding="utf-8")
    until = time.monotonic() + 10
    while _decisions(service) == before and time.monotonic() < until:
        with urllib.request.urlopen(f"{service.url}/ready"):  # it looks when it is asked
            time.sleep(0.05)
    return _decisions(service) > before


def _decisions(service: ServerProcess) -> int:
    return sum('"serves"' in line for line in list(service.log))


def count_agreements(url: str) -> dict[str, float]:
    """Return how often the shadow agreed since the service began: `{"yes": …, "no": …}`."""
    lines = watching.lines_of(watching.read_page(url))
    counts = {line.labels["agrees"]: line.value for line in lines if line.name == "service_shadow_total"}
    return {"yes": 0.0, "no": 0.0} | counts


def there_and_back(
    service: ServerProcess, store: Path, *, to: str, back: str, after: float, seconds: float
) -> AbstractContextManager[Future[None]]:
    """Switch to a version some time after the `with` begins, and back again; both are done at its end.

    Args:
        service: A service of that store.
        store: Folder of versions.
        to: The version that answers for a while.
        back: The one that answers before and afterwards.
        after: Seconds until the first switch.
        seconds: From the first to the second.

    See: chapter 06, "Two versions, a shadow and the way back".
    """

    def switch_twice() -> None:
        time.sleep(after)
        switch(service, store, to)
        time.sleep(seconds)
        switch(service, store, back)

    return load.beside(switch_twice)
