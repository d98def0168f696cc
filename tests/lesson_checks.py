"""What holds for every lesson, as pure functions: a lesson in, a list of complaints out."""

from __future__ import annotations

import ast
import math
import re
from collections import Counter
from collections.abc import Collection, Iterator
from itertools import pairwise

from lessons import TAGS, Cell, Lesson, argument, called, calls, constant_text, headings, prose

from course_utils import widgets
from course_utils.tools import colab, notebooks
from course_utils.tools.notebooks import FOLDED
from course_utils.tools.skeleton import PARAMETERS

FIRST = ("colab", "parameters", "setup")
LONGEST_CELL = 25
CORE_MINUTES = (60, 75)
LONGEST_OUTPUT = 2_000
AT_LEAST = {"widget": 2, "exercise": 5, "check": 3}
KEPT = (2, 6)
UNMARKED = ("What we measured", "Recap", "Self-test", "Sources", "Next", "Your progress")

MEASURED = re.compile(r"\d[.,]\d|\d\s*(%|percent)")
"""A number that looks measured: with a decimal, or in percent."""

_METRIC = r"(accura|correct|mistake|faster|slower|loss of|error of|score)"
_AMOUNT = r"(\b0\.\d+|\d\s*%|\d\s*(times|×)\s)"
MEASURED_IN_PROSE = re.compile(
    rf"{_METRIC}[^.\n]{{0,40}}?{_AMOUNT}|{_AMOUNT}[^.\n]{{0,40}}?{_METRIC}", re.IGNORECASE
)
"""A sentence that tells how well or how fast something was, with a number typed into it."""


def tags(lesson: Lesson) -> list[str]:
    """Tags are a closed list."""
    return [f"{cell}: unknown tag {tag!r}" for cell in lesson.cells for tag in sorted(cell.tags - TAGS)]


def first_cells(lesson: Lesson, repository: str) -> list[str]:
    """Colab, parameters and setup: one each, first, in this order; the first two the same in every lesson."""
    order = [tag for cell in lesson.code() for tag in FIRST if tag in cell.tags]
    complaints = (
        [] if order == list(FIRST) else [f"needs one cell each of {FIRST}, in this order; got {order}"]
    )
    leading = [cell for _, cell in zip(FIRST, lesson.code(), strict=False)]
    complaints += [
        f"{cell}: comes before {tag}"
        for tag, cell in zip(FIRST, leading, strict=False)
        if tag not in cell.tags
    ]
    for tag, expected in (("colab", colab.cell(repository)), ("parameters", PARAMETERS)):
        different = [cell for cell in lesson.tagged(tag) if cell.source != expected]
        complaints += [f"{cell}: the {tag} cell must be exactly:\n{expected}" for cell in different]
    return complaints


def code_parses(lesson: Lesson) -> list[str]:
    """Cells are plain Python: no magics, no shell lines."""
    complaints = []
    for cell in lesson.code():
        try:
            ast.parse(cell.source)
        except SyntaxError as error:
            complaints.append(f"{cell}: not plain Python, line {error.lineno}: {error.msg}")
    return complaints


def length(lesson: Lesson) -> list[str]:
    """Code cells hold one idea."""
    lines = [(cell, len(cell.source.splitlines())) for cell in lesson.code()]
    return [f"{cell}: {count} lines, at most {LONGEST_CELL}" for cell, count in lines if count > LONGEST_CELL]


def imports(lesson: Lesson) -> list[str]:
    """Imports stand in the setup cell."""
    others = [cell for cell in lesson.code() if not cell.tags & {"setup", "colab"}]
    nodes = [(cell, node) for cell in others for node in ast.walk(cell.tree)]
    return [
        f"{cell}: import outside the setup cell"
        for cell, node in nodes
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]


def kept_outputs(lesson: Lesson) -> list[str]:
    """A few small text outputs are kept and compared; every other cell is clean."""
    compared = lesson.tagged("nbval-check-output")
    low, high = KEPT
    complaints = (
        [] if low <= len(compared) <= high else [f"{len(compared)} compared cells, needs {low} to {high}"]
    )
    for cell in lesson.code():
        if ("nbval-check-output" in cell.tags) != ("keep_output" in cell.tags):
            complaints.append(f"{cell}: nbval-check-output and keep_output go together")
        complaints += _compared(cell) if "keep_output" in cell.tags else _clean(cell)
    return complaints


