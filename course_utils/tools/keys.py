"""What a run depends on, as one hash: a chapter that passed with the same hash need not run again."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from pathlib import Path
from typing import Any

from course_utils.settings import Settings
from course_utils.tools import colab, notebooks
from course_utils.tools.tree import Chapter, Course

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LIBRARIES = (
    *("torch", "torchvision", "numpy", "scipy", "pandas", "matplotlib", "seaborn", "scikit-learn"),
    *(
        "statsmodels",
        "timm",
        "transformers",
        "tokenizers",
        "captum",
        "torchao",
        "onnx",
        "onnxruntime",
        "accelerate",
    ),
    *("ipykernel", "ipython", "ipywidgets", "anywidget", "papermill", "nbclient"),
)


def key(course: Course, chapter: Chapter, settings: Settings, *, strict: bool) -> str:
    """Return the skip key of a run: equal keys mean equal results.

    Args:
        course: Where the chapter stands.
        chapter: The lesson.
        settings: All values of the run, with seed, device and overrides.
        strict: Whether a broken claim fails the run.
    """
    cells = notebooks.read(chapter.path)["cells"]
    return digest(
        {
            "cells": [[c["cell_type"], c.get("id"), notebooks.source(c), notebooks.tags(c)] for c in cells],
            "package": _files(course.root / "course_utils", skip="tools"),
            "settings": dict(settings.values),
            "assets": _assets(course, chapter.number),
            "checkpoints": _files(course.root / "data" / "checkpoints", f"{chapter.number}_*"),
            "claims": claims_of(course, chapter.number),
            "run": [settings.profile, settings.seed, settings.device, dict(settings.overrides), strict],
            "versions": versions(),
        }
    )


def digest(value: object) -> str:
    """Return the SHA-256 of anything that JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def folder(settings: Settings, *, strict: bool) -> str:
    """Return the name of the folder for a run: the profile, with a hash where it is not the usual run."""
    own = [settings.seed, settings.device, dict(settings.overrides)]
    usual = strict and own == [0, "auto", {}]
    relaxed = [] if strict or settings.overrides else ["relaxed"]
    return settings.profile if usual else f"{settings.profile}-{digest(own + relaxed)[:8]}"


def claims_of(course: Course, number: str) -> dict[str, Any]:
    """Return the bands of a chapter's claims."""
    bands = json.loads(course.claims.read_text(encoding="utf-8")) if course.claims.exists() else {}
    return {id: band for id, band in bands.items() if id.startswith(f"{number}.")}


def versions() -> dict[str, str]:
    """Return the versions of Python and of each key library that is installed."""
    installed = {name: colab.installed_version(name) for name in LIBRARIES}
    return {"python": platform.python_version(), **{name: have for name, have in installed.items() if have}}


def _files(folder: Path, pattern: str = "*", *, skip: str = "") -> dict[str, str]:
    paths = [path for path in folder.rglob(pattern) if path.is_file() and path.parent.name != "__pycache__"]
    hashes = {path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    return {name.as_posix(): value for name, value in hashes.items() if name.parts[0] != skip}


def _assets(course: Course, number: str) -> dict[str, Any]:
    file = course.root / "data" / "assets.toml"
    entries = tomllib.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return {name: entry for name, entry in entries.items() if number in entry["chapters"]}
