"""Has the input drifted? Digits changed in known ways, what a network shows of each, and tests on many draws."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from scipy import ndimage, special

Floats = npt.NDArray[np.floating[Any]]
Whole = npt.NDArray[np.integer[Any]]
FEATURES, BATCH = 8, 100
CHANGES = (
    "as before",
    "turned by 10°",
    "turned by 20°",
    "turned by 45°",
    "noise 0.1",
    "noise 0.2",
    "noise 0.4",
    "half the ink",
    "moved by 4 pixels",
)


class Seen(NamedTuple):
    """What a network shows of N pictures: confidence (N,), predicted class (N,), features (N, F)."""

    confidence: Floats
    prediction: Whole
    features: Floats


def change(pixels: Floats, name: str, *, seed: int = 0) -> Floats:
    """Return the same digits as a worn camera, another scanner or other people might send them.

    Args:
        pixels: Ink, 0 to 1, shape (N, 28, 28).
        name: One of `CHANGES`; noise is normal, its deviation is named.
        seed: Of the noise.

    Raises:
        ValueError: If there is no such change.
    """
    kind, _, amount = name.replace("by ", "").rpartition(" ")
    match kind:
        case "turned":
            turned = ndimage.rotate(pixels, float(amount[:-1]), axes=(1, 2), reshape=False, order=1)
            return np.asarray(np.clip(turned, 0, 1))
        case "noise":
            noise = np.random.default_rng(seed).normal(0, float(amount), pixels.shape)
            return np.clip(pixels + noise, 0, 1)
        case "half the":
            return pixels / 2
        case "moved 4":
            return np.pad(pixels, ((0, 0), (0, 0), (4, 0)))[:, :, :-4]
        case "as":
            return pixels
    raise ValueError(f"got the change {name!r}, expected one of {', '.join(CHANGES)}")


class Watched:
    """A graph that also gives what its last layer takes: the features.

    Args:
        graph: ONNX file whose last operation is the linear layer that gives the scores.

    See: chapter 06, "Has the input drifted?".
    """

    def __init__(self, graph: Path) -> None:
        """Load it, with one output more."""
        proto = onnx.load(graph)
        last = next(node for node in proto.graph.node if proto.graph.output[0].name in node.output)
        proto.graph.output.append(onnx.helper.make_empty_tensor_value_info(last.input[0]))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def see(self, inputs: Floats) -> Seen:
        """Return what the network shows of standardised pictures, shape (N, C, H, W)."""
        name, floats = self._session.get_inputs()[0].name, inputs.astype(np.float32)
        parts = [
            self._session.run(None, {name: floats[at : at + BATCH]}) for at in range(0, len(floats), BATCH)
        ]
        scores, features = (np.concatenate(part) for part in zip(*parts, strict=True))
        confidence = special.softmax(scores.astype(np.float64), axis=1).max(axis=1)
        return Seen(confidence, scores.argmax(axis=1), features)


class Draws(NamedTuple):
    """Rows of many pairs of samples: reference (draws, m) and window (draws, n); no pair shares a row."""

    reference: Whole
    window: Whole


def draw(count: int, *, reference: int, window: int, draws: int, seed: int, only: Any = None) -> Draws:  # noqa: ANN401
    """Draw pairs of samples without a common row.

    Args:
        count: Rows there are.
        reference: Rows of each first sample.
        window: Of each second one.
        draws: Pairs.
        seed: Of the draws.
        only: Mask (count,) of the rows that a window may hold; all if None.
    """
    rng, allowed = np.random.default_rng(seed), np.ones(count, bool) if only is None else np.asarray(only)
    pairs = []
    for _ in range(draws):
        order = rng.permutation(count)
        rest = order[reference:]
        pairs.append((order[:reference], rest[allowed[rest]][:window]))
    return Draws(np.stack([first for first, _ in pairs]), np.stack([second for _, second in pairs]))


def largest_gap(first: Floats, second: Floats, rows: Draws) -> Floats:
    """Return the Kolmogorov-Smirnov distance of every pair and column.

    Args:
        first: What references are taken from, shape (N, F).
        second: What windows are taken from, shape (M, F).
        rows: The pairs.

    Returns:
        Shape (draws, F), 0 to 1.

    Source: Smirnov (1939), "On the estimation of the discrepancy between empirical curves of distribution".
    """
    both = np.concatenate([first, second])
    order = both.argsort(axis=0, kind="stable")
    sorted_ = np.take_along_axis(both, order, axis=0)
    last = np.append(
        sorted_[1:] != sorted_[:-1], np.ones((1, both.shape[1]), bool), axis=0
    )  # of equal values
    gaps = []
    for reference, window in zip(rows.reference, rows.window, strict=True):
        weights = np.zeros(len(both))
        weights[reference] = 1 / len(reference)
        weights[len(first) + window] -= 1 / len(window)
        gaps.append((np.abs(weights[order].cumsum(axis=0)) * last).max(axis=0))
    return np.stack(gaps)


def smirnov(first: Floats, second: Floats, rows: Draws) -> Floats:
    """Return the p-value of the Kolmogorov-Smirnov test of every pair and column; arguments as in `largest_gap`.

    Source: Stephens (1970), "Use of the Kolmogorov-Smirnov, Cramer-von Mises and related statistics".
    """
    sizes = rows.reference.shape[1], rows.window.shape[1]
    root = np.sqrt(sizes[0] * sizes[1] / sum(sizes))
    p: Floats = special.kolmogorov((root + 0.12 + 0.11 / root) * largest_gap(first, second, rows))
    return p


def p_values(before: Seen, after: Seen, rows: Draws) -> dict[str, Floats]:
    """Test every pair of samples: does the window come from where the reference came from?

    Args:
        before: What the network shows of the pictures that references are taken from.
        after: Of those that windows are taken from.
        rows: The pairs.

    Returns:
        Test → p-values (draws,): `"confidence"` (Kolmogorov-Smirnov), `"features"` (the same on each of the features
        that vary most; the smallest p times their number), `"classes"` (chi squared).

    See: chapter 06, "Has the input drifted?".
    """
    widest = before.features.std(axis=0).argsort()[-FEATURES:]
    columns = [np.column_stack([seen.confidence, seen.features[:, widest]]) for seen in (before, after)]
    found = smirnov(columns[0], columns[1], rows)  # (draws, 1 + F)
    return {
        "confidence": found[:, 0],
        "features": np.minimum(FEATURES * found[:, 1:].min(axis=1), 1),
        "classes": _chi_squared(before.prediction[rows.reference], after.prediction[rows.window]),
    }


def _chi_squared(first: Whole, second: Whole) -> Floats:
    """Return the p-value of each pair of samples of classes, shapes (draws, m) and (draws, n)."""
    classes = np.arange(max(first.max(), second.max()) + 1)
    counts = np.stack(
        [(rows[:, :, None] == classes).sum(axis=1) for rows in (first, second)]
    )  # (2, draws, C)
    total = counts.sum(axis=0)
    expected = total * counts.sum(axis=2, keepdims=True) / total.sum(axis=1)[:, None]
    parts = np.divide((counts - expected) ** 2, expected, out=np.zeros(expected.shape), where=expected > 0)
    p: Floats = special.chdtrc((total > 0).sum(axis=1) - 1, parts.sum(axis=(0, 2)))
    return p
