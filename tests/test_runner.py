"""The runner against chapters with planted faults; every chapter here starts a real worker and kernel."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from conftest import CLAIM, Playground, cell, new_playground

from course_utils.tools import notebooks
from course_utils.tools.execution import records
from course_utils.tools.execution.keys import Way
from course_utils.tools.execution.plan import Job, environment, plan, unchanged
from course_utils.tools.execution.records import Record
from course_utils.tools.execution.run import Progress, run
from course_utils.tools.execution.watch import Stopped, stoppable

GOOD = (
    "import os, subprocess, sys\nprint(profile, seed, device, overrides, os.getcwd())",
    "print('x' * 2_000_000)",
    "os.write(1, b'raw'); os.system('echo from a child')\nprint('careful', file=sys.stderr)",
    "left = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True)",
    "print(left.pid)",
    CLAIM.format(id="01.1", value="1 / 3", bound=0),
)


def finish(jobs: list[Job], workers: int = 2, *, force: bool = False) -> dict[str, Progress]:
    """Run jobs and return the last word on each, by chapter number."""
    with closing(run(jobs, workers=workers, force=force)) as events:
        return {event.job.chapter.number: event for event in events}


def wait_for(happened: Callable[[], object], seconds: float = 60) -> None:
    """Wait until something is true, or fail."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"nothing happened within {seconds} s"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Playground:
    made = new_playground(tmp_path_factory.mktemp("faults"))
    made.add("01_good", *GOOD)
    made.add("02_raises", "x = 1", "# a comment\nraise ValueError('first line\\nlast line')")
    made.add(
        "03_hangs",
        "import time\nwhile True:\n    try:\n        time.sleep(99)\n    except BaseException: pass",
    )
    made.add("04_dies", "print('last words', flush=True)", "import os\nos._exit(3)")
    made.add("05_leaves", "import sys\nsys.exit()", "print('never')")
    two = (CLAIM.format(id=id, value=-1, bound=0).replace("claims.start(", "# ") for id in ("06.1", "06.2"))
    made.add("06_breaks", *two, "print('the last cell')")
    made.give_bands("06.1", "06.2")
    return made


@pytest.fixture(scope="module")
def ends(course: Playground) -> dict[str, Progress]:
    return finish(plan(course, cell_timeout=6))


def record_of(end: Progress) -> Record:
    assert end.record is not None
    return end.record


def printed(job: Job) -> str:
    cells = notebooks.code_cells(notebooks.read(job.output))
    return "".join(notebooks.joined(out.get("text", "")) for cell in cells for out in cell["outputs"])


def test_a_fault_stops_no_other_chapter(ends: dict[str, Progress]) -> None:
    states = {number: end.state for number, end in ends.items()}
    assert states == {"01": "passed"} | dict.fromkeys(("02", "03", "04", "05", "06"), "failed")


def test_a_good_chapter_is_measured_and_recorded(course: Playground, ends: dict[str, Progress]) -> None:
    job, record = ends["01"].job, record_of(ends["01"])
    assert record == records.read(job.record)
    assert (record.cells, record.cells_done, record.failure) == (8, 8, None)
    assert record.cpu_s > 0.2
    assert record.peak_bytes > 30e6
    assert [claim["value"] for claim in record.claims] == [1 / 3]
    assert record.stderr == [{"cell": 5, "text": "careful\n"}]
    assert record.hardware["processor"]
    assert record.versions["papermill"]


def test_parameters_and_folder_reach_the_notebook(course: Playground, ends: dict[str, Progress]) -> None:
    assert printed(ends["01"].job).startswith(f"fast 0 auto {{}} {course.notebooks}")


def test_a_huge_output_and_a_noisy_child_do_no_harm(ends: dict[str, Progress]) -> None:
    assert "x" * 2_000_000 in printed(ends["01"].job)


def test_what_a_chapter_started_ends_with_it(ends: dict[str, Progress]) -> None:
    pid = int(printed(ends["01"].job).split()[-1])
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize(
    ("number", "cell", "line", "words"),
    [
        ("02", 4, "# a comment", "ValueError: first line\nlast line"),
        ("03", 3, "import time", "the cell ran longer than 6 s"),
        ("04", 4, "import os", "the kernel died"),
        ("05", 3, "import sys", "ended itself before its last cell"),
        (
            "06",
            0,
            "after its last cell",
            "claim 06.1 is broken: a value: got -1, expected at least 0\nclaim 06.2 is",
        ),
    ],
)
def test_the_fault_is_named(ends: dict[str, Progress], number: str, cell: int, line: str, words: str) -> None:
    failure = record_of(ends[number]).failure
    assert failure is not None
    assert (failure.cell, failure.line) == (cell, line)
    assert words in failure.error


def test_a_failed_run_keeps_what_it_printed_apart(ends: dict[str, Progress]) -> None:
    job = ends["04"].job
    assert record_of(ends["04"]).output == job.failed_output.name == "04_dies.failed.ipynb"
    assert "last words" in job.failed_output.read_text(encoding="utf-8")
    assert not job.output.exists()


def test_all_claims_are_made_before_a_run_is_judged(ends: dict[str, Progress]) -> None:
    record = record_of(ends["06"])
    assert record.broken == ["06.1", "06.2"]
    assert record.cells_done == record.cells
    assert "the last cell" in ends["06"].job.failed_output.read_text(encoding="utf-8")


def test_no_partial_file_stays(course: Playground, ends: dict[str, Progress]) -> None:
    assert not list((course.runs / "fast").glob(".*"))


