"""The exercises of chapter 02: convolutional neural networks."""

# ruff: noqa: D103 - worked answers and common mistakes are shown to learners as they would write them
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from course_utils.exercises.grading import Exercise, NotYet, call

Kernel = list[list[float]]

DIAGONAL_KERNEL: Kernel = [[2, -1, -1], [-1, 2, -1], [-1, -1, 2]]
LINES = {
    "a line from the upper left to the lower right": torch.eye(3),
    "a line from the upper right to the lower left": torch.eye(3).flip(1),
    "a vertical line": torch.tensor([[0.0, 1, 0]]).expand(3, 3),
    "a horizontal line": torch.tensor([[0.0], [1], [0]]).expand(3, 3),
}


def examine_diagonal(answer: Any) -> None:  # noqa: ANN401
    try:
        kernel = torch.as_tensor(answer, dtype=torch.float32)
    except (TypeError, ValueError) as error:
        raise NotYet(f"expected three lists of three numbers, got {answer!r}") from error
    if kernel.shape != (3, 3):
        raise NotYet(f"expected a kernel of shape (3, 3), got {tuple(kernel.shape)}")
    if abs(float(kernel.sum())) > 1e-4:
        raise NotYet(
            f"on an even surface of ones your kernel answers {float(kernel.sum()):.3g}, expected 0: "
            "its weights must add up to zero"
        )
    answers = {name: float((kernel * line).sum()) for name, line in LINES.items()}
    wanted, *others = answers
    if answers[wanted] <= 0:
        raise NotYet(f"to {wanted} your kernel answers {answers[wanted]:.3g}, expected more than 0")
    strongest = max(others, key=lambda name: answers[name])
    if answers[strongest] >= answers[wanted]:
        raise NotYet(
            f"to {strongest} your kernel answers {answers[strongest]:.3g}, to the right one {answers[wanted]:.3g}: "
            "expected less for the wrong direction"
        )


