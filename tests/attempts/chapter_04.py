"""Answers to the exercises of chapter 04 as learners write them; the most telling mistakes are in the package."""

import collections
import copy
import itertools
import math
import random
import statistics

import numpy as np
import torch
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.model_selection import GroupShuffleSplit
from sklearn.neighbors import KNeighborsClassifier
from torch import nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

# --- 4.1 --------------------------------------------------------------------------------------------------


def modes_by_flag(model):
    for layer in model.modules():
        layer.training = not (isinstance(layer, _BatchNorm) and not layer.weight.requires_grad)
    return model


def modes_by_recursion(model):
    def visit(layer):
        layer.training = True
        for child in layer.children():
            visit(child)
        if type(layer) in (nn.BatchNorm1d, nn.BatchNorm2d):
            layer.train(layer.weight.requires_grad)

    visit(model)
    return model


def modes_of_a_copy(model):
    twin = copy.deepcopy(model).train()
    [m.eval() for m in twin.modules() if "BatchNorm" in type(m).__name__ and not m.weight.requires_grad]
    return twin


def modes_by_names(model):
    model.train(True)
    frozen = {name.rpartition(".")[0] for name, p in model.named_parameters() if not p.requires_grad}
    for name, layer in model.named_modules():
        if name in frozen and isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.train(False)
    return model


def modes_by_apply(model):
    def still(layer):
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d) and not layer.weight.requires_grad:
            layer.eval()

    return model.train().apply(still)


def modes_carefully(model):
    if not isinstance(model, nn.Module):
        raise TypeError("a network, please")
    model.train()
    for layer in model.modules():
        if not isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
            continue
        weight = getattr(layer, "weight", None)
        if weight is not None and weight.requires_grad is False:
            layer.eval()
    return model


def modes_and_norms_alone(model):
    """Set only what matters: a frozen linear layer computes the same in both modes."""
    model.train()
    for layer in model.modules():
        own = list(layer.parameters(recurse=False))
        if own and not any(p.requires_grad for p in own):
            layer.eval()
    return model


def modes_that_stay(model):
    """Overrides `train`, so that a training loop cannot undo it."""
    plain_train = type(model).train

    def train(mode=True):
        plain_train(model, mode)
        for layer in model.modules():
            if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d) and not layer.weight.requires_grad:
                layer.eval()
        return model

    model.train = train
    return model.train()


def modes_of_children(model):
    model.train()
    for layer in model.children():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d) and not layer.weight.requires_grad:
            layer.eval()
    return model


def modes_then_train(model):
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d) and not layer.weight.requires_grad:
            layer.eval()
    return model.train()


def modes_without_train(model):
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d) and not layer.weight.requires_grad:
            layer.eval()
    return model


def modes_of_pictures_only(model):
    model.train()
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d) and not layer.weight.requires_grad:
            layer.eval()
    return model


def modes_by_momentum(model):
    model.train()
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d) and not layer.weight.requires_grad:
            layer.momentum = 0.0
    return model


def modes_by_freezing_more(model):
    modes_by_flag(model)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.requires_grad_(False)
    return model


def modes_turned_round(model):
    model.train()
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d) and layer.weight.requires_grad:
            layer.eval()
    return model


def modes_of_frozen_blocks(model):
    model.train()
    for layer in model.children():
        if not all(p.requires_grad for p in layer.parameters()):
            layer.eval()
    return model


def modes_from_fresh_statistics(model):
    modes_by_flag(model)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d) and not layer.training:
            layer.running_mean += 1
    return model


# --- 4.2 --------------------------------------------------------------------------------------------------


def neighbours_by_numpy(train_features, train_labels, features, k):
    rows, labels, asked = np.asarray(train_features), np.asarray(train_labels), np.asarray(features)
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    order = np.argsort(-(asked @ rows.T), axis=1)[:, :k]  # the length of a query changes no order
    return np.array([np.bincount(labels[row]).argmax() for row in order])


