"""Exercises on a network that leaves its notebook: changed files, parity, eight bits, an answer with its confidence."""

# ruff: noqa: D103, ANN401 - worked answers and common mistakes are shown to learners as they would write them
import hashlib
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from course_utils.exercises.answers import pair, same, shown, whole
from course_utils.exercises.exercise import NotYet
from course_utils.exercises.trials import agree, call, described

Array = npt.NDArray[np.float64]


# --- 6.1: which files have changed ----------------------------------------------------------------------------


def my_changed_files(folder: Path, expected: dict[str, str]) -> list[str]:
    import hashlib  # so that it also runs where it is pasted over the stub

    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    return sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))


WHOLE = {"graph": b"\x08\x01graph", "labels": b"0 1 2", "notes": b"", "weights": bytes(range(256))}
CHANGES: tuple[tuple[str, dict[str, bytes | None]], ...] = (
    ("nothing was changed", {}),
    ("one byte of 'weights' was changed", {"weights": bytes(range(255)) + b"\0"}),
    ("'labels' is missing", {"labels": None}),
    ("'extra' was added", {"extra": b"0 1 2"}),
    ("an empty file 'a' was added", {"a": b""}),
    ("'weights' and 'graph' have changed places", {"weights": WHOLE["graph"], "graph": WHOLE["weights"]}),
    (
        "'a' and 'zero' were added, 'graph' is missing, 'notes' has grown",
        {"a": b"", "zero": b"", "graph": None, "notes": b"!"},
    ),
)
"""What happened to a folder, and the files that it changed; None removes one."""


def examine_changed_files(answer: Any) -> None:
    expected = {name: hashlib.sha256(data).hexdigest() for name, data in WHOLE.items()}
    for words, changes in CHANGES:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            for name, data in {**WHOLE, **changes}.items():
                if data is not None:
                    (folder / name).write_bytes(data)
            right = my_changed_files(folder, expected)
            found = call(answer, folder, expected)
        if isinstance(found, np.ndarray) and found.ndim == 1 and len(found) == len(right):
            found = found.tolist()
        if not isinstance(found, list | tuple) or list(found) != right:
            raise NotYet(f"where {words}: expected {right}, got {shown(found)}")


def looks_at_the_expected_only(folder: Path, expected: dict[str, str]) -> list[str]:
    return sorted(
        name
        for name, digest in expected.items()
        if not (folder / name).exists() or hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest
    )


def looks_at_the_folder_only(folder: Path, expected: dict[str, str]) -> list[str]:
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    return sorted(name for name, digest in found.items() if expected.get(name) != digest)


def compares_names(folder: Path, expected: dict[str, str]) -> list[str]:
    return sorted({path.name for path in folder.iterdir()} ^ set(expected))


# --- 6.2: parity ----------------------------------------------------------------------------------------------


def my_parity(first: Array, second: Array) -> tuple[float, float]:
    gap = np.abs(first - second).max()
    agreement = (first.argmax(axis=1) == second.argmax(axis=1)).mean()
    return float(gap), float(agreement)


def parity_cases() -> list[tuple[Array, Array]]:
    random = np.random.default_rng(0)
    scores = random.normal(size=(8, 5))
    below = scores.copy()
    below[3, 2] -= 2.5  # the largest difference is negative, and changes no answer of another row
    shifted = scores + 0.25  # every score moves, no answer does
    few = np.array([[1.0, 2.0, 0.0], [0.5, 0.1, 0.2]])
    swapped = np.array([[2.0, 1.0, 0.0], [0.5, 0.1, 0.2]])
    return [(scores, below), (below, scores), (scores, shifted), (few, swapped), (scores[:1], scores[:1])]


def examine_parity(answer: Any) -> None:
    for case in parity_cases():
        words = described(my_parity, case)
        gap, agreement = my_parity(*case)
        found = pair(call(answer, *case), "the largest difference", "the share that agrees")
        same(found[0], gap, f"{words}as the largest difference ")
        same(found[1], agreement, f"{words}as the share of rows that agree ")


