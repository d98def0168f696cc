"""Answers to the exercises of chapter 01 as learners write them; the most telling mistakes are in the package."""

import copy
import math
import random
from itertools import pairwise

import numpy as np
import pandas as pd
import torch
from scipy import stats
from torch import nn
from torch.utils.data import BatchSampler, DataLoader, RandomSampler

ANSWERS = {"shape": "b", "broadcast": "a", "dtype": "c", "gradient": "b"}


def neuron_by_loop(inputs, weights, bias):
    total = bias
    for x, w in zip(inputs, weights, strict=True):
        total = total + x * w
    return max(0, total)


def neuron_in_place(inputs, weights, bias):
    inputs.mul_(weights)
    return torch.clamp(inputs.sum() + bias, min=0)


def gradients_of_tensors(x, t, w1, b1, w2):
    h = torch.sigmoid(w1 * x + b1)
    error = 2 * (w2 * h - t)
    return torch.stack([error * w2 * h * (1 - h) * x, error * w2 * h * (1 - h), error * h])


def gradients_by_numpy(x, t, w1, b1, w2):
    h = 1 / (1 + np.exp(-(w1 * x + b1)))
    back = 2 * (w2 * h - t) * np.array([w2 * h * (1 - h), h])
    return [back[0] * x, back[0], back[1]]


def gradients_by_differences(x, t, w1, b1, w2):
    def loss(a, b, c):
        return (c / (1 + math.exp(-(a * x + b))) - t) ** 2

    e = 1e-5
    return (
        (loss(w1 + e, b1, w2) - loss(w1 - e, b1, w2)) / (2 * e),
        (loss(w1, b1 + e, w2) - loss(w1, b1 - e, w2)) / (2 * e),
        (loss(w1, b1, w2 + e) - loss(w1, b1, w2 - e)) / (2 * e),
    )


def gradients_by_autograd(x, t, w1, b1, w2):
    leaves = [torch.tensor(float(value), requires_grad=True) for value in (w1, b1, w2)]
    loss = (leaves[2] * torch.sigmoid(leaves[0] * x + leaves[1]) - t) ** 2
    loss.backward()
    return [leaf.grad for leaf in leaves]


def gradients(change):
    """Return the right answer with one thing changed."""

    def answer(x, t, w1, b1, w2):
        h = 1 / (1 + math.exp(-(w1 * x + b1)))
        dy = 2 * (w2 * h - t)
        dz = dy * w2 * h * (1 - h)
        return change(x, h, dy, dz)

    return answer


def gradients_misspelt(x, t, w1, b1, w2):
    h = 1 / (1 + math.exp(-(w1 * x + b1)))
    grad_y = 2 * (w2 * h - t)
    return grad_z * x, grad_z, grad_y * h  # noqa: F821


def gradients_by_parameters(x, t, w1, b1, w2):
    leaves = [nn.Parameter(torch.tensor(value)) for value in (w1, b1, w2)]
    loss = (leaves[2] * torch.sigmoid(leaves[0] * x + leaves[1]) - t) ** 2
    return torch.autograd.grad(loss, leaves)


def batches_by_list(count, batch_size):
    order = torch.randperm(count).tolist()
    found = []
    while order:
        found.append(order[:batch_size])
        order = order[batch_size:]
    return found


def batches_by_numpy(count, batch_size):
    order = np.random.permutation(count)
    return np.split(order, range(batch_size, count, batch_size))


def batches_one_by_one(count, batch_size):
    order, found = list(range(count)), [[]]
    random.shuffle(order)
    for index in order:
        if len(found[-1]) == batch_size:
            found.append([])
        found[-1].append(index)
    return found


def batches_as_objects(count, batch_size):
    parts = batches_by_numpy(count, batch_size)
    found = np.empty(len(parts), dtype=object)
    for number, part in enumerate(parts):
        found[number] = part
    return found


def batches_shuffled_inside(count, batch_size):
    parts = torch.arange(count).split(batch_size)
    return [part[torch.randperm(len(part))] for part in parts]


def batches_of_one_seed(count, batch_size):
    torch.manual_seed(42)
    return torch.randperm(count).split(batch_size)


