"""The exercises of chapter 01: neural network fundamentals."""

# ruff: noqa: D103 - worked answers and common mistakes are shown to learners as they would write them
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from course_utils.exercises.grading import Exercise, NotAttempted, NotYet, call

QUIZ = {
    "shape": ("b", "shapes: a matrix product joins the inner axes, (2, 3) @ (3, 4) → (2, 4)"),
    "broadcast": ("a", "broadcasting: the (3,) row is added to each of the 2 rows"),
    "dtype": ("c", "dtypes: torch.tensor([1, 2]) holds int64, division gives float32"),
    "gradient": ("b", "autograd: d(x²)/dx = 2x, which is 6 at x = 3"),
}


def examine_quiz(answers: Any) -> None:  # noqa: ANN401
    if not isinstance(answers, dict) or set(answers) != set(QUIZ):
        raise NotYet(f"expected a dict with the keys {', '.join(QUIZ)}, got {answers!r}")
    if all(answer is ... for answer in answers.values()):
        raise NotAttempted
    wrong = [QUIZ[name][1] for name, answer in answers.items() if str(answer).lower() != QUIZ[name][0]]
    if wrong:
        raise NotYet("read in the primer about " + "; and about ".join(wrong))


def _close(found: Any, expected: torch.Tensor, for_what: str) -> None:  # noqa: ANN401
    """Compare a learner's numbers with the expected ones."""
    try:
        found = torch.as_tensor(found, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError) as error:
        raise NotYet(f"for {for_what} expected numbers, got {type(found).__name__}") from error
    if found.shape != expected.shape:
        raise NotYet(f"for {for_what} expected shape {tuple(expected.shape)}, got {tuple(found.shape)}")
    if not torch.allclose(found, expected.double(), atol=1e-5):
        raise NotYet(f"for {for_what} expected {_plain(expected)}, got {_plain(found)}")


def _same_number(found: Any, expected: int) -> bool:  # noqa: ANN401
    try:
        return bool(found == expected)
    except (RuntimeError, ValueError):  # an array or a tensor of several values
        return False


def _plain(values: torch.Tensor) -> str:
    return str([round(value, 4) for value in values.flatten().tolist()])


def neuron(inputs: torch.Tensor, weights: torch.Tensor, bias: float) -> torch.Tensor:
    return torch.relu(inputs @ weights + bias)


def examine_neuron(answer: Any) -> None:  # noqa: ANN401
    cases = [([1.0, 2.0], [3.0, -1.0], 0.5), ([1.0, 2.0], [-3.0, 1.0], 0.0), ([0.0, 0.0], [1.0, 1.0], 2.0)]
    for inputs, weights, bias in cases:
        x, w = torch.tensor(inputs), torch.tensor(weights)
        expected = neuron(x, w, bias)
        _close(call(answer, x, w, bias), expected, f"inputs {inputs}, weights {weights}, bias {bias}")


def forgot_bias(inputs: torch.Tensor, weights: torch.Tensor, bias: float) -> torch.Tensor:
    return torch.relu(inputs @ weights)


def forgot_activation(inputs: torch.Tensor, weights: torch.Tensor, bias: float) -> torch.Tensor:
    return inputs @ weights + bias


def sigmoid_slope(z: torch.Tensor) -> torch.Tensor:
    sigmoid = 1 / (1 + torch.exp(-z))
    return sigmoid * (1 - sigmoid)


def examine_slope(answer: Any) -> None:  # noqa: ANN401
    z = torch.tensor([-2.0, 0.0, 3.0], dtype=torch.float64)
    _close(call(answer, z.clone()), sigmoid_slope(z), "z = [-2, 0, 3]")


def sigmoid_itself(z: torch.Tensor) -> torch.Tensor:
    return 1 / (1 + torch.exp(-z))


def tanh_slope(z: torch.Tensor) -> torch.Tensor:
    return 1 - torch.tanh(z) ** 2


def count_parameters(sizes: list[int]) -> int:
    return sum(before * after + after for before, after in pairwise(sizes))


def examine_count(answer: Any) -> None:  # noqa: ANN401
    for sizes in ([3, 2], [784, 128, 64, 10], [10, 10, 10, 1]):
        layers = [nn.Linear(before, after) for before, after in pairwise(sizes)]
        expected = sum(weight.numel() for layer in layers for weight in layer.parameters())
        found = call(answer, sizes)
        if not _same_number(found, expected):
            raise NotYet(f"for layers of sizes {sizes} expected {expected:,}, got {found!r}")


