"""The convolutional networks: shapes, sizes, and what flattening and averaging make of a moved picture."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from course_utils.models.cnn import CIFAR10_CNN, CNN, PooledCNN, SmallCNN


def parameters(model: nn.Module) -> int:
    return sum(weight.numel() for weight in model.parameters())


def test_the_networks_have_their_sizes():
    assert parameters(CNN()) == 3_309_578  # the guide's two
    assert parameters(CIFAR10_CNN()) == 1_556_106
    assert parameters(SmallCNN()) == 421_642
    assert parameters(PooledCNN()) == 1_557_066


def test_the_guides_networks_have_its_layers_under_its_names():
    digits, colour = CNN(num_classes=7), CIFAR10_CNN()
    assert [name for name, _ in digits.named_children()] == [
        *("conv1", "conv2", "conv3", "pool", "fc1", "fc2", "dropout")
    ]
    assert [name for name, _ in colour.named_children()] == [
        *("conv1", "conv2", "conv3", "conv4", "pool", "global_pool", "fc", "dropout")
    ]
    assert all(layer.bias is not None for layer in colour.modules() if isinstance(layer, nn.Conv2d))
    assert digits.dropout.p == colour.dropout.p == 0.5
    assert CNN(7)(torch.randn(2, 1, 28, 28)).shape == (2, 7)
    assert colour(torch.randn(2, 3, 32, 32)).shape == (2, 10)
    narrow = CIFAR10_CNN(num_classes=9, widths=(2, 3, 4, 5))
    assert narrow(torch.randn(2, 3, 32, 32)).shape == (2, 9)


def test_the_guides_digit_network_sees_18_pixels():
    model, picture = CNN(), torch.ones(1, 1, 28, 28, requires_grad=True)
    for layer in (model.conv1, model.conv2, model.conv3):
        nn.init.ones_(layer.weight)
    average = nn.functional.avg_pool2d
    maps = model.conv3(average(model.conv2(average(model.conv1(picture), 2)), 2))
    seen = torch.autograd.grad(maps[0, 0, 3, 3], picture)[0][0, 0] != 0
    assert seen.any(dim=0).sum() == seen.any(dim=1).sum() == 18


@pytest.mark.parametrize("widths", [(32, 64), (2, 3)])
def test_digits_become_logits(widths):
    assert SmallCNN(widths, num_classes=7)(torch.randn(2, 1, 28, 28)).shape == (2, 7)


@pytest.mark.parametrize("side", [8, 28, 32, 45])
def test_averaging_takes_pictures_of_any_size(side):
    model = PooledCNN((4, 5, 6), num_classes=9, channels=1)
    assert model(torch.randn(2, 1, side, side)).shape == (2, 9)
    assert CIFAR10_CNN(widths=(4, 5, 6, 7))(torch.randn(2, 3, side, side)).shape == (2, 10)


MODELS = (
    (CNN, torch.randn(4, 1, 28, 28)),
    (SmallCNN, torch.randn(4, 1, 28, 28)),
    (CIFAR10_CNN, torch.randn(4, 3, 16, 16)),
    (PooledCNN, torch.randn(4, 3, 16, 16)),
)


@pytest.mark.parametrize(("make", "inputs"), MODELS)
def test_evaluation_is_repeatable_and_changes_no_statistic(make, inputs):
    model = make().eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with torch.inference_mode():
        assert torch.equal(model(inputs), model(inputs))
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize(("make", "inputs"), MODELS[:3])
def test_dropout_acts_in_training_only(make, inputs):
    torch.manual_seed(0)
    model = make()
    assert not torch.equal(model(inputs), model(inputs))


def test_averaging_does_not_see_a_shift_by_whole_pooling_windows_away_from_the_border():
    torch.manual_seed(0)
    picture = torch.zeros(1, 1, 48, 48)
    picture[..., 16:24, 16:24] = torch.rand(8, 8)
    moved = torch.roll(picture, shifts=(8, 8), dims=(2, 3))
    averaged, flattened = PooledCNN((4, 5, 6), channels=1).eval(), SmallCNN().eval()
    torch.testing.assert_close(averaged(picture), averaged(moved), atol=1e-5, rtol=1e-4)
    small, small_moved = picture[..., 8:36, 8:36], moved[..., 8:36, 8:36]
    assert not torch.allclose(flattened(small), flattened(small_moved), atol=1e-3)


def test_one_batch_can_be_learned_by_heart():
    torch.manual_seed(0)
    inputs, targets = torch.randn(8, 3, 16, 16), torch.arange(8)
    model = PooledCNN((16, 32), num_classes=8)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(60):
        loss = torch.nn.functional.cross_entropy(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.1
