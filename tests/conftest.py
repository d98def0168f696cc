"""Shared fixtures: a throw-away course whose chapters are written by the test."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from course_utils.tools.notebooks import METADATA
from course_utils.tools.tree import Course

PARAMETERS = 'profile = "fast"\nseed = 0\ndevice = "auto"\noverrides = {}'
SETTINGS = {
    "epochs": {"fast": 2, "full": 3, "range": [1, 9], "about": "passes"},
    "rate": {"fast": 0.1, "full": 0.2, "range": [0.0001, 1], "about": "rate"},
}
CLAIM = """import pathlib
from course_utils import claims
claims.FILE = pathlib.Path("claims.json").resolve()  # of the throw-away course
claims.start(profile, overrides)
claims.claim("{id}", "a value", {value}, at_least={bound})"""
BAND = {"low": 0.5, "high": 1.0, "mean": 0.75, "sd": 0.05, "cell": "0"}


def cell(source: str, *, id: str = "", tags: Sequence[str] = (), kind: str = "code") -> dict[str, Any]:
    """Return a cell of a notebook."""
    made: dict[str, Any] = {
        "cell_type": kind,
        "id": id,
        "metadata": {"tags": list(tags)} if tags else {},
        "source": source,
    }
    return made if kind != "code" else {**made, "outputs": [], "execution_count": None}


def notebook(*cells: dict[str, Any] | str) -> dict[str, Any]:
    """Return a notebook with a parameters cell and the given cells."""
    made = [cell(PARAMETERS, tags=["parameters"]), *(cell(c) if isinstance(c, str) else c for c in cells)]
    made = [{**each, "id": each["id"] or f"c{index}"} for index, each in enumerate(made)]
    return {"cells": made, "metadata": copy.deepcopy(METADATA), "nbformat": 4, "nbformat_minor": 5}


@dataclass(frozen=True)
class Playground(Course):
    """A course in a temporary folder, to which a test adds chapters."""

    def give_bands(self, *ids: str, profile: str = "fast") -> None:
        """Write a band for each claim, so that it is held to its bound."""
        chapters = {id[:2]: {"n": 20, "made": {"date": "2026-01-02"}, "bands": {}} for id in ids}
        for id in ids:
            chapters[id[:2]]["bands"][id] = BAND
        self.claims.write_text(json.dumps({profile: chapters}), encoding="utf-8")

    def add(self, name: str, *cells: dict[str, Any] | str) -> Path:
        """Write a chapter, e.g. `"01_good"`, and give it settings."""
        path = self.notebooks / f"{name}.ipynb"
        path.write_text(json.dumps(notebook(*cells)), encoding="utf-8")
        table = json.loads(self.profiles.read_text(encoding="utf-8"))
        self.profiles.write_text(json.dumps({**table, name[:2]: SETTINGS}), encoding="utf-8")
        return path


def new_playground(folder: Path) -> Playground:
    """Return an empty course; the blank in its name is meant."""
    course = Playground(folder / "a course")
    for folder in (
        course.notebooks,
        course.root / "data" / "checkpoints",
        course.root / "course_utils" / "tools",
    ):
        folder.mkdir(parents=True)
    threads = {"threads": {"fast": 1, "full": 0, "range": [0, 256], "about": "threads"}}
    course.profiles.write_text(json.dumps({"all": threads}), encoding="utf-8")  # JSON is YAML
    (course.root / "data" / "assets.toml").touch()
    return course


@pytest.fixture
def playground(tmp_path: Path) -> Playground:
    """Return an empty course."""
    return new_playground(tmp_path)
