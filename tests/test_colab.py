"""The `colab` cell, run for real: a fake `google.colab`, a clone, pip and a kernel, without any network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import nbclient
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from packaging.requirements import Requirement

from course_utils import ROOT
from course_utils.tools import colab

FIRST = ("colab", "parameters", "setup")
NEEDS = colab.requirements("torch>=2.9\nnumpy>=1.26  # arrays\n\n# none\nold>=1; python_version < '3'\n")


def test_requirements_reads_comments_and_markers():
    assert [str(need) for need in NEEDS] == ["torch>=2.9", "numpy>=1.26"]


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        ({"torch": "2.9.0+cu126", "numpy": "1.26.4"}, []),
        ({"torch": "2.10", "numpy": "1.25.9"}, ["numpy"]),
        ({"torch": "2.8", "numpy": "2.0"}, ["torch"]),
        ({"numpy": "2.0"}, ["torch"]),
        ({"torch": "2.9.0.dev20251001+cpu", "numpy": "2.0"}, ["torch"]),
    ],
)
def test_unmet_finds_the_missing_and_the_old(versions, expected):
    assert [need.name for need in colab.unmet(NEEDS, versions.get)] == expected


def test_an_old_torch_is_reported_and_never_replaced(monkeypatch, capsys):
    monkeypatch.setattr(
        colab, "unmet", lambda needs: [Requirement("torch>=99"), Requirement("anywidget>=99")]
    )
    monkeypatch.setattr(colab, "install", lambda needs: pytest.fail(f"installed {needs}"))
    assert colab.main() == 1
    assert "needs torch>=99, found " + metadata.version("torch") in capsys.readouterr().out


def test_colabs_own_jupyter_stays(monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(colab, "unmet", lambda needs: [Requirement("ipykernel>=99"), Requirement("probe>=1")])
    monkeypatch.setattr(colab, "install", asked.extend)
    assert colab.main() == 0
    assert [need.name for need in asked] == ["probe"]
    assert "Installed: probe>=1" in capsys.readouterr().out


def test_elsewhere_the_cell_does_nothing(monkeypatch):
    monkeypatch.setattr(subprocess, "run", lambda *args, **kwargs: pytest.fail("ran a command"))
    before = list(sys.path)
    exec(colab.cell("https://example.invalid/course"), {})  # the cell is the thing under test
    assert sys.path == before


@dataclass(frozen=True)
class FakeColab:
    """A throw-away machine: its own Python environment, kernel, home folder and pip log."""

    folder: Path
    python: Path
    environment: dict[str, str]

    def run(self, cells, **environment: str) -> list[nbformat.NotebookNode]:
        """Execute the cells from an empty folder, as Colab does from /content."""
        content = self.folder / "content"
        content.mkdir()
        notebook = new_notebook(cells=cells, metadata={"kernelspec": {"name": "colab", "display_name": "c"}})
        client = nbclient.NotebookClient(
            notebook, timeout=300, kernel_name="colab", resources={"metadata": {"path": str(content)}}
        )
        client.execute(env={**self.environment, **environment}, stderr=subprocess.DEVNULL)
        return notebook.cells


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeColab:
    """Return a fake Colab machine that sees this environment's packages but writes into its own."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    python = tmp_path / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    site = Path(_ask(python, "import sysconfig; print(sysconfig.get_path('purelib'))"))
    (site / "google" / "colab").mkdir(parents=True)
    (site / "google" / "colab" / "__init__.py").touch()
    # The last line starts with "import", so Python runs it: Colab's kernels have that module loaded already.
    (site / "fake_colab.pth").write_text(f"{sysconfig.get_path('purelib')}\nimport google.colab\n")
    _write_kernel(tmp_path / "share" / "kernels" / "colab", python)
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "share"))
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    _write_wheel(wheels, requires="torch>=1")
    own = {
        "HOME": str(tmp_path),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheels),
        "PIP_NO_BUILD_ISOLATION": "0",  # pip's own reading: 0 means "no isolation", so nothing is downloaded
        "PIP_LOG": str(tmp_path / "pip.log"),
    }
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "GIT_", "PYTHON"))
    }
    return FakeColab(tmp_path, python, {**inherited, **own})


