"""Exercises on pictures that resemble each other: nearest neighbours, and a split that keeps groups together."""

# ruff: noqa: D103, ANN401 - worked answers and common mistakes are shown to learners as they would write them
import math
from typing import Any

import numpy as np
import torch

from course_utils.exercises.answers import numbers, pair, same, shown
from course_utils.exercises.exercise import NotYet
from course_utils.exercises.trials import call

Rows = tuple[list[int], list[int]]
Tensor = torch.Tensor


# --- 4.2: the nearest neighbours ------------------------------------------------------------------------------


def my_neighbours(train_features: Tensor, train_labels: Tensor, features: Tensor, k: int) -> Any:
    train_features = train_features / train_features.norm(dim=1, keepdim=True)
    features = features / features.norm(dim=1, keepdim=True)
    nearest = (features @ train_features.T).topk(k, dim=1).indices  # (M, k)
    votes = [torch.bincount(labels) for labels in train_labels[nearest]]
    return torch.stack([count.argmax() for count in votes])  # the first, so the smallest, of the largest


Search = tuple[Tensor, Tensor, Tensor, int]


def searches() -> list[Search]:
    """Return features as directions of very different lengths, their labels, queries, and k."""
    labels = torch.tensor([2, 7, 7, 0, 2, 2, 5, 0, 5, 2, 7])
    degrees, lengths = torch.arange(11) * 23.0 + 2, torch.tensor([1.0, 9, 0.2, 4, 30, 0.5, 2, 7, 0.1, 3, 12])
    places = lengths[:, None] * _directions(degrees)
    queries = torch.tensor([3.0, 0.4, 8, 1.5])[:, None] * _directions(torch.tensor([10.0, 57, 141, 203]))
    cases = [(places, labels, queries[:rows], k) for rows, k in ((4, 1), (4, 2), (3, 3), (4, 4), (1, 6))]
    wide = torch.randn(30, 12) + 1
    return [*cases, (wide, torch.arange(30) % 4 + 1, torch.randn(5, 12), 5), (places, labels, queries, 11)]


def _directions(degrees: Tensor) -> Tensor:
    angles = degrees * math.pi / 180
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def examine_neighbours(answer: Any) -> None:
    cases = searches()
    expected = [my_neighbours(*case) for case in cases]
    for case, right in zip(cases, expected, strict=True):
        places, labels, queries, k = case
        words = f"for {len(places)} training rows, {len(queries)} rows to judge and k = {k} "
        found = call(answer, *case)
        got = numbers(found, f"labels {words}".strip())
        if got.shape != right.shape and got.size != 1:
            same(found, right, words)
        closest = places / places.norm(dim=1, keepdim=True) @ queries.T  # (N, M)
        for row, (label, wanted) in enumerate(zip(got.ravel(), right.tolist(), strict=False)):
            if label != wanted:
                near = labels[closest[:, row].topk(k).indices].tolist()
                raise NotYet(
                    f"{words}expected {wanted} for row {row}, got {label:g}: its nearest have the labels {near}"
                )
        same(found, right, words)


def longest_rows_win(train_features: Tensor, train_labels: Tensor, features: Tensor, k: int) -> Any:
    nearest = (features @ train_features.T).topk(k, dim=1).indices
    return train_labels[nearest].mode(dim=1).values


def shortest_distance(train_features: Tensor, train_labels: Tensor, features: Tensor, k: int) -> Any:
    nearest = torch.cdist(features, train_features).topk(k, dim=1, largest=False).indices
    return train_labels[nearest].mode(dim=1).values


def nearest_of_a_tie(train_features: Tensor, train_labels: Tensor, features: Tensor, k: int) -> Any:
    closeness = torch.cosine_similarity(features[:, None], train_features[None], dim=2)
    rows = train_labels[closeness.topk(k, dim=1).indices].tolist()
    return torch.tensor([max(labels, key=labels.count) for labels in rows])


# --- 4.4: a split that keeps groups together ------------------------------------------------------------------


