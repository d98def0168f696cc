"""From a picture to what a network reads. The settings travel in the bundle, so that they fit the network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from course_utils.data.centring import centre_drawing

Floats = npt.NDArray[np.float32]
MODES = {"L": 1, "RGB": 3}
ARRANGEMENTS = ("drawing", "resize")
LARGEST_SIDE = 1024


@dataclass(frozen=True)
class Preprocessing:
    """What is done to a picture before the network sees it.

    Args:
        mode: `"L"` (grey, 1 channel) or `"RGB"` (3 channels).
        side: Pixels, each way, that the network reads: 1 to 1024.
        arrange: `"resize"` stretches the picture to that size; `"drawing"` treats it as a drawn digit: as it is if it
            has that size already, else ink white on black, 20 pixels tall or wide, in the middle, as in MNIST.
        mean: Of each channel, on the scale 0 to 1; subtracted.
        std: Of each channel; divided by. Above 0.

    Raises:
        ValueError: If one of them is not of that kind.

    See: chapter 06, "One graph for every language".
    """

    mode: Literal["L", "RGB"]
    side: int
    arrange: Literal["drawing", "resize"]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse settings that no picture can be brought to."""
        channels = MODES.get(self.mode)
        wrong = {
            f"mode {self.mode!r}, expected one of {', '.join(MODES)}": channels is None,
            f"side {self.side!r}, expected a whole number, 1 to {LARGEST_SIDE}": type(self.side) is not int
            or not 1 <= self.side <= LARGEST_SIDE,
            f"arrange {self.arrange!r}, expected one of {', '.join(ARRANGEMENTS)}": self.arrange
            not in ARRANGEMENTS,
            "a drawing in colour, expected mode 'L' or arrange 'resize'": self.arrange == "drawing"
            and (self.mode, self.side) != ("L", 28),
            f"mean {self.mean} and std {self.std}, expected {channels} numbers each": {
                len(self.mean),
                len(self.std),
            }
            != {channels},
            f"mean {self.mean}, expected finite numbers": not np.isfinite(self.mean).all(),
            f"std {self.std}, expected finite numbers above 0": not all(
                0 < value < np.inf for value in self.std
            ),
        }
        if found := [text for text, bad in wrong.items() if bad]:
            raise ValueError(f"preprocessing: {'; '.join(found)}")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of what `apply` returns."""
        return MODES[self.mode], self.side, self.side

    def to_json(self) -> dict[str, Any]:
        """Return the settings as JSON can hold them."""
        return {
            name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()
        }

    @staticmethod
    def from_json(found: Mapping[str, Any]) -> Preprocessing:
        """Return the settings that a manifest holds.

        Raises:
            ValueError: If some are missing, unknown, or of another kind.
        """
        try:
            given = {
                **found,
                "mean": tuple(map(float, found["mean"])),
                "std": tuple(map(float, found["std"])),
            }
            return Preprocessing(**given)
        except (TypeError, KeyError) as error:
            raise ValueError(f"preprocessing: expected mode, side, arrange, mean, std; {error}") from error

    def apply(self, image: Image.Image) -> Floats:
        """Return the picture as the network reads it: float32, shape (channels, side, side).

        Args:
            image: Any picture that Pillow has opened; what is transparent counts as white paper.
        """
        pixels = self._drawing(image) if self.arrange == "drawing" else self._resized(image)
        channels = pixels.reshape(self.side, self.side, -1).transpose(2, 0, 1)
        mean = np.asarray(self.mean, dtype=np.float32)[:, None, None]
        std = np.asarray(self.std, dtype=np.float32)[:, None, None]
        return (channels.astype(np.float32) / np.float32(255) - mean) / std

    def _resized(self, image: Image.Image) -> npt.NDArray[np.uint8]:
        flat = _on_white(image).convert(self.mode)
        size = (self.side, self.side)
        return np.asarray(flat if flat.size == size else flat.resize(size, Image.Resampling.BILINEAR))

    def _drawing(self, image: Image.Image) -> npt.NDArray[np.uint8]:
        grey = _on_white(image).convert("L")
        pixels = np.asarray(grey)
        if pixels.shape == (self.side, self.side):
            return pixels
        border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
        return centre_drawing(255 - pixels if np.median(border) > 127 else pixels)


def _on_white(image: Image.Image) -> Image.Image:
    """Return the picture without transparency, on white paper."""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        colours = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", colours.size, "white"), colours).convert("RGB")
    if image.mode.startswith(("I", "F")):  # 16 bits a pixel or more: scaled to 8, else all would be white
        values = np.asarray(image).astype(np.float64)
        top = 65535.0 if values.max(initial=0) > 255 else 255.0
        return Image.fromarray((values.clip(0, top) / top * 255).round().astype(np.uint8))
    return image if image.mode in ("L", "RGB") else image.convert("RGB")
