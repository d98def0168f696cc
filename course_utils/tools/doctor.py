"""Look at this machine: what the course needs is there, or the remedy is named."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from packaging.requirements import Requirement

from course_utils.tools import colab
from course_utils.tools.tree import Course

MEMORY_GB = 3.0
DISK_GB = 2.0
TORCH_CODE = """
import torch
print(torch.__version__)
gpu = "CUDA" if torch.cuda.is_available() else "Apple MPS" if torch.backends.mps.is_available() else ""
print(gpu or "none; the fast profile needs none")
"""


@dataclass(frozen=True)
class Check:
    """One finding.

    Args:
        name: What was looked at.
        state: `"ok"`, `"fail"`, or `"info"` for what the course can do without.
        found: What is there.
        remedy: What to do about a failure.
    """

    name: str
    state: str
    found: str
    remedy: str = ""

    def line(self) -> str:
        """Return the finding as one line of text."""
        return f"[{self.state}] {self.name}: {self.found}" + (f" → {self.remedy}" if self.remedy else "")


def examine(course: Course) -> list[Check]:
    """Return all findings on this machine."""
    requirements = (course.root / "requirements.txt").read_text(encoding="utf-8")
    return [
        python(sys.version_info[:2]),
        pip(),
        *packages(colab.requirements(requirements)),
        *torch(),
        memory(psutil.virtual_memory().available / 1e9),
        disk(shutil.disk_usage(course.root).free / 1e9),
        *data(),
        kernel(),
        program("git", "only needed to follow changes of the course"),
        program("chromium", "only needed for the browser tests"),
    ]


def python(version: tuple[int, int]) -> Check:
    """Check the version of Python."""
    found = ".".join(map(str, version))
    return _check("Python", version >= (3, 10), found, "install Python 3.10 or newer, then run: make setup")


def pip(version_of: Callable[[str], str | None] = colab.installed_version) -> Check:
    """Check that pip is there: the data comes through it."""
    version = version_of("pip")
    return _check("pip", version is not None, version or "missing", "run: python -m ensurepip --upgrade")


def packages(
    needs: Iterable[Requirement], version_of: Callable[[str], str | None] = colab.installed_version
) -> list[Check]:
    """Check the packages of `requirements.txt`: one finding if all are there, else one for each that is not.

    Args:
        needs: From `colab.requirements`.
        version_of: Gives the installed version of a package, or None.
    """
    needs = list(needs)
    unmet = [(need, version_of(need.name)) for need in colab.unmet(needs, version_of)]
    if not unmet:
        return [Check("packages", "ok", f"all {len(needs)} of requirements.txt")]
    remedy = "run: make setup (or: pip install -e .)"
    return [
        Check("packages", "fail", f"{need} is needed, found {have or 'none'}", remedy) for need, have in unmet
    ]


def torch() -> list[Check]:
    """Check that PyTorch can be imported, and say which GPU it sees: asked in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", TORCH_CODE], capture_output=True, text=True, encoding="utf-8", check=False
    )
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1:] or ["cannot be imported"]
        return [Check("PyTorch", "fail", reason[0], "run: make setup")]
    version, gpu = done.stdout.strip().splitlines()
    return [Check("PyTorch", "ok", version), Check("GPU", "info", gpu)]


def memory(available_gb: float) -> Check:
    """Check the free memory: a chapter takes up to 3 GB."""
    found = f"{available_gb:.1f} GB free"
    return _check("memory", available_gb >= MEMORY_GB, found, "close other programs, or run with --jobs 1")


def disk(free_gb: float) -> Check:
    """Check the free disk space."""
    return _check("disk", free_gb >= DISK_GB, f"{free_gb:.1f} GB free", f"free {DISK_GB:.0f} GB")


def data() -> list[Check]:
    """Check that each asset of `fast` is there and unchanged."""
    from course_utils.data import assets

    fast = [asset.name for asset in assets.assets().values() if asset.profile == "fast"]
    return [asset_check(name, assets.is_present(name)) for name in fast]


def asset_check(name: str, present: bool) -> Check:
    """Return the finding on one asset."""
    return _check(
        f"data {name}", present, "verified" if present else "missing or damaged", "run: course data"
    )


def kernel() -> Check:
    """Check that the kernel `python3` starts this Python and no other."""
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")  # as `course run` and `course lab` have it
    remedy = "run: python -m ipykernel install --sys-prefix"
    try:
        command = KernelSpecManager().get_kernel_spec("python3").argv[0]
    except NoSuchKernel:
        return Check("Jupyter kernel python3", "fail", "missing", remedy)
    return _check("Jupyter kernel python3", starts_this_python(command), command, remedy)


def starts_this_python(command: str) -> bool:
    """Return whether a kernel's first word means the Python that runs now.

    Args:
        command: `python`, which Jupyter replaces by its own, or a path.
    """
    if Path(command).stem.rstrip("0123456789.") == "python" and not Path(command).is_absolute():
        return True
    with suppress(OSError):
        here = Path(sys.executable)
        return Path(command).parent.samefile(here.parent) and Path(command).samefile(here)
    return False


def program(name: str, use: str) -> Check:
    """Say whether a program is there that the course can do without."""
    path = shutil.which(name)
    return Check(name, "ok" if path else "info", path or f"missing, {use}")


def _check(name: str, good: bool, found: str, remedy: str) -> Check:
    return Check(name, "ok", found) if good else Check(name, "fail", found, remedy)
