"""Chapter 04, texts: classifiers on finished features, on TF-IDF rows, and an LSTM that starts from nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from torch import nn
from torch.utils.data import DataLoader

from course_utils import runtime
from course_utils.data.text import LengthSampler, TextDataset, Texts, build_vocab, pad_batch, preprocess_text
from course_utils.models.recurrent import PooledTextLSTM
from course_utils.training import evaluate


def linear_probe(
    train: npt.NDArray[Any], labels: Sequence[int], test: npt.NDArray[Any], *, C: float = 0.01
) -> npt.NDArray[np.int64]:
    """Fit a logistic regression on standardised features and return its answers for others.

    Args:
        train: Features, shape (N, width); a feature that is always the same, as three of MiniLM's are, is left at zero.
        labels: One class each.
        test: Shape (M, width).
        C: The larger, the closer the fit.

    See: chapter 04, "BERT reads film reviews".
    """
    mean, spread = train.mean(axis=0), train.std(axis=0)
    scale = np.where(spread > 1e-6, spread, np.inf)
    model = LogisticRegression(C=C, max_iter=1000).fit((train - mean) / scale, labels)
    return model.predict((test - mean) / scale)  # type: ignore[no-any-return]


def tfidf_probe(
    train: Sequence[str], labels: Sequence[int], test: Sequence[str], *, C: float = 10.0
) -> npt.NDArray[np.int64]:
    """Fit a logistic regression on TF-IDF rows of words and pairs of words, and return its answers for other texts.

    See: chapter 04, "BERT reads film reviews".
    """
    rows = TfidfVectorizer(
        tokenizer=preprocess_text, token_pattern=None, lowercase=False, ngram_range=(1, 2), sublinear_tf=True
    )
    model = LogisticRegression(C=C, max_iter=1000).fit(rows.fit_transform(train), labels)
    return model.predict(rows.transform(test))  # type: ignore[no-any-return]


def lstm_answers(
    train: Texts, validation: Texts, test: Texts, *, epochs: int = 12, seed: int
) -> npt.NDArray[np.int64]:
    """Train chapter 3's text LSTM from nothing; its best epoch, by the validation reviews, answers.

    See: chapter 04, "BERT reads film reviews".
    """
    vocab = build_vocab(train.texts, max_size=10_000)
    data = [TextDataset(t.texts, t.labels, vocab, 60, pad=False) for t in (train, validation, test)]
    samplers = [
        LengthSampler([len(sequence) for sequence in dataset.sequences], size, source)
        for dataset, size, source in zip(
            data, (32, 256, 256), (runtime.generator(seed), None, None), strict=True
        )
    ]
    learn, choose, judge = (
        DataLoader(d, batch_sampler=s, collate_fn=pad_batch) for d, s in zip(data, samplers, strict=True)
    )
    torch.manual_seed(seed)
    model = PooledTextLSTM(len(vocab))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=epochs * len(learn))
    best, kept = 0.0, {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for _ in range(epochs):
        model.train()
        for inputs, targets in learn:
            loss = nn.functional.cross_entropy(model(inputs), targets)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
        reached = evaluate(model, choose, nn.CrossEntropyLoss()).accuracy
        if reached > best:
            best, kept = reached, {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.load_state_dict(kept)
    model.eval()
    found = np.zeros(len(test.labels), dtype=np.int64)
    with torch.inference_mode():
        for rows, (inputs, _) in zip(samplers[2], judge, strict=True):
            found[rows] = model(inputs).argmax(dim=1).numpy()
    return found
