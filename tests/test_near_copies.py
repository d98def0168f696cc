"""Near copies are found, joined into groups, and kept on one side."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from course_utils.data import assets
from course_utils.data.near_copies import DISTANCE, find_near_duplicates, grouped_split, join_groups


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Twenty photographs, each also saved badly, halved and brightened."""
    folder = tmp_path_factory.mktemp("photographs")
    paths = []
    for file in sorted(assets.fetch("photographs").glob("*.jpg")):
        with Image.open(file) as opened:
            picture = opened.convert("RGB")
        changed = {
            "0.png": picture,
            "1.jpg": picture,
            "2.png": picture.resize((picture.width // 2, picture.height // 2)),
            "3.png": ImageEnhance.Brightness(picture).enhance(1.3),
        }
        for ending, made in changed.items():
            paths.append(folder / f"{file.stem}_{ending}")
            made.save(paths[-1], **({"quality": 20} if ending == "1.jpg" else {}))
    return paths


def test_photographs_find_their_copies_and_nothing_else(photographs):
    pairs = find_near_duplicates(photographs)
    linked = {(one, other) for one, other, _ in pairs}
    copies = {(o + a, o + b) for o in range(0, 80, 4) for a in range(4) for b in range(a + 1, 4)}
    assert linked <= copies
    assert {pair for pair in copies if pair[0] % 4 == 0} <= linked
    bits = [pair[2] for pair in pairs]
    assert bits == sorted(bits)
    assert max(bits) <= DISTANCE
    exact = find_near_duplicates(photographs, distance=0)
    assert exact == [pair for pair in pairs if pair[2] == 0] != pairs


def test_a_mirrored_copy_is_not_found(photographs, tmp_path):
    with Image.open(photographs[0]) as opened:
        opened.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "mirrored.png")
    assert find_near_duplicates([photographs[0], tmp_path / "mirrored.png"]) == []


def test_one_picture_or_none_has_no_copies(photographs):
    assert find_near_duplicates([]) == find_near_duplicates(photographs[:1]) == []


def test_links_reach_through_others_and_through_known_groups():
    assert join_groups(4, []).tolist() == [0, 1, 2, 3]
    found = join_groups(6, [(0, 1, 3), (1, 2, 8)], ["a", "b", "c", "d", "a", "e"])
    assert len({found[row] for row in (0, 1, 2, 4)}) == 1
    assert len(set(found.tolist())) == 3
    with pytest.raises(ValueError, match="got 2 groups for 3 pictures"):
        join_groups(3, [], [0, 1])


@limits(max_examples=30, deadline=None)
@given(
    groups=st.lists(st.integers(0, 9), min_size=4, max_size=60).filter(lambda g: len(set(g)) > 1),
    share=st.sampled_from([0.2, 0.3, 0.5]),
    with_labels=st.booleans(),
)
def test_no_group_is_on_both_sides_and_no_picture_is_lost(groups, share, with_labels):
    labels = [group % 3 for group in groups] if with_labels else None
    kept, held_out = grouped_split(groups, share, seed=1, labels=labels)
    assert sorted([*kept.tolist(), *held_out.tolist()]) == list(range(len(groups)))
    assert not {groups[row] for row in kept} & {groups[row] for row in held_out}
    assert len(kept)
    assert len(held_out)


def test_with_labels_every_class_is_held_out_fairly():
    labels = np.repeat([0, 1, 2], [60, 30, 12])
    groups = np.arange(102) // 3
    held_out = grouped_split(groups, 0.3, seed=0, labels=labels.tolist())[1]
    assert np.bincount(labels[held_out]).tolist() == pytest.approx([18, 9, 3.6], abs=3.1)
    again = grouped_split(groups, 0.3, seed=0, labels=labels.tolist())[1]
    other = grouped_split(groups, 0.3, seed=1, labels=labels.tolist())[1]
    assert held_out.tolist() == again.tolist() != other.tolist()


@pytest.mark.parametrize(("groups", "share"), [([1, 1, 1], 0.3), ([1, 2, 3], 0), ([1, 2, 3], 1.0)])
def test_what_cannot_be_split_says_why(groups, share):
    with pytest.raises(ValueError, match="expected at least two groups and a share between 0 and 1"):
        grouped_split(groups, share)
