"""Pretrained features, fine-tuning and training from scratch on few pictures: results too long for a lesson.

See: chapter 04, "How far does it carry?" and "Fine-tuning".
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.optim import lr_scheduler

from course_utils import runtime
from course_utils.data.batches import TensorBatches
from course_utils.data.images import ImagePart
from course_utils.models import transfer
from course_utils.models.cnn import PooledCNN
from course_utils.training import evaluate, train_one_epoch

SCRATCH_SIDE, SCRATCH_WIDTHS = 32, (24, 48, 96)
"""Pixels and maps of the network that starts from nothing: chapter 2's network for the emoji."""


def few_of_each(labels: torch.Tensor, count: int, *, seed: int) -> torch.Tensor:
    """Return random rows, at most so many of each class; with one seed the smaller choice lies in the larger.

    Args:
        labels: Class indices, shape (N,).
        count: Rows of each class; a class that has fewer gives all it has.
        seed: Of the draw.

    Returns:
        Row numbers, int64, on the CPU.

    See: chapter 04, "How far does it carry?".
    """
    order = torch.randperm(len(labels), generator=runtime.generator(seed))
    mixed = labels.cpu()[order]
    return torch.cat([order[mixed == label][:count] for label in mixed.unique()])


def linear_probe() -> Pipeline:
    """Return a logistic regression for standardised features, not fitted; its C was set before any test.

    See: chapter 04, "How far does it carry?".
    """
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))


def nearest_neighbours(k: int = 5) -> KNeighborsClassifier:
    """Return the vote of the `k` training rows at the smallest angle, not fitted; a tie goes to the smaller label.

    See: chapter 04, "How far does it carry?".
    """
    return KNeighborsClassifier(k, metric="cosine")


def folded(probe: Pipeline) -> nn.Linear:
    """Return a fitted probe as the one linear layer that it is, standardisation included."""
    scaler, regression = probe[0], probe[-1]
    weight = regression.coef_ / scaler.scale_
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.weight.data = torch.from_numpy(weight).float()
    layer.bias.data = torch.from_numpy(regression.intercept_ - weight @ scaler.mean_).float()
    return layer


def scratch_steps(pictures: int) -> int:
    """Return how many gradient steps the network from scratch gets: more for more pictures, 145 for 90."""
    return int(30 * pictures**0.35)


def train_from_scratch(
    images: torch.Tensor, labels: torch.Tensor, classes: int, *, seed: int, steps: int
) -> PooledCNN:
    """Train chapter 2's network on pictures, shape (N, 3, 32, 32), on their device; the rate rises and falls.

    See: chapter 04, "How far does it carry?".
    """
    torch.manual_seed(seed)
    model = PooledCNN(SCRATCH_WIDTHS, classes).to(images.device)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    scheduler = lr_scheduler.OneCycleLR(optimizer, max_lr=3e-3, total_steps=steps)
    images = images.contiguous(memory_format=torch.channels_last)  # faster
    batches = endless(TensorBatches(images, labels, 64, generator=runtime.generator(seed)))
    for _ in range(steps):
        train_one_epoch(model, [next(batches)], nn.CrossEntropyLoss(), optimizer)
        scheduler.step()
    return model.eval()


def endless(batches: TensorBatches) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield batches, pass after pass."""
    while True:
        yield from batches


def fresh_model(classes: int, backbone: str, *, trained: int, pretrained: bool, seed: int) -> nn.Module:
    """Return a model of `transfer` whose last stages learn; without `pretrained` there is nothing of ImageNet in it.

    Its weights lie in memory channel by channel of each place: same numbers, a third to a half of the time saved.
    """
    torch.manual_seed(seed)
    model = transfer.create_backbone(backbone, pretrained=pretrained)
    transfer.replace_head(model, classes)
    return transfer.freeze(model, trained=trained).to(memory_format=torch.channels_last)


def tail(model: nn.Module, trained: int) -> nn.Sequential:
    """Return the part of a model of `transfer` that learns: its last stages, the mean over places, the head.

    See: chapter 04, "Fine-tuning".
    """
    stages = transfer.stages(model)
    return nn.Sequential(
        *stages[len(stages) - trained :], nn.AdaptiveAvgPool2d(1), nn.Flatten(), transfer.head(model)
    )


@torch.no_grad()
def maps_before(model: nn.Module, images: torch.Tensor, trained: int, side: int) -> torch.Tensor:
    """Return what the frozen stages make of pictures, once, in evaluation mode: the input of `tail`.

    Nothing is augmented: a picture that changed in every epoch would need new maps in every epoch.

    Args:
        model: Of `transfer`; it decides the device.
        images: Standardised for it, shape (N, 3, h, h).
        trained: Stages that are not frozen, counted from the head.
        side: Pixels to which the pictures are enlarged first.

    Returns:
        Shape (N, maps, h, w), on the model's device; the enlarged pictures themselves if all stages are trained.

    See: chapter 04, "Fine-tuning".
    """
    stages = transfer.stages(model)
    frozen = nn.Sequential(*stages[: len(stages) - trained]).eval()
    device = transfer.head(model).weight.device
    return torch.cat([frozen(transfer.enlarge(batch.to(device), side)) for batch in images.split(16)])


def timed(work: Callable[[], ImagePart]) -> tuple[ImagePart, float]:
    """Return what some work gives, and its CPU time in seconds."""
    started = time.process_time()
    return work(), round(time.process_time() - started, 2)


def fit_and_time(
    network: nn.Module,
    groups: Sequence[dict[str, Any]],
    train: ImagePart,
    validation: ImagePart,
    *,
    epochs: int,
    seed: int,
) -> dict[str, Any]:
    """Train with Adam, batches of 32, all rates falling along a cosine; measure after each epoch.

    Args:
        network: Trained in place.
        groups: Of the optimiser, each with its rate.
        train: Inputs of the network, with labels.
        validation: Likewise.
        epochs: Passes over the training inputs.
        seed: Decides the order.

    Returns:
        `validation`, the accuracy after each epoch; `seconds`, the CPU time of training up to its end;
        `parameters`, how many moved.
    """
    optimizer, loss_fn = torch.optim.Adam(groups), nn.CrossEntropyLoss()
    scheduler = lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    batches = TensorBatches(*train, 32, generator=runtime.generator(seed))
    held_out, seconds, accuracy = TensorBatches(*validation, 256), [0.0], []
    for _ in range(epochs):
        started = time.process_time()
        train_one_epoch(network, batches, loss_fn, optimizer)
        seconds.append(seconds[-1] + time.process_time() - started)
        scheduler.step()
        accuracy.append(round(evaluate(network, held_out, loss_fn).accuracy, 4))
    moving = sum(p.numel() for group in groups for p in group["params"])
    return {
        "validation": accuracy,
        "seconds": [round(second, 2) for second in seconds[1:]],
        "parameters": moving,
    }


@torch.inference_mode()
def right_by_picture(model: nn.Module, part: ImagePart) -> torch.Tensor:
    """Return for each picture whether a network, left in evaluation mode, is right; bool, shape (N,), on the CPU."""
    model.eval()
    said = torch.cat([model(batch).argmax(dim=1) for batch in part.images.split(256)])
    return (said == part.labels).cpu()


def unpacked(answers: str, count: int) -> npt.NDArray[np.float64]:
    """Return the answers of a run of `04_photographs`, 1 for right and 0 for wrong, shape (count,).

    Args:
        answers: As the story keeps them: hexadecimal digits of four pictures each.
        count: Test pictures.
    """
    return np.unpackbits(np.frombuffer(bytes.fromhex(answers), np.uint8))[:count].astype(np.float64)
