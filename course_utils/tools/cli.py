"""The `course` command: every target of the Makefile is one line over it."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
import yaml
from rich.console import Console
from typer.core import TyperGroup

from course_utils import ROOT
from course_utils.tools import bands, notebooks, sweep
from course_utils.tools.execution import faults, report
from course_utils.tools.execution import run as runner
from course_utils.tools.execution.keys import Way
from course_utils.tools.execution.plan import Job, plan
from course_utils.tools.execution.watch import Stopped, stoppable
from course_utils.tools.tree import Course, CourseError, rename


class _Commands(TyperGroup):
    """Turns a `CourseError` of any command into its message and exit code, and what cannot be written likewise."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401
        try:
            return super().invoke(ctx)
        except CourseError as error:
            typer.echo(f"course: {error}", err=True)
            raise typer.Exit(error.exit_code) from error
        except OSError as error:
            if not faults.is_unwritable(error) or error.errno == errno.ENOENT:
                raise
            typer.echo(f"course: {faults.unwritable(error, Path.cwd())}", err=True)
            raise typer.Exit(1) from error


app = typer.Typer(
    cls=_Commands,
    help="Run, check and look after the course. `course COMMAND --help` says more.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
Chapters = Annotated[list[str] | None, typer.Argument(help="Chapters, e.g. 01 03; all if none is named.")]
Profile = Annotated[str, typer.Option(help="fast (CPU, offline, minutes) or full (GPU, downloads).")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Jobs = Annotated[int, typer.Option(min=0, help="Chapters at a time; 0: two in fast, one in full.")]
Force = Annotated[bool, typer.Option("--force", help="Run also what is unchanged.")]
Settings = Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Change a setting.")]
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
    set_: Settings = None,
    jobs: Jobs = 0,
    force: Force = False,
    core: Annotated[bool, typer.Option("--core", help="Only set-up and core sections.")] = False,
    cell_timeout: CellTimeout = 300,
) -> None:
    """Execute chapters; those that passed and are unchanged are skipped."""
    changes: dict[str, Any] = {"seed": seed, "device": device, "overrides": parse_overrides(set_ or [])}
    way = Way(core=core)
    planned = plan(ctx.obj, chapters or (), way=way, profile=profile, cell_timeout=cell_timeout, **changes)
    if any(end.state == "failed" for end in _follow(planned, jobs, force=force)):
        raise typer.Exit(1)


@app.command()
def claims(
    ctx: typer.Context,
    chapters: Chapters = None,
    seeds: Annotated[
        str, typer.Option(metavar="FIRST-LAST", help="Which seeds.")
    ] = f"0-{bands.MIN_SEEDS - 1}",
    check: Annotated[bool, typer.Option("--check", help="Only hold the bounds to these seeds.")] = False,
    profile: Profile = "fast",
    device: Device = "auto",
    jobs: Jobs = 0,
    cell_timeout: CellTimeout = 300,
) -> None:
    """Measure the bands of the claims again and write notebooks/claims.json; a stopped one goes on where it was."""
    course: Course = ctx.obj
    options: dict[str, Any] = {"profile": profile, "device": device, "cell_timeout": cell_timeout}
    ends = _follow(sweep.jobs(course, chapters or (), seeds, check=check, **options), jobs)
    failed = sum(end.state == "failed" for end in ends)
    if check:
        typer.echo(f"{len(ends) - failed} of {len(ends)} chapter runs kept every bound")
        raise typer.Exit(failed > 0)
    if failed:
        raise CourseError(f"nothing was written to {course.claims}: a run failed", 1)
    bands.update(course.claims, [end.record for end in ends if end.record])
    typer.echo(f"wrote {course.claims}")
    for problem in sweep.problems(course, chapters or (), profile):
        typer.echo(problem)


@app.command()
def handouts(ctx: typer.Context, chapters: Chapters = None, profile: Profile = "fast") -> None:
    """Write the pages of executed chapters, for learners and for instructors, to build/handouts/."""
    from course_utils.tools.handouts import build as handouts

    written, problems = handouts.build(ctx.obj, chapters or (), profile=profile)
    for path in written:
        typer.echo(f"wrote {path} ({path.stat().st_size / 1e6:.1f} MB)")
    if problems:
        raise CourseError("\ncourse: ".join(problems), 1)


@app.command()
def new(ctx: typer.Context, name: Annotated[str, typer.Argument(metavar="NN_NAME")]) -> None:
    """Begin a chapter: write a notebook with what every chapter begins and ends with."""
    from course_utils.tools import skeleton

    typer.echo(f"wrote {skeleton.new(ctx.obj, name)}; CONTRIBUTING.md says how to go on")


@app.command()
def strip(ctx: typer.Context, chapters: Chapters = None) -> None:
    """Put notebooks into the form kept in git: only the compared outputs stay."""
    course: Course = ctx.obj
    for chapter in course.find(chapters or ()):
        if notebooks.strip_file(chapter.path, course.runs / "fast" / chapter.path.name):
            typer.echo(f"stripped {chapter.path.name}")


@app.command()
def data(profile: Profile = "fast") -> None:
    """Fetch and verify the data of a profile."""
    from course_utils.data import assets
    from course_utils.settings import PROFILES

    if profile not in PROFILES:
        raise CourseError(f"unknown profile {profile!r}; use one of {', '.join(PROFILES)}")
    wanted = [asset for asset in assets.assets().values() if asset.profile == profile]
    try:
        present = {asset.name for asset in wanted if assets.is_present(asset.name)}
        folders = assets.fetch_all([asset.name for asset in wanted])
    except assets.AssetError as error:
        raise CourseError(str(error), 1) from error
    for asset in wanted:
        did = "present and verified" if asset.name in present else "fetched and verified"
        typer.echo(f"{asset.name}: {did} ({asset.size_bytes / 1e6:.1f} MB) in {folders[asset.name]}")


@app.command()
def doctor(ctx: typer.Context) -> None:
    """Say what this machine has and lacks for the course, with the remedy."""
    from course_utils.tools import doctor

    checks = doctor.examine(ctx.obj)
    typer.echo("\n".join(check.line() for check in checks))
    if not all(check.good for check in checks):
        raise typer.Exit(1)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def lab(ctx: typer.Context) -> None:
    """Open JupyterLab on the lessons; its own options, such as --port, are passed on."""
    _hand_over("jupyterlab", ctx.args, cwd=ctx.obj.notebooks)


@app.command()
def serve(
    ctx: typer.Context,
    bundle: Annotated[
        Path | None, typer.Argument(help="A bundle or a store; the digit reader if none is named.")
    ] = None,
    host: Annotated[str, typer.Option(help="0.0.0.0 to be reached from other machines.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 for any that is free.")] = 8000,
    workers: Annotated[int, typer.Option(help="Processes; more than one not on Windows.")] = 1,
    threads: Annotated[int, typer.Option(help="Of each process.")] = 4,
) -> None:
    """Serve a network over HTTP, with a page to try it on."""
    folder = bundle or ctx.obj.root / "build" / "bundles" / "digits"
    if bundle is None and not (folder / "serving.json").exists():
        made = subprocess.run(
            [sys.executable, "-m", "course_utils.recipes.digit_bundle", str(folder)], check=False
        )
        if made.returncode:
            raise CourseError("the bundle of the digit reader could not be made; see above", 1)
    where = ("--host", host, "--port", str(port), "--workers", str(workers), "--threads", str(threads))
    command = [sys.executable, "-m", "course_utils.serving", str(folder), *where]
    if os.name == "nt":
        raise typer.Exit(subprocess.run(command, check=False).returncode)
    os.execv(sys.executable, command)  # signals reach the service itself


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def checkpoints(ctx: typer.Context) -> None:
    """Make the shipped checkpoints again: `course checkpoints 01`; with --seed and --folder, others for comparison."""
    _hand_over("course_utils.recipes", ctx.args)


def _hand_over(module: str, arguments: list[str], cwd: Path | None = None) -> NoReturn:
    """Run a module, on one thread as the chapters do, and end as it ends."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", "JUPYTER_PREFER_ENV_PATH": "1"}
    done = subprocess.run([sys.executable, "-m", module, *arguments], cwd=cwd, env=env, check=False)
    raise typer.Exit(done.returncode)


@app.command()
def repository(ctx: typer.Context, slug: Annotated[str, typer.Argument(metavar="OWNER/NAME")]) -> None:
    """Change the repository that badges, links and the Colab cells name."""
    changed = rename(ctx.obj.root, slug)
    typer.echo("\n".join(f"changed {path}" for path in changed) or "nothing to change")


def parse_overrides(items: list[str]) -> dict[str, Any]:
    """Return settings given as `name=value`, the values read as YAML.

    Raises:
        CourseError: If an item is not of that form.
    """
    overrides = {}
    for item in items:
        name, _, value = item.partition("=")
        try:
            number = re.fullmatch(r"[+-]?\d+\.?\d*[eE][+-]?\d+", value)  # which YAML takes for a word
            overrides[name] = float(value) if number else yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise CourseError(f"the value of --set {item!r} cannot be read: {error}") from error
        if not value:
            raise CourseError(f"--set takes NAME=VALUE such as epochs=3, got {item!r}")
    return overrides


def _follow(planned: list[Job], workers: int, *, force: bool = False) -> list[runner.Progress]:
    """Run jobs, show them, and say what failed; a signal ends all of them."""
    console = Console() if sys.stdout.isatty() else Console(width=140)
    usual = 1 if planned[0].settings.profile == "full" else 2
    try:
        with stoppable(), closing(runner.run(planned, workers=workers or usual, force=force)) as events:
            ends = report.follow(planned, events, console)
    except Stopped as stop:
        raise CourseError("stopped; finished chapters are kept", 128 + int(stop.args[0])) from stop
    console.print(report.table(ends))
    for end in ends:
        for note in report.notes(end):
            console.print(note, soft_wrap=True, highlight=False)
    return ends


if __name__ == "__main__":
    app()
