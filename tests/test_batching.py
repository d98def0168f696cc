"""The queue of "Does batching pay?": every caller gets its own answer, whatever batch it was in."""

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from service_tools import GREY, digit, encode, tiny_bundle

from course_utils.recipes import batching
from course_utils.serving.predictor import Predictor


@pytest.fixture(params=[0, 0.005])
def collecting(tmp_path, request):
    made = batching.Collecting(tiny_bundle(tmp_path / "1"), request.param)
    yield made
    made.stop()


def test_sixteen_callers_get_their_own_scores(collecting):
    pictures = [GREY.apply(digit(seed))[None] for seed in range(64)]
    alone = Predictor(collecting.bundle)
    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(collecting.logits, pictures))
    for picture, scores in zip(pictures, found, strict=True):
        np.testing.assert_allclose(scores, alone.logits(picture), rtol=1e-4, atol=1e-4)
    assert sum(collecting.formed) == 64 + 1  # one when it was made
    assert max(collecting.formed) <= batching.LARGEST


def test_a_call_that_fails_fails_for_its_caller_only(collecting):
    with pytest.raises(Exception, match=r"(?i)dimension|rank"):
        collecting.logits(np.zeros((1, 3), dtype=np.float32))
    assert collecting.logits(np.zeros((2, 1, 28, 28), dtype=np.float32)).shape == (2, 10)


def test_whole_requests_are_answered(tmp_path):
    png = encode(digit(3))
    predictor = Predictor(tiny_bundle(tmp_path / "1"))
    times, spent, bodies = batching.ask_at_once(predictor, png, clients=4, requests=12)
    assert len(times) == 12
    assert times.min() > 0
    assert spent > 0
    assert {json.loads(body)["prediction"] for body in bodies} == {predictor.classify(digit(3)).prediction}
    assert len(bodies) == 12


def test_the_fastest_call_counts():
    calls = []
    assert batching.fastest_ms(lambda: calls.append(1), rounds=4) >= 0
    assert len(calls) == 4
