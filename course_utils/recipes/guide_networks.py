"""The guide's two networks trained as it trains them, and what each change brings: results too long for a lesson.

See: chapter 02, "The guide's CNN" and "What each change brings".
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from sklearn import svm
from torch import nn
from torch.optim import lr_scheduler

from course_utils import runtime
from course_utils.data.augment import random_flip, shift_and_rotate
from course_utils.data.batches import TensorBatches
from course_utils.data.digits import load_digits
from course_utils.data.emoji import load_emoji
from course_utils.data.images import Images
from course_utils.models.cnn import CIFAR10_CNN, CNN, SmallCNN
from course_utils.training import Epoch, fit

WIDE, NARROW = (64, 128, 256, 512), (16, 32, 64, 128)
STEPS = ("as written", "a quarter as wide", "no augmentation", "with BatchNorm", "a rate that falls to zero")
"""Each step of the ladder keeps all the changes before it; the first takes twelve times as long as the others."""


def starts(seed: int) -> list[int]:
    """Return the seeds of the three trainings of each kind."""
    return [3 * seed, 3 * seed + 1, 3 * seed + 2]


def with_batch_norm(model: CIFAR10_CNN) -> CIFAR10_CNN:
    """Put BatchNorm behind every convolution of the guide's network."""
    for name in ("conv1", "conv2", "conv3", "conv4"):
        convolution = getattr(model, name)
        setattr(model, name, nn.Sequential(convolution, nn.BatchNorm2d(convolution.out_channels)))
    return model


def guide_augmentation(images: Images, seed: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return the guide's changes of a batch: half of the pictures mirrored, all turned by up to 10 degrees."""
    jitter = runtime.generator(seed + 1)
    turn = partial(shift_and_rotate, generator=jitter, degrees=10, pixels=0, fill=images.background)
    return lambda batch: turn(random_flip(batch, generator=jitter))


def train_step(images: Images, step: int, *, seed: int, epochs: int) -> tuple[CIFAR10_CNN, list[Epoch]]:
    """Train the guide's network for colour pictures with the first so many changes of `STEPS`.

    As the guide does: Adam at 0.001, batches of 128, a tenth of the rate from epoch 11 on.
    """
    torch.manual_seed(seed)
    model = CIFAR10_CNN(num_classes=len(images.classes), widths=WIDE if step == 0 else NARROW)
    model = with_batch_norm(model) if step >= 3 else model
    change = guide_augmentation(images, seed) if step < 2 else None
    train = TensorBatches(*images.train, 128, generator=runtime.generator(seed), augment=change)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    schedule = (
        lr_scheduler.StepLR(optimizer, 10, 0.1)
        if step < 4
        else lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    )
    validation, loss_fn = TensorBatches(*images.validation, 500), nn.CrossEntropyLoss()
    return model, fit(model, train, validation, loss_fn, optimizer, epochs=epochs, scheduler=schedule)


@torch.inference_mode()
def wrong_answers(model: nn.Module, inputs: torch.Tensor, labels: torch.Tensor) -> list[int]:
    """Return the rows that a network gets wrong."""
    found: list[int] = (model.eval()(inputs).argmax(dim=1) != labels).nonzero().flatten().tolist()
    return found


def ladder(seed: int, epochs: int) -> list[dict[str, Any]]:
    """Train every step with three seeds on one split; the wide network, as written, with one."""
    images, runs = load_emoji(seed=seed), []
    for step, name in enumerate(STEPS):
        for start in starts(seed)[: 1 if step == 0 else None]:
            model, history = train_step(images, step, seed=start, epochs=epochs)
            wrong = wrong_answers(model, *images.test)
            runs.append({"step": name, "seed": start, **curves(history), "wrong": wrong})
    return runs


def curves(history: list[Epoch]) -> dict[str, list[float]]:
    """Return what a story keeps of a history."""
    return {
        "train_loss": [round(epoch.train_loss, 4) for epoch in history],
        "validation": [round(epoch.validation_accuracy, 4) for epoch in history],
    }


DIGIT_ARMS = (("the guide's CNN", 10), ("small CNN", 3), ("small CNN", 10))
"""(network, epochs). The guide's at a constant rate, as written; the small one with a rate that falls to zero."""


def train_digit_network(name: str, epochs: int, seed: int) -> tuple[nn.Module, dict[str, Any]]:
    """Train one network on the digits; the seed decides its start and which digits are for validation."""
    digits = load_digits("mnist_5k", seed=seed)
    torch.manual_seed(seed)
    small = name == "small CNN"
    model: nn.Module = SmallCNN() if small else CNN()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.002 if small else 0.001)
    schedule = lr_scheduler.CosineAnnealingLR(optimizer, epochs) if small else None
    train = TensorBatches(*digits.train, 64, generator=runtime.generator(seed))
    validation, loss_fn = TensorBatches(*digits.validation, 1000), nn.CrossEntropyLoss()
    history = fit(model, train, validation, loss_fn, optimizer, epochs=epochs, scheduler=schedule)
    run = {"network": name, "epochs": epochs, "seed": seed, **curves(history)}
    return model, {**run, "wrong": wrong_answers(model, *digits.test)}


def vector_machine(seed: int) -> dict[str, Any]:
    """Fit the rival of chapter 1 to the same training digits."""
    digits = load_digits("mnist_5k", seed=seed)
    flat = [part.images.flatten(1).numpy() for part in (digits.train, digits.test)]
    fitted = svm.SVC(C=10).fit(flat[0], digits.train.labels.numpy())
    wrong = np.flatnonzero(fitted.predict(flat[1]) != digits.test.labels.numpy())
    return {"network": "support vector machine", "epochs": 0, "seed": seed, "wrong": wrong.tolist()}
