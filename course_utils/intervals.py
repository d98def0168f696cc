"""How sure a measured accuracy, or a difference of two, can be with so many test examples."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest


def accuracy_interval(accuracy: float, count: int) -> tuple[float, float]:
    """Return the 95 % interval of an accuracy.

    Args:
        accuracy: Fraction right, 0 to 1.
        count: Examples that it was measured on.

    Source: Wilson (1927), "Probable inference, the law of succession, and statistical inference".
    See: chapter 01, "The training loop".
    """
    bounds = binomtest(round(accuracy * count), count).proportion_ci(method="wilson")
    return float(bounds.low), float(bounds.high)


def paired_interval(
    first: npt.NDArray[np.floating[Any]], second: npt.NDArray[np.floating[Any]]
) -> tuple[float, float]:
    """Return the 95 % interval of the difference of two accuracies that share their test examples.

    Pairing removes what both find hard; the normal approximation holds from some hundred examples on.

    Args:
        first: For each test example 1 if right and 0 if not, or the mean of several trainings, shape (N,).
        second: Likewise, for the same examples in the same order.

    Raises:
        ValueError: If the shapes differ.

    See: chapter 01, "Deep learning versus classical machine learning".
    """
    if first.shape != second.shape:
        raise ValueError(
            f"got shapes {first.shape} and {second.shape}, expected the same test examples for both"
        )
    difference = first - second
    middle, error = difference.mean(), difference.std(ddof=1) / np.sqrt(len(difference))
    return float(middle - 1.96 * error), float(middle + 1.96 * error)