def output_size(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    span = dilation * (kernel - 1) + 1
    return (size + 2 * padding - span) // stride + 1


def _same_number(found: Any, expected: int) -> bool:  # noqa: ANN401
    try:
        return bool(found == expected)
    except (RuntimeError, ValueError):  # an array or a tensor of several values
        return False


def examine_output_size(answer: Any) -> None:  # noqa: ANN401
    cases = ((28, 3, 1, 0, 1), (28, 3, 1, 1, 1), (28, 2, 2, 0, 1), (28, 3, 2, 1, 1), (32, 3, 1, 0, 3))
    for size, kernel, stride, padding, dilation in cases:
        row = torch.zeros(1, 1, size)
        expected = F.conv1d(row, torch.zeros(1, 1, kernel), None, stride, padding, dilation).shape[-1]
        found = call(answer, size, kernel, stride, padding, dilation)
        if not _same_number(found, expected):
            raise NotYet(
                f"for size {size}, kernel {kernel}, stride {stride}, padding {padding}, dilation {dilation} "
                f"expected {expected}, got {found!r}"
            )


def pads_one_side(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    return (size + padding - dilation * (kernel - 1) - 1) // stride + 1


def ignores_dilation(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    return (size + 2 * padding - kernel) // stride + 1


def rms_pool(inputs: torch.Tensor) -> torch.Tensor:
    return F.avg_pool2d(inputs**2, 2).sqrt()


def examine_rms_pool(answer: Any) -> None:  # noqa: ANN401
    small = torch.tensor([[3.0, -4.0], [0.0, 0.0]])[None, None]
    larger = torch.arange(2.0 * 3 * 4 * 6).reshape(2, 3, 4, 6) - 70
    for inputs, words in ((small, "the window [[3, -4], [0, 0]]"), (larger, "inputs of shape (2, 3, 4, 6)")):
        found, expected = call(answer, inputs.clone()), rms_pool(inputs)
        if not isinstance(found, torch.Tensor) or found.shape != expected.shape:
            shape = tuple(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
            raise NotYet(f"for {words} expected shape {tuple(expected.shape)}, got {shape}")
        if not torch.allclose(found, expected, atol=1e-4):
            first = f"expected {float(expected.flatten()[0]):.3f} first, got {float(found.flatten()[0]):.3f}"
            raise NotYet(f"for {words} {first}")


def mean_of_sizes(inputs: torch.Tensor) -> torch.Tensor:
    return F.avg_pool2d(inputs.abs(), 2)


def root_of_the_sum(inputs: torch.Tensor) -> torch.Tensor:
    return (4 * F.avg_pool2d(inputs**2, 2)).sqrt()


def separable(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_in, kernel_size=3, padding=1, groups=channels_in, bias=False),
        nn.Conv2d(channels_in, channels_out, kernel_size=1, bias=False),
    )


def examine_separable(answer: Any) -> None:  # noqa: ANN401
    for channels_in, channels_out in ((4, 6), (16, 8)):
        block = call(answer, channels_in, channels_out)
        words = f"{channels_in} to {channels_out} maps"
        if not isinstance(block, nn.Module):
            raise NotYet(f"for {words} expected a module, got {type(block).__name__}")
        _expect_shape(block, (2, channels_in, 9, 7), (2, channels_out, 9, 7))
        expected = 9 * channels_in + channels_in * channels_out
        found = sum(weight.numel() for weight in block.parameters())
        if found != expected:
            raise NotYet(f"for {words} expected {expected} parameters, got {found}")
        _first_stage_is_depthwise(block, channels_in)


def _first_stage_is_depthwise(block: nn.Module, channels: int) -> None:
    """A change of one input map must change one map after the first convolution, over a window of 3 × 3."""
    first = next(module for module in block.modules() if isinstance(module, nn.Conv2d))
    if first.kernel_size != (3, 3) or first.groups != channels:
        raise NotYet(
            f"the first convolution has kernel {first.kernel_size} and groups = {first.groups}, "
            f"expected (3, 3) and {channels}: one kernel for each map"
        )


def _expect_shape(network: nn.Module, inputs: tuple[int, ...], outputs: tuple[int, ...]) -> None:
    try:
        found = tuple(network.eval()(torch.zeros(inputs)).shape)
    except RuntimeError as error:
        raise NotYet(
            f"on inputs of shape {inputs} the network stops: {str(error).strip().splitlines()[0]}"
        ) from error
    if found != outputs:
        raise NotYet(f"on inputs of shape {inputs} expected outputs of shape {outputs}, got {found}")


def full_convolution(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels_in, channels_out, kernel_size=3, padding=1, bias=False))


def forgot_groups(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_in, kernel_size=3, padding=1, bias=False),
        nn.Conv2d(channels_in, channels_out, kernel_size=1, bias=False),
    )


def forgot_padding(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_in, kernel_size=3, groups=channels_in, bias=False),
        nn.Conv2d(channels_in, channels_out, kernel_size=1, bias=False),
    )


def healed_network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 16, kernel_size=5),  # (N, 16, 28, 28)
        nn.ReLU(),
        nn.MaxPool2d(2),  # (N, 16, 14, 14)
        nn.Conv2d(16, 32, kernel_size=3, padding=1),  # (N, 32, 14, 14)
        nn.ReLU(),
        nn.MaxPool2d(2),  # (N, 32, 7, 7)
        nn.Flatten(),
        nn.Linear(32 * 7 * 7, 10),
    )


def examine_healed(answer: Any) -> None:  # noqa: ANN401
    network = call(answer)
    if not isinstance(network, nn.Module):
        raise NotYet(f"expected the network, got {type(network).__name__}")
    _expect_shape(network, (2, 3, 32, 32), (2, 10))
    kinds = [type(layer).__name__ for layer in network.children()]
    expected = [type(layer).__name__ for layer in healed_network().children()]
    if kinds != expected:
        raise NotYet(f"expected the same layers as in the patient, {expected}; got {kinds}")


def half_healed() -> nn.Sequential:
    network = healed_network()
    network[7] = nn.Linear(32 * 8 * 8, 10)
    return network


def layers_removed() -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 10))


