"""Pictures that are nearly the same: found by a perceptual hash, and kept on one side of a split."""

import os
from collections.abc import Hashable, Sequence

import imagehash
import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import GroupShuffleSplit

from course_utils.data.folders import read_picture

DISTANCE = 8
"""Bits of 64. Twenty photographs, saved badly, halved or brightened, stay within 6 of themselves, and differ from each
other by 19 and more; a crop by a tenth (half of them beyond 16) and a mirrored copy (28) are not found."""

CANDIDATES = 50  # random splits of which `grouped_split` takes the one with the fairest classes


def find_near_duplicates(
    paths: Sequence[str | os.PathLike[str]], *, distance: int = DISTANCE
) -> list[tuple[int, int, int]]:
    """Find pairs of pictures that look nearly the same, by their difference hash.

    The hash shrinks a picture to eight rows of nine grey pixels and notes for the first eight of each whether the
    right neighbour is brighter. It is a hint, not a proof: it misses crops and mirrored copies, and calls flat
    drawings of one outline twins.

    Args:
        paths: A file for each picture.
        distance: In how many of the 64 bits a pair may differ: 0 finds exact copies, more finds more pairs, and more
            false ones.

    Returns:
        (row, later row, bits that differ), the most similar first.

    Raises:
        PictureError: If a file cannot be read.

    Source: Krawetz (2013), "Kind of like that", hackerfactor.com; the code is that of the package ImageHash.
    See: chapter 04, "Your own folder".
    """
    hashes = np.array([imagehash.dhash(read_picture(path)).hash.ravel() for path in paths])  # (N, 64)
    pairs = []
    for row in range(len(hashes) - 1):
        bits = (hashes[row + 1 :] != hashes[row]).sum(axis=1)
        pairs += [(row, row + 1 + int(i), int(bits[i])) for i in np.flatnonzero(bits <= distance)]
    return sorted(pairs, key=lambda pair: (pair[2], pair))


def join_groups(
    count: int, pairs: Sequence[tuple[int, ...]], groups: Sequence[Hashable] | None = None
) -> npt.NDArray[np.int64]:
    """Return a group for each picture, shape (count,): whoever is linked, also through others, shares one.

    Args:
        count: How many pictures there are.
        pairs: Rows of two pictures that belong together, as `find_near_duplicates` returns them.
        groups: What is known beforehand: the same value for pictures that belong together.

    Raises:
        ValueError: If there is not one group for each picture.
    """
    known = list(range(count)) if groups is None else list(groups)
    if len(known) != count:
        raise ValueError(f"got {len(known)} groups for {count} pictures, expected one for each")
    first: dict[Hashable, int] = {}
    links = [(first.setdefault(group, row), row) for row, group in enumerate(known)]
    links += [(pair[0], pair[1]) for pair in pairs]
    rows, others = np.array(links, dtype=np.int64).reshape(-1, 2).T
    table = coo_array((np.ones(len(rows)), (rows, others)), shape=(count, count))
    return np.asarray(connected_components(table, directed=False)[1], dtype=np.int64)


def grouped_split(
    groups: Sequence[Hashable] | npt.NDArray[np.int64],
    share: float,
    seed: int = 0,
    *,
    labels: Sequence[int] | None = None,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Split pictures at random so that no group is on both sides.

    Args:
        groups: Of each picture; with a group for each, `range(N)`, it is a split as if all were strangers.
        share: Of the groups that are held out, between 0 and 1.
        seed: What follows from it is the same on every machine.
        labels: Class of each picture; with them, of fifty random splits the one is taken that holds out most nearly
            this share of every class.

    Returns:
        Rows that are kept and rows that are held out.

    Raises:
        ValueError: If there are fewer than two groups, or `share` is not between 0 and 1.

    See: chapter 04, "Your own folder".
    """
    order: dict[Hashable, int] = {}
    numbers = np.array([order.setdefault(group, len(order)) for group in groups], dtype=np.int64)
    if len(order) < 2 or not 0 < share < 1:
        raise ValueError(
            f"got {len(order)} groups and a share of {share}, expected at least two groups and a share "
            "between 0 and 1: were all pictures linked to one another? Then lower `distance`"
        )
    classes = np.zeros(len(numbers), dtype=np.int64) if labels is None else np.asarray(labels)
    splitter = GroupShuffleSplit(1 if labels is None else CANDIDATES, test_size=share, random_state=seed)
    members = np.bincount(classes)

    def unfairness(split: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]) -> float:
        held_out = np.bincount(classes[split[1]], minlength=len(members))
        return float(np.abs(held_out - share * members).sum())

    kept, held_out = min(splitter.split(numbers, groups=numbers), key=unfairness)
    return kept, held_out
