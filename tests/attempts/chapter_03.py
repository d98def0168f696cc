"""Answers to the exercises of chapter 03 as learners write them; the most telling mistakes are in the package."""

# ruff: noqa: C416 - as learners write them
import math
from collections import Counter, OrderedDict

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence


def pad_lists(sequences):
    longest = max(map(len, sequences))
    return [row + [0] * (longest - len(row)) for row in sequences], [len(row) for row in sequences]


def pad_numpy(sequences):
    table = np.zeros((len(sequences), max(map(len, sequences))), dtype=np.int64)
    for row, sequence in zip(table, sequences, strict=True):
        row[: len(sequence)] = sequence
    return table, np.array([len(row) for row in sequences])


def pad_by_torch(sequences):
    rows = [torch.tensor(row) for row in sequences]
    return pad_sequence(rows, batch_first=True), torch.tensor([len(row) for row in rows])


def pad_in_place(sequences):
    lengths = [len(row) for row in sequences]
    for row in sequences:
        row += [0] * (max(lengths) - len(row))
    return [torch.tensor(sequences), torch.tensor(lengths)]


def pad_then_measure(sequences):
    longest = max(map(len, sequences))
    for row in sequences:
        row += [0] * (longest - len(row))
    return torch.tensor(sequences), torch.tensor([len(row) for row in sequences])


def with_table(change):
    return lambda sequences: (change(pad_by_torch(sequences)[0]), pad_by_torch(sequences)[1])


def counted(texts):
    return Counter(word for text in texts for word in text)


def numbered(words):
    return {word: index for index, word in enumerate(["<pad>", "<unk>", *words])}


def best(texts, size):
    counts = counted(texts)
    return sorted(sorted(counts), key=counts.get, reverse=True)[: size - 2]


def windows(values, length, horizon, first=0, end=0, shift=0):
    starts = range(first, max(1, len(values) - length - horizon + 1 + end))
    pasts = [values[start : start + length] for start in starts]
    return np.array(pasts), np.array([values[start + length + horizon - 1 + shift] for start in starts])


def windows_in_place(values, length, horizon):
    pasts, futures = windows(values, length, horizon)
    values[:] = 0
    return pasts.tolist(), torch.tensor(futures)


def strided_windows(values, length, horizon):
    every = np.lib.stride_tricks.sliding_window_view(values, length + horizon)
    return every[:, :length], every[:, -1]


def walk_back(series, horizon):
    place = len(series) - 1 + horizon
    while place >= len(series):
        place -= 24
    return series[place]


def cut(values, share, length, *, known=None, gap=0, ddof=0, scale=None):
    end = round(len(values) * share)
    part = values[: end if known is None else known]
    mean, std = part.mean(), part.std(ddof=ddof)
    view = np.lib.stride_tricks.sliding_window_view
    scaled = scale(values) if scale else (values - mean) / std
    return view(scaled[:end], length), view(scaled[end - gap :], length)


def prepare_by_windows(values, share, length):
    cut = round((len(values) - length + 1) * share)
    part = values[: cut + length - 1]
    every = np.lib.stride_tricks.sliding_window_view((values - part.mean()) / part.std(), length)
    return every[:cut], every[cut + length - 1 :]


def prepare_by_torch(values, share, length):
    values, end = torch.tensor(values), int(len(values) * share)
    values = (values - values[:end].mean()) / values[:end].std()
    return values[:end].unfold(0, length, 1), values[end:].unfold(0, length, 1)


def prepare_in_place(values, share, length):
    train, test = cut(values, share, length)
    values *= 0
    return train.tolist(), [row for row in test]


def split_scaled(values, share, length):
    every = np.lib.stride_tricks.sliding_window_view((values - values.mean()) / values.std(), length)
    end = round(len(every) * share)
    return every[:end], every[end:]


def each_part_on_its_own(values, share, length):
    train, test = cut(values, share, length, scale=lambda v: v)
    return (train - train.mean()) / train.std(), (test - test.mean()) / test.std()


