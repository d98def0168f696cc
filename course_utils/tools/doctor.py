"""Look at this machine: what the course needs is there, or the remedy is named."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from course_utils.tools import colab
from course_utils.tools.tree import Course

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
        good: Whether it is as the course needs it.
        found: What is there.
        remedy: What to do if it is not good.
    """

    name: str
    good: bool
    found: str
    remedy: str

    def line(self) -> str:
        """Return the finding as one line of text."""
        found = f"{self.name}: {self.found}"
        return f"[ok] {found}" if self.good else f"[fail] {found} → {self.remedy}"


def examine(course: Course) -> list[Check]:
    """Return all findings on this machine."""
    needs = colab.requirements((course.root / "requirements.txt").read_text(encoding="utf-8"))
    memory_gb, disk_gb = psutil.virtual_memory().available / 1e9, shutil.disk_usage(course.root).free / 1e9
    return [
        Check("Python", sys.version_info >= (3, 10), sys.version.split()[0], "install Python 3.10 or newer"),
        packages(needs),
        versions(needs, colab.requirements((course.root / "constraints.txt").read_text(encoding="utf-8"))),
        torch(),
        enough("memory", memory_gb, 3, "close other programs, or run with --jobs 1"),
        enough("disk", disk_gb, 2, "free 2 GB"),
        *data(),
        kernel(),
    ]


def enough(name: str, free_gb: float, needed_gb: float, remedy: str) -> Check:
    """Check that there is enough of something: a chapter takes up to 3 GB of memory."""
    return Check(name, free_gb >= needed_gb, f"{free_gb:.1f} GB free", remedy)


def packages(needs: list[Requirement]) -> Check:
    """Check the packages of `requirements.txt`."""
    unmet = [f"{need} (found {colab.installed_version(need.name) or 'none'})" for need in colab.unmet(needs)]
    found = f"needed: {', '.join(unmet)}" if unmet else "all of requirements.txt"
    return Check("packages", not unmet, found, "run: make setup (or: pip install -e '.[course]')")


def versions(needs: list[Requirement], proven: list[Requirement]) -> Check:
    """Say which of the needed packages are not the ones that the course was last proven with: no fault.

    Args:
        needs: The lines of `requirements.txt`.
        proven: The lines of `constraints.txt`.
    """
    names = {canonicalize_name(need.name) for need in needs}
    other = [pin for pin in colab.unmet(proven) if canonicalize_name(pin.name) in names]
    listed = ", ".join(f"{pin.name} {colab.installed_version(pin.name)} ({pin.specifier})" for pin in other)
    return Check("versions", True, f"not as last proven: {listed}" if other else "as last proven", "")


def torch() -> Check:
    """Check that PyTorch can be imported, and say which GPU it sees: asked in a process of its own."""
    done = subprocess.run([sys.executable, "-c", TORCH_CODE], capture_output=True, text=True, check=False)
    if done.returncode:
        return Check("PyTorch", False, done.stderr.strip().rpartition("\n")[2], "run: make setup")
    version, gpu = done.stdout.strip().splitlines()
    return Check("PyTorch", True, f"{version}, GPU: {gpu}", "")


def data() -> list[Check]:
    """Check that each asset of `fast` is there and unchanged."""
    from course_utils.data import assets

    present = {
        asset.name: assets.is_present(asset.name) for asset in assets.assets().values() if asset.package
    }
    words = {True: "verified", False: "missing or damaged"}
    return [Check(f"data {name}", good, words[good], "run: course data") for name, good in present.items()]


def kernel() -> Check:
    """Check that the kernel `python3` starts this Python and no other."""
    from jupyter_client.kernelspec import KernelSpecManager

    os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")  # as `course run` and `course lab` have it
    folder = KernelSpecManager().find_kernel_specs().get("python3", "")
    command = KernelSpecManager().get_kernel_spec("python3").argv[0] if folder else "missing"
    remedy = "run: python -m ipykernel install --sys-prefix"
    return Check("Jupyter kernel python3", starts_this_python(command), command, remedy)


def starts_this_python(command: str) -> bool:
    """Return whether a kernel's first word means the Python that runs now.

    Args:
        command: `python`, which Jupyter replaces by its own, or a path.
    """
    path = Path(command)
    return path.parent == Path(sys.executable).parent or command.startswith("python")