def _clean(cell: Cell) -> list[str]:
    dirty = bool(cell.outputs) or cell.execution_count is not None
    return [f"{cell}: has outputs or an execution count; run `course strip`"] if dirty else []


def _compared(cell: Cell) -> list[str]:
    if cell.tags & {"claim", "widget", "check"}:
        return [f"{cell}: a claim, widget or check is never a compared cell"]
    if cell.execution_count != 1 or not cell.outputs:
        return [f"{cell}: a compared cell needs its output and execution count 1; run `course strip`"]
    wrong = [kind for kind in map(_output_kind, cell.outputs) if kind not in ("stdout", "text/plain")]
    size = len(str(cell.outputs))
    too_long = (
        [f"{cell}: {size} characters of output, at most {LONGEST_OUTPUT}"] if size > LONGEST_OUTPUT else []
    )
    return [f"{cell}: keeps {kind}, only text is compared" for kind in wrong] + too_long


def _output_kind(output: dict[str, object]) -> str:
    data = output.get("data", {})
    return str(
        output.get("name")
        or ", ".join(sorted(data) if isinstance(data, dict) else "")
        or output["output_type"]
    )


def notebook_metadata(lesson: Lesson) -> list[str]:
    """The kernel is named as Jupyter, VS Code and papermill expect; no widget state is kept."""
    kernel = lesson.metadata.get("kernelspec", {}).get("name")
    complaints = [] if kernel == "python3" else [f"kernelspec must be python3, got {kernel!r}"]
    return complaints + (["holds widget state; run `course strip`"] if "widgets" in lesson.metadata else [])


def figures(lesson: Lesson) -> list[str]:
    """A figure is shown through `show(figure, alt=…)`, which gives it an alternative text."""
    complaints = []
    for cell in lesson.code():
        shows = calls(cell.tree, "show")
        bare = [call for call in shows if argument(call, "alt", 1) is None]
        complaints += [f"{cell}: {ast.unparse(call)[:40]} needs alt=…" for call in bare]
        if any(_draws(statement) for statement in cell.tree.body) and not shows:
            complaints.append(f"{cell}: draws a figure that does not go through show(figure, alt=…)")
    return complaints


