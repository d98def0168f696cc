"""The convolutional networks: shapes, sizes, and what flattening and averaging make of a moved picture."""

from __future__ import annotations

import pytest
import torch

from course_utils.models.cnn import CNN, PooledCNN


def test_the_networks_of_the_guide_have_their_sizes():
    assert sum(weight.numel() for weight in CNN().parameters()) == 421_642
    assert sum(weight.numel() for weight in PooledCNN().parameters()) == 1_557_066


@pytest.mark.parametrize("widths", [(32, 64), (2, 3)])
def test_digits_become_logits(widths):
    assert CNN(widths, num_classes=7)(torch.randn(2, 1, 28, 28)).shape == (2, 7)


@pytest.mark.parametrize("side", [8, 28, 32, 45])
def test_averaging_takes_pictures_of_any_size(side):
    model = PooledCNN((4, 5, 6), num_classes=9, channels=1)
    assert model(torch.randn(2, 1, side, side)).shape == (2, 9)


def test_evaluation_is_repeatable_and_changes_no_statistic():
    for model, inputs in ((CNN(), torch.randn(4, 1, 28, 28)), (PooledCNN((4, 5)), torch.randn(4, 3, 16, 16))):
        model.eval()
        before = {key: value.clone() for key, value in model.state_dict().items()}
        with torch.inference_mode():
            assert torch.equal(model(inputs), model(inputs))
        assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_dropout_acts_in_training_only():
    torch.manual_seed(0)
    model, inputs = CNN(dropout=0.9), torch.randn(4, 1, 28, 28)
    assert not torch.equal(model(inputs), model(inputs))


def test_averaging_does_not_see_a_shift_by_whole_pooling_windows_away_from_the_border():
    torch.manual_seed(0)
    picture = torch.zeros(1, 1, 48, 48)
    picture[..., 16:24, 16:24] = torch.rand(8, 8)
    moved = torch.roll(picture, shifts=(8, 8), dims=(2, 3))
    averaged, flattened = PooledCNN((4, 5, 6), channels=1).eval(), CNN().eval()
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