def weights_only(sizes: list[int]) -> int:
    return sum(before * after for before, after in pairwise(sizes))


def input_biases(sizes: list[int]) -> int:
    return sum(before * after for before, after in pairwise(sizes)) + sum(sizes)


def softmax(logits: torch.Tensor) -> torch.Tensor:
    shifted = logits - logits.max(dim=1, keepdim=True).values
    weights = torch.exp(shifted)
    return weights / weights.sum(dim=1, keepdim=True)


def examine_softmax(answer: Any) -> None:  # noqa: ANN401
    small = torch.tensor([[0.0, 1.0, 2.0], [1.0, 1.0, 1.0]])
    _close(call(answer, small.clone()), torch.softmax(small, dim=1), "logits [[0, 1, 2], [1, 1, 1]]")
    large = torch.tensor([[1000.0, 1001.0, 1002.0]])
    found = torch.as_tensor(call(answer, large.clone()))
    if not torch.isfinite(found).all():
        raise NotYet(
            f"for logits [[1000, 1001, 1002]] expected finite numbers, got {found.tolist()}: exp overflows"
        )
    _close(found, torch.softmax(large, dim=1), "logits [[1000, 1001, 1002]]")


def overflowing_softmax(logits: torch.Tensor) -> torch.Tensor:
    return torch.exp(logits) / torch.exp(logits).sum(dim=1, keepdim=True)


def softmax_over_the_batch(logits: torch.Tensor) -> torch.Tensor:
    return torch.softmax(logits, dim=0)


