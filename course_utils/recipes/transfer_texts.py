"""Chapter 04, texts: four ways to train MiniLM on film reviews, and two rivals that start from nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from transformers import PreTrainedTokenizerBase

from course_utils import CHECKPOINTS, checkpoints, runtime, settings
from course_utils.data import assets
from course_utils.data.text import LengthSampler, Reviews, Texts, load_reviews
from course_utils.models import bert
from course_utils.recipes.text_probes import linear_probe, lstm_answers, tfidf_probe

RATES = {"last layers": 2e-4, "LoRA": 2e-3, "everything": 1e-4}
"""Step size of each way to train the encoder, set once beforehand; the head has `HEAD_RATE`."""
HEAD_RATE = 1e-3
SNIPPETS, EPOCHS, DRAWS = 500, 3, 2


def fine_tune(
    model: bert.BERTClassifier,
    texts: Texts,
    tokenizer: PreTrainedTokenizerBase,
    *,
    rate: float,
    epochs: int,
    seed: int,
    max_length: int = 64,
) -> list[float]:
    """Train a text classifier, batches of 16 of similar length; both rates rise, then fall.

    Args:
        model: Changed in place; what is frozen stays as it is.
        texts: With their labels.
        tokenizer: Of the same model.
        rate: Largest step size of the encoder; the head has `HEAD_RATE`.
        epochs: Passes over the texts.
        seed: Decides batches and dropout.
        max_length: Most pieces of a text.

    Returns:
        The loss at each step, nats.

    See: chapter 04, "Fine-tuning a text network".
    """
    torch.manual_seed(seed)
    encoder = [parameter for parameter in model.bert.parameters() if parameter.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": encoder, "lr": rate},
        {"params": model.classifier.parameters(), "lr": HEAD_RATE},
    ]
    groups = groups if encoder else groups[1:]
    optimizer, source = torch.optim.AdamW(groups), runtime.generator(seed)
    steps = epochs * -(-len(texts.labels) // 16)
    highest = [group["lr"] for group in groups]
    rise = max(0.1, 2 / steps)  # a step at least
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, highest, total_steps=steps, pct_start=rise)
    losses = []
    model.train()
    for _ in range(epochs):
        for pieces, labels, _ in text_batches(model, texts, tokenizer, 16, source, max_length=max_length):
            loss = nn.functional.cross_entropy(model(**pieces), labels)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
            losses.append(loss.detach())
    return torch.stack(losses).tolist()


def text_batches(
    model: nn.Module,
    texts: Texts,
    tokenizer: PreTrainedTokenizerBase,
    size: int,
    source: torch.Generator | None = None,
    *,
    max_length: int = 64,
) -> Iterator[tuple[dict[str, torch.Tensor], torch.Tensor, list[int]]]:
    """Yield batches of texts of similar length: the two inputs of a `BERTClassifier`, labels, row numbers.

    Args:
        model: It decides the device.
        texts: With their labels.
        tokenizer: Of the same model.
        size: Texts in a batch.
        source: Shuffles; without one the batches go from short to long.
        max_length: Most pieces of a text.

    See: chapter 04, "Fine-tuning a text network".
    """
    device = next(model.parameters()).device
    lengths = [len(text.split()) for text in texts.texts]
    for rows in LengthSampler(lengths, size, source):
        pieces = bert.tokenize_text([texts.texts[row] for row in rows], tokenizer, max_length).to(device)
        labels = torch.tensor([texts.labels[row] for row in rows], device=device)
        yield {name: pieces[name] for name in ("input_ids", "attention_mask")}, labels, rows


@torch.inference_mode()
def answers(model: nn.Module, texts: Texts, tokenizer: PreTrainedTokenizerBase) -> npt.NDArray[np.int64]:
    """Return the class that a text classifier finds for each text, shape (N,).

    See: chapter 04, "Fine-tuning a text network".
    """
    model.eval()
    found = np.zeros(len(texts.labels), dtype=np.int64)
    for pieces, _, rows in text_batches(model, texts, tokenizer, 32):
        found[rows] = model(**pieces).argmax(dim=1).cpu().numpy()
    return found


def draws_of(reviews: Reviews, count: int, seed: int) -> list[Texts]:
    """Return some random draws of `SNIPPETS` training reviews."""
    pick = np.random.default_rng(seed)
    rows = [pick.permutation(len(reviews.train.labels))[:SNIPPETS].tolist() for _ in range(count)]
    return [reviews.train.chosen(chosen) for chosen in rows]


def judged(reviews: Reviews) -> Texts:
    """Return every second test review: those that the shipped trainings are judged by."""
    return reviews.test.chosen(range(0, len(reviews.test.labels), 2))


Answer = Callable[[], npt.NDArray[np.int64]]


def rivals_of(draw: Texts, reviews: Reviews, test: Texts, seed: int) -> dict[str, Callable[[], Answer]]:
    """Return what sends no gradient through the encoder: for each name a training, which returns what answers."""
    tokenizer, encoder = bert.load_tokenizer("minilm"), bert.load_encoder("minilm")

    def probe() -> Answer:
        train = bert.embed(draw.texts, tokenizer, encoder)["mean"].numpy()
        return lambda: linear_probe(
            train, draw.labels, bert.embed(test.texts, tokenizer, encoder)["mean"].numpy()
        )

    def tfidf() -> Answer:
        found = tfidf_probe(draw.texts, draw.labels, test.texts)
        return lambda: found

    def lstm() -> Answer:
        found = lstm_answers(draw, reviews.validation, test, seed=seed)
        return lambda: found

    return {"head only": probe, "TF-IDF": tfidf, "LSTM from scratch": lstm}


def tune(
    model: bert.BERTClassifier, draw: Texts, test: Texts, rate: float, seed: int, losses: list[float]
) -> Answer:
    """Fine-tune MiniLM on one draw, note its losses, and return what answers."""
    tokenizer = bert.load_tokenizer("minilm")
    losses += fine_tune(model, draw, tokenizer, rate=rate, epochs=EPOCHS, seed=seed)
    return partial(answers, model, test, tokenizer)


def run_arm(arm: str, train: Callable[[], Answer], truth: Sequence[int]) -> dict[str, Any]:
    """Run one training; return accuracy, CPU-seconds of training, and which answers were right, packed as hex."""
    started = time.process_time()
    answer = train()
    seconds = round(time.process_time() - started, 1)
    right = answer() == np.array(truth)
    packed = np.packbits(right).tobytes().hex()
    return {"arm": arm, "accuracy": round(float(right.mean()), 4), "seconds": seconds, "right": packed}


def rights_of(run: Mapping[str, Any], count: int) -> npt.NDArray[np.float64]:
    """Return 1 for each right answer of a shipped run and 0 for each wrong one, shape (count,)."""
    packed = np.frombuffer(bytes.fromhex(run["right"]), dtype=np.uint8)
    return np.unpackbits(packed, count=count).astype(float)


def make_texts(name: str, *, seed: int = 0, folder: Path = CHECKPOINTS) -> None:
    """Train MiniLM in each way on two draws of 500 reviews, and its rivals; six CPU-minutes.

    Shipped is what the first LoRA training changed: the adapter and the head.

    Args:
        name: Of the shipped file.
        seed: Decides the draws.
        folder: Where it goes.
    """
    runtime.setup(settings.load("04", "fast", seed=seed, device="cpu"))
    reviews = load_reviews("film_reviews", seed=seed)
    test, runs, adapted = judged(reviews), [], []
    for number, draw in enumerate(draws_of(reviews, DRAWS, seed)):
        for arm, train in rivals_of(draw, reviews, test, seed + number).items():
            runs.append(run_arm(arm, train, test.labels) | {"draw": number})
        for arm, rate in RATES.items():
            torch.manual_seed(seed + number)
            model = bert.BERTClassifier("minilm", trainable=arm)
            losses: list[float] = []
            train = partial(tune, model, draw, test, rate, seed + number, losses)
            run = run_arm(arm, train, test.labels)
            moving = sum(p.numel() for p in model.parameters() if p.requires_grad)
            curve = [
                round(sum(losses[i : i + 8]) / len(losses[i : i + 8]), 4) for i in range(0, len(losses), 8)
            ]
            runs.append(run | {"draw": number, "parameters": moving, "losses": curve})
            adapted += [model] if arm == "LoRA" else []
    known = assets.assets()
    story = {
        "command": "course checkpoints 04",
        "seed": seed,
        "data": {name: [m.sha256 for m in known[name].members] for name in ("film_reviews", "minilm")},
        "settings": {"snippets": SNIPPETS, "epochs": EPOCHS, "rates": RATES, "head_rate": HEAD_RATE},
        "runs": runs,
        "metrics": {"test_accuracy": next(run["accuracy"] for run in runs if run["arm"] == "LoRA")},
    }
    checkpoints.save(bert.Trained(adapted[0]), name, story, folder=folder)
