"""The package keeps to the design: leaves, layers, no circle of imports, modules to read in one sitting."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from course_utils import ROOT

PACKAGE = ROOT / "course_utils"
LONGEST_MODULE, LONGEST_FUNCTION_P90 = 300, 22


def module_name(file: Path, package: Path = PACKAGE) -> str:
    """Return the dotted name of a module."""
    parts = file.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(file): file for file in sorted(PACKAGE.rglob("*.py"))}


def imported(file: Path) -> set[str]:
    """Return the full names of all that a module imports, at its top or later."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


GRAPH = {
    name: {other for other in imported(file) if other in FILES and other != name}
    for name, file in FILES.items()
}
"""What each module imports of the package. A name taken from the package's own top is no import of a layer."""


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Return a circle of imports, or an empty list."""
    try:
        TopologicalSorter({name: others - {"course_utils"} for name, others in graph.items()}).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


TOOLS_NEVER = r"torch|torchvision|course_utils\.(models|training|plotting|widgets|runtime|recipes|serving)"
LESSONS_NEVER = r"nbformat|papermill|nbconvert|course_utils\.tools"
APART = ("models", "plotting", "serving")
LEAVES = {  # and what of the package each may import
    "course_utils.settings": {"course_utils"},
    "course_utils.claims": {"course_utils"},
    "course_utils.data.assets": {"course_utils", "course_utils.data", "course_utils.data.catalogue"}
    | {"course_utils.data.sources"},
    "course_utils.exercises.grading": {"course_utils", "course_utils.exercises"}
    | {f"course_utils.exercises.{name}" for name in ("exercise", "answers", "trials")},  # two when it judges
}
HEAVY = ["torch", "torchvision", "sklearn", "matplotlib", "pandas", "ipywidgets", "IPython", "numpy"]


def forbidden(name: str, names: set[str]) -> list[str]:
    """Return what a module must not import of the names that it does."""
    part = name.split(".")[1] if "." in name else ""
    never = [TOOLS_NEVER if part == "tools" else LESSONS_NEVER]
    never += [rf"course_utils\.{other}" for other in APART if part in APART and other != part]
    return sorted(other for other in names for pattern in never if re.match(rf"({pattern})(\.|$)", other))


@pytest.mark.parametrize("name", FILES)
def test_layers(name):
    assert forbidden(name, imported(FILES[name])) == []


@pytest.mark.parametrize(
    ("name", "other", "is_so"),
    [
        ("course_utils.tools.cli", "torch.nn", True),
        ("course_utils.tools.execution.run", "course_utils.training", True),
        ("course_utils.models.cnn", "course_utils.plotting", True),
        ("course_utils.plotting", "course_utils.models.cnn", True),
        ("course_utils.training", "course_utils.tools.cli", True),
        ("course_utils.plotting", "course_utils.training", False),
        ("course_utils.tools.cli", "course_utils.claims", False),
        ("course_utils.tools.cli", "torchless", False),
    ],
)
def test_a_planted_import_is_found(name, other, is_so):
    assert bool(forbidden(name, {other})) == is_so


def test_no_circle_of_imports():
    assert circle(GRAPH) == []


def test_a_planted_circle_is_found():
    assert set(circle({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}})) == {"a", "b", "c"}


@pytest.mark.parametrize("name", LEAVES)
def test_leaves_import_leaves_only(name):
    assert GRAPH[name] <= LEAVES[name]


@pytest.mark.parametrize("module", ["course_utils", *LEAVES])
def test_a_leaf_loads_nothing_heavy(module):
    code = f"import sys, {module}; print(*sorted(set({HEAVY}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_command_answers_without_torch_and_papermill():
    code = "import sys, course_utils.tools.cli; print(*sorted({'torch', 'papermill'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("name", FILES)
def test_a_module_can_be_read_in_one_sitting(name):
    assert len(FILES[name].read_text(encoding="utf-8").splitlines()) <= LONGEST_MODULE


def test_functions_are_short():
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in FILES.values()]
    functions = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    assert statistics.quantiles(map(length, functions), n=10)[-1] <= LONGEST_FUNCTION_P90


def length(function: ast.FunctionDef) -> int:
    """Return the lines of a function without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return body[-1].end_lineno - body[0].lineno + 2 if body else 1  # and the line of its name


CHAPTER_FILES = re.compile(r"chapter_0\d|\b0[1-8]_[a-z]")


@pytest.mark.parametrize("name", [name for name in FILES if not re.search(r"chapter_\d\d", name)])
def test_only_a_chapters_own_modules_name_it(name):
    """Adding a chapter edits no list: commands, suites and examiners find it."""
    tree = ast.parse(FILES[name].read_text(encoding="utf-8"))
    documented = {
        ast.get_docstring(n, clean=False)
        for n in ast.walk(tree)
        if isinstance(n, ast.Module | ast.FunctionDef | ast.ClassDef)
    }
    texts = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    assert [text for text in texts if text not in documented and CHAPTER_FILES.search(text)] == []
