"""Show a run in the terminal: a live table, a line a chapter where there is no terminal, a summary."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from course_utils.tools.execution.plan import Job
from course_utils.tools.execution.records import Record
from course_utils.tools.execution.run import Progress

SHOWN = 12
"""Up to so many runs the live table has a row for each; of more it shows those at work."""
STYLES = {"passed": "green", "unchanged": "green", "failed": "bold red", "running": "cyan", "waiting": "dim"}


def follow(jobs: list[Job], events: Iterable[Progress], console: Console) -> list[Progress]:
    """Show progress until all jobs are done; return how each ended, in the order of the jobs.

    Args:
        jobs: All that will run.
        events: From `runner.run`.
        console: Where to; a live table if it is a terminal, else a line at each change.
    """
    now = {label(job): Progress(job, "waiting") for job in jobs}
    with Live(console=console, refresh_per_second=4, transient=True) as live:
        for event in events:
            changed = now[label(event.job)].state != event.state
            now[label(event.job)] = event
            if console.is_terminal:
                live.update(table(now.values() if len(now) <= SHOWN else _at_work(now.values())))
            elif changed:
                done = sum(each.record is not None for each in now.values())
                count = f" ({done} of {len(now)})" if len(now) > SHOWN else ""
                console.print(f"{label(event.job)}: {event.state}{count}", highlight=False)
    return list(now.values())


def _at_work(states: Iterable[Progress]) -> list[Progress]:
    return [now for now in states if now.state in ("running", "failed")]


def label(job: Job) -> str:
    """Return a chapter's name, with the seed where it is not the usual one."""
    return f"{job.chapter.name} seed {job.settings.seed}" if job.settings.seed else job.chapter.name


def table(states: Iterable[Progress]) -> Table:
    """Return where each chapter stands, and what it cost once it has ended."""
    made = Table("chapter", "state", "cells", "wall s", "CPU s", "peak GB", "claims", "stderr cells")
    for now in states:
        cells = f"{now.done}/{now.total}" if now.total else ""
        state = f"[{STYLES[now.state]}]{now.state}"
        cost = _cost(now.record) if now.record else (f"{now.elapsed_s:.0f}",)
        made.add_row(label(now.job), state, cells, *cost)
    return made


def _cost(record: Record) -> tuple[str, ...]:
    word = "outside" if record.overrides else "broken"
    claims = f"{len(record.claims)} made" + (f", {len(record.broken)} {word}" if record.broken else "")
    peak = f"{record.peak_bytes / 1e9:.2f}"
    return f"{record.wall_s:.1f}", f"{record.cpu_s:.1f}", peak, claims, str(len(record.stderr) or "–")


def notes(end: Progress) -> list[str]:
    """Return, as rich markup, what should be known: broken claims, cells that wrote to stderr, the failure."""
    record, name = end.record, label(end.job)
    if not record:
        return []
    found = []
    if record.broken and record.overrides:
        words = ", ".join(f"{setting} = {value!r}" for setting, value in record.overrides.items())
        found.append(f"{name}: outside the course's bounds: {', '.join(record.broken)}; you changed {words}")
    if record.recorded:
        found.append(
            f"{name}: {len(record.recorded)} claims were recorded and held to nothing: profile {record.profile!r} "
            f"has no band for them; `course claims {record.chapter[:2]} --profile {record.profile}` makes them"
        )
    for stream in record.stderr:
        first = stream["text"].strip().partition("\n")[0][:200]
        found.append(f"{name}: cell {stream['cell']} wrote to stderr: {first}")
    return [escape(note) for note in found] + _failure(end.job, record)


def _failure(job: Job, record: Record) -> list[str]:
    """Return the cell, the error and where to look."""
    failure = record.failure
    if not failure:
        return []
    where = (
        f"in cell {failure.cell}: {failure.line}" if failure.cell else failure.line or "before its first cell"
    )
    look = job.folder / record.output if record.output else job.log
    see = [f"see {look}"] if record.output or look.exists() else []
    lines = [f"{label(job)} failed {where}", *failure.error.splitlines(), *see]
    return ["[red]" + escape("\n  ".join(lines))]
