"""Every handout as a reader meets it: opened from disk in a real browser that has no network."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from browsers import CHAPTERS, PATIENCE_MS, SCREENSHOTS
from filelock import FileLock
from playwright.sync_api import Browser, Page, Request, Route

from course_utils.tools.handouts import build as handouts
from course_utils.tools.tree import Course

FOLDER = Course().root / "build" / "handouts"
THEMES = ("light", "dark")
PAGES = [f"{edition}/{chapter.stem}.html" for chapter in CHAPTERS for edition in handouts.EDITIONS]
INDEXES = ["index.html", *(f"{edition}/index.html" for edition in handouts.EDITIONS)]
A4 = {"width": 673, "height": 994}  # what the margins leave, in CSS pixels
MOST_PAGES = 35


@dataclass
class Opened:
    """A page, with all that it asked for or complained about."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@pytest.fixture(scope="module", autouse=True)
def problems(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Render the handouts of what has been run, once for all workers; return what is wrong with the others."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return handouts.build(Course())[1]
    shared = tmp_path_factory.getbasetemp().parent  # of this session's workers
    with FileLock(shared / "handouts.lock"):
        done = shared / "handouts.json"
        if not done.exists():
            done.write_text(json.dumps(handouts.build(Course())[1]))
        return list(json.loads(done.read_text()))


@pytest.fixture
def opened(browser: Browser, problems: list[str], request: pytest.FixtureRequest) -> Iterator[Opened]:
    """Open a page with the network cut, in the theme that the test asks for."""
    name, theme = request.param
    assert (FOLDER / name).exists(), problems
    context = browser.new_context(color_scheme=theme, offline=True, viewport={"width": 1360, "height": 900})
    context.set_default_timeout(PATIENCE_MS)
    opened = Opened(context.new_page())

    def gate(route: Route, asked: Request) -> None:
        if asked.url == (FOLDER / name).as_uri():
            route.continue_()
        else:
            opened.requests.append(asked.url[:200])
            route.abort()

    context.route("**/*", gate)
    opened.page.on("console", lambda message: opened.complaints.append(message.text))
    opened.page.on("pageerror", lambda error: opened.complaints.append(str(error)))
    opened.page.goto((FOLDER / name).as_uri())
    opened.page.add_style_tag(content="html { scroll-behavior: auto !important }")
    yield opened
    context.close()


def on(*pages: str, themes: tuple[str, ...] = ("light",)) -> pytest.MarkDecorator:
    cases = [(page, theme) for page in pages for theme in themes]
    return pytest.mark.parametrize("opened", cases, indirect=True, ids=[f"{p}-{t}" for p, t in cases])


GLYPHS = """() => {
  const text = (() => {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), parts = [];
    while (walker.nextNode()) {
      if (!walker.currentNode.parentElement.closest("script, style")) parts.push(walker.currentNode.data);
    }
    return parts.join("");
  })();
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 40;
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const drawn = (letter) => {
    pen.clearRect(0, 0, 40, 40);
    pen.font = `24px ${getComputedStyle(document.body).fontFamily}`;
    pen.fillText(letter, 4, 28);
    return pen.getImageData(0, 0, 40, 40).data.join();
  };
  const tofu = drawn("\\u0378");  // a code point that Unicode has never given to a letter
  const letters = [...new Set(text)].filter((letter) => letter > "~" && letter.trim() && letter !== "\\u00a0");
  return letters.filter((letter) => letter === "\\ufffd" || drawn(letter) === tofu);
}"""

RAW_FORMULAS = """() => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (node.parentElement.closest("script, style, pre, code")) continue;
    if (/\\$[^$]+\\$|\\$\\$|\\\\[A-Za-z]+|\\\\[()[\\]]/.test(node.data)) found.push(node.data.trim().slice(0, 120));
  }
  return found;
}"""


FLAT_FORMULAS = """() => [...document.querySelectorAll("math")]
  .filter((formula) => formula.checkVisibility() && formula.getBoundingClientRect().height < 5).length"""

# Thousands of pieces of code have the same few colours, and axe looks at each for a hundredth of a second.
EACH_COLOUR_ONCE = """() => {
  const seen = new Set();
  for (const piece of document.querySelectorAll(".highlight span[class]")) {
    if (seen.has(piece.className)) piece.replaceWith(...piece.childNodes);
    else seen.add(piece.className);
  }
  document.body.normalize();
}"""

CONTROLS = """() => {
  const all = document.querySelectorAll("a[href], button, input, summary, [tabindex='0']");
  window.controls = [...all].filter((element) => element.checkVisibility());
  return controls.length;
}"""


@on(*PAGES, *INDEXES)
def test_asks_for_nothing_and_complains_about_nothing(opened: Opened):
    opened.page.mouse.wheel(0, 3000)
    opened.page.wait_for_load_state("load")
    assert opened.requests == []
    assert opened.complaints == []


@on(*PAGES, *INDEXES)
def test_every_letter_is_in_a_font_and_every_formula_is_set(opened: Opened):
    assert opened.page.evaluate(GLYPHS) == []
    assert opened.page.evaluate(RAW_FORMULAS) == []
    assert opened.page.evaluate(FLAT_FORMULAS) == 0


def test_planted_faults_are_noticed(browser: Browser):
    page = browser.new_page()
    page.set_content(
        "<body style='font-family: sans-serif'><p>\u0379 \ufffd é</p><p>$x^2$ and \\frac{1}{2}</p><code>$1$</code>"
    )
    assert page.evaluate(GLYPHS) == ["\u0379", "\ufffd"]
    assert page.evaluate(RAW_FORMULAS) == ["$x^2$ and \\frac{1}{2}"]
    page.set_content("<body><img src='data:,'><p style='color: #aaa; background: #fff'>pale</p>")
    assert {"image-alt", "color-contrast", "html-has-lang"} <= {
        found["id"] for found in Axe().run(page).response["violations"]
    }
    page.close()


@on(*PAGES, *INDEXES, themes=THEMES)
def test_axe_finds_nothing(opened: Opened):
    opened.page.evaluate(
        "document.querySelectorAll('details').forEach((details) => { details.open = true; })"
    )
    opened.page.evaluate(EACH_COLOUR_ONCE)
    found = Axe().run(opened.page)
    assert found.violations_count == 0, found.generate_report()


@on(*PAGES, *INDEXES)
def test_structure(opened: Opened):
    page = opened.page
    levels = page.evaluate(
        "[...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map((h) => Number(h.tagName[1]))"
    )
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels)), levels
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.locator("img:not([alt]), img[alt='']").count() == 0
    assert (
        page.evaluate(
            "[...document.querySelectorAll('table')].filter((t) => !t.querySelector('th[scope]')).length"
        )
        == 0
    )
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))


