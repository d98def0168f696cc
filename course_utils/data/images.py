"""Colour pictures in three sets, whatever they show."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

Pixels = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]
Scale = tuple[tuple[float, ...], tuple[float, ...]]


class ImagePart(NamedTuple):
    """One of the three sets.

    Args:
        images: Standardised, float32, shape (N, 3, H, W).
        labels: Class indices, int64, shape (N,).
    """

    images: torch.Tensor
    labels: torch.Tensor


@dataclass(frozen=True)
class Images:
    """Three sets of labelled colour pictures; the training set decides their scale.

    Args:
        train: For the gradient steps.
        validation: For every choice.
        test: For the one number at the end.
        classes: Their names, in the order of the labels.
        mean: Of each channel of the training pixels, which lie in 0 to 1; shape (3,).
        std: Likewise.
        background: The standardised value of what lies beyond the border of a picture, shape (3, 1, 1).
    """

    train: ImagePart
    validation: ImagePart
    test: ImagePart
    classes: tuple[str, ...]
    mean: torch.Tensor
    std: torch.Tensor
    background: torch.Tensor

    def pictures(self, images: torch.Tensor) -> npt.NDArray[np.float32]:
        """Turn network inputs, shape (N, 3, H, W), back into pictures to look at, shape (N, H, W, 3), 0 to 1."""
        shown = images.cpu() * self.std[:, None, None] + self.mean[:, None, None]
        return shown.clamp(0, 1).permute(0, 2, 3, 1).numpy()

    def to(self, device: torch.device) -> "Images":
        """Return the same pictures on a device."""
        train, validation, test = (
            ImagePart(part.images.to(device), part.labels.to(device))
            for part in (self.train, self.validation, self.test)
        )
        background = self.background.to(device)
        return replace(self, train=train, validation=validation, test=test, background=background)


def three_sets(
    pixels: Pixels,
    labels: Labels,
    rows: tuple[npt.NDArray[np.int64], ...],
    classes: tuple[str, ...],
    *,
    paper: float | None = None,
    scale: Scale | None = None,
) -> Images:
    """Standardise pictures channel by channel.

    Args:
        pixels: Shape (N, H, W, 3).
        labels: Shape (N,).
        rows: Those of the training, validation and test set.
        classes: Names of the classes.
        paper: What lies beyond a picture, 0 (black) to 1 (white); without it, the mean colour.
        scale: Mean and standard deviation of the channels, 0 to 1, that a pretrained network wants; without it, those
            of the training rows alone.
    """
    mean, std = map(torch.tensor, scale) if scale else _mean_and_std(pixels[rows[0]])
    parts = [
        ImagePart(standardise(pixels[chosen], mean, std), torch.from_numpy(labels[chosen])) for chosen in rows
    ]
    background = ((mean if paper is None else paper) - mean) / std
    return Images(parts[0], parts[1], parts[2], classes, mean, std, background[:, None, None])


def standardise(pixels: Pixels, mean: torch.Tensor, std: torch.Tensor) -> torch.Tensor:
    """Turn uint8 pixels, shape (N, H, W, 3), into network inputs, shape (N, 3, H, W)."""
    scaled = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).contiguous().float()
    return scaled.div_(255).sub_(mean[:, None, None]).div_(std[:, None, None])  # in place: they are many


def _mean_and_std(pixels: Pixels) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mean and spread of each channel, shape (3,), from counts: no large copy in floating point."""
    levels = np.arange(256) / 255
    shares = [np.bincount(pixels[..., channel].ravel(), minlength=256) for channel in range(3)]
    means = [np.average(levels, weights=share) for share in shares]
    variances = [
        np.average((levels - mean) ** 2, weights=share) for mean, share in zip(means, shares, strict=True)
    ]
    return torch.tensor(means).float(), torch.tensor(variances).sqrt().float()