def gradient_steps(examples: int, batch_size: int, epochs: int) -> int:
    return epochs * -(-examples // batch_size)


def examine_steps(answer: Any) -> None:  # noqa: ANN401
    for examples, batch_size, epochs in ((640, 64, 1), (3200, 64, 10), (100, 64, 3), (5, 10, 2)):
        expected = epochs * len(range(0, examples, batch_size))
        found = call(answer, examples, batch_size, epochs)
        if not _same_number(found, expected):
            raise NotYet(
                f"for {examples} examples, batch size {batch_size}, {epochs} epochs expected {expected}, got {found!r}"
            )


def drops_the_last_batch(examples: int, batch_size: int, epochs: int) -> int:
    return epochs * (examples // batch_size)


def rounds_at_the_end(examples: int, batch_size: int, epochs: int) -> int:
    return -(-examples * epochs // batch_size)


def healthy_steps(model: nn.Module, inputs: torch.Tensor, targets: torch.Tensor, steps: int) -> nn.Module:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(steps):
        loss = nn.functional.cross_entropy(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


def examine_healed(answer: Any) -> None:  # noqa: ANN401
    torch.manual_seed(0)
    inputs, targets = torch.randn(30, 4), torch.arange(30) % 3
    start = nn.Linear(4, 3)
    expected, found = (_trained(function, start, inputs, targets) for function in (healthy_steps, answer))
    if not isinstance(found, nn.Module):
        raise NotYet(f"expected the trained model, got {type(found).__name__}: return the model")
    before, right, weights = (_weights(model) for model in (start, expected, found))
    if len(weights) != len(right):
        raise NotYet(f"expected the model that came in, of {len(right)} weights, got one of {len(weights)}")
    if torch.equal(weights, before):
        raise NotYet("after 5 steps no weight has moved: who takes the step?")
    worst = float((weights - right).abs().max())
    if not worst <= 1e-5:  # NaN is wrong too
        raise NotYet(
            f"after 5 steps of plain SGD a weight is {worst:.3f} away from where it should be: "
            "do the gradients of the steps before still count?"
        )


def _weights(model: nn.Module) -> torch.Tensor:
    """Return all weights of a model in one row."""
    return torch.cat([torch.empty(0), *(weight.detach().flatten() for weight in model.parameters())])


def _trained(
    function: Callable[..., Any], start: nn.Linear, inputs: torch.Tensor, targets: torch.Tensor
) -> Any:  # noqa: ANN401
    model = nn.Linear(4, 3)
    model.load_state_dict(start.state_dict())
    return call(function, model, inputs, targets, 5)


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


EXERCISES = {
    "1.0": Exercise(
        title="Are you ready?",
        examine=examine_quiz,
        answer={name: letter for name, (letter, _) in QUIZ.items()},
        hints=("Each question is one cell of the primer below: run it there and look.",),
        reasoning="; ".join(reason for _, reason in QUIZ.values()) + ".",
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
        notes="Four minutes. Whoever misses two should work through the primer before 1.2; the others may skip it.",
    ),
    "1.1": Exercise(
        title="A neuron by hand",
        examine=examine_neuron,
        answer=neuron,
        hints=(
            "Multiply each input by its weight, add the products, then the bias.",
            "`inputs @ weights` is that sum of products.",
            "ReLU is the last step: `torch.relu(...)` or `.clamp(min=0)`.",
        ),
        reasoning="A neuron is a weighted sum plus a bias, bent by an activation: max(0, w·x + b).",
        mistakes=(
            (forgot_bias, "without the bias the neuron is stuck at zero for an input of zeros"),
            (forgot_activation, "without the activation it is a linear map: negative values pass"),
        ),
        notes="Ask what the neuron can tell apart: a half-space. Draw the line w·x + b = 0 for two inputs.",
    ),
    "1.2": Exercise(
        title="The slope of the sigmoid",
        examine=examine_slope,
        answer=sigmoid_slope,
        hints=(
            "Write the sigmoid first: 1 / (1 + exp(-z)).",
            "Its derivative can be written with the sigmoid alone: s · (1 − s).",
        ),
        reasoning="With s = 1/(1+e^(−z)), the chain rule gives e^(−z)·s² = s·(1−s). It is at most a quarter, at z = 0: "
        "ten sigmoid layers shrink a gradient by at least a quarter to the tenth.",
        mistakes=(
            (sigmoid_itself, "returns the function, not its slope"),
            (tanh_slope, "takes the derivative of tanh"),
        ),
        notes="Leads to vanishing gradients (chapters 3 and 7): ask what ten layers make of it.",
    ),
    "1.3": Exercise(
        title="Count the parameters",
        examine=examine_count,
        answer=count_parameters,
        hints=(
            "A layer from m to n values has a weight for every pair: m · n.",
            "And one bias for each of its n outputs.",
            "`itertools.pairwise(sizes)` gives the pairs (before, after).",
        ),
        reasoning="Each layer holds before·after weights and after biases; the inputs themselves have no parameters.",
        mistakes=(
            (weights_only, "leaves out the biases"),
            (input_biases, "gives the input layer biases too, but it computes nothing"),
        ),
        notes="Where do most parameters sit? In the first layer: chapter 2 shows what convolution saves there.",
    ),
    "1.4": Exercise(
        title="A softmax that does not overflow",
        examine=examine_softmax,
        answer=softmax,
        hints=(
            "exp of each logit, divided by the row's sum: `dim=1, keepdim=True`.",
            "Softmax does not change when the same number is subtracted from all logits of a row.",
            "Subtract the row's maximum: the largest exponent is then 0.",
        ),
        reasoning="exp(1000) is infinite in floating point and infinity / infinity is NaN. Subtracting the row's "
        "maximum leaves every ratio unchanged and keeps exp at or below 1. nn.CrossEntropyLoss does it inside.",
        mistakes=(
            (overflowing_softmax, "the textbook formula: NaN for large logits"),
            (softmax_over_the_batch, "normalises over the examples instead of the classes"),
        ),
        notes="Ask why the loss takes logits and not probabilities.",
    ),
    "1.5": Exercise(
        title="How many gradient steps?",
        examine=examine_steps,
        answer=gradient_steps,
        hints=(
            "An epoch shows every example once, batch_size at a time.",
            "The last batch may be smaller; it is a step all the same.",
            "`-(-a // b)` divides and rounds up; so does math.ceil(a / b).",
        ),
        reasoning="Each epoch takes ⌈examples / batch size⌉ steps: the ragged last batch counts in each.",
        mistakes=(
            (drops_the_last_batch, "drops the ragged last batch, as DataLoader(drop_last=True) would"),
            (rounds_at_the_end, "lets batches run across the border between two epochs"),
        ),
        notes="Ask what happens to the number of steps when the batch doubles, and then to the learning rate.",
    ),
    "1.6": Exercise(
        title="Heal the training loop",
        examine=examine_healed,
        answer=healthy_steps,
        hints=(
            "`backward()` adds to `.grad`; it does not replace what is there.",
            "One line is missing before `loss.backward()`.",
        ),
        reasoning="Without optimizer.zero_grad() every step follows the sum of all gradients so far: the steps grow "
        "and the loop overshoots, without any error message.",
        mistakes=(
            (sick_steps, "the patient as it was"),
            (
                steps_without_gradient,
                "clears the gradients between backward() and step(): nothing is left to step on",
            ),
        ),
        notes="The mistake that no error reports. Let learners print the gradient norm by step, sick and healed.",
    ),
}