def neighbours_in_a_loop(train_features, train_labels, features, k):
    found = []
    for query in features.tolist():
        scored = []
        for row, label in zip(train_features.tolist(), train_labels.tolist(), strict=True):
            dot = sum(a * b for a, b in zip(row, query, strict=True))
            scored.append((dot / math.hypot(*row) / math.hypot(*query), label))
        votes = [label for _, label in sorted(scored, reverse=True)[:k]]
        found.append(min(set(votes), key=lambda label: (-votes.count(label), label)))
    return found


def neighbours_by_sklearn(train_features, train_labels, features, k):
    model = KNeighborsClassifier(n_neighbors=k, metric="cosine").fit(train_features, train_labels)
    return model.predict(features)


def neighbours_by_pairs(train_features, train_labels, features, k):
    order = np.argsort(cosine_similarity(features, train_features), axis=1)[:, -k:]
    return torch.tensor([statistics.mode(sorted(row)) for row in train_labels.numpy()[order].tolist()])


def neighbours_in_place(train_features, train_labels, features, k):
    train_features /= train_features.norm(dim=1, keepdim=True)
    features /= features.norm(dim=1, keepdim=True)
    order = (features @ train_features.T).argsort(dim=1, descending=True)[:, :k]
    return train_labels[order].mode(dim=1).values.float()


def neighbours_by_one_hot(train_features, train_labels, features, k):
    near = (
        F.cosine_similarity(features.double()[:, None], train_features.double()[None], dim=2).topk(k).indices
    )
    return F.one_hot(train_labels)[near].sum(dim=1).argmax(dim=1)


def neighbours_by_distance_of_directions(train_features, train_labels, features, k):
    a, b = F.normalize(features), F.normalize(train_features)
    return torch.mode(train_labels[torch.cdist(a, b).argsort(dim=1)[:, :k]], dim=1)[0]


def neighbours_one_by_one(train_features, train_labels, features, k):
    def one(query):
        near = torch.cosine_similarity(query, train_features).topk(k).indices
        return torch.bincount(train_labels[near]).argmax().item()

    return tuple(one(query) for query in features)


def neighbours(train_features, train_labels, features, k, *, largest=True, weigh=None, take=slice(None)):
    close = F.normalize(features) @ F.normalize(train_features).T
    values, rows = close.topk(k, dim=1, largest=largest)
    labels, found = train_labels[rows][:, take], []
    for near, value in zip(labels, values, strict=True):
        weights = None if weigh is None else weigh(value)
        found.append(torch.bincount(near, weights=weights).argmax())
    return torch.stack(found)


def neighbours_of_a_larger_tie(train_features, train_labels, features, k):
    near = (F.normalize(features) @ F.normalize(train_features).T).topk(k, dim=1).indices
    rows = train_labels[near].tolist()
    return [max(set(row), key=lambda label: (row.count(label), label)) for row in rows]


def neighbours_of_the_wrong_side(train_features, train_labels, features, k):
    near = (F.normalize(train_features) @ F.normalize(features).T).topk(min(k, len(features)), dim=1).indices
    return train_labels[near[: len(features)] % len(train_labels)].mode(dim=1).values


# --- 4.3 --------------------------------------------------------------------------------------------------


def groups(parts, rate, factor, *, keep=lambda p: p.requires_grad, empty=False, power=1, first=0):
    found = []
    for place, part in enumerate(parts, start=first):
        some = [p for p in part.parameters() if keep(p)]
        if some or empty:
            found.append({"params": some, "lr": rate / factor ** (power * place)})
    return found


def groups_by_filter(parts, rate, factor):
    found = []
    for part, lr in zip(parts, (rate * (1 / factor) ** i for i in itertools.count()), strict=False):
        if any(p.requires_grad for p in part.parameters()):
            found.append({"params": filter(lambda p: p.requires_grad, part.parameters()), "lr": lr})
    return found


def groups_backwards(parts, rate, factor):
    found = []
    for place in reversed(range(len(parts))):
        moving = tuple(p for p in parts[place].parameters() if p.requires_grad)
        if len(moving) > 0:
            found.insert(0, {"params": moving, "lr": rate / math.pow(factor, place)})
    return found


