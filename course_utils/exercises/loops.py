"""Exercises on loops: batches, one pass of training, a loop that is ill, the number of steps."""

# ruff: noqa: D103 - worked answers and common mistakes are shown to learners as they would write them
from typing import Any

import numpy as np
import torch
from torch import nn

from course_utils.exercises.answers import Values, numbers, pair, same, shown
from course_utils.exercises.exercise import NotYet
from course_utils.exercises.trials import call, copied, network

# --- Mini-batches ------------------------------------------------------------------------------------------


def my_batches(count: int, batch_size: int) -> tuple[torch.Tensor, ...]:
    order = torch.randperm(count)
    return tuple(order[start : start + batch_size] for start in range(0, count, batch_size))


def examine_batches(answer: Any) -> None:  # noqa: ANN401
    for count, size in ((10, 4), (12, 4), (5, 8), (100, 32), (23, 1)):
        case = f"for count {count}, batch_size {size} "
        right = [min(size, count - start) for start in range(0, count, size)]
        found = _parts(call(answer, count, size), right, case)
        _each_once(np.concatenate(found), count, case)
        if all((np.diff(part) == 1).all() for part in found) and count > size > 1:
            raise NotYet(f"{case}expected shuffled examples: within each batch they are in the old order")
        if size == 1 and (np.concatenate(found) == np.arange(count)).all():
            raise NotYet(f"{case}expected shuffled examples, got them in the old order")
        if count == 100 and all(np.ptp(part) == len(part) - 1 for part in found):
            raise NotYet(
                f"{case}expected examples shuffled over all batches: each batch holds neighbours only"
            )
    _shuffled_anew(answer)


def _shuffled_anew(answer: Any) -> None:  # noqa: ANN401
    case, right = "for count 100, batch_size 32 ", [32, 32, 32, 4]
    passes = call(lambda *inputs: (answer(*inputs), answer(*inputs)), 100, 32)
    first, second = (np.concatenate(_parts(found, right, case)) for found in passes)
    if np.array_equal(first, second):
        raise NotYet(
            f"{case}expected another order at each call, got the same one twice: shuffle anew each time"
        )


def _parts(found: Any, right: list[int], case: str) -> list[Values]:  # noqa: ANN401
    block = isinstance(found, np.ndarray | torch.Tensor)
    if not (isinstance(found, list | tuple) or (block and (found.ndim > 1 or found.dtype == object))):
        raise NotYet(
            f"{case}expected a list of batches, each with the indices of its examples, got {shown(found)}"
        )
    if len(found) != len(right):
        raise NotYet(f"{case}expected {len(right)} batches, got {len(found):,}")
    parts = [numbers(part, f"indices {case}".strip()).ravel() for part in found]
    if (sizes := [len(part) for part in parts]) != right:
        raise NotYet(f"{case}expected batches of {shown(right)} indices, got {shown(sizes)}")
    return parts


def _each_once(order: Values, count: int, case: str) -> None:
    missing = sorted(set(range(count)) - set(order.tolist()))
    if missing:
        raise NotYet(f"{case}expected each index once, from 0 to {count - 1}; {missing[0]} is in no batch")


def in_the_old_order(count: int, batch_size: int) -> tuple[torch.Tensor, ...]:
    return tuple(part for part in torch.arange(count).split(batch_size))


