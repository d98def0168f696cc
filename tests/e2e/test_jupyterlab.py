"""The lessons as learners meet them: JupyterLab for real, driven through a browser."""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from browsers import CHAPTERS, PATIENCE_MS, SCREENSHOTS
from playwright.sync_api import Browser, Locator, Page, expect

from course_utils import ROOT
from course_utils.exercises import grading
from course_utils.tools import notebooks
from course_utils.tools.tree import Course

SECOND = 1000
START_S, RUN_S, ANSWER_S = 120, 1200, 90  # generous: they only say when to give up

WAIT_FOR_SERVER = """
import sys, time, urllib.request
until = time.monotonic() + float(sys.argv[2])
while time.monotonic() < until:
    try:
        urllib.request.urlopen(sys.argv[1]).close(); sys.exit(0)
    except OSError:
        time.sleep(0.2)
sys.exit(1)
"""
SETTINGS = {
    "notebook-extension/tracker": {"windowingMode": "none"},  # every cell is on the page, also out of sight
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}
IDLE = re.compile(r"^Python 3.* \| Idle$")
DEFINED = re.compile(r"def (\w+)\(")


@dataclass(frozen=True)
class Lab:
    """A JupyterLab at work, on a copy of the lessons."""

    address: str
    token: str
    notebooks: Path
    progress: Path


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _cells(path: Path) -> list[dict]:
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def _first_widget(path: Path) -> int:
    return next(i for i, cell in enumerate(_cells(path)) if "widget" in notebooks.tags(cell))


def _copy(chapter: Path, folder: Path, *, whole: bool) -> None:
    """Copy a lesson, whole or up to its first widget; code finds data and package by their own place."""
    notebook = json.loads(chapter.read_text(encoding="utf-8"))
    if not whole:
        notebook["cells"] = notebook["cells"][: _first_widget(chapter) + 1]
    (folder / chapter.name).write_text(json.dumps(notebook), encoding="utf-8")


@pytest.fixture(scope="session")
def lab(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Lab]:
    """Start JupyterLab as `course lab` does, on a copy of the lessons, with settings and progress of its own."""
    folder = tmp_path_factory.mktemp("lab")
    course, asked = Course(folder), request.config.getoption("--whole", "all")
    course.notebooks.mkdir()
    for chapter in CHAPTERS:
        _copy(chapter, course.notebooks, whole=asked == "all" or chapter.name[:2] in asked.split(","))
    for name, text in SETTINGS.items():
        file = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(text))
    lab = Lab(
        f"http://127.0.0.1:{_free_port()}", secrets.token_hex(16), course.notebooks, folder / "progress.json"
    )
    env = {
        **os.environ,
        "COURSE_PROGRESS": str(lab.progress),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
    }
    command = [sys.executable, "-m", "course_utils.tools.cli", "--root", str(folder), "lab", "--no-browser"]
    options = [f"--port={lab.address.rpartition(':')[2]}", "--ServerApp.port_retries=0", "--allow-root"]
    with (SCREENSHOTS / "jupyterlab.log").open("w") as log:
        server = subprocess.Popen(
            [*command, *options, f"--IdentityProvider.token={lab.token}"], stdout=log, stderr=log, env=env
        )
    ready = [
        sys.executable,
        "-c",
        WAIT_FOR_SERVER,
        f"{lab.address}/api/status?token={lab.token}",
        str(START_S),
    ]
    assert subprocess.run(ready).returncode == 0, (SCREENSHOTS / "jupyterlab.log").read_text()
    yield lab
    started = [*psutil.Process(server.pid).children(recursive=True), psutil.Process(server.pid)]
    for process in started:
        process.terminate()
    for process in psutil.wait_procs(started, timeout=10)[1]:
        process.kill()
    server.wait()


