"""install.py: a tiny course is really installed, with a stand-in for uv and without any; and the pins it writes."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from course_utils import ROOT

sys.path.insert(0, str(ROOT))
import install

PINS = [
    Requirement(line.split("#")[0])
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if line.split("#")[0].strip()
]
PYTHONS = [f"3.{minor}" for minor in range(10, 15)]
SYSTEMS = [("linux", "Linux", "x86_64"), ("darwin", "Darwin", "arm64"), ("win32", "Windows", "AMD64")]
# An editable build without setuptools, so that nothing comes from the network.
BACKEND = """
import zipfile
NAME = "course_utils-0.1"
def get_requires_for_build_editable(settings=None): return []
def build_editable(folder, settings=None, metadata=None):
    with zipfile.ZipFile(f"{folder}/{NAME}-py3-none-any.whl", "w") as wheel:
        wheel.writestr("course_utils.pth", "")
        wheel.writestr(f"{NAME}.dist-info/METADATA", "Metadata-Version: 2.1\\nName: course-utils\\nVersion: 0.1\\n"
                       "Provides-Extra: dev\\nRequires-Dist: torch\\n")
        wheel.writestr(f"{NAME}.dist-info/WHEEL", "Wheel-Version: 1.0\\nGenerator: t\\nRoot-Is-Purelib: true\\n"
                       "Tag: py3-none-any\\n")
        wheel.writestr(f"{NAME}.dist-info/RECORD", "")
    return f"{NAME}-py3-none-any.whl"
"""
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "course-utils"
version = "0.1"
"""
FAKE_UV = """
import json, os, sys
wanted = {name: value for name, value in os.environ.items() if name.startswith("UV_")}
open("uv.json", "w").write(json.dumps({"arguments": sys.argv[1:], "variables": wanted}))
"""


