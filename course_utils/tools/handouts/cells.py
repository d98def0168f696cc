"""What a page shows of each cell of an executed notebook: code and whether it is folded, figures, claims, exercises."""

from __future__ import annotations

import io
import re
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from typing import Any

from nbconvert.filters import strip_ansi
from PIL import Image

from course_utils import claims
from course_utils.exercises import grading
from course_utils.tools import notebooks
from course_utils.tools.bands import by_number
from course_utils.tools.handouts.pages import Page, clean
from course_utils.tools.notebooks import joined
from course_utils.tools.tree import CourseError

FRAMES_MIME = "application/vnd.course.frames+json"  # as course_utils.widgets has it, which loads matplotlib
WIDGET_MIME = "application/vnd.jupyter.widget-view+json"
PICTURES = ("image/png", "image/jpeg", "image/svg+xml")
LIGHT_BYTES = 20_000  # a larger picture is written with a palette of 256 colours, in a third of the bytes
LEFT_OUT = {"colab", "injected-parameters"}
PLAIN_CALL = re.compile(
    r"(\w+ = )?(\w+\.)?(summary|progress|predict)\(.*\)\s*", re.DOTALL
)  # its output says it all

Parts = dict[str, Any]


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
    tasks = {
        id: _task(id, records[id], page) for id in sorted(records, key=by_number)
    }  # files sort 1.10 before 1.2
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
        "folded": bool(tags & notebooks.FOLDED) or bool(PLAIN_CALL.fullmatch(source)),
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
        images = [
            _light(image) if index != frames["start"] else "" for index, image in enumerate(frames["images"])
        ]
        frames = {**frames, "images": images}
    encoded = joined(data[mime])
    if mime == "image/svg+xml":
        encoded = b64encode(encoded.encode()).decode()
    encoded = encoded.replace("\n", "")
    encoded = _light(encoded) if mime == "image/png" else encoded
    figure = {"kind": "figure", "mime": mime, "data": encoded, "frames": frames}
    return {**figure, "alt": about["alt"], "width": about.get("width")}


def _light(encoded: str) -> str:
    """Return a PNG in Base64, with a palette where it is large: photographs would make a page too heavy for a mail."""
    raw = b64decode(encoded)
    if len(raw) <= LIGHT_BYTES:
        return encoded
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(raw)) as picture:
        picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
    return min(encoded, b64encode(buffer.getvalue()).decode(), key=len)


def _claim(record: Parts, bands: Mapping[str, Any]) -> Parts:
    value = "no finite value" if record["value"] is None else claims.quantity(record["value"], record["unit"])
    return {**record, "value": value, "state": _state(record), "band": _band(bands.get(record["id"]))}


def _state(record: Parts) -> str:
    """Return what became of a claim, in words."""
    file = f" for the shipped file {record['file'].partition(' ')[0]}" if record["file"] else ""
    states = {
        "holds": f"Holds{file}: {record['bound']}",
        "broken": f"Broken{file}: expected {record['bound']}",
        "outside": f"Outside the course's bound ({record['bound']}): settings were changed",
        "recorded": "Measured on the machine named below" if record["kind"] == "measured" else "Recorded",
    }
    return states[record["verdict"]]


def _band(band: Parts | None) -> str:
    if not band:
        return ""
    low, mean, high, sd = (claims.quantity(band[name], "") for name in ("low", "mean", "high", "sd"))
    return f"{low} to {high}, mean {mean}, standard deviation {sd}, {band['n']} runs, {band['date']}"
