"""The guide's training loop and its test, under the guide's names: code that was written for them goes on running.

The course itself uses `fit` and `evaluate`; chapter 01 runs both and shows where they differ.
"""

from collections.abc import Iterable, Sized
from typing import Protocol

import torch
from torch import nn

from course_utils.training import Batches, LossFn


class Loader(Iterable[tuple[torch.Tensor, torch.Tensor]], Sized, Protocol):
    """Batches that know how many they are, as a `DataLoader` does."""


def train_model(
    model: nn.Module,
    train_loader: Loader,
    criterion: LossFn,
    optimizer: torch.optim.Optimizer,
    epochs: int = 5,
) -> None:
    """Train, and print the loss of every hundredth batch and the mean of the batches' means.

    Args:
        model: The network, trained in place; it stays in training mode.
        train_loader: Training batches; model and batches are on the same device.
        criterion: Mean loss of a batch from outputs and targets.
        optimizer: Over the model's parameters.
        epochs: Passes over the batches.

    See: chapter 01, "The guide's code".
    """
    model.train()
    for epoch in range(epochs):
        running_loss = 0.0
        for batch_idx, (data, target) in enumerate(train_loader):
            optimizer.zero_grad()
            output = model(data)
            loss = criterion(output, target)
            loss.backward()
            optimizer.step()
            running_loss += loss.item()
            if batch_idx % 100 == 0:
                print(f"Epoch {epoch + 1}, Batch {batch_idx}, Loss: {loss.item():.4f}")
        print(f"Epoch {epoch + 1} Average Loss: {running_loss / len(train_loader):.4f}")


def test_model(model: nn.Module, test_loader: Batches) -> float:
    """Print and return the accuracy in percent; the model is left in evaluation mode.

    Args:
        model: The network, on the device of the batches.
        test_loader: Batches of the set that is measured.

    See: chapter 01, "The guide's code".
    """
    model.eval()
    correct = 0
    total = 0
    with torch.no_grad():
        for data, target in test_loader:
            output = model(data)
            _, predicted = torch.max(output, 1)
            total += target.size(0)
            correct += int((predicted == target).sum().item())
    accuracy = 100 * correct / total
    print(f"Test Accuracy: {accuracy:.2f}%")
    return accuracy


test_model.__test__ = False  # type: ignore[attr-defined]  # its name is the guide's; pytest leaves it alone
