"""Digits: three sets that share nothing, and drawings brought into MNIST's form."""

from __future__ import annotations

import struct
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from course_utils.data import assets
from course_utils.data.digits import Part, centre_drawing, load_digits, load_raw


@pytest.fixture(scope="module")
def raw():
    return load_raw("mnist_5k")


@pytest.fixture(scope="module")
def small():
    return load_digits("mnist_5k", seed=0)


def rows_of(images):
    """Return each image as bytes, a name that two different images never share."""
    return [image.numpy().tobytes() for image in images]


def test_the_stored_digits_are_pixels_and_labels(raw):
    images, labels, official = raw
    assert (images.shape, images.dtype) == ((5000, 28, 28), np.uint8)
    assert (labels.shape, labels.dtype) == ((5000,), np.int64)
    assert np.bincount(labels).tolist() == [500] * 10
    assert official == 0


def test_the_three_sets_are_stratified(small):
    sizes = {"train": 320, "validation": 80, "test": 100}
    for name, each in sizes.items():
        part = getattr(small, name)
        assert part.images.shape == (10 * each, 1, 28, 28)
        assert (part.images.dtype, part.labels.dtype) == (torch.float32, torch.int64)
        assert torch.bincount(part.labels).tolist() == [each] * 10


def test_the_three_sets_are_disjoint_and_together_everything(small, raw):
    found = [row for part in (small.train, small.validation, small.test) for row in rows_of(part.images)]
    everything = rows_of(small.standardise(raw[0]))
    assert len(set(everything)) == 5000  # so that a digit in two sets would be noticed
    assert sorted(found) == sorted(everything)


def test_labels_stay_with_their_images(small, raw):
    label = dict(zip(rows_of(small.standardise(raw[0])), raw[1].tolist(), strict=True))
    for part in (small.train, small.validation, small.test):
        assert [label[row] for row in rows_of(part.images)] == part.labels.tolist()


def pixels_of(found, part):
    return ((part.images * found.std + found.mean) * 255).round().to(torch.uint8)


def test_the_seed_moves_the_validation_set_and_never_the_test_set(small):
    other = load_digits("mnist_5k", seed=1)
    assert torch.equal(pixels_of(other, other.test), pixels_of(small, small.test))
    assert torch.equal(other.test.labels, small.test.labels)
    assert not torch.equal(pixels_of(other, other.validation), pixels_of(small, small.validation))


def test_the_same_seed_gives_the_same_sets(small):
    again = load_digits("mnist_5k", seed=0)
    assert torch.equal(again.train.images, small.train.images)
    assert torch.equal(again.validation.labels, small.validation.labels)


def test_the_scale_comes_from_the_training_set_only(small):
    assert float(small.train.images.mean()) == pytest.approx(0, abs=1e-3)
    assert float(small.train.images.std()) == pytest.approx(1, abs=1e-3)
    pixels = pixels_of(small, small.train).to(torch.float64) / 255
    assert float(pixels.mean()) == pytest.approx(small.mean, abs=1e-5)
    assert abs(float(small.test.images.mean())) > 1e-3  # not standardised by itself


def test_an_empty_pixel_has_the_value_of_the_background(small):
    empty = small.standardise(np.zeros((2, 28, 28), dtype=np.uint8))
    assert empty.shape == (2, 1, 28, 28)
    assert float(empty[0, 0, 0, 0]) == pytest.approx(small.background)


def test_moving_to_a_device_keeps_everything_else(small):
    tiny = replace(small, train=Part(*(values[:2] for values in small.train)))
    moved = tiny.to(torch.device("meta"))
    assert moved.train.images.device.type == moved.test.labels.device.type == "meta"
    assert (moved.mean, moved.std) == (small.mean, small.std)


def test_an_unknown_set_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match="'mnist_6k'; use 'mnist_5k' or 'mnist'"):
        load_digits("mnist_6k", seed=0)


def write_idx(path, values):
    head = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
    path.write_bytes(head + values.astype(np.uint8).tobytes())


@pytest.fixture
def official(tmp_path, monkeypatch):
    """Make the four official files with 100 and 20 digits."""
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    noise = np.random.default_rng(0)
    for part, count in (("train", 100), ("t10k", 20)):
        write_idx(folder / f"{part}-images-idx3-ubyte", noise.integers(0, 256, (count, 28, 28)))
        write_idx(folder / f"{part}-labels-idx1-ubyte", np.arange(count) % 10)
    monkeypatch.setattr(assets, "fetch", lambda name: tmp_path if name == "mnist" else None)
    return folder


def test_the_whole_of_mnist_keeps_its_official_test_set(official):
    images, labels, count = load_raw("mnist")
    assert (images.shape, images.dtype, labels.dtype, count) == ((120, 28, 28), np.uint8, np.int64, 20)
    for seed in (0, 1):
        found = load_digits("mnist", seed=seed)
        assert [len(part.labels) for part in (found.train, found.validation, found.test)] == [80, 20, 20]
        assert np.array_equal(pixels_of(found, found.test)[:, 0].numpy(), images[100:])
        assert torch.bincount(found.validation.labels).tolist() == [2] * 10


