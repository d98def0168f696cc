"""The exercises of chapter 06 ask for what the service does: the same statuses, the same page, the same rounding."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from course_utils.exercises import deployment, operations, uploads
from course_utils.serving.decode import Limits, Refused, open_picture
from course_utils.serving.metrics import Metrics

SENT = {words: (given, right) for words, given, right in uploads.uploads()}


def status(data: bytes, max_bytes: int, max_pixels: int) -> int:
    """Return what the service would answer; it reads BMP and WebP too."""
    if len(data) > max_bytes:
        return 413
    try:
        open_picture(data, Limits(pixels=max_pixels))
    except Refused as refused:
        return refused.status
    return 200


@pytest.mark.parametrize("words", SENT)
def test_the_service_judges_an_upload_as_the_exercise_does(words):
    given, right = SENT[words]
    assert status(*given) == (200 if words in ("a BMP", "a WebP") else right)


def test_the_pages_have_the_form_of_the_services_own():
    metrics = Metrics()
    for route, code, seconds in (
        ("/predict", "200", 0.25),
        ("/predict", "503", 0.75),
        ("/health", "200", 9.0),
    ):
        metrics.requests.labels(route, code).inc()
        metrics.seconds.labels(route).observe(seconds)
    before = metrics.page().decode()
    metrics.requests.labels("/predict", "500").inc()
    metrics.requests.labels("/predict", "200").inc(3)
    for seconds in (0.5, 0.5, 0.5, 1.5):
        metrics.seconds.labels("/predict").observe(seconds)
    assert operations.my_rates(before, metrics.page().decode(), 2.0) == (2.0, 0.25, 0.75)
    forms = [
        {line.split("{")[0] for line in page.splitlines() if "/predict" in line}
        for page in (before, operations.pages()[0][0])
    ]
    assert forms[1] <= forms[0]


@pytest.mark.parametrize(("values", "low", "high"), deployment.QUANTISED)
def test_eight_bits_by_hand_are_those_of_pytorch(values, low, high):
    wide = (min(low, 0.0), max(high, 0.0))
    scale = (wide[1] - wide[0]) / 255
    expected = torch.fake_quantize_per_tensor_affine(
        torch.as_tensor(values, dtype=torch.float32), scale, round(-wide[0] / scale), 0, 255
    )
    assert np.allclose(deployment.my_quantised(values, low, high), expected.numpy(), atol=1e-5)
