"""The guide's training function: rates by depth, the best weights kept, killed and resumed, on two processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from course_utils import ROOT, finetuning
from course_utils.data.batches import TensorBatches
from course_utils.finetuning import optimizer_groups, train_transfer_model
from course_utils.models import transfer
from course_utils.saved_run import SavedRunError

ENV = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}

SCRIPT = """
import sys, time
import torch
from accelerate import Accelerator
from accelerate.utils import DataLoaderConfiguration
from safetensors.torch import save_file
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from course_utils.finetuning import train_transfer_model

out, folder, epochs, pause, mode = sys.argv[1:]
torch.manual_seed(0)
made = torch.Generator().manual_seed(1)
inputs = torch.randn(48, 6, generator=made)
labels = inputs[:, :3].argmax(dim=1)
drop = nn.Dropout(0.3 if mode == "plain" else 0.0)
model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), drop, nn.Linear(16, 3))
train = DataLoader(TensorDataset(inputs[:32], labels[:32]), 8, shuffle=True, generator=torch.Generator().manual_seed(2))
validation = DataLoader(TensorDataset(inputs[32:45], labels[32:45]), 4)  # 13 examples: ragged on every process

class Slow:
    def __len__(self): return len(train)
    def __iter__(self):
        for batch in train:
            time.sleep(float(pause))
            yield batch
    generator = train.generator

accelerator = None
if mode == "accelerate":
    accelerator = Accelerator(cpu=True, dataloader_config=DataLoaderConfiguration(split_batches=True))
history = train_transfer_model(model, Slow() if float(pause) else train, validation, int(epochs), rates=[0.02],
                               folder=folder if folder != "-" else None, accelerator=accelerator)
if accelerator is None or accelerator.is_main_process:
    numbers = [[row.train_loss, row.train_accuracy, row.validation_loss, row.validation_accuracy] for row in history]
    save_file({**model.state_dict(), "history": torch.tensor(numbers, dtype=torch.float64)}, out)
if accelerator is not None:
    accelerator.end_training()
