"""Runtime: the same seed gives the same numbers, and a device that is not there is not taken."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from course_utils import claims, runtime, settings


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def draws():
    return random.random(), float(np.random.rand()), float(torch.rand(1))


def test_the_same_seed_gives_the_same_draws():
    runtime.seed_all(3)
    first = draws()
    runtime.seed_all(3)
    assert draws() == first
    runtime.seed_all(4)
    assert all(new != old for new, old in zip(draws(), first, strict=True))


def test_a_generator_neither_follows_nor_moves_the_global_one():
    runtime.seed_all(0)
    expected = draws()
    runtime.seed_all(0)
    own = torch.rand(3, generator=runtime.generator(7))
    assert draws() == expected
    assert torch.equal(torch.rand(3, generator=runtime.generator(7)), own)
    assert not torch.equal(torch.rand(3, generator=runtime.generator(8)), own)


def test_auto_takes_the_fastest_device(monkeypatch):
    monkeypatch.setattr(runtime, "devices", lambda: {"cuda": False, "mps": True, "cpu": True})
    assert runtime.choose_device().type == "mps"
    assert runtime.choose_device("cpu").type == "cpu"


def test_a_device_that_is_not_there_is_answered_with_those_that_are(monkeypatch):
    monkeypatch.setattr(runtime, "devices", lambda: {"cuda": False, "mps": True, "cpu": True})
    with pytest.raises(runtime.DeviceError, match="'cuda' is not available here; this machine has mps, cpu"):
        runtime.choose_device("cuda")


def test_every_machine_has_a_cpu():
    assert runtime.devices()["cpu"]


def test_setup_seeds_sets_threads_and_begins_a_list_of_claims(threads):
    config = settings.load("01", seed=5, device="cpu", overrides={"threads": 1})
    assert runtime.setup(config) == torch.device("cpu")
    first = draws()
    assert torch.get_num_threads() == 1
    assert claims._made == {}
    assert claims._run == {"profile": "fast", "overrides": {"threads": 1}}
    runtime.setup(config)
    assert draws() == first


def test_zero_threads_leave_the_choice_to_pytorch(threads):
    before = torch.get_num_threads()
    runtime.setup(settings.load("01", device="cpu", overrides={"threads": 0}))
    assert torch.get_num_threads() == before
