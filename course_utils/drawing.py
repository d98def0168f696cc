"""A canvas to draw a digit on; a network answers while one draws."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets

from course_utils.data.digits import Pixels, centre_drawing

SIDE = 112  # pixels of the drawing, four for each of MNIST's


def _as_bytes(sent: memoryview, _: object) -> bytes:
    """Return what a browser sent in the type that the trait holds; without it every stroke is refused."""
    return bytes(sent)


class DrawingPad(anywidget.AnyWidget):
    """A square to draw a digit on, with ten bars that follow the strokes.

    Args:
        classify: Takes a digit in MNIST's form, uint8, shape (28, 28); returns ten probabilities.
        samples: Digits in MNIST's form that the button "Show a sample" puts on the pad, shape (N, 28, 28), so
            that the pad can also be used from the keyboard.

    See: chapter 01, "Draw a digit".
    """

    _esm = Path(__file__).parent / "static" / "drawing.js"
    _css = Path(__file__).parent / "static" / "drawing.css"
    pixels = traitlets.Bytes(b"").tag(sync=True, from_json=_as_bytes)
    samples = traitlets.Bytes(b"").tag(sync=True)
    probabilities = traitlets.List(traitlets.Float()).tag(sync=True)
    seen = traitlets.Bytes(b"").tag(sync=True)  # what the network sees, 28×28

    def __init__(self, classify: Callable[[Pixels], list[float]], samples: Pixels) -> None:
        """Keep the classifier; it is asked whenever the drawing changes."""
        super().__init__(samples=np.ascontiguousarray(samples, dtype=np.uint8).tobytes())
        self.classify = classify
        self.observe(self._drawn, names="pixels")

    def _drawn(self, change: dict[str, Any]) -> None:
        drawing = np.frombuffer(change["new"], dtype=np.uint8).reshape(SIDE, SIDE)
        digit = centre_drawing(drawing)
        self.seen = digit.tobytes()
        self.probabilities = self.classify(digit) if digit.any() else []
