"""Answers to the exercises of chapter 02 as learners write them; the most telling mistakes are in the package."""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


def pool_by_slices(inputs):
    total = 0
    for row in (0, 1):
        for column in (0, 1):
            total = total + inputs[:, :, row::2, column::2] ** 2
    return (total / 4) ** 0.5


def pool_in_place(inputs):
    inputs.pow_(2)
    return F.avg_pool2d(inputs, 2).sqrt_()


def pool_numpy(inputs):
    n, c, h, w = inputs.shape
    blocks = inputs.numpy().reshape(n, c, h // 2, 2, w // 2, 2)
    return np.sqrt((blocks**2).mean(axis=(3, 5)))


def separable(c, o, *, order=(), between=(), bias=False, groups=None, last_groups=1, **spread):
    spread = {"kernel_size": 3, "padding": 1, **spread}
    first = nn.Conv2d(c, c, groups=groups or c, bias=bias, **spread)
    return nn.Sequential(*order, first, *between, nn.Conv2d(c, o, 1, bias=bias, groups=last_groups))


class Separable(nn.Module):
    def __init__(self, c, o):
        super().__init__()
        self.pointwise = nn.Conv2d(c, o, 1, bias=False)
        self.depthwise = nn.Conv2d(c, c, 3, padding="same", groups=c, bias=False)

    def forward(self, inputs):
        return self.pointwise(self.depthwise(inputs))


def pointwise_first(c, o):
    return nn.Sequential(nn.Conv2d(c, o, 1, bias=False), nn.Conv2d(o, o, 3, padding=1, groups=o, bias=False))


def zeroed(c, o):
    block = separable(c, o)
    for weight in block.parameters():
        nn.init.zeros_(weight)
    return block


def healed(c1=16, c2_in=16, first=None, last=32 * 7 * 7, pool=None, tail=(), logits=10):
    return nn.Sequential(
        first or nn.Conv2d(3, c1, kernel_size=5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(c2_in, 32, kernel_size=3, padding=1),
        nn.ReLU(),
        pool or nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(last, logits),
        *tail,
    )


def lazy():
    network = healed()
    network[3], network[7] = nn.LazyConv2d(32, 3, padding=1), nn.LazyLinear(10)
    return network


def nested():
    layers = list(healed())
    return nn.Sequential(nn.Sequential(*layers[:6]), *layers[6:])


def identities():
    network = healed(last=32 * 14 * 14)
    network[5] = nn.Identity()
    return network


RIGHT = {
    "2.1": [
        np.array([[2, -1, -1], [-1, 2, -1], [-1, -1, 2]]),
        torch.tensor([[2.0, -1, -1], [-1, 2, -1], [-1, -1, 2]]),
        ((2, -1, -1), (-1, 2, -1), (-1, -1, 2)),
        [torch.tensor([2, -1, -1]), np.array([-1, 2, -1]), [-1, -1, 2]],
        [[1, -0.5, -0.5], [-0.5, 1, -0.5], [-0.5, -0.5, 1]],
        [[1 / 3, -1 / 6, -1 / 6], [-1 / 6, 1 / 3, -1 / 6], [-1 / 6, -1 / 6, 1 / 3]],
        np.float32([[0.2, -0.1, -0.1], [-0.1, 0.2, -0.1], [-0.1, -0.1, 0.2]]),
        [[1, 0, -1], [0, 1, 0], [-1, 0, 0]],
        torch.tensor([[200.0, -100, -100], [-100, 200, -100], [-100, -100, 200]], requires_grad=True),
    ],
    "2.2": [
        lambda n, k, s, p, d: (n + 2 * p - d * (k - 1) - 1) // s + 1,
        lambda n, k, s, p, d: math.floor((n + 2 * p - d * (k - 1) - 1) / s + 1),
        lambda n, k, s, p, d: np.floor((n + 2 * p - d * (k - 1) - 1) / s) + 1,
        lambda n, k, s, p, d: len(range(0, n + 2 * p - d * (k - 1), s)),
        lambda n, k, s, p, d: nn.Conv1d(1, 1, k, s, p, d)(torch.zeros(1, 1, n)).shape[-1],
        lambda n, k, s, p, d: torch.tensor((n + 2 * p - d * (k - 1) - 1) // s + 1),
        lambda n, k, s, p, d: [(n + 2 * p - d * (k - 1) - 1) // s + 1],
    ],
    "2.3": [
        pool_by_slices,
        pool_in_place,
        pool_numpy,
        lambda x: F.lp_pool2d(x, 2, 2) / 2,
        lambda x: nn.AvgPool2d(2)(x.pow(2)).pow(0.5),
        lambda x: torch.sqrt(x.unfold(2, 2, 2).unfold(3, 2, 2).pow(2).mean((-1, -2))),
        lambda x: F.avg_pool2d(x.double() ** 2, 2).sqrt().tolist(),
        lambda x: torch.sqrt(F.avg_pool2d(x**2, 2) + 1e-8),
    ],
    "2.4": [
        separable,
        Separable,
        zeroed,
        lambda c, o: separable(c, o, padding_mode="reflect"),
        lambda c, o: separable(c, o, padding="same"),
        lambda c, o: nn.Sequential(nn.ZeroPad2d(1), *separable(c, o, padding=0)),
        lambda c, o: nn.Sequential(
            nn.LazyConv2d(c, 3, padding=1, groups=c, bias=False), nn.LazyConv2d(o, 1, bias=False)
        ),
        lambda c, o: nn.Sequential(separable(c, o)),
        lambda c, o: separable(c, o).double(),
    ],
    "2.5": [
        healed,
        lazy,
        nested,
        lambda: healed(first=nn.Conv2d(3, 16, 5, padding=2), last=32 * 8 * 8),
        lambda: healed(c1=32, c2_in=32),
        lambda: healed(pool=nn.AdaptiveMaxPool2d(8), last=32 * 8 * 8),
        lambda: healed().eval(),
    ],
}
WRONG = {
    "2.1": [
        [[math.nan] * 3] * 3,
        [[math.inf, -1, -1], [-1, 2, -1], [-1, -1, -math.inf]],
        [[0, 0, 0], [0, 0, 0], [0, 0, 0]],
        [[-2, 1, 1], [1, -2, 1], [1, 1, -2]],
        [[2, -1, -1], [-1, 2, -1]],
        [2, -1, -1, -1, 2, -1, -1, -1, 2],
        [["2", "-1", "-1"], ["-1", "2", "-1"], ["-1", "-1", "2"]],
        [[-1, 2, -1], [-1, 2, -1], [-1, 2, -1]],
        [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]],
        [[2, -1, -1], [-1, 2, -1], [-1, -1, ...]],
    ],
    "2.2": [
        lambda n, k, s, p, d: (n + 2 * p - d * (k - 1) - 1) / s + 1,
        lambda n, k, s, p, d: (n + 2 * p - d * k) // s + 1,
        lambda n, k, s, p, d: (n + 2 * p - d * (k - 1) - 1) // s,
        lambda n, k, s, p, d: (n + 2 * p * d - d * (k - 1) - 1) // s + 1,
        lambda n, k, s, p, d: (n + 2 * p - d * (k - 1)) // s,
        lambda n, k, s, p, d: math.ceil((n + 2 * p - d * (k - 1) - 1) / s) + 1,
        lambda n, k, s, p, d: round((n + 2 * p - d * (k - 1) - 1) / s) + 1,
        lambda n, k, s, p, d: n - k + 1,
        lambda n, k, s, p: (n + 2 * p - k) // s + 1,
    ],
    "2.3": [
        lambda x: F.max_pool2d(x.abs(), 2),
        lambda x: F.avg_pool2d(x**2, 2),
        lambda x: F.avg_pool2d(x, 2).abs(),
        lambda x: F.avg_pool2d(x**2, 2, stride=1).sqrt(),
        lambda x: (x**2).mean().sqrt(),
        lambda x: F.avg_pool2d(x.sqrt(), 2) ** 2,
        lambda x: F.avg_pool2d(x**2, (1, 4)).sqrt(),
        lambda x: F.avg_pool2d(x**2, 2).sqrt().round(),
        lambda x: F.avg_pool2d(x**2, 2).sqrt()[0],
    ],
    "2.4": [
        pointwise_first,
        lambda c, o: separable(c, o, bias=True),
        lambda c, o: separable(c, o, between=[nn.ReLU()]),
        lambda c, o: separable(c, o, between=[nn.BatchNorm2d(c)]),
        lambda c, o: separable(c, o, between=[nn.MaxPool2d(3, 1, 1)]),
        lambda c, o: separable(c, o, padding=2, dilation=2),
        lambda c, o: separable(c, o, kernel_size=5, padding=2),
        lambda c, o: separable(c, o, kernel_size=(1, 9), padding=(0, 4)),
        lambda c, o: separable(c, c),
        lambda c, o: nn.Conv2d(c, c, 3, padding=1, groups=c, bias=False),
        lambda c, o: list(separable(c, o)),
    ],
    "2.5": [
        lambda: healed(c2_in=32),
        lambda: healed(tail=[nn.Softmax(dim=1)]),
        lambda: healed(logits=32),
        identities,
        lambda: nn.Sequential(*list(healed())[:3], *list(healed())[6:-1], nn.Linear(16 * 14 * 14, 10)),
        lambda: healed()(torch.zeros(2, 3, 32, 32)),
        lambda: list(healed()),
        lambda: healed().parameters(),
        lambda inputs: healed()(inputs),
    ],
}