@pytest.fixture(scope="module", params=CHAPTERS, ids=lambda chapter: chapter.stem)
def chapter(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture(scope="module")
def lesson(browser: Browser, lab: Lab, chapter: Path) -> Iterator[Page]:
    """Open a chapter without a network, run all its cells, wait until the kernel is idle."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    context.set_default_timeout(PATIENCE_MS)
    context.route(
        lambda url: not url.startswith((lab.address, "data:", "blob:")), lambda route: route.abort()
    )
    page = context.new_page()
    page.goto(f"{lab.address}/lab/tree/{chapter.name}?token={lab.token}&reset")
    expect(page.locator(".jp-Notebook .jp-CodeCell").first).to_be_visible(timeout=START_S * SECOND)
    expect(page.get_by_text(IDLE)).to_be_visible(timeout=START_S * SECOND)
    page.screenshot(path=SCREENSHOTS / f"lab-{chapter.name[:2]}-first.png")
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    _wait_until_run(page, _cells(lab.notebooks / chapter.name))
    page.screenshot(path=SCREENSHOTS / f"lab-{chapter.name[:2]}.png")
    yield page
    context.close()
    _shut_down(lab)


def _is_folded(cell: dict) -> bool:
    return bool(set(notebooks.tags(cell)) & notebooks.FOLDED)


def _wait_until_run(page: Page, cells: list[dict]) -> None:
    """Wait until every open code cell has its number, or one has failed; a folded one has no number to show."""
    code = [
        i for i, cell in enumerate(cells) if cell["cell_type"] == "code" and notebooks.source(cell).strip()
    ]
    page.wait_for_function(
        """count => {
          const prompts = [...document.querySelectorAll(".jp-CodeCell .jp-InputPrompt")].map((e) => e.textContent);
          const failed = document.querySelector("[data-mime-type='application/vnd.jupyter.error']");
          const done = prompts.filter((text) => /\\d/.test(text)).length >= count;
          return failed || (done && !prompts.some((text) => text.includes("*")));
        }""",
        arg=len([i for i in code if not _is_folded(cells[i])]),
        timeout=RUN_S * SECOND,
    )
    if (
        _is_folded(cells[code[-1]])
        and not page.locator("[data-mime-type='application/vnd.jupyter.error']").count()
    ):
        expect(_cell(page, code[-1]).locator(".jp-OutputArea-output").first).to_be_visible(
            timeout=RUN_S * SECOND
        )
    expect(page.get_by_text(IDLE)).to_be_visible(timeout=ANSWER_S * SECOND)


def _shut_down(lab: Lab) -> None:
    """End the kernels, so that the next chapter has the machine to itself."""
    headers = {"Authorization": f"token {lab.token}"}
    listing = urllib.request.Request(f"{lab.address}/api/sessions", headers=headers)
    with urllib.request.urlopen(listing) as answer:
        sessions = json.load(answer)
    for session in sessions:
        url = f"{lab.address}/api/sessions/{session['id']}"
        urllib.request.urlopen(urllib.request.Request(url, headers=headers, method="DELETE")).close()


def _cell(page: Page, index: int) -> Locator:
    return page.locator(".jp-Notebook .jp-Cell").nth(index)


def _index(lab: Lab, chapter: Path, part: str) -> int:
    return next(i for i, c in enumerate(_cells(lab.notebooks / chapter.name)) if part in notebooks.source(c))


def _need(lab: Lab, chapter: Path, part: str) -> int:
    """Return the place of a cell that only some chapters have."""
    try:
        return _index(lab, chapter, part)
    except StopIteration:
        pytest.skip(f"{chapter.stem} has no {part}, or runs to its first widget only")


def test_first_sight_is_the_lesson(lesson: Page):
    """The page begins with words: no picture is missing offline, and the notebook is all that is open."""
    pictures = "[...document.querySelectorAll('.jp-MarkdownCell img')]"
    broken = f"{pictures}.filter((image) => image.complete && !image.naturalWidth).map((image) => image.src)"
    assert lesson.evaluate(broken) == []
    assert _cell(lesson, 0).locator("img").count() == 0


def test_what_is_folded_shows_its_output_only(lesson: Page, lab: Lab, chapter: Path):
    """Plumbing, drawing and claims have no editor, at most their first line; what they say and draw is there."""
    cells = _cells(lab.notebooks / chapter.name)
    folded = [i for i, c in enumerate(cells) if _is_folded(c)]
    assert folded
    for index in folded:
        cell, source = _cell(lesson, index), notebooks.source(cells[index])
        expect(cell.locator(".jp-InputArea-editor")).to_have_count(0)
        if "plotting.show(" in source:
            expect(cell.locator(".jp-OutputArea-output img").first).to_be_visible()
        elif set(notebooks.tags(cells[index])) & {"claim", "check", "widget"}:
            expect(cell.locator(".jp-OutputArea-output").first).to_be_visible()


def test_runs_without_an_error(lesson: Page):
    errors = lesson.locator("[data-mime-type='application/vnd.jupyter.error']").all_inner_texts()
    assert errors == []
    assert lesson.locator("[data-mime-type='application/vnd.jupyter.stderr']").all_inner_texts() == []
    assert (
        lesson.get_by_text(re.compile("Error displaying widget|Loading widget|Error creating widget")).count()
        == 0
    )


def test_a_control_changes_its_figure(lesson: Page, lab: Lab, chapter: Path):
    index = _first_widget(lab.notebooks / chapter.name)
    if "DrawingPad(" in notebooks.source(_cells(lab.notebooks / chapter.name)[index]):
        pytest.skip("its first widget is drawn on: the next test does that")
    cell = _cell(lesson, index)
    cell.scroll_into_view_if_needed()
    picture = cell.locator(".jp-OutputArea img").first
    before = picture.get_attribute("src")
    slider, choice = cell.locator(".noUi-handle").first, cell.locator(".jupyter-widgets select").first
    expect(slider.or_(choice).first).to_be_visible(timeout=ANSWER_S * SECOND)
    if slider.count():
        slider.focus()
        for _ in range(5):
            slider.press("ArrowRight")
    else:
        choice.select_option(index=1)
    expect(picture).not_to_have_attribute("src", str(before), timeout=ANSWER_S * SECOND)
    lesson.screenshot(path=SCREENSHOTS / f"lab-{chapter.name[:2]}-slider.png")


def test_a_drawn_digit_changes_the_answer(lesson: Page, lab: Lab, chapter: Path):
    pad = _cell(lesson, _need(lab, chapter, "DrawingPad(")).locator(".drawing-pad")
    if any("service.stop()" in notebooks.source(cell) for cell in _cells(lab.notebooks / chapter.name)):
        pytest.skip("all has been run: the service behind the pad is stopped")
    canvas, verdict = pad.locator("canvas.pad"), pad.locator(".verdict")
    canvas.evaluate("canvas => canvas.scrollIntoView({ block: 'center' })")
    expect(verdict).to_have_text("Draw a digit.", timeout=ANSWER_S * SECOND)
    _stroke(lesson, canvas, [(0.3, 0.15), (0.7, 0.15), (0.6, 0.5), (0.45, 0.9)])
    expect(verdict).to_have_text(re.compile(r"Looks like a \d"), timeout=ANSWER_S * SECOND)
    first = verdict.inner_text()
    pad.get_by_role("button", name="Clear").click()
    expect(verdict).to_have_text("Draw a digit.", timeout=ANSWER_S * SECOND)
    ring = [(0.5, 0.12), (0.28, 0.3), (0.25, 0.6), (0.45, 0.88), (0.7, 0.7), (0.72, 0.35), (0.5, 0.12)]
    _stroke(lesson, canvas, ring)
    expect(verdict).to_have_text(re.compile(r"Looks like a \d"), timeout=ANSWER_S * SECOND)
    expect(verdict).not_to_have_text(first, timeout=ANSWER_S * SECOND)


def _stroke(page: Page, canvas: Locator, points: list[tuple[float, float]]) -> None:
    canvas.hover()  # waits until nothing moves or covers it any more
    box = canvas.bounding_box()
    assert box is not None
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=8)
    page.mouse.up()
    page.screenshot(path=SCREENSHOTS / "lab-01-drawing.png")


def test_an_exercise_answers_back(lesson: Page, lab: Lab, chapter: Path):
    kept = ROOT / "data" / "progress.json"
    before = kept.read_bytes() if kept.exists() else None
    id, stub, check = _first_exercise(lab.notebooks / chapter.name)
    name = DEFINED.search(notebooks.source(_cells(lab.notebooks / chapter.name)[stub]))[1]
    task = grading.find(id).record()
    output = _cell(lesson, check).locator(".jp-OutputArea-output").last
    expect(output).to_contain_text("not attempted", timeout=ANSWER_S * SECOND)
    for answer, verdict in ((task["mistakes"][0][0], "not yet: "), (task["answer"], "correct")):
        _type(lesson, _cell(lesson, stub), DEFINED.sub(f"def {name}(", answer, count=1))
        output.scroll_into_view_if_needed()
        _cell(lesson, check).click()
        lesson.keyboard.press("Shift+Enter")
        expect(output).to_contain_text(f"{id} {task['title']}: {verdict}", timeout=ANSWER_S * SECOND)
        lesson.screenshot(path=SCREENSHOTS / f"lab-{chapter.name[:2]}-{verdict.partition(':')[0]}.png")
    assert json.loads(lab.progress.read_text())[id] == "correct"
    assert (kept.read_bytes() if kept.exists() else None) == before


def _first_exercise(path: Path) -> tuple[str, int, int]:
    """Return the first checked exercise that asks for a function: its id, its stub's place, its check's."""
    cells = _cells(path)
    stubs = [i for i, cell in enumerate(cells) if "exercise" in notebooks.tags(cell)]
    for stub in stubs:
        if name := DEFINED.match(notebooks.source(cells[stub])):
            for index, cell in enumerate(cells):
                if found := re.search(rf'check\("([\d.]+)", {name[1]}\)', notebooks.source(cell)):
                    return found[1], stub, index
    pytest.skip(f"{path.stem} asks for no function before its first widget")


def _type(page: Page, cell: Locator, text: str) -> None:
    cell.scroll_into_view_if_needed()
    cell.locator(".cm-content").click()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.insert_text(text)
    page.keyboard.press("Shift+Enter")
