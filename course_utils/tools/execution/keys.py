"""What a run depends on, as one hash: a chapter that passed with the same hash need not run again."""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from course_utils import ROOT
from course_utils.data import assets
from course_utils.settings import Settings
from course_utils.tools import colab, notebooks
from course_utils.tools.tree import Chapter, Course


@dataclass(frozen=True)
class Way:
    """How a chapter is run; the values here are those of the usual run.

    Args:
        strict: A broken claim fails the run, after its last cell.
        core: Only set-up and core sections.
        checkpoints: Where shipped files are read from instead, to measure what re-making them changes.
    """

    strict: bool = True
    core: bool = False
    checkpoints: Path | None = None


def key(course: Course, chapter: Chapter, settings: Settings, way: Way) -> str:
    """Return the skip key of a run: equal keys mean equal results.

    Args:
        course: Where the chapter stands.
        chapter: The lesson.
        settings: All values of the run, with seed, device and overrides.
        way: How it is run.
    """
    cells = notebooks.read(chapter.path)["cells"]
    return digest(
        {
            "cells": [[c["cell_type"], c.get("id"), notebooks.source(c), notebooks.tags(c)] for c in cells],
            "package": _files(course.root / "course_utils", skip="tools"),
            "settings": dict(settings.values),
            "assets": _assets(course, chapter.number),
            "checkpoints": _files(way.checkpoints or course.root / "data" / "checkpoints"),
            "claims": bands_of(course, settings.profile, chapter.number) if way.strict else None,
            "run": [
                settings.profile,
                settings.seed,
                settings.device,
                dict(settings.overrides),
                way.strict,
                way.core,
            ],
            "versions": versions(),
        }
    )


def digest(value: object) -> str:
    """Return the SHA-256 of anything that JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def folder(settings: Settings, way: Way) -> str:
    """Return the name of the folder for a run: the profile, with a hash where it is not the usual run."""
    own = [settings.seed, settings.device, dict(settings.overrides), *vars(way).values()]
    usual = own == [0, "auto", {}, *vars(Way()).values()]
    return settings.profile if usual else f"{settings.profile}-{digest(own)[:8]}"


def bands_of(course: Course, profile: str, number: str) -> dict[str, Any]:
    """Return the bands of a chapter's claims in a profile, by claim, each with its number of runs `n`."""
    known = json.loads(course.claims.read_text(encoding="utf-8")) if course.claims.exists() else {}
    found = known.get(profile, {}).get(number, {"bands": {}})
    return {
        id: {"n": found["n"], "date": found["made"]["date"], **band} for id, band in found["bands"].items()
    }


def versions() -> dict[str, str]:
    """Return the versions of Python and of what `requirements.txt` names."""
    needs = colab.requirements((ROOT / "requirements.txt").read_text(encoding="utf-8"))
    return {
        "python": platform.python_version(),
        **{need.name: colab.installed_version(need.name) or "none" for need in needs},
    }


def _files(folder: Path, pattern: str = "*", *, skip: str = "") -> dict[str, str]:
    paths = {path.relative_to(folder): path for path in folder.rglob(pattern) if path.is_file()}
    wanted = [name for name in sorted(paths) if "__pycache__" not in name.parts and name.parts[0] != skip]
    return {name.as_posix(): hashlib.sha256(paths[name].read_bytes()).hexdigest() for name in wanted}


def _assets(course: Course, number: str) -> list[assets.Asset]:
    listed = assets.assets(course.root / "data" / "assets.toml")
    return [asset for asset in listed.values() if number in asset.chapters]
