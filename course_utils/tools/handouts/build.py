"""Handouts: pages of executed chapters that open anywhere, without a network, a kernel or a script from elsewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from nbconvert.exporters.templateexporter import TemplateExporter
from nbformat import from_dict
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from course_utils.tools import notebooks
from course_utils.tools.execution import keys, plan, records
from course_utils.tools.execution.plan import Job
from course_utils.tools.execution.records import Record
from course_utils.tools.handouts import cells, pages
from course_utils.tools.tree import Course, CourseError, write_text

EDITIONS = {
    "learner": "Exercises with hints that unfold, and answers that stay folded until you want them.",
    "instructor": "With solutions, common mistakes, teaching notes and the measured band of each claim.",
}
MAX_BYTES = 3_000_000
TEMPLATES = Path(__file__).parent / "templates"
REQUEST = re.compile(
    r"<(?:img|script|iframe|source|video|audio|embed|track|input|object|link)\b[^>]*?"
    r"\s(?:src|srcset|href|data)\s*=\s*[\"']?(?!data:)([^\s\"'>]+)",
    re.IGNORECASE,
)
COURSE_TITLE = "Deep learning in practice"


@dataclass(frozen=True)
class Source:
    """An executed chapter that is current.

    Args:
        job: What was run.
        record: What is known of the run.
        notebook: The executed notebook.
        title: The chapter's.
    """

    job: Job
    record: Record
    notebook: notebooks.Notebook
    title: str

    @property
    def page(self) -> str:
        """The file name of its page, the same in both editions."""
        return f"{self.job.chapter.name}.html"


def build(
    course: Course, names: Iterable[str] = (), *, profile: str = "fast"
) -> tuple[list[Path], list[str]]:
    """Write the pages of chapters, in both editions, and the index pages.

    A chapter that has not been run, failed or changed gets no page, and an older page of it is removed; the
    others are written all the same. A page is whole or not there.

    Args:
        course: Where the chapters stand.
        names: The chapters; all of them if empty.
        profile: Of the runs.

    Returns:
        The pages written, and what is wrong with the chapters that have none.

    Raises:
        CourseError: If a name or the profile is unknown.
    """
    wanted = {chapter.number for chapter in course.find(names)}
    sources, problems, written = [], [], []
    for job in plan.plan(course, profile=profile):
        try:
            sources.append(_source(job))
        except CourseError as error:
            _remove(course, job)
            problems += [str(error)] if job.chapter.number in wanted else []
    exporter = _exporter()
    for source in [source for source in sources if source.job.chapter.number in wanted]:
        try:
            made = {edition: _render(exporter, source, sources, edition) for edition in EDITIONS}
        except CourseError as error:
            _remove(course, source.job)
            problems.append(f"{source.job.chapter.name}: {error}")
            continue
        written += [_write(_folder(course) / edition / source.page, text) for edition, text in made.items()]
    return written + _indexes(course, exporter, sources), problems


def problem(job: Job) -> str:
    """Return why a chapter cannot be shown and what to do, or an empty string."""
    record = records.read(job.record)
    full = "" if job.settings.profile == "fast" else f" --profile {job.settings.profile}"
    again = f"course run {job.chapter.number}{full}"
    if record is None:
        return f"{job.chapter.name} has not been run; run: {again}"
    if record.failure:
        where = (
            f"at cell {record.failure.cell} ({record.failure.line!r})"
            if record.failure.cell
            else "at its start"
        )
        return f"{job.chapter.name} failed {where}: {record.failure.error}; repair it, then run: {again}"
    if not plan.unchanged(job):
        return f"{job.chapter.name} has changed since it was run, or what it uses has; run: {again}"
    return ""


def _source(job: Job) -> Source:
    if found := problem(job):
        raise CourseError(found)
    record = records.read(job.record)
    assert record is not None
    notebook = notebooks.read(job.output)
    return Source(job, record, notebook, pages.introduction(notebook)[0])


def _exporter() -> Any:  # noqa: ANN401 - nbconvert has no types
    exporter = TemplateExporter(
        template_name="handout",
        template_file="chapter.html.j2",
        extra_template_basedirs=[str(TEMPLATES)],
        default_preprocessors=[],
        file_extension=".html",
    )
    exporter.register_filter("python", _python)
    exporter.register_filter("island", lambda value: json.dumps(value).replace("<", "\\u003c"))
    return exporter


@cache
def _python(code: str) -> str:
    """Return highlighted code; both editions show the same."""
    return str(highlight(code, PythonLexer(), HtmlFormatter()))


def _render(exporter: Any, source: Source, sources: Sequence[Source], edition: str) -> str:  # noqa: ANN401
    notebook = notebooks.read(source.job.output)
    page = pages.Page(source.job.course.notebooks)
    job = source.job
    bands = keys.bands_of(job.course, job.settings.profile, job.chapter.number)
    instructor = edition == "instructor"
    tasks = cells.prepare(notebook, page, bands, instructor=instructor)
    solutions = [{"id": "solutions", "title": "Solutions", "kind": ""}] if instructor and tasks else []
    about = {
        "title": f"{source.title} · {edition} edition",
        "edition": edition,
        "instructor": instructor,
        "toc": page.contents + solutions,
        "exercises": tasks,
        "links": _links(source, sources),
        "facts": _facts(source.record),
    }
    text, _ = exporter.from_notebook_node(from_dict(notebook), resources={"page": about})
    return _checked(text)


def _checked(text: str) -> str:
    """Return a page that is self-contained and not too large."""
    if outside := REQUEST.search(text):
        raise CourseError(f"the page would load {outside[1][:120]}: embed it, or link to it")
    if (size := len(text.encode())) > MAX_BYTES:
        raise CourseError(
            f"the page has {size / 1e6:.1f} MB, at most {MAX_BYTES / 1e6:.0f} fit: fewer frames"
        )
    return str(text)


def _links(source: Source, sources: Sequence[Source]) -> list[dict[str, str]]:
    here = [other.page for other in sources].index(source.page)
    links = [{"href": "index.html", "text": "All chapters", "rel": "up"}]
    if here:
        links.append({"href": sources[here - 1].page, "text": f"← {sources[here - 1].title}", "rel": "prev"})
    if here + 1 < len(sources):
        links.append({"href": sources[here + 1].page, "text": f"{sources[here + 1].title} →", "rel": "next"})
    return links


def _facts(record: Record) -> dict[str, str]:
    return {
        "Profile": record.profile,
        "Seed": str(record.seed),
        "Run on": record.date[:10],
        "Time": f"{record.cpu_s:.0f} CPU-seconds",
        "Machine": ", ".join(_part(name, value) for name, value in record.hardware.items()),
        "Versions": ", ".join(f"{name} {version}" for name, version in record.versions.items()),
    }


def _part(name: str, value: str | int) -> str:
    """Return one thing of the hardware as people say it, e.g. `2 cores`."""
    return {"cores": f"{value} cores", "memory_gb": f"{value} GB of memory"}.get(name, str(value))


def _indexes(course: Course, exporter: Any, sources: Sequence[Source]) -> list[Path]:  # noqa: ANN401
    template = exporter.environment.get_template("list.html.j2")
    home = {
        "title": COURSE_TITLE,
        "heading": COURSE_TITLE,
        "links": [],
        "lead": "Handouts, ready to read and print.",
    }
    editions = [
        {"href": f"{name}/index.html", "title": f"{name.title()} edition", "about": about}
        for name, about in EDITIONS.items()
    ]
    written = [_write(_folder(course) / "index.html", template.render(page={**home, "editions": editions}))]
    for name, lead in EDITIONS.items():
        about: dict[str, Any] = {**home, "title": f"{COURSE_TITLE} · {name} edition", "lead": lead}
        about["links"] = [{"href": "../index.html", "text": "Editions", "rel": "up"}]
        folder = _folder(course) / name
        about["chapters"] = [_entry(source) for source in sources if (folder / source.page).exists()]
        written.append(_write(folder / "index.html", template.render(page=about)))
    return written


def _entry(source: Source) -> dict[str, Any]:
    words = "\n".join(map(notebooks.source, source.notebook["cells"]))
    kinds = {kind: len(re.findall(rf"^## .* · {kind}$", words, re.MULTILINE)) for kind in ("core", "extra")}
    intro = pages.Page(source.job.course.notebooks).html(pages.introduction(source.notebook)[1])
    return {"href": source.page, "title": source.title, "intro": intro, **kinds}


def _folder(course: Course) -> Path:
    return course.root / "build" / "handouts"


def _remove(course: Course, job: Job) -> None:
    for edition in EDITIONS:
        (_folder(course) / edition / f"{job.chapter.name}.html").unlink(missing_ok=True)


def _write(path: Path, text: str) -> Path:
    write_text(path, text)
    return path
