"""Exercises about kernels and convolutional networks: their examiners, worked answers and common mistakes."""

# ruff: noqa: D103 - worked answers and common mistakes are shown to learners as they would write them
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from course_utils.exercises.answers import numbers, plain
from course_utils.exercises.exercise import NotYet
from course_utils.exercises.trials import call, network, outputs

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


def examine_network(answer: Any) -> None:  # noqa: ANN401
    """Judge a small CNN: with its own weights in the layers that were asked for, its answers must be the same."""
    for num_classes in (10, 4):
        words = f"for {num_classes} classes "
        found = network(call(answer, num_classes), words)
        for batch in (2, 3):
            given = outputs(found, torch.zeros(batch, 1, 28, 28), (batch, num_classes))
        shapes = {tuple(weight.shape): weight for weight in found.parameters()}
        expected = _network_shapes(num_classes)
        if sorted(shapes) != sorted(expected) or len(list(found.parameters())) != len(expected):
            count = sum(weight.numel() for weight in found.parameters())
            right = sum(int(np.prod(shape)) for shape in expected)
            raise NotYet(
                f"{words}expected weights of shapes {_listed(expected)}, {right:,} numbers in all; "
                f"got {_listed(list(shapes))}, {count:,} numbers"
            )
        pictures = 10 * torch.randn(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
        given = outputs(found, pictures, (3, num_classes))
        if not np.allclose(given, _network_by_hand(pictures, shapes, num_classes), atol=1e-3):
            raise NotYet(
                f"{words}the weights have the right shapes, the answers differ from convolution, ReLU, pooling, "
                "twice, then flatten and linear: is a ReLU missing, one too many, another pooling or border used, "
                "or does something follow the linear layer?"
            )


def _network_shapes(num_classes: int) -> list[tuple[int, ...]]:
    return [(16, 1, 3, 3), (16,), (32, 16, 3, 3), (32,), (num_classes, 32 * 7 * 7), (num_classes,)]


def _network_by_hand(
    pictures: torch.Tensor, weights: Mapping[tuple[int, ...], torch.Tensor], num_classes: int
) -> Any:  # noqa: ANN401
    first, bias1, second, bias2, last, bias3 = (
        weights[shape].detach().cpu().float() for shape in _network_shapes(num_classes)
    )
    maps = F.max_pool2d(F.conv2d(pictures, first, bias1, padding=1).relu(), 2)
    maps = F.max_pool2d(F.conv2d(maps, second, bias2, padding=1).relu(), 2)
    return F.linear(maps.flatten(start_dim=1), last, bias3).numpy()


def _listed(shapes: list[tuple[int, ...]]) -> str:
    return ", ".join(str(shape) for shape in shapes[:8]) or "none"


def examine_pooled_head(answer: Any) -> None:  # noqa: ANN401
    for channels, num_classes in ((6, 4), (3, 10)):
        words = f"for {channels} maps and {num_classes} classes "
        head = network(call(answer, channels, num_classes), words)
        draw = torch.Generator().manual_seed(1)
        outputs(head, torch.zeros(2, channels, 4, 4), (2, num_classes))
        for weight in head.parameters():  # whatever the learner's head starts with
            weight.data = torch.rand_like(weight) - 0.5
        for height, width in ((5, 7), (3, 3)):
            maps = torch.randn(5, channels, height, width, generator=draw)
            shape = (5, num_classes)
            found = outputs(head, maps, shape)
            if not np.allclose(found[:1], outputs(head, maps[:1], (1, num_classes)), atol=1e-4):
                raise NotYet(f"{words}expected the same answer when a picture comes alone; got another one")
            if not np.allclose(found, outputs(head, maps.roll((1, 2), dims=(2, 3)), shape), atol=1e-4):
                raise NotYet(f"{words}expected the same answer when the maps move; got another one")
            means = maps.mean(dim=(2, 3), keepdim=True).expand(-1, -1, 2, 3)
            if not np.allclose(found, outputs(head, means, shape), atol=1e-4):
                raise NotYet(
                    f"{words}expected that only the mean of each map counts: maps of another size with the same "
                    "means must get the same answer; got another one"
                )
        _one_linear_layer(head, channels, num_classes, words)


def _one_linear_layer(head: nn.Module, channels: int, num_classes: int, words: str) -> None:
    expected = channels * num_classes + num_classes
    found = sum(weight.numel() for weight in head.parameters())
    if found != expected:
        raise NotYet(f"{words}expected {expected} parameters, one linear layer with bias; got {found}")
    unit = torch.eye(channels)[:, :, None, None].expand(-1, -1, 2, 2)
    zero, one, two, minus = (
        outputs(head, factor * unit, (channels, num_classes)) for factor in (0.0, 1.0, 2.0, -1.0)
    )
    if np.allclose(one, one[:1], atol=1e-4):
        raise NotYet(f"{words}expected a weight for each map; got the same answer whichever map is bright")
    if not np.allclose(two - one, one - zero, atol=1e-4) or not np.allclose(
        zero - minus, one - zero, atol=1e-4
    ):
        raise NotYet(
            f"{words}expected logits: nothing between the means and the linear layer, and nothing after it, "
            "no ReLU and no softmax"
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


PATIENT = ("Conv2d", "ReLU", "MaxPool2d", "Conv2d", "ReLU", "MaxPool2d", "Flatten", "Linear")


def examine_healed(answer: Any) -> None:  # noqa: ANN401
    healed = network(call(answer))
    for batch in (2, 3):
        outputs(healed, torch.zeros(batch, 3, 32, 32), (batch, 10))
    layers = [layer for layer in healed.modules() if not list(layer.children())]
    if len(layers) != len(LAYERS) or not all(
        isinstance(layer, kind) for layer, kind in zip(layers, LAYERS, strict=True)
    ):
        raise NotYet(
            f"expected the same layers as in the patient, {', '.join(PATIENT)}; "
            f"got {', '.join(type(layer).__name__ for layer in layers)}"
        )


# --- Worked answers, and what learners write instead ----------------------------------------------------------


def my_network(num_classes: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 16, kernel_size=3, padding=1),  # (N, 16, 28, 28)
        nn.ReLU(),
        nn.MaxPool2d(2),  # (N, 16, 14, 14)
        nn.Conv2d(16, 32, kernel_size=3, padding=1),  # (N, 32, 14, 14)
        nn.ReLU(),
        nn.MaxPool2d(2),  # (N, 32, 7, 7)
        nn.Flatten(),
        nn.Linear(32 * 7 * 7, num_classes),
    )


def without_relu(num_classes: int) -> nn.Sequential:
    return nn.Sequential(*[layer for layer in my_network(num_classes) if not isinstance(layer, nn.ReLU)])


def pooled_once(num_classes: int) -> nn.Sequential:
    layers = list(my_network(num_classes))
    return nn.Sequential(*layers[:5], nn.Flatten(), nn.Linear(32 * 14 * 14, num_classes))


def ends_in_softmax(num_classes: int) -> nn.Sequential:
    return nn.Sequential(*my_network(num_classes), nn.Softmax(dim=1))


def my_pooled_head(channels: int, num_classes: int) -> nn.Sequential:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes))


def flattened_head(channels: int, num_classes: int) -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(num_classes))


def strongest_head(channels: int, num_classes: int) -> nn.Sequential:
    return nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes))


def head_with_relu(channels: int, num_classes: int) -> nn.Sequential:
    return nn.Sequential(*my_pooled_head(channels, num_classes), nn.ReLU())


def my_separable(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_in, kernel_size=3, padding=1, groups=channels_in, bias=False),
        nn.Conv2d(channels_in, channels_out, kernel_size=1, bias=False),
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


def half_healed() -> nn.Sequential:
    network = my_healed_network()
    network[7] = nn.Linear(32 * 8 * 8, 10)
    return network


def layers_removed() -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 10))
