"""The convolutional networks of the course: the guide's two, as it wrote them, a small one, and one that averages."""

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F


class CNN(nn.Module):
    """The guide's network for 28×28 grey pictures: three convolutions, two poolings, two linear layers.

    Args:
        num_classes: Classes, one logit each.

    See: chapter 02, "The guide's CNN".
    """

    def __init__(self, num_classes: int = 10) -> None:
        """Make the layers with PyTorch's default initialisation."""
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(32, 64, kernel_size=3, padding=1)
        self.conv3 = nn.Conv2d(64, 128, kernel_size=3, padding=1)
        self.pool = nn.MaxPool2d(2, 2)
        self.fc1 = nn.Linear(128 * 7 * 7, 512)
        self.fc2 = nn.Linear(512, num_classes)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map pictures of shape (N, 1, 28, 28) to logits of shape (N, num_classes)."""
        x = self.pool(F.relu(self.conv1(x)))  # (N, 32, 14, 14)
        x = self.pool(F.relu(self.conv2(x)))  # (N, 64, 7, 7)
        x = F.relu(self.conv3(x))  # (N, 128, 7, 7)
        x = x.view(-1, 128 * 7 * 7)
        x = F.relu(self.fc1(x))  # (N, 512)
        return self.fc2(self.dropout(x))  # type: ignore[no-any-return]  # (N, num_classes)


class SmallCNN(nn.Module):
    """A smaller network for 28×28 grey pictures: two convolutions, each with pooling, then two linear layers.

    Args:
        widths: Maps of the two convolutions.
        num_classes: Classes, one logit each.
        dropout: Share of the hidden values that a training step leaves out, 0 to 1.

    See: chapter 02, "The guide's CNN".
    """

    def __init__(
        self, widths: tuple[int, int] = (32, 64), num_classes: int = 10, dropout: float = 0.25
    ) -> None:
        """Make the layers with PyTorch's default initialisation."""
        super().__init__()
        self.conv1 = nn.Conv2d(1, widths[0], kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(widths[0], widths[1], kernel_size=3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.fc1 = nn.Linear(widths[1] * 7 * 7, 128)
        self.fc2 = nn.Linear(128, num_classes)
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout(dropout)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Map inputs of shape (N, 1, 28, 28) to logits of shape (N, num_classes)."""
        maps = self.pool(self.relu(self.conv1(inputs)))  # (N, widths[0], 14, 14)
        maps = self.pool(self.relu(self.conv2(maps)))  # (N, widths[1], 7, 7)
        hidden = self.relu(self.fc1(maps.flatten(start_dim=1)))  # (N, 128)
        return self.fc2(self.dropout(hidden))  # type: ignore[no-any-return]  # (N, num_classes)


class CIFAR10_CNN(nn.Module):
    """The guide's network for 32×32 colour pictures: four convolutions, three poolings, one average for each map.

    Args:
        num_classes: Classes, one logit each; the guide has 10.
        widths: Maps of the four convolutions; the guide has (64, 128, 256, 512).

    See: chapter 02, "Project".
    """

    def __init__(
        self, *, num_classes: int = 10, widths: tuple[int, int, int, int] = (64, 128, 256, 512)
    ) -> None:
        """Make the layers with PyTorch's default initialisation."""
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], 3, padding=1)
        self.conv2 = nn.Conv2d(widths[0], widths[1], 3, padding=1)
        self.conv3 = nn.Conv2d(widths[1], widths[2], 3, padding=1)
        self.conv4 = nn.Conv2d(widths[2], widths[3], 3, padding=1)
        self.pool = nn.MaxPool2d(2, 2)
        self.global_pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(widths[3], num_classes)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map pictures of shape (N, 3, H, W) to logits of shape (N, num_classes)."""
        x = self.pool(F.relu(self.conv1(x)))  # (N, widths[0], 16, 16)
        x = self.pool(F.relu(self.conv2(x)))  # (N, widths[1], 8, 8)
        x = self.pool(F.relu(self.conv3(x)))  # (N, widths[2], 4, 4)
        x = self.global_pool(F.relu(self.conv4(x)))  # (N, widths[3], 1, 1)
        return self.fc(self.dropout(x.flatten(start_dim=1)))  # type: ignore[no-any-return]  # (N, num_classes)


class PooledCNN(nn.Module):
    """Blocks of convolution, BatchNorm and pooling, then one average for each map.

    Args:
        widths: Maps of each block.
        num_classes: Classes, one logit each.
        channels: Of the input: 3 for colour, 1 for grey.
        dropout: Share of the averages that a training step leaves out, 0 to 1.

    See: chapter 02, "What tolerates a shift?".
    """

    def __init__(
        self,
        widths: tuple[int, ...] = (64, 128, 256, 512),
        num_classes: int = 10,
        channels: int = 3,
        dropout: float = 0.0,
    ) -> None:
        """Make the layers with PyTorch's default initialisation."""
        super().__init__()
        blocks = [
            nn.Sequential(
                nn.Conv2d(before, after, kernel_size=3, padding=1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(),
                nn.MaxPool2d(2),
            )
            for before, after in pairwise((channels, *widths))
        ]
        self.blocks = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(widths[-1], num_classes)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Map inputs of shape (N, channels, H, W) to logits of shape (N, num_classes)."""
        maps = self.blocks(inputs)  # (N, widths[-1], H / 2**blocks, W / 2**blocks)
        means = maps.mean(dim=(2, 3))  # (N, widths[-1]): global average pooling
        return self.fc(self.dropout(means))  # type: ignore[no-any-return]  # (N, num_classes)
