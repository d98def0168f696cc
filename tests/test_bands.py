"""Bands of claims: what several seeds give, and what is replaced in `claims.json`."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

import pytest
from conftest import CLAIM, Playground
from typer.testing import CliRunner

from course_utils.tools import bands, notebooks
from course_utils.tools.cli import app
from course_utils.tools.execution.records import Record
from course_utils.tools.tree import CourseError


def run_of(seed: int, *values: float | None, profile: str = "fast", start: str = "01") -> Record:
    claims = [
        {"id": f"{start}.{n}", "value": v, "ok": True, "cell_sha256": f"s{n}"}
        for n, v in enumerate(values, 1)
    ]
    return Record(
        chapter="01_name", key="", status="passed", profile=profile, seed=seed, device="auto", overrides={},
        strict=False, cells=1, cells_done=1, cpu_s=1, wall_s=1, peak_bytes=1, claims=claims, stderr=[], failure=None,
        output="", date=f"2026-01-0{seed + 1}T00:00:00+00:00", versions={"python": "3"}, hardware={"cores": 2},
    )  # fmt: skip


def test_a_band_is_what_the_seeds_gave() -> None:
    values = [0.5, 0.25, 0.75, 0.5, 1.0]
    band = bands.measure([run_of(seed, value) for seed, value in enumerate(values)])["01.1"]
    assert band == {
        "n": 5,
        "min": 0.25,
        "mean": statistics.fmean(values),
        "max": 1.0,
        "spread": statistics.stdev(values),
        "profile": "fast",
        "hardware": {"cores": 2},
        "versions": {"python": "3"},
        "date": "2026-01-05",
        "cell_sha256": "s1",
    }


def test_full_has_bands_of_its_own() -> None:
    assert list(bands.measure([run_of(seed, 1, 2, profile="full") for seed in range(5)])) == [
        "01.1@full",
        "01.2@full",
    ]


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


@pytest.mark.parametrize(
    ("profile", "old", "kept"),
    [
        ("fast", ["01.1", "01.9", "01.1@full", "02.1"], ["01.1@full", "02.1"]),
        ("full", ["01.1@full", "01.11@full", "01.12", "02.1@full"], ["01.12", "02.1@full"]),
    ],
)
def test_only_the_measured_chapter_and_profile_are_replaced(
    tmp_path: Path, profile: str, old: list[str], kept: list[str]
) -> None:
    file = tmp_path / "claims.json"
    file.write_text(json.dumps({id: {"n": 4} for id in old}), encoding="utf-8")
    bands.update(file, [run_of(seed, *range(10), profile=profile) for seed in range(5)])
    written = json.loads(file.read_text(encoding="utf-8"))
    mark = "" if profile == "fast" else "@full"
    new = [f"01.{number}{mark}" for number in range(1, 11)]
    assert {id: band["n"] for id, band in written.items()} == dict.fromkeys(new, 5) | dict.fromkeys(kept, 4)
    assert [id for id in written if id in new] == new, "01.2 comes before 01.10"


def test_the_command_writes_all_or_nothing_and_goes_on_where_it_failed(playground: Playground) -> None:
    claim = CLAIM.format(id="01.1", value="seed / 4", bound=0.5)
    path = playground.add(
        "01_chapter", f"import pathlib\nassert seed != 3 or pathlib.Path('go').exists()\n{claim}"
    )
    known = {"01.7": {}, "02.1": {"n": 5}}
    playground.claims.write_text(json.dumps(known), encoding="utf-8")

    code, said = measure(playground, "1", "--seeds", "5")
    assert code == 1
    assert "nothing was written" in said
    assert "01_chapter seed 3 failed in cell 3: import pathlib" in said
    assert json.loads(playground.claims.read_text(encoding="utf-8")) == known

    (playground.notebooks / "go").touch()
    code, said = measure(playground, "1")
    assert code == 0
    assert said.count(": unchanged") == 4
    written = json.loads(playground.claims.read_text(encoding="utf-8"))
    assert list(written) == ["01.1", "02.1"]
    band = written["01.1"]
    assert (band["n"], band["min"], band["mean"], band["max"]) == (5, 0.0, 0.5, 1.0)
    assert band["cell_sha256"] == notebooks.cell_sha256(notebooks.read(path)["cells"][1])
    assert not (playground.runs / "fast").exists(), "a relaxed run is not the chapter's usual run"


def measure(playground: Playground, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["--root", str(playground.root), "claims", *arguments])
    return result.exit_code, result.output


def test_too_few_seeds_are_refused(playground: Playground) -> None:
    playground.add("01_chapter")
    result = CliRunner().invoke(app, ["--root", str(playground.root), "claims", "--seeds", "4"])
    assert (result.exit_code, result.output) == (2, "course: a band needs at least 5 seeds, got 4\n")
