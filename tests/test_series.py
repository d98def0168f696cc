"""Series: windows look back only, nothing leaks from the future, and gaps are refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils.data import assets
from course_utils.data.series import (
    Scaler,
    SeriesError,
    chronological_split,
    fill_gaps,
    load_stock,
    load_weather,
    on_grid,
    windows,
)


@settings(deadline=None)
@given(st.integers(1, 12), st.integers(1, 6), st.integers(0, 20))
def test_every_future_follows_its_past(length: int, horizon: int, more: int):
    steps = length + horizon + more
    values = np.column_stack([np.arange(steps), -np.arange(steps)]).astype(float)
    pasts, futures = windows(values, length, horizon)
    assert pasts.shape == (more + 1, length, 2)
    assert futures.shape == (more + 1, horizon)
    assert pasts.dtype == futures.dtype == torch.float32
    assert torch.equal(futures[:, 0], pasts[:, -1, 0] + 1)
    assert torch.equal(pasts[:, :, 1], -pasts[:, :, 0])
    assert futures[-1, -1] == steps - 1


def test_changing_the_future_changes_no_past():
    values = np.random.default_rng(0).normal(size=(100, 1))
    changed = values.copy()
    changed[60:] += 1000
    parts = chronological_split(100)
    train, other = (windows(Scaler.fit(v[parts[0]]).transform(v[parts[0]]), 5, 2) for v in (values, changed))
    assert torch.equal(train[0], other[0])
    assert torch.equal(train[1], other[1])


def test_a_series_shorter_than_its_window_is_refused():
    with pytest.raises(SeriesError, match=r"8 steps is too short for windows of 8 \+ 1"):
        windows(np.zeros((8, 1)), 8, 1)
    with pytest.raises(SeriesError, match="0 steps"):
        windows(np.zeros((0, 1)), 1, 1)


def test_missing_values_and_wrong_shapes_are_refused():
    values = np.zeros((20, 1))
    values[3] = np.nan
    with pytest.raises(SeriesError, match="1 missing values"):
        windows(values, 4, 1)
    with pytest.raises(SeriesError, match="shape"):
        windows(np.zeros(20), 4, 1)
    with pytest.raises(SeriesError, match="at least 1"):
        windows(np.zeros((20, 1)), 0, 1)


def hours(*numbers: int) -> pd.DatetimeIndex:
    return pd.DatetimeIndex([pd.Timestamp("2013-01-01") + pd.Timedelta(hours=n) for n in numbers])


def test_missing_hours_become_gaps_and_short_gaps_are_filled_from_the_past():
    frame = on_grid(pd.DataFrame({"x": [1.0, 2.0, 5.0]}, index=hours(0, 1, 4)), "1h")
    assert frame["x"].isna().tolist() == [False, False, True, True, False]
    assert fill_gaps(frame, longest=2)["x"].tolist() == [1, 2, 2, 2, 5]


def test_long_gaps_leading_gaps_and_double_times_are_named():
    frame = on_grid(pd.DataFrame({"x": [1.0, 2.0, 5.0]}, index=hours(0, 1, 4)), "1h")
    with pytest.raises(SeriesError, match=r"x has a gap of more than 1 steps at 2013-01-01 03:00"):
        fill_gaps(frame, longest=1)
    with pytest.raises(SeriesError, match="begins with one"):
        fill_gaps(pd.DataFrame({"x": [np.nan, 1.0]}, index=hours(0, 1)), longest=5)
    with pytest.raises(SeriesError, match="01:00:00 occurs twice"):
        on_grid(pd.DataFrame({"x": [1.0, 2.0]}, index=hours(1, 1)), "1h")


@settings(deadline=None)
@given(st.integers(0, 5000))
def test_the_parts_are_consecutive_and_complete(length: int):
    parts = chronological_split(length)
    assert [step for part in parts for step in range(length)[part]] == list(range(length))


def test_shares_that_do_not_sum_to_one_are_refused():
    with pytest.raises(ValueError, match="sum to 1"):
        chronological_split(10, (0.6, 0.2))


def test_the_scaler_gives_mean_zero_and_spread_one_and_survives_a_constant():
    values = np.column_stack([np.arange(10.0), np.full(10, 3.0)])
    scaled = Scaler.fit(values).transform(values)
    assert np.allclose(scaled.mean(axis=0), 0)
    assert np.allclose(scaled.std(axis=0), [1, 0])


def test_weather_has_every_hour_in_metric_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    row = {"origin": "JFK", "temp": 50.0, "dewp": 32.0, "humid": 60.0, "wind_speed": 10.0, "pressure": 1012.0}
    times = ["2013-01-01T08:00:00Z", "2013-01-01T06:00:00Z"]  # an hour is missing, and they are not in order
    pd.DataFrame([{**row, "time_hour": time} for time in times]).to_csv(tmp_path / "weather.csv", index=False)
    monkeypatch.setattr(assets, "fetch", lambda name: tmp_path)
    frame = load_weather()
    assert len(frame) == 3
    assert frame["temperature"].isna().tolist() == [False, True, False]
    assert frame.iloc[0].round(2).tolist() == [10.0, 0.0, 60.0, 4.47, 1012.0]
    with pytest.raises(ValueError, match="unknown airport 'BOS'"):
        load_weather("BOS")


def test_stocks_by_ticker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    table = pd.DataFrame(
        {
            "Ticker": ["IBM", "FB", "IBM"],
            "Date": ["2000-03-01", "2012-05-18", "2000-03-02"],
            "Adj Close": [1.0, 9.0, 2.0],
        }
    )
    table.to_csv(tmp_path / "stocks.csv.gz", index=False)
    monkeypatch.setattr(assets, "fetch", lambda name: tmp_path)
    assert load_stock("IBM").tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="use one of FB, IBM"):
        load_stock("XYZ")
