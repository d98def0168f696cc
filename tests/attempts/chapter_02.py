"""Answers to the exercises of chapter 02 as learners write them; the most telling mistakes are in the package."""

import math
from itertools import pairwise

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


def convolve_by_unfold(picture, kernel):
    side = len(kernel)
    windows = picture.unfold(0, side, 1).unfold(1, side, 1)
    return (windows * kernel).sum(dim=(-1, -2))


def convolve_numpy(picture, kernel):
    picture, kernel = picture.numpy(), kernel.numpy()
    side = len(kernel)
    rows, columns = picture.shape[0] - side + 1, picture.shape[1] - side + 1
    return [
        [float((picture[r : r + side, c : c + side] * kernel).sum()) for c in range(columns)]
        for r in range(rows)
    ]


def four_loops(picture, kernel):
    side = kernel.shape[0]
    out = torch.zeros(picture.shape[0] - side + 1, picture.shape[1] - side + 1)
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            for i in range(side):
                for j in range(side):
                    out[r, c] += picture[r + i, c + j] * kernel[i, j]
    return out


def misses_the_last(picture, kernel):
    return convolve_by_unfold(picture, kernel)[:-1, :-1]


def sums_of_shifts(picture, kernel):
    side = len(kernel)
    rows, columns = picture.shape[0] - side + 1, picture.shape[1] - side + 1
    parts = [kernel[i, j] * picture[i : i + rows, j : j + columns] for i in range(side) for j in range(side)]
    return torch.stack(parts).sum(dim=0)


def convolve_in_place(picture, kernel):
    side = len(kernel)
    rows, columns = picture.shape[0] - side + 1, picture.shape[1] - side + 1
    for r in range(rows):
        for c in range(columns):
            picture[r, c] = (picture[r : r + side, c : c + side] * kernel).sum()
    return picture[:rows, :columns]


def convolve_by_layer(picture, kernel):
    layer = nn.Conv2d(1, 1, len(kernel), bias=False)
    layer.weight.data = kernel[None, None].clone()
    return layer(picture[None, None])[0, 0]


def returns_after_a_row(picture, kernel):
    answer = torch.zeros_like(convolve_by_unfold(picture, kernel))
    answer[0] = convolve_by_unfold(picture, kernel)[0]
    return answer


def takes_the_picture_for_a_square(picture, kernel):
    return convolve_by_unfold(picture[:, : len(picture)], kernel)


class Network(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.fc = nn.Linear(32 * 7 * 7, num_classes)
        self.conv2 = nn.Conv2d(16, 32, 3, padding="same")
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.pool = nn.MaxPool2d(2, 2)

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = F.relu(self.pool(self.conv2(x)))
        return self.fc(x.view(-1, 32 * 7 * 7))


def network(num_classes, *, act=nn.ReLU, pool=nn.MaxPool2d, wide=32, tail=(), size=7, **how):
    how = {"padding": 1, **how}
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 3, **how), act(), pool(2)),
        *(nn.Conv2d(16, wide, 3, **how), act(), pool(2)),
        *(nn.Flatten(), nn.Linear(wide * size * size, num_classes), *tail),
    )


class Head(nn.Module):
    def __init__(self, channels, num_classes):
        super().__init__()
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, maps):
        return self.fc(maps.mean(dim=(2, 3)))


def blocks(num_classes):
    network = nn.Sequential()
    for before, after in ((1, 16), (16, 32)):
        network.append(nn.Conv2d(before, after, 3, 1, 1))
        network.append(nn.MaxPool2d((2, 2)))
        network.append(nn.ReLU(inplace=True))
    network.add_module("flatten", nn.Flatten())
    network.add_module("last", nn.Linear(network(torch.zeros(1, 1, 28, 28)).shape[1], num_classes))
    return network


class Step(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, inputs):
        return self.function(inputs)


def head_of(function):
    """Return a head that makes a vector of the maps by this function."""
    return lambda channels, num_classes: nn.Sequential(Step(function), nn.Linear(channels, num_classes))


