"""Texts as sequences: nothing that a learner types breaks them, and nothing leaks between the parts."""

from __future__ import annotations

import random
from pathlib import Path

import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from course_utils.data import assets
from course_utils.data.text import (
    PAD,
    UNKNOWN,
    LengthSampler,
    TextDataset,
    Texts,
    build_char_vocab,
    build_vocab,
    encode_characters,
    load_reviews,
    pad_batch,
    preprocess_text,
    read_film_reviews,
    read_imdb,
    text_to_sequence,
)

VOCAB = build_vocab(["a good film", "a bad film", "a film"], 1)


def test_words_markup_apostrophes_and_emoji():
    assert preprocess_text("It’s GOOD,<br />isn't it? 😀&amp;") == ["it's", "good", "isn't", "it", "😀"]
    assert preprocess_text("") == preprocess_text(" \n<br />...") == []
    assert preprocess_text("1 < 2") == ["1", "2"]


@settings(deadline=None)
@given(st.text())
def test_any_text_gives_one_to_max_length_known_indices(words: str):
    sequence = text_to_sequence(words, VOCAB, max_length=20, pad=False)
    assert 1 <= len(sequence) <= 20
    assert all(1 <= index < len(VOCAB) for index in sequence)
    assert text_to_sequence(words, VOCAB, 20) == sequence + [PAD] * (20 - len(sequence))


def test_empty_texts_unknown_words_and_emoji_become_unknown():
    assert text_to_sequence("", VOCAB, pad=False) == [UNKNOWN]
    assert text_to_sequence("xyzzy plugh 😀", VOCAB, pad=False) == [UNKNOWN] * 3


def test_a_review_of_10_000_words_is_cut():
    sequence = text_to_sequence("good " * 10_000, VOCAB, max_length=400)
    assert sequence == [VOCAB["good"]] * 400


def test_the_vocabulary_is_ordered_capped_and_repeatable():
    assert list(VOCAB) == ["<PAD>", "<UNK>", "a", "film", "bad", "good"]
    assert list(VOCAB.values()) == list(range(6))
    assert list(build_vocab(["a b b"], 1, max_size=3)) == ["<PAD>", "<UNK>", "b"]
    assert list(build_vocab(["a b b"])) == ["<PAD>", "<UNK>", "b"]
    assert len(build_vocab([])) == len(build_vocab(["a"], max_size=0)) == 2


def test_a_batch_is_padded_at_the_end():
    dataset = TextDataset(["a film", "", "a good film"], [1, 0, 1], VOCAB, pad=False)
    inputs, labels = pad_batch([dataset[row] for row in range(3)])
    assert inputs.tolist() == [[2, 3, PAD], [UNKNOWN, PAD, PAD], [2, 5, 3]]
    assert labels.tolist() == [1, 0, 1]


def test_texts_without_their_labels_are_refused():
    with pytest.raises(ValueError, match="2 texts and 1 labels"):
        TextDataset(["a", "b"], [1], VOCAB)


@pytest.mark.parametrize("seed", [None, 3])
def test_the_sampler_gives_every_text_once_among_its_equals(seed: int | None):
    lengths = random.Random(0).choices(range(1, 60), k=103)
    source = None if seed is None else torch.Generator().manual_seed(seed)
    sampler = LengthSampler(lengths, 10, source)
    passes = [list(sampler), list(sampler)]
    for batches in passes:
        assert len(batches) == len(sampler) == 11
        assert sorted(row for batch in batches for row in batch) == list(range(103))
    spread = [max(lengths[r] for r in batch) - min(lengths[r] for r in batch) for batch in passes[0]]
    assert sum(spread) / len(spread) < 12
    assert (passes[0] == passes[1]) == (seed is None)


def test_characters_round_trip_and_rare_ones_share_an_index():
    vocab = build_char_vocab("aab", max_size=3)
    assert encode_characters("abz😀", vocab).tolist() == [1, 2, 0, 0]
    assert encode_characters("", vocab).shape == (0,)


def film_table(folder: Path) -> Path:
    rows = [("plot", "a plot", "f0")] + [
        ("fresh" if i % 3 else "rotten", f"text {i}", f"film {i // 10}") for i in range(4000)
    ]
    rows += [("fresh", "text 7", "film 0"), ("rotten", None, "film 1")]
    table = pd.DataFrame(rows, columns=["category", "text", "movie_name"])
    table.to_csv(folder / "rotten_tomatoes_corpus_full.csv.bz2", index=False)
    return folder / "rotten_tomatoes_corpus_full.csv.bz2"


