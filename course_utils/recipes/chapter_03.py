"""Chapter 03: a character model."""

import math
import zlib
from pathlib import Path

import torch
from torch import nn

from course_utils import CHECKPOINTS, checkpoints, runtime, settings
from course_utils.data import assets
from course_utils.data.text import Reviews, build_char_vocab, encode_characters, load_reviews
from course_utils.models.recurrent import CharLSTM


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


MAKERS = {"03_characters": make_char_lstm}
"""What makes each shipped checkpoint, by its name."""