def test_what_passed_is_skipped_and_what_failed_runs_again(playground: Playground) -> None:
    path = playground.add("01_chapter", "print('good')")
    (first,) = plan(playground)
    passed = finish([first])["01"]
    good = first.output.read_bytes()
    assert finish([first])["01"] == Progress(first, "unchanged", 3, 3, 0.0, record_of(passed))

    path.write_text(path.read_text(encoding="utf-8").replace("print('good')", "1 / 0"), encoding="utf-8")
    (second,) = plan(playground)
    failed = finish([second])["01"]
    assert failed.state == "failed"
    assert first.output.read_bytes() == good
    assert unchanged(first) is None, "a chapter whose newest run failed counts as not run"
    assert unchanged(second) is None

    path.write_text(path.read_text(encoding="utf-8").replace("1 / 0", "print('good')"), encoding="utf-8")
    forced = finish(plan(playground), force=True)["01"]
    assert forced.state == "passed"
    assert not first.failed_output.exists()


def test_the_number_of_jobs_changes_no_claim(playground: Playground) -> None:
    code = "import numpy as np\nmade = np.random.default_rng(seed).normal(size=(300, 300))"
    for number in ("01", "02"):
        claim = CLAIM.format(id=f"{number}.1", value="float((made @ made.T @ made).std())", bound=0)
        playground.add(f"{number}_chapter", code, claim)
    together = finish(plan(playground, seed=3), 2)
    alone = finish(plan(playground, ["01"], seed=3), 1, force=True)
    assert record_of(alone["01"]).claims == record_of(together["01"]).claims
    assert record_of(alone["01"]).claims[0]["value"] == record_of(together["02"]).claims[0]["value"] > 0


def start_cli(course: Playground, *arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "course_utils.tools.cli", "--root", str(course.root), "run", *arguments]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def add_sleeper(course: Playground, name: str) -> Path:
    """Add a chapter that starts a child, writes down both processes, then sleeps."""
    note = course.root / f"{name}.pids"
    course.add(
        name,
        "import os, subprocess, sys, time, pathlib",
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])",
        f"new = pathlib.Path({str(note)!r} + '.new')\nnew.write_text(f'{{os.getpid()}} {{child.pid}}')",
        f"new.replace({str(note)!r})\ntime.sleep(600)",
    )
    return note


def tree_of(runner: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Return worker, kernel and the kernel's child."""
    found = psutil.Process(runner.pid).children(recursive=True)
    assert len(found) >= 3
    return found


def gone(processes: list[psutil.Process]) -> bool:
    return not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in processes)


def test_a_killed_runner_leaves_no_worker_and_no_kernel(playground: Playground) -> None:
    note = add_sleeper(playground, "01_sleeps")
    runner = start_cli(playground)
    wait_for(note.exists)
    processes = tree_of(runner)
    assert {int(pid) for pid in note.read_text().split()} <= {process.pid for process in processes}
    runner.kill()
    runner.wait()
    wait_for(lambda: gone(processes), 20)
    assert sorted(path.name for path in (playground.runs / "fast").iterdir()) == ["01.log"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process without asking it")
def test_a_stopped_runner_keeps_finished_chapters(playground: Playground) -> None:
    playground.add("01_quick", "print(1)")
    note = add_sleeper(playground, "02_sleeps")
    runner = start_cli(playground, "--jobs", "1")
    wait_for(note.exists)
    processes = tree_of(runner)
    runner.send_signal(signal.SIGTERM)
    assert runner.wait(20) == 128 + signal.SIGTERM
    assert gone(processes)
    (job,) = plan(playground, ["01"])
    assert unchanged(job) is not None
    assert sorted(path.name for path in job.folder.glob("*.ipynb")) == ["01_quick.ipynb"]
    assert not list(job.folder.glob(".*"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_once_and_its_handler_comes_back(number: int) -> None:
    before = signal.getsignal(number)

    def stopped_twice() -> None:
        with stoppable():
            try:
                signal.raise_signal(number)
            finally:
                signal.raise_signal(number)  # during the clean-up: ignored

    with pytest.raises(Stopped) as stop:
        stopped_twice()
    assert stop.value.args == (number,)
    assert signal.getsignal(number) == before


@pytest.mark.parametrize(
    ("profile", "overrides", "strict", "threads"),
    [("fast", {}, True, "1"), ("fast", {"epochs": 1}, False, "1"), ("full", {}, True, "7")],
)
def test_a_run_with_changes_is_not_strict_and_the_environment_decides_the_threads(
    playground: Playground,
    profile: str,
    overrides: dict[str, int],
    strict: bool,
    threads: str,
) -> None:
    playground.add("01_chapter")
    (job,) = plan(playground, profile=profile, overrides=overrides)
    env = environment(job, {"COURSE_STRICT": "1", "OMP_NUM_THREADS": "7", "PATH": "here"})
    assert (job.way.strict, env["OMP_NUM_THREADS"], env["PATH"]) == (strict, threads, "here")
    assert "COURSE_STRICT" not in env


def test_the_core_runs_without_the_extras(playground: Playground) -> None:
    heads = [cell(f"## 1.{n} Part · {kind}", kind="markdown") for n, kind in ((1, "core"), (2, "extra"))]
    playground.add("01_chapter", heads[0], "print('the core')", heads[1], "raise ValueError")
    (whole,) = plan(playground)
    (core,) = plan(playground, way=Way(core=True))
    ends = {end.job.way.core: end.state for end in (finish([whole])["01"], finish([core])["01"])}
    assert ends == {False: "failed", True: "passed"}
    assert "the core" in printed(core)
