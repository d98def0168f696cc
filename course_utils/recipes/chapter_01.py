"""Chapter 01: the drawn-digit network."""

from functools import partial
from pathlib import Path

import torch
from torch import nn

from course_utils import CHECKPOINTS, checkpoints, runtime, settings
from course_utils.data import assets
from course_utils.data.augment import shift_and_rotate
from course_utils.data.batches import TensorBatches
from course_utils.data.digits import Digits, load_digits
from course_utils.models.mlp import SimpleNN
from course_utils.training import Epoch, evaluate, fit


def train_drawn_digit(
    digits: Digits, *, epochs: int, seed: int, device: torch.device
) -> tuple[SimpleNN, list[Epoch]]:
    """Train the first network on digits that are moved, turned and scaled anew in every epoch.

    See: chapter 01, "Draw a digit".
    """
    torch.manual_seed(seed)
    model = SimpleNN().to(device)
    shuffle, jitter = runtime.generator(seed), runtime.generator(seed + 1, device)
    augment = partial(
        shift_and_rotate, generator=jitter, degrees=15, pixels=3, scale=0.1, fill=digits.background
    )
    train = TensorBatches(*digits.train, 64, generator=shuffle, augment=augment)
    validation = TensorBatches(*digits.validation, 1000)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    history = fit(model, train, validation, nn.CrossEntropyLoss(), optimizer, epochs=epochs)
    return model, history


def make_drawn_digit(epochs: int = 200, *, seed: int = 0, folder: Path = CHECKPOINTS) -> None:
    """Make `01_drawn_digit`: the drawn-digit network, trained on the 5,000 digits for about 25 s."""
    config = settings.load("01", "fast", seed=seed, device="cpu")
    device = runtime.setup(config)
    digits = load_digits("mnist_5k", seed=config.seed)
    model, _ = train_drawn_digit(digits, epochs=epochs, seed=config.seed, device=device)
    test = evaluate(model, TensorBatches(*digits.test, 1000), nn.CrossEntropyLoss())
    story = {
        "command": "course checkpoints 01",
        "epochs": epochs,
        "seed": config.seed,
        "data": {"mnist_5k": [member.sha256 for member in assets.assets()["mnist_5k"].members]},
        "metrics": {"test_accuracy": test.accuracy},
    }
    checkpoints.save(model, "01_drawn_digit", story, folder=folder)


MAKERS = {"01_drawn_digit": make_drawn_digit}
"""What makes each shipped checkpoint, by its name."""
