"""Handouts from small executed chapters: what each edition shows, and what is refused. Browsers are in tests/e2e."""

from __future__ import annotations

import copy
import io
import json
from base64 import b64decode, b64encode
from dataclasses import replace
from html import unescape
from typing import Any

import conftest
import numpy as np
import pytest
from conftest import Playground
from PIL import Image
from typer.testing import CliRunner

from course_utils import claims, widgets
from course_utils.exercises import grading
from course_utils.tools import cli, notebooks
from course_utils.tools.execution import plan, records
from course_utils.tools.execution.records import Failure, Record
from course_utils.tools.handouts import build as handouts
from course_utils.tools.handouts import cells
from course_utils.tools.tree import CourseError

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
TASK = {
    "title": "Double it",
    "hints": ["Think of `+`", "Use $2x$."],
    "answer": "def double(x):\n    return 2 * x",
    "reasoning": "twice means $x + x$",
    "mistakes": [["def double(x):\n    return x**2", "squares it"]],
    "notes": "Ask for triples next.",
}
CLAIM = {
    "id": "01.1",
    "text": "a <value>",
    "value": 0.875,
    "unit": "accuracy",
    "kind": "asserted",
    "bound": "at least 0.8",
    "verdict": "holds",
    "file": "",
    "ok": True,
}
MEASURED = {"kind": "measured", "bound": "", "verdict": "recorded"}
BANDS = {
    "n": 20,
    "made": {"date": "2026-01-02"},
    "bands": {"01.1": {"low": 0.8, "high": 0.9, "mean": 0.85, "sd": 0.025}},
}
FRAMES = {
    "control": "rate",
    "labels": ["low", "high"],
    "images": [PIXEL, "AAAA"],
    "alts": ["a", "b"],
    "start": 0,
}
TABLE = (
    "<style>a{}</style><table border=1><thead><tr><th></th><th>n</th></tr></thead>"
    "<tbody><tr><th>0</th><td>7</td></tr></tbody></table>"
)
TITLE = (
    "# Chapter 1: One\n\nOpen this chapter [in Colab](https://example.org/colab) or "
    "[![in Binder](https://example.org/badge.svg)](https://example.org/binder).\n\n"
    "It begins. At the end you can\n\n- count\n"
)
RECAP = (
    "A word.\n\n## Recap\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n"
    "<details><summary>Why?</summary>\n\nBecause of *this*.\n</details>\n"
)


