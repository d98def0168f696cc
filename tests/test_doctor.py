"""The doctor: each fault is found, and the remedy named."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from typer.testing import CliRunner

from course_utils.data import assets
from course_utils.tools import doctor
from course_utils.tools.cli import app
from course_utils.tools.doctor import Check
from course_utils.tools.tree import Course


@pytest.mark.parametrize(
    ("check", "state", "words"),
    [
        (doctor.enough("memory", 2.9, 3, "close programs"), "fail", "2.9 GB free → close programs"),
        (doctor.enough("memory", 3.0, 3, "close programs"), "ok", "3.0 GB free"),
        (doctor.packages([Requirement("pytest")]), "ok", "all of requirements.txt"),
    ],
)
def test_a_finding_has_its_remedy(check: Check, state: str, words: str) -> None:
    assert check.good == (state == "ok")
    assert words in check.line()
    assert check.line().startswith(f"[{state}] ")


def test_packages_are_named_when_missing_or_old() -> None:
    have = metadata.version("pytest")
    found = doctor.packages([Requirement("pytest>=99"), Requirement("no-such-package")]).line()
    assert found == (
        f"[fail] packages: needed: pytest>=99 (found {have}), no-such-package (found none) "
        "→ run: make setup (or: pip install -e '.[course]')"
    )


def test_versions_that_were_not_proven_are_told_and_are_no_fault() -> None:
    have = metadata.version("pytest")
    pins = [Requirement("pytest==0.1"), Requirement("ruff==0.1")]
    assert doctor.versions([Requirement("pytest>=1")], pins).line() == (
        f"[ok] versions: not as last proven: pytest {have} (==0.1)"
    )
    as_here = doctor.versions([Requirement("PyTest>=1")], [Requirement(f"pytest=={have}")])
    assert as_here.line() == "[ok] versions: as last proven"


@pytest.mark.parametrize(("present", "words"), [(True, "[ok] data mnist_5k"), (False, "→ run: course data")])
def test_each_fast_asset_is_looked_at(monkeypatch: pytest.MonkeyPatch, present: bool, words: str) -> None:
    monkeypatch.setattr(assets, "is_present", lambda name: present)
    checks = doctor.data()
    assert {check.good for check in checks} == {present}
    assert any(words in check.line() for check in checks)


def test_all_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "TORCH_CODE", "print('2.14')\nprint('CUDA')")
    names = [check.name for check in doctor.examine(Course())]
    assert names[:6] == ["Python", "packages", "versions", "PyTorch", "memory", "disk"]
    assert names[-1] == "Jupyter kernel python3"


def test_the_kernel_must_be_this_python(tmp_path: Path) -> None:
    other = tmp_path / "python"
    other.touch()
    assert doctor.starts_this_python(sys.executable)
    assert doctor.starts_this_python("python3.11")
    assert not doctor.starts_this_python(str(other))
    assert not doctor.starts_this_python(str(tmp_path / "gone" / "python"))


@pytest.mark.parametrize(("state", "code"), [("fail", 1), ("ok", 0)])
def test_the_command_fails_if_a_check_does(monkeypatch: pytest.MonkeyPatch, state: str, code: int) -> None:
    monkeypatch.setattr(doctor, "examine", lambda course: [Check("disk", state == "ok", "full", "tidy up")])
    result = CliRunner().invoke(app, ["doctor"])
    assert (result.exit_code, result.output) == (
        code,
        f"[{state}] disk: full{' → tidy up' if code else ''}\n",
    )


def test_a_torch_that_cannot_be_imported_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "TORCH_CODE", "raise ImportError('no libtorch')")
    assert doctor.torch().line() == "[fail] PyTorch: ImportError: no libtorch → run: make setup"


def test_the_gpu_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "TORCH_CODE", "print('2.14')\nprint('CUDA')")
    assert doctor.torch().line() == "[ok] PyTorch: 2.14, GPU: CUDA"


def test_the_kernel_of_this_environment_is_found() -> None:
    assert doctor.kernel().good
