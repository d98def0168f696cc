"""The exercises of chapter 01: neural network fundamentals."""

# ruff: noqa: D103 - worked answers and common mistakes are shown to learners as they would write them
import math
import re
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from course_utils.exercises import judging, loops
from course_utils.exercises.answers import numbers, same, shown, whole
from course_utils.exercises.exercise import Exercise, NotYet, texts
from course_utils.exercises.judging import DIAGNOSES, examine_letters
from course_utils.exercises.trials import Raised, agree, call_any, copied, described

QUIZ = {
    "shape": ("b", "shapes: a matrix product joins the inner axes, (2, 3) @ (3, 4) → (2, 4)"),
    "broadcast": ("a", "broadcasting: the (3,) row is added to each of the 2 rows"),
    "dtype": ("c", "dtypes: torch.tensor([1, 2]) holds int64, division gives float32"),
    "gradient": ("b", "autograd: d(x²)/dx = 2x, which is 6 at x = 3"),
}


def my_neuron(inputs: torch.Tensor, weights: torch.Tensor, bias: float) -> torch.Tensor:
    return torch.relu(inputs @ weights + bias)


def examine_neuron(answer: Any) -> None:  # noqa: ANN401
    rows = (
        ([1.0, 2.0], [3.0, -1.0], 0.5),
        ([1.0, 2.0], [-3.0, 1.0], 0.0),
        ([0.0, 0.0], [1.0, 1.0], 2.0),
        ([1.0, -2.0, 0.5], [-1.0, 1.0, 2.0], 2.5),
        ([2.0, 1.0, 3.0, -1.0], [1.0, 0.25, 2.0, -4.0], -1.5),
        ([1.0, 1.0, 1.0], [0.2, 0.3, -0.1], -0.6),
    )
    cases = [(torch.tensor(x), torch.tensor(w), bias) for x, w, bias in rows]
    expected = [my_neuron(*copied(case)) for case in cases]
    for (x, w, bias), right in zip(cases, expected, strict=True):
        found = call_any(answer, (x, w, bias), (x, w, torch.tensor(bias)))
        same(found, right, described(my_neuron, (x, w, bias)))


def forgot_bias(inputs: torch.Tensor, weights: torch.Tensor, bias: float) -> torch.Tensor:
    return torch.relu(inputs @ weights)


def bends_too_early(inputs: torch.Tensor, weights: torch.Tensor, bias: float) -> torch.Tensor:
    return torch.relu(inputs @ weights) + bias


def forgot_activation(inputs: torch.Tensor, weights: torch.Tensor, bias: float) -> torch.Tensor:
    return inputs @ weights + bias


def my_gradients(x: float, t: float, w1: float, b1: float, w2: float) -> tuple[float, float, float]:
    h = 1 / (1 + math.exp(-(w1 * x + b1)))
    y = w2 * h
    dL_dy = 2 * (y - t)
    dL_dw2 = dL_dy * h
    dL_dh = dL_dy * w2
    dL_db1 = dL_dh * h * (1 - h)
    dL_dw1 = dL_db1 * x
    return dL_dw1, dL_db1, dL_dw2


CHAINS = (
    (1.5, 0.4, 0.8, 0.2, -0.5),
    (-2.0, 1.0, 0.5, -1.0, 2.0),
    (0.5, -1.0, -3.0, 0.0, 1.5),
    (3.0, 0.0, 0.4, 1.0, 0.7),
)


def examine_gradients(answer: Any) -> None:  # noqa: ANN401
    expected = [my_gradients(*chain) for chain in CHAINS]
    for chain, right in zip(CHAINS, expected, strict=True):
        found = _without_autograd(answer, chain)
        slopes = numbers(found, "three slopes").tolist() if hasattr(found, "__array__") else found
        if not isinstance(slopes, tuple | list) or len(slopes) != 3:
            raise NotYet(f"expected three slopes, dL/dw1, dL/db1 and dL/dw2, got {shown(found)}")
        for name, slope, value in zip(("dL/dw1", "dL/db1", "dL/dw2"), slopes, right, strict=True):
            same(slope, value, f"{described(my_gradients, chain)}as {name} ")