def _draws(statement: ast.stmt) -> bool:
    """Return whether a statement draws with pyplot at once; a function that draws is shown later."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return False
    return any(
        ast.unparse(call.func).startswith("plt.")
        for call in ast.walk(statement)
        if isinstance(call, ast.Call)
    )


def folding(lesson: Lesson) -> list[str]:
    """A cell that shows a figure is folded: drawing and alternative text are out of the learner's way.

    So a cell that measures and draws is two cells, and what is measured stays open.
    """
    shows = [cell for cell in lesson.code() if calls(cell.tree, "show")]
    return [
        f"{cell}: shows a figure and is not folded; tag it hide-input"
        for cell in shows
        if not cell.tags & FOLDED
    ]


def time_line(lesson: Lesson) -> list[str]:
    """The head says how long core and all take, as counted; the core takes 60 to 75 minutes."""
    cells = [
        {"cell_type": c.kind, "source": c.source, "metadata": {"tags": list(c.tags)}} for c in lesson.cells
    ]
    core, everything = notebooks.minutes({"cells": cells})
    core_words, all_words = (f"about {nearest_five(time)}" for time in (core, everything))
    words = f"**Time:** {core_words} minutes for the sections marked *core*, {all_words} for all."
    head = lesson.cells[0].source if lesson.cells else ""
    complaints = [] if words in head else [f"the head must say: {words}"]
    low, high = CORE_MINUTES
    return complaints + (
        [] if low <= core <= high else [f"the core takes {core:.0f} minutes, expected {low} to {high}"]
    )


def nearest_five(minutes: float) -> int:
    """Return minutes as people say them."""
    return 5 * round(minutes / 5)


def settings_are_read(lesson: Lesson, known: Collection[str]) -> list[str]:
    """Every setting of the chapter is read somewhere."""
    names = [n.attr for cell in lesson.code() for n in ast.walk(cell.tree) if isinstance(n, ast.Attribute)]
    return [f"the setting {name!r} is read nowhere" for name in known if name not in names]


def predictions(lesson: Lesson) -> list[str]:
    """Predictions have literal options, are answered once, and every outcome is one of the options."""
    complaints = []
    for cell in lesson.code():
        complaints += [f"{cell}: {problem}" for call in _asked(cell.tree) for problem in _prediction(call)]
    asked = [name for cell in lesson.code() for name in _guesses(cell)]
    answered = Counter(
        ast.unparse(call.func.value)
        for cell in lesson.code()
        for call in calls(cell.tree, "answer")
        if isinstance(call.func, ast.Attribute)
    )
    return complaints + [
        f"the prediction {name!r} is answered {answered[name]} times" for name in asked if answered[name] != 1
    ]


def _prediction(call: ast.Call) -> list[str]:
    """Feed a prediction all its outcomes."""
    try:
        options = eval(ast.unparse(call.args[1]), {"math": math})
        made = widgets.Prediction("", options)
    except (NameError, IndexError, widgets.PredictionError, TypeError) as error:
        return [f"the options of a prediction are literals that leave no outcome out: {error}"]
    if isinstance(options, dict):
        ends = [-math.inf, *options.values()]
        found = {made.option(value) for low, high in pairwise(ends) for value in _between(low, high)}
    else:
        found = {made.option({name: float(name == best) for name in options}) for best in options}
    return [] if found == set(options) else [f"never the answer: {sorted(set(options) - found)}"]


def _between(low: float, high: float) -> list[float]:
    """Return the lowest value of a range and some inside it."""
    low, high = max(low, -1e9), min(high, 1e9)
    return [low, (low + high) / 2, math.nextafter(high, low)]


def _asked(tree: ast.AST) -> list[ast.Call]:
    """Return the predictions asked for; a classifier's own `predict` is none."""
    return [call for call in calls(tree, "predict") if ast.unparse(call.func) == "widgets.predict"]


def _guesses(cell: Cell) -> list[str]:
    assigned = [node for node in ast.walk(cell.tree) if isinstance(node, ast.Assign) and _asked(node.value)]
    return [ast.unparse(node.targets[0]) for node in assigned]


def typed_numbers(lesson: Lesson) -> list[str]:
    """Titles, alternative texts, claims and prose hold no measured number: they come from the data."""
    complaints = []
    for cell in lesson.code():
        texts = [constant_text(node) for node in _titles(cell.tree)]
        complaints += [
            f"{cell}: a measured number is typed into {text!r}" for text in texts if MEASURED.search(text)
        ]
    for cell in lesson.markdown():
        found = MEASURED_IN_PROSE.search(prose(cell))
        complaints += [f"{cell}: a measured number is typed: {found.group()!r}"] if found else []
    return complaints


def _titles(tree: ast.AST) -> Iterator[ast.expr | None]:
    for call in [node for node in ast.walk(tree) if isinstance(node, ast.Call)]:
        yield from (argument(call, "alt"), argument(call, "title"))
        if ast.unparse(call.func).startswith("plotting."):
            yield from call.args
        if called(call) in ("set_title", "suptitle", "title"):
            yield argument(call, "label", 0)
        if called(call) == "claim":
            yield argument(call, "text", 1)


def enough(lesson: Lesson) -> list[str]:
    """A lesson has its widgets, exercises and checks."""
    found = {tag: len(lesson.tagged(tag)) for tag in AT_LEAST}
    return [
        f"{found[tag]} {tag} cells, at least {least}" for tag, least in AT_LEAST.items() if found[tag] < least
    ]


