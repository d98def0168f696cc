"""Augmentation: small moves that keep shape, type and background."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from course_utils.data.augment import shift, shift_and_rotate


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def images(count=3, channels=1, side=12, dtype=torch.float32):
    return torch.rand(count, channels, side, side, generator=generator(9)).to(dtype)


def test_no_amounts_change_nothing():
    before = images(channels=2)
    after = shift_and_rotate(before, generator=generator(), degrees=0, pixels=0, scale=0, fill=0.3)
    torch.testing.assert_close(after, before, atol=1e-5, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(1, 1, 8, 8), (5, 3, 8, 12), (2, 1, 28, 28)])
def test_shape_and_type_stay(shape, dtype):
    after = shift_and_rotate(torch.zeros(shape, dtype=dtype), generator=generator(), scale=0.1)
    assert (after.shape, after.dtype) == (shape, dtype)


def test_the_generator_decides_the_amounts_and_every_image_has_its_own():
    same = images(1).expand(3, -1, -1, -1)
    first = shift_and_rotate(same, generator=generator(1))
    assert torch.equal(first, shift_and_rotate(same, generator=generator(1)))
    assert not torch.equal(first, shift_and_rotate(same, generator=generator(2)))
    assert not torch.equal(first[0], first[1])
    assert torch.equal(same, images(1).expand(3, -1, -1, -1))


def test_an_image_of_background_stays_background():
    paper = torch.full((4, 1, 16, 16), -0.4)
    after = shift_and_rotate(paper, generator=generator(), degrees=45, pixels=8, scale=0.3, fill=-0.4)
    torch.testing.assert_close(after, paper)


def test_a_full_image_shows_the_background_at_its_border():
    after = shift_and_rotate(torch.ones(8, 1, 16, 16), generator=generator(), pixels=6, fill=-2.0)
    assert float(after.min()) == pytest.approx(-2.0)
    assert float(after.max()) == pytest.approx(1.0)


@limits(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), degrees=st.floats(0, 30), pixels=st.floats(0, 3), scale=st.floats(0, 0.1))
def test_a_spot_in_the_middle_keeps_its_place_within_the_amounts(seed, degrees, pixels, scale):
    spot = torch.zeros(4, 1, 29, 29)
    spot[..., 12:17, 12:17] = 1.0
    after = shift_and_rotate(spot, generator=generator(seed), degrees=degrees, pixels=pixels, scale=scale)
    weights, places = after[:, 0], torch.arange(29.0)
    for axis in (1, 2):
        centre = (weights.sum(dim=3 - axis) * places).sum(dim=1) / weights.sum(dim=(1, 2))
        assert float((centre - 14).abs().max()) <= 1.5 * pixels + 0.2
    assert float(weights.min()) >= -1e-6
    assert float(weights.max()) <= 1 + 1e-5


moves = st.integers(-20, 20)


@limits(max_examples=60, deadline=None)
@given(dx=moves, dy=moves, fill=st.sampled_from([0.0, -0.4]))
def test_a_shift_is_a_roll_with_background_at_the_border(dx, dy, fill):
    before = images(2, side=12)
    expected = torch.roll(before, (dy, dx), dims=(-2, -1))
    rows, columns = torch.arange(12)[:, None] - dy, torch.arange(12)[None, :] - dx
    inside = (rows >= 0) & (rows < 12) & (columns >= 0) & (columns < 12)
    after = shift(before, dx, dy, fill=fill)
    assert torch.equal(after[..., inside], expected[..., inside])
    assert bool((after[..., ~inside] == torch.tensor(fill)).all())


def test_a_shift_takes_any_leading_axes_and_leaves_its_input():
    before = torch.arange(6).reshape(2, 3)
    assert shift(before, 1).tolist() == [[0, 0, 1], [0, 3, 4]]
    assert shift(before, 0, -1, fill=9).tolist() == [[3, 4, 5], [9, 9, 9]]
    assert before.tolist() == [[0, 1, 2], [3, 4, 5]]
