"""TensorBatches: every example once a pass, in an order that one can trust."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from course_utils.data.batches import TensorBatches


def batches(count=10, batch_size=4, **options):
    inputs = torch.arange(count, dtype=torch.float32)
    return TensorBatches(inputs, torch.arange(count) * 10, batch_size, **options)


def order(made):
    return [int(value) for inputs, _ in made for value in inputs]


@limits(max_examples=40, deadline=None)
@given(count=st.integers(0, 30), batch_size=st.integers(1, 35), shuffle=st.booleans())
def test_every_example_comes_once_with_its_target(count, batch_size, shuffle):
    made = batches(count, batch_size, generator=torch.Generator().manual_seed(0) if shuffle else None)
    pairs = list(made)
    assert len(pairs) == len(made)
    assert all(torch.equal(targets, inputs.long() * 10) for inputs, targets in pairs)
    assert all(1 <= len(inputs) <= batch_size for inputs, _ in pairs)
    assert all(len(inputs) == batch_size for inputs, _ in pairs[:-1])
    assert sorted(order(pairs)) == list(range(count))


def test_without_a_generator_the_order_stays():
    made = batches()
    assert order(made) == order(made) == list(range(10))


def test_with_a_generator_every_pass_has_its_own_order_and_the_seed_decides_it():
    made = batches(50, generator=torch.Generator().manual_seed(0))
    first, second = order(made), order(made)
    assert first != second
    again = batches(50, generator=torch.Generator().manual_seed(0))
    assert [order(again), order(again)] == [first, second]


def test_the_global_generator_is_not_used():
    before = torch.get_rng_state()
    list(batches(generator=torch.Generator().manual_seed(0)))
    assert torch.equal(torch.get_rng_state(), before)


def test_augmentation_changes_the_inputs_of_every_pass_and_never_the_data():
    made = batches(augment=lambda inputs: inputs.add_(100))  # even one that works in place
    assert order(made) == order(made) == list(range(100, 110))
    assert torch.equal(made.inputs, torch.arange(10.0))
    assert [int(value) for _, targets in made for value in targets] == list(range(0, 100, 10))


@pytest.mark.parametrize(("inputs", "targets", "batch_size"), [(3, 4, 1), (4, 3, 1), (3, 3, 0), (3, 3, -2)])
def test_what_does_not_fit_is_refused_with_the_numbers(inputs, targets, batch_size):
    with pytest.raises(ValueError, match=f"{inputs} inputs, {targets} targets and batch_size {batch_size}"):
        TensorBatches(torch.zeros(inputs), torch.zeros(targets), batch_size)
