"""Handwritten digits: MNIST, whole or 5,000 of it, split into three sets; and digits that a learner draws."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from sklearn.model_selection import train_test_split

from course_utils.data import assets
from course_utils.data.centring import Pixels as Pixels
from course_utils.data.centring import centre_drawing as centre_drawing

Labels = npt.NDArray[np.int64]


class Part(NamedTuple):
    """One of the three sets.

    Args:
        images: Standardised, float32, shape (N, 1, 28, 28).
        labels: 0 to 9, int64, shape (N,).
    """

    images: torch.Tensor
    labels: torch.Tensor


@dataclass(frozen=True)
class Digits:
    """Three sets of digits that share nothing but their scale, which the training set decides.

    Args:
        train: For the gradient steps.
        validation: For every choice.
        test: For the one number at the end.
        mean: Of the training pixels, which lie in 0 to 1.
        std: Likewise.
    """

    train: Part
    validation: Part
    test: Part
    mean: float
    std: float

    @property
    def background(self) -> float:
        """Return the standardised value of an empty pixel."""
        return -self.mean / self.std

    def standardise(self, pixels: Pixels) -> torch.Tensor:
        """Turn uint8 pixels, shape (N, 28, 28), into network inputs, shape (N, 1, 28, 28)."""
        return _standardise(pixels, self.mean, self.std)

    def to(self, device: torch.device) -> "Digits":
        """Return the same digits on a device."""
        train, validation, test = (
            Part(part.images.to(device), part.labels.to(device))
            for part in (self.train, self.validation, self.test)
        )
        return replace(self, train=train, validation=validation, test=test)


def load_raw(name: str) -> tuple[Pixels, Labels, int]:
    """Read the digits as they are stored.

    Args:
        name: `"mnist_5k"` (5,000 digits of MNIST's training set) or `"mnist"` (all 70,000).

    Returns:
        Images, uint8, shape (N, 28, 28); labels, int64, shape (N,); and how many at the end are the official
        test set (0 for `"mnist_5k"`).

    Raises:
        ValueError: If there is no such set.
        AssetError: If the data cannot be fetched; the message says what to do.
    """
    if name == "mnist_5k":
        table = np.loadtxt(assets.fetch(name) / "mnist_5k.csv.gz", delimiter=",", dtype=np.uint8)
        return table[:, :-1].reshape(-1, 28, 28), table[:, -1].astype(np.int64), 0
    if name == "mnist":
        from torchvision.datasets import MNIST

        parts = [MNIST(str(assets.fetch(name)), train=train) for train in (True, False)]
        images = torch.cat([part.data for part in parts]).numpy()
        return images, torch.cat([part.targets for part in parts]).numpy(), len(parts[1].data)
    raise ValueError(f"unknown digits {name!r}; use 'mnist_5k' or 'mnist'")


def load_digits(name: str, *, seed: int) -> Digits:
    """Read the digits and split them, each class in equal shares.

    The test set is the same for every seed, so that no shipped checkpoint has seen it: MNIST's official one, or
    1,000 of the 5,000. A fifth of the rest is for validation: the 5,000 give 3,200 / 800 / 1,000.

    Args:
        name: `"mnist_5k"` or `"mnist"`.
        seed: Decides which digits are for validation.

    Returns:
        Training, validation and test set, standardised by the training pixels.

    Raises:
        ValueError: If there is no such set.
        AssetError: If the data cannot be fetched; the message says what to do.

    See: chapter 01, "The data".
    """
    images, labels, official_test = load_raw(name)
    everything = np.arange(len(labels))
    if official_test:
        pool, test = everything[:-official_test], everything[-official_test:]
    else:
        pool, test = train_test_split(everything, test_size=0.2, stratify=labels, random_state=0)
    train, validation = train_test_split(pool, test_size=0.2, stratify=labels[pool], random_state=seed)
    scaled = images[train] / np.float32(255)
    mean, std = float(scaled.mean()), float(scaled.std())
    parts = [
        Part(_standardise(images[rows], mean, std), torch.from_numpy(labels[rows]))
        for rows in (train, validation, test)
    ]
    return Digits(parts[0], parts[1], parts[2], mean=mean, std=std)


def _standardise(pixels: Pixels, mean: float, std: float) -> torch.Tensor:
    scaled = torch.from_numpy(np.ascontiguousarray(pixels)).to(torch.float32) / 255
    return ((scaled - mean) / std).unsqueeze(1)