def batches_shuffled_as_batches(count, batch_size):
    parts = torch.arange(count).split(batch_size)
    full = [parts[i] for i in torch.randperm(len(parts) - 1)]
    return [*full, parts[-1]]


def one_pass(
    before="model.train()",
    inside="optimizer.zero_grad()",
    add="loss.item() * len(targets)",
    returned="",
    batches="batches",
    optimizer="SGD(model.parameters(), lr=rate)",
    after="",
):
    """Return a pass of training with these lines in it."""
    source = f"""
def one_pass(model, batches, rate):
    optimizer = torch.optim.{optimizer}
    {before}
    total, count = 0.0, 0
    for inputs, targets in {batches}:
        loss = nn.functional.cross_entropy(model(inputs), targets)
        {inside}
        loss.backward()
        optimizer.step()
        {after}
        total += {add}
        count += len(targets)
    return {returned or "model, total / count"}
"""
    names = {"torch": torch, "nn": nn}
    exec(source, names)
    return names["one_pass"]


def train_by_hand(model, batches, rate):
    model.train()
    losses = []
    for inputs, targets in batches:
        model.zero_grad()
        loss = nn.CrossEntropyLoss(reduction="none")(model(inputs), targets)
        loss.mean().backward()
        with torch.no_grad():
            for weight in model.parameters():
                weight -= rate * weight.grad
        losses.extend(loss.tolist())
    return model, np.mean(losses)


def train_a_copy(model, batches, rate):
    model = copy.deepcopy(model).train()
    losses = []
    while batches:
        inputs, targets = batches.pop(0)
        loss = -torch.log_softmax(model(inputs), dim=1)[range(len(targets)), targets]
        slopes = torch.autograd.grad(loss.mean(), list(model.parameters()))
        with torch.no_grad():
            for weight, slope in zip(model.parameters(), slopes, strict=True):
                weight.sub_(rate * slope)
        losses.append(loss.detach())
    return [model.eval(), torch.cat(losses).mean()]


CURVES = {"A": "c", "B": "a", "C": "d", "D": "b", "E": "d"}


def half_width(first, second, factor):
    difference = np.asarray(first) - np.asarray(second)
    return difference.mean(), factor * difference.std() / math.sqrt(len(difference))


def verdict_with(factor):
    """Return a verdict by an interval of so many standard errors."""

    def verdict(first, second):
        middle, half = half_width(first, second, factor)
        return "cannot tell" if abs(middle) <= half else "first" if middle > 0 else "second"

    return verdict


def verdict_of_tensors(first, second):
    difference = torch.as_tensor(first) - torch.as_tensor(second)
    half = 1.96 * difference.std() / len(difference) ** 0.5
    if difference.mean() - half > 0:
        return "First"
    return "second" if difference.mean() + half < 0 else "cannot tell"


def verdict_without_a_root(first, second):
    difference = first - second
    low, high = difference.mean() - 1.96 * difference.std(), difference.mean() + 1.96 * difference.std()
    return "first" if low > 0 else "second" if high < 0 else "cannot tell"


def verdict_of_ends(low, high):
    return "first" if low > 0 else "second" if high < 0 else "cannot tell"


def verdict_by_bits(first, second):
    one, other, n = (first & ~second).sum(), (second & ~first).sum(), len(first)
    middle = (one - other) / n
    half = 1.96 * math.sqrt(((one + other) / n - middle**2) / n)
    return verdict_of_ends(middle - half, middle + half)


def verdict_by_table(first, second):
    table = np.bincount(2 * first + second, minlength=4)
    difference = np.repeat([0, -1, 1, 0], table)
    half = 1.96 * stats.sem(difference)
    return verdict_of_ends(difference.mean() - half, difference.mean() + half)


def verdict_by_bootstrap(first, second):
    drawn = np.random.default_rng(0).choice(first - second, (1000, len(first))).mean(axis=1)
    return verdict_of_ends(*np.percentile(drawn, [2.5, 97.5]))


