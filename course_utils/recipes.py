"""Trainings whose results are shipped as checkpoints: `python -m course_utils.recipes 01` makes those of a chapter."""

import math
import sys
import zlib
from collections.abc import Callable
from functools import partial
from statistics import fmean
from typing import Any

import torch
from torch import nn
from torch.optim import lr_scheduler

from course_utils import checkpoints, runtime, settings
from course_utils.data import assets
from course_utils.data.augment import random_flip, shift_and_rotate
from course_utils.data.batches import TensorBatches
from course_utils.data.digits import Digits, load_digits
from course_utils.data.images import Images, load_images
from course_utils.data.text import Reviews, build_char_vocab, encode_characters, load_reviews
from course_utils.models.cnn import CNN, PooledCNN
from course_utils.models.recurrent import CharLSTM
from course_utils.models.simple import SimpleNN
from course_utils.training import Epoch, evaluate, fit


def train_drawn_digit(
    digits: Digits, *, epochs: int, seed: int, device: torch.device
) -> tuple[SimpleNN, list[Epoch]]:
    """Train the first network on digits that are moved, turned and scaled anew in every epoch.

    See: chapter 01, "Draw a digit".
    """
    torch.manual_seed(seed)
    model = SimpleNN().to(device)
    shuffle, jitter = runtime.generator(seed), runtime.generator(seed + 1)
    augment = partial(
        shift_and_rotate, generator=jitter, degrees=15, pixels=3, scale=0.1, fill=digits.background
    )
    train = TensorBatches(*digits.train, 64, generator=shuffle, augment=augment)
    validation = TensorBatches(*digits.validation, 1000)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    history = fit(model, train, validation, nn.CrossEntropyLoss(), optimizer, epochs=epochs)
    return model, history


def make_drawn_digit(epochs: int = 200) -> None:
    """Make `01_drawn_digit`: the drawn-digit network, trained on the 5,000 digits for about 25 s."""
    config = settings.load("01", "fast", device="cpu")
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
    checkpoints.save(model, "01_drawn_digit", story)


def train_digit_cnn(
    digits: Digits,
    *,
    widths: tuple[int, int],
    epochs: int,
    seed: int,
    device: torch.device,
    augmented: bool,
) -> tuple[CNN, list[Epoch]]:
    """Train the guide's CNN on digits, as they are or moved, turned and scaled anew in every epoch.

    See: chapter 02, "Augmentation where it matters".
    """
    torch.manual_seed(seed)
    model = CNN(widths).to(device)
    jitter = runtime.generator(seed + 1)
    change = partial(
        shift_and_rotate, generator=jitter, degrees=15, pixels=3, scale=0.1, fill=digits.background
    )
    shuffle = runtime.generator(seed)
    train = TensorBatches(*digits.train, 64, generator=shuffle, augment=change if augmented else None)
    validation = TensorBatches(*digits.validation, 1000)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
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
    jitter = runtime.generator(seed + 1)
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


def make_digit_cnn(epochs: int = 30) -> None:
    """Make `02_drawn_digit`: the guide's CNN on changed digits, for about a minute."""
    config = settings.load("02", "fast", device="cpu")
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
    checkpoints.save(model, "02_drawn_digit", story)


EMOJI_ARMS = (
    ("constant", "none"),
    ("step", "none"),
    ("one-cycle", "none"),
    ("cosine", "none"),
    ("one-cycle", "shifts"),
    ("one-cycle", "flips and rotations"),
)
"""What is compared for the emoji: (schedule, augmentation)."""


def make_emoji(epochs: int = 16, seeds: tuple[int, ...] = (0, 1)) -> None:
    """Make `02_emoji`: four schedules and three augmentations with two seeds each, about five minutes.

    The split is that of seed 0 for all; the arm with the best mean on the validation set is shipped, with its
    first seed, and it alone is measured on the test set.
    """
    config = settings.load("02", "fast", device="cpu")
    device = runtime.setup(config)
    images = load_images("emoji", seed=0)
    runs: list[dict[str, Any]] = []
    models: dict[tuple[str, str], PooledCNN] = {}
    for schedule, augmentation in EMOJI_ARMS:
        for seed in seeds:
            model, history = train_pictures(
                images,
                widths=tuple(config.widths),
                epochs=epochs,
                learning_rate=config.picture_rate,
                schedule=schedule,
                augmentation=augmentation,
                seed=seed,
                device=device,
            )
            models.setdefault((schedule, augmentation), model)
            curve = [round(epoch.validation_accuracy, 4) for epoch in history]
            arm = {"schedule": schedule, "augmentation": augmentation, "seed": seed, "validation": curve}
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
    checkpoints.save(models[best], "02_emoji", story)


