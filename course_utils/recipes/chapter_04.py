"""Chapter 04: pretrained features against training from scratch on photographs, and which stages learn, on emoji."""

from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from course_utils import CHECKPOINTS, checkpoints, runtime, settings
from course_utils.data import assets, cifar
from course_utils.data.images import ImagePart, Images, standardise
from course_utils.data.pictures import load_images
from course_utils.models import transfer
from course_utils.models.cnn import PooledCNN
from course_utils.recipes import cifar_photographs, transfer_texts
from course_utils.recipes import transfer_pictures as recipe

BACKBONE, SIDE = "efficientnet_lite0", 96
SIZES, DRAWS, TUNED = (5, 10, 20, 50, 200), 3, (10, 50)
"""Photographs of each class, draws of each size, and the sizes at which the last two stages are fine-tuned too."""
EACH = 30
"""Emoji of each class for the fine-tuning."""
ONE_RATE = (1e-3,)
ARMS = (
    ("head", 0, (1e-3,)),
    ("head", 0, (1e-2,)),
    ("1 stage", 1, ONE_RATE),
    ("2 stages", 2, ONE_RATE),
    ("2 stages", 2, (1e-3, 1e-4, 1e-5)),
    ("2 stages", 2, (1e-2, 1e-3, 1e-4)),
    ("3 stages", 3, ONE_RATE),
    ("all stages", 8, ONE_RATE),
    ("from scratch", 8, ONE_RATE),
)
"""(name, stages that learn, rates: head, last stage, the one before). In trials on emoji 0.001 did best; nothing else
was tuned."""
SMALL_EPOCHS = 5
"""How many times as many epochs chapter 2's network gets as the others, in a run of its own."""


def make_photographs(epochs: int = 6, *, seed: int = 0, folder: Path = CHECKPOINTS) -> None:
    """Make `04_photographs`: probe, neighbours, fine-tuning and a network from scratch, about two minutes.

    What is shipped as weights is the probe of the first draw at the largest size, as one linear layer.

    Args:
        epochs: Of the fine-tuning.
        seed: Decides the test photographs and the draws.
        folder: Where it goes.
    """
    runtime.setup(settings.load("04", "fast", seed=seed, device="cpu"))
    pixels, labels, official, data = cifar_photographs.load_photographs()
    pool, test = cifar_photographs.split_photographs(labels, official, test_each=100, seed=seed)
    pool = pool[recipe.few_of_each(torch.from_numpy(labels)[pool], 300, seed=seed)]
    mean, std = map(torch.tensor, transfer.NORMALISATION[BACKBONE])
    part = {
        name: ImagePart(standardise(pixels[rows], mean, std), torch.from_numpy(labels[rows]))
        for name, rows in (("pool", pool.numpy()), ("test", test.numpy()))
    }
    model = recipe.fresh_model(len(cifar.CLASSES), BACKBONE, trained=0, pretrained=True, seed=seed)
    cached = {name: transfer.cached_features(model, images, SIDE) for name, (images, _) in part.items()}
    runs: list[dict[str, Any]] = []
    probe: nn.Linear | None = None
    for draw in range(DRAWS):
        for count in SIZES:
            start = DRAWS * seed + draw
            rows = recipe.few_of_each(part["pool"].labels, count, seed=start)
            right, fitted = _frozen_arms(cached, part, rows)
            right["from scratch"] = _from_scratch(part, rows, start)
            if count in TUNED:
                right["2 stages"] = _tuned(part, rows, epochs, start)
            probe = fitted if draw == 0 and count == SIZES[-1] else probe
            runs += [{"arm": arm, "each": count, "draw": start, **_packed(right[arm])} for arm in right]
    assert probe is not None
    story = {
        "command": "course checkpoints 04",
        "seed": seed,
        "data": data,
        "tested": len(test),
        "epochs": epochs,
        "runs": runs,
        "metrics": {"living_or_made": living_or_made(model, probe)},
    }
    checkpoints.save(probe, "04_photographs", story, folder=folder)