def head(channels, num_classes, *, pool=None, bias=True, tail=()):
    pool = pool or nn.AdaptiveAvgPool2d(1)
    return nn.Sequential(pool, nn.Flatten(), nn.Linear(channels, num_classes, bias=bias), *tail)


def shifted_by_roll(images, amounts):
    moved = images.clone()
    for n, amount in enumerate(amounts):
        moved[n] = moved[n].roll(amount, -1)
        if amount > 0:
            moved[n, ..., :amount] = 0
        elif amount < 0:
            moved[n, ..., amount:] = 0
    return moved


def shifted_by_padding(images, amounts):
    width = images.shape[-1]
    padded = F.pad(images, (width, width))
    return torch.stack([p[..., width - a : 2 * width - a] for p, a in zip(padded, amounts, strict=True)])


def shifted_down(images, amounts):
    turned = shifted_by_padding(images.transpose(-1, -2), amounts)
    return turned.transpose(-1, -2)


def shifted_by_gather(images, amounts):
    width = images.shape[-1]
    source = torch.arange(width) - torch.tensor(amounts)[:, None]
    inside = ((source >= 0) & (source < width))[:, None, None]
    return images.gather(3, source.clamp(0, width - 1)[:, None, None].expand_as(images)) * inside


def shifted_by_pixels(images, amounts):
    return [
        [
            [[row[c - a] if 0 <= c - a < len(row) else 0 for c in range(len(row))] for row in map_]
            for map_ in p
        ]
        for p, a in zip(images.tolist(), amounts, strict=True)
    ]


def shifted_in_place(images, amounts):
    for image, amount in zip(images, amounts, strict=True):
        image.copy_(image.roll(amount, -1))
        image[..., slice(amount) if amount >= 0 else slice(amount, None)] = 0
    return images


def shifted_with_empty_slices(images, amounts):
    parts = [torch.cat([torch.zeros_like(p[..., :a]), p[..., :-a]], -1) for p, a in zip(images, amounts)]  # noqa: B905
    return torch.stack(parts)


def copies(equal):
    """Count test pictures that are equal to a training picture in this sense."""
    return lambda train, test: sum(any(bool(equal(p, q)) for q in train) for p in test)


def reading_by_loop(curve):
    best, epoch = -1, 0
    for number, accuracy in enumerate(curve, start=1):
        if accuracy > best:
            best, epoch = accuracy, number
    return epoch, best - curve[-1]


def reading_after_sorting(curve):
    before = list(curve)
    curve.sort()
    return [before.index(curve[-1]) + 1, curve[-1] - before[-1]]


def reading_to_the_first_fall(curve):
    for place, (accuracy, later) in enumerate(pairwise(curve)):
        if later < accuracy:
            return place + 1, accuracy - curve[-1]
    return len(curve), 0


def reading_that_starts_late(curve):
    best, epoch = curve[0], 0
    for place in range(1, len(curve)):
        if curve[place] > best:
            best, epoch = curve[place], place + 1
    return epoch, best - curve[-1]


def copies_by_bytes(train, test):
    known = {picture.numpy().tobytes() for picture in train}
    return len([1 for picture in test if picture.numpy().tobytes() in known])


