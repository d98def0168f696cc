"""The guide's loop and test: they print what the guide prints, and train as the course's own loop does."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from course_utils import guide
from course_utils.models.mlp import SimpleNN
from course_utils.training import evaluate, train_one_epoch


@pytest.fixture
def data():
    torch.manual_seed(0)
    return TensorDataset(torch.randn(70, 4), torch.arange(70) % 3)


def test_it_trains_as_the_courses_loop_does(data, capsys):
    model, loss_fn = nn.Linear(4, 3), nn.CrossEntropyLoss()
    other = copy.deepcopy(model)
    loader = DataLoader(data, batch_size=32)  # batches of 32, 32 and 6
    guide.train_model(model, loader, loss_fn, torch.optim.SGD(model.parameters(), lr=0.1), epochs=2)
    optimizer = torch.optim.SGD(other.parameters(), lr=0.1)
    ours = [train_one_epoch(other, loader, loss_fn, optimizer) for _ in range(2)]
    assert torch.equal(model.weight, other.weight)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Epoch 1, Batch 0, Loss: ")
    assert lines[-1].startswith("Epoch 2 Average Loss: ")
    assert len(lines) == 4
    assert float(lines[-1].split()[-1]) != pytest.approx(
        ours[-1].loss, abs=1e-4
    )  # six examples count as 32 do


def test_it_measures_what_evaluate_measures(data, capsys):
    model = nn.Sequential(nn.Dropout(0.5), nn.Linear(4, 3)).train()
    percent = guide.test_model(model, DataLoader(data, batch_size=32))
    assert not model.training
    assert percent == pytest.approx(100 * evaluate(model, [data[:]], nn.CrossEntropyLoss()).accuracy)
    assert capsys.readouterr().out == f"Test Accuracy: {percent:.2f}%\n"


def test_epochs_default_to_five(data, capsys):
    model = nn.Linear(4, 3)
    guide.train_model(
        model, DataLoader(data, 70), nn.CrossEntropyLoss(), torch.optim.Adam(model.parameters())
    )
    assert capsys.readouterr().out.count("Average Loss") == 5


class GuideNN(nn.Module):
    """The first network as the guide writes it."""

    def __init__(self):
        super(GuideNN, self).__init__()  # noqa: UP008 - as in the guide
        self.fc1 = nn.Linear(784, 128)
        self.fc2 = nn.Linear(128, 64)
        self.fc3 = nn.Linear(64, 10)

    def forward(self, x):
        x = x.view(-1, 784)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        x = self.fc3(x)
        return x


def test_simple_nn_is_the_guides_network():
    theirs, ours, images = GuideNN(), SimpleNN(), torch.randn(5, 1, 28, 28)
    ours.load_state_dict(theirs.state_dict())
    assert torch.equal(ours(images), theirs(images))
    wrong = torch.randn(5, 1, 28, 56)  # `view` makes ten images of five; `Flatten` refuses
    assert theirs(wrong).shape == (10, 10)
    with pytest.raises(RuntimeError, match="shapes"):
        ours(wrong)
