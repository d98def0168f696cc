"""Bands of claims: what many seeds give, what is replaced in `claims.json`, and bounds that mean something."""

from __future__ import annotations

import json
import statistics
import subprocess
from pathlib import Path
from typing import Any

import pytest
from conftest import CLAIM, Playground
from typer.testing import CliRunner

from course_utils.tools import bands, bounds, notebooks, sweep
from course_utils.tools.cli import app
from course_utils.tools.execution.records import Record
from course_utils.tools.tree import CourseError

BAND = {"low": 0.85, "high": 0.95, "mean": 0.9, "sd": 0.02}


def run_of(seed: int, *values: float | None, profile: str = "fast", start: str = "01", **more: Any) -> Record:
    shared = {"ok": True, "kind": "asserted", "file": "", **more}
    claims = [{"id": f"{start}.{n}", "value": v, "cell": f"c{n}", **shared} for n, v in enumerate(values, 1)]
    return Record(
        chapter=f"{start}_name", key="", status="passed", profile=profile, seed=seed, device="auto", overrides={},
        strict=False, cells=1, cells_done=1, cpu_s=1, wall_s=1, peak_bytes=1, claims=claims, stderr=[], failure=None,
        output="", date=f"2026-01-{seed + 1:02d}T00:00:00+00:00", versions={"python": "3"}, hardware={"cores": 2},
    )  # fmt: skip


def test_a_band_is_what_the_seeds_gave() -> None:
    values = [0.5, 0.25, 0.75, 0.5, 1.0]
    chapter = bands.measure([run_of(seed, value) for seed, value in enumerate(values)])
    assert chapter["n"] == 5
    assert chapter["made"] == {
        "seeds": [0, 1, 2, 3, 4],
        "date": "2026-01-05",
        "hardware": {"cores": 2},
        "versions": {"python": "3"},
    }
    sd = float(f"{statistics.stdev(values):.6g}")
    assert chapter["bands"] == {"01.1": {"low": 0.25, "high": 1.0, "mean": 0.6, "sd": sd, "cell": "c1"}}


def test_of_a_shipped_file_the_first_seeds_count_which_made_it_again() -> None:
    runs = [run_of(seed, float(seed), kind="shipped", file=f"01_x h{seed}") for seed in range(20)]
    band = bands.measure(runs)["bands"]["01.1"]
    assert (band["low"], band["high"], band["n"], band["file"]) == (0.0, 4.0, 5, "01_x h0")
    with pytest.raises(CourseError, match="must begin with 0 to 4"):
        bands.measure(runs[6:])


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ([run_of(seed, *[1] * (1 + (seed == 3))) for seed in range(5)], r"seed 3 and seed 0 .* 01\.2"),
        (
            [run_of(seed, None if seed == 2 else 1) for seed in range(5)],
            r"01\.1 has no finite value for seed 2",
        ),
    ],
)
def test_what_is_no_band_is_refused(records: list[Record], words: str) -> None:
    with pytest.raises(CourseError, match=words):
        bands.measure(records)


@pytest.mark.parametrize("profile", ["fast", "full"])
def test_only_the_measured_chapter_and_profile_are_replaced_a_line_a_claim(
    tmp_path: Path, profile: str
) -> None:
    file, old = tmp_path / "claims.json", {"n": 4, "made": {}, "bands": {"x": {"low": 1}}}
    file.write_text(json.dumps({name: {"01": old, "02": old} for name in ("fast", "full")}), encoding="utf-8")
    bands.update(file, [run_of(seed, *range(10), profile=profile) for seed in range(5)])
    text = file.read_text(encoding="utf-8")
    written = json.loads(text)
    new = written[profile].pop("01")
    assert written == {name: dict.fromkeys(("01", "02"), old) for name in ("fast", "full")} | {
        profile: {"02": old}
    }
    assert list(new["bands"]) == [f"01.{number}" for number in range(1, 11)], "01.2 comes before 01.10"
    assert sum(line.count('"low"') == 1 for line in text.splitlines()) == 13
    assert bands.text(json.loads(text)) == text


def test_the_command_writes_all_or_nothing_and_goes_on_where_it_failed(
    playground: Playground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bands, "MIN_SEEDS", 3)
    claim = CLAIM.format(id="01.1", value="seed / 4", bound=0.25)
    path = playground.add(
        "01_chapter", f"import pathlib\nassert seed != 2 or pathlib.Path('go').exists()\n{claim}"
    )
    playground.give_bands("01.7", "02.1")
    known = playground.claims.read_bytes()

    code, said = measure(playground, "1", "--seeds", "0-2")
    assert code == 1
    assert "nothing was written" in said
    assert "01_chapter seed 2 failed in cell 3: import pathlib" in said
    assert playground.claims.read_bytes() == known

    (playground.notebooks / "go").touch()
    code, said = measure(playground, "1", "--seeds", "0-2")
    assert code == 0
    assert said.count(": unchanged") == 2
    assert "claim 01.1: at_least 0.25 lies inside the band 0 to 0.5" in said
    written = json.loads(playground.claims.read_text(encoding="utf-8"))["fast"]
    assert list(written) == ["01", "02"]
    band = written["01"]["bands"]["01.1"]
    assert (written["01"]["n"], band["low"], band["mean"], band["high"]) == (3, 0.0, 0.25, 0.5)
    assert band["cell"] == bounds.cell_hash(notebooks.source(notebooks.read(path)["cells"][1]))
    assert not (playground.runs / "fast").exists(), "a measuring run is not the chapter's usual run"

    code, said = measure(playground, "1", "--check", "--seeds", "0-3")
    assert code == 1
    assert "3 of 4 chapter runs kept every bound" in said
    assert "claim 01.1 is broken: a value: got 0, expected at least 0.25" in said


