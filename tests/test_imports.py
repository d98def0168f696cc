"""Importing the package is cheap, and the leaves stay leaves: `course` answers at once."""

from __future__ import annotations

import subprocess
import sys

import pytest

LEAVES = ["course_utils", "course_utils.settings", "course_utils.claims", "course_utils.data.assets"]
LEAVES += ["course_utils.exercises"]
HEAVY = ["torch", "torchvision", "sklearn", "matplotlib", "pandas", "ipywidgets", "IPython", "numpy"]


@pytest.mark.parametrize("module", LEAVES)
def test_a_leaf_imports_nothing_heavy(module):
    code = f"import sys, {module}; print(*sorted(set({HEAVY}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
