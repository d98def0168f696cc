"""Exercises on networks that read in order: one step, one gradient, words, padding, one pass of training."""

# ruff: noqa: D103, ANN401 - worked answers and common mistakes are shown to learners as they would write them
import math
from collections import Counter
from typing import Any

import numpy as np
import torch
from torch import nn

from course_utils.exercises.answers import pair, same, shown, whole
from course_utils.exercises.exercise import NotYet
from course_utils.exercises.trials import call, call_any, copied, network

Weights = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]
Batch = tuple[torch.Tensor, torch.Tensor]
State = tuple[torch.Tensor, torch.Tensor]


def my_lstm_step(weights: Weights, x: torch.Tensor, h: torch.Tensor, c: torch.Tensor) -> State:
    w_ih, w_hh, b_ih, b_hh = weights
    i, f, g, o = (x @ w_ih.T + b_ih + h @ w_hh.T + b_hh).chunk(4, dim=1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def examine_lstm_step(answer: Any) -> None:
    cases, expected = [], []
    for count, features, hidden in ((2, 4, 3), (1, 1, 2)):
        cell = nn.LSTMCell(features, hidden).requires_grad_(False)
        for value in cell.parameters():
            value.mul_(3)
        x, h, c = torch.randn(count, features), torch.randn(count, hidden), 2 * torch.randn(count, hidden)
        cases.append((tuple(cell.parameters()), x, h, c))
        expected.append(cell(x, (h, c)))
    for case, (h, c) in zip(cases, expected, strict=True):
        words = f"for {len(h)} example{'s' * (len(h) > 1)} and a state of {h.shape[1]} numbers, "
        found = call(answer, *case)
        stacked = isinstance(found, torch.Tensor | np.ndarray) and found.ndim == 3
        found_h, found_c = pair(list(found) if stacked else found, "the new h", "the new c")
        advice = "is each block its gate, and are all four weights in?"
        if alike(found_h, c) and alike(found_c, h):
            advice = "h and c have changed places"
        same(found_c, c, f"{words}as the new c ", advice=advice)
        same(found_h, h, f"{words}as the new h ", advice="the new c is right")


def alike(found: Any, expected: Any) -> bool:
    """Whether two blocks of numbers are the same; whatever is no block is not."""
    try:
        same(found, expected, "")
    except NotYet:
        return False
    return True


def never_forgets(weights: Weights, x: torch.Tensor, h: torch.Tensor, c: torch.Tensor) -> State:
    w_ih, w_hh, b_ih, b_hh = weights
    i, _, g, o = (x @ w_ih.T + b_ih + h @ w_hh.T + b_hh).chunk(4, dim=1)
    c = c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def shows_the_cell_state(weights: Weights, x: torch.Tensor, h: torch.Tensor, c: torch.Tensor) -> State:
    w_ih, w_hh, b_ih, b_hh = weights
    i, f, g, o = (x @ w_ih.T + b_ih + h @ w_hh.T + b_hh).chunk(4, dim=1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * c, c


def my_gradient_norms(network: nn.Module, inputs: Any, step: int) -> Any:
    inputs = inputs.clone().requires_grad_()
    outputs, _ = network(inputs)
    outputs[0, step].sum().backward()
    return inputs.grad[0, : step + 1].norm(dim=1).flip(0)


def examine_gradient_norms(answer: Any) -> None:
    kinds = (nn.RNN(2, 3, batch_first=True), nn.LSTM(1, 4, batch_first=True))
    cases = [
        (kind, torch.randn(1, 6, kind.input_size), step) for kind, step in zip(kinds, (5, 2), strict=True)
    ]
    expected = [my_gradient_norms(*copied(list(case))) for case in cases]
    for case, right in zip(cases, expected, strict=True):
        words = f"for {type(case[0]).__name__}, 6 inputs and the output at step {case[2]}, "
        advice = "of this output alone, by all features of an input together, the newest input first"
        same(call(answer, *case), right.detach(), f"{words}from 0 to {case[2]} steps back: ", advice=advice)


def first_input_first(network: nn.Module, inputs: Any, step: int) -> Any:
    inputs = inputs.clone().requires_grad_()
    network(inputs)[0][0, step].sum().backward()
    return inputs.grad[0, : step + 1].norm(dim=1)


def of_all_outputs(network: nn.Module, inputs: Any, step: int) -> Any:
    inputs = inputs.clone().requires_grad_()
    network(inputs)[0].sum().backward()
    return inputs.grad[0, : step + 1].norm(dim=1).flip(0)


def my_pad(sequences: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(len(sequence) for sequence in sequences)
    padded = torch.zeros(len(sequences), longest, dtype=torch.int64)
    for row, sequence in enumerate(sequences):
        padded[row, : len(sequence)] = torch.tensor(sequence)
    return padded, torch.tensor([len(sequence) for sequence in sequences])


BATCHES = ([[5, 6, 7], [8]], [[2], [3, 4], [5, 6, 7, 8]], [[9, 9]], [[3, 0], [4, 1, 0], [1, 2]])


def same_padding(found: Any, expected: tuple[torch.Tensor, torch.Tensor], case: str) -> None:
    padded, lengths = pair(found, "the padded table", "the lengths")
    same(padded, expected[0], f"{case}as the table ")
    wrong = sorted(_kinds(padded) - {"int64", "int32", "int"})
    if wrong:
        raise NotYet(f"{case}expected a table of int64, got {wrong[0]}: an embedding looks up whole numbers")
    same(
        lengths,
        expected[1],
        f"{case}as the lengths ",
        advice="the padding does not count, a 0 of the text does",
    )


def _kinds(table: Any) -> set[str]:
    """Return the kinds of the numbers in a table, also in one made of lists."""
    if isinstance(table, list | tuple):
        return set().union(*map(_kinds, table))
    kind = str(getattr(table, "dtype", type(table).__name__)).removeprefix("torch.")
    return _kinds(table.tolist()) if kind == "object" else {kind}


def pads_at_the_front(sequences: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(len(sequence) for sequence in sequences)
    rows = [[0] * (longest - len(sequence)) + sequence for sequence in sequences]
    return torch.tensor(rows), torch.tensor([len(sequence) for sequence in sequences])


def counts_the_padding(sequences: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    padded, _ = my_pad(sequences)
    return padded, torch.full((len(sequences),), padded.shape[1])


def my_vocabulary(texts: list[list[str]], max_size: int) -> dict[str, int]:
    counts = Counter(word for text in texts for word in text)
    frequent = sorted(counts, key=lambda word: (-counts[word], word))
    words = ["<PAD>", "<UNK>", *frequent[: max_size - 2]]
    return {word: index for index, word in enumerate(words)}


REVIEWS = [["it", "ok", "a", "it"], ["as", "it", "as", "ok", "it"], ["no", "no", "no"]]
CAPS = [*((REVIEWS, size) for size in (4, 5, 2, 100)), ([["It", "it", "It"], ["don't", "It", "it"]], 5)]


def same_vocabulary(found: Any, expected: dict[str, int], case: str) -> None:
    if not isinstance(found, dict):
        raise NotYet(f"{case}expected a dict from word to index, got {shown(found)}")
    if len(found) > len(expected):
        raise NotYet(
            f"{case}expected {len(expected)} entries, got {len(found)}: the two special ones count too"
        )
    for word, index in expected.items():
        if word not in found:
            raise NotYet(f"{case}expected {word!r} as number {index}, got {shown(found)} without it")
        whole(found[word], index, f"{case}as the index of {word!r} ")


def cap_forgets_the_special_ones(texts: list[list[str]], max_size: int) -> dict[str, int]:
    return my_vocabulary(texts, max_size + 2)


def first_come_first_served(texts: list[list[str]], max_size: int) -> dict[str, int]:
    words = list(dict.fromkeys(word for text in texts for word in text))
    return {word: index for index, word in enumerate(["<PAD>", "<UNK>", *words[: max_size - 2]])}


def my_perplexity(loss_nats: float) -> float:
    return math.exp(loss_nats)


def examine_perplexity(answer: Any) -> None:
    for choices in (2, 64, 3.725, 1, 1500):
        loss = math.log(choices)
        found = call_any(answer, (torch.tensor(loss),), (loss,))
        same(
            found,
            float(choices),
            f"for a loss of {loss:.4f} nats, that is {choices} equally likely characters, ",
        )


def two_to_the_nats(loss_nats: float) -> float:
    return float(2**loss_nats)


def bits_only(loss_nats: float) -> float:
    return loss_nats / math.log(2)


def my_masked_mean(vectors: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
    real = (inputs != 0).unsqueeze(2)
    return (vectors * real).sum(dim=1) / real.sum(dim=1).clamp(min=1)


MASKED = (
    (torch.arange(1.0, 13.0).reshape(2, 3, 2), torch.tensor([[5, 7, 0], [4, 0, 0]])),
    (torch.tensor([[[2.0], [-4.0], [9.0], [3.0]]]), torch.tensor([[8, 1, 8, 0]])),
    (torch.tensor([[[1.0, 2.0]], [[3.0, 5.0]]]), torch.tensor([[0], [6]])),
)


def mean_of_everything(vectors: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
    return vectors.mean(dim=1)


def divides_by_the_width(vectors: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
    return (vectors * (inputs != 0).unsqueeze(2)).mean(dim=1)


def my_clipped_pass(
    model: nn.Module, batches: list[Batch], learning_rate: float, max_norm: float
) -> nn.Module:
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)
    for inputs, targets in batches:
        loss = nn.functional.cross_entropy(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), max_norm)
        optimizer.step()
    return model


def examine_clipped_pass(answer: Any) -> None:
    model = nn.Linear(3, 4)
    batches = [(size * torch.randn(5, 3), torch.arange(5) % 4) for size in (4.0, 0.5, 6.0)]
    for count, max_norm in ((1, 0.5), (3, 0.5), (3, 100.0)):
        case = (model, batches[:count], 0.3, max_norm)
        expected = my_clipped_pass(*copied(list(case)))
        words = f"after {count} batch{'es' * (count > 1)}, learning rate 0.3, max_norm {max_norm:g}: "
        found = dict(network(call(answer, *case), words).named_parameters())
        advice = _what_was_done(found, *case)
        for name, right in expected.named_parameters():
            if name not in found:
                raise NotYet(f"{words}expected the network that came in, got one without {name!r}")
            same(found[name], right, f"{words}as {name} ", advice=advice)


def _what_was_done(
    found: dict[str, Any], model: nn.Module, batches: list[Batch], rate: float, most: float
) -> str:
    others = (
        (my_clipped_pass(copied(model), [], rate, most), "no weight has moved: who takes the step?"),
        (my_clipped_pass(copied(model), batches, rate, math.inf), "these are the weights without clipping"),
        (clips_each_on_its_own(copied(model), batches, rate, most), "clip all parameters together"),
    )
    for other, why in others:
        if all(alike(found.get(name), weight) for name, weight in other.named_parameters()):
            return why
    return (
        "one step a batch, old gradients cleared, the norm of all gradients together clipped before the step"
    )


def clips_too_late(
    model: nn.Module, batches: list[Batch], learning_rate: float, max_norm: float
) -> nn.Module:
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)
    for inputs, targets in batches:
        loss = nn.functional.cross_entropy(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    return model


def clips_each_on_its_own(
    model: nn.Module, batches: list[Batch], learning_rate: float, max_norm: float
) -> nn.Module:
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)
    for inputs, targets in batches:
        loss = nn.functional.cross_entropy(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        for parameter in model.parameters():
            nn.utils.clip_grad_norm_([parameter], max_norm)
        optimizer.step()
    return model
