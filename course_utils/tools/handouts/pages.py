"""The words of a page: a chapter's Markdown with its contents, formulas as MathML, and tables."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup
from latex2mathml.converter import convert
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from course_utils.tools import notebooks
from course_utils.tools.tree import CourseError


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


def introduction(notebook: notebooks.Notebook) -> tuple[str, str]:
    """Return a chapter's title, and the whole sentences of its first paragraph as Markdown.

    A paragraph with links to elsewhere, such as to where the chapter can be opened, is not the first.
    """
    first = next((c for c in notebook["cells"] if c["cell_type"] == "markdown"), {"source": ""})
    blocks = re.split(r"\n\s*\n", notebooks.source(first).strip())
    title = blocks[0].removeprefix("# ").strip()
    words = next((block for block in blocks[1:] if "](http" not in block), "")
    whole = re.match(r".*[.!?](?=\s|$)", words, re.DOTALL)
    return escape(title), whole[0] if whole else words