def shown(data: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {"output_type": "display_data", "data": data, "metadata": metadata}


def code(source: str, *outputs: dict[str, Any], tags: tuple[str, ...] = ()) -> dict[str, Any]:
    return {**conftest.cell(source, tags=tags), "outputs": list(outputs), "execution_count": 1}


def text(source: str) -> dict[str, Any]:
    return conftest.cell(source, kind="markdown")


def picture(alt: str = "A line that rises", **more: Any) -> dict[str, Any]:
    about = {"alt": alt, "width": 300} if alt else {}
    return shown({"image/png": PIXEL + "\n", "text/plain": "figure", **more}, **{"image/png": about})


def says(words: str) -> dict[str, Any]:
    return {"output_type": "stream", "name": "stdout", "text": [words]}


CELLS = [
    text(TITLE),
    code("fetch_the_course()", tags=("colab", "hide-input")),
    text(
        "## 1.1 First · core\n\nA formula $\\frac{1}{2}$, a block\n\n$$a = \\sum_i b_i$$\n\n```\n## no heading\n```\n"
    ),
    code("def double(x):\n    return ...", tags=("exercise",)),
    code('check("1.1", double)', says("not attempted: verdict"), tags=("check",)),
    code("print(1 < 2)", says("\x1b[31mTrue\x1b[0m & more")),
    code(
        "draw()", picture(**{widgets.FRAMES_MIME: FRAMES}), shown({cells.WIDGET_MIME: {}}), tags=("widget",)
    ),
    code("pad()", shown({cells.WIDGET_MIME: {}, "text/plain": "DrawingPad()"}), tags=("widget",)),
    text("## 1.2 Second · extra\n\nMore."),
    code(
        "claim()",
        shown({claims.MIME: CLAIM, "text/plain": "plain"}),
        tags=("claim",),
    ),
    code("table()", shown({"text/html": TABLE})),
    text(RECAP),
    code('progress("01")', shown({"text/html": "<p>the learner's own</p>", grading.MIME: {"1.1": TASK}})),
]


def execute(course: Playground, name: str = "01_one", cells: list[Any] = CELLS, **changes: Any) -> Record:
    """Put a chapter and what a run of it would have left into a course."""
    course.add(name, *copy.deepcopy(cells))
    [job] = plan.plan(course, [name[:2]])
    job.folder.mkdir(parents=True, exist_ok=True)
    job.output.write_bytes(job.chapter.path.read_bytes())
    record = Record(
        chapter=name, key=job.key, status="passed", profile="fast", seed=0, device="auto", overrides={},
        strict=True, cells=9, cells_done=9, cpu_s=12.3, wall_s=20.0, peak_bytes=1, claims=[], stderr=[],
        failure=None, output=job.output.name, date="2026-03-04T05:06:07+00:00", versions={"torch": "9.9"},
        hardware={"processor": "Abacus", "cores": 3, "memory_gb": 4},
    )  # fmt: skip
    record = replace(record, **changes)
    records.write(job.record, record)
    return record


def page(course: Playground, edition: str = "learner", name: str = "01_one") -> str:
    return (course.root / "build" / "handouts" / edition / f"{name}.html").read_text(encoding="utf-8")


@pytest.fixture
def course(playground: Playground) -> Playground:
    playground.claims.write_text(
        json.dumps({"fast": {"01": BANDS}, "full": {"01": {**BANDS, "n": 9}}}), encoding="utf-8"
    )
    execute(playground)
    written, problems = handouts.build(playground)
    assert problems == []
    assert len(written) == 5
    return playground


def body(html: str) -> str:
    """Return a page without its styles and scripts."""
    return html.split("</style>")[1].rpartition("<script>")[0]


# --- What a page shows ------------------------------------------------------------------------------------


def test_both_editions_show_the_lesson(course):
    for edition in handouts.EDITIONS:
        html = page(course, edition)
        assert html.startswith("<!doctype html>")
        assert '<html lang="en">' in html
        assert f"<title>Chapter 1: One · {edition} edition</title>" in html
        assert '<h2 id="1-1-first">1.1 First <span class="kind core">core</span></h2>' in html
        assert '<section aria-labelledby="1-2-second">' in html
        assert body(html).count("<section") == body(html).count("</section>")
        assert "## no heading" in html
        assert "fetch_the_course" not in html
        assert "the learner's own" not in html
        assert "True &amp; more" in html


def test_formulas_are_mathml(course):
    html = body(page(course))
    assert html.count("<math ") >= 2
    assert 'display="block"' in html
    assert "$" not in html
    assert "\\frac" not in html


def test_a_chapter_says_where_it_opens_in_links_and_a_picture_from_elsewhere_is_its_text(course):
    opens = '<a href="https://example.org/colab">in Colab</a> or <a href="https://example.org/binder">in Binder</a>'
    assert f"<p>Open this chapter {opens}.</p>" in page(course)
    assert "badge.svg" not in page(course)


def test_figures_have_their_alternative_text_and_frames(course):
    html = page(course)
    assert f'<img src="data:image/png;base64,{PIXEL}" alt="A line that rises" width="300">' in html
    frames = json.loads(html.split('<script type="application/json">')[1].split("</script>")[0])
    assert frames["images"] == ["", "AAAA"], "the first frame is on the page already"
    assert (frames["alts"], frames["labels"]) == (["a", "b"], ["low", "high"])
    assert html.count("Interactive: open the chapter") == 1
    assert "DrawingPad()" not in html


def test_the_frames_are_those_of_the_widgets():
    assert cells.FRAMES_MIME == widgets.FRAMES_MIME


def test_tables_have_headers_with_a_scope(course):
    html = page(course)
    assert '<th scope="col">n</th>' in html
    assert '<th scope="row">0</th>' in html
    assert '<th scope="col">a</th>' in html
    assert "<th></th>" not in html
    assert "<style>a{}" not in html


def test_code_folds_by_its_tags(course):
    html = page(course)
    assert '<details class="code exercise-code" open>' in html
    assert html.count('<details class="code ">') == 5, "claim, check, two widgets, progress"


def test_a_folded_drawing_shows_its_figure(playground):
    execute(playground, cells=[code("draw()", picture(), tags=("hide-input",)), code("x = 1")])
    handouts.build(playground)
    html = page(playground)
    folded, figure = html.index('<details class="code ">'), html.index('alt="A line that rises"')
    opened = html.rindex('<details class="code " open>')
    assert folded < html.index("</details>", folded) < figure < opened, (
        "the figure stands outside of what is folded"
    )


@pytest.mark.parametrize("tag", sorted(notebooks.FOLDED - cells.LEFT_OUT))
def test_what_jupyterlab_folds_is_folded_on_the_page(playground, tag):
    execute(playground, cells=[code("x = 1", tags=(tag,))])
    handouts.build(playground)
    # The test's chapters begin with a cell of parameters, which stays open.
    assert page(playground).count('<details class="code ">') == 1


def test_everything_can_be_printed_in_both_editions(course):
    for edition in handouts.EDITIONS:
        assert '<button type="button" id="print"' in page(course, edition)
        assert "2 hints on the screen." in page(course, edition)


def test_footer_names_the_run(course):
    footer = page(course).split("<footer>")[1]
    for fact in ("fast", "2026-03-04", "12 CPU-seconds", "Abacus, 3 cores, 4 GB of memory", "torch 9.9"):
        assert fact in footer


def test_editions_differ_in_answers_only(course):
    learner, instructor = page(course), page(course, "instructor")
    for html in (learner, instructor):
        assert "Hint 1 of 2" in html
        assert "01.1" in html
        assert "a &lt;value&gt;: <strong>0.875 accuracy</strong>" in html
        assert "Holds: at least 0.8" in html
        assert "not attempted: verdict" not in html
        assert '<a href="#exercise-1-1">1.1 Double it</a>' in html
    for secret in (
        "Squares it.",
        "Ask for triples next.",
        "Twice means",
        "0.8 to 0.9, mean 0.85, standard deviation 0.025, 20 runs, 2026-01-02",
    ):
        assert secret in instructor
        assert secret not in learner
    assert 'class="mi">2</span> <span class="o">*</span>' in instructor.split('id="solutions"')[1]


STATES = {
    "holds": (CLAIM, "Holds: at least 0.8"),
    "shipped": (CLAIM | {"kind": "shipped", "file": "01_net 1f2e"}, "Holds for the shipped file 01_net: at least 0.8"),
    "broken": (CLAIM | {"verdict": "broken"}, "Broken: expected at least 0.8"),
    "outside": (CLAIM | {"verdict": "outside"}, "Outside the course's bound (at least 0.8): settings were changed"),
    "measured": (CLAIM | MEASURED, "Measured on the machine named below"),
    "recorded": (CLAIM | {"verdict": "recorded"}, "Recorded"),
    "not finite": (CLAIM | {"verdict": "broken", "value": None}, "Broken: expected at least 0.8"),
}  # fmt: skip


@pytest.mark.parametrize("case", STATES)
def test_each_state_of_a_claim_has_its_words(playground, case):
    record, words = STATES[case]
    execute(playground, cells=[code("claim()", shown({claims.MIME: record}), tags=("claim",))])
    assert handouts.build(playground)[1] == []
    html = unescape(page(playground))
    assert f'<p class="small">{words}</p>' in html
    assert f'<div class="claim {record["verdict"]}"' in html
    assert ("no finite value" in html) == (record["value"] is None)
    assert ("Broken" in html) == (record["verdict"] == "broken")


def test_a_profile_without_bands_shows_none(playground):
    playground.claims.write_text(json.dumps({"full": {"01": BANDS}}), encoding="utf-8")
    execute(playground)
    handouts.build(playground)
    assert "Band:" not in page(playground, "instructor")


def test_answers_of_self_tests_are_folded_for_learners_and_open_for_instructors(course):
    question = "<summary>Why?</summary>\n\n<p>Because of <em>this</em>.</p>\n</details>"
    assert f"<details>{question}" in page(course)
    assert f"<details open>{question}" in page(course, "instructor")


def test_index_pages_lead_to_the_chapters(course):
    folder = course.root / "build" / "handouts"
    assert 'href="instructor/index.html"' in (folder / "index.html").read_text(encoding="utf-8")
    listed = (folder / "learner" / "index.html").read_text(encoding="utf-8")
    assert '<a href="01_one.html">Chapter 1: One</a>' in listed
    assert "1 core and 1 extra sections" in listed
    assert "<p>It begins.</p>" in listed


def test_chapters_lead_to_each_other(course):
    execute(course, "02_two", [text("# Chapter 2: Two")])
    handouts.build(course)
    assert '<a href="02_two.html" rel="next">Chapter 2: Two →</a>' in page(course)
    assert '<a href="01_one.html" rel="prev">← Chapter 1: One</a>' in page(course, "instructor", "02_two")


def test_a_picture_beside_the_notebook_is_embedded(playground):
    (playground.notebooks / "dot.png").write_bytes(b"dot")
    execute(playground, cells=[text("# T\n\n![A dot](dot.png)")])
    assert handouts.build(playground)[1] == []
    assert 'src="data:image/png;base64,ZG90" alt="A dot"' in page(playground)


# --- What is refused --------------------------------------------------------------------------------------

FAULTS = {
    "no alt": (code("draw()", picture(alt="")), "no alternative text"),
    "mute frame": (code("d()", picture(**{widgets.FRAMES_MIME: {**FRAMES, "alts": ["", "b"]}})), "no alternative"),
    "picture without alt": (text("![](dot.png)"), "no alternative text"),
    "picture that is not there": (text("![A dot](lost.png)"), "would load lost.png"),
    "remote picture": (text('<img alt="x" src="https://example.org/x.png">'), "would load https://example.org/x.png"),
    "remote output": (code("x", shown({"text/html": "<iframe src='//example.org'></iframe>"})), "would load //example"),
    "unknown command": (text("$\\nosuchthing x$"), "nosuchthing"),
    "broken formula": (text("$$\\left( x$$"), "cannot be converted"),
    "exercise without text": (code('check("1.9", x)', tags=("check",)), "no text for exercise 1.9"),
    "too large": (code("d()", shown({"image/svg+xml": "A" * 2_250_000}, **{"image/svg+xml": {"alt": "x"}})), "3.0 MB"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_chapter_gets_no_page_and_the_others_do(course, fault):
    cell, words = FAULTS[fault]
    execute(course, cells=[*CELLS, cell])
    execute(course, "02_two", [text("# Chapter 2: Two")])
    written, [problem] = handouts.build(course)
    assert "01_one: " in problem
    assert words in problem
    folder = course.root / "build" / "handouts"
    assert {path.name for path in written} == {"02_two.html", "index.html"}
    assert not list(folder.rglob("*01_one*")), "an older page of it is gone, and none is half-written"
    assert "02_two.html" in (folder / "learner" / "index.html").read_text(encoding="utf-8")


def test_a_large_picture_gets_a_palette_and_keeps_its_size_and_a_small_one_stays():
    ramp = np.linspace(0, 255, 300).astype(np.uint8)
    noise = np.random.default_rng(0).integers(0, 30, (300, 300, 3), dtype=np.uint8)
    photograph = Image.fromarray(ramp[:, None, None] // 2 + noise)
    buffer = io.BytesIO()
    photograph.save(buffer, "PNG")
    light = b64decode(cells._light(b64encode(buffer.getvalue()).decode()))
    assert len(buffer.getvalue()) > cells.LIGHT_BYTES
    assert len(light) < 0.7 * len(buffer.getvalue())
    with Image.open(io.BytesIO(light)) as picture:
        assert picture.size == photograph.size
        off = np.asarray(picture.convert("RGB")).astype(int) - np.asarray(photograph)
    assert np.abs(off).mean() < 10
    assert cells._light(PIXEL) == PIXEL


def test_not_run(playground):
    playground.add("01_one", "1")
    assert handouts.build(playground)[1] == ["01_one has not been run; run: course run 01"]


def test_failed(playground):
    execute(playground, status="failed", failure=Failure(7, "boom()", "ValueError: no"))
    assert handouts.build(playground)[1] == [
        "01_one failed at cell 7 ('boom()'): ValueError: no; repair it, then run: course run 01"
    ]


def test_older_than_its_source(course):
    course.add("01_one", "changed = True")
    [problem] = handouts.build(course)[1]
    assert problem == "01_one has changed since it was run, or what it uses has; run: course run 01"
    assert not list((course.root / "build" / "handouts").rglob("01_one.html"))


def test_another_profile_has_runs_of_its_own(course):
    [problem] = handouts.build(course, profile="full")[1]
    assert problem.endswith("has not been run; run: course run 01 --profile full")


def test_unknown_chapter(course):
    with pytest.raises(CourseError, match="unknown chapter 05"):
        handouts.build(course, ["05"])


def test_only_what_is_named_is_written_and_complained_about(course):
    course.add("02_two", "1")
    written, problems = handouts.build(course, ["1"])
    assert problems == []
    assert "01_one.html" in {path.name for path in written}


def test_the_command_says_what_it_wrote_and_what_it_could_not(course):
    course.add("02_two", "1")
    done = CliRunner().invoke(cli.app, ["--root", str(course.root), "handouts"])
    assert done.exit_code == 1
    assert "01_one.html" in done.stdout
    assert "course: 02_two has not been run; run: course run 02" in done.stderr


# --- Where the exercises' texts come from -----------------------------------------------------------------


def test_progress_carries_the_texts_and_shows_the_table():
    bundle = grading.progress("01")._repr_mimebundle_()
    task = bundle[grading.MIME]["1.1"]
    assert task["answer"] == grading.find("1.1").worked()
    assert task["mistakes"][0][0].startswith("def ")
    assert json.loads(json.dumps(bundle)) == bundle
    assert "<table>" in bundle["text/html"]
    assert "1.1" in bundle["text/plain"]
