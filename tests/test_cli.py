"""The `course` command: what it refuses, what it skips, what it shows."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import Playground
from rich.console import Console
from typer.testing import CliRunner

from course_utils import ROOT
from course_utils.data import assets
from course_utils.tools import cli, notebooks
from course_utils.tools.execution import keys, records, report
from course_utils.tools.execution.keys import Way
from course_utils.tools.execution.plan import Job, plan, unchanged
from course_utils.tools.execution.records import Failure, Record
from course_utils.tools.execution.run import Progress
from course_utils.tools.tree import CourseError, rename


def course(playground: Playground, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli.app, ["--root", str(playground.root), *arguments])
    return result.exit_code, result.output


@pytest.fixture
def two(playground: Playground) -> Playground:
    """A course of two chapters."""
    for name in ("01_first", "02_second"):
        playground.add(name, "print(profile, seed, device, overrides)")
    return playground


def record_of(job: Job, **changes: Any) -> Record:
    """Return what a good run would have recorded."""
    settings = job.settings
    record = Record(
        chapter=job.chapter.name, key=job.key, status="passed", profile=settings.profile, seed=settings.seed,
        device=settings.device, overrides={}, strict=True, cells=5, cells_done=5, cpu_s=1.25, wall_s=2.0,
        peak_bytes=500_000_000, claims=[], stderr=[], failure=None, output=job.output.name, date="", versions={},
        hardware={},
    )  # fmt: skip
    return replace(record, **changes)


def put(record: Record, job: Job) -> None:
    job.folder.mkdir(parents=True, exist_ok=True)
    job.output.touch()
    records.write(job.record, record)


# What is refused before anything runs


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "3"], "unknown chapter 03; the chapters are: 01_first, 02_second"),
        (["run", "01", "nine"], "unknown chapter nine; the chapters are: 01_first, 02_second"),
        (["run", "--profile", "slow"], "unknown profile 'slow'; use one of fast, full"),
        (["run", "--device", "gpu"], "unknown device 'gpu'; use one of auto, cpu, cuda, mps"),
        (["run", "--seed", "-1"], "seed must be a whole number from 0 to 4294967295, got -1"),
        (["run", "--set", "epoch=3"], "unknown setting 'epoch'; the settings are threads, epochs, rate"),
        (["run", "--set", "epochs=many"], "setting 'epochs' must be int such as 2, got str 'many'"),
        (["run", "--set", "epochs=1.5"], "setting 'epochs' must be int such as 2, got float 1.5"),
        (["run", "--set", "epochs=0"], "01_first: setting 'epochs' must be from 1 to 9, got 0 (passes)"),
        (["run", "--set", "epochs"], "--set takes NAME=VALUE such as epochs=3, got 'epochs'"),
        (["run", "--set", "epochs=["], "the value of --set 'epochs=[' cannot be read"),
        (["claims", "7"], "unknown chapter 07"),
        (["strip", "7"], "unknown chapter 07"),
        (["data", "--profile", "slow"], "unknown profile 'slow'; use one of fast, full"),
        (["repository", "no-slash"], "a repository is named OWNER/NAME, got 'no-slash'"),
    ],
)
def test_what_does_not_exist_is_refused(two: Playground, arguments: list[str], words: str) -> None:
    code, said = course(two, *arguments)
    assert code == 2
    assert words in said
    assert not two.runs.exists()


def test_a_number_of_the_wrong_type_is_refused(two: Playground) -> None:
    assert course(two, "run", "--seed", "one")[0] == 2
    assert course(two, "run", "--cell-timeout", "0")[0] == 2


def test_a_course_without_chapters_says_so(playground: Playground) -> None:
    code, said = course(playground, "run")
    assert code == 2
    assert "there is no chapter (NN_name.ipynb)" in said


@pytest.mark.parametrize("name", ["2", "02", "02_second", "02_second.ipynb", "notebooks/02_second.ipynb"])
def test_a_chapter_has_many_names(two: Playground, name: str) -> None:
    assert [chapter.number for chapter in two.find([name, "02"])] == ["02"]


def test_chapters_come_in_order_and_once(two: Playground) -> None:
    assert [chapter.number for chapter in two.find(["02", "1", "01"])] == ["01", "02"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("1e-3", 1e-3),
        ("0.5", 0.5),
        ("true", True),
        ("[1, 2]", [1, 2]),
        ("mnist", "mnist"),
        ("a=b", "a=b"),
    ],
)
def test_values_are_read_as_yaml(text: str, value: object) -> None:
    got = cli.parse_overrides([f"name={text}"])["name"]
    assert got == value
    assert type(got) is type(value)


# Where runs go, and what makes a chapter run again


def test_a_run_of_its_own_goes_to_a_folder_of_its_own(two: Playground) -> None:
    ways: list[dict[str, Any]] = [
        {}, {"seed": 1}, {"device": "cpu"}, {"overrides": {"epochs": 5}}, {"way": Way(strict=False)},
        {"way": Way(core=True)}, {"profile": "full"},
    ]  # fmt: skip
    names = [plan(two, ["01"], **way)[0].folder.name for way in ways]
    assert (names[0], names[-1]) == ("fast", "full")
    assert len(set(names)) == len(ways)
    assert all(len(name) == len("fast-12345678") for name in names[1:-1])


def edit_cell(**changes: object) -> Callable[[Playground], object]:
    def edit(course: Playground) -> None:
        path = course.notebooks / "01_first.ipynb"
        content = notebooks.read(path)
        content["cells"][1].update(changes)
        path.write_text(json.dumps(content), encoding="utf-8")

    return edit


def write(path: str, text: str) -> Callable[[Playground], object]:
    return lambda course: (course.root / path).write_text(text, encoding="utf-8")


ASSETS = (
    '[{name}]\ntitle = "t"\nprofile = "full"\nlicence = "l"\norigin = "o"\nsize_bytes = 1\nchapters = ["{chapter}"]\n'
    'members = [{{ path = "x", size_bytes = 1, sha256 = "1" }}]\n'
)
CHANGES = {
    "source": edit_cell(source="print(1)"),
    "tags": edit_cell(metadata={"tags": ["claim"]}),
    "id": edit_cell(id="other"),
    "package": write("course_utils/module.py", "x = 1"),
    "settings": lambda course: course.profiles.write_text(
        course.profiles.read_text(encoding="utf-8").replace('"fast": 2', '"fast": 4'), encoding="utf-8"
    ),
    "assets": write("data/assets.toml", ASSETS.format(name="digits", chapter="01")),
    "checkpoints": write("data/checkpoints/01_network.safetensors", "weights"),
    "claims": lambda course: course.give_bands("01.1"),
}
SAME = {
    "outputs": edit_cell(
        outputs=[{"output_type": "stream", "name": "stdout", "text": "1"}], execution_count=4
    ),
    "tools": write("course_utils/tools/module.py", "x = 1"),
    "assets of others": write("data/assets.toml", ASSETS.format(name="words", chapter="03")),
    "claims of others": lambda course: course.give_bands("02.1"),
    "a new chapter": lambda course: course.add("03_third"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_makes_the_chapter_run_again(
    two: Playground, change: Callable[[Playground], object]
) -> None:
    (job,) = plan(two, ["01"])
    put(record_of(job), job)
    assert unchanged(plan(two, ["01"])[0]) is not None
    change(two)
    assert unchanged(plan(two, ["01"])[0]) is None


@pytest.mark.parametrize("change", SAME.values(), ids=SAME)
def test_what_does_not_concern_a_chapter_leaves_it(
    two: Playground, change: Callable[[Playground], object]
) -> None:
    before = plan(two, ["01"])[0].key
    change(two)
    assert plan(two, ["01"])[0].key == before


def test_versions_are_part_of_the_key(two: Playground, monkeypatch: pytest.MonkeyPatch) -> None:
    before = plan(two, ["01"])[0].key
    monkeypatch.setattr(keys, "versions", lambda: {"torch": "99"})
    assert plan(two, ["01"])[0].key != before


def test_only_a_whole_good_record_counts(two: Playground) -> None:
    (job,) = plan(two, ["01"])
    assert unchanged(job) is None
    put(record_of(job, status="failed", failure=Failure(1, "x", "e")), job)
    assert unchanged(job) is None
    put(record_of(job), job)
    assert unchanged(job) == record_of(job)
    job.output.unlink()
    assert unchanged(job) is None
    put(record_of(job), job)
    job.record.write_text('{"chapter": "01', encoding="utf-8")
    assert unchanged(job) is None


def test_an_unchanged_course_starts_nothing(two: Playground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", None)
    for job in plan(two):
        put(record_of(job), job)
    code, said = course(two, "run")
    assert code == 0
    assert said.count("unchanged") == 4  # a line and a row each


def test_a_changed_run_reaches_the_notebook(two: Playground) -> None:
    arguments = ["--seed", "7", "--device", "cpu", "--set", "epochs=5", "--set", "rate=1e-3"]
    code, said = course(two, "run", "1", *arguments)
    assert code == 0, said
    (job,) = plan(two, ["1"], seed=7, device="cpu", overrides={"epochs": 5, "rate": 0.001})
    record = unchanged(job)
    assert record is not None
    assert (record.seed, record.device, record.overrides, record.strict) == (
        7,
        "cpu",
        {"epochs": 5, "rate": 0.001},
        False,
    )
    assert "fast 7 cpu {'epochs': 5, 'rate': 0.001}" in job.output.read_text(encoding="utf-8")


# What is shown


def shown(*parts: Any) -> str:
    console = Console(width=120, record=True, force_terminal=False, file=open_nothing())
    for part in parts:
        console.print(part, soft_wrap=isinstance(part, str))
    return console.export_text()


def open_nothing() -> Any:
    import io

    return io.StringIO()


def test_a_failure_names_cell_error_and_file(two: Playground) -> None:
    (job,) = plan(two, ["01"])
    failure = Failure(7, "x = [1, 2]", "ValueError: got [red]\nlast line")
    record = record_of(job, status="failed", failure=failure, output="01_first.failed.ipynb")
    (text,) = report.notes(Progress(job, "failed", record=record))
    lines = shown(text).splitlines()
    assert lines[:3] == ["01_first failed in cell 7: x = [1, 2]", "  ValueError: got [red]", "  last line"]
    assert lines[3].endswith("01_first.failed.ipynb")


def test_the_summary_counts(two: Playground) -> None:
    (job,) = plan(two, ["01"])
    claims = [
        {"id": f"01.{number}", "ok": verdict != "outside", "kind": "asserted", "verdict": verdict}
        for number, verdict in enumerate(("holds", "outside", "recorded"), 1)
    ]
    record = record_of(job, claims=claims, stderr=[{"cell": 3, "text": "oh [no]\n"}], overrides={"epochs": 5})
    end = Progress(job, "passed", 5, 5, 2.0, record)
    assert "│ 01_first │ passed │ 5/5   │ 2.0    │ 1.2   │ 0.50    │ 3 made, 1 outside │ 1 " in shown(
        report.table([end])
    )
    assert shown(*report.notes(end)).splitlines() == [
        "01_first: outside the course's bounds: 01.2; you changed epochs = 5",
        "01_first: 1 claims were recorded and held to nothing: profile 'fast' has no band for them; "
        "`course claims 01 --profile fast` makes them",
        "01_first: cell 3 wrote to stderr: oh [no]",
    ]


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_is_followed(two: Playground, terminal: bool) -> None:
    first, second = plan(two)
    end = Progress(second, "passed", 4, 4, 2.0, record_of(second))
    events = [Progress(second, "running", 1, 4, 0.5), Progress(second, "running", 2, 4, 1.0), end]
    console = Console(file=open_nothing(), force_terminal=terminal, width=100)
    assert report.follow([first, second], iter(events), console) == [Progress(first, "waiting"), end]
    written = console.file.getvalue()  # type: ignore[attr-defined]
    if terminal:
        assert "4/4" in written
    else:
        assert written == "02_second: running\n02_second: passed\n"
    assert "2/4" in shown(report.table(events[1:2]))


def test_a_seed_of_its_own_is_shown(two: Playground) -> None:
    assert report.label(plan(two, ["01"], seed=4)[0]) == "01_first seed 4"


# The other commands


def test_data_says_what_happened(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = [asset for asset in assets.assets().values() if asset.profile == "fast"]
    asked: list[str] = []

    def fetch_all(names: list[str]) -> dict[str, Path]:
        asked.extend(names)
        return {name: Path("cache") / name for name in names}

    monkeypatch.setattr(assets, "is_present", lambda name: name == fast[0].name)
    monkeypatch.setattr(assets, "fetch_all", fetch_all)
    result = CliRunner().invoke(cli.app, ["data"])
    assert result.exit_code == 0
    assert asked == [asset.name for asset in fast]
    assert result.output.splitlines()[0].startswith(f"{fast[0].name}: present and verified")


def test_data_fails_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch_all(names: list[str]) -> dict[str, Path]:
        raise assets.AssetError("no network; do this")

    monkeypatch.setattr(assets, "is_present", lambda name: False)
    monkeypatch.setattr(assets, "fetch_all", fetch_all)
    result = CliRunner().invoke(cli.app, ["data"])
    assert (result.exit_code, result.output) == (1, "course: no network; do this\n")


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["lab", "--port", "8899", "--no-browser"], ["-m", "jupyterlab", "--port", "8899", "--no-browser"]),
        (["checkpoints", "2", "--seed", "3"], ["-m", "course_utils.recipes", "2", "--seed", "3"]),
        (["checkpoints"], ["-m", "course_utils.recipes"]),
    ],
)
def test_other_programs_start_with_one_thread(
    two: Playground, monkeypatch: pytest.MonkeyPatch, arguments: list[str], command: list[str]
) -> None:
    calls = []

    def record(args: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        calls.append((args, options["env"]["OMP_NUM_THREADS"]))
        return subprocess.CompletedProcess(args, 3)

    monkeypatch.setattr(subprocess, "run", record)
    assert course(two, *arguments)[0] == 3
    assert calls == [([sys.executable, *command], "1")]


def test_the_repository_changes_everywhere(two: Playground) -> None:
    url = "https://github.com/old-owner/old"
    project = two.root / "pyproject.toml"
    project.write_text(f'[project.urls]\nRepository = "{url}"\n', encoding="utf-8")
    (two.root / "README.md").write_text(
        f"{url}.git {url}/blob old-owner/old-fork my-old-owner/old", encoding="utf-8"
    )
    two.add("01_first", f"# {url}")
    code, said = course(two, "repository", "new/name")
    assert code == 0
    assert said.count("changed") == 3
    assert project.read_text(encoding="utf-8").count("new/name") == 1
    readme = (two.root / "README.md").read_text(encoding="utf-8")
    assert readme.split() == [
        "https://github.com/new/name.git", "https://github.com/new/name/blob", "old-owner/old-fork", "my-old-owner/old",
    ]  # fmt: skip
    assert "new/name" in (two.notebooks / "01_first.ipynb").read_text(encoding="utf-8")
    assert rename(two.root, "new/name") == []


@pytest.mark.parametrize("slug", ["name", "a/b/c", "/b", "a/", "https://github.com/a/b", "a b/c", "-a/b"])
def test_a_malformed_slug_is_refused(playground: Playground, slug: str) -> None:
    with pytest.raises(CourseError, match="OWNER/NAME"):
        rename(playground.root, slug)


def test_the_command_needs_neither_torch_nor_jupyter() -> None:
    code = (
        "import sys; from course_utils.tools import cli, doctor; "
        "print([n for n in ('torch', 'papermill', 'nbformat', 'numpy', 'matplotlib', 'IPython') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