def _frozen_arms(
    cached: dict[str, torch.Tensor], part: dict[str, ImagePart], rows: torch.Tensor
) -> tuple[dict[str, torch.Tensor], nn.Linear]:
    features, labels = cached["pool"][rows].numpy(), part["pool"].labels[rows].numpy()
    arms = {"probe": recipe.linear_probe(), "neighbours": recipe.nearest_neighbours()}
    found = {}
    for name, arm in arms.items():
        said = arm.fit(features, labels).predict(cached["test"].numpy())
        found[name] = torch.from_numpy(said) == part["test"].labels
    return found, recipe.folded(arms["probe"])


def _from_scratch(part: dict[str, ImagePart], rows: torch.Tensor, seed: int) -> torch.Tensor:
    images, labels = part["pool"].images[rows], part["pool"].labels[rows]
    steps = recipe.scratch_steps(len(rows))
    model = recipe.train_from_scratch(images, labels, len(cifar.CLASSES), seed=seed, steps=steps)
    return recipe.right_by_picture(model, part["test"])


def _tuned(part: dict[str, ImagePart], rows: torch.Tensor, epochs: int, seed: int) -> torch.Tensor:
    model = recipe.fresh_model(len(cifar.CLASSES), BACKBONE, trained=2, pretrained=True, seed=seed)
    network, groups = recipe.tail(model, 2), transfer.parameter_groups(model, ONE_RATE)
    train = ImagePart(part["pool"].images[rows], part["pool"].labels[rows])
    seen, test = (
        ImagePart(recipe.maps_before(model, p.images, 2, SIDE), p.labels) for p in (train, part["test"])
    )
    recipe.fit_and_time(network, groups, seen, seen, epochs=epochs, seed=seed)
    return recipe.right_by_picture(network, test)


def _packed(right: torch.Tensor) -> dict[str, Any]:
    """Return the same for many test pictures: the answers as hexadecimal digits, four pictures each."""
    bits = np.packbits(right.numpy())
    return {"test": round(float(right.float().mean()), 4), "right": bits.tobytes().hex()}


def _told(right: torch.Tensor) -> dict[str, Any]:
    """Return what a story keeps of the answers to the test pictures."""
    return {"test": round(float(right.float().mean()), 4), "wrong": (~right).nonzero().flatten().tolist()}


ANIMALS = 398
"""ImageNet's first so many classes are animals."""


@torch.inference_mode()
def living_or_made(model: nn.Module, probe: nn.Module) -> float:
    """Return on how many of the course's twenty photographs the probe says rightly: an animal, or not.

    CIFAR-10's photographs are not in the course; this can be measured again without them.

    Args:
        model: Frozen, of `transfer`.
        probe: From its features to CIFAR-10's ten classes.

    Returns:
        0 to 1.
    """
    mean, std = map(torch.tensor, transfer.NORMALISATION[BACKBONE])
    files = sorted(assets.fetch("photographs").glob("*.jpg"))
    shrunk = [Image.open(file).convert("RGB").resize((32, 32), Image.Resampling.BOX) for file in files]
    images = standardise(np.stack([np.asarray(picture) for picture in shrunk]), mean, std)
    said = probe(transfer.cached_features(model, images, SIDE)).argmax(dim=1)
    animal = torch.tensor([2 <= row <= 7 for row in said])  # bird, cat, deer, dog, frog, horse
    truth = torch.tensor([int(file.stem.split("_")[-1]) < ANIMALS for file in files])
    return float((animal == truth).float().mean())