@on(*INDEXES)
def test_links_of_an_index_lead_somewhere(opened: Opened):
    hrefs = opened.page.evaluate(
        "[...document.querySelectorAll('a[href]')].map((a) => a.getAttribute('href'))"
    )
    base = (FOLDER / "learner" / "index.html") if "learner" in opened.page.url else FOLDER / "index.html"
    base = (FOLDER / "instructor" / "index.html") if "instructor" in opened.page.url else base
    assert [href for href in hrefs if not href.startswith("#") and not (base.parent / href).exists()] == []


@on(*PAGES)
def test_slider_works_without_a_kernel(opened: Opened):
    sliders = opened.page.locator("form.slider")
    assert sliders.count() >= 1
    for slider in sliders.all():
        control, image = slider.locator("input"), slider.locator("xpath=..").locator("img")
        seen = [
            (image.get_attribute("src"), image.get_attribute("alt"), slider.locator("output").inner_text())
        ]
        control.press("Home")
        count = int(control.get_attribute("max") or 0) + 1
        frames = []
        for _ in range(count):
            frames.append(
                (
                    image.get_attribute("src"),
                    image.get_attribute("alt"),
                    slider.locator("output").inner_text(),
                )
            )
            control.press("ArrowRight")
        assert seen[0] in frames
        assert len({src for src, _, _ in frames}) == len({label for *_, label in frames}) == count
        assert all(alt for _, alt, _ in frames)
        image.evaluate("image => image.decode()")


@on(*PAGES)
def test_theme_fold_and_copy(opened: Opened):
    page = opened.page
    ground = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(ground)
    page.get_by_role("button", name="Dark theme").click()
    assert page.evaluate(ground) != before
    page.get_by_role("button", name="Light theme").click()
    assert page.evaluate(ground) == before
    page.get_by_role("button", name="Unfold all code").or_(
        page.get_by_role("button", name="Fold all code")
    ).click()
    states = page.evaluate("[...new Set([...document.querySelectorAll('details.code')].map((d) => d.open))]")
    assert len(states) == 1
    if not states[0]:
        page.locator("#fold").click()
    page.evaluate("() => { navigator.clipboard.writeText = async (text) => { window.copied = text; }; }")
    box = page.locator(".code .source").first
    box.hover()
    box.locator(".copy").click()
    assert page.evaluate("window.copied").strip() == box.locator("pre").inner_text().strip()
    page.evaluate("() => { navigator.clipboard.writeText = async () => { throw new Error('none here'); }; }")
    box.locator(".copy").click()
    page.wait_for_function("document.querySelector('.copy').textContent === 'Copied'")
    assert opened.complaints == []


