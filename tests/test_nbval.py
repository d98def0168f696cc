"""nbval, as `make test` calls it, notices a changed output and a broken bound."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from course_utils import ROOT

FLAGS = re.findall(r"--nbval\S*", (ROOT / "Makefile").read_text(encoding="utf-8"))


LESSONS: dict[str, dict[str, Any]] = {
    "sound": {},
    "changed": {"kept": "5\n"},
    "broken": {"value": 0.7},
    "stripped": {"kept": "", "count": None},
}


def _write(file: Path, *, kept: str = "4\n", count: int | None = 1, value: float = 0.9) -> Path:
    """Write a lesson of two cells: one whose output is compared, and one claim with the bound 0.8."""
    outputs = [new_output("stream", name="stdout", text=kept)] if kept else []
    tags = ["nbval-check-output", "keep_output"]
    compared = new_code_cell("print(2 + 2)", outputs=outputs, execution_count=count, metadata={"tags": tags})
    lines = [
        "import pathlib",
        "from course_utils import claims",
        "claims.FILE = pathlib.Path('claims.json').resolve()",
        f"claims.claim('99.1', 'it works', {value}, at_least=0.8)",
    ]
    band = {"fast": {"99": {"n": 20, "made": {}, "bands": {"99.1": {"low": 0.85, "high": 0.95}}}}}
    file.with_name("claims.json").write_text(json.dumps(band), encoding="utf-8")
    source = "\n".join(lines)
    nbformat.write(new_notebook(cells=[compared, new_code_cell(source, metadata={"tags": ["claim"]})]), file)
    return file


def _validate(folder: Path, *names: str, strict: bool) -> dict[str, str]:
    """Run pytest with nbval on lessons; return how their cells ended, a letter each, by lesson."""
    files = [_write(folder / f"{name}.ipynb", **LESSONS[name]) for name in names]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    configuration = ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(folder), "-p", "no:cacheprovider"]
    report = folder / "report.xml"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *FLAGS, *configuration, f"--junitxml={report}", *map(str, files)],
        env={**environment, "COURSE_STRICT": "1" if strict else "0"},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    cases = ElementTree.parse(report).findall(".//testcase")
    ends = [(case.get("classname"), "P" if len(case) == 0 else "F") for case in cases]
    assert done.returncode == ("F" in {end for _, end in ends}), done.stdout + done.stderr
    return {name: "".join(end for lesson, end in ends if f"{name}.ipynb" in str(lesson)) for name in names}


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return how the cells of every lesson end where a broken bound must fail."""
    return _validate(tmp_path_factory.mktemp("strict"), *LESSONS, strict=True)


def test_the_makefile_asks_for_nbval():
    assert {"--nbval-lax", "--nbval-current-env"} <= set(FLAGS)


@pytest.mark.parametrize(
    ("name", "ends"),
    [
        ("sound", "PP"),
        ("changed", "FP"),
        ("broken", "PF"),
        ("stripped", "PP"),  # why `course strip` keeps the compared outputs: without one nothing is compared
    ],
)
def test_a_strict_run_notices_what_changed(strict, name, ends):
    assert strict[name] == ends


def test_a_relaxed_run_goes_on_after_a_broken_bound(tmp_path):
    assert _validate(tmp_path, "broken", strict=False) == {"broken": "PP"}
