"""Colour pictures: the emoji in three sets that share no kin, and what the recipes do with pictures."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from torch import nn

from course_utils.data import emoji
from course_utils.data.augment import random_flip
from course_utils.data.images import ImagePart, Images, three_sets
from course_utils.data.pictures import load_images
from course_utils.recipes import chapter_02 as recipes

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def raw():
    return emoji.load_raw()


@pytest.fixture(scope="module")
def data():
    return load_images("emoji", seed=0)


def test_all_base_emoji_are_there_and_no_skin_tone(raw):
    pixels, labels, names = raw
    assert pixels.shape == (1898, 32, 32, 3)
    assert pixels.dtype == np.uint8
    counts = np.bincount(labels, minlength=9)
    assert (counts.min(), counts.max()) == (85, 385)
    assert not [name for name in names if "SKIN TONE" in name]
    assert all(names)


def test_the_paper_is_white_and_no_picture_is_empty(raw):
    pixels, _, _ = raw
    corners = pixels[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert (corners == 255).all(axis=-1).mean() > 0.75  # the others reach into a corner
    assert (pixels.reshape(len(pixels), -1).std(axis=1) > 0).all()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("MAN TEACHER", "TEACHER"),
        ("WOMAN TEACHER", "TEACHER"),
        ("PERSON WALKING", "WALKING"),
        ("MEN HOLDING HANDS", "HOLDING HANDS"),
        ("MANGO", "MANGO"),
        ("OTTOMAN", "OTTOMAN"),
    ],
)
def test_a_family_is_a_name_without_the_sex(name, expected):
    assert emoji.family(name) == expected


@pytest.mark.parametrize("seed", [0, 1])
def test_no_family_and_no_picture_is_in_two_sets(raw, seed, monkeypatch):
    pixels, labels, names = raw
    kept = {}
    monkeypatch.setattr(emoji, "load_raw", lambda side: raw)
    monkeypatch.setattr(emoji, "three_sets", lambda p, y, rows, c, **k: kept.update(rows=rows))
    emoji.load_emoji(seed=seed)
    families = [{emoji.family(names[row]) or names[row] for row in rows} for rows in kept["rows"]]
    assert not families[0] & (families[1] | families[2])
    assert not families[1] & families[2]
    train, validation, test = kept["rows"]
    for seen, unseen in ((train, validation), (train, test), (validation, test)):
        assert nearest(pixels, unseen, seen) >= emoji.NEAR
    assert sorted(np.concatenate(kept["rows"]).tolist()) == list(range(len(labels)))


def nearest(pixels, some, others):
    """Return the smallest distance between two sets of pictures, in grey levels."""
    flat = pixels.reshape(len(pixels), -1).astype(np.float64)
    return cdist(flat[some], flat[others]).min() / np.sqrt(flat.shape[1])


def test_kin_are_families_and_pictures_that_look_the_same(raw):
    pixels, _, names = raw
    groups = emoji.kinships(pixels, names)
    of = {name: int(group) for name, group in zip(names, groups, strict=True)}
    assert of["FAMILY: MAN, GIRL"] == of["FAMILY: WOMAN, BOY"]  # one drawing, two names
    assert of["INDONESIA FLAG"] == of["MONACO FLAG"] != of["POLAND FLAG"]
    assert of["ROMANIA FLAG"] == of["CHAD FLAG"] != of["ANDORRA FLAG"]
    assert of["CLOCK FACE ONE OCLOCK"] != of["CLOCK FACE TWELVE OCLOCK"]
    assert groups.max() + 1 > 1700  # a chain of likenesses has not swallowed everything
    assert np.bincount(groups).max() == 10


def test_the_test_set_is_the_same_for_every_seed_and_validation_is_not(data):
    other = load_images("emoji", seed=1)
    back = [
        set(map(bytes, (d.pictures(d.test.images) * 255).round().astype(np.uint8))) for d in (data, other)
    ]
    assert back[0] == back[1]
    assert other.validation.labels.shape != data.validation.labels.shape or not torch.equal(
        other.validation.labels, data.validation.labels
    )


def test_the_training_set_decides_the_scale_and_pictures_come_back(data):
    assert data.train.images.mean(dim=(0, 2, 3)).abs().max() < 1e-4
    assert (data.train.images.std(dim=(0, 2, 3)) - 1).abs().max() < 1e-3
    assert data.pictures(data.background.expand(1, 3, 4, 4)) == pytest.approx(1)  # beyond the border: paper
    moved = data.to(CPU)
    assert torch.equal(moved.test.images, data.test.images)


def test_without_paper_the_border_is_the_mean_colour():
    pixels = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 3), dtype=np.uint8)
    rows = tuple(np.array(pair) for pair in ([0, 1], [2, 3], [4, 5]))
    assert three_sets(pixels, np.arange(6), rows, ("a",) * 6).background.tolist() == [[[0.0]]] * 3


def test_an_unknown_set_is_refused():
    with pytest.raises(ValueError, match="unknown images 'cats'; use 'emoji' or 'cifar10'"):
        load_images("cats", seed=0)


# What the recipes do with them


def test_flips_mirror_some_and_only_mirror():
    before = torch.rand(64, 3, 4, 5)
    after = random_flip(before, generator=torch.Generator().manual_seed(0))
    same = (after == before).flatten(1).all(dim=1)
    mirrored = (after == before.flip(-1)).flatten(1).all(dim=1)
    assert (same ^ mirrored).all()
    assert 16 < same.sum() < 48


@pytest.fixture
def tiny():
    generator = torch.Generator().manual_seed(0)
    part = ImagePart(torch.randn(12, 3, 8, 8, generator=generator), torch.arange(12) % 3)
    return Images(part, part, part, ("a", "b", "c"), torch.zeros(3), torch.ones(3), torch.zeros(3, 1, 1))


@pytest.mark.parametrize("name", ["none", "shifts", "flips and rotations"])
def test_an_augmentation_keeps_the_shape(tiny, name):
    change = recipes.picture_augmentation(name, tiny, 0)
    assert (change is None) == (name == "none")
    if change:
        assert change(tiny.train.images).shape == tiny.train.images.shape


@pytest.mark.parametrize("epochs", [1, 2, 5, 20])
@pytest.mark.parametrize("name", ["constant", "step", "one-cycle", "cosine"])
def test_schedules_stay_below_their_peak_and_all_but_the_constant_end_low(name, epochs):
    optimizer = torch.optim.Adam([nn.Parameter(torch.zeros(1))], lr=0.01)
    scheduler, rates = recipes.make_scheduler(name, optimizer, epochs), []
    for _ in range(epochs):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert max(rates) <= 0.01 + 1e-12
    if epochs == 20:
        assert rates[-1] == pytest.approx(0.01) if name == "constant" else rates[-1] <= 0.001 + 1e-12


def test_the_same_seed_trains_the_same_network(tiny):
    dials = {"widths": (4, 6), "epochs": 2, "learning_rate": 0.01, "schedule": "cosine", "device": CPU}
    one, two, other = (
        recipes.train_pictures(tiny, augmentation="shifts", seed=seed, **dials)[0].fc.weight
        for seed in (0, 0, 1)
    )
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