def groups_through_an_optimiser(parts, rate, factor):
    return torch.optim.AdamW(groups(parts, rate, factor)).param_groups


def groups_added_one_by_one(parts, rate, factor):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    for group in groups(parts, rate, factor):
        optimizer.add_param_group(group)
    return optimizer.param_groups[1:]


def groups_named(parts, rate, factor):
    found = groups(parts, rate, factor)
    return tuple(
        {**group, "name": f"part {number}", "weight_decay": 0.0} for number, group in enumerate(found)
    )


def groups_with_names(parts, rate, factor):
    found = []
    for part in parts:
        named = [(name, p) for name, p in part.named_parameters() if p.requires_grad]
        if named:
            found.append({"params": named, "lr": rate})
        rate /= factor
    return found


def groups_by_a_helper(parts, rate, factor):
    def learns(part):
        return [p for _, p in part.named_parameters() if p.requires_grad]

    rates = [rate]
    while len(rates) < len(parts):
        rates.append(rates[-1] / factor)
    return [{"params": learns(part), "lr": lr} for part, lr in zip(parts, rates, strict=True) if learns(part)]


def groups_in_numpy(parts, rate, factor):
    rates = rate / np.power(float(factor), np.arange(len(parts)))
    return [
        {"lr": lr, "params": moving}
        for part, lr in zip(parts, rates, strict=True)
        if (moving := [p for p in part.parameters() if p.requires_grad])
    ]


def groups_in_two_lists(parts, rate, factor):
    found = groups(parts, rate, factor)
    return [group["params"] for group in found], [group["lr"] for group in found]


def groups_for_each_parameter(parts, rate, factor):
    return [
        {"params": [p], "lr": group["lr"]} for group in groups(parts, rate, factor) for p in group["params"]
    ]


def groups_of_names(parts, rate, factor):
    return [
        {"params": [n for n, p in part.named_parameters() if p.requires_grad], "lr": rate / factor**place}
        for place, part in enumerate(parts)
    ]


# --- 4.4 --------------------------------------------------------------------------------------------------


def split_by(order, groups, share):
    counts, chosen, rows = collections.Counter(groups), set(), 0
    for name in order(counts):
        if rows >= share * len(groups):
            break
        chosen.add(name)
        rows += counts[name]
    train = [row for row, name in enumerate(groups) if name not in chosen]
    return train, [row for row, name in enumerate(groups) if name in chosen]


def split_at_random(groups, share):
    return split_by(lambda counts: random.sample(sorted(counts), len(counts)), groups, share)


def split_largest_first(groups, share):
    return split_by(lambda counts: [name for name, _ in counts.most_common()], groups, share)


def split_smallest_first(groups, share):
    return split_by(lambda counts: sorted(counts, key=counts.get), groups, share)


def split_by_numpy(groups, share):
    names = np.array(groups)
    test = np.zeros(len(names), dtype=bool)
    for name in np.random.default_rng(3).permutation(np.unique(names)):
        if test.mean() < share:
            test |= names == name
    return np.flatnonzero(~test), np.flatnonzero(test)


def split_by_torch(groups, share):
    train, test = split_largest_first(groups, share)
    return torch.tensor(train), torch.tensor(test)


def split_in_sets(groups, share):
    test = set()
    for name in set(groups):
        if len(test) < share * len(groups):
            test |= {row for row, group in enumerate(groups) if group == name}
    return set(range(len(groups))) - test, test


def split_with_fewest_pictures(groups, share):
    names = sorted(set(groups))
    choices = [some for size in range(1, len(names) + 1) for some in itertools.combinations(names, size)]
    enough = [some for some in choices if sum(map(groups.count, some)) >= share * len(groups)]
    best = min(enough, key=lambda some: sum(map(groups.count, some)))
    return [row for row, g in enumerate(groups) if g not in best], [
        r for r, g in enumerate(groups) if g in best
    ]


