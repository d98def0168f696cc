"""Find what Google Colab lacks for the course and install only that: never torch, never its own Jupyter.

A lesson's `colab` cell runs `python -m course_utils.tools.colab` after a shallow clone and a
`pip install --no-deps -e`. The module therefore needs nothing but `packaging`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable
from importlib import metadata

from packaging.requirements import Requirement

from course_utils import ROOT

# Colab's build for its own GPUs: a second one would cost minutes and may not fit its driver.
KEPT = ("torch", "torchvision")
# What Colab is itself, or what only the `course` command uses: lessons on Colab do without.
HOST = (
    "ipykernel",
    "ipywidgets",
    "jupyterlab",
    "latex2mathml",
    "nbconvert",
    "nbformat",
    "papermill",
    "typer",
)

# The `colab` cell of every lesson; a test compares each with `cell()`.
CELL = """\
# On Colab only: fetch the course, then install what is missing.
import sys

if "google.colab" in sys.modules:
    import os
    import subprocess
    from pathlib import Path

    folder = Path("course").resolve()
    source = os.environ.get("COURSE_REPO", "{repository}")
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "-e", str(folder)]
    steps = [pip, [sys.executable, "-m", "course_utils.tools.colab"]]
    if not (folder / "pyproject.toml").exists():
        steps.insert(0, ["git", "clone", "--quiet", "--depth", "1", source, str(folder)])
    for step in steps:
        done = subprocess.run(step, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            command = " ".join(step)
            raise RuntimeError(f"{{command}} failed:\\n{{done.stdout}}Repair that, then run this cell again.")
    print(done.stdout.strip())
    sys.path.insert(0, str(folder))
"""


def cell(repository: str) -> str:
    """Return the source of the `colab` cell.

    Args:
        repository: Address to clone, as `Repository` in `pyproject.toml` has it.

    Returns:
        The text of the cell, without a newline at its end.
    """
    return CELL.format(repository=repository).rstrip("\n")


def requirements(text: str) -> list[Requirement]:
    """Return the requirements of a `requirements.txt` that hold for this Python.

    Args:
        text: The file's text; comments and empty lines are skipped.
    """
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    found = [Requirement(line) for line in lines if line]
    return [need for need in found if need.marker is None or need.marker.evaluate()]


def installed_version(name: str) -> str | None:
    """Return the version of an installed package, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def unmet(
    needs: Iterable[Requirement], version_of: Callable[[str], str | None] = installed_version
) -> list[Requirement]:
    """Return the requirements that are missing or too old here.

    Args:
        needs: What the course asks for.
        version_of: Gives the installed version of a package, or None.
    """
    found = [(need, version_of(need.name)) for need in needs]
    return [need for need, have in found if not have or not need.specifier.contains(have, prereleases=True)]


def install(needs: Iterable[Requirement]) -> None:
    """Install packages with pip and hold torch and torchvision where they are.

    Raises:
        subprocess.CalledProcessError: If pip fails; its own message says why.
    """
    held = [f"{name}=={version}" for name in KEPT if (version := installed_version(name))]
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *map(str, needs), *held], check=True)


def main() -> int:
    """Install what this machine lacks; return 0 if the lessons can run."""
    needs = unmet(requirements((ROOT / "requirements.txt").read_text(encoding="utf-8")))
    lacking = [need for need in needs if need.name not in HOST]
    if kept := [f"{need}, found {installed_version(need.name)}" for need in needs if need.name in KEPT]:
        print(
            f"The course needs {'; '.join(kept)}. It does not replace Colab's own build: choose Runtime > "
            "Change runtime type > the latest version, then run this cell again."
        )
        return 1
    if lacking:
        install(lacking)
        print("Installed:", ", ".join(map(str, lacking)))
        print("If one of them is in use: Runtime > Restart session, then Run all.")
    else:
        print("All that the course needs is here.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
