"""The exercises of chapter 03: recurrent networks and LSTMs."""

# ruff: noqa: D103 - worked answers and common mistakes are shown to learners as they would write them
import math
from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from course_utils.exercises.grading import Exercise, NotYet, call

Values = npt.NDArray[np.float64]


def pad(sequences: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(len(sequence) for sequence in sequences)
    padded = torch.zeros(len(sequences), longest, dtype=torch.int64)
    for row, sequence in enumerate(sequences):
        padded[row, : len(sequence)] = torch.tensor(sequence)
    return padded, torch.tensor([len(sequence) for sequence in sequences])


def examine_pad(answer: Any) -> None:  # noqa: ANN401
    for sequences in ([[5, 6, 7], [8]], [[2], [3, 4], [5, 6, 7, 8]]):
        found = call(answer, sequences)
        if not isinstance(found, tuple) or len(found) != 2:
            raise NotYet(f"expected two things, the padded table and the lengths, got {found!r}")
        padded, lengths = (torch.as_tensor(part) for part in found)
        expected, expected_lengths = pad(sequences)
        if padded.tolist() != expected.tolist():
            raise NotYet(f"for {sequences} expected {expected.tolist()}, got {padded.tolist()}")
        if lengths.tolist() != expected_lengths.tolist():
            raise NotYet(
                f"for {sequences} expected lengths {expected_lengths.tolist()}, got {lengths.tolist()}: "
                "the padding does not count"
            )


def pads_at_the_front(sequences: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(len(sequence) for sequence in sequences)
    rows = [[0] * (longest - len(sequence)) + sequence for sequence in sequences]
    return torch.tensor(rows), torch.tensor([len(sequence) for sequence in sequences])


def counts_the_padding(sequences: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    padded, _ = pad(sequences)
    return padded, torch.full((len(sequences),), padded.shape[1])


def vocabulary(texts: list[list[str]], max_size: int) -> dict[str, int]:
    counts = Counter(word for text in texts for word in text)
    frequent = sorted(counts, key=lambda word: (-counts[word], word))
    words = ["<pad>", "<unk>", *frequent[: max_size - 2]]
    return {word: index for index, word in enumerate(words)}


def examine_vocabulary(answer: Any) -> None:  # noqa: ANN401
    texts = [["bad", "a", "film", "film", "a"], ["good", "film", "a", "good", "film"]]
    for max_size in (4, 5, 100):
        expected, found = vocabulary(texts, max_size), call(answer, texts, max_size)
        if not isinstance(found, dict):
            raise NotYet(f"expected a dict from word to index, got {type(found).__name__}")
        if len(found) > max_size:
            raise NotYet(f"for max_size {max_size} got {len(found)} entries: the two special ones count too")
        if found != expected:
            raise NotYet(f"for {texts} and max_size {max_size} expected {expected}, got {found}")


def cap_forgets_the_special_ones(texts: list[list[str]], max_size: int) -> dict[str, int]:
    return vocabulary(texts, max_size + 2)


def first_come_first_served(texts: list[list[str]], max_size: int) -> dict[str, int]:
    words = list(dict.fromkeys(word for text in texts for word in text))
    return {word: index for index, word in enumerate(["<pad>", "<unk>", *words[: max_size - 2]])}


def perplexity(loss_nats: float) -> float:
    return math.exp(loss_nats)


def examine_perplexity(answer: Any) -> None:  # noqa: ANN401
    for choices in (2, 64):
        found = call(answer, math.log(choices))
        if not isinstance(found, int | float) or not math.isclose(found, choices, rel_tol=1e-6):
            raise NotYet(
                f"a model that wavers evenly between {choices} characters has a loss of {math.log(choices):.4f} nats "
                f"and a perplexity of {choices}; got {found!r}"
            )


def two_to_the_nats(loss_nats: float) -> float:
    return float(2**loss_nats)


def bits_only(loss_nats: float) -> float:
    return loss_nats / math.log(2)


def cut_windows(values: Values, length: int, horizon: int) -> tuple[Values, Values]:
    starts = range(len(values) - length - horizon + 1)
    pasts = np.stack([values[start : start + length] for start in starts])
    futures = np.array([values[start + length + horizon - 1] for start in starts])
    return pasts, futures


def examine_windows(answer: Any) -> None:  # noqa: ANN401
    for steps, length, horizon in ((6, 3, 1), (8, 2, 3), (5, 4, 1)):
        values = np.arange(steps, dtype=np.float64)
        found = call(answer, values, length, horizon)
        if not isinstance(found, tuple) or len(found) != 2:
            raise NotYet(f"expected two arrays, pasts and futures, got {type(found).__name__}")
        pasts, futures = (np.asarray(part, dtype=np.float64) for part in found)
        if (
            pasts.ndim == 2
            and len(pasts) == len(futures)
            and bool((pasts.max(axis=1) >= futures.ravel()).any())
        ):
            raise NotYet(
                f"for the series 0 to {steps - 1}, length {length}, horizon {horizon}: a past of yours holds its own "
                "future. That is a leak"
            )
        for name, got, expected in zip(
            ("pasts", "futures"), (pasts, futures), cut_windows(values, length, horizon), strict=True
        ):
            if got.shape != expected.shape or not np.allclose(got, expected):
                raise NotYet(
                    f"for the series 0 to {steps - 1}, length {length}, horizon {horizon} expected {name} "
                    f"{expected.tolist()}, got {got.tolist()}"
                )


def past_holds_the_future(values: Values, length: int, horizon: int) -> tuple[Values, Values]:
    starts = range(len(values) - length - horizon + 1)
    pasts = np.stack([values[start : start + length] for start in starts])
    return pasts, np.array([values[start + length - 1] for start in starts])


def forgets_the_last_window(values: Values, length: int, horizon: int) -> tuple[Values, Values]:
    pasts, futures = cut_windows(values, length, horizon)
    return pasts[:-1], futures[:-1]


def same_hour_yesterday(series: Values, horizon: int) -> float:
    steps_back = 24 * math.ceil(horizon / 24)
    return float(series[len(series) - 1 + horizon - steps_back])


def examine_baseline(answer: Any) -> None:  # noqa: ANN401
    series = np.arange(100.0, 172.0)  # three days, ending at hour 171
    for horizon in (1, 6, 24, 30):
        expected, found = same_hour_yesterday(series, horizon), call(answer, series, horizon)
        target = 171 + horizon
        if not isinstance(found, int | float | np.floating) or not math.isclose(float(found), expected):
            raise NotYet(
                f"the series ends with hour 171; hour {target} is asked for, and the latest known hour at the same "
                f"time of day is {expected:.0f}; got {found!r}"
            )


def last_value(series: Values, horizon: int) -> float:
    return float(series[-1])


def one_hour_off(series: Values, horizon: int) -> float:
    return float(series[len(series) + horizon - 24 * math.ceil(horizon / 24) - 2])


def prepare(values: Values, train_share: float, length: int) -> tuple[Values, Values]:
    cut = round(len(values) * train_share)
    train, test = values[:cut], values[cut:]
    mean, std = train.mean(), train.std()
    parts = [(part - mean) / std for part in (train, test)]
    pasts = [np.lib.stride_tricks.sliding_window_view(part, length) for part in parts]
    return pasts[0], pasts[1]


def examine_prepare(answer: Any) -> None:  # noqa: ANN401
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(size=60), rng.normal(50, 9, size=40)])
    changed = values.copy()
    changed[60:] += 1000.0  # another future: the training windows must not notice
    found = call(answer, values, 0.6, 5)
    if not isinstance(found, tuple) or len(found) != 2:
        raise NotYet(f"expected two arrays, training and test windows, got {type(found).__name__}")
    train, test = (np.asarray(part, dtype=np.float64) for part in found)
    other = np.asarray(call(answer, changed, 0.6, 5)[0], dtype=np.float64)
    expected = prepare(values, 0.6, 5)
    if train.shape != expected[0].shape or test.shape != expected[1].shape:
        raise NotYet(
            f"100 steps, 60 of them for training, windows of 5: expected {len(expected[0])} training and "
            f"{len(expected[1])} test windows, got {len(train)} and {len(test)}: does one straddle the cut?"
        )
    if not np.allclose(train, other):
        raise NotYet("the training windows change when only the future changes: something leaks back from it")
    if not np.allclose(train, expected[0]) or not np.allclose(test, expected[1]):
        raise NotYet("no leak, but other values: scale both parts with mean and spread of the training part")


def scales_by_everything(values: Values, train_share: float, length: int) -> tuple[Values, Values]:
    cut = round(len(values) * train_share)
    scaled = (values - values.mean()) / values.std()
    pasts = [np.lib.stride_tricks.sliding_window_view(part, length) for part in (scaled[:cut], scaled[cut:])]
    return pasts[0], pasts[1]


def splits_the_windows(values: Values, train_share: float, length: int) -> tuple[Values, Values]:
    train = values[: round(len(values) * train_share)]
    windows = np.lib.stride_tricks.sliding_window_view((values - train.mean()) / train.std(), length)
    cut = round(len(windows) * train_share)
    return windows[:cut], windows[cut:]


EXERCISES = {
    "3.1": Exercise(
        title="Pad a batch",
        examine=examine_pad,
        answer=pad,
        hints=(
            "How wide must the table be? As wide as the longest sequence.",
            "Start with `torch.zeros(len(sequences), longest, dtype=torch.int64)` and fill row by row.",
            "`padded[row, : len(sequence)] = torch.tensor(sequence)`",
        ),
        reasoning="A batch is a rectangle, texts are not: fill up with index 0 at the end, and keep the true lengths, "
        "so that the LSTM can be told where each text stops.",
        mistakes=(
            (pads_at_the_front, "pads in front: packing then cuts off words and keeps zeros"),
            (
                counts_the_padding,
                "gives the padded length for every text, so nothing is hidden from the LSTM",
            ),
        ),
        notes="Ask why the lengths are needed although the zeros can be counted: what if 0 were a real word?",
    ),
    "3.2": Exercise(
        title="A vocabulary with a cap",
        examine=examine_vocabulary,
        answer=vocabulary,
        hints=(
            "`collections.Counter` counts the words of all texts.",
            "Sort by count, downwards, then by the alphabet: `sorted(counts, key=lambda w: (-counts[w], w))`.",
            "The cap includes `<pad>` and `<unk>`: only `max_size - 2` words have room.",
        ),
        reasoning="Frequent words earn their row of the embedding; the rest share `<unk>`. Ties are broken by the "
        "alphabet, so that the same texts always give the same numbers.",
        mistakes=(
            (cap_forgets_the_special_ones, "forgets that the special entries take two places"),
            (first_come_first_served, "takes the first words instead of the most frequent ones"),
        ),
        notes="Ask from which part the texts may come: from the training part only.",
    ),
    "3.3": Exercise(
        title="Perplexity from the loss",
        examine=examine_perplexity,
        answer=perplexity,
        hints=(
            "Cross-entropy in PyTorch is in nats, to the base e.",
            "A fair coin costs ln 2 nats and has the perplexity 2. Which function turns ln 2 into 2?",
        ),
        reasoning="Perplexity is e to the mean loss in nats (or 2 to the loss in bits): the number of equally likely "
        "characters that would be as hard to guess.",
        mistakes=(
            (two_to_the_nats, "takes 2 as the base, which fits bits, not nats"),
            (bits_only, "gives the bits per character"),
        ),
        notes="Perplexity per character and per word cannot be compared: ask why.",
    ),
    "3.4": Exercise(
        title="Windows that only look back",
        examine=examine_windows,
        answer=cut_windows,
        hints=(
            "A window that starts at s covers s to s + length - 1.",
            "Its future, `horizon` steps after the end, is at s + length + horizon - 1.",
            "The last start is len(values) - length - horizon: `range(... + 1)`.",
        ),
        reasoning="With horizon 1 the target is the value right after the window. Everything in the past must be known "
        "at the moment of the forecast.",
        mistakes=(
            (
                past_holds_the_future,
                "the target is the last value of the past: a perfect score, and worthless",
            ),
            (forgets_the_last_window, "stops one start too early"),
        ),
        notes="A model that is too good is the symptom of this leak. Let learners plant it and look at the error.",
    ),
    "3.5": Exercise(
        title="Same hour yesterday",
        examine=examine_baseline,
        answer=same_hour_yesterday,
        hints=(
            "The wanted hour has the index len(series) - 1 + horizon: beyond the end.",
            "Go back by whole days until you are inside the series.",
            "One day is enough up to a horizon of 24; in general it takes math.ceil(horizon / 24) days.",
        ),
        reasoning="The latest known value at the same time of day: 24 · ⌈horizon / 24⌉ hours before the wanted one. At "
        "a horizon of 24 it is the last value itself, that is, persistence.",
        mistakes=(
            (last_value, "is persistence: right at 24 hours only"),
            (one_hour_off, "counts from one hour too early"),
        ),
        notes="Which baseline is stronger at +1, at +6, at +24? Let learners guess before they measure.",
    ),
    "3.6": Exercise(
        title="Find the leak",
        examine=examine_prepare,
        answer=prepare,
        hints=(
            "There are two leaks. What does the pipeline know about the future when it scales?",
            "Compute mean and spread from `values[:cut]` alone.",
            "Cut the series first and make windows of each part, so that none holds steps of both.",
        ),
        reasoning="Scale with the training part, and cut before windowing. A test that finds such leaks: change the "
        "future, and see whether anything in the training data moves.",
        mistakes=(
            (scales_by_everything, "mean and spread know the future"),
            (splits_the_windows, "windows around the cut hold steps of both parts"),
        ),
        notes="The test inside the check, change the future and compare, is worth teaching for its own sake.",
    ),
}
