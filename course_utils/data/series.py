"""Time series: hourly weather and daily stocks, windows that look back only, and a scale from the training part."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from course_utils.data import assets

Values = npt.NDArray[np.float64]


class SeriesError(ValueError):
    """A series that is too short, has gaps, or is not in order; the message says what to do."""


def load_weather(airport: str = "JFK") -> pd.DataFrame:
    """Read the hourly weather of one airport of New York, 2013, on a complete grid of hours.

    Args:
        airport: `"JFK"`, `"EWR"` or `"LGA"`.

    Returns:
        Index: the hour, UTC, without gaps. Columns: temperature and dew point (°C), humidity (%), wind (m/s),
        pressure (hPa); NaN where nothing was measured.

    Raises:
        ValueError: If there is no such airport.
        AssetError: If the data cannot be fetched; the message says what to do.

    See: chapter 03, "Weather".
    """
    table = pd.read_csv(assets.fetch("weather_hourly") / "weather.csv")
    table = table[table["origin"] == airport]
    if table.empty:
        raise ValueError(f"unknown airport {airport!r}; use 'JFK', 'EWR' or 'LGA'")
    frame = pd.DataFrame(
        {
            "temperature": ((table["temp"] - 32) / 1.8).to_numpy(),
            "dew_point": ((table["dewp"] - 32) / 1.8).to_numpy(),
            "humidity": table["humid"].to_numpy(),
            "wind": (table["wind_speed"] * 0.44704).to_numpy(),
            "pressure": table["pressure"].to_numpy(),
        },
        index=pd.to_datetime(table["time_hour"].to_numpy(), utc=True),
    )
    return on_grid(frame, "1h")


def load_stock(ticker: str = "IBM") -> pd.Series:
    """Read the daily closing prices of a stock, 2000 to 2013, adjusted for splits and dividends.

    Args:
        ticker: `"AAPL"`, `"IBM"`, `"MSFT"` or `"GOOG"` (from 2004).

    Returns:
        US dollars, by trading day.

    Raises:
        ValueError: If there is no such stock.
        AssetError: If the data cannot be fetched; the message says what to do.

    See: chapter 03, "Stocks".
    """
    table = pd.read_csv(assets.fetch("stocks_daily") / "stocks.csv.gz")
    chosen = table[table["Ticker"] == ticker]
    if chosen.empty:
        raise ValueError(
            f"unknown stock {ticker!r}; use one of {', '.join(sorted(table['Ticker'].unique()))}"
        )
    return pd.Series(
        chosen["Adj Close"].to_numpy(), index=pd.to_datetime(chosen["Date"].to_numpy()), name=ticker
    )


def on_grid(frame: pd.DataFrame, step: str) -> pd.DataFrame:
    """Put a table on a complete grid of times: a time that is missing becomes a row of NaN.

    Args:
        frame: Index of times, each at most once.
        step: Of the grid, e.g. `"1h"`.

    Raises:
        SeriesError: If a time occurs twice.
    """
    if frame.index.has_duplicates:
        twice = frame.index[frame.index.duplicated()][0]
        raise SeriesError(f"the time {twice} occurs twice: drop or average duplicates first")
    return frame.sort_index().asfreq(step)


def fill_gaps(frame: pd.DataFrame, *, longest: int) -> pd.DataFrame:
    """Fill short gaps with the last known value, which needs no look into the future.

    Args:
        frame: On a complete grid.
        longest: Steps that may be missing in a row.

    Raises:
        SeriesError: If a gap is longer, or the table begins with one.
    """
    filled = frame.ffill(limit=longest)
    for column in filled.columns[filled.isna().any()]:
        first = filled.index[filled[column].isna()][0]
        raise SeriesError(
            f"{column} has a gap of more than {longest} steps at {first}, or begins with one: "
            "leave the column out, cut the series there, or allow longer gaps"
        )
    return filled


def chronological_split(length: int, shares: tuple[float, ...] = (0.6, 0.2, 0.2)) -> list[slice]:
    """Cut a series into consecutive parts: the past to learn from, the future to be tested on.

    Args:
        length: Steps of the series.
        shares: Of each part; they sum to 1.

    See: chapter 03, "Weather".
    """
    if abs(sum(shares) - 1) > 1e-9:
        raise ValueError(f"shares must sum to 1, got {shares}")
    cuts = [round(length * share) for share in np.cumsum((0.0, *shares))]
    return [slice(start, stop) for start, stop in pairwise(cuts)]


@dataclass(frozen=True)
class Scaler:
    """Shifts and scales each column by numbers that the training part decides.

    Args:
        mean: Shape (features,).
        std: Likewise; 1 for a column that never changes.

    See: chapter 03, "Weather".
    """

    mean: Values
    std: Values

    @classmethod
    def fit(cls, train: Values) -> Scaler:
        """Take mean and spread of the training part, shape (steps, features)."""
        std = train.std(axis=0)
        return cls(train.mean(axis=0), np.where(std > 0, std, 1.0))

    def transform(self, values: Values) -> Values:
        """Scale values, shape (..., features)."""
        return (values - self.mean) / self.std


def windows(values: Values, length: int, horizon: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Cut a series into pairs of a past and a future; no past reaches into its future.

    Args:
        values: One part of a series, shape (steps, features); the first feature is to be forecast.
        length: Steps of the past.
        horizon: Steps of the future.

    Returns:
        Pasts, float32, shape (N, length, features), and futures, float32, shape (N, horizon), where N is
        steps - length - horizon + 1.

    Raises:
        SeriesError: If the series is too short or has a NaN.

    See: chapter 03, "Weather".
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2 or length < 1 or horizon < 1:
        raise SeriesError(
            f"expected shape (steps, features) and a length and horizon of at least 1, got {values.shape}"
        )
    if np.isnan(values).any():
        raise SeriesError(
            f"the series has {int(np.isnan(values).sum())} missing values: fill or cut them first"
        )
    if len(values) < length + horizon:
        raise SeriesError(
            f"a series of {len(values)} steps is too short for windows of {length} + {horizon}: "
            "use shorter windows or a longer series"
        )
    tensor = torch.from_numpy(values).to(torch.float32)
    cut = tensor.unfold(0, length + horizon, 1)  # (N, features, length + horizon)
    return cut[:, :, :length].transpose(1, 2).contiguous(), cut[:, 0, length:].contiguous()
