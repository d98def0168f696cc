"""Recurrent networks: padding changes nothing, one batch can be learned, and the shipped model keeps its word."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from course_utils import checkpoints
from course_utils.data import assets
from course_utils.data.text import load_reviews
from course_utils.exercises.sequences import my_lstm_step
from course_utils.models.recurrent import CharLSTM, PooledTextLSTM, SeriesLSTM, TimeSeriesLSTM
from course_utils.recipes import chapter_03 as recipes


def text_model(**changes: int) -> PooledTextLSTM:
    torch.manual_seed(0)
    return PooledTextLSTM(20, 8, 6, **changes)


@pytest.mark.parametrize("layers", [1, 2])
def test_padding_changes_no_answer(layers: int):
    model = text_model(num_layers=layers).eval()
    inputs = torch.tensor([[3, 4, 5, 0, 0, 0], [6, 7, 8, 9, 10, 11]])
    together = model(inputs)
    assert torch.allclose(together[0], model(inputs[:1, :3])[0], atol=1e-6)
    assert torch.allclose(together[1], model(inputs[1:])[0], atol=1e-6)


def test_the_order_of_the_words_matters():
    model = text_model().eval()
    assert not torch.allclose(model(torch.tensor([[3, 4, 5]])), model(torch.tensor([[5, 4, 3]])))


def test_a_text_of_padding_alone_still_gets_an_answer():
    assert torch.isfinite(text_model().eval()(torch.zeros(2, 4, dtype=torch.int64))).all()


def test_padding_gets_no_gradient():
    model = text_model()
    model(torch.tensor([[3, 0], [4, 5]])).sum().backward()
    assert model.embedding.weight.grad is not None
    assert model.embedding.weight.grad[0].abs().sum() == 0


def test_one_batch_of_texts_can_be_learned():
    model = text_model()
    inputs, targets = torch.randint(2, 20, (8, 5)), torch.arange(8) % 2
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(150):
        loss = nn.functional.cross_entropy(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1


def test_a_text_read_in_pieces_gives_what_it_gives_whole():
    torch.manual_seed(0)
    model, codes = CharLSTM(10, 4, 8), torch.randint(10, (2, 12))
    whole, _ = model(codes)
    first, state = model(codes[:, :5])
    second, _ = model(codes[:, 5:], state)
    assert torch.allclose(whole, torch.cat([first, second], dim=1), atol=1e-6)


def test_characters_cannot_see_the_future():
    torch.manual_seed(0)
    model, codes = CharLSTM(10, 4, 8), torch.randint(10, (1, 12))
    changed = codes.clone()
    changed[0, 6:] = (changed[0, 6:] + 1) % 10
    assert torch.equal(model(codes)[0][:, :6], model(changed)[0][:, :6])


def test_the_change_network_starts_at_the_last_value():
    model = SeriesLSTM(2, 4, horizon=3)
    nn.init.zeros_(model.output.weight)
    nn.init.zeros_(model.output.bias)
    pasts = torch.randn(5, 7, 2)
    assert torch.equal(model(pasts), pasts[:, -1, :1].expand(-1, 3))
    assert SeriesLSTM(2, 4, horizon=3, change=False)(pasts).shape == (5, 3)


def test_bits_of_a_model_that_knows_nothing():
    model = CharLSTM(64)
    nn.init.zeros_(model.output.weight)
    nn.init.zeros_(model.output.bias)
    assert recipes.bits_per_character(model, torch.randint(64, (640,))) == pytest.approx(6.0, abs=1e-4)


def test_a_short_training_repeats_itself_and_learns():
    stream, device = torch.arange(4000) % 7, torch.device("cpu")
    runs = [recipes.train_char_lstm(stream, 7, steps=6, seed=1, device=device)[1] for _ in range(2)]
    assert runs[0] == runs[1]
    assert runs[0][-1] < runs[0][0]


def test_the_shipped_model_reaches_its_recorded_metric():
    if not assets.is_present("film_reviews"):
        pytest.skip("the film reviews are not here; run `course data`")
    _, test, characters = recipes.character_streams(load_reviews("film_reviews", seed=3))
    model = CharLSTM(len(characters))
    story = checkpoints.load(model, "03_characters")
    assert "".join(characters) == story["characters"]
    bits = recipes.bits_per_character(model, test[:64_000])
    assert bits == pytest.approx(story["metrics"]["test_bits_per_character"], abs=0.01)


def test_the_guides_forecaster_takes_its_arguments_and_its_windows():
    X, y = recipes.create_sequences(recipes.create_time_series(60))
    assert X.shape == (10, 50)
    assert (X[1:, -1] == y[:-1]).all()
    assert len(recipes.create_time_series()) == 1000
    model = TimeSeriesLSTM(input_size=1, hidden_size=4, num_layers=2)
    inputs, targets = (torch.FloatTensor(part).unsqueeze(-1) for part in (X, y))
    losses = recipes.train_full_batch(model, inputs, targets, epochs=5)
    assert losses[-1] < losses[0]
    assert model(inputs).shape == (10, 1)


def test_the_worked_lstm_step_is_the_one_of_pytorch():
    torch.manual_seed(0)
    cell, x, h, c = nn.LSTMCell(3, 4), torch.randn(5, 3), torch.randn(5, 4), torch.randn(5, 4)
    weights = (cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh)
    for found, expected in zip(my_lstm_step(weights, x, h, c), cell(x, (h, c)), strict=True):
        assert torch.allclose(found, expected, atol=1e-6)
