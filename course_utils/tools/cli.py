"""The `course` command: every target of the Makefile is one line over it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
import yaml
from rich.console import Console

from course_utils import ROOT
from course_utils.tools import bands, notebooks, report, runner
from course_utils.tools.jobs import Job, plan
from course_utils.tools.processes import Stopped, stoppable
from course_utils.tools.repository import rename
from course_utils.tools.tree import Course, CourseError, write_json

app = typer.Typer(
    help="Run, check and look after the course. `course COMMAND --help` says more.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
Chapters = Annotated[list[str] | None, typer.Argument(help="Chapters, e.g. 01 03; all if none is named.")]
Profile = Annotated[str, typer.Option(help="fast (CPU, offline, minutes) or full (GPU, downloads).")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Jobs = Annotated[int, typer.Option(min=0, help="Chapters at a time; 0: two in fast, one in full.")]
CellTimeout = Annotated[int, typer.Option(min=1, help="Seconds that one cell may take.")]


@app.callback()
def main(ctx: typer.Context, root: Annotated[Path, typer.Option(hidden=True)] = ROOT) -> None:
    """Run, check and look after the course."""
    ctx.obj = Course(root.resolve())


@app.command()
def run(
    ctx: typer.Context,
    chapters: Chapters = None,
    profile: Profile = "fast",
    seed: Annotated[int, typer.Option(help="Every random choice follows from it.")] = 0,
    device: Device = "auto",
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Change a setting.")
    ] = None,
    jobs: Jobs = 0,
    force: Annotated[bool, typer.Option("--force", help="Run also what is unchanged.")] = False,
    cell_timeout: CellTimeout = 300,
) -> None:
    """Execute chapters; those that passed and are unchanged are skipped."""
    with _told():
        planned = plan(
            ctx.obj,
            chapters or (),
            profile=profile,
            seed=seed,
            device=device,
            overrides=parse_overrides(set_ or []),
            cell_timeout=cell_timeout,
        )
    ends = _follow(planned, jobs, force=force)
    if any(end.state == "failed" for end in ends):
        raise typer.Exit(1)


@app.command()
def claims(
    ctx: typer.Context,
    chapters: Chapters = None,
    seeds: Annotated[int, typer.Option(help=f"How many, at least {bands.MIN_SEEDS}.")] = bands.MIN_SEEDS,
    profile: Profile = "fast",
    device: Device = "auto",
    jobs: Jobs = 0,
    force: Annotated[bool, typer.Option("--force", help="Measure also what is unchanged.")] = False,
    cell_timeout: CellTimeout = 300,
) -> None:
    """Measure the bands of the claims again and write notebooks/claims.json."""
    course: Course = ctx.obj
    with _told():
        if seeds < bands.MIN_SEEDS:
            raise CourseError(f"a band needs at least {bands.MIN_SEEDS} seeds, got {seeds}")
        options: dict[str, Any] = {"profile": profile, "device": device, "cell_timeout": cell_timeout}
        planned = [
            job
            for seed in range(seeds)
            for job in plan(course, chapters or (), seed=seed, relaxed=True, **options)
        ]
    ends = _follow(planned, jobs, force=force)
    if any(end.state == "failed" for end in ends):
        _fail(f"nothing was written to {course.claims}: a run failed", 1)
    with _told(1):
        known = json.loads(course.claims.read_text(encoding="utf-8")) if course.claims.exists() else {}
        for number in sorted({job.chapter.number for job in planned}):
            records = [end.record for end in ends if end.record and end.job.chapter.number == number]
            known = bands.merged(known, bands.measure(records), number=number, profile=profile)
    write_json(course.claims, known)
    typer.echo(f"wrote {course.claims}")


@app.command()
def handouts(ctx: typer.Context, chapters: Chapters = None, profile: Profile = "fast") -> None:
    """Write the pages of executed chapters, for learners and for instructors, to build/handouts/."""
    from course_utils.tools import handouts

    with _told():
        written, problems = handouts.build(ctx.obj, chapters or (), profile=profile)
    for path in written:
        typer.echo(f"wrote {path} ({path.stat().st_size / 1e6:.1f} MB)")
    if problems:
        _fail("\ncourse: ".join(problems), 1)


@app.command()
def strip(
    ctx: typer.Context,
    chapters: Chapters = None,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit 1 if a notebook is not so.")
    ] = False,
) -> None:
    """Put notebooks into the form kept in git: only the compared outputs stay."""
    course: Course = ctx.obj
    with _told():
        found = course.find(chapters or ())
    if check:
        with _told():
            wrong = [chapter.number for chapter in found if not notebooks.is_stripped(chapter.path)]
        if wrong:
            _fail(f"not in git form: {', '.join(wrong)}; run: course strip {' '.join(wrong)}", 1)
        return
    for chapter in found:
        with _told(1):
            _strip(chapter.path, course.runs / "fast" / chapter.path.name)


def _strip(path: Path, executed: Path) -> None:
    notebook = notebooks.read(path)
    try:
        text = notebooks.text(
            notebooks.strip(notebook, notebooks.read(executed) if executed.exists() else None)
        )
    except CourseError as error:
        raise CourseError(f"{path.name}: {error}; run first: course run {path.name[:2]}") from error
    if path.read_bytes() != text.encode():
        path.write_bytes(text.encode())
        typer.echo(f"stripped {path.name}")


@app.command()
def data(
    profile: Profile = "fast",
) -> None:
    """Fetch and verify the data of a profile."""
    from course_utils.data import assets
    from course_utils.settings import PROFILES

    if profile not in PROFILES:
        _fail(f"unknown profile {profile!r}; use one of {', '.join(PROFILES)}", 2)
    wanted = [asset for asset in assets.assets().values() if asset.profile == profile]
    try:
        present = {asset.name for asset in wanted if assets.is_present(asset.name)}
        folders = assets.fetch_all([asset.name for asset in wanted])
    except assets.AssetError as error:
        _fail(str(error), 1)
    for asset in wanted:
        did = "present and verified" if asset.name in present else "fetched and verified"
        typer.echo(f"{asset.name}: {did} ({asset.size_bytes / 1e6:.1f} MB) in {folders[asset.name]}")


@app.command()
def doctor(ctx: typer.Context) -> None:
    """Say what this machine has and lacks for the course, with the remedy."""
    from course_utils.tools import doctor

    checks = doctor.examine(ctx.obj)
    for check in checks:
        typer.echo(check.line())
    if any(check.state == "fail" for check in checks):
        raise typer.Exit(1)


PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


@app.command(context_settings=PASS_ON)
def lab(ctx: typer.Context) -> None:
    """Open JupyterLab on the lessons; its own options, such as --port, are passed on."""
    course: Course = ctx.obj
    env = {**os.environ, "OMP_NUM_THREADS": "1", "JUPYTER_PREFER_ENV_PATH": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "jupyterlab", *ctx.args], cwd=course.notebooks, env=env, check=False
    )
    raise typer.Exit(done.returncode)


@app.command()
def checkpoints(ctx: typer.Context, chapters: Chapters = None) -> None:
    """Make the shipped checkpoints again."""
    with _told():
        numbers = [chapter.number for chapter in ctx.obj.find(chapters or ())]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-m", "course_utils.recipes", *numbers], env=env, check=False)
    raise typer.Exit(done.returncode)


@app.command()
def repository(ctx: typer.Context, slug: Annotated[str, typer.Argument(metavar="OWNER/NAME")]) -> None:
    """Change the repository that badges, links and the Colab cells name."""
    with _told():
        changed = rename(ctx.obj.root, slug)
    typer.echo("\n".join(f"changed {path}" for path in changed) or "nothing to change")


def parse_overrides(items: list[str]) -> dict[str, Any]:
    """Return settings given as `name=value`, the values read as YAML.

    Raises:
        CourseError: If an item is not of that form.
    """
    overrides = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not equals or not name.isidentifier():
            raise CourseError(f"--set takes NAME=VALUE such as epochs=3, got {item!r}")
        try:
            overrides[name] = (
                float(value) if re.fullmatch(r"[+-]?\d+\.?\d*[eE][+-]?\d+", value) else yaml.safe_load(value)
            )
        except yaml.YAMLError as error:
            raise CourseError(f"the value of --set {item!r} cannot be read: {error}") from error
    return overrides


def _follow(planned: list[Job], workers: int, *, force: bool) -> list[runner.Progress]:
    """Run jobs, show them, and say what failed; a signal ends all of them."""
    console = Console() if sys.stdout.isatty() else Console(width=140)
    usual = 1 if planned[0].settings.profile == "full" else min(2, os.cpu_count() or 1)
    try:
        with stoppable(), closing(runner.run(planned, workers=workers or usual, force=force)) as events:
            ends = report.follow(planned, events, console)
    except Stopped as stop:
        _fail("stopped; finished chapters are kept", 128 + int(stop.args[0]))
    console.print(report.summary(ends))
    for line in report.notes(ends) + report.failures(ends):
        console.print(line, soft_wrap=True, highlight=False)
    return ends


@contextmanager
def _told(code: int = 2) -> Iterator[None]:
    """Turn a `CourseError` into its message and an exit code."""
    try:
        yield
    except CourseError as error:
        _fail(str(error), code)


def _fail(message: str, code: int) -> NoReturn:
    typer.echo(f"course: {message}", err=True)
    raise typer.Exit(code)


if __name__ == "__main__":
    app()