def _wheel(folder: Path, name: str, version: str, files: dict[str, str] | None = None) -> None:
    info = f"{name}-{version}.dist-info"
    tag = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    head = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    members = {**(files or {}), f"{info}/METADATA": head, f"{info}/WHEEL": tag}
    record = "".join(f"{member},,\n" for member in [*members, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for member, text in {**members, f"{info}/RECORD": record}.items():
            wheel.writestr(member, text)


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """Return a course that needs only a torch of one line, which lies in a folder of wheels beside it."""
    folder, wheels = tmp_path / "a course", tmp_path / "wheels"
    folder.mkdir()
    wheels.mkdir()
    (folder / "install.py").write_bytes((ROOT / "install.py").read_bytes())
    (folder / "backend.py").write_text(BACKEND)
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "constraints.txt").write_text("torch==2.9\n")
    for version in ("2.9", "2.10"):
        _wheel(wheels, "torch", version)
    return folder


def _install(course: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    dropped = ("PIP_", "UV_", "PYTHON")
    own = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    own |= {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1"}
    own["PIP_FIND_LINKS"] = str(course.parent / "wheels")
    command = [sys.executable, "install.py", "packages", *arguments]
    return subprocess.run(command, cwd=course, env=own, capture_output=True, text=True)


def test_without_uv_pip_installs_what_was_proven_and_says_so(tiny):
    done = _install(tiny)
    assert (done.returncode, done.stderr) == (0, "")
    python, uv, packages = done.stdout.splitlines()
    assert re.fullmatch(r"python +3\.\d+\.\d+\S*, in \.venv +\d+ s", python)
    assert "not to be had, so pip installs" in uv
    assert "No matching distribution found for uv" in uv
    assert "as last proven: torch 2.9 " in packages
    assert (tiny / ".venv" / ".ready").read_text().startswith("proven torch=default python=3.")
    again = _install(tiny, "--latest", "--torch", "cpu")
    assert "the latest versions, TORCH ignored: torch 2.10 " in again.stdout
    lowest = _install(tiny, "--lowest")
    assert lowest.returncode == 1
    assert "LOWEST needs uv" in lowest.stderr
    assert not (tiny / ".venv" / ".ready").exists()


def test_uv_gets_the_pins_and_the_learners_settings_for_pip(tiny):
    wheels = tiny.parent / "wheels"
    _wheel(wheels, "uv", "9.9", {"uv/__init__.py": "", "uv/__main__.py": FAKE_UV})
    (tiny / "constraints.txt").write_text("uv==9.9\n")
    done = _install(tiny, "--torch", "auto")
    assert "PackageNotFoundError" in done.stderr  # this uv installs no torch, and that does not go by unseen
    assert not (tiny / ".venv" / ".ready").exists()
    asked = json.loads((tiny / "uv.json").read_text())
    words = " ".join(asked["arguments"])
    assert words.startswith("pip install --python ")
    assert f"--torch-backend auto --constraint {tiny / 'constraints.txt'} pip -e {tiny}[course,dev]" in words
    assert asked["variables"]["UV_FIND_LINKS"] == str(wheels)
    assert asked["variables"]["UV_NO_INDEX"] == "1"


def test_uv_command_lines():
    lowest = install.uv_command("lowest", "cpu", {"constraint": "a.txt b.txt"})
    assert lowest[:4] == [str(install.PYTHON), "-m", "uv", "pip"]
    assert " ".join(lowest[7:]) == (
        "--upgrade --resolution lowest-direct --torch-backend cpu "
        f"--constraint a.txt --constraint b.txt pip -e {install.ROOT}[course,dev]"
    )
    assert str(install.CONSTRAINTS) not in lowest + install.uv_command("latest", "", {})
    assert install.uv_command("proven", "", {}).count(str(install.CONSTRAINTS)) == 2


def test_settings_of_pip_become_variables_of_uv():
    settings = {
        "index-url": "https://mirror.invalid/simple",
        "extra-index-url": "https://one.invalid\nhttps://two.invalid",
        "find-links": "wheels more",
        "cert": "ca.pem",
        "proxy": "http://proxy.invalid",
    }
    assert install.uv_environment(settings, {"UV_FIND_LINKS": "mine", "HOME": "h"}) == {
        "UV_DEFAULT_INDEX": "https://mirror.invalid/simple",
        "UV_INDEX": "https://one.invalid https://two.invalid",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": "mine",
        "SSL_CERT_FILE": "ca.pem",
        "HTTPS_PROXY": "http://proxy.invalid",
        "HTTP_PROXY": "http://proxy.invalid",
        "HOME": "h",
    }
    assert install.uv_environment({"find-links": "a b"}, {}) == {"UV_FIND_LINKS": "a,b"}


def test_pip_settings_are_read_as_pip_does(monkeypatch):
    listed = (
        ":env:.find-links='c'\nglobal.find-links='a'\nglobal.cert='x'\ninstall.cert='y'\nwheel.cert='z'\n"
    )
    monkeypatch.setattr(install, "run", lambda command: f"WARNING: a word\n{listed}")
    assert install.pip_settings() == {"find-links": "c", "cert": "y"}


def test_an_old_python_is_named_with_the_remedy(monkeypatch, capsys):
    monkeypatch.setattr(sys, "version_info", (3, 9))
    monkeypatch.setattr(sys, "version", "3.9.1 (old)")
    assert install.main(["packages"]) == 1
    said = capsys.readouterr().err
    assert "needs Python 3.10 or newer, got 3.9.1" in said
    assert "PYTHON=" in said


def test_an_old_python_can_read_it():
    ast.parse((ROOT / "install.py").read_text(encoding="utf-8"), feature_version=(3, 8))


# --- constraints.txt --------------------------------------------------------------------------------------


def _needs() -> list[Requirement]:
    files = ("requirements.txt", "requirements-dev.txt", "deploy/requirements.txt")
    lines = [
        line.split("#")[0].strip() for file in files for line in (ROOT / file).read_text("utf-8").splitlines()
    ]
    return [Requirement(line) for line in [*filter(None, lines), "pip", "uv"]]


def test_each_pin_is_one_exact_public_version():
    specifiers = [[(spec.operator, Version(spec.version)) for spec in pin.specifier] for pin in PINS]
    assert all(len(spec) == 1 and spec[0][0] == "==" and spec[0][1].local is None for spec in specifiers)
    assert [pin.name for pin in PINS if pin.url or pin.extras] == []
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert not re.search(r"^-|://|@|--", text, re.MULTILINE)


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize(("platform", "system", "machine"), SYSTEMS)
def test_the_pins_meet_every_need(python, platform, system, machine):
    here = {
        "python_version": python,
        "python_full_version": f"{python}.1",
        "sys_platform": platform,
        "platform_system": system,
        "platform_machine": machine,
        "os_name": "nt" if platform == "win32" else "posix",
    }
    held = [pin for pin in PINS if pin.marker is None or pin.marker.evaluate(here)]
    names = [canonicalize_name(pin.name) for pin in held]
    assert len(names) == len(set(names))
    pinned = dict(zip(names, held, strict=True))
    for need in _needs():
        if need.marker is None or need.marker.evaluate(here):
            (pin,) = pinned[canonicalize_name(need.name)].specifier
            assert need.specifier.contains(pin.version), need