def verdict_in_place(first, second):
    first -= second
    half = 1.96 * first.std(ddof=1) / len(first) ** 0.5
    return verdict_of_ends(first.mean() - half, first.mean() + half).upper()


def verdict_that_takes_an_end(first, second):
    middle, half = half_width(first, second, 1.96)
    return "first" if middle - half >= 0 else "second" if middle + half <= 0 else "cannot tell"


def verdict_of_sorted(first, second):
    return verdict_with(1.96)(np.sort(first), np.sort(second))


def verdict_unpaired(first, second):
    half = 1.96 * math.sqrt((first.var() + second.var()) / len(first))
    middle = first.mean() - second.mean()
    return verdict_of_ends(middle - half, middle + half)


def calibration_by_histogram(certainty, right, bins):
    sums = [np.histogram(certainty, bins, (0, 1), weights=values)[0] for values in (certainty, right)]
    return np.abs(sums[0] - sums[1]).sum() / len(certainty)


def calibration_by_pandas(certainty, right, bins):
    table = pd.DataFrame({"certainty": certainty, "right": right})
    table["bin"] = (table.certainty * bins).astype(int).clip(upper=bins - 1)
    means, sizes = table.groupby("bin")[["certainty", "right"]].mean(), table.groupby("bin").size()
    return (sizes / len(table) * (means.certainty - means.right).abs()).sum()


def calibration_with_torch(certainty, right, bins):
    gap = torch.tensor(certainty - right, dtype=torch.float32)
    which = (torch.tensor(certainty) * bins).long().clamp(max=bins - 1)
    return torch.zeros(bins).index_add_(0, which, gap).abs().sum() / len(gap)


def calibration_to_the_upper_edge(certainty, right, bins):
    error = 0
    for number in range(bins):
        inside = (certainty > number / bins) & (certainty <= (number + 1) / bins)
        if inside.any():
            error += inside.mean() * abs(certainty[inside].mean() - right[inside].mean())
    return error


def calibration(which=None, gap=None, join=None, empty=False):
    """Return the right answer with its bins, its distance or its sum changed."""
    which = which or (lambda p, bins: np.minimum((p * bins).astype(int), bins - 1))
    gap = gap or (lambda p, hit, middle: abs(p.mean() - hit.mean()))
    join = join or (lambda parts: sum(share * gap for share, gap in parts))

    def answer(certainty, right, bins):
        place = which(certainty, bins)
        inside = [(n, place == n) for n in range(bins) if empty or (place == n).any()]
        return join([(i.mean(), gap(certainty[i], right[i], (n + 0.5) / bins)) for n, i in inside])

    return answer


def calibration_by_loop(certainty, right, bins):
    error = 0
    for number in range(bins):
        inside = [i for i, p in enumerate(certainty) if min(int(p * bins), bins - 1) == number]
        if inside:
            gap = sum(float(certainty[i]) - float(right[i]) for i in inside)
            error += abs(gap) / len(certainty)
    return error


def calibration_by_digitize(certainty, right, bins):
    which = np.digitize(certainty, np.linspace(0, 1, bins + 1)[1:-1])
    sums = np.bincount(which, certainty - right, minlength=bins)
    return np.abs(sums).sum() / len(certainty)


def calibration_that_forgets_one(certainty, right, bins):
    which = (certainty * bins).astype(int)
    return sum(abs((certainty - right)[which == n].sum()) for n in range(bins)) / len(certainty)


def count_with_torch(sizes):
    layers = [nn.Linear(a, b) for a, b in pairwise(sizes)]
    return sum(p.numel() for layer in layers for p in layer.parameters())


def count_eating_the_list(sizes):
    total = 0
    while len(sizes) > 1:
        before = sizes.pop(0)
        total += (before + 1) * sizes[0]
    return total


def softmax_numpy(logits):
    logits = np.asarray(logits)
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def softmax_rows(logits):
    rows = []
    for row in logits:
        weights = [math.exp(value - row.max()) for value in row]
        rows.append([weight / sum(weights) for weight in weights])
    return rows


def softmax_in_place(logits):
    logits -= logits.max(dim=1, keepdim=True).values
    logits.exp_()
    logits /= logits.sum(dim=1, keepdim=True)
    return logits


