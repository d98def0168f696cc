"""Every chapter, executed as a learner would: `course run`, then what its record says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import claim_checks
import lessons
import nbformat
import pytest

from course_utils import ROOT
from course_utils.tools.execution import records
from course_utils.tools.execution.records import Record

FILES = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
RUNS = ROOT / "build" / "runs" / "fast"
PEAK_BYTES = 3 * 1024**3


@pytest.fixture(scope="module", params=FILES, ids=lambda file: file.stem)
def file(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture(scope="module")
def record(file: Path) -> Record:
    """Run the chapter, unless nothing has changed since it passed, and return its record."""
    command = [sys.executable, "-m", "course_utils.tools.cli", "run", file.name[:2], "--profile", "fast"]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", cwd=ROOT)
    found = records.read(RUNS / f"{file.name[:2]}.json")
    assert found is not None, done.stdout + done.stderr
    assert done.returncode == 0, done.stdout + done.stderr
    return found


def test_passes_with_every_claim(record: Record, file: Path):
    assert record.passed, record.failure
    assert record.strict
    assert record.cells_done == record.cells
    assert record.broken == []
    assert {claim["id"] for claim in record.claims} == {
        c.id for c in claim_checks.claims_of(lessons.read(file))
    }


def test_writes_nothing_to_stderr(record: Record):
    assert record.stderr == []


def test_stays_within_its_memory(record: Record):
    assert record.peak_bytes <= PEAK_BYTES, f"{record.peak_bytes / 1024**3:.1f} GB"


def test_every_picture_has_an_alternative_text(record: Record):
    notebook = nbformat.read(RUNS / record.output, as_version=4)
    outputs = [(cell, output) for cell in notebook.cells for output in cell.get("outputs", [])]
    pictures = [(cell, output) for cell, output in outputs if "image/png" in output.get("data", {})]
    assert pictures
    mute = [cell.source for cell, output in pictures if not output.metadata.get("image/png", {}).get("alt")]
    assert mute == []


def test_needs_no_extension_but_ipywidgets_and_anywidget(record: Record):
    notebook = nbformat.read(RUNS / record.output, as_version=4)
    states = notebook.metadata.get("widgets", {}).get("application/vnd.jupyter.widget-state+json", {})
    modules = {model.model_module for model in states.get("state", {}).values()}
    assert modules <= {
        "@jupyter-widgets/base",
        "@jupyter-widgets/controls",
        "@jupyter-widgets/output",
        "anywidget",
    }
    outputs = [output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", [])]
    assert [list(data) for data in outputs if data and "text/plain" not in data] == []
