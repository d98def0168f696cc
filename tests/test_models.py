"""Models: they compute what their parts, written out, compute."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import nn

from course_utils.models.mlp import SimpleNN


@pytest.mark.parametrize("sizes", [(784, 128, 64, 10), (6, 5, 4, 3), (1, 1, 1, 2)])
def test_the_parameters_are_weights_and_biases(sizes):
    first, *hidden, last = sizes
    model = SimpleNN(first, tuple(hidden), last)
    expected = sum(before * after + after for before, after in pairwise(sizes))
    assert sum(weight.numel() for weight in model.parameters()) == expected


def test_the_default_is_the_network_of_the_guide():
    assert sum(weight.numel() for weight in SimpleNN().parameters()) == 109_386


@pytest.mark.parametrize("shape", [(3, 784), (3, 28, 28), (3, 1, 28, 28), (1, 1, 28, 28)])
def test_any_shape_with_the_right_number_of_values_gives_logits(shape):
    inputs = torch.randn(shape)
    model = SimpleNN()
    logits = model(inputs)
    assert logits.shape == (shape[0], 10)
    assert torch.equal(logits, model(inputs.reshape(shape[0], -1)))


def test_it_equals_the_layers_written_out():
    model = SimpleNN(12, (8, 6), 4)
    by_hand = nn.Sequential(
        nn.Flatten(), nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 4)
    )
    with torch.no_grad():
        for copy, weight in zip(by_hand.parameters(), model.parameters(), strict=True):
            copy.copy_(weight)
    inputs = torch.randn(5, 3, 4)
    torch.testing.assert_close(model(inputs), by_hand(inputs))


def test_examples_of_a_batch_do_not_see_each_other():
    model, inputs = SimpleNN(12, (8, 6), 4), torch.randn(5, 12)
    torch.testing.assert_close(model(inputs)[2:3], model(inputs[2:3]))


def test_every_parameter_gets_a_gradient():
    torch.manual_seed(0)
    model = SimpleNN(12, (8, 6), 4)
    model(torch.randn(32, 12)).square().sum().backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in model.parameters())


def test_the_seed_decides_the_start():
    def start(seed):
        torch.manual_seed(seed)
        return SimpleNN(12, (8, 6), 4).fc1.weight

    assert torch.equal(start(0), start(0))
    assert not torch.equal(start(0), start(1))


def test_a_stack_of_linear_layers_is_one_linear_layer():
    stack = nn.Sequential(nn.Linear(20, 50), nn.Linear(50, 50), nn.Linear(50, 5)).double()
    examples = torch.randn(100, 20, dtype=torch.float64)
    product, offset = stack[2].weight @ stack[1].weight @ stack[0].weight, stack(torch.zeros(1, 20).double())
    torch.testing.assert_close(stack(examples), examples @ product.T + offset)


def test_the_sigmoid_lets_a_quarter_of_a_slope_through_at_most():
    z = torch.linspace(-10, 10, 2001, dtype=torch.float64, requires_grad=True)
    torch.sigmoid(z).sum().backward()
    assert z.grad.max().item() == pytest.approx(0.25)
