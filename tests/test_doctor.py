"""The doctor: each fault is found, and the remedy named."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from typer.testing import CliRunner

from course_utils.tools import doctor
from course_utils.tools.cli import app
from course_utils.tools.doctor import Check

NEEDS = [Requirement("torch>=2.9"), Requirement("rich")]


@pytest.mark.parametrize(
    ("check", "state", "words"),
    [
        (doctor.python((3, 9)), "fail", "install Python 3.10"),
        (doctor.python((3, 10)), "ok", "3.10"),
        (doctor.pip(lambda name: None), "fail", "ensurepip"),
        (doctor.pip(lambda name: "26"), "ok", "26"),
        (doctor.memory(2.9), "fail", "--jobs 1"),
        (doctor.memory(3.0), "ok", "3.0 GB"),
        (doctor.disk(0.5), "fail", "free 2 GB"),
        (doctor.disk(9), "ok", "9.0 GB"),
        (doctor.asset_check("digits", False), "fail", "course data"),
        (doctor.asset_check("digits", True), "ok", "verified"),
        (doctor.program("no-such-program", "only for tests"), "info", "only for tests"),
    ],
)
def test_a_finding_has_its_remedy(check: Check, state: str, words: str) -> None:
    assert check.state == state
    assert words in check.line()
    assert check.line().startswith(f"[{state}] ")


def test_packages_are_named_when_missing_or_old() -> None:
    found = doctor.packages(NEEDS, {"torch": "2.8"}.get)
    assert [check.line() for check in found] == [
        "[fail] packages: torch>=2.9 is needed, found 2.8 → run: make setup (or: pip install -e .)",
        "[fail] packages: rich is needed, found none → run: make setup (or: pip install -e .)",
    ]
    assert doctor.packages(NEEDS, {"torch": "2.9.1+cpu", "rich": "15"}.get)[0].state == "ok"


def test_the_kernel_must_be_this_python(tmp_path: Path) -> None:
    other = tmp_path / "python"
    other.touch()
    assert doctor.starts_this_python(sys.executable)
    assert doctor.starts_this_python("python3.11")
    assert not doctor.starts_this_python(str(other))
    assert not doctor.starts_this_python(str(tmp_path / "gone" / "python"))


@pytest.mark.parametrize(("state", "code"), [("fail", 1), ("info", 0), ("ok", 0)])
def test_the_command_fails_if_a_check_does(monkeypatch: pytest.MonkeyPatch, state: str, code: int) -> None:
    monkeypatch.setattr(doctor, "examine", lambda course: [Check("disk", state, "full", "tidy up")])
    result = CliRunner().invoke(app, ["doctor"])
    assert (result.exit_code, result.output) == (code, f"[{state}] disk: full → tidy up\n")


def test_a_torch_that_cannot_be_imported_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "TORCH_CODE", "raise ImportError('no libtorch')")
    assert [check.line() for check in doctor.torch()] == [
        "[fail] PyTorch: ImportError: no libtorch → run: make setup"
    ]


def test_the_gpu_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "TORCH_CODE", "print('2.14')\nprint('CUDA')")
    assert [check.line() for check in doctor.torch()] == ["[ok] PyTorch: 2.14", "[info] GPU: CUDA"]


def test_the_kernel_of_this_environment_is_found() -> None:
    assert doctor.kernel().state == "ok"
