"""The drawing pad: a stroke goes in, what the network sees and ten probabilities come out."""

from __future__ import annotations

import numpy as np
import pytest

from course_utils.data.digits import centre_drawing
from course_utils.drawing import SIDE, DrawingPad

SAMPLES = np.arange(3 * 28 * 28, dtype=np.int64).reshape(3, 28, 28) % 256


@pytest.fixture
def asked():
    return []


@pytest.fixture
def pad(asked):
    def classify(digit):
        asked.append(digit)
        return [0.1] * 10

    return DrawingPad(classify, SAMPLES.astype(np.uint8))


def stroke(column=50):
    sheet = np.zeros((SIDE, SIDE), dtype=np.uint8)
    sheet[20:90, column : column + 9] = 255
    return sheet


def test_a_stroke_is_seen_in_mnists_form_and_classified(pad, asked):
    pad.pixels = stroke().tobytes()
    assert pad.probabilities == [0.1] * 10
    assert pad.seen == centre_drawing(stroke()).tobytes()
    assert len(asked) == 1
    assert (asked[0].shape, asked[0].dtype) == ((28, 28), np.uint8)
    assert np.array_equal(asked[0], centre_drawing(stroke()))


def test_a_stroke_arrives_as_a_browser_sends_it(pad):
    pad.set_state({"pixels": memoryview(stroke().tobytes())})
    assert pad.seen == centre_drawing(stroke()).tobytes()


def test_every_change_asks_again(pad, asked):
    for column in (10, 50, 90):
        pad.pixels = stroke(column).tobytes()
    assert len(asked) == 3
    assert np.array_equal(asked[0], asked[2])


def test_a_wiped_pad_has_no_probabilities(pad, asked):
    pad.pixels = stroke().tobytes()
    pad.pixels = bytes(SIDE * SIDE)
    assert pad.probabilities == []
    assert not any(pad.seen)
    assert len(asked) == 1


def test_a_new_pad_is_empty_and_holds_its_samples(pad, asked):
    assert (pad.probabilities, pad.pixels, pad.seen, asked) == ([], b"", b"", [])
    assert np.array_equal(np.frombuffer(pad.samples, dtype=np.uint8).reshape(3, 28, 28), SAMPLES)


def test_samples_may_be_any_view_of_any_type():
    pad = DrawingPad(lambda digit: [], SAMPLES[:, ::-1])
    assert np.array_equal(np.frombuffer(pad.samples, dtype=np.uint8).reshape(3, 28, 28), SAMPLES[:, ::-1])


def test_two_pads_do_not_share_a_classifier():
    one, two = (DrawingPad(lambda digit, n=n: [n] * 10, SAMPLES) for n in (0.25, 0.5))
    for pad in (one, two):
        pad.pixels = stroke().tobytes()
    assert (one.probabilities[0], two.probabilities[0]) == (0.25, 0.5)
