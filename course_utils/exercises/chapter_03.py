"""The exercises of chapter 03: recurrent networks and LSTMs."""

# ruff: noqa: D103 - worked answers and common mistakes are shown to learners as they would write them
import math
from collections import Counter
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import torch

from course_utils.exercises.answers import Values, numbers, pair, same, shown, whole
from course_utils.exercises.exercise import Exercise, NotYet, texts
from course_utils.exercises.trials import agree, call, call_any


def my_pad(sequences: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(len(sequence) for sequence in sequences)
    padded = torch.zeros(len(sequences), longest, dtype=torch.int64)
    for row, sequence in enumerate(sequences):
        padded[row, : len(sequence)] = torch.tensor(sequence)
    return padded, torch.tensor([len(sequence) for sequence in sequences])


BATCHES = ([[5, 6, 7], [8]], [[2], [3, 4], [5, 6, 7, 8]], [[9, 9]], [[3, 0], [4, 1, 0], [1, 2]])


def _same_padding(found: Any, expected: tuple[torch.Tensor, torch.Tensor], case: str) -> None:  # noqa: ANN401
    padded, lengths = pair(found, "the padded table", "the lengths")
    same(padded, expected[0], f"{case}as the table ")
    if str(getattr(padded, "dtype", "int64")).removeprefix("torch.") not in ("int64", "int32", "object"):
        raise NotYet(
            f"{case}expected a table of int64, got {padded.dtype}: an embedding looks up whole numbers"
        )
    same(
        lengths,
        expected[1],
        f"{case}as the lengths ",
        advice="the padding does not count, a 0 of the text does",
    )


def pads_at_the_front(sequences: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(len(sequence) for sequence in sequences)
    rows = [[0] * (longest - len(sequence)) + sequence for sequence in sequences]
    return torch.tensor(rows), torch.tensor([len(sequence) for sequence in sequences])


def counts_the_padding(sequences: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    padded, _ = my_pad(sequences)
    return padded, torch.full((len(sequences),), padded.shape[1])


def my_vocabulary(texts: list[list[str]], max_size: int) -> dict[str, int]:
    counts = Counter(word for text in texts for word in text)
    frequent = sorted(counts, key=lambda word: (-counts[word], word))
    words = ["<pad>", "<unk>", *frequent[: max_size - 2]]
    return {word: index for index, word in enumerate(words)}


REVIEWS = [
    ["film", "kid", "bad", "film"],
    ["actor", "film", "actor", "kid", "film"],
    ["plot", "plot", "plot"],
]
CAPS = [(REVIEWS, max_size) for max_size in (4, 5, 2, 100)]


def _same_vocabulary(found: Any, expected: dict[str, int], case: str) -> None:  # noqa: ANN401
    if not isinstance(found, dict):
        raise NotYet(f"{case}expected a dict from word to index, got {shown(found)}")
    if len(found) > len(expected):
        raise NotYet(
            f"{case}expected {len(expected)} entries, got {len(found)}: the two special ones count too"
        )
    for word, index in expected.items():
        if word not in found:
            raise NotYet(f"{case}expected {word!r} as number {index}, got {shown(found)} without it")
        whole(found[word], index, f"{case}as the index of {word!r} ")


def cap_forgets_the_special_ones(texts: list[list[str]], max_size: int) -> dict[str, int]:
    return my_vocabulary(texts, max_size + 2)


def first_come_first_served(texts: list[list[str]], max_size: int) -> dict[str, int]:
    words = list(dict.fromkeys(word for text in texts for word in text))
    return {word: index for index, word in enumerate(["<pad>", "<unk>", *words[: max_size - 2]])}


def my_perplexity(loss_nats: float) -> float:
    return math.exp(loss_nats)


def examine_perplexity(answer: Any) -> None:  # noqa: ANN401
    for choices in (2, 64, 3.725, 1, 1500):
        loss = math.log(choices)
        found = call_any(answer, (torch.tensor(loss),), (loss,))
        same(
            found,
            float(choices),
            f"for a loss of {loss:.4f} nats, that is {choices} equally likely characters, ",
        )


def two_to_the_nats(loss_nats: float) -> float:
    return float(2**loss_nats)


def bits_only(loss_nats: float) -> float:
    return loss_nats / math.log(2)


def my_windows(values: Values, length: int, horizon: int) -> tuple[Values, Values]:
    starts = range(len(values) - length - horizon + 1)
    pasts = np.stack([values[start : start + length] for start in starts])
    futures = np.array([values[start + length + horizon - 1] for start in starts])
    return pasts, futures


SERIES = np.array([3.0, -1.0, 4.0, 1.5, -9.0, 2.0, 6.0, 0.5])
CUTS = tuple(
    (SERIES[:steps], length, horizon) for steps, length, horizon in ((6, 3, 1), (8, 2, 3), (5, 4, 1))
)


def _same_windows(found: Any, expected: tuple[Values, Values], case: str) -> None:  # noqa: ANN401
    pasts, futures = pair(found, "pasts", "futures")
    same(pasts, expected[0], f"{case}as the pasts ")
    leak = np.array_equal(numbers(futures), expected[0][:, -1])
    advice = "a past of yours holds its own future. That is a leak" if leak else ""
    same(futures, expected[1], f"{case}as the futures ", advice=advice)


def past_holds_the_future(values: Values, length: int, horizon: int) -> tuple[Values, Values]:
    starts = range(len(values) - length - horizon + 1)
    pasts = np.stack([values[start : start + length] for start in starts])
    return pasts, np.array([values[start + length - 1] for start in starts])


def forgets_the_last_window(values: Values, length: int, horizon: int) -> tuple[Values, Values]:
    starts = range(max(1, len(values) - length - horizon))
    pasts = np.stack([values[start : start + length] for start in starts])
    return pasts, np.array([values[start + length + horizon - 1] for start in starts])


def my_baseline(series: Values, horizon: int) -> float:
    steps_back = 24 * math.ceil(horizon / 24)
    return float(series[len(series) - 1 + horizon - steps_back])


def examine_baseline(answer: Any) -> None:  # noqa: ANN401
    days, ragged = np.arange(100.0, 172.0), np.arange(153.0, 100.0, -1.0)
    cases = [(series, horizon) for series in (days, ragged) for horizon in (1, 6, 24, 25, 30, 48)]
    expected = [my_baseline(*case) for case in cases]
    for (series, horizon), right in zip(cases, expected, strict=True):
        hours = f"for {len(series)} hours with the values {series[0]:.0f} to {series[-1]:.0f}, horizon {horizon}, "
        same(call(answer, series, horizon), right, f"{hours}the latest known value at that time of day: ")


def last_value(series: Values, horizon: int) -> float:
    return float(series[-1])


def one_hour_off(series: Values, horizon: int) -> float:
    return float(series[len(series) + horizon - 24 * math.ceil(horizon / 24) - 2])


def my_prepare(values: Values, train_share: float, length: int) -> tuple[Values, Values]:
    cut = round(len(values) * train_share)
    train, test = values[:cut], values[cut:]
    mean, std = train.mean(), train.std()
    parts = [(part - mean) / std for part in (train, test)]
    windows = [np.lib.stride_tricks.sliding_window_view(part, length) for part in parts]
    return windows[0], windows[1]


def examine_prepare(answer: Any) -> None:  # noqa: ANN401
    rng = np.random.default_rng(0)
    for steps, share, length in ((100, 0.6, 5), (53, 0.75, 3)):
        cut = round(steps * share)
        values = np.concatenate([rng.normal(size=cut), rng.normal(50, 9, size=steps - cut)])
        case = f"for {steps} steps, {share:.0%} of them for training, windows of {length}: "
        train, test = _two_parts(call(answer, values, share, length), length, case)
        last, first = len(train) + length - 1, steps - len(test) - length + 1  # of the steps of both parts
        if first < last:
            found = f"{len(train)} training and {len(test)} test windows"
            raise NotYet(f"{case}{found}: some hold steps of both parts")
        if abs(last - cut) > length or first - last >= length:
            raise NotYet(
                f"{case}expected about {cut} steps in the training part, got {last}, and {steps - first} after"
            )
        future = values.copy()
        future[last:] += 1000.0  # the training windows must not notice
        other, _ = _two_parts(call(answer, future, share, length), length, case)
        if other.shape != train.shape or not np.allclose(train, other):
            raise NotYet(
                f"{case}the training windows change when only the future changes: something leaks back"
            )
        _scaled_by_training(train, test, values, last, case)


def _two_parts(found: Any, length: int, case: str) -> tuple[Values, Values]:  # noqa: ANN401
    parts = [numbers(part, "windows") for part in pair(found, "training windows", "test windows")]
    for part in parts:
        if part.ndim != 2 or part.shape[1] != length:
            raise NotYet(f"{case}expected windows of shape (N, {length}), got {part.shape}")
    return parts[0], parts[1]


def _scaled_by_training(train: Values, test: Values, values: Values, last: int, case: str) -> None:
    """Mean and spread may come from all training steps, or from a few less, with n or n - 1 below the root."""
    windows = np.lib.stride_tricks.sliding_window_view(values, train.shape[1])
    chosen = np.concatenate([windows[: len(train)], windows[len(windows) - len(test) :]])
    for known, ddof in product(range(last - train.shape[1], last + 1), (0, 1)):
        mean, std = values[:known].mean(), values[:known].std(ddof=ddof)
        if np.allclose(np.concatenate([train, test]), (chosen - mean) / std, atol=1e-5):
            return
    raise NotYet(
        f"{case}no leak, but other values: scale both parts with mean and spread of the training part"
    )


def scales_by_everything(values: Values, train_share: float, length: int) -> tuple[Values, Values]:
    cut = round(len(values) * train_share)
    scaled = (values - values.mean()) / values.std()
    windows = [
        np.lib.stride_tricks.sliding_window_view(part, length) for part in (scaled[:cut], scaled[cut:])
    ]
    return windows[0], windows[1]


def splits_the_windows(values: Values, train_share: float, length: int) -> tuple[Values, Values]:
    train = values[: round(len(values) * train_share)]
    windows = np.lib.stride_tricks.sliding_window_view((values - train.mean()) / train.std(), length)
    cut = round(len(windows) * train_share)
    return windows[:cut], windows[cut:]


TEXTS = texts(__file__)
EXERCISES = {
    "3.1": Exercise(
        examine=partial(agree, reference=my_pad, cases=[(rows,) for rows in BATCHES], compare=_same_padding),
        answer=my_pad,
        mistakes=(
            (pads_at_the_front, "pads in front: packing then cuts off words and keeps zeros"),
            (counts_the_padding, "gives the padded length for every text: the LSTM reads the padding too"),
        ),
        **TEXTS["3.1"],
    ),
    "3.2": Exercise(
        examine=partial(agree, reference=my_vocabulary, cases=CAPS, compare=_same_vocabulary),
        answer=my_vocabulary,
        mistakes=(
            (cap_forgets_the_special_ones, "forgets that the special entries take two places"),
            (first_come_first_served, "takes the first words instead of the most frequent ones"),
        ),
        **TEXTS["3.2"],
    ),
    "3.3": Exercise(
        examine=examine_perplexity,
        answer=my_perplexity,
        mistakes=(
            (two_to_the_nats, "takes 2 as the base, which fits bits, not nats"),
            (bits_only, "gives the bits per character"),
        ),
        **TEXTS["3.3"],
    ),
    "3.4": Exercise(
        examine=partial(agree, reference=my_windows, cases=CUTS, compare=_same_windows),
        answer=my_windows,
        mistakes=(
            (past_holds_the_future, "the target is the last value of the past: perfect, and worthless"),
            (forgets_the_last_window, "stops one start too early"),
        ),
        **TEXTS["3.4"],
    ),
    "3.5": Exercise(
        examine=examine_baseline,
        answer=my_baseline,
        mistakes=(
            (last_value, "is persistence: right at 24 hours only"),
            (one_hour_off, "counts from one hour too early"),
        ),
        **TEXTS["3.5"],
    ),
    "3.6": Exercise(
        examine=examine_prepare,
        answer=my_prepare,
        mistakes=(
            (scales_by_everything, "mean and spread know the future"),
            (splits_the_windows, "windows around the cut hold steps of both parts"),
        ),
        **TEXTS["3.6"],
    ),
}