def my_split(groups: list[str], share: float) -> Rows:
    chosen: set[str] = set()
    rows = 0
    for group in dict.fromkeys(groups):  # each group once, in the order in which they come
        if rows < share * len(groups):
            chosen.add(group)
            rows += groups.count(group)
    train = [row for row, group in enumerate(groups) if group not in chosen]
    return train, [row for row, group in enumerate(groups) if group in chosen]


ALBUMS = (
    (list("aabbbbcdddee"), 0.25),
    (["park", "sea", "park", "hill", "sea", "park", "sea", "park", "hill", "park"], 0.5),
    (["ü1", "ü2", "ü3", "ü4", "ü5", "ü6", "ü7", "ü8"], 0.375),
    (["one"] * 9 + ["two"] + ["three"] * 2, 0.1),
)
"""Groups of pictures, and the share of all pictures that a test needs."""


def examine_split(answer: Any) -> None:
    for groups, share in ALBUMS:
        sizes = ", ".join(f"{groups.count(group)} × {group!r}" for group in dict.fromkeys(groups))
        words = f"for {len(groups)} pictures, {sizes}, share {share:g}: "
        found = call(answer, groups, share)
        if isinstance(found, np.ndarray | torch.Tensor) and found.ndim:
            found = list(found)
        train, test = (_rows(part, len(groups), words) for part in pair(found, "training rows", "test rows"))
        _each_row_once(train, test, len(groups), words)
        both = {groups[row] for row in train} & {groups[row] for row in test}
        if both:
            raise NotYet(f"{words}expected each group in one list, got {min(both)!r} in both")
        _enough_and_no_more(test, groups, share, words)


def _rows(part: Any, count: int, words: str) -> list[int]:
    listed = list(part) if isinstance(part, set | frozenset) else part
    values = numbers(listed, f"row numbers {words}".rstrip(": "))
    if str(getattr(listed, "dtype", "")).endswith("bool") or (
        isinstance(listed, list | tuple) and any(isinstance(value, bool) for value in listed)
    ):
        raise NotYet(f"{words}expected row numbers, got true and false: of which rows are they true?")
    if values.ndim != 1:
        raise NotYet(f"{words}expected a list of row numbers, got {shown(part)}")
    odd = [value for value in values.tolist() if value not in range(count)]
    if odd:
        raise NotYet(f"{words}expected row numbers from 0 to {count - 1}, got {odd[0]:g}")
    return [int(value) for value in values]


def _each_row_once(train: list[int], test: list[int], count: int, words: str) -> None:
    times = np.bincount([*train, *test], minlength=count)
    if (times != 1).any():
        row = int(np.argmax(times != 1))
        raise NotYet(
            f"{words}expected each row in exactly one of the two lists, got row {row} {times[row]} times"
        )


def _enough_and_no_more(test: list[int], groups: list[str], share: float, words: str) -> None:
    """Take any order of the groups: the last one that came must have been needed."""
    needed = share * len(groups) - 1e-6
    taken = [groups[row] for row in test]
    if len(test) < needed:
        raise NotYet(f"{words}expected at least {math.ceil(needed)} test pictures, got {len(test)}")
    largest = max(taken, key=taken.count)
    if len(test) - taken.count(largest) >= needed + 2e-6:
        raise NotYet(
            f"{words}expected to stop as soon as {math.ceil(needed)} test pictures are reached; got {len(test)}, "
            f"also enough without {largest!r}"
        )


def share_of_the_rows(groups: list[str], share: float) -> Rows:
    order = torch.randperm(len(groups)).tolist()
    count = round(share * len(groups))
    return order[count:], order[:count]


def share_of_the_groups(groups: list[str], share: float) -> Rows:
    names = list(dict.fromkeys(groups))
    chosen = names[: round(share * len(names))]
    rows = range(len(groups))
    return [row for row in rows if groups[row] not in chosen], [row for row in rows if groups[row] in chosen]


def stops_one_group_early(groups: list[str], share: float) -> Rows:
    test: list[int] = []
    for name in dict.fromkeys(groups):
        rows = [row for row, group in enumerate(groups) if group == name]
        if len(test) + len(rows) <= share * len(groups):
            test += rows
    return [row for row in range(len(groups)) if row not in test], test
