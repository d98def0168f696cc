"""Answers to the exercises of chapter 01 as learners write them; the most telling mistakes are in the package."""

import math
from itertools import pairwise

import numpy as np
import torch
from torch import nn

ANSWERS = {"shape": "b", "broadcast": "a", "dtype": "c", "gradient": "b"}


def neuron_by_loop(inputs, weights, bias):
    total = bias
    for x, w in zip(inputs, weights, strict=True):
        total = total + x * w
    return max(0, total)


def neuron_in_place(inputs, weights, bias):
    inputs.mul_(weights)
    return torch.clamp(inputs.sum() + bias, min=0)


def slope_in_place(z):
    z.neg_().exp_()
    return z / (1 + z) ** 2


def slope_by_autograd(z):
    z = z.clone().requires_grad_()
    torch.sigmoid(z).sum().backward()
    return z.grad


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
        slope_in_place,
        lambda z: torch.sigmoid(z) * (1 - torch.sigmoid(z)),
        lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2,
        lambda z: (1 / (1 + np.exp(-z.numpy())) * (1 - 1 / (1 + np.exp(-z.numpy())))).astype(np.float32),
        lambda z: math.exp(-z) / (1 + math.exp(-z)) ** 2,
        lambda z: [torch.sigmoid(one) * torch.sigmoid(-one) for one in z],
        lambda z: 0.25 * (1 - torch.tanh(z / 2) ** 2),
    ],
    "1.3": [
        count_with_torch,
        count_eating_the_list,
        lambda sizes: sum(a * b + b for a, b in pairwise(sizes)),
        lambda sizes: np.dot(sizes[:-1], sizes[1:]) + np.sum(sizes[1:]),
        lambda sizes: torch.tensor(sizes[:-1]) @ torch.tensor(sizes[1:]) + sum(sizes[1:]),
        lambda sizes: float(sum((sizes[i] + 1) * sizes[i + 1] for i in range(len(sizes) - 1))),
        lambda sizes: np.float32(sum((sizes[i] + 1) * sizes[i + 1] for i in range(len(sizes) - 1))),
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
        lambda n, b, e: e * math.ceil(n / b),
        lambda n, b, e: e * ((n + b - 1) // b),
        lambda n, b, e: np.ceil(n / b) * e,
        lambda n, b, e: torch.tensor(e * len(range(0, n, b))),
        lambda n, b, e: e * (n // b + (n % b > 0)),
        lambda n, b, e: np.float32(e * math.ceil(n / b)),
    ],
    "1.6": [
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
        slope_by_autograd,
        lambda z: torch.sigmoid(z) * (1 + torch.sigmoid(z)),
        lambda z: z * (1 - z),
        lambda z: -torch.sigmoid(z) * (1 - torch.sigmoid(z)),
        lambda z: torch.exp(-z) / (1 + torch.exp(-z)),
        lambda z: torch.exp(z) / (1 + torch.exp(-z)) ** 2,
        lambda z: 1 / (1 + torch.exp(-z)) ** 2,
        lambda z: (torch.sigmoid(z) * (1 - torch.sigmoid(z))).round(decimals=2),
        lambda z: 0.25,
    ],
    "1.3": [
        lambda sizes: sum(sizes),
        lambda sizes: 109386,
        lambda sizes: sum(a * b + 1 for a, b in pairwise(sizes)),
        lambda sizes: sum(a * b + a for a, b in pairwise(sizes)),
        lambda sizes: sizes[0] * sizes[1] + sizes[1],
        lambda sizes: math.prod(sizes) + sum(sizes[1:]),
        lambda sizes: [a * b + b for a, b in pairwise(sizes)],
        lambda sizes: str(sum(a * b + b for a, b in pairwise(sizes))),
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
        lambda n, b, e: n / b * e,
        lambda n, b, e: math.ceil(n / b),
        lambda n, b, e: e * (n // b + 1),
        lambda n, b, e: e * round(n / b),
        lambda n, b, e: e * n,
        lambda n, b, e: e * max(1, n // b),
        lambda n, b, e: e + math.ceil(n / b),
    ],
    "1.6": [
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
