"""Claims: recorded first, then held to their bounds."""

from __future__ import annotations

import json
import math

import displays
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from course_utils import claims

numbers = st.floats(allow_nan=False, allow_infinity=False)


@pytest.fixture
def shown(monkeypatch, tmp_path):
    monkeypatch.setattr(claims, "FILE", tmp_path / "claims.json")
    monkeypatch.delenv("COURSE_STRICT", raising=False)
    claims.start("fast", {})
    return displays.capture(monkeypatch)


@pytest.fixture
def strict(shown, monkeypatch):
    monkeypatch.setenv("COURSE_STRICT", "1")
    return shown


def band(name):
    claims.FILE.write_text(json.dumps({name: {"min": 0.5, "max": 0.75, "n": 5}}), encoding="utf-8")


def records(shown):
    return [output["data"][claims.MIME] for output in shown]


@pytest.mark.parametrize(
    "bound", [{"at_least": 0.5}, {"at_most": 0.5}, {"equals": 0.5}, {"at_least": 0, "at_most": 1}]
)
def test_a_claim_that_holds_is_recorded_and_shown(strict, bound):
    words = {"at_least": "at least", "at_most": "at most", "equals": "exactly"}
    in_words = " and ".join(f"{words[name]} {value} accuracy" for name, value in bound.items())
    claims.claim("01.1", "accuracy on the test set", 0.5, unit="accuracy", **bound)
    assert records(strict) == [
        {
            "id": "01.1",
            "text": "accuracy on the test set",
            "value": 0.5,
            "unit": "accuracy",
            "ok": True,
            "kind": "asserted",
            "bound": in_words,
        }
    ]
    assert "01.1  accuracy on the test set: 0.5 accuracy" in strict[0]["data"]["text/plain"]


@pytest.mark.parametrize(
    ("value", "bound"),
    [
        (0.4, {"at_least": 0.5}),
        (0.6, {"at_most": 0.5}),
        (0.6, {"equals": 0.5}),
        (2, {"at_least": 0, "at_most": 1}),
    ],
)
def test_strict_raises_after_the_record_is_out(strict, value, bound):
    with pytest.raises(claims.BrokenClaim, match=r"01\.1 is broken: a value: got .* expected"):
        claims.claim("01.1", "a value", value, **bound)
    assert [record["ok"] for record in records(strict)] == [False]


def test_a_learner_goes_on_and_reads_what_he_changed(shown, capsys):
    claims.start("fast", {"epochs": 1})
    claims.claim("01.1", "a value", 0.4, at_least=0.5)
    assert "You changed: epochs = 1" in capsys.readouterr().out
    assert [record["ok"] for record in records(shown)] == [False]


def test_a_learner_who_changed_nothing_is_told_so(shown, capsys):
    claims.claim("01.1", "a value", 0.4, at_least=0.5)
    assert "nothing in the settings" in capsys.readouterr().out


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("bound", [{"at_least": -1e300}, {"at_most": 1e300}, {"equals": math.inf}])
def test_what_is_not_finite_keeps_no_bound_and_is_valid_json(strict, value, bound):
    with pytest.raises(claims.BrokenClaim):
        claims.claim("01.1", "a value", value, **bound)
    assert records(strict)[0]["value"] is None
    assert "NaN" not in json.dumps(records(strict), allow_nan=False)


@pytest.mark.parametrize(
    ("kind", "bound"), [("measured", {"at_most": 3}), ("asserted", {}), ("guessed", {"at_most": 3})]
)
def test_a_claim_without_a_bound_or_a_measurement_with_one_is_refused(shown, kind, bound):
    with pytest.raises(ValueError, match=r"01\.1"):
        claims.claim("01.1", "a value", 1, kind=kind, **bound)
    assert shown == []


def test_a_measured_value_is_recorded_and_never_raised(strict):
    claims.claim("01.1", "time of an epoch", 1e9, unit="s", kind="measured")
    assert records(strict)[0]["kind"] == "measured"
    assert records(strict)[0]["ok"]


def test_the_band_is_shown_with_its_seeds(shown):
    band("01.1")
    claims.claim("01.1", "a value", 0.6, at_least=0.1)
    assert "our band: 0.5 to 0.75 over 5 seeds" in shown[0]["data"]["text/plain"]


def test_the_full_profile_raises_only_with_a_band_of_its_own(strict, capsys):
    claims.start("full", {})
    band("01.1")
    claims.claim("01.1", "a value", 0.1, at_least=0.5)
    assert "profile 'full'" in capsys.readouterr().out
    assert "our band" not in strict[0]["data"]["text/plain"]
    band("01.1@full")
    with pytest.raises(claims.BrokenClaim):
        claims.claim("01.1", "a value", 0.1, at_least=0.5)


def test_the_summary_holds_the_claims_since_the_start(shown):
    band("01.1")
    claims.claim("01.1", "a < b", 0.1, at_least=0.5)
    claims.claim("01.2", "time", 3, unit="s", kind="measured")
    claims.claim("01.1", "a < b", 0.6, at_least=0.5)  # the cell once more: still one row
    table = claims.summary()._repr_html_()
    assert table.count("<tr>") == 3
    assert "a &lt; b" in table
    for words in ("holds", "recorded", "at least 0.5", "0.5 … 0.75 (5 seeds)", "3 s"):
        assert words in table
        assert words in repr(claims.summary())
    claims.start("fast", {})
    assert claims.summary()._repr_html_().count("<tr>") == 1


def test_zero_is_a_bound(strict):
    with pytest.raises(claims.BrokenClaim):
        claims.claim("01.1", "a value", -1, at_least=0)


@limits(max_examples=50, deadline=None)
@given(value=numbers, low=numbers, high=numbers)
def test_a_claim_holds_exactly_between_its_bounds(value, low, high):
    assert claims._holds(value, {"at least": low, "at most": high}) == (low <= value <= high)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(109386, "", "109,386"), (0.98765, "", "0.988"), (3, "s", "3 s"), (0, "", "0"), (math.nan, "", "nan")],
)
def test_numbers_are_short(value, unit, text):
    assert claims.quantity(value, unit) == text