def make_pictures(epochs: int = 6, draws: int = 2, *, seed: int = 0, folder: Path = CHECKPOINTS) -> None:
    """Make `04_pictures`: which stages learn, and how fast, on few emoji; about four minutes.

    Every arm gets the same draws and epochs; none was tuned. Frozen stages compute their maps once. What is shipped
    as weights is the head that learned alone, at the higher rate, of the first draw.

    Args:
        epochs: Of every arm; chapter 2's network has a second run with five times as many.
        draws: Of the training emoji; each also starts the heads and orders anew.
        seed: Decides the draws, and which emoji are for validation.
        folder: Where it goes.
    """
    runtime.setup(settings.load("04", "fast", seed=seed, device="cpu"))
    images = load_images("emoji", seed=seed, original=True, scale=transfer.NORMALISATION[BACKBONE])
    held_out: dict[tuple[int, bool], list[ImagePart]] = {}
    runs, head = [], None
    for start in range(draws * seed, draws * (seed + 1)):
        rows = recipe.few_of_each(images.train.labels, EACH, seed=start)
        train = ImagePart(images.train.images[rows], images.train.labels[rows])
        for arm in ARMS:
            run, model = _arm(images, train, arm, epochs, start, held_out)
            head = model if run["rates"] == [1e-2] and start == draws * seed else head
            runs.append(run)
        runs += [_small(images, train, epochs * times, start) for times in (1, SMALL_EPOCHS)]
    assert head is not None
    test = fmean(run["test"] for run in runs if run["rates"] == [1e-2] and run["draw"] == draws * seed)
    names = ("emoji_pictures", "emoji_names")
    story = {
        "command": "course checkpoints 04",
        "seed": seed,
        "data": {name: [member.sha256 for member in assets.assets()[name].members] for name in names},
        "each": EACH,
        "pictures": len(train.labels),
        "tested": len(images.test.labels),
        "epochs": epochs,
        "runs": runs,
        "metrics": {"test_accuracy": test},
    }
    checkpoints.save(transfer.head(head), "04_pictures", story, folder=folder)


def _arm(
    images: Images,
    train: ImagePart,
    arm: tuple[str, int, tuple[float, ...]],
    epochs: int,
    seed: int,
    held_out: dict[tuple[int, bool], list[ImagePart]],
) -> tuple[dict[str, Any], nn.Module]:
    name, trained, rates = arm
    pretrained = name != "from scratch"
    model = recipe.fresh_model(
        len(images.classes), BACKBONE, trained=trained, pretrained=pretrained, seed=seed
    )

    def maps(part: ImagePart) -> ImagePart:
        return ImagePart(recipe.maps_before(model, part.images, trained, SIDE), part.labels)

    (seen, before), network = recipe.timed(lambda: maps(train)), recipe.tail(model, trained)
    if (trained, pretrained) not in held_out:
        held_out[trained, pretrained] = [maps(images.validation), maps(images.test)]
    validation, test = held_out[trained, pretrained]
    groups = transfer.parameter_groups(model, rates)
    told = recipe.fit_and_time(network, groups, seen, validation, epochs=epochs, seed=seed)
    told |= {"arm": name, "trained": trained, "rates": list(rates), "draw": seed, "before": before}
    return {**told, **_told(recipe.right_by_picture(network, test))}, model


def _small(images: Images, train: ImagePart, epochs: int, seed: int) -> dict[str, Any]:
    torch.manual_seed(seed)
    model = PooledCNN(recipe.SCRATCH_WIDTHS, len(images.classes))
    seen, validation, test = (
        ImagePart(transfer.enlarge(part.images, recipe.SCRATCH_SIDE), part.labels)
        for part in (train, images.validation, images.test)
    )
    groups = [{"params": list(model.parameters()), "lr": 3e-3}]
    told = recipe.fit_and_time(model, groups, seen, validation, epochs=epochs, seed=seed)
    told |= {
        "arm": f"small network, {epochs} epochs",
        "trained": 0,
        "rates": [3e-3],
        "draw": seed,
        "before": 0.0,
    }
    return {**told, **_told(recipe.right_by_picture(model, test))}


MAKERS = {
    "04_photographs": make_photographs,
    "04_pictures": make_pictures,
    "04_texts": partial(transfer_texts.make_texts, "04_texts"),
}
"""What makes each shipped checkpoint, by its name."""
