import numpy as np
import pytest
from scipy.stats import norm

from course_utils.intervals import accuracy_interval, paired_interval


def wilson(accuracy: float, count: int) -> tuple[float, float]:
    """The formula of the paper, by hand."""
    z = norm.ppf(0.975)
    centre = (accuracy + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * np.sqrt(accuracy * (1 - accuracy) / count + z**2 / (4 * count**2))
    return centre - half, centre + half


@pytest.mark.parametrize(("accuracy", "count"), [(0.924, 1000), (0.0, 50), (1.0, 380), (0.5, 2)])
def test_accuracy_interval_is_wilsons(accuracy: float, count: int):
    assert accuracy_interval(accuracy, count) == pytest.approx(wilson(accuracy, count), abs=1e-4)


def test_accuracy_interval_covers_the_truth_as_often_as_it_says():
    hits = np.random.default_rng(0).binomial(500, 0.9, size=2000)
    covered = [low <= 0.9 <= high for low, high in (accuracy_interval(k / 500, 500) for k in hits)]
    assert 0.93 <= np.mean(covered) <= 0.97


def test_paired_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(1000):
        hard = rng.random(400)
        first, second = (hard < 0.9).astype(float), (hard < 0.87).astype(float)
        flips = rng.random(400) < 0.05
        second[flips] = 1 - second[flips]
        truth = 0.9 - (0.87 * 0.95 + 0.13 * 0.05)
        low, high = paired_interval(first, second)
        covered += low <= truth <= high
    assert 930 <= covered <= 970


def test_pairing_narrows_the_interval():
    rng = np.random.default_rng(0)
    first = (rng.random(1000) < 0.9).astype(float)
    second = first.copy()
    second[np.flatnonzero(first)[:20]] = 0
    low, high = paired_interval(first, second)
    shuffled_low, shuffled_high = paired_interval(first, rng.permutation(second))
    assert 0 < low < 0.02 < high
    assert high - low < (shuffled_high - shuffled_low) / 2


def test_different_test_sets_cannot_be_paired():
    with pytest.raises(ValueError, match=r"\(3,\) and \(4,\)"):
        paired_interval(np.ones(3), np.ones(4))