def softmax_clamped(logits):
    weights = torch.exp(logits.clamp(max=80))
    return weights / weights.sum(dim=1, keepdim=True)


def training(before="", after="", inside="", rate=0.1, kind="SGD", returned="model"):
    """Return a training loop with these lines in it."""
    source = f"""
def loop(model, inputs, targets, steps):
    optimizer = torch.optim.{kind}(model.parameters(), lr={rate})
    {before or "pass"}
    for step in range(steps):
        loss = nn.functional.cross_entropy(model(inputs), targets)
        {inside or "pass"}
        loss.backward()
        optimizer.step()
        {after or "pass"}
    return {returned}
"""
    names = {"torch": torch, "nn": nn}
    exec(source, names)
    return names["loop"]


def sgd_by_hand(model, inputs, targets, steps):
    for _ in range(steps):
        model.zero_grad()
        nn.functional.cross_entropy(model(inputs), targets).backward()
        with torch.no_grad():
            for weight in model.parameters():
                weight -= 0.1 * weight.grad
    return model


def five_steps(model, inputs, targets, steps):
    return training(inside="optimizer.zero_grad()")(model, inputs, targets, 5)


def fresh_model(model, inputs, targets, steps):
    return training(inside="optimizer.zero_grad()")(nn.Linear(4, 3), inputs, targets, steps)


def spoiled(model, inputs, targets, steps):
    with torch.no_grad():
        next(iter(sgd_by_hand(model, inputs, targets, steps).parameters())).fill_(torch.nan)
    return model


