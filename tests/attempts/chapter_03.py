"""Answers to the exercises of chapter 03 as learners write them; the most telling mistakes are in the package."""

# ruff: noqa: C416 - as learners write them
import math
from collections import Counter, OrderedDict
from fractions import Fraction
from itertools import chain, groupby, zip_longest

import numpy as np
import pandas as pd
import torch
from sklearn.model_selection import TimeSeriesSplit
from torch import nn
from torch.nn.utils.rnn import pack_sequence, pad_packed_sequence, pad_sequence


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
    return {word: index for index, word in enumerate(["<PAD>", "<UNK>", *words])}


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


def prepare_then_scale(values, share, length):
    train, test = cut(values, share, length, scale=lambda v: v)
    return (train - train.mean()) / train.std(), (test - train.mean()) / train.std()


def drop_what_straddles(values, share, length, gap=0):
    every = np.lib.stride_tricks.sliding_window_view(values, length)
    end = round(len(every) * share)
    every = (every - values[:end].mean()) / values[:end].std()
    return every[: end - length + 1 - gap], every[end:]


def prepare_by_lists(values, share, length):
    values, end = values.tolist(), int(len(values) * share)
    mean = sum(values[:end]) / end
    std = math.sqrt(sum((value - mean) ** 2 for value in values[:end]) / end)
    scaled = [(value - mean) / std for value in values]
    return tuple(
        [part[start : start + length] for start in range(len(part) - length + 1)]
        for part in (scaled[:end], scaled[end:])
    )


def split_scaled(values, share, length):
    every = np.lib.stride_tricks.sliding_window_view((values - values.mean()) / values.std(), length)
    end = round(len(every) * share)
    return every[:end], every[end:]


def each_part_on_its_own(values, share, length):
    train, test = cut(values, share, length, scale=lambda v: v)
    return (train - train.mean()) / train.std(), (test - test.mean()) / test.std()


def lstm_step(weights, x, h, c, *, order=(0, 1, 2, 3), shape=torch.tanh, out=lambda h, c: (h, c)):
    w_ih, w_hh, b_ih, b_hh = weights
    blocks = (x @ w_ih.T + b_ih + h @ w_hh.T + b_hh).split(h.shape[1], dim=1)
    i, f, g, o = (blocks[place] for place in order)
    new = f.sigmoid() * c + i.sigmoid() * shape(g)
    return out(o.sigmoid() * new.tanh(), new)


def step_by_cell(weights, x, h, c):
    cell = nn.LSTMCell(x.shape[1], h.shape[1])
    for own, given in zip(cell.parameters(), weights, strict=True):
        own.data.copy_(given)
    return cell(x, (h, c))


def step_in_numpy(weights, x, h, c):
    w_ih, w_hh, b_ih, b_hh = (np.asarray(weight) for weight in weights)
    blocks = np.asarray(x) @ w_ih.T + b_ih + np.asarray(h) @ w_hh.T + b_hh
    i, f, g, o = np.split(blocks, 4, axis=1)
    new = np.asarray(c) / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
    return [np.tanh(new) / (1 + np.exp(-o)), new]


def step_in_place(weights, x, h, c):
    w_ih, w_hh, b_ih, b_hh = weights
    blocks = nn.functional.linear(x, w_ih, b_ih).add_(nn.functional.linear(h, w_hh, b_hh))
    i, f, g, o = blocks.chunk(4, dim=-1)
    c.mul_(f.sigmoid()).add_(i.sigmoid() * g.tanh())
    h.copy_(o.sigmoid() * c.tanh())
    return h, c