def test_plots_duplicates_and_empty_rows_are_dropped(tmp_path: Path):
    found = read_film_reviews(film_table(tmp_path))
    assert len(found.texts) == len(set(found.texts)) == 4000
    assert set(found.labels) == {0, 1}
    assert found.labels[:4] == [0, 1, 1, 0]


def test_no_film_is_in_two_parts_and_the_test_films_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    film_table(tmp_path)
    monkeypatch.setattr(assets, "fetch", lambda name: tmp_path)
    first, second = (load_reviews("film_reviews", seed=seed) for seed in (0, 1))
    parts = [set(part.groups) for part in (first.train, first.validation, first.test)]
    assert sum(map(len, parts)) == len(set.union(*parts))
    assert [len(first.test.texts), len(first.validation.texts)] == [2000, 1000]
    assert first.test == second.test
    assert set(first.validation.groups) != set(second.validation.groups)
    assert len(load_reviews("film_reviews", seed=0, limit=50).train.texts) == 50


def test_unknown_reviews_are_named():
    with pytest.raises(ValueError, match="use 'film_reviews' or 'imdb'"):
        load_reviews("yelp", seed=0)


def imdb_rows(count: int) -> pd.DataFrame:
    texts = [f"review {i}<br /><br />{'good' if i >= count // 2 else 'bad'} 😀" for i in range(count)]
    return pd.DataFrame({"text": texts, "label": [int(i >= count // 2) for i in range(count)]})


def test_imdb_is_read_from_parquet_files_of_the_hubs_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("pyarrow")
    for part in ("train", "test"):
        imdb_rows(3000).to_parquet(tmp_path / f"{part}-00000-of-00001.parquet", index=False)
    monkeypatch.setattr(assets, "fetch", lambda name: tmp_path)
    found = load_reviews("imdb", seed=0)
    assert [len(part.texts) for part in (found.train, found.validation, found.test)] == [2700, 300, 3000]
    assert 0.45 < sum(found.train.labels) / 2700 < 0.55  # shuffled: the file is sorted by label
    assert len(set(found.train.groups) | set(found.validation.groups)) == 3000


def test_imdb_from_csv_and_a_table_with_other_columns(tmp_path: Path):
    imdb_rows(10).to_csv(tmp_path / "good.csv", index=False)
    found = read_imdb(tmp_path / "good.csv")
    assert isinstance(found, Texts)
    assert found.labels == [0] * 5 + [1] * 5
    imdb_rows(10).rename(columns={"label": "sentiment"}).to_csv(tmp_path / "bad.csv", index=False)
    with pytest.raises(
        ValueError, match=r"bad.csv: expected the columns text and label .* got text, sentiment"
    ):
        read_imdb(tmp_path / "bad.csv")
    imdb_rows(10).replace({"label": {1: -1}}).to_csv(tmp_path / "odd.csv", index=False)
    with pytest.raises(ValueError, match="label"):
        read_imdb(tmp_path / "odd.csv")


def test_long_reviews_of_imdb_fit_the_dataset():
    dataset = TextDataset(["word " * 10_000, ""], [1, 0], VOCAB, 400, pad=False)
    assert [len(dataset[row][0]) for row in range(2)] == [400, 1]


SAMPLE_TEXTS = [
    "This movie was absolutely fantastic! Great acting and plot.",
    "Terrible movie, waste of time. Poor acting and boring story.",
    "Amazing cinematography and excellent performances by all actors.",
    "Not worth watching. Very disappointing and poorly made.",
]


def test_the_guides_four_sentences_leave_three_words():
    vocab = build_vocab(SAMPLE_TEXTS)
    assert vocab == {"<PAD>": 0, "<UNK>": 1, "and": 2, "acting": 3, "movie": 4}
    rows = [text_to_sequence(words, vocab, max_length=9, pad=False) for words in SAMPLE_TEXTS]
    assert rows[2] == [1, 1, 2, 1, 1, 1, 1, 1]
    assert rows[3] == [1, 1, 1, 1, 1, 2, 1, 1]


def test_the_guides_own_calls_go_on_running():
    vocab = build_vocab(SAMPLE_TEXTS, min_freq=2)
    dataset = TextDataset(SAMPLE_TEXTS, [1, 0, 1, 0], vocab, max_length=50)
    sequences, labels = next(iter(DataLoader(dataset, batch_size=2)))
    assert sequences.shape == (2, 50)
    assert sequences.dtype == labels.dtype == torch.int64
    assert len(text_to_sequence("a", vocab)) == 100


def test_opposite_sentences_of_unknown_words_are_one_sequence():
    vocab = build_vocab(SAMPLE_TEXTS)
    assert text_to_sequence("Wonderful acting", vocab) == text_to_sequence("Dreadful acting", vocab)
