"""Call a learner's function, and compare it with ours case by case.

What we expect is computed first, the learner's function gets copies, and torch and NumPy are left as they were.
"""

from __future__ import annotations

import contextlib
import copy
import inspect
import random
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from course_utils.exercises.answers import Values, form, numbers, said, same, shown
from course_utils.exercises.exercise import NotAttempted, NotYet, is_stub


class Raised(NotYet):
    """The learner's function does not take these inputs: it stopped with an error."""


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Run with gradients, float32 and seeds of its own; leave torch, NumPy and warnings as they were before."""
    dtype, device, threads = torch.get_default_dtype(), torch.get_default_device(), torch.get_num_threads()
    deterministic = torch.are_deterministic_algorithms_enabled()
    python, numpy = random.getstate(), np.random.get_state()
    gpus = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    try:
        with (
            warnings.catch_warnings(),
            np.errstate(all="ignore"),
            torch.random.fork_rng(gpus),
            torch.enable_grad(),
        ):
            warnings.simplefilter("ignore")
            torch.set_default_dtype(torch.float32)
            torch.manual_seed(0)
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_default_dtype(dtype)
        torch.use_deterministic_algorithms(deterministic)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        if torch.get_default_device() != device:
            torch.set_default_device(None if device.type == "cpu" else device)


def copied(value: Any) -> Any:  # noqa: ANN401
    """Return a copy that shares no memory, also of tensors that belong to a graph."""
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    if type(value) in (list, tuple):
        return type(value)(copied(part) for part in value)
    return copy.deepcopy(value)


def call(function: Any, *inputs: Any) -> Any:  # noqa: ANN401 - a learner's function takes and gives anything
    """Call a learner's function with copies of the inputs; a stub and an error become verdicts.

    Raises:
        NotAttempted: If it returns `...`.
        NotYet: If it is no function, takes another number of inputs, returns nothing, or raises.
    """
    if is_stub(function):
        raise NotAttempted
    if not callable(function):
        raise NotYet(f"expected a function, got {shown(function)}: pass its name, without parentheses")
    _takes(function, len(inputs))
    case = " for " + ", ".join(shown(value) for value in inputs) if inputs else ""
    try:
        with undisturbed():
            result = function(*(copied(value) for value in inputs))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # also an exit() inside of it
        raise Raised(f"your function raised {said(error)}{case}") from error
    return _returned(result, case)


def _takes(function: Callable[..., Any], count: int) -> None:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some built-in functions do not tell
        return
    try:
        signature.bind(*range(count))
    except TypeError as error:
        raise NotYet(
            f"expected a function of {count} inputs, as in the stub; yours takes {signature}"
        ) from error


def _returned(result: Any, case: str) -> Any:  # noqa: ANN401
    if inspect.iscoroutine(result):
        result.close()
        raise NotYet("expected a plain function, got an `async` one")
    if is_stub(result):
        raise NotAttempted
    if result is None:
        raise NotYet(f"your function returned None{case}: does it end with `return`?")
    if isinstance(result, Iterator):
        kind = type(result).__name__
        raise NotYet(f"your function returned a {kind}{case}: return its values, e.g. as a list")
    return result


def call_any(function: Any, *forms: Sequence[Any]) -> Any:  # noqa: ANN401
    """Call a learner's function with the first of several equal forms of the inputs that it takes."""
    for inputs in forms[:-1]:
        with contextlib.suppress(Raised):
            return call(function, *inputs)
    return call(function, *forms[-1])


def agree(
    answer: Any,  # noqa: ANN401
    reference: Callable[..., Any],
    cases: Sequence[Sequence[Any]],
    compare: Callable[..., None] = same,
    **how: Any,  # noqa: ANN401
) -> None:
    """Compare a learner's function with ours on every case; ours computes all its values first.

    Args:
        answer: The learner's function.
        reference: Ours.
        cases: The inputs of each call.
        compare: Takes what came, what was expected and words for the case.
        how: More for `compare`.

    Raises:
        NotAttempted: If the stub is still there.
        NotYet: At the first case on which they differ.
    """
    expected = [reference(*copied(list(case))) for case in cases]
    for case, right in zip(cases, expected, strict=True):
        compare(call(answer, *case), right, described(reference, case), **how)


def described(function: Callable[..., Any], case: Sequence[Any]) -> str:
    """Return the inputs with their names: `for size 28, kernel 3 `."""
    names = inspect.signature(function).parameters
    return "for " + ", ".join(f"{name} {shown(value)}" for name, value in zip(names, case, strict=True)) + " "


def network(value: Any, case: str = "") -> nn.Module:  # noqa: ANN401
    """Return the network that a learner's function gave.

    Raises:
        NotYet: If it is none.
    """
    if not isinstance(value, nn.Module):
        raise NotYet(f"{case}expected a network, got {shown(value)}: does your function return it?")
    return value


def outputs(model: nn.Module, inputs: torch.Tensor, shape: tuple[int, ...]) -> Values:
    """Return what a learner's network makes of inputs, in evaluation mode.

    Raises:
        NotYet: If it stops, or answers in another shape or with something that is not finite.
    """
    case = f"on inputs of shape {tuple(inputs.shape)}"
    try:
        with undisturbed(), torch.no_grad():
            like = next(model.parameters(), inputs)
            found = model.eval()(inputs.to(like.device, like.dtype, copy=True))
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise NotYet(f"{case} the network stops: {said(error)}") from error
    if not isinstance(found, torch.Tensor) or tuple(found.shape) != shape:
        raise NotYet(f"{case} expected outputs of shape {shape}, got {form(found)}")
    values = numbers(found)
    if not np.isfinite(values).all():
        raise NotYet(f"{case} expected numbers, got some that are infinite or not a number")
    return values
