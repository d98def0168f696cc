"""The first network of the course: a multilayer perceptron."""

import torch
from torch import nn


class SimpleNN(nn.Module):
    """A multilayer perceptron with two hidden layers, as in the guide.

    Args:
        input_size: Values per example once flattened, e.g. 784 for a 28×28 digit.
        hidden_sizes: Neurons of the two hidden layers.
        num_classes: Classes, one logit each.

    See: chapter 01, "The model".
    """

    def __init__(
        self, input_size: int = 784, hidden_sizes: tuple[int, int] = (128, 64), num_classes: int = 10
    ) -> None:
        """Make the three linear layers with PyTorch's default initialisation."""
        super().__init__()
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(input_size, hidden_sizes[0])
        self.fc2 = nn.Linear(hidden_sizes[0], hidden_sizes[1])
        self.fc3 = nn.Linear(hidden_sizes[1], num_classes)
        self.relu = nn.ReLU()

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Map inputs of shape (N, ...) to logits of shape (N, num_classes)."""
        hidden = self.flatten(inputs)  # (N, input_size)
        hidden = self.relu(self.fc1(hidden))  # (N, hidden_sizes[0])
        hidden = self.relu(self.fc2(hidden))  # (N, hidden_sizes[1])
        return self.fc3(hidden)  # type: ignore[no-any-return]  # (N, num_classes)