def split_in_place(groups, share):
    numbered = list(enumerate(groups))
    needed, test = share * len(groups), []
    while len(test) < needed:
        name = numbered[0][1]
        test += [row for row, group in numbered if group == name]
        numbered = [(row, group) for row, group in numbered if group != name]
        groups.clear()
    return [[row for row, _ in numbered], test]


def split_by_grouping(groups, share):
    order = sorted(range(len(groups)), key=groups.__getitem__)
    blocks = [list(block) for _, block in itertools.groupby(order, key=groups.__getitem__)]
    test = blocks.pop()
    while len(test) < share * (len(groups)):
        test = test + blocks.pop()
    return [row for block in blocks for row in block], test


def split_by_sklearn(groups, share):
    splitter = GroupShuffleSplit(n_splits=1, test_size=share, random_state=0)
    [(train, test)] = splitter.split(groups, groups=groups)
    return train, test


def split_all_but_one(groups, share):
    train = [row for row, name in enumerate(groups) if name == groups[-1]]
    return train, [row for row, name in enumerate(groups) if name != groups[-1]]


def split_in_names(groups, share):
    train, test = split_largest_first(groups, share)
    return [groups[row] for row in train], [groups[row] for row in test]


def split_as_masks(groups, share):
    train, test = split_largest_first(groups, share)
    return [row in train for row in range(len(groups))], [row in test for row in range(len(groups))]


def split_by_the_front(groups, share):
    count = math.ceil(share * len(groups))
    while count < len(groups) and groups[count] == groups[count - 1]:
        count += 1
    return list(range(count, len(groups))), list(range(count))


def split_one_picture_each(groups, share):
    test = [groups.index(name) for name in dict.fromkeys(groups)]
    return [row for row in range(len(groups)) if row not in test], test


def split_counting_from_one(groups, share):
    train, test = split_largest_first(groups, share)
    return [row + 1 for row in train], [row + 1 for row in test]


# --- 4.5 --------------------------------------------------------------------------------------------------


def attention(queries, keys, values, mask, *, scale=None, dim=1, hide=-torch.inf):
    scores = queries @ keys.T / math.sqrt(scale or queries.shape[-1])
    return torch.softmax(scores.masked_fill(mask == 0, hide), dim=dim) @ values


def attention_by_torch(queries, keys, values, mask):
    return F.scaled_dot_product_attention(
        queries, keys, values, attn_mask=mask.bool().expand(len(queries), -1)
    )


def attention_of_real_ones(queries, keys, values, mask):
    real = mask.bool()
    return ((queries @ keys[real].T) / queries.shape[1] ** 0.5).softmax(dim=-1) @ values[real]


def attention_by_numpy(queries, keys, values, mask):
    q, k, v, m = (np.asarray(block, dtype=np.float64) for block in (queries, keys, values, mask))
    weights = np.exp(q @ k.T / np.sqrt(q.shape[1])) * m
    return weights / weights.sum(axis=1, keepdims=True) @ v


def attention_in_loops(queries, keys, values, mask):
    rows = []
    for query in queries:
        powers = []
        for key, real in zip(keys, mask, strict=True):
            score = sum(float(q) * float(k) for q, k in zip(query, key, strict=True)) / len(query) ** 0.5
            powers.append(math.exp(score) if real else 0.0)
        weights = [power / sum(powers) for power in powers]
        rows.append(
            [
                sum(w * float(row[c]) for w, row in zip(weights, values, strict=True))
                for c in range(values.shape[1])
            ]
        )
    return rows


def attention_renormalised(queries, keys, values, mask):
    weights = torch.softmax(queries @ keys.T / keys.size(1) ** 0.5, dim=1) * mask
    return weights @ values / weights.sum(dim=1, keepdim=True)


def attention_by_adding(queries, keys, values, mask):
    bias = (1.0 - mask.float()) * torch.finfo(torch.float32).min
    return torch.einsum(
        "ts,sv->tv",
        (torch.einsum("td,sd->ts", queries, keys) / keys.shape[1] ** 0.5 + bias).softmax(1),
        values,
    )


