"""Photographs of any size, as a pretrained network wants them: 22 that are here, and the learner's own."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from sklearn.datasets import load_sample_image

from course_utils.data import assets
from course_utils.data.folders import read_picture
from course_utils.data.images import Labels, Pixels

SIDE = 224
"""Pixels each way with which both of the course's networks were trained on ImageNet."""
UNLABELLED = -1


def square(picture: Image.Image, side: int = SIDE) -> Pixels:
    """Return the middle of a picture in red, green and blue, shrunk, uint8, shape (side, side, 3)."""
    return np.asarray(ImageOps.fit(picture, (side, side), Image.Resampling.BICUBIC))


def read_photograph(path: str | Path, side: int = SIDE) -> Pixels:
    """Return the middle of a picture file, read as `read_picture` does, uint8, shape (side, side, 3).

    Raises:
        PictureError: If it is no picture that can be read.
    """
    return square(read_picture(path), side)


def load_photographs(side: int = SIDE) -> tuple[Pixels, Labels, tuple[str, ...]]:
    """Read twenty labelled photographs of ImageNet's kinds, and scikit-learn's two, which have no label.

    Args:
        side: Pixels each way.

    Returns:
        Pictures, uint8, shape (22, side, side, 3); ImageNet's class indices, int64, shape (22,), `UNLABELLED` for
        the last two; and the names of the files.

    Raises:
        AssetError: If the photographs cannot be fetched; the message says what to do.

    See: chapter 04, "What a pretrained network sees".
    """
    files = sorted(assets.fetch("photographs").rglob("imagenet_*.jpg"))
    samples = ("china.jpg", "flower.jpg")
    pixels = [read_photograph(file, side) for file in files]
    pixels += [square(Image.fromarray(load_sample_image(name)), side) for name in samples]
    labels = [int(file.stem.rpartition("_")[2]) for file in files] + [UNLABELLED] * len(samples)
    return np.stack(pixels), np.array(labels, dtype=np.int64), (*(file.name for file in files), *samples)