@on(*PAGES)
def test_contents_follow_the_scroll(opened: Opened):
    page = opened.page
    links = page.locator(".toc a")
    for index in (1, links.count() // 2, links.count() - 1):
        href = links.nth(index).get_attribute("href")
        page.locator(f"[id='{href[1:]}']").evaluate("heading => heading.scrollIntoView()")
        page.wait_for_function(
            "href => document.querySelector('.toc a[aria-current]')?.getAttribute('href') === href", arg=href
        )


@on(*PAGES)
def test_keyboard_reaches_all(opened: Opened):
    page = opened.page
    wanted = page.evaluate(CONTROLS)
    reached = set()
    for _ in range(wanted + 20):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("controls.indexOf(document.activeElement)"))
    missed = [
        page.evaluate("i => controls[i].outerHTML.slice(0, 120)", index)
        for index in sorted(set(range(wanted)) - reached)
    ]
    assert missed == []


@on(*PAGES)
def test_print(opened: Opened):
    page, name = opened.page, _name(opened)
    page.emulate_media(media="print", color_scheme="dark")
    page.set_viewport_size(A4)
    cut = """() => [...document.querySelectorAll("main pre, main table, main img, main math")]
      .filter((e) => e.checkVisibility() && e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
      .map((e) => e.outerHTML.slice(0, 100))"""
    assert page.evaluate(cut) == []
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") in (
        "rgb(255, 255, 255)",
        "rgba(0, 0, 0, 0)",
    )
    screen_only = "[...document.querySelectorAll('nav, .bar, button, form.slider')]"
    hidden = f"{screen_only}.filter((e) => e.checkVisibility()).length"
    assert page.evaluate(hidden) == 0
    for kind, shown in (("core", True), ("extra", False)):  # the core is on paper; the extras are named
        bodies = f"[...document.querySelectorAll('main section:has(h2 > .{kind}) > .cell')]"
        assert page.evaluate(f"{bodies}.filter((e) => e.checkVisibility()).length > 0") is shown
        headings = page.locator(f"main h2:has(> .{kind})")
        assert headings.count() > 0
        assert all(heading.is_visible() for heading in headings.all())
    pages = _printed(page, SCREENSHOTS / f"{name}-print.pdf")
    assert all(0 <= used <= 1 for used in pages)
    assert "learner" not in name or len(pages) <= MOST_PAGES
    # What may not break (a figure, a claim, an exercise) leaves less than half a page empty before it.
    assert [number for number, used in enumerate(pages[:-1], start=1) if used < 0.5] == []


def _printed(page: Page, target: Path) -> list[float]:
    """Print as the dialog of a browser does; return the share of each page that is used, from the top."""
    page.pdf(path=target, format="A4", print_background=True, prefer_css_page_size=True)
    for old in target.parent.glob(f"{target.stem}-*.png"):
        old.unlink()
    if not shutil.which("pdftoppm"):
        return [1.0] * len(re.findall(rb"/Type\s*/Page\b", target.read_bytes()))
    command = ["pdftoppm", "-r", "50", "-gray", "-png", f"{target}", f"{target.with_suffix('')}"]
    subprocess.run(command, check=True, capture_output=True)
    drawn = (plt.imread(path) for path in sorted(target.parent.glob(f"{target.stem}-*.png")))
    inked = (np.flatnonzero(image.reshape(len(image), -1).min(axis=1) < 0.9) / len(image) for image in drawn)
    return [float(rows.max(initial=0)) for rows in inked]


@on(*PAGES)
def test_print_everything(opened: Opened):
    """The button unfolds what is folded and prints the extras, for one print."""
    page = opened.page
    folded = "[...document.querySelectorAll('main details:not([open])')].length"
    before = page.evaluate(folded)
    page.evaluate(
        "() => { window.print = () => { window.asked = true; }; }"
    )  # the dialog would wait for a person
    page.get_by_role("button", name="Print everything").click()
    assert page.evaluate("window.asked")
    assert page.evaluate(folded) == 0
    all_of_it = page.pdf(format="A4")
    assert page.evaluate(folded) == before > 0
    assert len(page.pdf(format="A4")) < len(all_of_it)


@on(*PAGES, *INDEXES, themes=THEMES)
def test_screenshots(opened: Opened, request: pytest.FixtureRequest):
    """Hundreds of pictures, which only a person can judge: taken when one asks."""
    if not request.config.getoption("--look", False):
        pytest.skip("no --look: nobody wants to see them")
    page, theme = opened.page, request.node.callspec.params["opened"][1]
    height = page.evaluate("document.documentElement.scrollHeight")
    for part, top in enumerate(range(0, height, 4000)):
        page.screenshot(
            path=SCREENSHOTS / f"{_name(opened)}-{theme}-{part:02d}.png",
            full_page=True,
            clip={"x": 0, "y": top, "width": 1360, "height": min(4000, height - top)},
        )


@on(*PAGES, *INDEXES)
def test_a_telephone_scrolls_down_only(opened: Opened):
    opened.page.set_viewport_size({"width": 390, "height": 800})
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 390
    opened.page.screenshot(path=SCREENSHOTS / f"{_name(opened)}-telephone.png")


def _name(opened: Opened) -> str:
    return (
        Path(opened.page.url.removeprefix(FOLDER.as_uri()).strip("/"))
        .with_suffix("")
        .as_posix()
        .replace("/", "-")
    )