RIGHT = {
    "2.1": [
        convolve_by_unfold,
        convolve_numpy,
        four_loops,
        sums_of_shifts,
        convolve_in_place,
        convolve_by_layer,
        lambda p, k: F.conv2d(p[None, None], k[None, None])[0, 0],
        lambda p, k: F.conv2d(p[None, None].double(), k[None, None].double()).squeeze((0, 1)).numpy(),
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
        Network,
        network,
        blocks,
        lambda n: network(n, tail=[nn.Dropout(0.5)]),
        lambda n: nn.Sequential(network(n)).double(),
        lambda n: nn.Sequential(*list(network(n))[:-1], nn.LazyLinear(n)),
    ],
    "2.4": [
        Head,
        head,
        head_of(lambda maps: maps.mean(dim=(2, 3))),
        head_of(lambda maps: maps.sum(dim=(2, 3)) / maps[0, 0].numel()),
        lambda c, n: nn.Sequential(nn.Conv2d(c, n, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        lambda c, n: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LazyLinear(n)),
        lambda c, n: head(c, n, tail=[nn.Dropout(0.5)]),
        lambda c, n: nn.Sequential(nn.AdaptiveAvgPool2d((1, 1)), nn.Conv2d(c, n, 1), nn.Flatten()),
        lambda c, n: head(c, n).train(),
    ],
    "2.5": [
        shifted_by_roll,
        shifted_by_padding,
        shifted_by_gather,
        shifted_by_pixels,
        shifted_in_place,
        lambda x, a: torch.stack([F.pad(p, (n, -n)) for p, n in zip(x, a, strict=True)]),
        lambda x, a: shifted_by_padding(x, a).tolist(),
        lambda x, a: shifted_by_padding(x, torch.as_tensor(a).tolist()).numpy(),
    ],
    "2.6": [
        copies_by_bytes,
        copies(torch.allclose),
        copies(lambda p, q: (p - q).abs().mean() == 0),
        lambda a, b: (torch.cdist(b.flatten(1), a.flatten(1)).min(dim=1).values == 0).sum(),
        lambda a, b: sum((a == p).flatten(1).all(dim=1).any() for p in b),
        lambda a, b: int((b[:, None] == a[None]).flatten(2).all(-1).any(1).sum()),
        lambda a, b: sum(p.tolist() in a.tolist() for p in b),
    ],
    "2.7": [
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
    "2.8": [
        pool_by_slices,
        pool_in_place,
        pool_numpy,
        lambda x: F.lp_pool2d(x, 2, 2) / 2,
        lambda x: nn.AvgPool2d(2)(x.pow(2)).pow(0.5),
        lambda x: torch.sqrt(x.unfold(2, 2, 2).unfold(3, 2, 2).pow(2).mean((-1, -2))),
        lambda x: F.avg_pool2d(x.double() ** 2, 2).sqrt().tolist(),
        lambda x: torch.sqrt(F.avg_pool2d(x**2, 2) + 1e-8),
    ],
    "2.9": [
        lambda c: (int(np.argmax(c)) + 1, max(c) - c[-1]),
        lambda c: [np.argmax(c) + 1, np.max(c) - c[-1]],
        lambda c: torch.tensor([c.index(max(c)) + 1, max(c) - c[-1]]),
        reading_by_loop,
        reading_after_sorting,
        lambda c: (float(c.index(max(c)) + 1), np.float32(max(c) - c[-1])),
        lambda c: (torch.tensor(c).argmax() + 1, abs(c[-1] - max(c))),
    ],
    "2.10": [
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
    "2.11": [
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
        misses_the_last,
        returns_after_a_row,
        takes_the_picture_for_a_square,
        lambda p, k: convolve_by_unfold(p, k).int(),
        lambda p, k: convolve_by_unfold(p, k[:2, :2]),
        lambda p, k: F.conv2d(p[None, None], k[None, None]),
        lambda p, k: convolve_by_unfold(p, k.T),
        lambda p, k: convolve_by_unfold(p, k) / k.numel(),
        lambda p, k: convolve_by_unfold(p, k).T,
        lambda p, k: convolve_by_unfold(p, k).sum(),
        lambda p, k: convolve_by_unfold(p, k).relu(),
        lambda p: p,
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
        lambda n: network(10),
        lambda n: network(n, pool=nn.AvgPool2d),
        lambda n: network(n, act=nn.Tanh),
        lambda n: network(n, act=nn.GELU),
        lambda n: network(n, act=nn.LeakyReLU),
        lambda n: network(n, padding=0, size=5),
        lambda n: network(n, padding_mode="reflect"),
        lambda n: network(n, tail=[nn.LogSoftmax(dim=1)]),
        lambda n: Network,
        lambda n: network(n, wide=64),
        lambda n: network(n, bias=False),
        lambda n: network(n, tail=[nn.ReLU()]),
        lambda n: network(n, size=14),
        lambda n: list(network(n)),
        lambda n: network(n)(torch.zeros(2, 1, 28, 28)),
    ],
    "2.4": [
        lambda c, n: head(c, n, bias=False),
        lambda c, n: head(c, n, tail=[nn.Softmax(dim=1)]),
        lambda c, n: head(c, n, pool=nn.AdaptiveAvgPool2d(2)),
        lambda c, n: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Linear(c, n)),
        lambda c, n: head(c, n, tail=[nn.Linear(n, n)]),
        lambda c, n: nn.AdaptiveAvgPool2d(1),
        head_of(lambda maps: maps.sum(dim=(2, 3))),
        head_of(lambda maps: maps.mean(dim=(2, 3)).relu()),
        head_of(lambda maps: maps.relu().mean(dim=(2, 3))),
        head_of(lambda maps: F.adaptive_avg_pool2d(maps, 1).squeeze()),
        head_of(lambda maps: maps.mean(dim=(1, 2, 3)).view(-1, 1).expand(maps.shape[:2])),
        head_of(lambda maps: maps.mean(dim=(0, 2, 3)).expand(maps.shape[:2])),
        head_of(lambda maps: maps[:, :, 0, 0]),
        lambda c, n: nn.Sequential(nn.AvgPool2d(3), nn.Flatten(), nn.LazyLinear(n)),
        lambda c, n: head(c, n, tail=[nn.Sigmoid()]),
        lambda c, n: head(c, 10),
        lambda c, n: head(n, c),
    ],
    "2.5": [
        shifted_down,
        shifted_with_empty_slices,
        lambda x, a: shifted_by_padding(x, sorted(a)),
        lambda x, a: shifted_by_padding(x, [max(0, n) for n in a]),
        lambda x, a: shifted_by_padding(x, a)[:, 0],
        lambda x, a: [F.pad(p, (max(n, 0), max(-n, 0))) for p, n in zip(x, a, strict=True)],
        lambda x, a: x,
        lambda x, a: shifted_by_padding(x, [abs(n) for n in a]),
        lambda x, a: shifted_by_padding(x, [n + 1 for n in a]),
        lambda x, a: shifted_by_padding(x, a)[0],
        lambda x, a: x + torch.tensor(a)[:, None, None, None],
    ],
    "2.6": [
        lambda a, b: len(b),
        copies(lambda p, q: torch.equal(p[0], q[0])),
        copies(lambda p, q: torch.equal(p[-1], q[-1])),
        copies(lambda p, q: torch.equal(p[:, 0], q[:, 0])),
        copies(lambda p, q: torch.equal(p.mean(dim=0), q.mean(dim=0))),
        copies(lambda p, q: torch.equal(p.flatten().sort().values, q.flatten().sort().values)),
        copies(lambda p, q: p in q),
        lambda a, b: len(set(a) & set(b)),
        lambda a, b: len({p.numpy().tobytes() for p in a} & {p.numpy().tobytes() for p in b}),
        lambda a, b: sum((a == p).any() for p in b),
        lambda a, b: sum(any(torch.equal(p, q) for q in b) for p in a),
        lambda a, b: copies_by_bytes(a, b) / len(b),
        lambda a, b: copies_by_bytes(a, b) > 0,
        lambda a, b: 0,
    ],
    "2.7": [
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
    "2.8": [
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
    "2.9": [
        lambda c: (len(c), max(c) - c[-1]),
        reading_to_the_first_fall,
        reading_that_starts_late,
        lambda c: (c.index(max(c)) + 1, round(max(c) - c[-1], 2)),
        lambda c: (c.index(max(c)) + 1, (max(c) - c[-1]) / max(c)),
        lambda c: (max(c) - c[-1], c.index(max(c)) + 1),
        lambda c: {"epoch": c.index(max(c)) + 1, "lost": max(c) - c[-1]},
        lambda c: (c.index(max(c)) + 1, c[-1] - max(c)),
        lambda c: (c.index(max(c)) + 1, max(c)),
        lambda c: c.index(max(c)) + 1,
        lambda c: (c.index(min(c)) + 1, c[-1] - min(c)),
        lambda c: (c.index(max(c)) + 1, 100 * (max(c) - c[-1])),
    ],
    "2.10": [
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
    "2.11": [
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
