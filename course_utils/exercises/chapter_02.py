"""The exercises of chapter 02: convolutional neural networks."""

# ruff: noqa: D103 - worked answers and common mistakes are shown to learners as they would write them
from functools import partial
from typing import Any

import torch
from torch.nn import functional as F

from course_utils.exercises import images
from course_utils.exercises.answers import numbers, pair, same, whole
from course_utils.exercises.exercise import Exercise, texts
from course_utils.exercises.trials import agree

DIAGONAL_KERNEL = [[2, -1, -1], [-1, 2, -1], [-1, -1, 2]]


def my_convolution(picture: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    side = len(kernel)
    rows, columns = picture.shape[0] - side + 1, picture.shape[1] - side + 1
    answer = torch.empty(rows, columns)
    for row in range(rows):
        for column in range(columns):
            window = picture[row : row + side, column : column + side]
            answer[row, column] = (window * kernel).sum()
    return answer


WINDOWS = (
    (torch.tensor([[1.0, 2, 0], [0, 1, 3], [4, 1, 0]]), torch.tensor([[1.0, 2], [0, -1]])),
    (torch.arange(30.0).reshape(5, 6) % 7, torch.tensor([[1.0, 0, 2], [0, 3, 0], [-1, 0, 1]])),
    (torch.tensor([[2.5, -1, 5], [1, 0.2, 3]]), torch.tensor([[3.0]])),
    (torch.arange(9.0).reshape(3, 3), torch.arange(9.0).reshape(3, 3)),
)


def flips_the_kernel(picture: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    return my_convolution(picture, kernel.flip(0, 1))


def jumps_by_the_side(picture: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    return F.conv2d(picture[None, None], kernel[None, None], stride=len(kernel))[0, 0]


def keeps_the_size(picture: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    return F.conv2d(picture[None, None], kernel[None, None], padding="same")[0, 0]


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


def my_shifted(images: torch.Tensor, amounts: list[int]) -> torch.Tensor:
    moved = torch.zeros_like(images)
    width = images.shape[-1]
    for number, amount in enumerate(amounts):
        if amount >= 0:
            moved[number, ..., amount:] = images[number, ..., : width - amount]
        else:
            moved[number, ..., :amount] = images[number, ..., -amount:]
    return moved


MOVES = (
    (torch.arange(1.0, 13).reshape(1, 1, 3, 4), [1]),
    (torch.arange(1.0, 31).reshape(2, 1, 3, 5), [-2, 0]),
    (torch.arange(1.0, 49).reshape(3, 1, 4, 4), [3, -3, 2]),
)


def comes_in_at_the_other_side(images: torch.Tensor, amounts: list[int]) -> torch.Tensor:
    return torch.stack([image.roll(amount, -1) for image, amount in zip(images, amounts, strict=True)])


def to_the_left(images: torch.Tensor, amounts: list[int]) -> torch.Tensor:
    return my_shifted(images, [-amount for amount in amounts])


def all_alike(images: torch.Tensor, amounts: list[int]) -> torch.Tensor:
    return my_shifted(images, [amounts[0]] * len(amounts))


def my_copies(train: torch.Tensor, test: torch.Tensor) -> int:
    return sum(any(torch.equal(picture, known) for known in train) for picture in test)


GRID = torch.arange(24.0).reshape(2, 1, 3, 4)
COLOURED = torch.arange(36.0).reshape(3, 3, 2, 2)
ALMOST = torch.stack([COLOURED[0], COLOURED[0], COLOURED[1], COLOURED[1].flip(0), COLOURED[2]])
ALMOST[0, 0] += 1  # another first channel, another last one, another last pixel, channels exchanged; a copy
ALMOST[1, 2] += 1
ALMOST[2, :, 1, 1] += 1
SETS = (
    (torch.cat([GRID, GRID + 1]), torch.cat([GRID[1:], GRID + 5])),
    (torch.cat([GRID, GRID, GRID + 1]), torch.cat([GRID[:1], GRID[:1], GRID[:1], GRID.flip(-1)])),
    (GRID, GRID.flip(2)),
    (GRID.flip(0), GRID),
    (COLOURED, ALMOST),
)


def counts_pairs(train: torch.Tensor, test: torch.Tensor) -> int:
    return sum(torch.equal(picture, known) for picture in test for known in train)


def compares_sums(train: torch.Tensor, test: torch.Tensor) -> int:
    return sum(bool((train.sum(dim=(1, 2, 3)) == picture.sum()).any()) for picture in test)


def place_by_place(train: torch.Tensor, test: torch.Tensor) -> int:
    return sum(torch.equal(picture, known) for picture, known in zip(test, train, strict=False))


def my_reading(curve: list[float]) -> tuple[int, float]:
    best = max(curve)
    return curve.index(best) + 1, best - curve[-1]


CURVES = (
    ([0.5, 0.7, 0.6],),
    ([0.4, 0.6254, 0.58, 0.6254, 0.6121],),
    ([0.5, 0.45, 0.71, 0.68, 0.7],),
    ([0.3, 0.4, 0.5],),
    ([0.9],),
)


def same_reading(found: Any, expected: tuple[int, float], case: str) -> None:  # noqa: ANN401
    parts = numbers(found).tolist() if hasattr(found, "__array__") else found
    epoch, lost = pair(parts, "the epoch", "what is lost")
    whole(epoch, expected[0], f"{case}as the epoch ")
    same(lost, expected[1], f"{case}as what the last epoch lost ")


def counts_from_zero(curve: list[float]) -> tuple[int, float]:
    return curve.index(max(curve)), max(curve) - curve[-1]


def the_last_best(curve: list[float]) -> tuple[int, float]:
    return len(curve) - curve[::-1].index(max(curve)), max(curve) - curve[-1]


def against_the_first(curve: list[float]) -> tuple[int, float]:
    return curve.index(max(curve)) + 1, max(curve) - curve[0]


TEXTS = texts(__file__)
EXERCISES = {
    "2.1": Exercise(
        examine=partial(agree, reference=my_convolution, cases=WINDOWS),
        answer=my_convolution,
        mistakes=(
            (flips_the_kernel, "turns the kernel round first, as mathematicians do"),
            (jumps_by_the_side, "moves by the side of the kernel instead of by one pixel"),
            (keeps_the_size, "adds a border of zeros, so the answer is as large as the picture"),
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
        examine=images.examine_network,
        answer=images.my_network,
        mistakes=(
            (images.without_relu, "without ReLU two convolutions are no more than one"),
            (images.pooled_once, "pools once: the linear layer gets four times as many values"),
            (images.ends_in_softmax, "gives probabilities; the loss wants logits"),
        ),
        **TEXTS["2.3"],
    ),
    "2.4": Exercise(
        examine=images.examine_pooled_head,
        answer=images.my_pooled_head,
        mistakes=(
            (images.flattened_head, "has a weight for each place"),
            (images.strongest_head, "takes the largest value of each map, not the mean"),
            (images.head_with_relu, "cuts off the negative logits"),
        ),
        **TEXTS["2.4"],
    ),
    "2.5": Exercise(
        examine=partial(agree, reference=my_shifted, cases=MOVES),
        answer=my_shifted,
        mistakes=(
            (comes_in_at_the_other_side, "what leaves on one side comes in on the other"),
            (to_the_left, "moves the wrong way"),
            (all_alike, "moves all pictures by the first amount"),
        ),
        **TEXTS["2.5"],
    ),
    "2.6": Exercise(
        examine=partial(agree, reference=my_copies, cases=SETS, compare=whole),
        answer=my_copies,
        mistakes=(
            (counts_pairs, "counts a test picture once for each of its copies"),
            (compares_sums, "takes pictures of equal brightness for equal"),
            (place_by_place, "compares the first with the first, the second with the second"),
        ),
        **TEXTS["2.6"],
    ),
    "2.7": Exercise(
        name="my_diagonal_kernel",
        examine=images.examine_diagonal,
        answer=DIAGONAL_KERNEL,
        mistakes=(
            ([[1, 0, 0], [0, 1, 0], [0, 0, 1]], "answers to every bright surface, too"),
            ([[-1, -1, 2], [-1, 2, -1], [2, -1, -1]], "finds the other diagonal"),
            ([[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]], "finds vertical edges, not the diagonal"),
        ),
        **TEXTS["2.7"],
    ),
    "2.8": Exercise(
        examine=partial(agree, reference=my_rms_pool, cases=PICTURES),
        answer=my_rms_pool,
        mistakes=(
            (mean_of_sizes, "takes the mean of the absolute values"),
            (root_of_the_sum, "takes the root of the sum, not of the mean"),
        ),
        **TEXTS["2.8"],
    ),
    "2.9": Exercise(
        examine=partial(agree, reference=my_reading, cases=CURVES, compare=same_reading),
        answer=my_reading,
        mistakes=(
            (counts_from_zero, "the first epoch is epoch 1"),
            (the_last_best, "of equally good epochs takes the last"),
            (against_the_first, "compares with the first epoch instead of the last"),
        ),
        **TEXTS["2.9"],
    ),
    "2.10": Exercise(
        examine=images.examine_separable,
        answer=images.my_separable,
        mistakes=(
            (images.full_convolution, "an ordinary convolution: looks and mixes at once"),
            (images.forgot_groups, "without groups the first layer mixes too, and saves nothing"),
            (images.forgot_padding, "without padding the map shrinks by two pixels"),
        ),
        **TEXTS["2.10"],
    ),
    "2.11": Exercise(
        examine=images.examine_healed,
        answer=images.my_healed_network,
        mistakes=(
            (images.half_healed, "repairs the convolution and keeps the wrong size of the linear layer"),
            (images.layers_removed, "runs, because the sick layers are gone"),
        ),
        **TEXTS["2.11"],
    ),
}
