"""Chapter 06: a text LSTM that can be exported, and five networks in nine precisions."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from course_utils import CHECKPOINTS, checkpoints, runtime, settings
from course_utils.data import assets
from course_utils.data.batches import TensorBatches
from course_utils.data.digits import Digits, load_digits
from course_utils.data.pictures import load_images
from course_utils.data.text import PAD, Reviews, build_vocab, load_reviews, text_to_sequence
from course_utils.models import bert, transfer
from course_utils.models.recurrent import PooledTextLSTM
from course_utils.recipes.chapter_02 import load_digit_network
from course_utils.recipes.precision import PLAIN, Array, Subject, compare_precisions
from course_utils.recipes.transfer_pictures import folded, linear_probe
from course_utils.training import fit

WORDS, VOCABULARY = 40, 9000
"""Words of a review that are read, and entries of the vocabulary: 9,000 × 32 numbers are most of the network."""
SIDE, TEXTS, PIECES, KNOWN = 96, 400, 64, 1000
"""Pixels of a picture; test reviews, their pieces, and reviews from which the sentence model's head learns."""
CONSTANT = 1e-6
"""Spread of a feature that says nothing, as three of MiniLM's: standardised, its rounding errors would decide."""
DRAWS, CALIBRATION = 3, 64
"""Draws for calibration, and training inputs in each."""
DATA = ("mnist_5k", "emoji_pictures", "emoji_names", "film_reviews", "efficientnet_lite0", "minilm")


class UnpackedTextLSTM(PooledTextLSTM):
    """Chapter 3's text network without packing, so that it can be exported: its LSTM reads the padding too.

    Args:
        vocab_size: Entries of the vocabulary; index 0 is padding.

    See: chapter 06, "Which network, which precision?".
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map word indices, shape (N, T), padded with 0 at the end, to logits, shape (N, num_classes)."""
        outputs, _ = self.lstm(self.dropout(self.embedding(x)))  # (N, T, 2 * hidden_dim)
        outputs = outputs.masked_fill((x == PAD).unsqueeze(2), -1)
        return self.fc(self.dropout(outputs.amax(dim=1)))  # type: ignore[no-any-return]


class SentenceClassifier(nn.Module):
    """MiniLM, the mean over the real pieces, and a linear head.

    Args:
        encoder: As `bert.load_encoder` gives it.
        head: From its width to the classes.

    See: chapter 06, "Which network, which precision?".
    """

    def __init__(self, encoder: nn.Module, head: nn.Linear) -> None:
        """Keep both."""
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Map pieces and their mask, shape (N, T) each, to logits, shape (N, classes)."""
        outputs = self.encoder(input_ids=input_ids, attention_mask=attention_mask)
        return self.head(bert.pool(outputs, attention_mask, "mean"))  # type: ignore[no-any-return]


def encode_reviews(texts: list[str], vocab: dict[str, int]) -> torch.Tensor:
    """Return word indices, shape (N, 40), padded with 0."""
    return torch.tensor([text_to_sequence(text, vocab, WORDS) for text in texts])


def train_text_lstm(reviews: Reviews, *, epochs: int, seed: int) -> UnpackedTextLSTM:
    """Return the text LSTM, trained on the training reviews, in evaluation mode."""
    vocab = build_vocab(reviews.train.texts, max_size=VOCABULARY)
    torch.manual_seed(seed)
    model = UnpackedTextLSTM(len(vocab))
    parts = [
        (encode_reviews(p.texts, vocab), torch.tensor(p.labels)) for p in (reviews.train, reviews.validation)
    ]
    train = TensorBatches(*parts[0], 128, generator=runtime.generator(seed))
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    fit(model, train, TensorBatches(*parts[1], 500), nn.CrossEntropyLoss(), optimizer, epochs=epochs)
    return model.eval()


def train_wide_mlp(digits: Digits, *, epochs: int, seed: int) -> nn.Module:
    """Return a network of large matrices for the digits, 784-2048-2048-10, in evaluation mode."""
    torch.manual_seed(seed)
    first, second = [nn.Linear(784, 2048), nn.ReLU()], [nn.Linear(2048, 2048), nn.ReLU()]
    model = nn.Sequential(nn.Flatten(), *first, *second, nn.Linear(2048, 10))
    train = TensorBatches(*digits.train, 128, generator=runtime.generator(seed))
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-4)
    fit(model, train, TensorBatches(*digits.validation, 500), nn.CrossEntropyLoss(), optimizer, epochs=epochs)
    return model.eval()


def drawn_from(inputs: torch.Tensor, count: int = CALIBRATION) -> Callable[[int], tuple[Array, ...]]:
    """Return what draws so many of the inputs, shape (N, …), by a seed."""

    def draw(seed: int) -> tuple[Array, ...]:
        return (inputs[torch.randperm(len(inputs), generator=runtime.generator(seed))[:count]].numpy(),)

    return draw


def digit_subject(name: str, model: nn.Module, digits: Digits) -> Subject:
    """Return a network for digits, with the test digits."""
    labels = digits.test.labels.numpy()
    return Subject(name, model, (digits.test.images,), labels, drawn_from(digits.train.images), rows=250)


def picture_subject() -> Subject:
    """Return EfficientNet-Lite0 with chapter 4's head for nine groups of emoji, and the test emoji at 96 pixels."""
    head = nn.Linear(1280, 9)
    story = checkpoints.load(head, "04_pictures")
    scale = transfer.NORMALISATION["efficientnet_lite0"]
    images = load_images("emoji", seed=story["seed"], original=True, scale=scale)
    model = transfer.create_finetuned_model(len(images.classes), backbone="efficientnet_lite0")
    transfer.head(model).load_state_dict(head.state_dict())

    def calibration(seed: int) -> tuple[Array, ...]:
        (rows,) = drawn_from(images.train.images)(seed)
        return (transfer.enlarge(torch.from_numpy(rows), SIDE).numpy(),)

    inputs = (transfer.enlarge(images.test.images, SIDE),)
    labels = images.test.labels.numpy()
    return Subject("EfficientNet-Lite0", model.eval(), inputs, labels, calibration, rows=32)


