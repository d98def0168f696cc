"""Text as sequences of numbers: words, a vocabulary, padded batches; film reviews, short and long."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset, Sampler

from course_utils.data import assets

PAD, UNKNOWN = 0, 1
UNKNOWN_CHARACTER = 0
TOKEN = re.compile(r"\w+(?:['’]\w+)*|[\u2600-\u27BF\U0001F300-\U0001FAFF]")
"""A word, with its apostrophes, or one emoji."""


def preprocess_text(text: str) -> list[str]:
    """Split a text into words: lower case, without markup and punctuation, emoji kept.

    Args:
        text: Any text; `<br />` and other tags count as blanks.

    Returns:
        The words in order; an empty list if there is none.

    See: chapter 03, "From words to numbers".
    """
    plain = html.unescape(re.sub(r"<[^<>]*>", " ", text))
    return TOKEN.findall(plain.lower().replace("’", "'"))


def build_vocab(texts: Iterable[str], min_freq: int = 2, *, max_size: int | None = None) -> dict[str, int]:
    """Number the words of the training texts, the most frequent first.

    Args:
        texts: Of the training part only.
        min_freq: How often a word must occur.
        max_size: Most entries, the two special ones included; None for no limit.

    Returns:
        Index by word; `<PAD>`, 0, is padding, `<UNK>`, 1, stands for every word that is not listed.

    See: chapter 03, "From words to numbers".
    """
    counts = Counter(word for text in texts for word in preprocess_text(text))
    frequent = [word for word in sorted(counts, key=lambda w: (-counts[w], w)) if counts[word] >= min_freq]
    room = None if max_size is None else max(0, max_size - 2)
    return {"<PAD>": PAD, "<UNK>": UNKNOWN} | {word: i for i, word in enumerate(frequent[:room], start=2)}


def text_to_sequence(
    text: str, vocab: Mapping[str, int], max_length: int = 100, *, pad: bool = True
) -> list[int]:
    """Turn a text into word indices.

    Args:
        text: Any text.
        vocab: Index by word.
        max_length: Words beyond it are dropped, so that one long text does not stretch its whole batch.
        pad: Whether to fill up to `max_length` with padding.

    Returns:
        `max_length` indices, or with `pad=False` 1 to `max_length`: a text without a word gives a single "unknown",
        so that no text has length zero.

    See: chapter 03, "From words to numbers".
    """
    words = preprocess_text(text)[:max_length]
    sequence = [vocab.get(word, UNKNOWN) for word in words] or [UNKNOWN]
    return sequence + [PAD] * (max_length - len(sequence)) if pad else sequence


class TextDataset(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Texts as tensors of word indices.

    Args:
        texts: One string an example.
        labels: One class an example.
        vocab: Index by word, from the training part.
        max_length: Most words of a text.
        pad: Whether all are filled up to that length; if not, each keeps its own, and `pad_batch` makes batches.

    See: chapter 03, "From words to numbers".
    """

    def __init__(
        self,
        texts: Sequence[str],
        labels: Sequence[int],
        vocab: Mapping[str, int],
        max_length: int = 100,
        *,
        pad: bool = True,
    ) -> None:
        """Convert all texts once; they are small."""
        if len(texts) != len(labels):
            raise ValueError(f"got {len(texts)} texts and {len(labels)} labels; expected as many")
        sequences = [text_to_sequence(text, vocab, max_length, pad=pad) for text in texts]
        self.sequences = [torch.tensor(sequence) for sequence in sequences]
        self.labels = torch.tensor([int(label) for label in labels])

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the word indices, int64, shape (length,), and the label, shape (), of one text."""
        return self.sequences[index], self.labels[index]


def pad_batch(examples: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Stack texts of unequal length: pad each at its end to the longest of the batch.

    Args:
        examples: Pairs (indices, label).

    Returns:
        Indices, int64, shape (N, longest); labels, int64, shape (N,).

    See: chapter 03, "From words to numbers".
    """
    sequences, labels = zip(*examples, strict=True)
    return pad_sequence(list(sequences), batch_first=True, padding_value=PAD), torch.stack(labels)


