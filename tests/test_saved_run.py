"""A training on disk: one whole state at any moment, and generators that go on where they were."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from course_utils import saved_run
from course_utils.data.batches import TensorBatches

SETTINGS = {"rates": [0.1]}


def state(**more):
    return {"settings": SETTINGS, **more}


def weights(value):
    return {"w": torch.full((2, 3), float(value))}


def test_what_was_written_is_read_and_older_weights_are_gone(tmp_path):
    folder = tmp_path / "new" / "run"
    assert saved_run.read(folder, SETTINGS) is None
    for epoch, best in ((1, 1), (2, 1), (3, 3)):
        saved_run.write_state(folder, epoch, weights(epoch), (best, weights(best)), state(history=[epoch]))
    found = saved_run.read(folder, SETTINGS)
    assert found["history"] == [3]
    assert (found["best_epoch"], found["last"]["w"][0, 0], found["best"]["w"][0, 0]) == (3, 3, 3)
    names = sorted(file.name for file in folder.iterdir())
    assert names == ["best-3.safetensors", "last-3.safetensors", "state.pt"]


@pytest.mark.parametrize("step", ["save_file", "torch.save", "replace"])
def test_a_kill_while_it_writes_leaves_the_epoch_before(tmp_path, monkeypatch, step):
    saved_run.write_state(tmp_path, 1, weights(1), (1, weights(1)), state(epoch=1))

    def killed(*arguments, **named):
        raise KeyboardInterrupt

    target = {"save_file": "course_utils.saved_run.save_file", "torch.save": "torch.save"}
    monkeypatch.setattr(target.get(step, "pathlib.Path.replace"), killed)
    with pytest.raises(KeyboardInterrupt):
        saved_run.write_state(tmp_path, 2, weights(2), (2, weights(2)), state(epoch=2))
    monkeypatch.undo()
    found = saved_run.read(tmp_path, SETTINGS)
    assert (found["epoch"], found["last"]["w"][0, 0], found["best"]["w"][0, 0]) == (1, 1, 1)


def test_scratch_of_a_killed_process_is_cleared_away(tmp_path):
    (tmp_path / "part-abc").mkdir()
    (tmp_path / "part-abc" / "state.pt").touch()
    saved_run.write_state(tmp_path, 1, weights(1), (1, weights(1)), state())
    assert not (tmp_path / "part-abc").exists()


def test_another_training_is_refused_with_what_differs(tmp_path):
    saved_run.write_state(tmp_path, 1, weights(1), (1, weights(1)), state())
    with pytest.raises(saved_run.SavedRunError, match=r"with rates \[0.1\], this one has \[0.2\]"):
        saved_run.read(tmp_path, {"rates": [0.2]})
    with pytest.raises(saved_run.SavedRunError, match="…"):
        saved_run.read(tmp_path, {"rates": list(range(100))})


def test_global_generators_go_on_where_they_were(tmp_path):
    random.gauss(0, 1)
    np.random.standard_normal()  # both have a second number in store now
    two = {
        name: torch.stack([value, value]) for name, value in saved_run.random_state().items()
    }  # of processes
    torch.save(two, tmp_path / "random.pt")

    def draw():
        return (
            random.gauss(0, 1),
            random.random(),
            np.random.standard_normal(2).tolist(),
            torch.rand(3).tolist(),
        )

    expected = draw()
    draw()
    read = torch.load(tmp_path / "random.pt", weights_only=True)
    saved_run.set_random_state({name: value[1] for name, value in read.items()})
    assert draw() == expected


def test_the_generators_of_loaders_are_found_once_each():
    one, two = torch.Generator(), torch.Generator()
    data = TensorDataset(torch.zeros(4, 2), torch.zeros(4))
    loader = DataLoader(data, 2, shuffle=True, generator=one)
    kept = TensorBatches(torch.zeros(4, 2), torch.zeros(4), 2, generator=two)
    found = saved_run.generators([loader, kept, [(1, 2)], loader])
    assert len(found) == 2
    assert found[0] is one
    assert found[1] is two
