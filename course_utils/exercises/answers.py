"""One converter and the comparers: whatever a learner's answer comes as, it becomes numbers and a verdict."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from course_utils.exercises.exercise import NotYet

Values = npt.NDArray[np.float64]
MOST = 10_000_000  # numbers in one answer; more is a mistake, and could fill the memory


def numbers(value: Any, what: str = "numbers") -> Values:  # noqa: ANN401
    """Return Python numbers, lists, tuples, NumPy and tensors, also mixed, as one array.

    Args:
        value: What came.
        what: What was expected, for the message.

    Raises:
        NotYet: If it holds anything but numbers, or is ragged, or far too large.
    """
    try:
        return _numbers(value, what, 8)
    except NotYet:
        raise
    except Exception as error:  # a giant number, a list that holds itself, an object that refuses
        raise NotYet(f"expected {what}, got {shown(value)}, which cannot be read ({said(error)})") from error


def _numbers(value: Any, what: str, depth: int) -> Values:  # noqa: ANN401
    if isinstance(value, torch.Tensor | np.ndarray | np.generic):
        return _from_array(value, what)
    if isinstance(value, Real | Decimal):
        return np.asarray(float(value))
    if isinstance(value, list | tuple | range) and depth:
        return _from_parts(value, what, depth)
    if hasattr(value, "__array__") and not isinstance(value, type):  # a pandas Series
        return _from_array(np.asarray(value), what)
    open_still = " (one value is still `...`)" if value is ... else ""
    raise NotYet(f"expected {what}, got {shown(value)}{open_still}")


def _from_array(value: Any, what: str) -> Values:  # noqa: ANN401
    if int(np.prod(value.shape, dtype=np.float64)) > MOST:
        raise NotYet(f"expected {what}, got a block of shape {tuple(value.shape)}, far too large")
    if isinstance(value, torch.Tensor):
        if value.is_complex() or value.device.type == "meta":
            raise NotYet(f"expected {what}, got a tensor of {value.dtype} on {value.device.type}")
        return np.asarray(value.detach().to_dense().cpu().double().numpy(), dtype=np.float64)
    if value.dtype.kind == "O":
        return _numbers(value.tolist(), what, 8)
    if value.dtype.kind not in "biuf":
        raise NotYet(f"expected {what}, got an array of {value.dtype}")
    return np.asarray(value, dtype=np.float64)


def _from_parts(value: Sequence[Any], what: str, depth: int) -> Values:
    if len(value) > MOST:
        raise NotYet(f"expected {what}, got {len(value):,} values")
    if all(type(part) in (int, float) for part in value):
        return np.array(value, dtype=np.float64)
    parts = [_numbers(part, what, depth - 1) for part in value]
    if len({part.shape for part in parts}) > 1:
        raise NotYet(f"expected {what}, got rows of different lengths: {shown(value)}")
    return np.stack(parts)


# --- Comparing --------------------------------------------------------------------------------------------


def same(found: Any, expected: Any, case: str, *, advice: str = "") -> None:  # noqa: ANN401
    """Compare numbers within what float32 can hold: one part in ten thousand, or a millionth.

    Args:
        found: The learner's, in any form; a single number may come in brackets.
        expected: Ours, in any form.
        case: For which input, e.g. `"for sizes [3, 2] "`.
        advice: Said when the shape is right and the numbers are not.

    Raises:
        NotYet: If they differ; it says where.
    """
    right = numbers(expected)
    got = numbers(found, f"numbers {case}".strip(" :,"))
    if got.shape != right.shape and not (got.size == right.size == 1):
        raise NotYet(f"{case}expected {form(right)}, got {form(got)}")
    got = got.reshape(right.shape)
    wrong = ~np.isclose(got, right, rtol=1e-4, atol=1e-6)
    if wrong.any():
        raise NotYet(f"{case}{_difference(got, right, wrong)}{advice and ': '}{advice}")


def _difference(got: Values, right: Values, wrong: npt.NDArray[np.bool_]) -> str:
    if right.size <= 6:
        return f"expected {plain(right)}, got {plain(got)}"
    place = tuple(int(axis[0]) for axis in np.nonzero(wrong))
    at = ", ".join(map(str, place))
    return f"expected {plain(right[place])} at [{at}], got {plain(got[place])}"


def whole(found: Any, expected: int, case: str) -> None:  # noqa: ANN401
    """Compare a count, which may also come as `12.0` or in an array of one.

    Raises:
        NotYet: If it is another one, or none.
    """
    got = numbers(found, f"a whole number {case}".strip())
    if isinstance(found, bool) or got.size != 1 or not abs(float(got.ravel()[0]) - expected) <= 1e-3:
        raise NotYet(f"{case}expected {expected:,}, got {shown(found)}")


def letter(value: object) -> str:
    """Return the letter that is meant by `"b"`, `" B "`, `"b)"` or `"(b) both"`; nothing by `"b or c"` or no letter."""
    alone = r"\W*([a-z])(?![a-z])(?!\W*(?:[,/|&+]|\bor\b|\band\b)\s*[a-z]\W*$)"
    found = re.match(alone, value.lower()) if isinstance(value, str) else None
    return found[1] if found else ""


def pair(found: Any, first: str, second: str) -> tuple[Any, Any]:  # noqa: ANN401
    """Return the two things that were asked for; two numbers may also come in an array.

    Raises:
        NotYet: If these are not two.
    """
    if isinstance(found, np.ndarray | torch.Tensor) and tuple(found.shape) == (2,):
        found = list(found)
    if not isinstance(found, tuple | list) or len(found) != 2:
        raise NotYet(f"expected two things, {first} and {second}, got {shown(found)}")
    return found[0], found[1]


# --- Words ------------------------------------------------------------------------------------------------


def shown(value: object) -> str:
    """Return a value on one line, cut if it is long."""
    try:
        if isinstance(value, torch.Tensor | np.ndarray):
            small = value.size if isinstance(value, np.ndarray) else value.numel()
            return plain(numbers(value)) if 0 < small <= 12 and _real(value) else form(value)
        bare = value.item() if isinstance(value, np.generic) else value
        text = " ".join(repr(bare).split())
    except Exception:  # a learner's class may not be able to show itself
        text = f"a {type(value).__name__}"
    return text if len(text) <= 80 else f"{text[:77]}…"


def _real(value: torch.Tensor | npt.NDArray[Any]) -> bool:
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "biuf"
    return not value.is_complex() and value.device.type != "meta" and value.layout == torch.strided


def form(value: object) -> str:
    """Return the shape of a block of numbers, or the kind of anything else."""
    if isinstance(value, torch.Tensor | np.ndarray):
        return "a single number" if value.ndim == 0 else f"shape {tuple(value.shape)}"
    return shown(value)


def plain(values: npt.ArrayLike) -> str:
    """Return numbers as one writes them, in nested brackets."""
    block = np.asarray(values, dtype=np.float64)
    return f"{float(block):.6g}" if block.ndim == 0 else f"[{', '.join(plain(part) for part in block)}]"


def said(error: BaseException) -> str:
    """Return the kind and the first line of an error."""
    try:
        first = str(error).strip().splitlines()[:1]
    except Exception:
        first = []
    return ": ".join([type(error).__name__, *first])[:300]