"""


def data(count=40, seed=0):
    made = torch.Generator().manual_seed(seed)
    return torch.randn(count, 6, generator=made), torch.randint(3, (count,), generator=made)


def batches(seed=0, count=40, shuffled=True):
    source = torch.Generator().manual_seed(seed) if shuffled else None
    return TensorBatches(*data(count, seed), 8, generator=source)


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.4), nn.Linear(16, 3))


def command(script, *words, processes=1):
    start = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"] if processes == 2 else []
    return [sys.executable, *start, str(script), *map(str, words)]


def run(*command_words):
    done = subprocess.run(command_words, env=ENV, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    file = tmp_path_factory.mktemp("script") / "train.py"
    file.write_text(SCRIPT, encoding="utf-8")
    return file


# What it does


def test_it_learns_and_prints_a_line_an_epoch_as_the_guide_does(capsys):
    model = network()
    history = train_transfer_model(model, batches(), batches(1), 3, rates=[0.01])
    lines = capsys.readouterr().out.splitlines()
    assert [row.epoch for row in history] == [1, 2, 3]
    assert history[-1].train_loss < history[0].train_loss
    first = history[0]
    assert (
        lines[0] == f"Epoch 1: Loss: {first.train_loss:.4f}, Accuracy: {100 * first.validation_accuracy:.2f}%"
    )
    assert len(lines) == 4
    assert lines[-1].startswith("Best Accuracy: ")


def test_the_best_epoch_is_in_the_network_and_of_equals_the_earlier(monkeypatch, capsys):
    accuracies = iter([0.2, 0.5, 0.5, 0.1])
    seen = []

    def measured(model, loader, loss):
        seen.append({name: value.clone() for name, value in model.state_dict().items()})
        return finetuning.Metrics(1.0, next(accuracies))

    monkeypatch.setattr(finetuning.training, "evaluate", measured)
    model = network()
    train_transfer_model(model, batches(), batches(1), 4, rates=[0.05])
    assert all(torch.equal(value, seen[1][name]) for name, value in model.state_dict().items())
    assert "(epoch 2, now in the network)" in capsys.readouterr().out


def test_the_rates_fall_to_a_tenth_after_so_many_epochs(monkeypatch):
    rates = []
    original = finetuning.training.train_one_epoch

    def spy(model, loader, loss, optimizer):
        rates.append(optimizer.param_groups[0]["lr"])
        return original(model, loader, loss, optimizer)

    monkeypatch.setattr(finetuning.training, "train_one_epoch", spy)
    train_transfer_model(network(), batches(), batches(1), 5, rates=[0.1], step_size=2)
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001])


def test_nothing_is_written_without_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train_transfer_model(network(), batches(), batches(1), 1)
    assert list(tmp_path.iterdir()) == []


# Rates by depth


def test_a_pretrained_network_has_the_guides_three_rates_by_depth():
    model = transfer.create_finetuned_model(3, backbone="efficientnet_lite0")
    transfer.freeze(model, trained=2)
    groups = optimizer_groups(model, (1e-3, 1e-4, 1e-5))
    assert [group["lr"] for group in groups] == [1e-3, 1e-4, 1e-5]
    assert groups[0]["params"] == list(model.classifier.parameters())
    inside = {id(p) for group in groups for p in group["params"]}
    assert inside == {id(p) for p in model.parameters() if p.requires_grad}


def test_a_resnet_too():
    model = transfer.create_backbone("resnet18", pretrained=False)
    groups = optimizer_groups(model, (1e-3, 1e-4, 1e-5))
    assert [group["lr"] for group in groups] == [1e-3, 1e-4, *[1e-5] * 4]
    assert groups[1]["params"] == list(model.layer4.parameters())


def test_another_network_has_one_group_without_what_is_frozen():
    model = network()
    model[0].requires_grad_(False)
    [group] = optimizer_groups(model, (0.01, 0.001))
    assert group["lr"] == 0.01
    assert len(group["params"]) == 4


def test_a_network_that_cannot_learn_is_refused():
    with pytest.raises(ValueError, match="every parameter of the network is frozen"):
        train_transfer_model(network().requires_grad_(False), batches(), batches(1), 1)
    with pytest.raises(ValueError, match="got no learning rate"):
        train_transfer_model(network(), batches(), batches(1), 1, rates=())


def test_no_batch_is_refused():
    with pytest.raises(ValueError, match="got no batch"):
        train_transfer_model(network(), [], batches(1), 1)


# Kept and resumed


def test_stopped_and_resumed_it_ends_as_if_it_had_not_been(tmp_path):
    whole, resumed = network(), network()
    expected = train_transfer_model(whole, batches(), batches(1), 4, rates=[0.02], folder=tmp_path / "whole")
    torch.manual_seed(0)
    network()
    for epochs in (2, 4):
        found = train_transfer_model(
            resumed, batches(), batches(1), epochs, rates=[0.02], folder=tmp_path / "two"
        )
    assert [vars(a) | {"seconds": 0} for a in found] == [vars(b) | {"seconds": 0} for b in expected]
    assert all(torch.equal(value, resumed.state_dict()[name]) for name, value in whole.state_dict().items())
    best = load_file(tmp_path / "two" / "best_model.safetensors")
    assert all(torch.equal(value, best[name]) for name, value in resumed.state_dict().items())


def test_a_finished_run_is_only_read(tmp_path, capsys):
    model = network()
    first = train_transfer_model(model, batches(), batches(1), 2, folder=tmp_path)
    other = network(seed=5)
    assert train_transfer_model(other, batches(), batches(1), 2, folder=tmp_path) == first
    assert f"{tmp_path}: going on after epoch 2" in capsys.readouterr().out
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in other.state_dict().items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rates": [0.5]}, r"training with rates \[0.001\], this one has \[0.5\]"),
        ({"step_size": 1}, "with step_size 5, this one has 1"),
    ],
)
def test_another_training_is_not_gone_on_with(tmp_path, change, message):
    train_transfer_model(network(), batches(), batches(1), 1, folder=tmp_path)
    with pytest.raises(SavedRunError, match=message):
        train_transfer_model(network(), batches(), batches(1), 2, folder=tmp_path, **change)
    with pytest.raises(SavedRunError, match="with training batches 5, this one has 3"):
        train_transfer_model(network(), batches(count=24), batches(1), 2, folder=tmp_path)
    with pytest.raises(SavedRunError, match="with weights"):
        train_transfer_model(nn.Linear(6, 3), batches(), batches(1), 2, folder=tmp_path)


def test_a_killed_process_goes_on_and_ends_with_the_same_weights(script, tmp_path):
    run(*command(script, tmp_path / "whole.safetensors", tmp_path / "whole", 4, 0.01, "plain"))
    words = (tmp_path / "resumed.safetensors", tmp_path / "killed", 4, 0.2, "plain")
    victim = subprocess.Popen(command(script, *words), env=ENV, stdout=subprocess.DEVNULL)
    state = tmp_path / "killed" / "state.pt"
    deadline = time.monotonic() + 120
    while not state.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.3)  # in the middle of the second epoch
    victim.send_signal(signal.SIGKILL)
    assert victim.wait() == -signal.SIGKILL
    assert not words[0].exists()
    done = run(*command(script, *words[:3], 0.01, "plain"))
    assert "going on after epoch" in done.stdout
    assert done.stderr == ""
    whole, resumed = (load_file(tmp_path / f"{name}.safetensors") for name in ("whole", "resumed"))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    names = {file.name for file in (tmp_path / "killed").iterdir()}
    assert {"state.pt", "best_model.safetensors", "last-4.safetensors"} <= names
    assert len(names) == 4  # and the best epoch's own


# Under Accelerate


def test_one_process_under_accelerate_gives_the_same():
    plain, prepared = network(), network()
    loaders = [[DataLoader(TensorDataset(*data(40, s)), 8) for s in (0, 1)] for _ in range(2)]
    torch.manual_seed(1)
    expected = train_transfer_model(plain, *loaders[0], 2)
    torch.manual_seed(1)
    found = train_transfer_model(prepared, *loaders[1], 2, accelerator=Accelerator(cpu=True))
    assert [row.validation_loss for row in found] == [row.validation_loss for row in expected]
    assert all(torch.equal(value, prepared.state_dict()[name]) for name, value in plain.state_dict().items())


def test_accelerate_shares_out_data_loaders_only():
    with pytest.raises(TypeError, match="got a TensorBatches, expected a DataLoader"):
        train_transfer_model(network(), batches(), batches(1), 1, accelerator=Accelerator(cpu=True))


def test_two_processes_give_the_weights_of_one_also_when_resumed(script, tmp_path):
    files = [tmp_path / f"{name}.safetensors" for name in ("one", "two", "resumed")]
    run(*command(script, files[0], "-", 4, 0, "accelerate"))
    done = run(*command(script, files[1], tmp_path / "whole", 4, 0, "accelerate", processes=2))
    for epochs in (2, 4):
        run(*command(script, files[2], tmp_path / "parts", epochs, 0, "accelerate", processes=2))
    one, two, resumed = map(load_file, files)
    for name in one:
        torch.testing.assert_close(two[name], one[name], rtol=0, atol=2e-6)
        torch.testing.assert_close(resumed[name], two[name], rtol=0, atol=0)
    assert len([line for line in done.stdout.splitlines() if line.startswith("Epoch ")]) == 4
    assert Path(tmp_path / "whole" / "best_model.safetensors").exists()