RIGHT = {
    "1.0": [
        {name: letter.upper() for name, letter in ANSWERS.items()},
        {name: f"{letter})" for name, letter in ANSWERS.items()},
        {name: f" ({letter}) " for name, letter in ANSWERS.items()},
        {name: f"{letter}." for name, letter in ANSWERS.items()},
        {**ANSWERS, "shape": "b) (2, 4)"},
    ],
    "1.1": [
        neuron_by_loop,
        neuron_in_place,
        lambda x, w, b: torch.relu(torch.dot(x, w) + b),
        lambda x, w, b: np.maximum(0, np.dot(x.numpy(), w.numpy()) + b),
        lambda x, w, b: float((x * w).sum() + b) if (x * w).sum() + b > 0 else 0,
        lambda x, w, b: [max(0.0, float(x @ w) + float(b))],
        lambda x, w, b: nn.functional.relu(nn.functional.linear(x, w, b)),
        lambda x, w, b: np.float32(
            max(0, sum(a * c for a, c in zip(x.tolist(), w.tolist(), strict=True)) + b)
        ),
    ],
    "1.2": [
        gradients_of_tensors,
        gradients_by_numpy,
        gradients_by_differences,
        gradients(lambda x, h, dy, dz: (dz * x, dz, dy * h)),
        gradients(lambda x, h, dy, dz: np.array([dz * x, dz, dy * h], dtype=np.float32)),
        gradients(lambda x, h, dy, dz: pd.Series([dz * x, dz, dy * h], index=["w1", "b1", "w2"])),
        gradients(lambda x, h, dy, dz: [torch.tensor([dz * x]), torch.tensor([dz]), torch.tensor([dy * h])]),
    ],
    "1.3": [
        batches_by_list,
        batches_by_numpy,
        lambda count, batch_size: torch.randperm(count).split(batch_size),
        lambda count, batch_size: list(torch.chunk(torch.randperm(count), 1)[0].split(batch_size)),
        lambda count, batch_size: [part.tolist() for part in torch.randperm(count).split(batch_size)],
        lambda count, batch_size: [sorted(part.tolist()) for part in torch.randperm(count).split(batch_size)],
        batches_one_by_one,
        batches_as_objects,
        lambda count, batch_size: list(DataLoader(range(count), batch_size=batch_size, shuffle=True)),
        lambda count, batch_size: list(BatchSampler(RandomSampler(range(count)), batch_size, False)),
        lambda count, batch_size: torch.rand(count).argsort().split(batch_size),
    ],
    "1.4": [
        softmax_numpy,
        softmax_rows,
        softmax_in_place,
        lambda logits: torch.softmax(logits, dim=1),
        lambda logits: torch.exp(logits - torch.logsumexp(logits, dim=1, keepdim=True)),
        lambda logits: [torch.softmax(row, dim=0) for row in logits],
        lambda logits: nn.Softmax(dim=-1)(logits.requires_grad_()),
    ],
    "1.5": [
        train_by_hand,
        one_pass(),
        one_pass(inside="model.zero_grad()"),
        one_pass(add="loss.detach() * inputs.shape[0]"),
        one_pass(returned="[model, total / sum(len(t) for _, t in batches)]"),
        one_pass(before="model.train(True)", inside="for p in model.parameters(): p.grad = None"),
        train_a_copy,
        one_pass(add="loss * len(targets)"),
        one_pass(inside="pass", after="optimizer.zero_grad()"),
        one_pass(returned="(model.eval(), round(total / count, 4))"),
    ],
    "1.6": [
        CURVES,
        {name: letter.upper() for name, letter in CURVES.items()},
        {name: f"{letter})" for name, letter in CURVES.items()},
        {name: np.str_(f"**{letter}**") for name, letter in CURVES.items()},
        {
            **CURVES,
            "A": "c) a network that overfits",
            "B": "a: too small",
            "C": "d, a good one",
            "E": "d) nothing is wrong, go on",
        },
    ],
    "1.7": [
        verdict_by_bits,
        verdict_by_table,
        verdict_by_bootstrap,
        verdict_in_place,
        verdict_with(1.96),
        verdict_with(2),
        verdict_of_tensors,
    ],
    "1.8": [
        calibration_by_loop,
        calibration_by_digitize,
        calibration_by_histogram,
        calibration_by_pandas,
        calibration_with_torch,
        calibration_to_the_upper_edge,
        lambda certainty, right, bins: [calibration_by_loop(certainty, right, bins)],
    ],
    "1.9": [
        count_with_torch,
        count_eating_the_list,
        lambda sizes: sum(a * b + b for a, b in pairwise(sizes)),
        lambda sizes: np.dot(sizes[:-1], sizes[1:]) + np.sum(sizes[1:]),
        lambda sizes: torch.tensor(sizes[:-1]) @ torch.tensor(sizes[1:]) + sum(sizes[1:]),
        lambda sizes: float(sum((sizes[i] + 1) * sizes[i + 1] for i in range(len(sizes) - 1))),
        lambda sizes: np.float32(sum((sizes[i] + 1) * sizes[i + 1] for i in range(len(sizes) - 1))),
    ],
    "1.10": [
        lambda n, b, e: e * math.ceil(n / b),
        lambda n, b, e: e * ((n + b - 1) // b),
        lambda n, b, e: np.ceil(n / b) * e,
        lambda n, b, e: torch.tensor(e * len(range(0, n, b))),
        lambda n, b, e: e * (n // b + (n % b > 0)),
        lambda n, b, e: np.float32(e * math.ceil(n / b)),
    ],
    "1.11": [
        sgd_by_hand,
        training(inside="optimizer.zero_grad()"),
        training(inside="model.zero_grad()"),
        training(inside="optimizer.zero_grad(set_to_none=False)"),
        training(after="optimizer.zero_grad()"),
        training(inside="for p in model.parameters(): p.grad = None"),
    ],
}
WRONG = {
    "1.0": [
        {**ANSWERS, "gradient": "a"},
        {**ANSWERS, "broadcast": "c)"},
        {**ANSWERS, "dtype": "float32"},
        {**ANSWERS, "shape": ...},
        {**ANSWERS, "shape": 2},
        {"shape": "b"},
        "bacb",
    ],
    "1.1": [
        lambda x, w, b: torch.relu(x * w + b),
        lambda x, w, b: torch.relu((x * w).mean() + b),
        lambda x, w, b: torch.sigmoid(x @ w + b),
        lambda x, w, b: torch.tanh(torch.relu(x @ w + b)),
        lambda x, w, b: (x @ w + b).abs(),
        lambda x, w, b: torch.clamp(x @ w + b, 0, 1),
        lambda x, w, b: torch.relu(x[0] * w[0] + x[1] * w[1] + b),
        lambda x, w, b: nn.functional.leaky_relu(x @ w + b),
        lambda x, w, b: round(float(torch.relu(x @ w + b))),
        lambda x, w, b: x @ w + b > 0,
    ],
    "1.2": [
        gradients_by_autograd,
        gradients_by_parameters,
        gradients_misspelt,
        gradients(lambda x, h, dy, dz: (dy * h, dz, dz * x)),
        gradients(lambda x, h, dy, dz: {"w1": dz * x, "b1": dz, "w2": dy * h}),
        gradients(lambda x, h, dy, dz: (dz, dz * x, dy * h)),
        gradients(lambda x, h, dy, dz: (dz * x, dz * x, dy * h)),
        gradients(lambda x, h, dy, dz: (dz * x, dz, dy)),
        gradients(lambda x, h, dy, dz: (-dz * x, -dz, -dy * h)),
        gradients(lambda x, h, dy, dz: (dz * x / 2, dz / 2, dy * h / 2)),
        gradients(lambda x, h, dy, dz: (dz * x, dz)),
        gradients(lambda x, h, dy, dz: dz * x + dz + dy * h),
    ],
    "1.3": [
        batches_shuffled_as_batches,
        batches_shuffled_inside,
        batches_of_one_seed,
        lambda count, batch_size: torch.arange(count).flip(0).split(batch_size),
        lambda count, batch_size: np.array_split(np.random.permutation(count), -(-count // batch_size)),
        lambda count, batch_size: [torch.randperm(count)[:batch_size] for _ in range(0, count, batch_size)],
        lambda count, batch_size: (torch.randperm(count) + 1).split(batch_size),
        lambda count, batch_size: DataLoader(range(count), batch_size=batch_size, shuffle=True),
        lambda count, batch_size: [torch.randperm(batch_size) for _ in range(math.ceil(count / batch_size))],
        lambda count, batch_size: torch.randperm(count),
        lambda count, batch_size: [list(range(count))[n::batch_size] for n in range(batch_size)],
        lambda count, batch_size: [range(n, min(n + batch_size, count)) for n in range(0, count, batch_size)],
        lambda count, batch_size: [
            range(n + 1, min(n + batch_size, count) + 1) for n in range(0, count, batch_size)
        ],
        lambda count, batch_size: (part for part in torch.randperm(count).split(batch_size)),
        lambda count, batch_size: count // batch_size,
    ],
    "1.4": [
        softmax_clamped,
        lambda logits: torch.nan_to_num(torch.exp(logits) / torch.exp(logits).sum(1, keepdim=True)),
        lambda logits: torch.log_softmax(logits, dim=1),
        lambda logits: logits / logits.sum(dim=1, keepdim=True),
        lambda logits: torch.softmax(logits / logits.abs().max(), dim=1),
        lambda logits: torch.exp(logits - logits.max(1, keepdim=True).values),
        lambda logits: torch.softmax(logits, dim=1).round(decimals=1),
        lambda logits: torch.softmax(logits.flatten(), dim=0).view_as(logits),
        lambda logits: torch.softmax(logits, dim=1).argmax(dim=1),
        lambda logits: torch.sigmoid(logits),
    ],
    "1.5": [
        one_pass(inside="pass"),
        one_pass(before="pass"),
        one_pass(before="model.eval()"),
        one_pass(add="loss.item()"),
        one_pass(add="loss.item()", returned="model, total / len(batches)"),
        one_pass(returned="model, total"),
        one_pass(returned="model, loss.item()"),
        one_pass(returned="total / count"),
        one_pass(returned="model"),
        one_pass(inside="optimizer.zero_grad(); loss = loss * len(targets)"),
        one_pass(batches="batches[:-1]"),
        one_pass(batches="batches * 2"),
        one_pass(optimizer="SGD(model.parameters(), lr=0.1)"),
        one_pass(optimizer="SGD(model.parameters(), lr=rate, momentum=0.9)"),
        one_pass(optimizer="Adam(model.parameters(), lr=rate)"),
        one_pass(after="loss = nn.functional.cross_entropy(model(inputs), targets)"),
        one_pass(after="model.eval()"),
        one_pass(returned="total / count, model"),
        one_pass(returned="model, [total / count, total]"),
    ],
    "1.6": [
        {**CURVES, "A": "d"},
        {**CURVES, "B": "b"},
        {**CURVES, "E": "c"},
        {**CURVES, "D": "e"},
        {**CURVES, "C": ...},
        {**CURVES, "E": "d or c"},
        {**CURVES, "E": "d, c"},
        {**CURVES, "A": "overfits"},
        {**CURVES, "F": "a"},
        dict.fromkeys(CURVES, "d"),
        "cadbd",
    ],
    "1.7": [
        verdict_with(1),
        verdict_with(0),
        verdict_with(1.645),
        verdict_with(2.576),
        verdict_with(3.5),
        verdict_that_takes_an_end,
        verdict_of_sorted,
        verdict_unpaired,
        verdict_without_a_root,
        lambda first, second: "cannot tell",
        lambda first, second: verdict_with(1.96)(second, first),
        lambda first, second: verdict_with(1.96)(first, second) == "first",
        lambda first, second: half_width(first, second, 1.96),
    ],
    "1.8": [
        calibration_that_forgets_one,
        calibration(empty=True),
        calibration(gap=lambda p, hit, middle: p.mean() - hit.mean()),
        calibration(gap=lambda p, hit, middle: (p.mean() - hit.mean()) ** 2),
        calibration(gap=lambda p, hit, middle: abs(middle - hit.mean())),
        calibration(join=lambda parts: max(gap for _, gap in parts)),
        calibration(join=lambda parts: [gap for _, gap in parts]),
        calibration(which=lambda p, bins: np.digitize(p, np.linspace(0, 1, bins)) - 1),
        calibration(which=lambda p, bins: np.digitize(p, np.linspace(p.min(), p.max(), bins + 1)[1:-1])),
        calibration(which=lambda p, bins: p.argsort().argsort() * bins // len(p)),
        lambda certainty, right, bins: abs(certainty - right).mean(),
        lambda certainty, right, bins: ((certainty - right) ** 2).mean(),
        lambda certainty, right, bins: calibration_by_loop(certainty, right, 10),
        lambda certainty, right, bins: 100 * calibration_by_loop(certainty, right, bins),
        lambda certainty, right, bins: calibration_by_loop(certainty, right, bins) / bins,
    ],
    "1.9": [
        lambda sizes: sum(sizes),
        lambda sizes: 109386,
        lambda sizes: sum(a * b + 1 for a, b in pairwise(sizes)),
        lambda sizes: sum(a * b + a for a, b in pairwise(sizes)),
        lambda sizes: sizes[0] * sizes[1] + sizes[1],
        lambda sizes: math.prod(sizes) + sum(sizes[1:]),
        lambda sizes: [a * b + b for a, b in pairwise(sizes)],
        lambda sizes: str(sum(a * b + b for a, b in pairwise(sizes))),
    ],
    "1.10": [
        lambda n, b, e: n / b * e,
        lambda n, b, e: math.ceil(n / b),
        lambda n, b, e: e * (n // b + 1),
        lambda n, b, e: e * round(n / b),
        lambda n, b, e: e * n,
        lambda n, b, e: e * max(1, n // b),
        lambda n, b, e: e + math.ceil(n / b),
    ],
    "1.11": [
        five_steps,
        fresh_model,
        spoiled,
        training(before="optimizer.zero_grad()"),
        training(inside="optimizer.zero_grad()", rate=0.01),
        training(inside="optimizer.zero_grad()", kind="Adam"),
        training(inside="optimizer.zero_grad()", returned="loss"),
        training(inside="optimizer.zero_grad()", returned="model.state_dict()"),
        training(inside="optimizer.zero_grad(); optimizer.step()", after="optimizer.step()"),
        training(after="if step % 2: optimizer.zero_grad()"),
    ],
}