EXERCISES = {
    "2.1": Exercise(
        title="Find the diagonal",
        examine=examine_diagonal,
        answer=DIAGONAL_KERNEL,
        hints=(
            "Put positive weights where the line would lie.",
            "On an even surface the answer is the sum of all nine weights: make it zero with negative ones.",
            "Three twos on the diagonal are 6; six others must add up to -6.",
        ),
        reasoning="Positive weights lie on the line, negative ones beside it, and they cancel on an even surface. The "
        "other three lines cross the diagonal in one pixel only and meet two negative weights.",
        mistakes=(
            ([[1, 0, 0], [0, 1, 0], [0, 0, 1]], "answers to every bright surface, too"),
            ([[-1, -1, 2], [-1, 2, -1], [2, -1, -1]], "finds the other diagonal"),
            ([[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]], "finds vertical edges, not the diagonal"),
        ),
        notes="Let learners predict the answers to the four lines by hand before they run the check.",
    ),
    "2.2": Exercise(
        title="The output size",
        examine=examine_output_size,
        answer=output_size,
        hints=(
            "First the span of the spread kernel: dilation · (kernel - 1) + 1 pixels.",
            "Padding is added on both sides.",
            "How often can the span move by the stride before it leaves? One more than that. `//` rounds down.",
        ),
        reasoning="The kernel spans D(K - 1) + 1 pixels of a row of n + 2P. It starts at 0 and can move by "
        "⌊(n + 2P - span) / S⌋ steps, which makes one more position than steps.",
        mistakes=(
            (pads_one_side, "adds the padding on one side only"),
            (ignores_dilation, "forgets that dilation spreads the kernel"),
        ),
        notes="Ask for the padding that keeps the size at stride 1: D(K - 1)/2, hence odd kernels.",
    ),
    "2.3": Exercise(
        title="Another pooling",
        examine=examine_rms_pool,
        answer=rms_pool,
        hints=(
            "Square, take the mean of each window, take the root.",
            "`F.avg_pool2d(inputs, 2)` is the mean of each window of 2 × 2.",
        ),
        reasoning="Average pooling of the squares, then the root. Large values count more than in the mean, but all "
        "four values count, unlike in the maximum: every one of them gets a gradient.",
        mistakes=(
            (mean_of_sizes, "takes the mean of the absolute values"),
            (root_of_the_sum, "takes the root of the sum, not of the mean"),
        ),
        notes="The gradient of the root is infinite at zero: ask what happens to a window of zeros in training.",
    ),
    "2.4": Exercise(
        title="A separable block",
        examine=examine_separable,
        answer=separable,
        hints=(
            "The first layer maps channels_in to channels_in, each on its own: `groups=channels_in`.",
            "`padding=1` keeps the size under a 3 × 3 kernel.",
            "The second layer has `kernel_size=1` and maps channels_in to channels_out. `bias=False` in both.",
        ),
        reasoning="9·C weights look at windows, C·C' weights mix the maps: together 9C + CC' instead of 9CC'. "
        "With many maps that is nearly nine times fewer.",
        mistakes=(
            (full_convolution, "an ordinary convolution: looks and mixes at once"),
            (forgot_groups, "without groups the first layer mixes too, and saves nothing"),
            (forgot_padding, "without padding the map shrinks by two pixels"),
        ),
        notes="Fewer weights are not always less time: ask learners to time both, and to look for the reason (memory).",
    ),
    "2.5": Exercise(
        title="Heal the network",
        examine=examine_healed,
        answer=healed_network,
        hints=(
            "Follow one picture through the layers and write down each shape.",
            "A convolution's first number must be the maps that the layer before gives.",
            "A 5 × 5 kernel without padding makes 28 of 32; two poolings then make 14 and 7.",
        ),
        reasoning="The second convolution gets 16 maps, not 32. The first one has no padding, so 32 → 28 → 14 → 7, "
        "and the linear layer gets 32·7·7 values.",
        mistakes=(
            (half_healed, "repairs the convolution and keeps the wrong size of the linear layer"),
            (layers_removed, "runs, because the sick layers are gone"),
        ),
        notes="nn.LazyLinear finds its input size itself. Ask what is lost by that: nobody knows the shapes any more.",
    ),
}
