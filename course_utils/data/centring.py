"""Bring a drawn digit into the form that MNIST has: NumPy and Pillow only, so that the service can use it too."""

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]


def centre_drawing(pixels: Pixels) -> Pixels:
    """Bring a drawing into MNIST's form: 20 pixels tall or wide, centre of mass in the middle of 28×28.

    Args:
        pixels: A drawing, 0 (paper) to 255 (ink), shape (H, W).

    Returns:
        uint8, shape (28, 28); all zero for an empty drawing.

    Source: LeCun, Cortes and Burges, "The MNIST database of handwritten digits", file formats.
    """
    ink = pixels > 32
    if not ink.any():
        return np.zeros((28, 28), dtype=np.uint8)
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    box = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float32)
    scale = 20 / max(box.shape)
    height, width = (max(1, round(side * scale)) for side in box.shape)
    resized = Image.fromarray(box).resize((width, height), Image.Resampling.BILINEAR)  # antialiased
    small = np.asarray(resized, dtype=np.float32).clip(0, 255)
    sheet = np.zeros((68, 68), dtype=np.float32)  # room for any centre of mass; the middle 28×28 are kept
    total = small.sum()
    mass = (
        float((small.sum(axis=1) * np.arange(height)).sum() / total),
        float((small.sum(axis=0) * np.arange(width)).sum() / total),
    )
    top, left = (round(34 - 0.5 - centre) for centre in mass)
    sheet[top : top + height, left : left + width] = small
    return sheet[20:48, 20:48].round().astype(np.uint8)