def lstm_subject(reviews: Reviews, model: nn.Module) -> Subject:
    """Return the text LSTM, and some test reviews; the training reviews decide the vocabulary."""
    vocab = build_vocab(reviews.train.texts, max_size=VOCABULARY)
    inputs, train = (encode_reviews(p.texts, vocab) for p in (reviews.test, reviews.train))
    labels = np.asarray(reviews.test.labels)
    axes: tuple[dict[int, str], ...] = ({0: "batch", 1: "words"},)
    return Subject("text LSTM", model, (inputs,), labels, drawn_from(train), dynamic=axes, rows=500)


def two_logits(one: nn.Linear) -> nn.Linear:
    """Return a layer of one logit as one of two, whose softmax says the same: half of it against, half for."""
    layer, signs = nn.Linear(one.in_features, 2), torch.tensor([-0.5, 0.5])
    layer.load_state_dict({"weight": signs[:, None] * one.weight.data, "bias": signs * one.bias.data})
    return layer


def sentence_subject(reviews: Reviews) -> Subject:
    """Return MiniLM with a linear head, fitted on some training reviews, and some test reviews."""
    tokenizer, encoder = bert.load_tokenizer("minilm"), bert.load_encoder("minilm")
    features = bert.embed(reviews.train.texts[:KNOWN], tokenizer, encoder, max_length=PIECES)["mean"].numpy()
    features[:, features.std(axis=0) < CONSTANT] = 0
    head = two_logits(folded(linear_probe().fit(features, reviews.train.labels[:KNOWN])))

    def calibration(seed: int) -> tuple[Array, ...]:
        rows = torch.randperm(len(reviews.train.texts), generator=runtime.generator(seed))[:CALIBRATION]
        found = bert.tokenize_text([reviews.train.texts[row] for row in rows], tokenizer, max_length=PIECES)
        return found["input_ids"].numpy(), found["attention_mask"].numpy()

    pieces = bert.tokenize_text(reviews.test.texts[:TEXTS], tokenizer, max_length=PIECES)
    return Subject(
        "MiniLM",
        SentenceClassifier(encoder, head).eval(),
        (pieces["input_ids"], pieces["attention_mask"]),
        np.asarray(reviews.test.labels[:TEXTS]),
        calibration,
        input_names=("input_ids", "attention_mask"),
        dynamic=({0: "batch", 1: "pieces"},) * 2,
        rows=50,
    )


def five_networks(reviews: Reviews, lstm: nn.Module, *, epochs: int, seed: int) -> Iterator[Subject]:
    """Make the five networks of the comparison, one after the other."""
    digits = load_digits("mnist_5k", seed=seed)
    yield digit_subject("wide MLP", train_wide_mlp(digits, epochs=epochs, seed=seed), digits)
    yield digit_subject("digit CNN", load_digit_network()[0], digits)
    yield picture_subject()
    yield lstm_subject(reviews, lstm)
    yield sentence_subject(reviews)


def make_precision(epochs: int = 4, *, seed: int = 0, folder: Path = CHECKPOINTS) -> None:
    """Make `06_text_lstm`: the text LSTM's weights, and five networks in all precisions, about four minutes.

    Args:
        epochs: Of the two networks that are trained here.
        seed: Decides trainings, validation parts and the draws for calibration.
        folder: Where it goes.
    """
    runtime.setup(settings.load("06", "fast", seed=seed, device="cpu"))
    reviews = load_reviews("film_reviews", seed=seed)
    lstm = train_text_lstm(reviews, epochs=epochs, seed=seed)
    rows: list[dict[str, Any]] = []
    for subject in five_networks(reviews, lstm, epochs=epochs, seed=seed):
        with tempfile.TemporaryDirectory() as scratch:
            draws = range(DRAWS * seed, DRAWS * (seed + 1))
            rows += compare_precisions(subject, Path(scratch), draws=draws)
    (plain,) = (row for row in rows if row["network"] == "text LSTM" and row["arm"] == PLAIN)
    story = {
        "command": "course checkpoints 06",
        "epochs": epochs,
        "seed": seed,
        "rows": rows,
        "data": {name: [member.sha256 for member in assets.assets()[name].members] for name in DATA},
        "metrics": {"test_accuracy": plain["accuracy"]},
    }
    checkpoints.save(lstm, "06_text_lstm", story, folder=folder)


MAKERS = {"06_text_lstm": make_precision}
"""What makes each shipped checkpoint, by its name."""