def units_side_by_side(weights, x, h, c):
    w_ih, w_hh, b_ih, b_hh = weights
    i, f, g, o = (x @ w_ih.T + b_ih + h @ w_hh.T + b_hh).reshape(len(x), -1, 4).unbind(2)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def gradients_by_differences(network, inputs, step):
    network, inputs, found = network.double(), inputs.double(), []
    for back in range(step + 1):
        slopes = []
        for feature in range(inputs.shape[2]):
            more, less = inputs.clone(), inputs.clone()
            more[0, step - back, feature] += 1e-4
            less[0, step - back, feature] -= 1e-4
            change = network(more)[0][0, step].sum() - network(less)[0][0, step].sum()
            slopes.append(change.item() / 2e-4)
        found.append(math.hypot(*slopes))
    return found


def gradients_that_pile_up(network, inputs, step):
    inputs, found = inputs.clone().requires_grad_(), []
    for back in range(step + 1):
        network(inputs)[0][0, step].sum().backward()
        found.append(inputs.grad[0, step - back].norm().item())
    return found


def masked_by_nan(vectors, inputs):
    vectors[inputs == 0] = torch.nan
    return vectors.nanmean(dim=1).nan_to_num()


def masked_from_the_front(vectors, inputs):
    lengths = (inputs != 0).sum(dim=1).tolist()
    rows = [row[:length] for row, length in zip(vectors, lengths, strict=True)]
    return [row.sum(dim=0) / max(1, len(row)) for row in rows]


def each_word_once(vectors, inputs):
    rows = []
    for vector, row in zip(vectors, inputs, strict=True):
        words = {int(word): vector[place] for place, word in enumerate(row) if word != 0}
        rows.append(torch.stack(list(words.values())).mean(dim=0) if words else torch.zeros(vector.shape[1]))
    return torch.stack(rows)


def gradients(network, inputs, step, *, output=None, kept=None, norm=2):
    inputs.requires_grad_()
    outputs, _ = network(inputs)
    (found,) = torch.autograd.grad(outputs[0, step if output is None else output].sum(), inputs)
    return found[0, : step + 1 if kept is None else kept].norm(norm, dim=1).flip(0)


def gradients_in_a_loop(network, inputs, step):
    inputs = inputs[:, : step + 1].clone().requires_grad_()
    network(inputs)[0][:, -1].sum().backward()
    return [inputs.grad[0, step - back].norm().item() for back in range(step + 1)]


def masked_in_a_loop(vectors, inputs):
    rows = []
    for vector, row in zip(vectors, inputs, strict=True):
        real = vector[row != 0]
        rows.append(real.mean(dim=0) if len(real) else torch.zeros(vector.shape[1]))
    return torch.stack(rows)


def clipped(model, batches, rate, most, *, clip=nn.utils.clip_grad_norm_, zero=True, sign=-1):
    for inputs, targets in batches:
        if zero:
            model.zero_grad()
        nn.CrossEntropyLoss()(model(inputs), targets).backward()
        clip(model.parameters(), most)
        with torch.no_grad():
            for weight in model.parameters():
                weight += sign * rate * weight.grad
    return model


def by_hand(parameters, most):
    grads = [weight.grad for weight in parameters]
    norm = torch.sqrt(sum((grad**2).sum() for grad in grads))
    for grad in grads:
        grad *= min(1.0, most / norm.item())


def always_to_the_norm(parameters, most):
    grads = [weight.grad for weight in parameters]
    norm = torch.sqrt(sum((grad**2).sum() for grad in grads))
    for grad in grads:
        grad *= most / norm


def clipped_by_closures(model, batches, rate, most):
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    for inputs, targets in batches:

        def closure(inputs=inputs, targets=targets):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(inputs), targets)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), most)
            return loss

        optimizer.step(closure)
    return model


def clipped_all_at_once(model, batches, rate, most):
    whole = [(torch.cat([batch[0] for batch in batches]), torch.cat([batch[1] for batch in batches]))]
    return clipped(model, whole, rate, most)


def coverage(errors, widths, months, *, inside=lambda e, w: abs(e) <= w):
    found = {}
    for error, width, month in zip(errors, widths, months, strict=True):
        found.setdefault(month, []).append(bool(inside(error, width)))
    return {month: sum(hits) / len(hits) for month, hits in found.items()}