def drops_the_rest(count: int, batch_size: int) -> list[torch.Tensor]:
    order = torch.randperm(count)
    return [order[n * batch_size : (n + 1) * batch_size] for n in range(count // batch_size)]


def draws_with_replacement(count: int, batch_size: int) -> list[torch.Tensor]:
    return [torch.randint(count, (min(batch_size, count - n),)) for n in range(0, count, batch_size)]


# --- One pass of training ----------------------------------------------------------------------------------


def my_train(
    model: nn.Module, batches: list[tuple[torch.Tensor, torch.Tensor]], rate: float
) -> tuple[nn.Module, float]:
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    model.train()
    loss_sum, count = 0.0, 0
    for inputs, targets in batches:
        loss = nn.functional.cross_entropy(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss_sum += loss.item() * len(targets)
        count += len(targets)
    return model, loss_sum / count


def examine_train(answer: Any) -> None:  # noqa: ANN401
    deep = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3)).eval()
    inputs, targets = torch.randn(37, 4), torch.arange(37) % 3
    ragged = list(zip(inputs.split(16), targets.split(16), strict=True))  # 16, 16 and 5 examples
    cases = [(nn.Linear(4, 3), ragged, 0.5), (deep, ragged, 0.1)]
    expected = [my_train(*copied(case)) for case in cases]
    for case, (model, loss), why in zip(cases, expected, (STEPPING, MODES), strict=True):
        found, found_loss = pair(call(answer, *case), "the model", "its mean loss")
        found = weights(network(found, "as the first of the two "))
        when = f"after batches of 16, 16 and 5 examples at rate {case[2]}"
        _compare_weights(found, weights(case[0]), weights(model), when, why)
        advice = (
            "a mean over examples, of the losses before each step: a batch of 5 counts less than one of 16"
        )
        same(found_loss, loss, "as the mean loss of 37 examples ", advice=advice)


STEPPING = "is there one step of SGD a batch, at that rate, the old gradients cleared before each backward()?"
MODES = "the model came in evaluation mode; is it in training mode in every step?"


def mean_of_batch_means(
    model: nn.Module, batches: list[tuple[torch.Tensor, torch.Tensor]], rate: float
) -> tuple[nn.Module, float]:
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    model.train()
    losses = []
    for inputs, targets in batches:
        loss = nn.functional.cross_entropy(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return model, sum(losses) / len(losses)


def train_without_train(
    model: nn.Module, batches: list[tuple[torch.Tensor, torch.Tensor]], rate: float
) -> tuple[nn.Module, float]:
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    loss_sum, count = 0.0, 0
    for inputs, targets in batches:
        loss = nn.functional.cross_entropy(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss_sum += loss.item() * len(targets)
        count += len(targets)
    return model, loss_sum / count


# --- A loop that is ill ------------------------------------------------------------------------------------


def my_steps_healed(model: nn.Module, inputs: torch.Tensor, targets: torch.Tensor, steps: int) -> nn.Module:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(steps):
        loss = nn.functional.cross_entropy(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


def examine_healed(answer: Any) -> None:  # noqa: ANN401
    deep = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))
    cases = [
        (start, torch.randn(30, 4), torch.arange(30) % 3, n) for start, n in ((nn.Linear(4, 3), 5), (deep, 8))
    ]
    expected = [weights(my_steps_healed(*copied(case))) for case in cases]
    for case, right in zip(cases, expected, strict=True):
        found = weights(network(call(answer, *case)))
        why = "do the gradients of the steps before still count?"
        _compare_weights(found, weights(case[0]), right, f"after {case[3]} steps of plain SGD", why)


def _compare_weights(found: Values, before: Values, right: Values, when: str, why: str) -> None:
    if len(found) != len(right):
        raise NotYet(f"expected the model that came in, of {len(right)} weights, got one of {len(found)}")
    if np.array_equal(found, before):
        raise NotYet(f"{when} no weight has moved: who takes the step?")
    worst = float(np.abs(found - right).max())
    if not worst <= 1e-5:  # NaN is wrong too
        raise NotYet(f"{when} a weight is {worst:.3g} away from where it should be, expected 0: {why}")


def weights(model: nn.Module) -> Values:
    """Return all weights of a model in one row."""
    return np.concatenate([np.empty(0), *(numbers(weight).ravel() for weight in model.parameters())])


def sick_steps(model: nn.Module, inputs: torch.Tensor, targets: torch.Tensor, steps: int) -> nn.Module:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(steps):
        loss = nn.functional.cross_entropy(model(inputs), targets)
        loss.backward()
        optimizer.step()
    return model


def steps_without_gradient(
    model: nn.Module, inputs: torch.Tensor, targets: torch.Tensor, steps: int
) -> nn.Module:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(steps):
        loss = nn.functional.cross_entropy(model(inputs), targets)
        loss.backward()
        optimizer.zero_grad()
        optimizer.step()
    return model


# --- How many steps ----------------------------------------------------------------------------------------

STEPS = ((640, 64, 1), (3200, 64, 10), (100, 64, 3), (130, 64, 4), (5, 10, 2))


def my_steps(examples: int, batch_size: int, epochs: int) -> int:
    return epochs * -(-examples // batch_size)


def drops_the_last_batch(examples: int, batch_size: int, epochs: int) -> int:
    return epochs * (examples // batch_size)


def rounds_at_the_end(examples: int, batch_size: int, epochs: int) -> int:
    return -(-examples * epochs // batch_size)