RIGHT = {
    "3.1": [
        pad_lists,
        pad_numpy,
        pad_by_torch,
        pad_in_place,
        lambda rows: (pad_by_torch(rows)[0], [len(row) for row in rows]),
        lambda rows: [
            [torch.tensor(row) for row in pad_lists(rows)[0]],
            [torch.tensor(len(row)) for row in rows],
        ],
    ],
    "3.2": [
        lambda texts, size: numbered(best(texts, size)),
        lambda texts, size: OrderedDict(numbered(best(texts, size))),
        lambda texts, size: Counter(numbered(best(texts, size))),
        lambda texts, size: {word: np.int64(index) for word, index in numbered(best(texts, size)).items()},
        lambda texts, size: {
            word: torch.tensor(index) for word, index in numbered(best(texts, size)).items()
        },
        lambda texts, size: dict(reversed(numbered(best(texts, size)).items())),
        lambda texts, size: numbered(
            [w for w, _ in sorted(counted(texts).items(), key=lambda pair: (-pair[1], pair[0]))][: size - 2]
        ),
    ],
    "3.3": [
        math.exp,
        np.exp,
        torch.exp,
        lambda loss: math.e**loss,
        lambda loss: torch.exp(torch.tensor(loss)),
        lambda loss: loss.exp().item(),
        lambda loss: 2 ** (loss / math.log(2)),
        lambda loss: np.float32(math.exp(loss)),
        lambda loss: math.exp(loss) if isinstance(loss, float) else 1 / 0,
    ],
    "3.4": [
        windows,
        strided_windows,
        windows_in_place,
        lambda v, n, h: [torch.tensor(part) for part in windows(v, n, h)],
        lambda v, n, h: tuple(part.astype(np.float32) for part in windows(v, n, h)),
        lambda v, n, h: (list(windows(v, n, h)[0]), list(windows(v, n, h)[1])),
    ],
    "3.5": [
        walk_back,
        lambda series, horizon: series[-1 - (-horizon % 24)],
        lambda series, horizon: series[-24 + (horizon - 1) % 24],
        lambda series, horizon: np.float32(series[-24:][(horizon - 1) % 24]),
        lambda series, horizon: torch.tensor(walk_back(series, horizon)),
        lambda series, horizon: [int(walk_back(series, horizon))],
    ],
    "3.6": [
        cut,
        prepare_by_windows,
        prepare_by_torch,
        prepare_in_place,
        lambda v, s, n: cut(v, s, n, ddof=1),
        lambda v, s, n: [part.astype(np.float32) for part in cut(v, s, n)],
        lambda v, s, n: tuple(torch.tensor(part.copy()) for part in cut(v, s, n)),
    ],
}
WRONG = {
    "3.1": [
        pad_then_measure,
        with_table(lambda table: table.float()),
        with_table(lambda table: table[:, :1]),
        with_table(lambda table: table.T),
        with_table(lambda table: torch.where(table == 0, -1, table)),
        with_table(lambda table: table + 1),
        lambda rows: pad_by_torch(rows)[0],
        lambda rows: pad_by_torch(rows)[::-1],
        lambda rows: (pad_by_torch(rows)[0], (pad_by_torch(rows)[0] != 0).sum(1)),
        lambda rows: (pad_by_torch(rows)[0], max(map(len, rows))),
        lambda rows: (rows, [len(row) for row in rows]),
    ],
    "3.2": [
        lambda texts, size: numbered([word for word, _ in counted(texts).most_common(size - 2)]),
        lambda texts, size: numbered(sorted(counted(texts))[: size - 2]),
        lambda texts, size: numbered(
            sorted(counted(texts), key=lambda w: (counted(texts)[w], w))[: size - 2]
        ),
        lambda texts, size: numbered(
            sorted(counted(texts), key=lambda w: (counted(texts)[w], w), reverse=True)[: size - 2]
        ),
        lambda texts, size: numbered(best(texts, 1000)),
        lambda texts, size: numbered(
            sorted(counted(texts), key=lambda w: (-counted(texts)[w], len(w)))[: size - 2]
        ),
        lambda texts, size: {word: index + 2 for index, word in enumerate(best(texts, size))},
        lambda texts, size: {word: index + 1 for word, index in numbered(best(texts, size)).items()},
        lambda texts, size: ["<pad>", "<unk>", *best(texts, size)],
        lambda texts, size: numbered(best([list(dict.fromkeys(text)) for text in texts], size)),
        lambda texts, size: {index: word for word, index in numbered(best(texts, size)).items()},
    ],
    "3.3": [
        lambda loss: loss,
        lambda loss: math.exp(-loss),
        lambda loss: round(math.exp(loss)),
        lambda loss: 10**loss,
        lambda loss: float(f"{math.exp(loss):.2g}"),
        lambda loss: 64,
        lambda loss: math.log(loss + 1),
        lambda loss: str(math.exp(loss)),
        lambda loss: min(math.exp(loss), 1000),
    ],
    "3.4": [
        lambda v, n, h: windows(v, n, h, first=1),
        lambda v, n, h: windows(v, n, 1),
        lambda v, n, h: windows(v, n, h)[0],
        lambda v, n, h: windows(v, n, h)[::-1],
        lambda v, n, h: (windows(v, n, h)[0], windows(v, n, h)[1][:, None]),
        lambda v, n, h: (windows(v, n, h)[0], np.arange(len(windows(v, n, h)[0])) + n + h - 1),
        lambda v, n, h: windows(v, n, h, end=1),
        lambda v, n, h: (windows(v, n, h)[0].T, windows(v, n, h)[1]),
        lambda v, n, h: tuple(part[::2] for part in windows(v, n, h)),
    ],
    "3.5": [
        lambda series, horizon: series[-24],
        lambda series, horizon: series[-horizon],
        lambda series, horizon: series[len(series) - 1 + horizon - 24],
        lambda series, horizon: series[-25 + horizon] if horizon < 25 else series[-1],
        lambda series, horizon: series[horizon % 24],
        lambda series, horizon: series[-24 + horizon % 24],
        lambda series, horizon: series[-24:].mean(),
        lambda series, horizon: series[len(series) - 1 + horizon - 24 * (horizon // 24 + 1)],
        lambda series, horizon: len(series) - 1 + horizon - 24 * math.ceil(horizon / 24),
        lambda series, horizon: series[-24:],
    ],
    "3.6": [
        split_scaled,
        each_part_on_its_own,
        lambda v, s, n: cut(v, s, n, gap=n - 1),
        lambda v, s, n: cut(v, s, n, known=len(v)),
        lambda v, s, n: cut(v, s, n, scale=lambda values: values),
        lambda v, s, n: cut(v, 1 - s, n),
        lambda v, s, n: cut(v, s, n)[::-1],
        lambda v, s, n: cut(v, s, n)[0],
        lambda v, s, n: cut(v, s, n + 1),
        lambda v, s, n: cut(v, s, n, scale=lambda x: x - x[: round(len(x) * s)].mean()),
        lambda v, s, n: (v[: round(len(v) * s)], v[round(len(v) * s) :]),
    ],
}
