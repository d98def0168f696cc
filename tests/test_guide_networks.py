"""The steps from the guide's network for colour pictures to a better one: each changes what it says, and no more."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from course_utils.data.emoji import load_emoji
from course_utils.models.cnn import CIFAR10_CNN
from course_utils.recipes import guide_networks


@pytest.fixture(scope="module")
def images():
    return load_emoji(seed=0)


@pytest.mark.parametrize(
    ("step", "maps", "normalised"),
    [(0, 512, False), (1, 128, False), (2, 128, False), (3, 128, True), (4, 128, True)],
)
def test_each_step_has_its_network(images, step, maps, normalised):
    model, history = guide_networks.train_step(images, step, seed=0, epochs=0)
    assert (model.fc.in_features, model.fc.out_features, history) == (maps, 9, [])
    assert any(isinstance(layer, nn.BatchNorm2d) for layer in model.modules()) is normalised


def test_batch_norm_stands_behind_every_convolution():
    model = guide_networks.with_batch_norm(CIFAR10_CNN(widths=(2, 3, 4, 5)))
    kinds = [type(layer) for layer in model.modules() if isinstance(layer, nn.Conv2d | nn.BatchNorm2d)]
    assert kinds == [nn.Conv2d, nn.BatchNorm2d] * 4
    assert model(torch.randn(2, 3, 32, 32)).shape == (2, 10)


def test_the_guides_changes_repeat_themselves_and_keep_the_form(images):
    batch = images.train.images[:6]
    one, two, other = (guide_networks.guide_augmentation(images, seed)(batch) for seed in (0, 0, 1))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
    assert one.shape == batch.shape


def test_wrong_answers_are_rows():
    model, labels = nn.Identity(), torch.tensor([0, 1, 1, 0])
    assert guide_networks.wrong_answers(model, torch.eye(2)[[0, 0, 1, 1]], labels) == [1, 3]


def test_three_seeds_of_each_making_are_its_own():
    assert guide_networks.starts(0) == [0, 1, 2]
    assert not set(guide_networks.starts(0)) & set(guide_networks.starts(1))
