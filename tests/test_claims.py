"""Claims: recorded first, then held to their bounds where a band exists."""

from __future__ import annotations

import hashlib
import json
import math

import displays
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from course_utils import CHECKPOINTS, claims

numbers = st.floats(allow_nan=False, allow_infinity=False)


@pytest.fixture
def shown(monkeypatch, tmp_path):
    monkeypatch.setattr(claims, "FILE", tmp_path / "claims.json")
    monkeypatch.delenv("COURSE_STRICT", raising=False)
    claims.start("fast", {})
    band("fast", "01.1")
    return displays.capture(monkeypatch)


@pytest.fixture
def strict(shown, monkeypatch):
    monkeypatch.setenv("COURSE_STRICT", "1")
    return shown


def band(profile, id):
    measured = {profile: {id[:2]: {"n": 20, "made": {}, "bands": {id: {"low": 0.5, "high": 0.75}}}}}
    claims.FILE.write_text(json.dumps(measured), encoding="utf-8")


def records(shown):
    return [output["data"][claims.MIME] for output in shown]


@pytest.mark.parametrize(
    "bound", [{"at_least": 0.5}, {"at_most": 0.5}, {"equals": 0.5}, {"at_least": 0, "at_most": 1}]
)
def test_a_claim_that_holds_is_recorded_and_shown_as_one_quiet_line(strict, bound, capsys):
    words = {"at_least": "at least", "at_most": "at most", "equals": "exactly"}
    in_words = " and ".join(f"{words[name]} {value} accuracy" for name, value in bound.items())
    claims.claim("01.1", "accuracy on the test set", 0.5, unit="accuracy", **bound)
    assert records(strict) == [
        {
            "id": "01.1",
            "text": "accuracy on the test set",
            "value": 0.5,
            "unit": "accuracy",
            "kind": "asserted",
            "bound": in_words,
            "verdict": "holds",
            "file": "",
            "ok": True,
        }
    ]
    assert strict[0]["data"]["text/plain"] == "✓ 01.1  accuracy on the test set: 0.5 accuracy"
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("value", "bound"),
    [
        (0.4, {"at_least": 0.5}),
        (0.6, {"at_most": 0.5}),
        (0.6, {"equals": 0.5}),
        (2, {"at_least": 0, "at_most": 1}),
        (0.4, {"at_least": {"fast": 0.5, "full": 0.1}}),
    ],
)
def test_strict_raises_after_the_record_is_out(strict, value, bound):
    with pytest.raises(claims.BrokenClaim, match=r"01\.1 is broken: a value: got .* expected"):
        claims.claim("01.1", "a value", value, **bound)
    assert [(record["ok"], record["verdict"]) for record in records(strict)] == [(False, "broken")]


def test_after_a_change_of_settings_nothing_is_broken(strict, capsys):
    claims.start("fast", {"epochs": 1})
    claims.claim("01.1", "a value", 0.4, at_least=0.5)
    said = capsys.readouterr().out
    assert "outside the course's bound; you changed epochs = 1" in said
    assert "broken" not in said + strict[0]["data"]["text/plain"]
    assert [record["verdict"] for record in records(strict)] == ["outside"]


def test_a_learner_goes_on_and_reads_that_he_changed_nothing(shown, capsys):
    claims.claim("01.1", "a value", 0.4, at_least=0.5)
    assert (
        "you changed nothing in the settings; this run gave 0.4, the bound is at least 0.5"
        in capsys.readouterr().out
    )


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("bound", [{"at_least": -1e300}, {"at_most": 1e300}, {"equals": math.inf}])
def test_what_is_not_finite_keeps_no_bound_and_is_valid_json(strict, value, bound):
    with pytest.raises(claims.BrokenClaim):
        claims.claim("01.1", "a value", value, **bound)
    assert records(strict)[0]["value"] is None
    assert "NaN" not in json.dumps(records(strict), allow_nan=False)


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("measured", {"at_most": 3}),
        ("asserted", {}),
        ("guessed", {"at_most": 3}),
        ("shipped", {"at_most": 3}),
        ("asserted", {"at_most": 3, "file": "01_x"}),
        ("measured", {"file": "01_x"}),
    ],
)
def test_parts_that_do_not_go_together_are_refused(shown, kind, more):
    with pytest.raises(ValueError, match=r"01\.1"):
        claims.claim("01.1", "a value", 1, kind=kind, **more)
    assert shown == []


def test_a_measured_value_is_recorded_and_never_raised(strict):
    claims.claim("01.1", "time of an epoch", 1e9, unit="s", kind="measured")
    assert records(strict)[0]["kind"] == "measured"
    assert records(strict)[0]["verdict"] == "recorded"


def test_a_shipped_claim_carries_the_hash_of_its_file(strict):
    file = next(iter(sorted(CHECKPOINTS.glob("*.safetensors"))))
    claims.claim("01.1", "of the shipped network", 0.6, at_least=0.1, kind="shipped", file=file.stem)
    expected = hashlib.sha256(file.read_bytes()).hexdigest()[:32]
    assert records(strict)[0]["file"] == f"{file.stem} {expected}"


@pytest.mark.parametrize(("profile", "id"), [("full", "01.1"), ("fast", "01.2")])
def test_where_there_is_no_band_nothing_is_broken(strict, capsys, profile, id):
    claims.start(profile, {})
    claims.claim(id, "a value", 0.1, at_least=0.5)
    assert capsys.readouterr().out == ""
    assert [(record["ok"], record["verdict"]) for record in records(strict)] == [(True, "recorded")]


def test_full_is_held_to_a_bound_and_a_band_of_its_own(strict):
    claims.start("full", {})
    band("full", "01.1")
    claims.claim("01.1", "a value", 0.1, at_least={"fast": 0.5})
    assert records(strict)[-1]["verdict"] == "recorded"
    with pytest.raises(claims.BrokenClaim):
        claims.claim("01.1", "a value", 0.1, at_least={"fast": 0, "full": 0.5})


def test_the_summary_holds_the_claims_since_the_start(shown):
    claims.claim("01.1", "a < b", 0.1, at_least=0.5)
    claims.claim("01.2", "time", 3, unit="s", kind="measured")
    claims.claim("01.1", "a < b", 0.6, at_least=0.5)  # the cell once more: still one row
    table = claims.summary()._repr_html_()
    assert table.count("<tr>") == 3
    assert "a &lt; b" in table
    for words in ("holds", "recorded", "at least 0.5", "0.5 … 0.75 (20 runs)", "3 s"):
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
