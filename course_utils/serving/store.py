"""Which version answers, and which only listens: a small file decides, and can be changed while the service runs.

digits/
    1/  2/            bundles
    serving.json      {"serve": "2", "shadow": null}
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from course_utils.serving import bundle
from course_utils.serving.app import Served
from course_utils.serving.bundle import BundleError
from course_utils.serving.predictor import Predictor

CHOICE = "serving.json"
LOOK_S = 0.5


def choose_version(folder: Path, serve: str, *, shadow: str | None = None) -> None:
    """Say which version of a store answers from now on, and which listens; running services follow within a second.

    Args:
        folder: The store.
        serve: Name of the version's folder.
        shadow: Of the version that sees the same pictures, and whose answers are only counted; or None.

    Raises:
        BundleError: If one of them is not there or does not verify; nothing has changed then.

    See: chapter 06, "Two versions, a shadow and the way back".
    """
    for version in [serve, *([] if shadow is None else [shadow])]:
        bundle.read_bundle(_version(folder, version))
    handle, part = tempfile.mkstemp(dir=folder, prefix=".serving-")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(json.dumps({"serve": serve, "shadow": shadow}) + "\n")
    Path(part).chmod(0o644)
    Path(part).replace(folder / CHOICE)


class Store:
    """A bundle, or a folder of versions of one; `current` is what answers now.

    Args:
        folder: A bundle, or a store with its `serving.json`.
        threads: Of one call of the network.

    Raises:
        BundleError: If what is to be served first cannot be.
    """

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        """Load what is served first."""
        self.folder, self._threads = Path(folder), threads
        self.on_failure: Callable[[], None] = lambda: None
        self._lock, self._looked, self._seen = threading.Lock(), time.monotonic(), self._stamp()
        self._served = self._load()

    def current(self) -> Served:
        """Return what answers now; looks at `serving.json` twice a second at most; one request waits for a load."""
        now = time.monotonic()
        if now - self._looked > LOOK_S and self._lock.acquire(blocking=False):
            try:
                self._looked = now
                self._follow()
            finally:
                self._lock.release()
        return self._served

    def _follow(self) -> None:
        """Load what `serving.json` says if it has changed; if that fails, what served before goes on."""
        stamp = self._stamp()
        if stamp == self._seen:
            return
        self._seen = stamp
        try:
            self._served = self._load()
            shadow = self._served.shadow
            told: dict[str, Any] = {
                "serves": self._served.main.about(),
                "shadow": shadow.about() if shadow else None,
            }
        except BundleError as error:
            self.on_failure()
            told = {"refused": str(error), "serves": self._served.main.about()}
        sys.stderr.write(json.dumps(told) + "\n")

    def _stamp(self) -> tuple[int, int]:
        try:
            found = (self.folder / CHOICE).stat()
        except OSError:
            return (0, 0)
        return (found.st_mtime_ns, found.st_ino)

    def _load(self) -> Served:
        if (self.folder / bundle.MANIFEST).exists():
            return Served(self._predictor(self.folder), None)
        serve, shadow = read_choice(self.folder)
        main = self._predictor(_version(self.folder, serve))
        return Served(main, self._predictor(_version(self.folder, shadow)) if shadow else None)

    def _predictor(self, folder: Path) -> Predictor:
        return Predictor(bundle.read_bundle(folder), threads=self._threads)


def about_served(folder: Path) -> dict[str, str]:
    """Verify what would be served first, without running it, and return its name and version.

    Raises:
        BundleError: If it must not be used.
    """
    if not (folder / bundle.MANIFEST).exists():
        folder = _version(folder, read_choice(folder)[0])
    found = bundle.read_bundle(folder)
    return {"name": found.name, "version": found.version}


def read_choice(folder: Path) -> tuple[str, str | None]:
    """Return which version of a store answers, and which listens.

    Raises:
        BundleError: If the folder is neither a bundle nor a store.
    """
    try:
        found: Any = json.loads((folder / CHOICE).read_text(encoding="utf-8"))
        serve, shadow = found["serve"], found.get("shadow")
    except OSError as error:
        raise BundleError(
            f"{folder} is neither a bundle (with {bundle.MANIFEST}) nor a folder of versions (with {CHOICE})"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BundleError(
            f'{folder / CHOICE}: expected {{"serve": "1", "shadow": null}}, got {error!r}'
        ) from error
    if not isinstance(serve, str) or not isinstance(shadow, str | None):
        raise BundleError(f"{folder / CHOICE}: expected names of versions, got {found!r}")
    return serve, shadow


def _version(folder: Path, name: str) -> Path:
    if not bundle.WORD.fullmatch(name):
        raise BundleError(f"version {name!r}: expected letters, digits, dots and dashes")
    return folder / name
