"""The exercises of chapter 01: neural network fundamentals."""

# ruff: noqa: D103 - worked answers and common mistakes are shown to learners as they would write them
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import nn

from course_utils.exercises.answers import Values, letter, numbers, same, shown, whole
from course_utils.exercises.exercise import Exercise, NotAttempted, NotYet, texts
from course_utils.exercises.trials import Raised, agree, call, call_any, copied, described, network

QUIZ = {
    "shape": ("b", "shapes: a matrix product joins the inner axes, (2, 3) @ (3, 4) → (2, 4)"),
    "broadcast": ("a", "broadcasting: the (3,) row is added to each of the 2 rows"),
    "dtype": ("c", "dtypes: torch.tensor([1, 2]) holds int64, division gives float32"),
    "gradient": ("b", "autograd: d(x²)/dx = 2x, which is 6 at x = 3"),
}


def examine_quiz(answers: Any) -> None:  # noqa: ANN401
    if not isinstance(answers, dict) or set(answers) != set(QUIZ):
        raise NotYet(f"expected a dict with the keys {', '.join(QUIZ)}, got {shown(answers)}")
    if all(answer is ... for answer in answers.values()):
        raise NotAttempted
    for name, answer in answers.items():
        if answer is ... or letter(answer) not in ("a", "b", "c"):
            raise NotYet(f"for {name!r} expected a letter, 'a', 'b' or 'c', got {shown(answer)}")
    wrong = [QUIZ[name][1] for name, answer in answers.items() if letter(answer) != QUIZ[name][0]]
    if wrong:
        raise NotYet("read in the primer about " + "; and about ".join(wrong))


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


def my_sigmoid_slope(z: torch.Tensor) -> torch.Tensor:
    sigmoid = 1 / (1 + torch.exp(-z))
    return sigmoid * (1 - sigmoid)


def examine_slope(answer: Any) -> None:  # noqa: ANN401
    z = torch.tensor([-6.0, -2.0, 0.0, 0.5, 3.0], dtype=torch.float64)
    expected = my_sigmoid_slope(z.clone())
    with torch.inference_mode():  # in here autograd finds no slope
        try:
            found = call(answer, z)
        except Raised as error:
            if "grad" in str(error):
                raise NotYet("write the slope as a formula: autograd is switched off here") from error
            found = [call(answer, one) for one in z]  # it may work for one number at a time
    same(found, expected, "for z = [-6, -2, 0, 0.5, 3] ")


def sigmoid_itself(z: torch.Tensor) -> torch.Tensor:
    return 1 / (1 + torch.exp(-z))


def tanh_slope(z: torch.Tensor) -> torch.Tensor:
    return 1 - torch.tanh(z) ** 2


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


def my_steps(examples: int, batch_size: int, epochs: int) -> int:
    return epochs * -(-examples // batch_size)


def drops_the_last_batch(examples: int, batch_size: int, epochs: int) -> int:
    return epochs * (examples // batch_size)


def rounds_at_the_end(examples: int, batch_size: int, epochs: int) -> int:
    return -(-examples * epochs // batch_size)


SIZES = ([3, 2], [784, 128, 64, 10], [10, 10, 10, 1], [2, 7, 1, 5, 3])
STEPS = ((640, 64, 1), (3200, 64, 10), (100, 64, 3), (130, 64, 4), (5, 10, 2))


def my_steps_healed(model: nn.Module, inputs: torch.Tensor, targets: torch.Tensor, steps: int) -> nn.Module:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(steps):
        loss = nn.functional.cross_entropy(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


def examine_healed(answer: Any) -> None:  # noqa: ANN401
    deep = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))
    cases = [
        (start, torch.randn(30, 4), torch.arange(30) % 3, n) for start, n in ((nn.Linear(4, 3), 5), (deep, 8))
    ]
    expected = [_weights(my_steps_healed(*copied(case))) for case in cases]
    for case, right in zip(cases, expected, strict=True):
        _compare_weights(_weights(network(call(answer, *case))), _weights(case[0]), right, case[3])


def _compare_weights(found: Values, before: Values, right: Values, steps: int) -> None:
    if len(found) != len(right):
        raise NotYet(f"expected the model that came in, of {len(right)} weights, got one of {len(found)}")
    if np.array_equal(found, before):
        raise NotYet(f"after {steps} steps no weight has moved: who takes the step?")
    worst = float(np.abs(found - right).max())
    if not worst <= 1e-5:  # NaN is wrong too
        raise NotYet(
            f"after {steps} steps of plain SGD a weight is {worst:.3g} away from where it should be, expected 0: "
            "do the gradients of the steps before still count?"
        )


def _weights(model: nn.Module) -> Values:
    """Return all weights of a model in one row."""
    return np.concatenate([np.empty(0), *(numbers(weight).ravel() for weight in model.parameters())])


def sick_steps(model: nn.Module, inputs: torch.Tensor, targets: torch.Tensor, steps: int) -> nn.Module:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(steps):
        loss = nn.functional.cross_entropy(model(inputs), targets)
        loss.backward()
        optimizer.step()
    return model


def steps_without_gradient(
    model: nn.Module, inputs: torch.Tensor, targets: torch.Tensor, steps: int
) -> nn.Module:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(steps):
        loss = nn.functional.cross_entropy(model(inputs), targets)
        loss.backward()
        optimizer.zero_grad()
        optimizer.step()
    return model


TEXTS = texts(__file__)
EXERCISES = {
    "1.0": Exercise(
        name="quiz",
        examine=examine_quiz,
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
        examine=examine_slope,
        answer=my_sigmoid_slope,
        mistakes=(
            (sigmoid_itself, "returns the function, not its slope"),
            (tanh_slope, "takes the derivative of tanh"),
        ),
        **TEXTS["1.2"],
    ),
    "1.3": Exercise(
        examine=partial(agree, reference=my_count, cases=[(sizes,) for sizes in SIZES], compare=whole),
        answer=my_count,
        mistakes=(
            (weights_only, "leaves out the biases"),
            (input_biases, "gives the input layer biases too, but it computes nothing"),
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
        examine=partial(agree, reference=my_steps, cases=STEPS, compare=whole),
        answer=my_steps,
        mistakes=(
            (drops_the_last_batch, "drops the ragged last batch, as DataLoader(drop_last=True) would"),
            (rounds_at_the_end, "lets batches run across the border between two epochs"),
        ),
        **TEXTS["1.5"],
    ),
    "1.6": Exercise(
        examine=examine_healed,
        answer=my_steps_healed,
        mistakes=(
            (sick_steps, "the patient as it was"),
            (
                steps_without_gradient,
                "clears the gradients between backward() and step(): nothing is left to step on",
            ),
        ),
        **TEXTS["1.6"],
    ),
}