# A learner's drawing: a few thick strokes on a sheet of 112×112.
corners = st.tuples(st.integers(20, 60), st.integers(20, 60))


def drawing(points, *, side=112, right=0, down=0):
    """Draw thick lines from point to point."""
    sheet = np.zeros((side, side), dtype=np.uint8)
    for (x, y), (to_x, to_y) in pairwise(points):
        for part in np.linspace(0, 1, 80):
            column, row = round(x + part * (to_x - x)) + right, round(y + part * (to_y - y)) + down
            sheet[row - 3 : row + 4, column - 3 : column + 4] = 255
    return sheet


def ink_box(pixels):
    rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    return rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1


def centre_of_mass(pixels):
    weights = pixels.astype(float)
    places = np.arange(28)
    return weights.sum(axis=1) @ places / weights.sum(), weights.sum(axis=0) @ places / weights.sum()


def off_centre(pixels):
    return max(abs(axis - 13.5) for axis in centre_of_mass(pixels))


@limits(max_examples=30, deadline=None)
@given(
    points=st.lists(corners, min_size=2, max_size=5), right=st.integers(-15, 45), down=st.integers(-15, 45)
)
def test_it_does_not_matter_where_one_draws(points, right, down):
    moved = drawing(points, right=right, down=down)
    assert np.array_equal(centre_drawing(moved), centre_drawing(drawing(points)))


@limits(max_examples=10, deadline=None)
@given(points=st.lists(corners, min_size=2, max_size=5))
def test_neither_does_the_size_of_the_sheet(points):
    assert np.array_equal(centre_drawing(drawing(points, side=200)), centre_drawing(drawing(points)))


@limits(max_examples=30, deadline=None)
@given(pixels=arrays.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40))))
def test_any_sheet_gives_a_digit_and_keeps_the_drawing(pixels):
    before = pixels.copy()
    found = centre_drawing(pixels)
    assert (found.shape, found.dtype) == ((28, 28), np.uint8)
    assert np.array_equal(pixels, before)
    assert found.any() == (pixels > 32).any()


@pytest.mark.parametrize("grey", [0, 32])
def test_an_empty_sheet_gives_an_empty_digit(grey):
    found = centre_drawing(np.full((112, 112), grey, dtype=np.uint8))
    assert not found.any()
    assert (found.shape, found.dtype) == ((28, 28), np.uint8)


def test_a_digit_is_twenty_pixels_tall_or_wide_and_centred():
    ring = np.hypot(*(np.mgrid[:112, :112] - 40))
    ink = np.where((ring > 20) & (ring < 30), 255, 0).astype(np.uint8)
    for pixels in (ink, ink[::-1], np.ascontiguousarray(ink.T)):
        found = centre_drawing(pixels)
        assert ink_box(found) == (20, 20)
        assert off_centre(found) <= 0.6


@pytest.mark.parametrize(("tall", "wide", "box"), [(80, 8, (20, 2)), (8, 80, (2, 20)), (40, 40, (20, 20))])
def test_the_longer_side_becomes_twenty_pixels(tall, wide, box):
    sheet = np.zeros((112, 112), dtype=np.uint8)
    sheet[3 : 3 + tall, 5 : 5 + wide] = 255
    found = centre_drawing(sheet)
    assert ink_box(found) == box
    assert int(found.max()) == 255
    assert off_centre(found) <= 0.6


@pytest.mark.parametrize("place", [(0, 0), (55, 70), (111, 111)])
def test_a_dot_becomes_a_square_in_the_middle(place):
    sheet = np.zeros((112, 112), dtype=np.uint8)
    sheet[place] = 255
    found = centre_drawing(sheet)
    assert ink_box(found) == (20, 20)
    assert off_centre(found) <= 0.6


def test_extreme_drawings_give_a_digit():
    full = np.full((112, 112), 255, dtype=np.uint8)
    assert ink_box(centre_drawing(full)) == (20, 20)
    line = np.zeros((112, 112), dtype=np.uint8)
    line[50, :] = 255
    assert ink_box(centre_drawing(line)) == (1, 20)
    lopsided = np.zeros((112, 112), dtype=np.uint8)
    lopsided[:30], lopsided[:, 50] = 255, 255
    assert centre_drawing(lopsided).any()


def test_the_digits_of_mnist_are_in_this_form_already(raw):
    chosen = raw[0][::50]
    found = np.stack([centre_drawing(image) for image in chosen])
    centred = [off_centre(image) for image in found]
    assert max(centred) <= 1
    difference = np.abs(found.astype(float) - chosen).mean(axis=(1, 2))
    moved = np.abs(np.roll(chosen, 3, axis=2).astype(float) - chosen).mean(axis=(1, 2))
    assert np.median(difference) < 0.5 * np.median(moved)
