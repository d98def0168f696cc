"""The exercises of chapter 02: convolutional neural networks."""

# ruff: noqa: D103 - worked answers and common mistakes are shown to learners as they would write them
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from course_utils.exercises.answers import numbers, plain, whole
from course_utils.exercises.exercise import Exercise, NotYet, texts
from course_utils.exercises.trials import agree, call, network, outputs

DIAGONAL_KERNEL = [[2, -1, -1], [-1, 2, -1], [-1, -1, 2]]
LINES = {
    "a line from the upper left to the lower right": np.eye(3),
    "a line from the upper right to the lower left": np.eye(3)[:, ::-1],
    "a vertical line": np.tile([0, 1, 0], (3, 1)),
    "a horizontal line": np.tile([[0], [1], [0]], (1, 3)),
}


def examine_diagonal(answer: Any) -> None:  # noqa: ANN401
    kernel = numbers(answer, "three lists of three numbers")
    if kernel.shape != (3, 3):
        raise NotYet(f"expected a kernel of shape (3, 3), got {kernel.shape}")
    if not np.isfinite(kernel).all():
        raise NotYet(f"expected finite weights, got {plain(kernel)}")
    noise = 1e-5 * float(np.abs(kernel).sum())  # of weights such as 1/3
    if abs(kernel.sum()) > noise:
        raise NotYet(
            f"on an even surface of ones your kernel answers {kernel.sum():.3g}, expected 0: "
            "its weights must add up to zero"
        )
    answers = {name: float((kernel * line).sum()) for name, line in LINES.items()}
    wanted, *others = answers
    if answers[wanted] <= noise:
        raise NotYet(f"to {wanted} your kernel answers {answers[wanted]:.3g}, expected more than 0")
    strongest = max(others, key=lambda name: answers[name])
    if answers[strongest] >= answers[wanted] - noise:
        raise NotYet(
            f"to {strongest} your kernel answers {answers[strongest]:.3g}, to the right one {answers[wanted]:.3g}: "
            "expected less for the wrong direction"
        )


