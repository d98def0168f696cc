"""Interactive figures: a plain picture first, then one that follows its controls."""

from __future__ import annotations

import base64
import math

import displays
import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pytest

from course_utils import plotting, widgets


@pytest.fixture
def shown(monkeypatch):
    plt.close("all")
    return displays.capture(monkeypatch)


def draw(gain, kind="sine"):
    figure, axis = plt.subplots(figsize=(1, 1))
    axis.plot([0, gain])
    return figure, f"A {kind} with gain {gain}."


def slider(options=(1, 2, 3), **more):
    return ipywidgets.SelectionSlider(options=options, description="gain", **more)


def test_the_first_output_is_a_picture_with_its_text_then_the_controls(shown):
    widgets.interactive(draw, gain=ipywidgets.FloatSlider(value=2.5))
    picture, controls = shown
    assert picture["metadata"]["image/png"]["alt"] == "A sine with gain 2.5."
    assert picture["data"]["image/png"].startswith(b"\x89PNG")
    assert widgets.FRAMES_MIME not in picture["data"]
    assert "application/vnd.jupyter.widget-view+json" in controls["data"]
    assert plt.get_fignums() == []


def test_moving_a_control_replaces_the_picture_in_place(shown):
    gain, kind = ipywidgets.FloatSlider(value=1), ipywidgets.Dropdown(options=["sine", "step"])
    widgets.interactive(draw, gain=gain, kind=kind)
    gain.value = 4
    kind.value = "step"
    updates = shown[2:]
    assert [output["metadata"]["image/png"]["alt"] for output in updates] == [
        "A sine with gain 4.0.",
        "A step with gain 4.0.",
    ]
    assert all(output["update"] and output["transient"] == shown[0]["transient"] for output in updates)
    assert updates[0]["data"]["image/png"] != shown[0]["data"]["image/png"]
    assert plt.get_fignums() == []


OPTIONS = {
    "values": ((1, 2, 3), ["1", "2", "3"]),
    "pairs": ([("low", 1), ("middle", 2), ("high", 3)], ["low", "middle", "high"]),
    "a table": ({"low": 1, "middle": 2, "high": 3}, ["low", "middle", "high"]),
}


@pytest.mark.parametrize(("options", "labels"), OPTIONS.values(), ids=OPTIONS.keys())
def test_frames_hold_every_option_with_its_text(shown, options, labels):
    kind = ipywidgets.Dropdown(options=["sine", "step"], value="step")
    widgets.interactive(draw, frames="gain", gain=slider(options, value=2), kind=kind)
    frames = shown[0]["data"][widgets.FRAMES_MIME]
    assert frames["alts"] == [f"A step with gain {gain}." for gain in (1, 2, 3)]
    assert (frames["control"], frames["labels"], frames["start"]) == ("gain", labels, 1)
    pictures = [base64.b64decode(image) for image in frames["images"]]
    assert len(set(pictures)) == 3
    assert pictures[1] == plotting.to_png(draw(2, "step")[0], dpi=plotting.FRAME_DPI)
    assert plt.get_fignums() == []


def test_frames_of_a_control_without_options_are_refused(shown):
    with pytest.raises(ValueError, match="got FloatSlider: use a SelectionSlider"):
        widgets.interactive(draw, frames="gain", gain=ipywidgets.FloatSlider())


def test_frames_of_a_control_that_is_not_there_are_refused(shown):
    with pytest.raises(ValueError, match=r"'speed'.*gain"):
        widgets.interactive(draw, frames="speed", gain=slider())


def test_a_prediction_is_asked_and_answered(shown, capsys):
    guess = widgets.predict("Which is more accurate?", ["the network", "the forest"])
    asked = capsys.readouterr().out
    assert "Which is more accurate?" in asked
    assert "• the forest" in asked
    assert guess.choice.value is None
    scores = {"the network": 0.8, "the forest": 0.9}
    guess.answer(scores)
    assert "You made no guess" in capsys.readouterr().out
    guess.choice.value = "the forest"
    guess.answer(scores)
    assert "You guessed it" in capsys.readouterr().out
    guess.choice.value = "the network"
    guess.answer(scores)
    answered = capsys.readouterr().out
    assert "Measured: the forest. You guessed: the network." in answered


RANGES = {"little": 1, "some": 5, "much": math.inf}
SIDES = ["first", "cannot be told", "second"]


@pytest.mark.parametrize(
    ("options", "measured", "found"),
    [
        (RANGES, -3, "little"),
        (RANGES, 1, "some"),
        (RANGES, np.float32(4.9), "some"),
        (RANGES, 5, "much"),
        (RANGES, math.inf, "much"),
        (SIDES, (-2, -1), "first"),
        (SIDES, (-2, 0), "cannot be told"),
        (SIDES, (-1, 1), "cannot be told"),
        (SIDES, (0.1, 1), "second"),
        (SIDES, {"first": 1, "second": 3, "cannot be told": 2}, "second"),
    ],
)
def test_a_measurement_means_an_option(shown, options, measured, found):
    assert widgets.predict("?", options).option(measured) == found


@pytest.mark.parametrize(
    ("options", "measured"),
    [
        (RANGES, math.nan),
        (RANGES, (1, 2)),
        (RANGES, {"little": 1, "some": 2, "much": 3}),
        (SIDES, 1.0),
        (SIDES, (2, 1)),
        (SIDES, (math.nan, 1)),
        (SIDES, {"first": 1, "second": 3}),
        (SIDES, {"first": 1, "second": 3, "third": 2}),
        (SIDES, {"first": 1, "second": math.nan, "cannot be told": 2}),
        (["a", "b"], (0, 1)),
    ],
)
def test_a_measurement_that_fits_no_option_is_refused(shown, options, measured):
    with pytest.raises(widgets.PredictionError, match="expected"):
        widgets.predict("?", options).answer(measured)


@pytest.mark.parametrize(
    "options", [{"a": 1, "b": 2}, {"a": 3, "b": 1, "c": math.inf}, ["a"], [], {"a": math.inf}, ["a", "a"]]
)
def test_options_that_leave_an_outcome_out_are_refused(shown, options):
    with pytest.raises(widgets.PredictionError, match="at least two options"):
        widgets.predict("?", options)