def _without_autograd(answer: Any, chain: tuple[float, ...]) -> Any:  # noqa: ANN401
    with torch.inference_mode():  # in here autograd finds no slope
        try:
            return call_any(answer, chain, [torch.tensor(value) for value in chain])
        except Raised as error:
            if re.search("requires?[_ ]grad|inference", str(error)):
                raise NotYet("write the slopes as formulas: autograd is switched off here") from error
            raise


def slope_of_tanh(x: float, t: float, w1: float, b1: float, w2: float) -> tuple[float, float, float]:
    h = 1 / (1 + math.exp(-(w1 * x + b1)))
    dL_dy = 2 * (w2 * h - t)
    return dL_dy * w2 * (1 - h**2) * x, dL_dy * w2 * (1 - h**2), dL_dy * h


def forgot_the_slope(x: float, t: float, w1: float, b1: float, w2: float) -> tuple[float, float, float]:
    h = 1 / (1 + math.exp(-(w1 * x + b1)))
    dL_dy = 2 * (w2 * h - t)
    return dL_dy * w2 * x, dL_dy * w2, dL_dy * h


def my_count(sizes: list[int]) -> int:
    return sum((sizes[i] + 1) * sizes[i + 1] for i in range(len(sizes) - 1))


def weights_only(sizes: list[int]) -> int:
    return sum(before * after for before, after in pairwise(sizes))


def input_biases(sizes: list[int]) -> int:
    return sum(before * after for before, after in pairwise(sizes)) + sum(sizes)


def my_softmax(logits: torch.Tensor) -> torch.Tensor:
    shifted = logits - logits.max(dim=1, keepdim=True).values
    weights = torch.exp(shifted)
    return weights / weights.sum(dim=1, keepdim=True)


LOGITS = (
    [[0.0, 1.0, 2.0], [1.0, 1.0, 1.0]],
    [[-2.0, 0.5, 0.0, 3.0]],
    [[1000.0, 1001.0, 1002.0]],
    [[-1000.0, -1001.0], [1000.0, 1000.0], [3.0, -1000.0]],
)


def examine_softmax(answer: Any) -> None:  # noqa: ANN401
    agree(answer, my_softmax, [(torch.tensor(rows),) for rows in LOGITS], _same_softmax)


def _same_softmax(found: Any, expected: torch.Tensor, case: str) -> None:  # noqa: ANN401
    spoiled = not np.isfinite(numbers(found, f"numbers {case}".strip())).all()
    advice = "exp overflows, or every exp of a row becomes 0" if spoiled else "each row must add up to 1"
    same(found, expected, case, advice=advice)


def overflowing_softmax(logits: torch.Tensor) -> torch.Tensor:
    return torch.exp(logits) / torch.exp(logits).sum(dim=1, keepdim=True)


def softmax_over_the_batch(logits: torch.Tensor) -> torch.Tensor:
    return torch.softmax(logits, dim=0)


def one_maximum_for_all(logits: torch.Tensor) -> torch.Tensor:
    weights = torch.exp(logits - logits.max())
    return weights / weights.sum(dim=1, keepdim=True)