def exercises(lesson: Lesson, known: Collection[str]) -> list[str]:
    """Every check, hint and solution names an exercise that exists; a check stands in a `check` cell."""
    complaints, checked = [], Counter[str]()
    for cell in lesson.code():
        for call in calls(cell.tree, "check", "hint", "solution"):
            name = constant_text(call.args[0] if call.args else None)
            checked[name] += called(call) == "check"
            complaints += (
                [] if name in known else [f"{cell}: no exercise {name!r}; there are {sorted(known)}"]
            )
        if bool(calls(cell.tree, "check")) != ("check" in cell.tags):
            complaints.append(f"{cell}: the tag `check` and a call of check(…) go together")
    return complaints + [f"exercise {name} has no check(…) cell" for name in known if not checked[name]]


def title_and_headings(lesson: Lesson) -> list[str]:
    """One title at the top; headings nest; numbered sections are marked core or extra."""
    found = headings(lesson)
    titles = [cell for level, _, cell in found if level == 1]
    complaints = (
        [] if titles == list(lesson.cells[:1]) else ["the first cell, and only it, holds a `# ` title"]
    )
    for (above, _, _), (level, words, cell) in pairwise(found):
        if level > above + 1:
            complaints.append(f"{cell}: heading {words!r} jumps from level {above} to {level}")
    sections = [(words, cell) for level, words, cell in found if level == 2]
    return complaints + [
        f"{cell}: {problem}" for words, cell in sections if (problem := _section_problem(words, lesson))
    ]


def _section_problem(words: str, lesson: Lesson) -> str:
    numbered = re.match(r"(\d+)\.\d+ ", words)
    if not numbered:
        known = any(words.startswith(name) for name in UNMARKED)
        return "" if known else f"section {words!r} needs a number, or one of the names {UNMARKED}"
    if int(numbered[1]) != int(lesson.chapter):
        return f"section {words!r} has another chapter's number"
    return (
        ""
        if words.endswith((" · core", " · extra"))
        else f"section {words!r} must end with `· core` or `· extra`"
    )


def closing(lesson: Lesson) -> list[str]:
    """The chapter ends with what was measured and a recap."""
    found = [words for _, words, _ in headings(lesson)]
    return [
        f"has no section {name!r}"
        for name in UNMARKED[:2]
        if not any(words.startswith(name) for words in found)
    ]


def badges(lesson: Lesson, slug: str) -> list[str]:
    """The first cell opens this very notebook in Colab and Binder, from the one repository slug."""
    first = lesson.cells[0].source if lesson.cells else ""
    wanted = {
        "Colab": f"https://colab.research.google.com/github/{slug}/blob/main/notebooks/{lesson.name}",
        "Binder": f"https://mybinder.org/v2/gh/{slug}/main?labpath=notebooks%2F{lesson.name}",
    }
    return [
        f"the first cell lacks the {name} link {link}"
        for name, link in wanted.items()
        if f"({link})" not in first
    ]


def images_have_alt(lesson: Lesson) -> list[str]:
    """Pictures in Markdown say what they show."""
    return [
        f"{cell}: an image without alternative text"
        for cell in lesson.markdown()
        if re.search(r"!\[\s*\]\(", cell.source)
    ]


def local_links(lesson: Lesson, existing: Collection[str]) -> list[str]:
    """Links to other lessons lead to lessons that exist."""
    links = [
        (cell, link)
        for cell in lesson.markdown()
        for link in re.findall(r"\]\(([^):#]+)[^)]*\)", cell.source)
    ]
    return [
        f"{cell}: the link {link!r} leads nowhere"
        for cell, link in links
        if link not in existing and "http" not in link
    ]


def one_path_for_all_profiles(lesson: Lesson) -> list[str]:
    """No lesson branches on the profile: only the values of the settings differ."""
    compares = [
        (cell, node)
        for cell in lesson.code()
        for node in ast.walk(cell.tree)
        if isinstance(node, ast.Compare)
    ]
    return [
        f"{cell}: branches on the profile"
        for cell, node in compares
        if re.search(r"\bprofile\b", ast.unparse(node))
    ]


def safe_loading(lesson: Lesson) -> list[str]:
    """Nothing is unpickled and no remote code is trusted."""
    banned = r"\bpickle\.load|weights_only=False|trust_remote_code=True"
    return [f"{cell}: unsafe loading" for cell in lesson.code() if re.search(banned, ast.unparse(cell.tree))]
