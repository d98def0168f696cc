"""Chapter 02: a small CNN on changed digits, and networks for colour pictures under several schedules."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from torch import nn
from torch.optim import lr_scheduler

from course_utils import CHECKPOINTS, checkpoints, runtime, settings
from course_utils.data import assets
from course_utils.data.augment import random_flip, shift_and_rotate
from course_utils.data.batches import TensorBatches
from course_utils.data.digits import Digits, load_digits
from course_utils.data.emoji import load_emoji
from course_utils.data.images import Images
from course_utils.models.cnn import PooledCNN, SmallCNN
from course_utils.recipes import guide_networks
from course_utils.training import Epoch, evaluate, fit


def train_digit_cnn(
    digits: Digits,
    *,
    widths: tuple[int, int],
    epochs: int,
    seed: int,
    device: torch.device,
    augmented: bool,
    degrees: float = 15,
    learning_rate: float = 1e-3,
) -> tuple[SmallCNN, list[Epoch]]:
    """Train the small CNN on digits, as they are or moved, turned and scaled anew in every epoch.

    See: chapter 02, "Augmentation where it matters".
    """
    torch.manual_seed(seed)
    model = SmallCNN(widths).to(device)
    jitter = runtime.generator(seed + 1, device)
    change = partial(
        shift_and_rotate, generator=jitter, degrees=degrees, pixels=3, scale=0.1, fill=digits.background
    )
    shuffle = runtime.generator(seed)
    train = TensorBatches(*digits.train, 64, generator=shuffle, augment=change if augmented else None)
    validation = TensorBatches(*digits.validation, 1000)
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    history = fit(model, train, validation, nn.CrossEntropyLoss(), optimizer, epochs=epochs)
    return model, history


def make_scheduler(name: str, optimizer: torch.optim.Optimizer, epochs: int) -> lr_scheduler.LRScheduler:
    """Return the schedule of that name; it is stepped once an epoch, and its peak is the optimiser's rate.

    Args:
        name: `"constant"`, `"step"` (the guide's: a tenth from half-way on), `"one-cycle"` or `"cosine"`.
        optimizer: Whose rate it moves.
        epochs: Of the whole training.

    See: chapter 02, "Project".
    """
    peak = optimizer.param_groups[0]["lr"]
    if name == "step":
        return lr_scheduler.StepLR(optimizer, step_size=max(1, epochs // 2), gamma=0.1)
    if name == "one-cycle":
        return lr_scheduler.OneCycleLR(optimizer, max_lr=peak, total_steps=epochs + 1)
    if name == "cosine":
        return lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    return lr_scheduler.ConstantLR(optimizer, factor=1.0)


def picture_augmentation(
    name: str, images: Images, seed: int
) -> Callable[[torch.Tensor], torch.Tensor] | None:
    """Return what changes a batch of pictures: `"none"`, `"shifts"` or `"flips and rotations"` (the guide's).

    See: chapter 02, "Project".
    """
    jitter = runtime.generator(seed + 1, images.train.images.device)
    move = partial(shift_and_rotate, generator=jitter, fill=images.background)
    if name == "shifts":
        return partial(move, degrees=0, pixels=3)
    if name == "flips and rotations":
        return lambda batch: move(random_flip(batch, generator=jitter), degrees=15, pixels=0)
    return None


def train_pictures(
    images: Images,
    *,
    widths: tuple[int, ...],
    epochs: int,
    learning_rate: float,
    schedule: str,
    augmentation: str,
    seed: int,
    device: torch.device,
) -> tuple[PooledCNN, list[Epoch]]:
    """Train the network with global average pooling on colour pictures.

    See: chapter 02, "Project".
    """
    torch.manual_seed(seed)
    model = PooledCNN(widths, len(images.classes)).to(device)
    change = picture_augmentation(augmentation, images, seed)
    train = TensorBatches(*images.train, 64, generator=runtime.generator(seed), augment=change)
    validation = TensorBatches(*images.validation, 500)
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    scheduler = make_scheduler(schedule, optimizer, epochs)
    loss_fn = nn.CrossEntropyLoss()
    history = fit(model, train, validation, loss_fn, optimizer, epochs=epochs, scheduler=scheduler)
    return model, history


def make_digit_cnn(epochs: int = 30, *, seed: int = 0, folder: Path = CHECKPOINTS) -> None:
    """Make `02_drawn_digit`: the small CNN on changed digits, for about a minute."""
    config = settings.load("02", "fast", seed=seed, device="cpu")
    device = runtime.setup(config)
    digits = load_digits("mnist_5k", seed=config.seed)
    model, _ = train_digit_cnn(
        digits, widths=(32, 64), epochs=epochs, seed=config.seed, device=device, augmented=True
    )
    test = evaluate(model, TensorBatches(*digits.test, 1000), nn.CrossEntropyLoss())
    story = {
        "command": "course checkpoints 02",
        "epochs": epochs,
        "seed": config.seed,
        "data": {"mnist_5k": [member.sha256 for member in assets.assets()["mnist_5k"].members]},
        "metrics": {"test_accuracy": test.accuracy},
    }
    checkpoints.save(model, "02_drawn_digit", story, folder=folder)


def load_digit_network() -> tuple[SmallCNN, dict[str, Any]]:
    """Return the shipped digit network, in evaluation mode on the CPU, and its story."""
    model = SmallCNN()
    story = checkpoints.load(model, "02_drawn_digit")
    return model.eval(), story


EMOJI_ARMS = (
    ("constant", "none"),
    ("step", "none"),
    ("one-cycle", "none"),
    ("cosine", "none"),
    ("one-cycle", "shifts"),
    ("one-cycle", "flips and rotations"),
)
"""What is compared for the emoji: (schedule, augmentation)."""


def make_emoji(epochs: int = 16, *, seed: int = 0, folder: Path = CHECKPOINTS) -> None:
    """Make `02_emoji`: four schedules and three augmentations with two seeds each, about five minutes.

    The split is the same for all; the arm with the best mean on the validation set is shipped, with its first
    seed, and it alone is measured on the test set.
    """
    config = settings.load("02", "fast", seed=seed, device="cpu")
    device = runtime.setup(config)
    images, seeds = load_emoji(seed=seed), (2 * seed, 2 * seed + 1)
    runs: list[dict[str, Any]] = []
    models: dict[tuple[str, str], PooledCNN] = {}
    for schedule, augmentation in EMOJI_ARMS:
        for start in seeds:
            model, history = train_pictures(
                images,
                widths=tuple(config.widths),
                epochs=epochs,
                learning_rate=config.picture_rate,
                schedule=schedule,
                augmentation=augmentation,
                seed=start,
                device=device,
            )
            models.setdefault((schedule, augmentation), model)
            curve = [round(epoch.validation_accuracy, 4) for epoch in history]
            arm = {"schedule": schedule, "augmentation": augmentation, "seed": start, "validation": curve}
            runs.append({**arm, "train_loss": [round(epoch.train_loss, 4) for epoch in history]})
    means = {
        arm: fmean(run["validation"][-1] for run in runs if (run["schedule"], run["augmentation"]) == arm)
        for arm in EMOJI_ARMS
    }
    best = max(means, key=lambda arm: means[arm])
    test = evaluate(models[best], TensorBatches(*images.test, 500), nn.CrossEntropyLoss())
    names = ("emoji_pictures", "emoji_names")
    story = {
        "command": "course checkpoints 02",
        "epochs": epochs,
        "seed": seeds[0],
        "arm": {"schedule": best[0], "augmentation": best[1]},
        "runs": runs,
        "data": {name: [member.sha256 for member in assets.assets()[name].members] for name in names},
        "metrics": {"test_accuracy": test.accuracy},
    }
    checkpoints.save(models[best], "02_emoji", story, folder=folder)


def make_guide(*, epochs: int | None = None, seed: int = 0, folder: Path = CHECKPOINTS) -> None:
    """Make `02_guide`: both of the guide's networks and their rivals, about eight minutes.

    What is shipped as weights is the small CNN of the digits after ten epochs, with the first seed; the other
    trainings are told in the story: their curves, and which test pictures they got wrong.

    Args:
        epochs: Of every training instead of its own number.
        seed: Of the first training; the others follow.
        folder: Where it goes.
    """
    runtime.setup(settings.load("02", "fast", seed=seed, device="cpu"))
    runs: list[dict[str, Any]] = []
    kept: dict[tuple[str, int], tuple[nn.Module, dict[str, Any]]] = {}
    for name, own in guide_networks.DIGIT_ARMS:
        for start in guide_networks.starts(seed):
            model, run = guide_networks.train_digit_network(name, own if epochs is None else epochs, start)
            kept.setdefault((name, own), (model, run))
            runs.append(run)
    runs += [guide_networks.vector_machine(start) for start in guide_networks.starts(seed)]
    model, run = kept["small CNN", 10]
    names = ("mnist_5k", "emoji_pictures", "emoji_names")
    story = {
        "command": "course checkpoints 02",
        "seed": run["seed"],
        "digits": runs,
        "pictures": guide_networks.ladder(seed, 20 if epochs is None else epochs),
        "data": {name: [member.sha256 for member in assets.assets()[name].members] for name in names},
        "metrics": {"test_accuracy": 1 - len(run["wrong"]) / 1000},
    }
    checkpoints.save(model, "02_guide", story, folder=folder)


MAKERS = {"02_drawn_digit": make_digit_cnn, "02_emoji": make_emoji, "02_guide": make_guide}
"""What makes each shipped checkpoint, by its name."""
