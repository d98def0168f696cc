"""Every lesson holds to the contracts of the course, without being executed.

Each check is proved first: a sound lesson passes all of them, and each planted fault is found.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import claim_checks
import core_checks
import lesson_checks
import lessons
import pytest
import yaml
from lessons import Cell, Lesson

from course_utils import ROOT, settings
from course_utils.tools import bounds, colab, notebooks

FILES = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
COURSE = [lessons.read(file) for file in FILES]
BANDS = claim_checks.read_bands(ROOT / "notebooks" / "claims.json")
REPOSITORY = "https://github.com/owner/name"
KNOWN = {"1.1", "1.2", "1.3"}

Check = Callable[[Lesson], list[str]]


def checks(
    repository: str,
    exercises: set[str],
    files: set[str],
    bands: claim_checks.Bands,
    package: claim_checks.Package,
    settings: set[str],
) -> dict[str, Check]:
    """Return every check of a single lesson by name, with what it compares the lesson to."""
    slug = repository.removeprefix("https://github.com/")
    plain: list[Check] = [
        lesson_checks.tags,
        lesson_checks.code_parses,
        lesson_checks.length,
        lesson_checks.imports,
        lesson_checks.kept_outputs,
        lesson_checks.notebook_metadata,
        lesson_checks.figures,
        lesson_checks.folding,
        lesson_checks.time_line,
        lesson_checks.predictions,
        lesson_checks.typed_numbers,
        lesson_checks.enough,
        lesson_checks.title_and_headings,
        lesson_checks.closing,
        lesson_checks.images_have_alt,
        lesson_checks.one_path_for_all_profiles,
        lesson_checks.safe_loading,
        claim_checks.claim_calls,
        claim_checks.shipped_says_so,
        core_checks.core_stands_alone,
        core_checks.functions_stay,
    ]
    return {check.__name__: check for check in plain} | {
        "first_cells": lambda lesson: lesson_checks.first_cells(lesson, repository),
        "badges": lambda lesson: lesson_checks.badges(lesson, slug),
        "exercises": lambda lesson: lesson_checks.exercises(lesson, exercises),
        "local_links": lambda lesson: lesson_checks.local_links(lesson, files),
        "bands": lambda lesson: claim_checks.bands(lesson, bands),
        "settings_are_read": lambda lesson: lesson_checks.settings_are_read(lesson, settings),
        "shown_is_used": lambda lesson: claim_checks.shown_is_used(lesson, package),
    }


NAMES = sorted(checks("", set(), set(), {}, {}, set()))


# --- The lessons of the course ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def package() -> claim_checks.Package:
    return claim_checks.package_definitions(ROOT / "course_utils")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("lesson", COURSE, ids=lambda lesson: lesson.name)
def test_lesson(lesson: Lesson, name: str, package: claim_checks.Package):
    files = {file.name for file in FILES}
    known = _settings(lesson.chapter)
    found = checks(lessons.repository(), _exercises(lesson.chapter), files, BANDS, package, known)[name](
        lesson
    )
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_lesson_is_in_its_git_form(file: Path):
    assert notebooks.is_stripped(file), f"run `course strip {file.name[:2]}`"


def test_claims_of_the_whole_course():
    assert claim_checks.unique_claims(COURSE) == []
    assert claim_checks.orphans(COURSE, BANDS) == []


def _exercises(chapter: str) -> set[str]:
    return set(importlib.import_module(f"course_utils.exercises.chapter_{chapter}").EXERCISES)


def _settings(chapter: str) -> set[str]:
    return set(yaml.safe_load(settings.FILE.read_text(encoding="utf-8"))[chapter])


# --- The checks themselves: a sound lesson, and faults planted in it -------------------------------------

SHOWN = 'def double(x: float) -> float:\n    """Twice."""\n    y: float = 2 * x\n    return y'
PACKAGE = {node.name: [node] for node in claim_checks.definitions(Cell(0, "code", SHOWN).tree)}
LINKS = (
    "[Colab](https://colab.research.google.com/github/owner/name/blob/main/notebooks/01_x.ipynb) "
    "[Binder](https://mybinder.org/v2/gh/owner/name/main?labpath=notebooks%2F01_x.ipynb)"
)
TIME = "**Time:** about 65 minutes for the sections marked *core*, about 65 for all."
PREDICTION = 'guess = widgets.predict("how many?", {"few": 3, "many": math.inf})'
FIGURE = """\
fig, ax = plt.subplots()
ax.set_title(f"{a:.2f} right")
plotting.show(fig, alt=f"A line to {a:.2f}")"""


def _text(*lines: str) -> Cell:
    return Cell(0, "markdown", "\n".join(lines))


def _code(source: str, *tags: str, output: str = "") -> Cell:
    outputs = ({"output_type": "stream", "name": "stdout", "text": output},) if output else ()
    return Cell(0, "code", source, frozenset(tags), outputs, 1 if output else None)


def _claim(number: int) -> Cell:
    return _code(f'claim("01.{number}", "the network beats chance", accuracy, at_least=0.8)', "claim")


def _sound() -> Lesson:
    kept = ("nbval-check-output", "keep_output")
    cells = [
        _text("# Title", LINKS, TIME),
        _code(colab.cell(REPOSITORY), "colab"),
        _code(lesson_checks.PARAMETERS, "parameters"),
        _code(
            "import math, plotting, widgets\nfrom x import a, accuracy, check, claim, config, explore, np, plt",
            "setup",
        ),
        _text(
            "## 1.1 First · core", "Keep 20 % for the test; see [the next](01_x.ipynb) and `0.97 accuracy`."
        ),
        _code(SHOWN.replace(": float", "").replace(" -> float", ""), "shown"),
        _code("print(np.zeros(3).shape)", *kept, output="(3,)\n"),
        _code("print(2 + 2)", *kept, output="4\n"),
        _code(PREDICTION),
        _code("guess.answer(config.epochs)"),
        _code(FIGURE, "hide-input"),
        *[_claim(number) for number in range(1, 9)],
        *[_code("explore(double)", "widget") for _ in range(2)],
        *[_code("answer = ...", "exercise") for _ in range(5)],
        *[_code("x = 1") for _ in range(36)],
        *[_code(f'check("{name}", answer)', "check") for name in sorted(KNOWN)],
        _text("## What we measured", "### Table"),
        _text("## Recap"),
    ]
    placed = tuple(replace(cell, index=index) for index, cell in enumerate(cells))
    return Lesson("01_x.ipynb", placed, {"kernelspec": {"name": "python3"}})


def _band(id: str, **changes: object) -> dict[str, object]:
    cell = bounds.cell_hash(_claim(int(id.split(".")[1])).source)
    return {"low": 0.87, "mean": 0.9, "high": 0.93, "sd": 0.02, "cell": cell, **changes}


SOUND = _sound()
SOUND_BANDS = {"fast": {"01": {"n": 20, "bands": {f"01.{n}": _band(f"01.{n}") for n in range(1, 9)}}}}
SOUND_CHECKS = checks(REPOSITORY, KNOWN, {"01_x.ipynb"}, SOUND_BANDS, PACKAGE, {"epochs"})


def swap(old: str, new: str, *, tag: str = "") -> Lesson:
    """Return the sound lesson with one text replaced in the first cell that has it."""
    cells = list(SOUND.cells)
    index = next(i for i, cell in enumerate(cells) if old in cell.source and (not tag or tag in cell.tags))
    cells[index] = replace(cells[index], source=cells[index].source.replace(old, new))
    return replace(SOUND, cells=tuple(cells))


def alter(part: str, **changes: object) -> Lesson:
    """Return the sound lesson with one cell changed: the first whose source has `part`."""
    index = next(i for i, cell in enumerate(SOUND.cells) if part in cell.source)
    cells = (*SOUND.cells[:index], replace(SOUND.cells[index], **changes), *SOUND.cells[index + 1 :])
    return replace(SOUND, cells=cells)


def add(*cells: Cell) -> Lesson:
    return replace(SOUND, cells=(*SOUND.cells, *cells))


def drop(part: str) -> Lesson:
    return replace(SOUND, cells=tuple(cell for cell in SOUND.cells if part not in cell.source))


STDERR = ({"output_type": "stream", "name": "stderr", "text": "warning"},)
IMAGE = ({"output_type": "display_data", "data": {"image/png": "…"}, "metadata": {}},)
FAULTS: list[tuple[str, Lesson, str]] = [
    ("tags", add(_code("1", "Claim")), "unknown tag 'Claim'"),
    ("code_parses", add(_code("%matplotlib inline")), "not plain Python"),
    ("length", add(_code("x = 1\n" * 26)), "26 lines"),
    ("imports", add(_code("from math import pi")), "import outside"),
    ("imports", add(_code("def f():\n    import math")), "import outside"),
    ("first_cells", drop("profile: str"), "one cell each"),
    ("first_cells", swap('"fast"', '"full"', tag="parameters"), "must be exactly"),
    ("first_cells", swap("owner/name", "other/name", tag="colab"), "must be exactly"),
    ("first_cells", replace(SOUND, cells=(_code("x = 1"), *SOUND.cells)), "comes before colab"),
    ("kept_outputs", drop("print("), "0 compared cells"),
    ("kept_outputs", alter("print(2", execution_count=None), "needs its output and execution count"),
    ("kept_outputs", alter("print(2", outputs=()), "needs its output and execution count"),
    ("kept_outputs", alter("print(2", outputs=STDERR), "keeps stderr"),
    ("kept_outputs", alter("print(2", outputs=IMAGE), "keeps image/png"),
    ("kept_outputs", alter("print(2", tags=frozenset({"keep_output"})), "go together"),
    ("kept_outputs", alter("answer", execution_count=3), "course strip"),
    ("kept_outputs", alter("answer", outputs=STDERR), "course strip"),
    (
        "kept_outputs",
        alter("print(2", tags=frozenset({"nbval-check-output", "keep_output", "claim"})),
        "never a",
    ),
    ("notebook_metadata", replace(SOUND, metadata={"kernelspec": {"name": "conda"}}), "python3"),
    ("notebook_metadata", replace(SOUND, metadata={**SOUND.metadata, "widgets": {}}), "widget state"),
    ("folding", alter("plotting.show(fig", tags=frozenset()), "tag it hide-input"),
    ("time_line", swap("about 65 minutes", "about an hour"), "the head must say: **Time:** about 65"),
    ("time_line", add(*[_code("x = 1") for _ in range(20)]), "minutes, expected 60 to 75"),
    ("time_line", drop("x = 1"), "minutes, expected 60 to 75"),
    ("predictions", swap("math.inf", "9"), "leave no outcome out"),
    ("predictions", swap('{"few": 3, "many": math.inf}', "options"), "are literals"),
    ("predictions", swap('{"few": 3, "many": math.inf}', '["one"]'), "leave no outcome out"),
    ("predictions", drop("guess.answer"), "answered 0 times"),
    ("settings_are_read", swap("config.epochs", "3"), "the setting 'epochs' is read nowhere"),
    ("shipped_says_so", swap(", at_least=0.8", ', at_least=0.8, kind="shipped", file="01_x"'), "says so"),
    ("claim_calls", swap(", at_least=0.8", ', at_least=0.8, kind="shipped"'), "names its file"),
    ("claim_calls", swap("at_least=0.8", 'at_least={"slow": 0.8}'), "bounds by profile"),
    ("core_stands_alone", add(_code("undefined_name")), "uses 'undefined_name'"),
    (
        "functions_stay",
        add(_code("def once():\n    return 1"), _code("for once in range(2):\n    pass")),
        "'once' is a",
    ),
    (
        "core_stands_alone",
        add(_text("## 1.8 A · extra"), _code("b = 1"), _text("## 1.9 B · core"), _code("f = lambda: b")),
        "the core alone: section '1.9 B · core' uses 'b'",
    ),
    (
        "core_stands_alone",
        add(_text("## 1.8 A · extra"), _code("b = 1"), _text("## 1.9 B · extra"), _code("print(b)")),
        "the core with 1.9: section '1.9 B · extra' uses 'b'",
    ),
    ("figures", swap("plotting.show(fig, alt=", "plt.show(", tag=""), "needs alt"),
    ("typed_numbers", add(_code('plotting.show(fig, "Right: 97.5 %")')), "typed into"),
    (
        "typed_numbers",
        add(_code('plotting.show(plotting.confusion(m, names, "0.97 right"), alt)')),
        "typed into",
    ),
    ("figures", add(_code("plt.plot(x)")), "does not go through"),
    ("typed_numbers", swap("{a:.2f} right", "0.97 right"), "typed into"),
    ("typed_numbers", swap("A line to {a:.2f}", "A line to 93 %"), "typed into"),
    ("typed_numbers", swap("beats chance", "beats 10 %"), "typed into"),
    ("typed_numbers", add(_text("The network reaches an accuracy of 0.97 here.")), "is typed"),
    ("typed_numbers", add(_text("In memory it is 4 times faster.")), "is typed"),
    ("enough", drop("explore"), "0 widget"),
    ("enough", drop("answer = "), "0 exercise"),
    ("enough", drop("check("), "0 check"),
    ("exercises", swap('check("1.1"', 'check("1.9"'), "no exercise '1.9'"),
    ("exercises", drop('check("1.2"'), "1.2 has no check"),
    ("exercises", alter('check("1.1"', tags=frozenset()), "go together"),
    ("title_and_headings", add(_text("# Another")), "the first cell, and only it"),
    ("title_and_headings", swap("### Table", "#### Table"), "jumps from level 2 to 4"),
    ("title_and_headings", swap(" · core", ""), "must end with"),
    ("title_and_headings", swap("## 1.1 ", "## 2.1 "), "another chapter's"),
    ("title_and_headings", swap("## 1.1 First · core", "## First"), "needs a number"),
    ("closing", drop("What we measured"), "no section 'What we measured'"),
    ("badges", swap("github/owner/name", "github/other/name"), "lacks the Colab"),
    ("badges", swap("notebooks%2F01_x", "01_x"), "lacks the Binder"),
    ("images_have_alt", add(_text("![](picture.png)")), "without alternative text"),
    ("local_links", swap("](01_x.ipynb)", "](02_y.ipynb)"), "leads nowhere"),
    ("one_path_for_all_profiles", add(_code('if settings.profile == "full":\n    pass')), "branches"),
    ("safe_loading", add(_code("torch.load(path, weights_only=False)")), "unsafe"),
    ("claim_calls", drop('"01.3"'), "7 claims"),
    ("claim_calls", swap('"01.3"', '"02.3"'), "must be a literal like"),
    ("claim_calls", swap('"01.3"', "name"), "must be a literal like"),
    ("claim_calls", swap("at_least=0.8", "at_least=bound"), "literal number"),
    ("claim_calls", swap(", at_least=0.8", ""), "asserted claims have a bound"),
    ("claim_calls", alter('"01.3"', tags=frozenset()), "go together"),
    ("bands", swap('"01.3"', '"01.30"'), "01.30 has no band"),
    ("bands", swap("accuracy, at_least", "accuracy + 0, at_least"), "has changed"),
    ("bands", swap("at_least=0.8)", "at_least=0.88)"), "inside the band"),
    ("shown_is_used", swap("2 * x", "3 * x"), "lesson:  y = 3 * x"),
    ("shown_is_used", swap("def double", "def triple"), "does not have"),
    ("shown_is_used", add(_code("x = 1", "shown")), "defines a function"),
    ("shown_is_used", add(_code("def double(x):\n    return 0")), "redefines double"),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_sound_lesson_passes(name: str):
    assert SOUND_CHECKS[name](SOUND) == []


@pytest.mark.parametrize(("name", "lesson", "words"), FAULTS, ids=[f"{n}-{w}" for n, _, w in FAULTS])
def test_a_planted_fault_is_found(name: str, lesson: Lesson, words: str):
    assert any(words in complaint for complaint in SOUND_CHECKS[name](lesson)), SOUND_CHECKS[name](lesson)


def test_every_check_is_proved():
    assert {name for name, _, _ in FAULTS} == set(NAMES)


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"n": 19}, "only 19 runs"), ({"cell": "0"}, "has changed"), ({"low": 0.7, "high": 0.75}, "inside")],
)
def test_faulty_bands_are_found(changes, words):
    chapter = SOUND_BANDS["fast"]["01"]
    changed = {**chapter, "bands": chapter["bands"] | {"01.2": _band("01.2", **changes)}}
    assert [words in complaint for complaint in claim_checks.bands(SOUND, {"fast": {"01": changed}})] == [
        True
    ]


def test_a_shipped_claim_is_of_its_file():
    lesson = add(_code('claim("01.9", "shipped", x, at_least=0.8, kind="shipped", file="01_x")', "claim"))
    band = {**_band("01.1"), "cell": claim_checks.claims_of(lesson)[-1].hash, "n": 6, "file": "01_x 0"}
    bands = {
        "fast": {
            "01": {**SOUND_BANDS["fast"]["01"], "bands": SOUND_BANDS["fast"]["01"]["bands"] | {"01.9": band}}
        }
    }
    assert claim_checks.bands(lesson, bands) == [
        "claim 01.9, fast: the shipped file has changed since the band was measured; run `course claims`"
    ]


def test_a_measured_claim_needs_no_band():
    lesson = add(_code('claim("01.9", "seconds of training", seconds, unit="s", kind="measured")', "claim"))
    assert SOUND_CHECKS["bands"](lesson) == []
    assert SOUND_CHECKS["claim_calls"](lesson) == []


def test_ids_and_bands_across_the_course():
    twice = [SOUND, SOUND]
    assert claim_checks.unique_claims([SOUND]) == []
    assert "claim 01.1 stands 2 times" in claim_checks.unique_claims(twice)
    assert claim_checks.orphans([SOUND], SOUND_BANDS) == []
    stray = {"full": {"01": {"bands": {"01.99": {}}}}}
    assert claim_checks.orphans([SOUND], stray) == ["band 01.99 belongs to no claim"]


def test_shown_code_may_differ_in_docstrings_and_annotations_only():
    shown = 'class A:\n    """Doc."""\n    x: int\n    def f(self, *, a: int = 1) -> int:\n        return a'
    same = "class A:\n    x: str\n    def f(self, *, a=1):\n        return a"
    other = "class A:\n    x: str\n    def f(self, *, a=2):\n        return a"
    trees = [claim_checks.definitions(Cell(0, "code", source).tree)[0] for source in (shown, same, other)]
    one, two, three = map(claim_checks.bare, trees)
    assert one == two != three