def attention_in_place(queries, keys, values, mask):
    scores = queries.double().matmul(keys.double().t())
    scores /= math.sqrt(queries.size(1))
    scores[:, mask == 0] = float("-inf")
    return nn.Softmax(dim=-1)(scores) @ values.double()


def attention_transposed(queries, keys, values, mask):
    scores = (keys @ queries.T).div(queries.shape[1] ** 0.5)  # (S, T)
    scores[mask == 0] = -1e9
    return scores.softmax(dim=0).T.matmul(values)


class Attention(nn.Module):
    def forward(self, queries, keys, values, mask):
        batch = F.scaled_dot_product_attention(
            queries[None, None], keys[None, None], values[None, None], (mask != 0)[None, None, None]
        )
        return batch[0, 0]


# --- 4.6 --------------------------------------------------------------------------------------------------


def sentences_in_a_loop(states, attention_mask):
    rows = []
    for state, mask in zip(states, attention_mask, strict=True):
        mean = state[mask == 1].mean(dim=0)
        rows.append((mean / torch.linalg.vector_norm(mean)).tolist())
    return rows


def sentences_by_numpy(states, attention_mask):
    states, mask = states.numpy(), attention_mask.numpy()[..., np.newaxis]
    means = (states * mask).sum(axis=1) / mask.sum(axis=1)
    return means / np.sqrt((means**2).sum(axis=-1, keepdims=True))


def sentences_by_sum(states, attention_mask):
    return F.normalize((states * attention_mask[..., None]).sum(dim=1), dim=1)  # the number of pieces cancels


def sentences_by_einsum(states, attention_mask):
    return F.normalize(torch.einsum("ntd,nt->nd", states.double(), attention_mask.double()))


def sentences_by_product(states, attention_mask):
    weights = attention_mask / attention_mask.sum(dim=1, keepdim=True)
    means = torch.bmm(weights[:, None].float(), states).squeeze(1)
    return means / means.pow(2).sum(1, keepdim=True).sqrt()


def sentences_by_nan(states, attention_mask):
    states[attention_mask == 0] = torch.nan
    means = states.nanmean(dim=1)
    return means.div_(means.norm(p=2, dim=-1, keepdim=True))


def sentences_carefully(states, attention_mask):
    mask = attention_mask.unsqueeze(-1).expand(states.size()).float()
    means = torch.sum(states * mask, 1) / torch.clamp(mask.sum(1), min=1e-9)
    return F.normalize(means, p=2, dim=1, eps=1e-12)


def sentences(states, attention_mask, *, norm=2, each=False, dim=1, by=None):
    real = attention_mask.unsqueeze(2)
    states = F.normalize(states, dim=2) if each else states
    means = (states * real).sum(dim=1) / (real.sum(dim=1) if by is None else by)
    return means / means.norm(norm, dim=dim, keepdim=True)


# --- 4.7 --------------------------------------------------------------------------------------------------


def merged_by_probing(weight, a, b, alpha):
    inputs = torch.eye(weight.shape[1])
    return (inputs @ weight.T + alpha / len(a) * inputs @ a.T @ b.T).T


def merged_in_place(weight, a, b, alpha):
    return weight.addmm_(b, a, alpha=alpha / b.shape[1])


def merged_by_outer_products(weight, a, b, alpha):
    total = weight.double().clone()
    for row in range(a.shape[0]):
        total += (alpha / a.shape[0]) * torch.outer(b[:, row].double(), a[row].double())
    return total


def merged_by_numpy(weight, a, b, alpha):
    return np.asarray(weight) + (alpha / np.asarray(a).shape[0]) * np.matmul(np.asarray(b), np.asarray(a))


def merged_by_lists(weight, a, b, alpha):
    w, a, b = weight.tolist(), a.tolist(), b.tolist()
    return [
        [w[o][i] + alpha / len(a) * sum(b[o][r] * a[r][i] for r in range(len(a))) for i in range(len(w[0]))]
        for o in range(len(w))
    ]