def character_streams(reviews: Reviews) -> tuple[torch.Tensor, torch.Tensor, list[str]]:
    """Join the reviews of the training and validation films to one text, and those of the test films to another.

    The test films are the same for every seed, so that no shipped checkpoint has seen them.

    Returns:
        Character indices of both texts, int64, shape (characters,), and the character of each index.

    See: chapter 03, "A network that writes".
    """
    known = "\n".join(sorted(reviews.train.texts + reviews.validation.texts, key=hash_of_text))
    vocab = build_char_vocab(known)
    test = encode_characters("\n".join(reviews.test.texts), vocab)
    return encode_characters(known, vocab), test, list(vocab)


def hash_of_text(text: str) -> int:
    """Return a number that puts texts into an arbitrary order, the same on every machine."""
    return zlib.crc32(text.encode())


def train_char_lstm(
    stream: torch.Tensor, vocab_size: int, *, steps: int, seed: int, device: torch.device
) -> tuple[CharLSTM, list[float]]:
    """Train a character model on random windows of a text; the learning rate rises, then falls.

    Args:
        stream: Character indices, int64, shape (characters,).
        vocab_size: Different characters.
        steps: Gradient steps, each on 64 windows of 100 characters.
        seed: Decides the start and the windows.
        device: Where to compute.

    Returns:
        The model and its loss at each step, bits per character.

    See: chapter 03, "A network that writes".
    """
    torch.manual_seed(seed)
    model, pick = CharLSTM(vocab_size).to(device), runtime.generator(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=5e-3, total_steps=steps, pct_start=0.1)
    losses = []
    for _ in range(steps):
        starts = torch.randint(len(stream) - 101, (64, 1), generator=pick)
        windows = stream[starts + torch.arange(101)].to(device)  # (64, 101)
        logits, _ = model(windows[:, :-1])  # (64, 100, vocab_size)
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), windows[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        losses.append(loss.detach() / math.log(2))
    return model, torch.stack(losses).tolist()


@torch.inference_mode()
def bits_per_character(model: CharLSTM, stream: torch.Tensor, *, streams: int = 64) -> float:
    """Return the mean cost of a character in bits, the state carried through the text.

    Args:
        model: The language model.
        stream: Character indices, shape (characters,); cut into `streams` equal pieces that are read side by side.
        streams: How many pieces.

    See: chapter 03, "A network that writes".
    """
    device = next(model.parameters()).device
    pieces = stream[: len(stream) // streams * streams].reshape(streams, -1).to(device)  # (streams, T)
    logits, _ = model(pieces[:, :-1])
    loss = nn.functional.cross_entropy(logits.flatten(0, 1), pieces[:, 1:].flatten())
    return float(loss) / math.log(2)


def make_char_lstm(steps: int = 1200) -> None:
    """Make `03_characters`: the character model, trained on the film reviews for about six minutes."""
    config = settings.load("03", "fast", device="cpu")
    device = runtime.setup(config)
    known, test, characters = character_streams(load_reviews("film_reviews", seed=config.seed))
    model, losses = train_char_lstm(known, len(characters), steps=steps, seed=config.seed, device=device)
    story = {
        "command": "course checkpoints 03",
        "steps": steps,
        "seed": config.seed,
        "characters": "".join(characters),
        "data": {"film_reviews": [member.sha256 for member in assets.assets()["film_reviews"].members]},
        "losses": [round(sum(losses[i : i + 20]) / 20, 4) for i in range(0, steps, 20)],
        "metrics": {"test_bits_per_character": bits_per_character(model, test[:64_000])},
    }
    checkpoints.save(model, "03_characters", story)


MAKERS: dict[str, list[Callable[[], None]]] = {
    "01": [make_drawn_digit],
    "02": [make_digit_cnn, make_emoji],
    "03": [make_char_lstm],
}


def main(chapters: list[str]) -> None:
    """Make the checkpoints of some chapters, or of all."""
    unknown = [chapter for chapter in chapters if chapter not in MAKERS]
    if unknown:
        raise SystemExit(f"no checkpoints for {', '.join(unknown)}; there are some for {', '.join(MAKERS)}")
    for chapter in chapters or MAKERS:
        for make in MAKERS[chapter]:
            make()


if __name__ == "__main__":
    main(sys.argv[1:])
