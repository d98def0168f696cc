"""The training loop of the course: one epoch, one evaluation, and the two in turn.

Sums over examples, not means of batch means, so a ragged last batch is weighted right; one host sync an epoch.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import nn

Batches = Iterable[tuple[torch.Tensor, torch.Tensor]]
LossFn = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class Metrics(NamedTuple):
    """Means over the examples of one pass.

    Args:
        loss: Mean loss per example.
        accuracy: Fraction of examples whose largest logit is the target; NaN where targets are not classes.
    """

    loss: float
    accuracy: float


@dataclass(frozen=True)
class Epoch:
    """What one epoch measured; a list of them is a history that `pandas.DataFrame` takes as it is.

    Args:
        epoch: 1 for the first.
        train_loss: Mean loss while the weights were still moving.
        train_accuracy: Likewise, 0 to 1.
        validation_loss: Mean loss after the epoch.
        validation_accuracy: Likewise, 0 to 1.
        seconds: Wall time of the epoch, validation included.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    seconds: float


def count_correct(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return how many answers are right, shape (), on their device; NaN where targets are not classes.

    Args:
        logits: Shape (N, classes), or (N, ...) for targets that are not classes.
        targets: Class indices, int64, shape (N,); floating point for regression.
    """
    if targets.is_floating_point():
        return logits.new_full((), torch.nan)
    return (logits.argmax(dim=1) == targets).count_nonzero()


def mean_metrics(sums: torch.Tensor, count: int) -> Metrics:
    """Turn (sum of losses, number of right answers), shape (2,), over so many examples into means.

    Raises:
        ValueError: If there was no example.
    """
    if count == 0:
        raise ValueError(
            "got no batch, expected at least one: is the data set empty, or a generator used up?"
        )
    loss_sum, correct = sums.tolist()  # the one host sync of the epoch
    return Metrics(loss_sum / count, correct / count)


def train_one_epoch(
    model: nn.Module, batches: Batches, loss_fn: LossFn, optimizer: torch.optim.Optimizer
) -> Metrics:
    """Take one gradient step for each batch.

    Args:
        model: The network; its parameters decide the device.
        batches: Pairs (inputs, targets), the first axis of each being the examples.
        loss_fn: Mean loss of a batch from logits and targets.
        optimizer: Over the model's parameters.

    Returns:
        Mean loss and accuracy as seen during the pass, before each step.

    Raises:
        ValueError: If there is no batch.

    See: chapter 01, "The training loop".
    """
    device = next(model.parameters()).device
    model.train()
    loss_sum, correct = sums = torch.zeros(2, device=device)  # two views of one tensor
    count = 0
    for inputs, targets in batches:
        inputs, targets = inputs.to(device), targets.to(device)
        logits = model(inputs)
        loss = loss_fn(logits, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss_sum += loss.detach() * len(targets)
        correct += count_correct(logits, targets)
        count += len(targets)
    return mean_metrics(sums, count)


@torch.inference_mode()
def evaluate(model: nn.Module, batches: Batches, loss_fn: LossFn) -> Metrics:
    """Measure a network without changing it.

    Args:
        model: The network; left in evaluation mode.
        batches: Pairs (inputs, targets), the first axis of each being the examples.
        loss_fn: Mean loss of a batch from logits and targets.

    Returns:
        Mean loss and accuracy over all examples.

    Raises:
        ValueError: If there is no batch.

    See: chapter 01, "The training loop".
    """
    device = next(model.parameters()).device
    model.eval()
    loss_sum, correct = sums = torch.zeros(2, device=device)  # two views of one tensor
    count = 0
    for inputs, targets in batches:
        inputs, targets = inputs.to(device), targets.to(device)
        logits = model(inputs)
        loss_sum += loss_fn(logits, targets) * len(targets)
        correct += count_correct(logits, targets)
        count += len(targets)
    return mean_metrics(sums, count)


def fit(
    model: nn.Module,
    train: Batches,
    validation: Batches,
    loss_fn: LossFn,
    optimizer: torch.optim.Optimizer,
    *,
    epochs: int,
    scheduler: torch.optim.lr_scheduler.LRScheduler | None = None,
) -> list[Epoch]:
    """Train for some epochs and measure after each.

    Args:
        model: The network, trained in place.
        train: Training batches, iterated once an epoch.
        validation: Validation batches, never those of the test set.
        loss_fn: Mean loss of a batch from logits and targets.
        optimizer: Over the model's parameters.
        epochs: Passes over the training batches.
        scheduler: Stepped after each epoch.

    Returns:
        What each epoch measured, the first epoch first.

    See: chapter 01, "The training loop".
    """
    history = []
    for epoch in range(1, epochs + 1):
        started = time.perf_counter()
        trained = train_one_epoch(model, train, loss_fn, optimizer)
        validated = evaluate(model, validation, loss_fn)
        if scheduler is not None:
            scheduler.step()
        history.append(Epoch(epoch, *trained, *validated, time.perf_counter() - started))
    return history
