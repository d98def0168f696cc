"""Chapter 03: a character model, and the guide's forecast of two noisy sines."""

import math
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import nn

from course_utils import CHECKPOINTS, checkpoints, runtime, settings
from course_utils.data import assets
from course_utils.data.series import Values
from course_utils.data.text import Reviews, build_char_vocab, encode_characters, load_reviews
from course_utils.models.recurrent import CharLSTM, TimeSeriesLSTM


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


def make_char_lstm(steps: int = 1200, *, seed: int = 0, folder: Path = CHECKPOINTS) -> None:
    """Make `03_characters`: the character model, trained on the film reviews for about six minutes."""
    config = settings.load("03", "fast", seed=seed, device="cpu")
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
    checkpoints.save(model, "03_characters", story, folder=folder)


def create_time_series(n_samples: int = 1000) -> Values:
    """Return the guide's series, two sines and noise; `np.random.seed` decides the noise.

    See: chapter 03, "The guide's forecast".
    """
    t = np.linspace(0, 100, n_samples)
    return np.sin(0.1 * t) + 0.5 * np.sin(0.3 * t) + 0.1 * np.random.randn(n_samples)


def create_sequences(data: Values, seq_length: int = 50) -> tuple[Values, Values]:
    """Return every window of a series, shape (N, seq_length), and the value after each, shape (N,).

    See: chapter 03, "The guide's forecast".
    """
    X, y = [], []
    for i in range(len(data) - seq_length):
        X.append(data[i : i + seq_length])
        y.append(data[i + seq_length])
    return np.array(X), np.array(y)


def train_full_batch(
    model: nn.Module, inputs: torch.Tensor, targets: torch.Tensor, *, epochs: int
) -> list[float]:
    """Train as the guide does, one gradient step an epoch on all windows at once; return the losses.

    See: chapter 03, "The guide's forecast".
    """
    criterion = nn.MSELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    losses = []
    model.train()
    for _ in range(epochs):
        optimizer.zero_grad()
        loss = criterion(model(inputs), targets)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return torch.stack(losses).tolist()


def make_guide_series(epochs: int = 100, *, seed: int = 0, folder: Path = CHECKPOINTS) -> None:
    """Make `03_guide_series`: the guide's forecaster after its 100 epochs, half a minute."""
    runtime.setup(settings.load("03", "fast", seed=seed, device="cpu"))
    np.random.seed(seed)
    X, y = (torch.FloatTensor(part).unsqueeze(-1) for part in create_sequences(create_time_series()))
    train_size = int(0.8 * len(X))
    torch.manual_seed(seed)
    model = TimeSeriesLSTM()
    losses = train_full_batch(model, X[:train_size], y[:train_size], epochs=epochs)
    with torch.inference_mode():
        error = (model.eval()(X[train_size:]) - y[train_size:]).pow(2).mean().sqrt()
    story = {
        "command": "course checkpoints 03",
        "seed": seed,
        "data": "made: create_time_series() after np.random.seed(seed)",
        "losses": [round(loss, 4) for loss in losses],
        "metrics": {"test_rmse": float(error)},
    }
    checkpoints.save(model, "03_guide_series", story, folder=folder)


MAKERS = {"03_characters": make_char_lstm, "03_guide_series": make_guide_series}
"""What makes each shipped checkpoint, by its name."""