SIZES = ([3, 2], [784, 128, 64, 10], [10, 10, 10, 1], [2, 7, 1, 5, 3])
TEXTS = texts(__file__)
EXERCISES = {
    "1.0": Exercise(
        name="quiz",
        examine=partial(examine_letters, right=QUIZ, options="abc", words="read in the primer about "),
        answer={name: letter for name, (letter, _) in QUIZ.items()},
        mistakes=(
            (
                {"shape": "a", "broadcast": "a", "dtype": "c", "gradient": "b"},
                "reads @ as an element-wise product",
            ),
            (
                {"shape": "b", "broadcast": "a", "dtype": "a", "gradient": "b"},
                "expects integer division, as // does",
            ),
        ),
        **TEXTS["1.0"],
    ),
    "1.1": Exercise(
        examine=examine_neuron,
        answer=my_neuron,
        mistakes=(
            (forgot_bias, "without the bias the neuron is stuck at zero for an input of zeros"),
            (bends_too_early, "bends before the bias is added: a bias can no longer lift a negative sum"),
            (forgot_activation, "without the activation it is a linear map: negative values pass"),
        ),
        **TEXTS["1.1"],
    ),
    "1.2": Exercise(
        examine=examine_gradients,
        answer=my_gradients,
        mistakes=(
            (slope_of_tanh, "takes the slope of tanh, as in the lesson's chain"),
            (forgot_the_slope, "walks past the bend: the slope of the sigmoid is left out"),
        ),
        **TEXTS["1.2"],
    ),
    "1.3": Exercise(
        examine=loops.examine_batches,
        answer=loops.my_batches,
        mistakes=(
            (loops.in_the_old_order, "does not shuffle: in a sorted file a batch then holds one class"),
            (loops.drops_the_rest, "drops the ragged last batch, as DataLoader(drop_last=True) would"),
            (loops.draws_with_replacement, "draws with replacement: some examples come twice, others never"),
        ),
        **TEXTS["1.3"],
    ),
    "1.4": Exercise(
        examine=examine_softmax,
        answer=my_softmax,
        mistakes=(
            (overflowing_softmax, "the textbook formula: NaN for large logits"),
            (one_maximum_for_all, "one maximum for the whole batch: the other rows become 0 / 0"),
            (softmax_over_the_batch, "normalises over the examples instead of the classes"),
        ),
        **TEXTS["1.4"],
    ),
    "1.5": Exercise(
        examine=loops.examine_train,
        answer=loops.my_train,
        mistakes=(
            (loops.mean_of_batch_means, "the mean of the batches' means: a small last batch counts too much"),
            (loops.train_without_train, "never calls model.train(): a model in evaluation mode stays there"),
        ),
        **TEXTS["1.5"],
    ),
    "1.6": Exercise(
        name="curves",
        examine=partial(examine_letters, right=DIAGNOSES, options="abcd", words="look again at "),
        answer={name: letter for name, (letter, _) in DIAGNOSES.items()},
        mistakes=(
            (
                {"A": "c", "B": "a", "C": "d", "D": "b", "E": "c"},
                "takes any gap between the curves for overfitting",
            ),
            ({"A": "d", "B": "a", "C": "d", "D": "b", "E": "d"}, "looks at the training loss alone"),
        ),
        **TEXTS["1.6"],
    ),
    "1.7": Exercise(
        examine=judging.examine_verdict,
        answer=judging.my_verdict,
        mistakes=(
            (judging.by_the_means, "names a winner whenever two means differ"),
            (judging.by_two_intervals, "compares two intervals and throws the pairing away"),
        ),
        **TEXTS["1.7"],
    ),
    "1.8": Exercise(
        examine=judging.examine_calibration,
        answer=judging.my_calibration_error,
        mistakes=(
            (judging.one_bin_for_all, "one bin for all: too sure here and too modest there cancel"),
            (judging.bins_of_equal_weight, "gives a bin with two digits the weight of one with hundreds"),
        ),
        **TEXTS["1.8"],
    ),
    "1.9": Exercise(
        examine=partial(agree, reference=my_count, cases=[(sizes,) for sizes in SIZES], compare=whole),
        answer=my_count,
        mistakes=(
            (weights_only, "leaves out the biases"),
            (input_biases, "gives the input layer biases too, but it computes nothing"),
        ),
        **TEXTS["1.9"],
    ),
    "1.10": Exercise(
        examine=partial(agree, reference=loops.my_steps, cases=loops.STEPS, compare=whole),
        answer=loops.my_steps,
        mistakes=(
            (loops.drops_the_last_batch, "drops the ragged last batch, as DataLoader(drop_last=True) would"),
            (loops.rounds_at_the_end, "lets batches run across the border between two epochs"),
        ),
        **TEXTS["1.10"],
    ),
    "1.11": Exercise(
        examine=loops.examine_healed,
        answer=loops.my_steps_healed,
        mistakes=(
            (loops.sick_steps, "the patient as it was"),
            (
                loops.steps_without_gradient,
                "clears the gradients between backward() and step(): nothing is left to step on",
            ),
        ),
        **TEXTS["1.11"],
    ),
}