class LengthSampler(Sampler[list[int]]):
    """Puts texts of similar length into one batch, so that little is padded; the batches come in random order.

    Args:
        lengths: Words of each text.
        batch_size: Texts in a batch.
        generator: Shuffles anew in every pass; without one, batches go from short to long.

    See: chapter 03, "From words to numbers".
    """

    def __init__(
        self, lengths: Sequence[int], batch_size: int, generator: torch.Generator | None = None
    ) -> None:
        """Keep the lengths; the order is made in each pass."""
        self.lengths, self.batch_size, self.generator = torch.tensor(lengths), batch_size, generator

    def __len__(self) -> int:
        """Return the number of batches of a pass."""
        return -(-len(self.lengths) // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the indices of one batch after another."""
        jitter = torch.zeros(len(self.lengths))
        if self.generator is not None:  # other neighbours in every pass
            jitter = 4 * torch.rand(len(self.lengths), generator=self.generator)
        batches = torch.argsort(self.lengths + jitter, stable=True).split(self.batch_size)
        order = list(range(len(batches)))
        if self.generator is not None:
            order = torch.randperm(len(batches), generator=self.generator).tolist()
        for index in order:
            yield batches[index].tolist()


class Texts(NamedTuple):
    """Labelled texts of one part.

    Args:
        texts: One string an example.
        labels: 0 (negative) or 1 (positive).
        groups: What must not be split across parts: the film of a review, or a number of its own where none is known.
    """

    texts: list[str]
    labels: list[int]
    groups: list[str]

    def chosen(self, rows: Sequence[int]) -> Texts:
        """Return the examples with these row numbers."""
        texts, labels, groups = ([column[row] for row in rows] for column in self)
        return Texts(texts, labels, groups)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Reviews:
    """Film reviews in three parts that share no film.

    Args:
        train: For the gradient steps and the vocabulary.
        validation: For every choice.
        test: For the one number at the end.
    """

    train: Texts
    validation: Texts
    test: Texts


def load_reviews(name: str, *, seed: int, limit: int = 0) -> Reviews:
    """Read film reviews and split them.

    The short reviews are split by film: 2,000 test reviews or a few more, the same for every seed, and about 1,000
    for validation. IMDB has an official test half without films of the training half; it does not name the films,
    so its validation part, a tenth, is drawn at random.

    Args:
        name: `"film_reviews"` (12,752 short ones) or `"imdb"` (50,000 long ones).
        seed: Decides which reviews are for validation.
        limit: Most training reviews; 0 for all.

    Raises:
        ValueError: If there is no such set.
        AssetError: If the data cannot be fetched; the message says what to do.

    See: chapter 03, "Film reviews".
    """
    if name == "film_reviews":
        everything = read_film_reviews(assets.fetch(name) / "rotten_tomatoes_corpus_full.csv.bz2")
        rest, test = _split_by_group(everything, 2000, seed=0)
        train, validation = _split_by_group(rest, 1000, seed=seed)
    elif name == "imdb":
        folder = assets.fetch(name)
        rest, test = (read_imdb(folder / f"{part}-00000-of-00001.parquet") for part in ("train", "test"))
        order = np.random.default_rng(seed).permutation(len(rest.labels)).tolist()
        cut = len(order) // 10
        train, validation = rest.chosen(order[cut:]), rest.chosen(order[:cut])
    else:
        raise ValueError(f"unknown reviews {name!r}; use 'film_reviews' or 'imdb'")
    if limit:
        train = train.chosen(range(min(limit, len(train.labels))))
    return Reviews(train, validation, test)


def read_film_reviews(file: Path) -> Texts:
    """Read the short reviews: without plot summaries, empty rows and duplicates; fresh is positive."""
    table = pd.read_csv(file)
    table = table[table["category"] != "plot"].dropna(subset=["text"]).drop_duplicates("text")
    labels = [int(category == "fresh") for category in table["category"]]
    return Texts([str(text) for text in table["text"]], labels, [str(film) for film in table["movie_name"]])


def _split_by_group(texts: Texts, least: int, *, seed: int) -> tuple[Texts, Texts]:
    """Move whole groups, in random order, to a second part until it has at least `least` examples."""
    groups, sizes = np.unique(texts.groups, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(groups))
    needed = int(np.searchsorted(np.cumsum(sizes[order]), least)) + 1
    second = set(groups[order[:needed]].tolist())
    rows = [
        [i for i, group in enumerate(texts.groups) if (group in second) == part] for part in (False, True)
    ]
    return texts.chosen(rows[0]), texts.chosen(rows[1])


def read_imdb(file: Path) -> Texts:
    """Read IMDB reviews, columns `text` and `label`: a parquet file of the Hugging Face hub, or a csv file.

    Raises:
        ValueError: If a column is missing or a label is neither 0 nor 1.

    Source: Maas et al. (2011), "Learning word vectors for sentiment analysis".
    """
    table = pd.read_parquet(file) if file.suffix == ".parquet" else pd.read_csv(file)
    missing = {"text", "label"} - set(table.columns)
    if missing or not table["label"].isin([0, 1]).all():
        raise ValueError(
            f"{file.name}: expected the columns text and label (0 or 1), got {', '.join(map(str, table.columns))}"
        )
    labels = [int(label) for label in table["label"]]
    return Texts([str(text) for text in table["text"]], labels, [str(row) for row in range(len(labels))])


def build_char_vocab(text: str, *, max_size: int = 64) -> dict[str, int]:
    """Number the characters of a training text, the most frequent first.

    Args:
        text: Of the training part only.
        max_size: Most entries; index 0 stands for every character that is not listed.

    See: chapter 03, "A network that writes".
    """
    frequent = sorted(Counter(text).items(), key=lambda pair: (-pair[1], pair[0]))[: max_size - 1]
    return {"\ufffd": UNKNOWN_CHARACTER} | {
        character: i for i, (character, _) in enumerate(frequent, start=1)
    }


def encode_characters(text: str, vocab: Mapping[str, int]) -> torch.Tensor:
    """Turn a text into character indices, int64, shape (characters,)."""
    return torch.tensor([vocab.get(character, UNKNOWN_CHARACTER) for character in text], dtype=torch.int64)