def test_first_cells_on_colab(machine: FakeColab):
    torch_before = _torch_files()
    source = _clone_source(machine.folder / "source", needs="course-probe>=1.0")
    look = new_code_cell(
        "import course_probe, course_utils\n"
        "from importlib.metadata import distribution\n"
        "print(course_utils.ROOT, distribution('course-utils').locate_file(''), sep='\\n')"
    )
    cells = machine.run([*_first_cells(), look], COURSE_REPO=source.as_uri())
    assert "course-probe>=1.0" in _printed(cells[0])
    root, installed_in = _printed(cells[-1]).splitlines()
    assert Path(root) == (machine.folder / "content" / "course").resolve()
    assert machine.folder.resolve() in Path(installed_in).resolve().parents
    assert _torch_files() == torch_before
    log = (machine.folder / "pip.log").read_text(encoding="utf-8", errors="replace")
    assert "Installing collected packages: course-probe" in log
    assert "Collecting torch" not in log
    assert not list(machine.python.parents[1].rglob("torch*"))


def test_a_clone_that_fails_says_so(machine: FakeColab):
    cell = new_code_cell(colab.cell((machine.folder / "nowhere").as_uri()))
    with pytest.raises(nbclient.exceptions.CellExecutionError) as caught:
        machine.run([cell])
    assert "git clone" in caught.value.evalue
    assert "nowhere" in caught.value.evalue
    assert "run this cell again" in caught.value.evalue


def _first_cells() -> list[nbformat.NotebookNode]:
    """Return the first cells of chapter 1, or the canonical colab cell while there is no chapter."""
    found = sorted((ROOT / "notebooks").glob("01_*.ipynb"))
    if not found:
        return [new_code_cell(colab.cell("https://example.invalid/course"))]
    cells = nbformat.read(found[0], as_version=4).cells
    return [cell for tag in FIRST for cell in cells if tag in cell.metadata.get("tags", [])]


def _clone_source(folder: Path, needs: str) -> Path:
    """Make a git repository of the working tree, with one more requirement."""
    listed = _git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, listed.split("\0")):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_file():
            shutil.copyfile(ROOT / name, target)
    with (folder / "requirements.txt").open("a", encoding="utf-8") as file:
        file.write(f"{needs}\n")
    _git(folder, "init", "--quiet")
    _git(folder, "add", "--all")
    who = ("-c", "user.name=test", "-c", "user.email=test@example.invalid", "-c", "commit.gpgsign=false")
    _git(folder, *who, "commit", "--quiet", "--no-verify", "--message", "working tree")
    return folder


def _git(folder: Path, *arguments: str) -> str:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=plain).stdout


def _ask(python: Path, code: str) -> str:
    done = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def _write_kernel(folder: Path, python: Path) -> None:
    folder.mkdir(parents=True)
    argv = f'["{python.as_posix()}", "-m", "ipykernel_launcher", "-f", "{{connection_file}}"]'
    (folder / "kernel.json").write_text(f'{{"argv": {argv}, "display_name": "c", "language": "python"}}')


def _write_wheel(folder: Path, requires: str) -> None:
    """Write a wheel of one empty module that depends on torch, as timm or captum do."""
    info = "course_probe-1.0.dist-info"
    members = {
        "course_probe.py": "",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: course-probe\nVersion: 1.0\n"
        f"Requires-Dist: {requires}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in [*members, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / "course_probe-1.0-py3-none-any.whl", "w") as wheel:
        for name, text in {**members, f"{info}/RECORD": record}.items():
            wheel.writestr(name, text)


def _printed(cell: nbformat.NotebookNode) -> str:
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


def _torch_files() -> dict[str, tuple[int, int]]:
    """Return size and time of the files that an upgrade of torch would replace."""
    found = [metadata.distribution(name) for name in colab.KEPT]
    files = [
        Path(str(dist.locate_file(file))) for dist in found for file in dist.files or () if file.suffix == ""
    ]
    stamps = [(str(file), file.stat()) for file in files if file.is_file()]
    return {name: (stat.st_size, stat.st_mtime_ns) for name, stat in stamps}
