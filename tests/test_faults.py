"""What can go wrong around a run: the disk, the folder, the data, the processes. Each ends in one sentence."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from conftest import Playground, notebook
from typer.testing import CliRunner

from course_utils import ROOT
from course_utils.tools import notebooks
from course_utils.tools.execution import faults, records
from course_utils.tools.execution.plan import plan, unchanged
from course_utils.tools.execution.run import Progress, run
from course_utils.tools.tree import write_json

ROOM = "mount -t tmpfs -o size={kb}k room build"
COURSE = f"{sys.executable} -m course_utils.tools.cli --root ."


def can_mount() -> bool:
    """Return whether this user may mount something that nobody else sees."""
    if not shutil.which("unshare"):
        return False
    trial = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs trial /mnt"]
    return subprocess.run(trial, capture_output=True, check=False).returncode == 0


own_disk = pytest.mark.skipif(not can_mount(), reason="only root on Linux may mount a small disk of its own")


def on_a_disk_of_its_own(course: Playground, *lines: str) -> tuple[int, str]:
    """Run shell lines in a private mount namespace; what then lies in build/ is copied to kept/."""
    (course.root / "build").mkdir(exist_ok=True)
    script = "\n".join(
        ["set -e", *lines[:-1], "set +e", lines[-1], "code=$?", "cp -a build kept", "exit $code"]
    )
    command = ["unshare", "--mount", "sh", "-c", script]
    env = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
    }  # the throw-away course has a folder course_utils of its own
    done = subprocess.run(command, cwd=course.root, env=env, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def finish(course: Playground, disturb: Callable[[], object] = lambda: None) -> dict[str, Progress]:
    """Run all chapters and return the last word on each; `disturb` is called at every event."""
    ends = {}
    with closing(run(plan(course, cell_timeout=60), workers=2)) as events:
        for event in events:
            disturb()
            ends[event.job.chapter.number] = event
    return ends


def reason(end: Progress) -> str:
    assert end.record is not None
    assert end.record.failure is not None
    return end.record.failure.error


def whole_files(folder: Path) -> list[str]:
    """Return the names of all files, after reading each that holds JSON."""
    for path in folder.glob("*"):
        if path.suffix in (".ipynb", ".json"):
            json.loads(path.read_text(encoding="utf-8"))
    return sorted(path.name for path in folder.iterdir())


# The disk


@own_disk
def test_a_disk_that_fills_fails_one_chapter_with_the_remedy(playground: Playground) -> None:
    playground.add("01_large", "print('x' * 3_000_000)")
    playground.add("02_small", "print(1)")
    code, said = on_a_disk_of_its_own(playground, ROOM.format(kb=1000), f"{COURSE} run --jobs 1")
    assert code == 1, said
    assert "01_large failed when its result was written" in said
    assert "the disk is full; free some space, then run again" in said
    assert "Traceback" not in said
    kept = playground.root / "kept" / "runs" / "fast"
    assert whole_files(kept) == ["01.json", "01.log", "02.json", "02.log", "02_small.ipynb"]


FILL = "n=$(df -k --output=avail build | tail -1); head -c $(( (n - {left}) * 1024 )) /dev/zero > build/fill"


@own_disk
def test_a_full_disk_leaves_what_was_good(playground: Playground) -> None:
    playground.add("01_first", "print(1)")
    lines = [ROOM.format(kb=400), f"{COURSE} run", FILL.format(left=0), f"{COURSE} run --force"]
    code, said = on_a_disk_of_its_own(playground, *lines)
    assert code == 1, said
    assert said.count("the disk is full") == 1, said
    assert "Traceback" not in said
    kept = playground.root / "kept" / "runs" / "fast"
    assert whole_files(kept) == ["01.json", "01.log", "01_first.ipynb"]


@own_disk
def test_a_record_that_finds_no_room_fails_the_chapter(playground: Playground) -> None:
    playground.add("01_first", "print(1)")
    lines = [ROOM.format(kb=400), FILL.format(left=8), f"{COURSE} run"]
    code, said = on_a_disk_of_its_own(playground, *lines)
    assert code == 1, said
    assert "01_first failed when its result was written" in said
    assert said.count("the disk is full") == 1, said
    assert whole_files(playground.root / "kept" / "runs" / "fast") == ["01.log", "01_first.ipynb"]


@own_disk
def test_a_read_only_folder_is_named_with_the_remedy(playground: Playground) -> None:
    playground.add("01_first", "print(1)")
    playground.add("02_second", "print(2)")
    code, said = on_a_disk_of_its_own(playground, "mount -t tmpfs -o ro room build", f"{COURSE} run")
    assert code == 1
    for name in ("01_first", "02_second"):
        assert f"{name} failed before its first cell" in said
    assert said.count("the disk is read-only; make it writable, or work in a copy") == 2, said
    assert "Traceback" not in said


@own_disk
def test_the_build_folder_may_lie_on_another_disk(playground: Playground) -> None:
    playground.add("01_first", "print(1)")
    code, said = on_a_disk_of_its_own(playground, ROOM.format(kb=4000), f"{COURSE} run")
    assert code == 0, said
    assert "01_first.ipynb" in whole_files(playground.root / "kept" / "runs" / "fast")


def test_a_file_where_the_folder_should_be(playground: Playground) -> None:
    playground.add("01_first", "print(1)")
    playground.runs.parent.mkdir()
    playground.runs.write_text("in the way", encoding="utf-8")
    (end,) = finish(playground).values()
    assert end.state == "failed"
    assert "a file stands where a folder is needed; move it away, then run again" in reason(end)
    assert str(playground.runs) in reason(end)


def notebook_in(folder: Path) -> Path:
    path = folder / "01_lesson.ipynb"
    path.write_text(json.dumps(notebook("print(1)")), encoding="utf-8")
    return path


def test_records_and_lessons_are_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "01.json"
    write_json(path, {"good": True})

    def full(self: Path, target: Path) -> Path:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        write_json(path, {"good": False})
    assert json.loads(path.read_text(encoding="utf-8")) == {"good": True}
    lesson = notebook_in(tmp_path)
    before = lesson.read_bytes()
    with pytest.raises(OSError, match="No space left"):
        notebooks.strip_file(lesson, tmp_path / "never executed")
    assert lesson.read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["01.json", "01_lesson.ipynb"]


@pytest.mark.parametrize("code", [number for number in faults.REMEDIES if number])
def test_every_sentence_names_place_room_and_remedy(tmp_path: Path, code: int) -> None:
    error = OSError(code, os.strerror(code))
    said = faults.unwritable(error, tmp_path / "not" / "there")
    assert said.startswith(f"{tmp_path / 'not' / 'there'} could not be written (")
    assert " MB free): " in said
    assert said.endswith("then run again")
    assert "\n" not in said
    named = OSError(code, os.strerror(code), str(tmp_path / "file"))
    assert faults.unwritable(named, tmp_path).startswith(str(tmp_path / "file"))


# The notebook


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"nbformat": 3}', '{"nbformat": 4, "cells": [{"cell_type": "code"}]}', "\x00"]
)
def test_a_damaged_notebook_stops_no_other_chapter(playground: Playground, text: str) -> None:
    playground.add("01_damaged").write_text(text, encoding="utf-8")
    (job,) = plan(playground)
    (end,) = finish(playground).values()
    assert end.state == "failed"
    assert "01_damaged.ipynb" in reason(end)
    assert "\n" not in reason(end)
    assert unchanged(job) is None
    assert records.read(job.record) == end.record


# The data


ASSET = """[tiny]
title = "t"
profile = "fast"
licence = "l"
origin = "o"
size_bytes = 3
chapters = ["01"]
members = [{{ path = "tiny.txt", size_bytes = 3, sha256 = "{sha256}" }}]
package = {{ name = "no-such-package", version = "1.0", sha256 = "{sha256}" }}
"""
FETCH = """from pathlib import Path
from course_utils.data import assets
data = Path(r"{data}")
print(assets.fetch("tiny", file=data / "assets.toml", cache=data / "cache"))"""


@pytest.mark.parametrize("damage", ["unlink()", "write_text('abd')"])
def test_an_asset_that_vanishes_is_named_with_the_remedy(
    playground: Playground, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    import hashlib

    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    data = playground.root / "data"
    sha256 = hashlib.sha256(b"abc").hexdigest()
    (data / "assets.toml").write_text(ASSET.format(sha256=sha256), encoding="utf-8")
    (data / "cache" / "tiny").mkdir(parents=True)
    (data / "cache" / "tiny" / "tiny.txt").write_text("abc", encoding="utf-8")
    fetch = FETCH.format(data=data)
    playground.add("01_reads", fetch, f"(data / 'cache' / 'tiny' / 'tiny.txt').{damage}", fetch)
    playground.add("02_second", "print(2)")
    ends = finish(playground)
    assert {number: end.state for number, end in ends.items()} == {"01": "failed", "02": "passed"}
    said = reason(ends["01"])
    assert said.startswith("AssetError: could not fetch tiny: ")
    assert "run `course data --profile fast` again" in said
    assert "\n" not in said
    assert "pip said" not in said
    assert ends["01"].job.failed_output.exists()


# The processes


def add_sleeper(course: Playground) -> Path:
    note = course.root / "pid"
    code = f"import os, pathlib, time\npathlib.Path({str(note)!r}).write_text(f'{{os.getpid()}}.')\ntime.sleep(600)"
    course.add("01_sleeps", "print('good')", code)
    course.add("02_second", "print(2)")
    return note


@pytest.mark.parametrize(
    ("who", "words"),
    [
        ("kernel", "the kernel died: it was ended from outside"),
        ("worker", "the chapter's process was ended from outside (signal 9), or the memory was full"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process without a signal")
def test_a_killed_process_is_one_sentence(playground: Playground, who: str, words: str) -> None:
    note = add_sleeper(playground)
    killed: list[psutil.Process] = []

    def kill() -> None:
        if not killed and note.exists() and (text := note.read_text()).endswith("."):
            kernel = psutil.Process(int(text[:-1]))
            killed.extend([kernel, *kernel.parents()[:1]])
            killed[who == "worker"].kill()

    ends = finish(playground, kill)
    assert {number: end.state for number, end in ends.items()} == {"01": "failed", "02": "passed"}
    said = reason(ends["01"])
    assert said.startswith(words)
    assert said.endswith("close other programs or use --jobs 1, then run again")
    assert "\n" not in said
    assert ends["01"].record
    assert ends["01"].record.failure
    assert (ends["01"].record.failure.cell, ends["01"].record.cells_done) == (4, 3)
    assert not killed[0].is_running() or killed[0].status() == psutil.STATUS_ZOMBIE
    assert not list(playground.runs.glob("*/.*"))


def test_a_kernel_that_does_not_start_is_one_sentence(
    playground: Playground, monkeypatch: pytest.MonkeyPatch
) -> None:
    playground.add("01_first", "print(1)")
    broken = playground.root / "broken"
    broken.mkdir()
    (broken / "ipykernel_launcher.py").write_text("raise SystemExit('no kernel today')", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(broken), os.environ.get("PYTHONPATH", "")]))
    (end,) = finish(playground).values()
    assert reason(end).startswith("the kernel could not start (Kernel died before replying")
    assert "no kernel today" in end.job.log.read_text(encoding="utf-8")


def test_a_cell_that_fills_a_disk_says_what_to_do() -> None:
    said = faults.in_kernel("OSError", "[Errno 28] No space left on device")
    assert said == "OSError: [Errno 28] No space left on device; free some space on that disk, then run again"
    assert faults.in_kernel("ValueError", "two\n  lines") == "ValueError: two\n  lines"


def test_a_command_that_cannot_write_says_so(playground: Playground, monkeypatch: pytest.MonkeyPatch) -> None:
    from course_utils.tools import cli

    playground.add("01_first", "print(1)")

    def full(path: Path, executed: Path) -> bool:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(notebooks, "strip_file", full)
    result = CliRunner().invoke(cli.app, ["--root", str(playground.root), "strip"])
    assert result.exit_code == 1
    assert result.output.startswith("course: ")
    assert "01_first.ipynb could not be written" in result.output
    assert result.output.endswith("the disk is full; free some space, then run again\n")
