"""Recurrent networks: one that classifies texts, one that writes characters, one that forecasts a series."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

PAD = 0
State = tuple[torch.Tensor, torch.Tensor]


class PooledTextLSTM(nn.Module):
    """Classifies texts: embedding, bidirectional LSTM, the largest value of each feature, a linear layer.

    Args:
        vocab_size: Entries of the vocabulary; index 0 is padding.
        embedding_dim: Numbers that stand for a word.
        hidden_dim: Numbers in the state of each direction.
        num_layers: LSTM layers.
        num_classes: Classes, one logit each.
        dropout: Share of the features dropped in training.

    See: chapter 03, "A text LSTM".
    """

    def __init__(
        self,
        vocab_size: int,
        embedding_dim: int = 32,
        hidden_dim: int = 64,
        num_layers: int = 1,
        num_classes: int = 2,
        *,
        dropout: float = 0.3,
    ) -> None:
        """Start with small embeddings, so that the task soon outweighs the random start."""
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embedding_dim, padding_idx=PAD)
        self.embedding.weight.data.mul_(0.1)
        self.lstm = nn.LSTM(embedding_dim, hidden_dim, num_layers, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(2 * hidden_dim, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map word indices, shape (N, T), padded with 0 at the end, to logits, shape (N, num_classes)."""
        packed = pack_words(self.dropout(self.embedding(x)), x)
        outputs, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=x.shape[1])
        outputs = outputs.masked_fill((x == PAD).unsqueeze(2), -1)  # (N, T, 2 * hidden_dim)
        return self.fc(self.dropout(outputs.max(dim=1).values))  # type: ignore[no-any-return]


def pack_words(embedded: torch.Tensor, inputs: torch.Tensor) -> PackedSequence:
    """Hide the padding from an LSTM: it then stops at the last real word of each text.

    Args:
        embedded: Shape (N, T, features).
        inputs: The word indices they came from, shape (N, T), 0 for padding.

    See: chapter 03, "A text LSTM".
    """
    lengths = (inputs != PAD).sum(dim=1).clamp(min=1).cpu()  # (N,)
    return pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False)


class CharLSTM(nn.Module):
    """A language model: after each character, the logits of the next one.

    Args:
        vocab_size: Different characters.
        embedding_size: Numbers that stand for a character.
        hidden_size: Numbers in the state.

    See: chapter 03, "A network that writes".
    """

    def __init__(self, vocab_size: int, embedding_size: int = 32, hidden_size: int = 256) -> None:
        """Make the layers with PyTorch's default initialisation."""
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embedding_size)
        self.lstm = nn.LSTM(embedding_size, hidden_size, batch_first=True)
        self.output = nn.Linear(hidden_size, vocab_size)

    def forward(self, inputs: torch.Tensor, state: State | None = None) -> tuple[torch.Tensor, State]:
        """Map character indices, shape (N, T), to logits, shape (N, T, vocab_size), and the state after them."""
        outputs, state = self.lstm(self.embedding(inputs), state)  # (N, T, hidden_size)
        return self.output(outputs), state


class SeriesLSTM(nn.Module):
    """Reads a window of a series and forecasts the next values.

    Args:
        features: Values at each step.
        hidden_size: Numbers in the state.
        horizon: Steps to forecast.
        change: Whether the network adds to the last known value (its first feature) instead of replacing it.

    See: chapter 03, "Weather".
    """

    def __init__(
        self, features: int, hidden_size: int = 32, horizon: int = 1, *, change: bool = True
    ) -> None:
        """Make the layers with PyTorch's default initialisation."""
        super().__init__()
        self.lstm = nn.LSTM(features, hidden_size, batch_first=True)
        self.output = nn.Linear(hidden_size, horizon)
        self.change = change

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Map windows, shape (N, T, features), to forecasts, shape (N, horizon)."""
        outputs, _ = self.lstm(inputs)  # (N, T, hidden_size)
        forecast = self.output(outputs[:, -1])  # (N, horizon)
        return forecast + inputs[:, -1, :1] if self.change else forecast  # type: ignore[no-any-return]


class TimeSeriesLSTM(nn.Module):
    """The guide's forecaster: two LSTM layers, and a linear layer on the last state.

    Args:
        input_size: Values at each step.
        hidden_size: Numbers in the state of each layer.
        num_layers: LSTM layers.

    See: chapter 03, "The guide's forecast".
    """

    def __init__(self, input_size: int = 1, hidden_size: int = 50, num_layers: int = 2) -> None:
        """Make the layers with PyTorch's default initialisation."""
        super().__init__()
        self.lstm = nn.LSTM(input_size, hidden_size, num_layers, batch_first=True)
        self.fc = nn.Linear(hidden_size, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map windows, shape (N, T, input_size), to the next value, shape (N, 1)."""
        lstm_out, _ = self.lstm(x)
        return self.fc(lstm_out[:, -1, :])  # type: ignore[no-any-return]
