"""Show a run in the terminal: a live table, a line a chapter where there is no terminal, a summary."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from course_utils.tools.jobs import Job
from course_utils.tools.records import Record
from course_utils.tools.runner import Progress

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
                live.update(live_table(now.values()))
            elif changed:
                console.print(f"{label(event.job)}: {event.state}", highlight=False)
    return list(now.values())


def label(job: Job) -> str:
    """Return a chapter's name, with the seed where it is not the usual one."""
    return f"{job.chapter.name} seed {job.settings.seed}" if job.settings.seed else job.chapter.name


def live_table(states: Iterable[Progress]) -> Table:
    """Return where each chapter stands."""
    table = Table("chapter", "cells", "elapsed", "state")
    for now in states:
        cells = f"{now.done}/{now.total}" if now.total else ""
        elapsed = f"{now.elapsed_s:.0f} s" if now.elapsed_s else ""
        table.add_row(label(now.job), cells, elapsed, f"[{STYLES[now.state]}]{now.state}")
    return table


def summary(ends: Iterable[Progress]) -> Table:
    """Return what each chapter cost and whether its claims hold."""
    table = Table(*("chapter", "state", "cells", "CPU s", "wall s", "peak GB", "claims", "stderr cells"))
    for end in ends:
        if end.record:
            table.add_row(label(end.job), f"[{STYLES[end.state]}]{end.state}", *_numbers(end.record))
    return table


def _numbers(record: Record) -> tuple[str, ...]:
    claims = f"{len(record.claims)} made" + (f", {len(record.broken)} broken" if record.broken else "")
    stderr = str(len(record.stderr)) if record.stderr else "–"
    cost = (f"{record.cpu_s:.1f}", f"{record.wall_s:.1f}", f"{record.peak_bytes / 1e9:.2f}")
    return (f"{record.cells_done}/{record.cells}", *cost, claims, stderr)


def failures(ends: Iterable[Progress]) -> list[str]:
    """Return, for each failed chapter, the cell, the error and where to look, as rich markup."""
    return [_failure(end.job, end.record) for end in ends if end.record and end.record.failure]


def _failure(job: Job, record: Record) -> str:
    assert record.failure is not None
    where = (
        f"cell {record.failure.cell}: {record.failure.line}"
        if record.failure.cell
        else "before its first cell"
    )
    look = job.folder / record.output if record.output else job.log
    lines = [f"{label(job)} failed in {where}", *record.failure.error.splitlines(), f"see {look}"]
    return "[red]" + escape("\n  ".join(lines))


def notes(ends: Iterable[Progress]) -> list[str]:
    """Return what does not fail a run but should be known: broken claims and cells that wrote to stderr."""
    found = []
    for end in ends:
        record = end.record
        if record and record.broken:
            found.append(f"{label(end.job)}: broken claims: {', '.join(record.broken)}")
        for stream in record.stderr if record else []:
            first = stream["text"].strip().partition("\n")[0][:200]
            found.append(f"{label(end.job)}: cell {stream['cell']} wrote to stderr: {first}")
    return [escape(note) for note in found]
