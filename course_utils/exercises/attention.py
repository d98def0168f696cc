"""Exercises on text networks: attention with a mask, a vector for each sentence, an adapter melted in."""

# ruff: noqa: D103, ANN401 - worked answers and common mistakes are shown to learners as they would write them
from typing import Any

import numpy as np
import torch

from course_utils.exercises.answers import Values, numbers, same
from course_utils.exercises.trials import call

Tensor = torch.Tensor


# --- 4.5: attention by hand -----------------------------------------------------------------------------------


def my_attention(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Any:
    scores = queries @ keys.T / queries.shape[1] ** 0.5  # (T, S)
    scores = scores.masked_fill(mask == 0, -torch.inf)
    return scores.softmax(dim=1) @ values  # (T, v)


Look = tuple[Tensor, Tensor, Tensor, Tensor]


def looks() -> list[Look]:
    """Return queries, keys, values and masks: of all sizes, padded at the end, in the middle, nearly everywhere."""
    cases = []
    for sizes, mask in (
        ((2, 3, 4, 1), [1, 1, 1]),
        ((3, 4, 2, 5), [1, 1, 0, 0]),
        ((5, 5, 9, 3), [1, 0, 1, 1, 0]),
        ((2, 4, 3, 2), [0, 0, 1, 0]),
        ((1, 6, 1, 2), [0, 1, 1, 0, 1, 1]),
    ):
        asked, given, width, told = sizes
        cases.append(
            (
                torch.randn(asked, width),
                torch.randn(given, width),
                torch.randn(given, told),
                torch.tensor(mask),
            )
        )
    low = (torch.full((2, 4), 3.0), torch.full((3, 4), -3.0) - torch.eye(3, 4), torch.randn(3, 2))
    return [*cases, (*low, torch.tensor([1, 1, 0]))]  # all scores far below zero


def examine_attention(answer: Any) -> None:
    cases = looks()
    expected = [my_attention(*case) for case in cases]
    for case, right in zip(cases, expected, strict=True):
        queries, keys, values, mask = case
        shapes = ", ".join(str(tuple(block.shape)) for block in (queries, keys, values))
        words = f"for queries, keys and values of shapes {shapes}, mask {mask.tolist()} "
        found = call(answer, *case)
        same(found, right, words, advice=_done_to_attention(numbers(found, f"vectors {words}".strip()), case))


def _done_to_attention(found: Values, case: Look) -> str:
    queries, keys, values, mask = case
    scores = queries @ keys.T / queries.shape[1] ** 0.5
    others = (
        (scores.softmax(1) @ values, "here the padding has its share of the weight"),
        (
            my_attention(queries * queries.shape[1] ** 0.5, keys, values, mask),
            "the scores are not divided by √d",
        ),
        (scores.softmax(1) * mask @ values, "the weights of the real pieces no longer add up to 1"),
        ((scores * mask).softmax(1) @ values, "a score of 0 is still a score: its weight is not 0"),
    )
    for other, advice in others:
        if found.shape == other.shape and np.allclose(found, other.numpy(), atol=1e-4):
            return advice
    return "a softmax over the keys, for each query, in which only the real pieces count"


def forgets_the_mask(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Any:
    return (queries @ keys.T / keys.shape[1] ** 0.5).softmax(dim=1) @ values


def masks_after_the_softmax(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Any:
    weights = (queries @ keys.T / keys.shape[1] ** 0.5).softmax(dim=1)
    return (weights * mask) @ values


def scores_of_padding_become_zero(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Any:
    scores = queries @ keys.T / keys.shape[1] ** 0.5
    return (scores * mask).softmax(dim=1) @ values


# --- 4.6: a vector for each sentence --------------------------------------------------------------------------


def my_sentence_vectors(states: Tensor, attention_mask: Tensor) -> Any:
    real = attention_mask.unsqueeze(2)  # (N, T, 1)
    means = (states * real).sum(dim=1) / real.sum(dim=1)  # (N, d)
    return means / means.norm(dim=1, keepdim=True)


def sentences() -> list[tuple[Tensor, Tensor]]:
    """Return states and masks: padding at the end, in the middle, none, and texts of one piece."""
    masks = (
        [[1, 1, 1, 0], [1, 0, 0, 0], [1, 1, 1, 1]],
        [[1, 0, 1, 1, 0], [0, 0, 1, 0, 0]],
        [[1, 1]],
        [[1], [1], [1]],
    )
    return [(2 * torch.randn(len(m), len(m[0]), 3) + 1, torch.tensor(m)) for m in masks]


def examine_sentence_vectors(answer: Any) -> None:
    cases = sentences()
    expected = [my_sentence_vectors(*case) for case in cases]
    for (states, mask), right in zip(cases, expected, strict=True):
        words = f"for states of shape {tuple(states.shape)}, mask {mask.tolist()} "
        found = call(answer, states, mask)
        got = numbers(found, f"vectors {words}".strip())
        advice = "the mean over the real pieces of each text, scaled to length 1"
        if got.shape == right.shape and abs((got**2).sum(axis=1) - 1).max() > 1e-3:
            lengths = ", ".join(f"{length:.3g}" for length in (got**2).sum(axis=1) ** 0.5)
            advice = f"the rows have the lengths {lengths}, not 1"
        elif got.shape == right.shape:
            advice = "the lengths are right; which pieces count, and is each text on its own?"
        same(found, right, words, advice=advice)


def padding_counts(states: Tensor, attention_mask: Tensor) -> Any:
    return torch.nn.functional.normalize(states.mean(dim=1), dim=1)


def keeps_its_length(states: Tensor, attention_mask: Tensor) -> Any:
    real = attention_mask.unsqueeze(2)
    return (states * real).sum(dim=1) / real.sum(dim=1)


def first_piece_only(states: Tensor, attention_mask: Tensor) -> Any:
    return torch.nn.functional.normalize(states[:, 0], dim=1)


# --- 4.7: an adapter melted in --------------------------------------------------------------------------------


def my_merged_weight(weight: Tensor, a: Tensor, b: Tensor, alpha: float) -> Any:
    rank = a.shape[0]
    return weight + alpha / rank * b @ a


def adapters() -> list[tuple[Tensor, Tensor, Tensor, float]]:
    """Return weights with their adapters: rank 1, 2 and 3, wide, tall and square, alpha above and below the rank."""
    sizes = ((4, 3, 1, 8.0), (2, 5, 2, 1.0), (3, 3, 3, 16.0), (6, 4, 3, 3.0))
    return [
        (torch.randn(out, into), torch.randn(rank, into), torch.randn(out, rank), alpha)
        for out, into, rank, alpha in sizes
    ]


def examine_merged_weight(answer: Any) -> None:
    cases = adapters()
    expected = [my_merged_weight(*case) for case in cases]
    for (weight, a, b, alpha), right in zip(cases, expected, strict=True):
        words = f"for a weight of shape {tuple(weight.shape)}, rank {len(a)}, alpha {alpha:g} "
        advice = "is the layer itself in it, and the adapter with its scale, once?"
        same(call(answer, weight, a, b, alpha), right, words, advice=advice)


def forgets_the_rank(weight: Tensor, a: Tensor, b: Tensor, alpha: float) -> Any:
    return weight + alpha * b @ a


def adapter_alone(weight: Tensor, a: Tensor, b: Tensor, alpha: float) -> Any:
    return alpha / a.shape[0] * b @ a


def scale_of_full_rank(weight: Tensor, a: Tensor, b: Tensor, alpha: float) -> Any:
    return weight + alpha / a.shape[1] * b @ a