def forgets_the_sign(first: Array, second: Array) -> tuple[float, float]:
    return float((first - second).max()), float((first.argmax(axis=1) == second.argmax(axis=1)).mean())


def difference_of_the_best(first: Array, second: Array) -> tuple[float, float]:
    gap = np.abs(first.max(axis=1) - second.max(axis=1)).max()
    return float(gap), float((first.argmax(axis=1) == second.argmax(axis=1)).mean())


def share_of_equal_scores(first: Array, second: Array) -> tuple[float, float]:
    return float(np.abs(first - second).max()), float(np.isclose(first, second).mean())


# --- 6.3: eight bits by hand ----------------------------------------------------------------------------------


def my_quantised(values: Array, low: float, high: float) -> Array:
    low, high = min(low, 0.0), max(high, 0.0)
    scale = (high - low) / 255
    zero_point = round(-low / scale)
    stored = np.clip(np.round(np.asarray(values) / scale) + zero_point, 0, 255)
    return np.asarray(scale * (stored - zero_point))


QUANTISED = (
    (np.array([-1.0, -0.35, 0.0, 0.21, 0.8]), -1.0, 0.8),
    (np.array([2.0, 2.6, 3.1, 4.9]), 2.0, 5.0),
    (np.array([-6.2, -4.0, -3.3]), -6.3, -3.0),
    (np.array([-3.0, -0.5, 0.4, 2.7, 9.0]), -0.7, 1.9),
    (np.array([0.0, 40.3, 254.2]), 0.0, 255.0),
)
"""Ranges around zero, above it, below it, one that cuts values off, and one with a scale of one."""


def examine_quantised(answer: Any) -> None:
    agree(answer, my_quantised, QUANTISED)


def leaves_zero_out(values: Array, low: float, high: float) -> Array:
    scale = (high - low) / 255
    zero_point = round(-low / scale)
    stored = np.clip(np.round(np.asarray(values) / scale) + zero_point, 0, 255)
    return np.asarray(scale * (stored - zero_point))


def never_cuts_off(values: Array, low: float, high: float) -> Array:
    scale = (max(high, 0.0) - min(low, 0.0)) / 255
    return np.asarray(scale * np.round(np.asarray(values) / scale))


def gives_the_stored(values: Array, low: float, high: float) -> Array:
    low, high = min(low, 0.0), max(high, 0.0)
    scale = (high - low) / 255
    return np.asarray(np.clip(np.round(np.asarray(values) / scale) + round(-low / scale), 0, 255))


# --- 6.4: class and confidence --------------------------------------------------------------------------------


def my_answer(logits: Array) -> tuple[int, float]:
    powers = np.exp(logits - logits.max())
    shares = powers / powers.sum()
    return int(shares.argmax()), float(shares.max())


ANSWERED = (
    (np.array([2.0, 1.0, 0.1]),),
    (np.array([-3.0, -1.0, -2.0, -8.0]),),
    (np.array([1000.0, 1001.0, 999.0]),),
    (np.array([-2000.0, -2001.0]),),
    (np.array([0.0, 1500.0, 0.0, -3.0]),),  # far from the mean and the smallest, too
    (np.array([0.0, 0.0, 0.5, 0.0, 0.0]),),
)


def examine_answer(answer: Any) -> None:
    for case in ANSWERED:
        words = described(my_answer, case)
        right = my_answer(*case)
        found = pair(call(answer, *case), "the class", "the confidence")
        whole(found[0], right[0], f"{words}as the class ")
        same(found[1], right[1], f"{words}as the confidence ")


def overflows(logits: Array) -> tuple[int, float]:
    with np.errstate(all="ignore"):
        shares = np.exp(logits) / np.exp(logits).sum()
    return int(logits.argmax()), float(shares.max())


def share_of_the_scores(logits: Array) -> tuple[int, float]:
    return int(logits.argmax()), float(logits.max() / logits.sum())


def one_class_alone(logits: Array) -> tuple[int, float]:
    return int(logits.argmax()), float(1 / (1 + np.exp(-logits.max())))