def measure(playground: Playground, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["--root", str(playground.root), "claims", *arguments])
    return result.exit_code, result.output


@pytest.mark.parametrize(
    ("seeds", "words"),
    [
        ("0-18", "a band needs at least 20 seeds, got 19 (0-18)"),
        ("20", "seeds are a range such as 0-19 or 100-119, got '20'"),
        ("9-3", "seeds are a range such as 0-19 or 100-119, got '9-3'"),
    ],
)
def test_seeds_that_are_no_range_or_too_few_are_refused(
    playground: Playground, seeds: str, words: str
) -> None:
    playground.add("01_chapter")
    assert measure(playground, "--seeds", seeds) == (2, f"course: {words}\n")


def test_what_a_chapter_ships_is_made_again_for_the_first_seeds(
    playground: Playground, monkeypatch: pytest.MonkeyPatch
) -> None:
    playground.add("01_plain", CLAIM.format(id="01.1", value=1, bound=0))
    playground.add("02_ships", 'claim("02.1", "shipped", 1, at_least=0, kind="shipped", file="02_net")')
    (playground.root / "data" / "checkpoints" / "01_other.safetensors").touch()
    made: list[list[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        made.append(command[3:])
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(sweep.subprocess, "run", run)
    jobs = sweep.jobs(playground, (), "0-19", check=False)
    own = [
        (job.chapter.number, job.settings.seed, job.way.checkpoints) for job in jobs if job.way.checkpoints
    ]
    assert [(number, seed) for number, seed, _ in own] == [("02", 1), ("02", 2), ("02", 3), ("02", 4)]
    assert [command[:3] for command in made] == [["02", "--seed", str(seed)] for seed in (1, 2, 3, 4)]
    assert all(command[-2:] == ["--files", "02_net"] for command in made)  # what no claim hangs on is not
    assert all((folder / "01_other.safetensors").exists() for _, _, folder in own)
    assert not any(job.way.strict for job in jobs)
    held = sweep.jobs(playground, (), "1-2", check=True)
    assert all(job.way.strict and not job.way.checkpoints for job in held)


@pytest.mark.parametrize(
    ("bound", "changes", "words"),
    [
        ({"at_least": 0.8}, {}, ""),
        ({"at_least": 0.85}, {}, "inside the band"),
        ({"at_least": 0.9}, {}, "inside the band"),
        ({"at_most": 0.95}, {}, "inside the band"),
        ({"at_least": 0.84}, {}, "too near: 4 sd from the mean is 0.82"),
        ({"at_most": 0.97}, {}, "too near: 4 sd from the mean is 0.98"),
        ({"at_most": 1.0}, {}, ""),
        ({"at_least": 0.5}, {}, "vacuous"),
        ({"at_least": 0.5}, {"sd": 0.1}, ""),
        ({"at_most": 2.0}, {}, "vacuous"),
        ({"at_most": 1e-5}, {"low": 0.0, "mean": 1e-8, "high": 1e-7, "sd": 1e-8}, ""),
        ({"equals": 3.0}, {"low": 3, "high": 3}, ""),
        ({"equals": 3.0}, {"low": 3, "high": 4}, "equals 3.0, but"),
    ],
)
def test_bounds_are_outside_the_band_away_from_the_mean_and_near(
    bound: dict[str, float], changes: dict[str, float], words: str
) -> None:
    [(name, value)] = bound.items()
    found = bounds.problem(name, value, BAND | changes)
    assert (words in found) if words else found == ""


def test_a_claim_is_read_from_its_cell() -> None:
    source = 'x = 1\nclaim("01.3", "it", x, at_least={"fast": -0.5, "full": 2}, at_most=3, kind="shipped", file="01_x")'
    [claim] = bounds.claims_in(source)
    assert (claim.id, claim.kind, claim.file) == ("01.3", "shipped", "01_x")
    assert claim.of_profile("fast") == {"at_least": -0.5, "at_most": 3.0}
    assert claim.of_profile("full") == {"at_least": 2.0, "at_most": 3.0}
    assert claim.of_profile("other") == {"at_most": 3.0}


def test_the_hash_of_a_cell_knows_the_value_and_not_the_bound() -> None:
    source = 'claim("01.3", "it", x, at_least=0.5)'
    same = 'claim("01.3",  "it is so", x, at_least={"fast": 0.4}, at_most=9)'
    assert bounds.cell_hash(source) == bounds.cell_hash(same) != bounds.cell_hash(source.replace("x", "y"))


def test_what_a_recipe_imports_decides_what_is_made_again(playground: Playground) -> None:
    playground.add("01_chapter")
    [chapter] = playground.find(["01"])
    package = playground.root / "course_utils"
    (package / "recipes").mkdir(parents=True, exist_ok=True)
    (package / "data").mkdir(exist_ok=True)
    (package / "recipes" / "chapter_01.py").write_text("from course_utils.data.some import load\n")
    (package / "data" / "some.py").write_text("a = 1\n")
    before = sweep._key(playground, [chapter.number])
    (package / "data" / "other.py").write_text("a = 1\n")
    assert sweep._key(playground, [chapter.number]) == before
    (package / "data" / "some.py").write_text("a = 2\n")
    assert sweep._key(playground, [chapter.number]) != before
