"""Turn an executed notebook into what a handout shows: sections, MathML, figures, claims, exercises."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup
from latex2mathml.converter import convert
from nbconvert.filters import strip_ansi
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from course_utils import claims
from course_utils.exercises import grading
from course_utils.tools import notebooks
from course_utils.tools.notebooks import joined
from course_utils.tools.tree import CourseError

FRAMES_MIME = "application/vnd.course.frames+json"  # as course_utils.widgets has it, which loads matplotlib
WIDGET_MIME = "application/vnd.jupyter.widget-view+json"
PICTURES = ("image/png", "image/jpeg", "image/svg+xml")
LEFT_OUT = {"colab", "injected-parameters"}
FOLDED = {"hide-input", "parameters", "setup", "claim", "check", "widget"}
PLAIN_CALL = re.compile(
    r"(\w+ = )?(\w+\.)?(summary|progress|predict)\(.*\)\s*", re.DOTALL
)  # its output says it all

Parts = dict[str, Any]


class Page(IPythonRenderer):
    """Renders the Markdown of one chapter and keeps its table of contents.

    Args:
        folder: Where the notebook's own pictures lie.
    """

    def __init__(self, folder: Path) -> None:
        """Start an empty page."""
        super().__init__(escape=False, path=str(folder))
        self.contents: list[dict[str, str]] = []
        self.ids: set[str] = set()
        self.markdown = MarkdownWithMath(renderer=self)

    def html(self, source: str) -> str:
        """Return Markdown as HTML."""
        return clean(self.markdown.render(source))

    def heading(self, text: str, level: int, **attrs: Any) -> str:  # noqa: ANN401
        """Give a heading its id and its mark, core or extra."""
        title, _, kind = text.rpartition(" · ")
        title, kind = (title, kind) if kind in ("core", "extra") else (text, "")
        id = self._id(title)
        if level == 2:
            self.contents.append({"id": id, "title": title, "kind": kind})
        mark = f' <span class="kind {kind}">{kind}</span>' if kind else ""
        return f'<h{level} id="{id}">{title}{mark}</h{level}>\n'

    def _id(self, title: str) -> str:
        id = base = re.sub(r"[^a-z0-9]+", "-", re.sub(r"<[^>]+>", "", title).lower()).strip("-")
        number = 1
        while id in self.ids:
            number += 1
            id = f"{base}-{number}"
        self.ids.add(id)
        return id

    def image(self, text: str, url: str, title: str | None = None) -> str:
        """Embed a picture; one from elsewhere, such as a badge, is replaced by its text."""
        if not text.strip():
            raise CourseError(f"the picture {url} has no alternative text; write ![what it shows]({url})")
        if re.match(r"(https?:)?//", url):
            return text
        return str(super().image(text, self._src_to_base64(url) or url, title))

    def inline_math(self, body: str) -> str:
        """Return a formula as MathML."""
        return mathml(body)

    def block_math(self, body: str) -> str:
        """Return a formula on a line of its own as MathML."""
        return f'<div class="math">{mathml(body, "block")}</div>\n'

    def latex_environment(self, name: str, body: str) -> str:
        """Return an environment such as `align` as MathML."""
        return self.block_math(f"\\begin{{{name}}}{body}\\end{{{name}}}")


def mathml(latex: str, display: str = "inline") -> str:
    """Return LaTeX as MathML, which browsers show without a script.

    Raises:
        CourseError: If a part of the formula is not understood.
    """
    try:
        made: str = convert(latex.strip(), display=display)
    except Exception as error:  # the library raises anything, from its own errors to IndexError
        raise CourseError(
            f"the formula {latex!r} cannot be converted ({type(error).__name__}); simplify it"
        ) from error
    if lost := re.search(r"\\\w+", made):
        raise CourseError(f"{lost[0]} in the formula {latex!r} has no MathML form; write it differently")
    return made


def clean(html: str) -> str:
    """Return HTML without styles and scripts of its own, its tables with scopes and room to scroll."""
    bare = re.sub(r"<(style|script)\b.*?</\1>", "", html, flags=re.DOTALL)
    return re.sub(r"<table\b.*?</table>", _table, bare, flags=re.DOTALL)


def _table(found: re.Match[str]) -> str:
    soup = BeautifulSoup(found[0], "html.parser")
    for table in soup("table"):
        table.attrs = {}
    for cell in soup("th"):
        if cell.get_text(strip=True):
            cell["scope"] = "col" if cell.find_parent("thead") else "row"
        else:
            cell.name = "td"
    return f'<div class="scroll">{soup}</div>'


def prepare(
    notebook: notebooks.Notebook, page: Page, bands: Mapping[str, Any], *, instructor: bool
) -> dict[str, Parts]:
    """Put what a page shows into `metadata.handout` of each cell; return the chapter's exercises.

    Args:
        notebook: Executed; changed in place.
        page: An empty page, to which the contents are added.
        bands: The chapter's bands, by claim; shown to instructors.
        instructor: Whether answers are shown.

    Raises:
        CourseError: If a figure has no alternative text, or an exercise is not known.
    """
    records = {id: task for data in _data(notebook) for id, task in data.get(grading.MIME, {}).items()}
    tasks = {id: _task(id, record, page) for id, record in records.items()}
    cells = [cell for whole in notebook["cells"] for cell in _split(whole)]
    notebook["cells"] = [cell for cell in cells if not LEFT_OUT & set(notebooks.tags(cell))]
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["metadata"]["handout"] = _code(cell, page, bands if instructor else {})
            if unknown := set(cell["metadata"]["handout"]["checks"]) - set(tasks):
                raise CourseError(f"no text for exercise {', '.join(unknown)}: the notebook needs progress()")
        elif cell["cell_type"] == "markdown":
            before = len(page.contents)
            html = page.html(cell["source"])
            html = html.replace("<details>", "<details open>") if instructor else html
            section = page.contents[before]["id"] if len(page.contents) > before else ""
            cell["metadata"]["handout"] = {"html": html, "section": section}
    return tasks


def _data(notebook: notebooks.Notebook) -> Iterator[Parts]:
    for cell in notebooks.code_cells(notebook):
        yield from (output.get("data", {}) for output in cell["outputs"])


def _split(cell: Parts) -> list[Parts]:
    """Return a cell cut before each heading that begins a section."""
    if cell["cell_type"] != "markdown":
        return [cell]
    parts, fenced = [""], False
    for line in notebooks.source(cell).splitlines(keepends=True):
        fenced ^= line.startswith("```")
        if line.startswith("## ") and not fenced:
            parts.append("")
        parts[-1] += line
    return [
        {**cell, "id": f"{cell['id']}-{number}", "metadata": {}, "source": part}
        for number, part in enumerate(parts)
        if part.strip()
    ]


def _task(id: str, record: Parts, page: Page) -> Parts:
    words = {name: page.html(_sentence(record[name])) for name in ("reasoning", "notes")}
    mistakes = [(code, page.html(_sentence(why))) for code, why in record["mistakes"]]
    hints = [page.html(_sentence(hint)) for hint in record["hints"]]
    return {**record, **words, "id": id, "slug": id.replace(".", "-"), "mistakes": mistakes, "hints": hints}


def _sentence(text: str) -> str:
    whole = text if text.endswith((".", "!", "?", "`")) else f"{text}."
    return whole[:1].upper() + whole[1:]


def _code(cell: Parts, page: Page, bands: Mapping[str, Any]) -> Parts:
    tags = set(notebooks.tags(cell))
    source = cell["source"] = notebooks.source(cell)
    checks = re.findall(r'\bcheck\(\s*"([\d.]+)"', source) if "check" in tags else []
    shown = [_shown(output, cell, page, bands) for output in cell["outputs"]]
    live = any(WIDGET_MIME in output.get("data", {}) for output in cell["outputs"])
    return {
        "role": "exercise-code" if "exercise" in tags else "",
        "folded": bool(tags & FOLDED) or bool(PLAIN_CALL.fullmatch(source)),
        "label": f"{'Your turn: code' if 'exercise' in tags else 'Code'} {cell['execution_count']}",
        "checks": checks,
        "shown": [] if checks else [item for item in shown if item],
        "live": live and "widget" in tags and not any(item and item.get("frames") for item in shown),
    }


def _shown(output: Parts, cell: Parts, page: Page, bands: Mapping[str, Any]) -> Parts | None:
    """Return what a page shows of one output, or None for a live widget."""
    data = output.get("data", {})
    picture = next((mime for mime in PICTURES if mime in data), None)
    if output["output_type"] == "stream":
        text = strip_ansi(joined(output["text"])).rstrip()
        roles = {"Predict first:": "predict", "Measured:": "answer"}
        role = next((role for words, role in roles.items() if text.startswith(words)), "")
        return {"kind": "text", "text": text.replace(" (You made no guess.)", ""), "role": role}
    if claims.MIME in data:
        return {"kind": "claim", "claim": _claim(data[claims.MIME], bands)}
    if grading.MIME in data:
        return {"kind": "todo"}
    if WIDGET_MIME in data:
        return None
    if picture:
        return _figure(picture, data, output["metadata"].get(picture, {}), cell)
    if "text/html" in data:
        return {"kind": "html", "html": clean(joined(data["text/html"]))}
    if "text/markdown" in data:
        return {"kind": "html", "html": page.html(joined(data["text/markdown"]))}
    return {"kind": "text", "text": joined(data.get("text/plain", ""))}


def _figure(mime: str, data: Parts, about: Parts, cell: Parts) -> Parts:
    frames = data.get(FRAMES_MIME)
    alts = [about.get("alt", ""), *(frames["alts"] if frames else [])]
    if not all(alt.strip() for alt in alts):
        raise CourseError(
            f"a figure of cell {cell['execution_count']} ({cell['source'].strip().splitlines()[0]!r}) has no "
            "alternative text; show it with plotting.show(figure, alt=...)"
        )
    if frames:  # the picture to start with is on the page already
        images = [image if index != frames["start"] else "" for index, image in enumerate(frames["images"])]
        frames = {**frames, "images": images}
    encoded = joined(data[mime])
    if mime == "image/svg+xml":
        encoded = b64encode(encoded.encode()).decode()
    figure = {"kind": "figure", "mime": mime, "data": encoded.replace("\n", ""), "frames": frames}
    return {**figure, "alt": about["alt"], "width": about.get("width")}


def _claim(record: Parts, bands: Mapping[str, Any]) -> Parts:
    value = "no finite value" if record["value"] is None else claims.quantity(record["value"], record["unit"])
    return {**record, "value": value, "band": _band(bands.get(record["id"]))}


def _band(band: Parts | None) -> str:
    if not band:
        return ""
    low, mean, high, sd = (claims.quantity(band[name], "") for name in ("low", "mean", "high", "sd"))
    return f"{low} to {high}, mean {mean}, standard deviation {sd}, {band['n']} runs, {band['date']}"


def introduction(notebook: notebooks.Notebook) -> tuple[str, str]:
    """Return a chapter's title, and the whole sentences of its first paragraph as Markdown."""
    first = next((c for c in notebook["cells"] if c["cell_type"] == "markdown"), {"source": ""})
    blocks = re.split(r"\n\s*\n", notebooks.source(first).strip())
    title = blocks[0].removeprefix("# ").strip()
    words = next((block for block in blocks[1:] if not block.startswith(("[![", "Open this chapter"))), "")
    whole = re.match(r".*[.!?](?=\s|$)", words, re.DOTALL)
    return escape(title), whole[0] if whole else words