def coverage_of_runs(errors, widths, months):
    found = {}
    for month, run in groupby(zip(months, abs(errors) <= widths, strict=True), key=lambda pair: pair[0]):
        hits = [hit for _, hit in run]
        found[month] = sum(hits) / len(hits)
    return found


def folds_in_an_array(steps, folds, horizon):
    table = np.empty((folds, 2), dtype=object)
    for row, (train, test) in zip(table, folds_of(steps, folds, horizon), strict=True):
        row[0], row[1] = np.array(train), np.array(test)
    return table


def folds_by_sklearn(steps, folds, horizon):
    return list(TimeSeriesSplit(n_splits=folds, test_size=horizon).split(np.arange(steps)))


def extend_the_series(series, horizon):
    series = list(series)
    for _ in range(horizon):
        series.append(series[-24])
    return series[-1]


def folds_of(steps, folds, horizon, *, gap=0, first=0):
    starts = range(steps - folds * horizon, steps, horizon)
    return [(list(range(first, start - gap)), list(range(start, start + horizon))) for start in starts]


RIGHT = {
    "3.1": [
        lstm_step,
        step_by_cell,
        lambda weights, x, h, c: [part.tolist() for part in lstm_step(weights, x, h, c)],
        lambda *given: lstm_step(*given, out=lambda h, c: (h.double(), c.numpy())),
        step_in_numpy,
        step_in_place,
        lambda weights, x, h, c: torch.lstm_cell(x, (h, c), *weights),
        lambda *given: torch.stack(lstm_step(*given)),
        lambda *given: np.stack(step_in_numpy(*given)),
    ],
    "3.2": [
        gradients,
        gradients_in_a_loop,
        lambda n, x, s: gradients(n, x, s).tolist(),
        lambda n, x, s: gradients(n, x[:, : s + 1], s).numpy(),
        gradients_by_differences,
        lambda n, x, s: (
            torch.func.grad(lambda given: n(given)[0][0, s].sum())(x)[0, : s + 1].norm(dim=1).flip(0)
        ),
    ],
    "3.4": [
        masked_in_a_loop,
        lambda v, i: masked_in_a_loop(v, i).numpy(),
        masked_by_nan,
        masked_from_the_front,
        lambda v, i: (
            torch.einsum("nte,nt->ne", v, (i > 0).float())
            / torch.maximum((i > 0).sum(1, keepdim=True), torch.tensor(1))
        ),
        lambda v, i: (v * (i != 0)[..., None]).sum(1).div((i != 0).sum(1)[:, None]).nan_to_num(0),
    ],
    "3.5": [
        clipped,
        lambda *given: clipped(*given, clip=by_hand),
        lambda model, batches, rate, most: clipped(model.train(), batches, rate, most),
        clipped_by_closures,
    ],
    "3.9": [
        coverage,
        lambda e, w, m: {k: np.float32(v) for k, v in coverage(e, w, m).items()},
        lambda e, w, m: {k: torch.tensor(v) for k, v in coverage(e, w, m).items()},
        lambda e, w, m: pd.Series(np.abs(e) <= w).groupby(m).mean().to_dict(),
        lambda e, w, m: dict(reversed(coverage(e, w, m).items())),
        lambda e, w, m: {k: (abs(e) <= w)[np.array(m) == k].mean() for k in np.unique(m)},
        lambda e, w, m: {k: Fraction(v).limit_denominator(9) for k, v in coverage(e, w, m).items()},
    ],
    "3.11": [
        folds_of,
        lambda steps, folds, horizon: tuple(folds_of(steps, folds, horizon)),
        lambda steps, folds, horizon: [
            (range(start), range(start, start + horizon))
            for start in range(steps - folds * horizon, steps, horizon)
        ],
        lambda *given: [(torch.tensor(a), np.array(b)) for a, b in folds_of(*given)],
        lambda *given: [(set(a), frozenset(b)) for a, b in folds_of(*given)],
        folds_in_an_array,
        folds_by_sklearn,
    ],
    "3.6": [
        pad_lists,
        pad_numpy,
        pad_by_torch,
        pad_in_place,
        lambda rows: (pad_by_torch(rows)[0], [len(row) for row in rows]),
        lambda rows: [
            [torch.tensor(row) for row in pad_lists(rows)[0]],
            [torch.tensor(len(row)) for row in rows],
        ],
        lambda rows: (np.array(list(zip_longest(*rows, fillvalue=0))).T, torch.tensor(pad_lists(rows)[1])),
        lambda rows: pad_packed_sequence(
            pack_sequence([torch.tensor(row) for row in rows], enforce_sorted=False), batch_first=True
        ),
        lambda rows: (np.array(pad_lists(rows)[0], dtype=object), pad_lists(rows)[1]),
    ],
    "3.3": [
        lambda texts, size: numbered(best(texts, size)),
        lambda texts, size: OrderedDict(numbered(best(texts, size))),
        lambda texts, size: Counter(numbered(best(texts, size))),
        lambda texts, size: {word: np.int64(index) for word, index in numbered(best(texts, size)).items()},
        lambda texts, size: {
            word: torch.tensor(index) for word, index in numbered(best(texts, size)).items()
        },
        lambda texts, size: dict(reversed(numbered(best(texts, size)).items())),
        lambda texts, size: numbered(
            [word for word, _ in Counter(sorted(chain.from_iterable(texts))).most_common(size - 2)]
        ),
        lambda texts, size: numbered(
            [w for w, _ in sorted(counted(texts).items(), key=lambda pair: (-pair[1], pair[0]))][: size - 2]
        ),
    ],
    "3.7": [
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
    "3.10": [
        windows,
        strided_windows,
        windows_in_place,
        lambda v, n, h: [torch.tensor(part) for part in windows(v, n, h)],
        lambda v, n, h: tuple(part.astype(np.float32) for part in windows(v, n, h)),
        lambda v, n, h: (list(windows(v, n, h)[0]), list(windows(v, n, h)[1])),
        lambda v, n, h: (pd.DataFrame(windows(v, n, h)[0]), pd.Series(windows(v, n, h)[1])),
    ],
    "3.12": [
        walk_back,
        lambda series, horizon: series[-1 - (-horizon % 24)],
        lambda series, horizon: series[-24 + (horizon - 1) % 24],
        lambda series, horizon: np.float32(series[-24:][(horizon - 1) % 24]),
        lambda series, horizon: torch.tensor(walk_back(series, horizon)),
        lambda series, horizon: [int(walk_back(series, horizon))],
        extend_the_series,
        lambda series, horizon: np.tile(series[-24:], horizon // 24 + 1)[horizon - 1],
        lambda series, horizon: torch.tensor(series)[-24:].roll(1 - horizon)[0],
    ],
    "3.8": [
        cut,
        prepare_by_windows,
        prepare_by_torch,
        prepare_in_place,
        lambda v, s, n: cut(v, s, n, ddof=1),
        lambda v, s, n: [part.astype(np.float32) for part in cut(v, s, n)],
        lambda v, s, n: tuple(torch.tensor(part.copy()) for part in cut(v, s, n)),
        prepare_then_scale,
        prepare_by_lists,
        drop_what_straddles,
        lambda v, s, n: drop_what_straddles(v, s, n, gap=1),
        lambda v, s, n: (cut(v, s, n)[0][:-1], cut(v, s, n)[1]),
    ],
}
WRONG = {
    "3.1": [
        lambda *given: lstm_step(*given, order=(1, 0, 2, 3)),
        lambda *given: lstm_step(*given, order=(0, 1, 3, 2)),
        lambda *given: lstm_step(*given, shape=torch.sigmoid),
        lambda *given: lstm_step(*given, out=lambda h, c: (c, h)),
        lambda *given: lstm_step(*given)[0],
        lambda weights, x, h, c: (h, c),
        units_side_by_side,
        lambda *given: torch.cat(lstm_step(*given), dim=1),
        lambda *given: tuple(part.T for part in lstm_step(*given)),
        lambda *given: torch.stack(lstm_step(*given)[::-1]),
        lambda *given: dict(zip("hc", lstm_step(*given), strict=True)),
        lambda weights, x, h, c: lstm_step((*weights[:3], 0 * weights[3]), x, h, c),
    ],
    "3.2": [
        lambda n, x, s: gradients(n, x, s, output=-1),
        lambda n, x, s: gradients(n, x, s, kept=6),
        lambda n, x, s: gradients(n, x, s, norm=1),
        lambda n, x, s: gradients(n, x, s, kept=s),
        lambda n, x, s: gradients(n, x, s) / gradients(n, x, s)[0],
        lambda n, x, s: gradients(n, x, s).sum(),
        gradients_that_pile_up,
        lambda n, x, s: sorted(gradients(n, x, s).tolist(), reverse=True),
    ],
    "3.4": [
        lambda v, i: v.sum(1),
        lambda v, i: (v * (i != 0)[..., None]).sum(1),
        lambda v, i: v.sum(1) / (i != 0).sum(1)[:, None].clamp(min=1),
        lambda v, i: (v * (i != 0)[..., None]).sum(1) / (i != 0).sum(1)[:, None],
        lambda v, i: (v * (i != 0)[..., None]).max(1).values,
        lambda v, i: masked_in_a_loop(v, i).mean(0),
        each_word_once,
        lambda v, i: masked_in_a_loop(v, i * (i > 1)),
        lambda v, i: (v * i[..., None]).sum(1) / i.sum(1)[:, None].clamp(min=1),
    ],
    "3.5": [
        lambda *given: clipped(*given, clip=lambda parameters, most: None),
        lambda *given: clipped(*given, clip=nn.utils.clip_grad_value_),
        lambda *given: clipped(*given, clip=always_to_the_norm),
        lambda *given: clipped(*given, zero=False),
        lambda *given: clipped(*given, sign=1),
        lambda model, batches, rate, most: model,
        lambda model, batches, rate, most: clipped(model, batches[:1], rate, most),
        lambda model, batches, rate, most: list(clipped(model, batches, rate, most).parameters()),
        lambda model, batches, rate, most: nn.ReLU(),
        clipped_all_at_once,
        lambda *given: (clipped(*given), 0.5),
        lambda model, batches, rate, most: clipped(model, batches[::-1], rate, most),
    ],
    "3.9": [
        lambda e, w, m: coverage(e, w, m, inside=lambda x, y: abs(x) < y),
        lambda e, w, m: coverage(e, w, m, inside=lambda x, y: abs(x) > y),
        lambda e, w, m: coverage(e, np.mean(w) + 0 * e, m),
        lambda e, w, m: list(coverage(e, w, m).values()),
        lambda e, w, m: {k: 100 * v for k, v in coverage(e, w, m).items()},
        lambda e, w, m: {k: v * m.count(k) for k, v in coverage(e, w, m).items()},
        lambda e, w, m: {str(k): v for k, v in coverage(e, w, m).items()},
        lambda e, w, m: {k: v for k, v in coverage(e, w, m).items() if v > 0},
        lambda e, w, m: {k: float((abs(e) <= w)[m == k].mean()) for k in set(m)},
        lambda e, w, m: pd.Series(abs(e) <= w).groupby(m).mean(),
        coverage_of_runs,
    ],
    "3.11": [
        lambda *given: folds_of(*given)[::-1],
        lambda *given: folds_of(*given, gap=1),
        lambda *given: folds_of(*given, gap=-1),
        lambda *given: folds_of(*given, first=1),
        lambda *given: folds_of(*given)[:-1],
        lambda *given: [test for _, test in folds_of(*given)],
        lambda *given: [(test, train) for train, test in folds_of(*given)],
        lambda steps, folds, horizon: folds_of(steps, folds, 1),
        lambda *given: dict(enumerate(folds_of(*given))),
        lambda *given: tuple(zip(*folds_of(*given), strict=True)),
        lambda *given: [(len(a), len(b)) for a, b in folds_of(*given)],
        lambda *given: [(slice(0, b[0]), slice(b[0], b[-1] + 1)) for _, b in folds_of(*given)],
    ],
    "3.6": [
        pad_then_measure,
        with_table(lambda table: table.float()),
        with_table(lambda table: table[:, :1]),
        with_table(lambda table: table.T),
        with_table(lambda table: torch.where(table == 0, -1, table)),
        with_table(lambda table: table + 1),
        with_table(lambda table: table.float().tolist()),
        with_table(lambda table: list(table.float())),
        with_table(lambda table: table.numpy().astype(np.float64).astype(object)),
        lambda rows: pad_by_torch(rows)[0],
        lambda rows: pad_by_torch(rows)[::-1],
        lambda rows: (pad_by_torch(rows)[0], (pad_by_torch(rows)[0] != 0).sum(1)),
        lambda rows: (pad_by_torch(rows)[0], max(map(len, rows))),
        lambda rows: (rows, [len(row) for row in rows]),
    ],
    "3.3": [
        lambda texts, size: numbered([word for word, _ in counted(texts).most_common(size - 2)]),
        lambda texts, size: numbered(sorted(counted(texts))[: size - 2]),
        lambda texts, size: numbered(
            sorted(counted(texts), key=lambda w: (counted(texts)[w], w))[: size - 2]
        ),
        lambda texts, size: numbered(
            sorted(counted(texts), key=lambda w: (counted(texts)[w], w), reverse=True)[: size - 2]
        ),
        lambda texts, size: numbered(best(texts, 1000)),
        lambda texts, size: numbered(best([[word.lower() for word in text] for text in texts], size)),
        lambda texts, size: numbered([word for word in best(texts, 1000) if word.isalpha()][: size - 2]),
        lambda texts, size: numbered(
            sorted(counted(texts), key=lambda w: (-counted(texts)[w], len(w)))[: size - 2]
        ),
        lambda texts, size: {word: index + 2 for index, word in enumerate(best(texts, size))},
        lambda texts, size: {word: index + 1 for word, index in numbered(best(texts, size)).items()},
        lambda texts, size: ["<PAD>", "<UNK>", *best(texts, size)],
        lambda texts, size: numbered(best([list(dict.fromkeys(text)) for text in texts], size)),
        lambda texts, size: {index: word for word, index in numbered(best(texts, size)).items()},
    ],
    "3.7": [
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
    "3.10": [
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
    "3.12": [
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
    "3.8": [
        split_scaled,
        each_part_on_its_own,
        lambda v, s, n: cut(v, s, n, gap=n - 1),
        lambda v, s, n: cut(v, s, n, known=len(v)),
        lambda v, s, n: cut(v, s, n, scale=lambda values: values),
        lambda v, s, n: cut(v, 1 - s, n),
        lambda v, s, n: cut(v, s, n)[::-1],
        lambda v, s, n: (cut(v, s, n)[0], cut(v, s, n)[1][:-1]),
        lambda v, s, n: tuple(part[::n] for part in cut(v, s, n)),
        lambda v, s, n: (cut(v, s, n)[0], cut(v, s, n, scale=lambda values: values)[1]),
        lambda v, s, n: cut(v, s, n)[0],
        lambda v, s, n: cut(v, s, n + 1),
        lambda v, s, n: cut(v, s, n, scale=lambda x: x - x[: round(len(x) * s)].mean()),
        lambda v, s, n: (v[: round(len(v) * s)], v[round(len(v) * s) :]),
    ],
}