def my_output_size(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    span = dilation * (kernel - 1) + 1
    return (size + 2 * padding - span) // stride + 1


OUTPUT_SIZES = (
    (28, 3, 1, 0, 1),
    (28, 3, 1, 1, 1),
    (28, 2, 2, 0, 1),
    (28, 3, 2, 1, 1),
    (32, 3, 1, 0, 3),
    (28, 3, 1, 2, 2),
    (10, 3, 4, 0, 1),
    (19, 4, 3, 2, 3),
)


def pads_one_side(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    return (size + padding - dilation * (kernel - 1) - 1) // stride + 1


def ignores_dilation(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    return (size + 2 * padding - kernel) // stride + 1


def my_rms_pool(inputs: torch.Tensor) -> torch.Tensor:
    return F.avg_pool2d(inputs**2, 2).sqrt()


PICTURES = (
    (torch.tensor([[3.0, -4.0], [0.0, 0.0]])[None, None],),
    (torch.tensor([[1.0, 1.0, -9.0, 2.0], [1.0, 1.0, 0.0, 0.5]])[None, None],),
    (torch.arange(2.0 * 3 * 4 * 6).reshape(2, 3, 4, 6) - 70,),
)


def mean_of_sizes(inputs: torch.Tensor) -> torch.Tensor:
    return F.avg_pool2d(inputs.abs(), 2)


def root_of_the_sum(inputs: torch.Tensor) -> torch.Tensor:
    return (4 * F.avg_pool2d(inputs**2, 2)).sqrt()


def my_separable(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_in, kernel_size=3, padding=1, groups=channels_in, bias=False),
        nn.Conv2d(channels_in, channels_out, kernel_size=1, bias=False),
    )


def examine_separable(answer: Any) -> None:  # noqa: ANN401
    for channels_in, channels_out in ((4, 6), (16, 8), (5, 5)):
        words = f"for {channels_in} to {channels_out} maps "
        block = network(call(answer, channels_in, channels_out), words)
        outputs(block, torch.zeros(2, channels_in, 9, 7), (2, channels_out, 9, 7))
        expected = 9 * channels_in + channels_in * channels_out
        found = sum(weight.numel() for weight in block.parameters())
        if found != expected:
            raise NotYet(f"{words}expected {expected} parameters, got {found}")
        _looks_then_mixes(block, channels_in, channels_out, words)


def _looks_then_mixes(block: nn.Module, channels_in: int, channels_out: int, words: str) -> None:
    """Feed one bright pixel, one map at a time: each answer must be that map's 3 × 3 kernel, weighted."""
    for weight in block.parameters():  # whatever the learner's block starts with
        weight.data = torch.rand_like(weight) + 0.5
    points = torch.zeros(channels_in, channels_in, 11, 11)
    points[range(channels_in), range(channels_in), 5, 5] = 1
    shape = (channels_in, channels_out, 11, 11)
    found = outputs(block, points, shape)
    if not np.allclose(outputs(block, -points, shape), -found, atol=1e-4):
        raise NotYet(
            f"{words}expected two convolutions and nothing else: one with -x answers with minus the same"
        )
    if not np.allclose(outputs(block, 2 * points, shape), 2 * found, atol=1e-4):
        raise NotYet(
            f"{words}expected two convolutions and nothing else: twice the input gives twice the output"
        )
    window = found[:, :, 4:7, 4:7]
    if np.abs(found).sum() > np.abs(window).sum() + 1e-3 or (window == 0).any():
        raise NotYet(f"{words}expected a pixel to reach the 3 × 3 window around it, and all of that")
    rows = window.reshape(channels_in, channels_out, 9)
    if not np.allclose(rows * rows[:, :1, :1], rows[:, :, :1] * rows[:, :1], rtol=1e-3, atol=1e-4):
        raise NotYet(
            f"{words}expected one 3 × 3 kernel for each input map, then mixing; got several kernels for one map"
        )


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


def my_healed_network() -> nn.Sequential:
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


POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveMaxPool2d, nn.AdaptiveAvgPool2d)
LAYERS: tuple[type[nn.Module] | tuple[type[nn.Module], ...], ...] = (
    nn.Conv2d,
    nn.ReLU,
    POOLS,
    nn.Conv2d,
    nn.ReLU,
    POOLS,
    nn.Flatten,
    nn.Linear,
)


def examine_healed(answer: Any) -> None:  # noqa: ANN401
    healed = network(call(answer))
    for batch in (2, 3):
        outputs(healed, torch.zeros(batch, 3, 32, 32), (batch, 10))
    layers = [layer for layer in healed.modules() if not list(layer.children())]
    expected = [type(layer).__name__ for layer in my_healed_network()]
    if len(layers) != len(LAYERS) or not all(
        isinstance(layer, kind) for layer, kind in zip(layers, LAYERS, strict=True)
    ):
        raise NotYet(
            f"expected the same layers as in the patient, {', '.join(expected)}; "
            f"got {', '.join(type(layer).__name__ for layer in layers)}"
        )


def half_healed() -> nn.Sequential:
    network = my_healed_network()
    network[7] = nn.Linear(32 * 8 * 8, 10)
    return network


def layers_removed() -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 10))


TEXTS = texts(__file__)
EXERCISES = {
    "2.1": Exercise(
        name="my_diagonal_kernel",
        examine=examine_diagonal,
        answer=DIAGONAL_KERNEL,
        mistakes=(
            ([[1, 0, 0], [0, 1, 0], [0, 0, 1]], "answers to every bright surface, too"),
            ([[-1, -1, 2], [-1, 2, -1], [2, -1, -1]], "finds the other diagonal"),
            ([[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]], "finds vertical edges, not the diagonal"),
        ),
        **TEXTS["2.1"],
    ),
    "2.2": Exercise(
        examine=partial(agree, reference=my_output_size, cases=OUTPUT_SIZES, compare=whole),
        answer=my_output_size,
        mistakes=(
            (pads_one_side, "adds the padding on one side only"),
            (ignores_dilation, "forgets that dilation spreads the kernel"),
        ),
        **TEXTS["2.2"],
    ),
    "2.3": Exercise(
        examine=partial(agree, reference=my_rms_pool, cases=PICTURES),
        answer=my_rms_pool,
        mistakes=(
            (mean_of_sizes, "takes the mean of the absolute values"),
            (root_of_the_sum, "takes the root of the sum, not of the mean"),
        ),
        **TEXTS["2.3"],
    ),
    "2.4": Exercise(
        examine=examine_separable,
        answer=my_separable,
        mistakes=(
            (full_convolution, "an ordinary convolution: looks and mixes at once"),
            (forgot_groups, "without groups the first layer mixes too, and saves nothing"),
            (forgot_padding, "without padding the map shrinks by two pixels"),
        ),
        **TEXTS["2.4"],
    ),
    "2.5": Exercise(
        examine=examine_healed,
        answer=my_healed_network,
        mistakes=(
            (half_healed, "repairs the convolution and keeps the wrong size of the linear layer"),
            (layers_removed, "runs, because the sick layers are gone"),
        ),
        **TEXTS["2.5"],
    ),
}