def merged_in_a_layer(weight, a, b, alpha):
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    layer.weight.data = weight
    layer.weight.data += alpha / a.size(0) * torch.mm(b, a)
    return layer.weight


RIGHT = {
    "4.1": [
        modes_by_flag,
        modes_by_recursion,
        modes_of_a_copy,
        modes_by_names,
        modes_by_apply,
        modes_carefully,
        modes_and_norms_alone,
        modes_that_stay,
        lambda model: modes_by_flag(nn.Module.train(model)),
    ],
    "4.2": [
        neighbours_by_numpy,
        neighbours_in_a_loop,
        neighbours_by_sklearn,
        neighbours_by_pairs,
        neighbours_in_place,
        neighbours_by_one_hot,
        neighbours_by_distance_of_directions,
        neighbours_one_by_one,
        neighbours,
        lambda *given: neighbours(*given).to(torch.uint8),
        lambda *given: neighbours(*given).numpy().astype(np.float32),
    ],
    "4.3": [
        groups,
        groups_by_filter,
        groups_backwards,
        groups_through_an_optimiser,
        groups_added_one_by_one,
        groups_named,
        groups_with_names,
        groups_by_a_helper,
        groups_in_numpy,
        lambda parts, rate, factor: [{**g, "lr": torch.tensor(g["lr"])} for g in groups(parts, rate, factor)],
        lambda parts, rate, factor: [{**g, "params": g["params"][::-1]} for g in groups(parts, rate, factor)],
    ],
    "4.4": [
        split_at_random,
        split_largest_first,
        split_smallest_first,
        split_by_numpy,
        split_by_torch,
        split_in_sets,
        split_with_fewest_pictures,
        split_in_place,
        split_by_grouping,
        lambda groups, share: tuple(
            sorted(part, reverse=True) for part in split_largest_first(groups, share)
        ),
        lambda groups, share: np.array([np.array(p) for p in split_by_numpy(groups, share)], dtype=object),
    ],
    "4.5": [
        attention,
        attention_by_torch,
        attention_of_real_ones,
        attention_by_numpy,
        attention_in_loops,
        attention_renormalised,
        attention_by_adding,
        attention_in_place,
        attention_transposed,
        Attention(),
        lambda *given: attention(*given, hide=-1e4),
        lambda *given: [row.tolist() for row in attention(*given)],
    ],
    "4.6": [
        sentences,
        sentences_in_a_loop,
        sentences_by_numpy,
        sentences_by_sum,
        sentences_by_einsum,
        sentences_by_product,
        sentences_by_nan,
        sentences_carefully,
        lambda states, mask: list(sentences(states, mask)),
        lambda states, mask: sentences(states, mask.bool(), by=states.shape[1]),
    ],
    "4.7": [
        merged_by_probing,
        merged_in_place,
        merged_by_outer_products,
        merged_by_numpy,
        merged_by_lists,
        merged_in_a_layer,
        lambda weight, a, b, alpha: weight + (b @ a) * (alpha / min(a.shape[0], b.shape[1])),
        lambda w, a, b, alpha: torch.stack([w, alpha / len(a) * b @ a]).sum(dim=0),
        lambda w, a, b, alpha: w + torch.einsum("or,ri->oi", b, a) * alpha / a.shape[0],
        lambda w, a, b, alpha: w - -(alpha * (a.T @ b.T).T) / len(a),
    ],
}
WRONG = {
    "4.1": [
        modes_of_children,
        modes_then_train,
        modes_without_train,
        modes_of_pictures_only,
        modes_by_momentum,
        modes_by_freezing_more,
        modes_turned_round,
        modes_of_frozen_blocks,
        modes_from_fresh_statistics,
        lambda model: model.eval(),
        lambda model: model,
        lambda model: modes_by_flag(model).requires_grad_(False),
        lambda model: list(modes_by_flag(model).modules()),
        lambda model: nn.Sequential(modes_by_flag(model)),
    ],
    "4.2": [
        neighbours_of_a_larger_tie,
        neighbours_of_the_wrong_side,
        lambda *given: neighbours(*given, largest=False),
        lambda *given: neighbours(*given, take=slice(0, 1)),
        lambda *given: neighbours(*given, weigh=lambda closeness: closeness),
        lambda a, labels, b, k: (
            neighbours(a, labels, b, k + 1) if k < len(a) else neighbours(a, labels, b, k)
        ),
        lambda a, labels, b, k: neighbours(a, labels, b, 5),
        lambda a, labels, b, k: neighbours(a - a.mean(0), labels, b - a.mean(0), k),
        lambda a, labels, b, k: (F.normalize(b) @ F.normalize(a).T).topk(k).indices,
        lambda a, labels, b, k: labels[(F.normalize(b) @ F.normalize(a).T).topk(k).indices],
        lambda a, labels, b, k: labels[(F.normalize(b) @ F.normalize(a).T).topk(k).indices].float().mean(1),
        lambda a, labels, b, k: labels[(F.normalize(b) @ F.normalize(a).T).topk(k).indices].median(1).values,
        lambda a, labels, b, k: neighbours(a, labels, b, k)[:, None].expand(-1, 2),
        lambda a, labels, b, k: neighbours(F.normalize(a, dim=0), labels, F.normalize(b, dim=0), k),
    ],
    "4.3": [
        lambda parts, rate, factor: groups(parts, rate, factor, empty=True),
        lambda parts, rate, factor: groups(parts, rate, factor, power=-1),
        lambda parts, rate, factor: groups(parts, rate, factor, power=0),
        lambda parts, rate, factor: groups(parts, rate, factor, first=1),
        lambda parts, rate, factor: groups(parts, rate, 10),
        lambda parts, rate, factor: groups(parts[::-1], rate, factor),
        lambda parts, rate, factor: groups(parts, rate, factor)[::-1],
        lambda parts, rate, factor: groups(parts, rate, factor)[:1],
        lambda parts, rate, factor: groups(
            parts, rate, factor, keep=lambda p: p.requires_grad and p.ndim > 1
        ),
        lambda parts, rate, factor: [
            {"params": [p.detach().clone() for p in group["params"]], "lr": group["lr"]}
            for group in groups(parts, rate, factor)
        ],
        lambda parts, rate, factor: [
            {"params": [p.data for p in group["params"]], "lr": group["lr"]}
            for group in groups(parts, rate, factor)
        ],
        lambda parts, rate, factor: [
            {
                "params": [p for q in parts[:n] for p in q.parameters() if p.requires_grad],
                "lr": rate / factor**n,
            }
            for n in range(1, 1 + len(parts))
        ],
        lambda parts, rate, factor: [group["params"] for group in groups(parts, rate, factor)],
        lambda parts, rate, factor: [{"params": g["params"]} for g in groups(parts, rate, factor)],
        lambda parts, rate, factor: {"params": [p for q in parts for p in q.parameters()], "lr": rate},
        lambda parts, rate, factor: [
            {"parameters": g["params"], "lr": g["lr"]} for g in groups(parts, rate, factor)
        ],
        groups_in_two_lists,
        groups_for_each_parameter,
        groups_of_names,
    ],
    "4.4": [
        split_by_sklearn,
        split_all_but_one,
        split_in_names,
        split_as_masks,
        split_by_the_front,
        split_one_picture_each,
        split_counting_from_one,
        lambda groups, share: tuple(map(torch.tensor, split_as_masks(groups, share))),
        lambda groups, share: split_largest_first(groups, share)[::-1],
        lambda groups, share: split_largest_first(groups, share)[1],
        lambda groups, share: split_largest_first(groups, 1 - share),
        lambda groups, share: split_largest_first(groups, 1.0),
        lambda groups, share: ([], list(range(len(groups)))),
        lambda groups, share: (list(range(len(groups))), []),
        lambda groups, share: (list(range(len(groups))), split_largest_first(groups, share)[1]),
        lambda groups, share: tuple(part[:-1] for part in split_largest_first(groups, share)),
        lambda groups, share: dict(zip(("train", "test"), split_largest_first(groups, share), strict=True)),
    ],
    "4.5": [
        lambda *given: attention(*given, scale=1),
        lambda q, k, v, m: attention(q, k, v, m, scale=q.shape[1] ** 2),
        lambda q, k, v, m: attention(q, k, v, m, scale=len(k)),
        lambda q, k, v, m: attention(q, k, v, m, scale=v.shape[1]),
        lambda *given: attention(*given, dim=0),
        lambda *given: attention(*given, hide=0.0),
        lambda *given: attention(*given, hide=-1.0),
        lambda q, k, v, m: attention(q, k, v, 1 - m),
        lambda q, k, v, m: attention(q, k, v, m).T,
        lambda q, k, v, m: (q @ k.T / q.shape[1] ** 0.5).masked_fill(m == 0, -torch.inf).softmax(1),
        lambda q, k, v, m: (q @ k.T / q.shape[1] ** 0.5).masked_fill(m == 0, 0.0) @ v,
        lambda q, k, v, m: attention(q, k, v * m[:, None], torch.ones_like(m)),
        lambda q, k, v, m: attention(q, k * m[:, None], v, torch.ones_like(m)),
        lambda q, k, v, m: (q @ k.T / q.shape[1] ** 0.5).masked_fill(~m, -torch.inf).softmax(1) @ v,
        lambda q, k, v, m: attention(q, k[: m.sum()], v[: m.sum()], m[: m.sum()]),
        lambda q, k, v, m: attention(q, k, v, m).mean(0),
        lambda q, k, v, m: attention(F.normalize(q), F.normalize(k), v, m),
        lambda q, k, v, m: (q @ k.T / q.shape[1] ** 0.5).masked_fill(m == 0, -torch.inf).sigmoid() @ v,
    ],
    "4.6": [
        lambda states, mask: sentences(states, mask, norm=1),
        lambda states, mask: sentences(states, mask, norm=torch.inf),
        lambda states, mask: sentences(states, mask, dim=0),
        lambda states, mask: sentences(states, mask, each=True),
        lambda states, mask: sentences(states, 1 - mask),
        lambda states, mask: F.normalize((states * mask[..., None]).max(dim=1).values),
        lambda states, mask: F.normalize((states * mask[..., None]).sum(1), dim=0),
        lambda states, mask: F.normalize(F.normalize(states, dim=2).mean(1)),
        lambda states, mask: (states * mask[..., None]).mean(dim=1),
        lambda states, mask: sentences(states, mask).mean(dim=0),
        lambda states, mask: F.normalize(states, dim=2) * mask[..., None],
        lambda states, mask: F.normalize(
            torch.stack([s[: m.sum()].mean(0) for s, m in zip(states, mask, strict=True)])
        ),
        lambda states, mask: F.normalize(states[mask == 1].mean(0, keepdim=True)).expand(len(states), -1),
        lambda states, mask: sentences(states, mask, norm=2) ** 2,
    ],
    "4.7": [
        lambda w, a, b, alpha: w + b @ a,
        lambda w, a, b, alpha: w + b @ a / len(a),
        lambda w, a, b, alpha: w - alpha / len(a) * b @ a,
        lambda w, a, b, alpha: w + alpha / len(a) * a @ b,
        lambda w, a, b, alpha: w + alpha / len(a) * (b @ a).T,
        lambda w, a, b, alpha: (w + alpha / len(a) * b @ a).T,
        lambda w, a, b, alpha: w + len(a) / alpha * b @ a,
        lambda w, a, b, alpha: w * (1 + alpha / len(a) * b @ a),
        lambda w, a, b, alpha: alpha / len(a) * (w + b @ a),
        lambda w, a, b, alpha: w,
        lambda w, a, b, alpha: w + alpha / len(b) * b @ a,
        lambda w, a, b, alpha: w + alpha / 8 * b @ a,
        lambda w, a, b, alpha: (w, alpha / len(a) * b @ a),
    ],
}
