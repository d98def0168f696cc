"""What a stranger meets first: the commands, the files at the root, and that they agree with each other."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

import lessons
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from course_utils import ROOT
from course_utils.tools import colab

sys.path.insert(0, str(ROOT))
import install

TARGETS = [
    *("help", "setup", "run-all", "test", "e2e", "lab", "handouts"),
    *("claims", "data", "checkpoints", "bench", "doctor", "upgrade"),
]
CHAPTERS = sorted(file.name for file in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
MAKE_READS = (
    *("Makefile", "pyproject.toml", "constraints.txt"),
    *("requirements.txt", "requirements-dev.txt", "deploy/requirements.txt"),
)
PAGES = ("README.md", "CONTRIBUTING.md", "data/README.md")
CONDA_NAMES = {"pytorch": "torch"}
needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def _text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_there_is_a_first_chapter():
    assert CHAPTERS[:1] == ["01_neural_network_fundamentals.ipynb"]


# --- Requirements -----------------------------------------------------------------------------------------


def _conda_requirements() -> list[Requirement]:
    listed = yaml.safe_load(_text("environment.yml"))["dependencies"]
    by_pip = [line for entry in listed if isinstance(entry, dict) for line in entry["pip"] if line != "-e ."]
    plain = [Requirement(line) for line in [*(x for x in listed if isinstance(x, str)), *by_pip]]
    return [need for need in plain if need.name not in ("python", "pip")]


def test_conda_and_pip_ask_for_the_same():
    lines = [line.split("#")[0].split(";")[0].strip() for line in _text("requirements.txt").splitlines()]
    pip = {
        canonicalize_name(need.name): str(need.specifier) for need in map(Requirement, filter(None, lines))
    }
    conda = {
        canonicalize_name(CONDA_NAMES.get(n.name, n.name)): str(n.specifier) for n in _conda_requirements()
    }
    assert conda == pip


def test_conda_installs_the_course_and_its_python():
    listed = yaml.safe_load(_text("environment.yml"))["dependencies"]
    python = re.search(r'^requires-python = "(.+)"', _text("pyproject.toml"), re.MULTILINE)
    assert python
    assert f"python{python[1]}" in listed
    assert [entry["pip"][-1] for entry in listed if isinstance(entry, dict)] == ["-e ."]


def test_the_service_asks_for_a_part_of_what_the_course_does():
    serve = set(map(str, colab.requirements(_text("deploy/requirements.txt"))))
    assert serve <= set(map(str, colab.requirements(_text("requirements.txt"))))
    assert not {need for need in serve if need.startswith(("torch", "jupyter", "transformers"))}


def test_colab_knows_what_it_leaves_alone():
    names = {need.name for need in colab.requirements(_text("requirements.txt"))}
    assert {*colab.KEPT, *colab.HOST} <= names


# --- Makefile, workflow and .ci/run -----------------------------------------------------------------------


def test_every_target_is_there_and_explained():
    explained = re.findall(r"^([a-z0-9-]+):[^#\n]*## \S", _text("Makefile"), re.MULTILINE)
    phony = re.search(r"^\.PHONY: (.*)$", _text("Makefile"), re.MULTILINE)
    assert explained == TARGETS
    assert phony
    assert phony[1].split() == TARGETS


def _make(*arguments: str) -> str:
    own = {
        name: value for name, value in os.environ.items() if not name.startswith("MAKE")
    }  # we may run in make
    done = subprocess.run(["make", *arguments], cwd=ROOT, env=own, capture_output=True, text=True, check=True)
    return done.stdout


@needs_make
def test_make_alone_says_what_there_is_and_does_nothing():
    shown = _make()
    assert all(re.search(rf"^  {target} +\S", shown, re.MULTILINE) for target in TARGETS)


@needs_make
def test_a_fresh_clone_is_set_up_before_anything_runs(tmp_path):
    for name in (*MAKE_READS, "data/assets.toml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    for target in ("run-all", "test"):
        steps = _make("-C", str(tmp_path), "--dry-run", target)
        order = ["install.py packages", "install.py data", "-m pytest" if target == "test" else "run "]
        places = [steps.find(step) for step in order]
        assert places == sorted(places), steps
        assert places[0] >= 0, steps


@needs_make
@pytest.mark.parametrize(
    ("words", "options"),
    [
        (["LATEST=1"], "--latest"),
        (["LOWEST=1", "TORCH=cpu"], "--lowest --torch cpu"),
        (["TORCH=auto"], "--torch auto"),
        (["LATEST=0"], ""),
    ],
)
def test_versions_that_are_named_are_installed_at_once(tmp_path, words, options):
    (tmp_path / ".venv").mkdir()
    (tmp_path / "deploy").mkdir()
    for name in (*MAKE_READS, ".venv/.ready"):
        (tmp_path / name).touch()
    shutil.copyfile(ROOT / "Makefile", tmp_path / "Makefile")
    (tmp_path / ".venv" / ".ready").touch()
    assert "install.py packages" not in _make("-C", str(tmp_path), "--dry-run", "doctor")
    steps = _make("-C", str(tmp_path), "--dry-run", "doctor", *words).splitlines()
    assert [step.strip() for step in steps if "install.py" in step] == [
        f"python3 install.py packages {options}".strip()
    ]


def test_ci_proves_a_change_with_the_same_command():
    steps = yaml.safe_load(_text(".github/workflows/test.yml"))["jobs"]["test"]["steps"]
    assert steps[-2]["run"].startswith("make setup ")
    assert steps[-1]["run"].startswith("make test")
    assert _text(".ci/run").strip().splitlines()[-1] == "make test"


def test_ci_has_every_python_system_and_set_of_versions():
    jobs = yaml.safe_load(_text(".github/workflows/test.yml"))["jobs"]["test"]["strategy"]["matrix"][
        "include"
    ]
    assert {job["versions"] for job in jobs} == set(install.MODES)
    assert {job["system"] for job in jobs} == {"ubuntu-latest", "macos-latest", "windows-latest"}
    assert sorted({int(job["python"].split(".")[1]) for job in jobs}) == [*range(10, 16)]
    assert min(int(job["python"].split(".")[1]) for job in jobs if job["versions"] == "lowest") == 10


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_ci_run_is_sound_bash():
    subprocess.run(["bash", "-n", str(ROOT / ".ci" / "run")], check=True)
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


# --- Pages ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_local_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#\s]+)", _text(page))
    lost = [link for link in links if "://" not in link and not (ROOT / page).parent.joinpath(link).exists()]
    assert lost == []


@pytest.mark.parametrize("page", PAGES)
def test_pictures_have_an_alternative_text(page):
    assert re.findall(r"!\[\s*\]\(", _text(page)) == []


def test_readme_links_every_chapter_that_exists():
    assert sorted(set(re.findall(r"\]\(notebooks/([^)]+\.ipynb)\)", _text("README.md")))) == CHAPTERS


def test_badges_name_the_one_repository():
    slug = lessons.repository().removeprefix("https://github.com/")
    text = _text("README.md")
    assert f"https://colab.research.google.com/github/{slug}/blob/main/notebooks/01_" in text
    assert f"https://mybinder.org/v2/gh/{slug}/main?labpath=notebooks" in text
    named = re.findall(
        r"(?:github\.com|/github|/gh)/([\w.-]+/[\w.-]+?)(?=/blob|/main|/actions|\.git|[)\s])", text
    )
    assert set(named) == {slug}


def test_readme_explains_every_make_target():
    assert [
        target for target in TARGETS if f"make {target}" not in _text("README.md") and target != "help"
    ] == []


def test_both_licences_are_named():
    text = _text("LICENSE")
    assert "MIT License" in text
    assert "CC BY 4.0" in text
    assert "THE SOFTWARE IS PROVIDED" in text
