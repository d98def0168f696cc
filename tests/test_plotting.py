"""Plotting: every picture has a text, a size and an end."""

from __future__ import annotations

import struct

import displays
import matplotlib.pyplot as plt
import numpy as np
import pytest

from course_utils import plotting
from course_utils.training import Epoch

HISTORY = [Epoch(n, 1 / n, 0.5, 1.2 / n, 0.4 + n / 10, 0.1) for n in (1, 2, 3)]
IMAGES = np.zeros((5, 28, 28), dtype=np.uint8)
FIGURES = {
    "curves": lambda: plotting.learning_curves(HISTORY, "It learns"),
    "curves of one epoch": lambda: plotting.learning_curves(HISTORY[:1], "It learns"),
    "curves without accuracy": lambda: plotting.learning_curves(
        [Epoch(1, 1.0, float("nan"), 1.0, float("nan"), 0.1)], "A regression"
    ),
    "grid": lambda: plotting.image_grid(IMAGES, list("abcde"), "Five", columns=3),
    "colour grid": lambda: plotting.image_grid(np.zeros((2, 8, 8, 3)), ["a", "b"]),
    "a name that the font lacks": lambda: plotting.image_grid(IMAGES[:1], ["猫"], "собака 猫"),
    "one image": lambda: plotting.image_grid(IMAGES[:1], ["a"], columns=1),
    "confusion": lambda: plotting.confusion(np.arange(9).reshape(3, 3), list("abc"), "Who is who"),
    "flawless confusion": lambda: plotting.confusion(np.eye(3, dtype=np.int64), list("abc"), "No errors"),
}


@pytest.fixture
def shown(monkeypatch):
    plt.close("all")
    return displays.capture(monkeypatch)


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES.keys())
def test_every_figure_is_a_picture_with_its_text_and_is_closed(shown, draw):
    assert plotting.show(draw(), "What one should see.") is None
    (output,) = shown
    assert output["metadata"]["image/png"]["alt"] == "What one should see."
    assert output["data"]["text/plain"] == "What one should see."
    assert output["data"]["image/png"].startswith(b"\x89PNG\r\n")
    assert plt.get_fignums() == []


def test_a_picture_is_shown_at_its_size_and_stored_finer():
    figure, _ = plt.subplots(figsize=(5, 3))
    data, metadata = plotting.bundle(figure, "Nothing.")
    width, height = struct.unpack(">II", data["image/png"][16:24])
    assert (width, height) == (5 * plotting.DPI, 3 * plotting.DPI)
    assert metadata["image/png"]["width"] == 500 < width


@pytest.mark.parametrize("alt", ["", "  \n"])
def test_a_picture_without_a_text_is_refused(shown, alt):
    figure, _ = plt.subplots()
    with pytest.raises(ValueError, match="empty alt text"):
        plotting.show(figure, alt)
    assert shown == []
    plt.close(figure)


def test_an_updatable_picture_is_replaced_through_its_handle(shown):
    handle = plotting.show(plt.subplots()[0], "First.", updatable=True)
    data, metadata = plotting.bundle(plt.subplots()[0], "Second.")
    handle.update(data, metadata=metadata, raw=True)
    assert [output["data"]["text/plain"] for output in shown] == ["First.", "Second."]
    assert shown[0]["transient"] == shown[1]["transient"] == {"display_id": handle.display_id}
    assert shown[1]["update"]


def test_the_curves_are_those_of_the_history():
    figure = plotting.learning_curves(HISTORY, "It learns")
    loss, accuracy = figure.axes
    lines = {line.get_label(): list(line.get_ydata()) for line in loss.get_lines()}
    assert lines == {"train": [1, 1 / 2, 1 / 3], "validation": [1.2, 0.6, 1.2 / 3]}
    assert all(list(line.get_xdata()) == [1, 2, 3] for axis in figure.axes for line in axis.get_lines())
    assert "nats" in loss.get_ylabel()
    assert "fraction" in accuracy.get_ylabel()
    plt.close(figure)


def test_the_grid_captions_its_pictures_and_leaves_the_rest_empty():
    figure = plotting.image_grid(IMAGES, list("abcde"), columns=3)
    assert [axis.get_title() for axis in figure.axes] == [*"abcde", ""]
    assert [len(axis.images) for axis in figure.axes] == [1] * 5 + [0]
    assert not any(axis.axison for axis in figure.axes)
    plt.close(figure)


def test_the_confusion_shows_every_count_and_colours_the_errors_only():
    matrix = np.array([[50, 2], [0, 40]])
    figure = plotting.confusion(matrix, ["cat", "dog"], "Who is who")
    axis = figure.axes[0]
    assert [text.get_text() for text in axis.texts] == ["50", "2", "0", "40"]
    assert axis.collections[0].get_array().max() == 2
    assert matrix.tolist() == [[50, 2], [0, 40]]
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("predicted class", "true class")
    plt.close(figure)
