import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from scipy import stats

from course_utils.recipes import drift


@pytest.fixture(scope="module")
def samples() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(300, 3)).round(1), rng.normal(0.3, size=(200, 3)).round(1)  # rounded: with ties


def test_the_distance_is_that_of_scipy(samples: tuple[np.ndarray, np.ndarray]) -> None:
    first, second = samples
    rng = np.random.default_rng(1)
    pairs = [(rng.permutation(300)[:120], rng.permutation(200)[:50]) for _ in range(5)]
    rows = drift.Draws(np.stack([a for a, _ in pairs]), np.stack([b for _, b in pairs]))
    found = drift.largest_gap(first, second, rows)
    expected = [[stats.ks_2samp(first[a, c], second[b, c]).statistic for c in range(3)] for a, b in pairs]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_p_values_are_close_to_the_exact_ones() -> None:
    rng = np.random.default_rng(0)
    for size in (50, 200):
        for shift in (0, 0.2):
            first, second = rng.normal(size=800), rng.normal(shift, size=size)
            rows = drift.Draws(np.arange(800)[None], np.arange(size)[None])
            found = drift.smirnov(first[:, None], second[:, None], rows)
            assert found[0, 0] == pytest.approx(stats.ks_2samp(first, second).pvalue, abs=0.02)


def test_classes_are_tested_as_scipy_does() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 6, (4, 300)), rng.integers(0, 5, (4, 80))
    expected = [
        stats.chi2_contingency(
            [np.bincount(a, minlength=6), np.bincount(b, minlength=6)], correction=False
        ).pvalue
        for a, b in zip(first, second, strict=True)
    ]
    np.testing.assert_allclose(drift._chi_squared(first, second), expected)


def test_a_class_that_nobody_predicts_does_not_count() -> None:
    first, second = np.array([[0, 0, 2, 2]]), np.array([[0, 2, 2, 2]])
    expected = stats.chi2_contingency([[2, 2], [1, 3]], correction=False).pvalue
    np.testing.assert_allclose(drift._chi_squared(first, second), [expected])


def test_pairs_share_no_row_and_keep_to_the_mask() -> None:
    only = np.arange(100) < 40
    rows = drift.draw(100, reference=50, window=10, draws=20, seed=3, only=only)
    assert rows.reference.shape == (20, 50)
    assert rows.window.shape == (20, 10)
    assert all(not set(a) & set(b) for a, b in zip(rows.reference, rows.window, strict=True))
    assert only[rows.window].all()


def test_alarms_come_when_something_changed_and_rarely_when_not() -> None:
    rng = np.random.default_rng(0)
    before = drift.Seen(rng.uniform(size=900), rng.integers(0, 10, 900), rng.normal(size=(900, 12)))
    after = drift.Seen(before.confidence**3, before.prediction // 2, before.features + 1)
    rows = drift.draw(900, reference=400, window=100, draws=100, seed=0)
    quiet = {name: (p < 0.05).mean() for name, p in drift.p_values(before, before, rows).items()}
    loud = {name: (p < 0.05).mean() for name, p in drift.p_values(before, after, rows).items()}
    assert set(quiet) == {"confidence", "features", "classes"}
    assert max(quiet.values()) < 0.15
    assert min(loud.values()) > 0.95


def test_changes_do_what_they_say() -> None:
    pixels = np.zeros((2, 28, 28))
    pixels[:, 10:18, 10] = 1
    changed = {name: drift.change(pixels, name, seed=1) for name in drift.CHANGES}
    assert all(
        found.shape == pixels.shape and found.min() >= 0 and found.max() <= 1 for found in changed.values()
    )
    assert (changed["as before"] == pixels).all()
    assert pixels.sum() == 16
    assert changed["half the ink"].sum() == 8
    assert (changed["moved by 4 pixels"][:, 10:18, 14] == 1).all()
    assert (drift.change(pixels, "noise 0.2", seed=1) == changed["noise 0.2"]).all()
    assert changed["turned by 45°"][0, 14].argmax() != 10
    with pytest.raises(ValueError, match="expected one of"):
        drift.change(pixels, "turned")


def test_the_graph_gives_its_features_too(tmp_path) -> None:
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(4, 3)).astype(np.float32)
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["input"], ["flat"]),
            helper.make_node("Relu", ["flat"], ["features"]),
            helper.make_node("MatMul", ["features", "weights"], ["output"]),
        ],
        "tiny",
        [value("input", onnx.TensorProto.FLOAT, ["batch", 1, 2, 2])],
        [value("output", onnx.TensorProto.FLOAT, ["batch", 3])],
        [numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, tmp_path / "tiny.onnx")
    inputs = rng.normal(size=(5, 1, 2, 2))
    seen = drift.Watched(tmp_path / "tiny.onnx").see(inputs)
    features = np.maximum(inputs.reshape(5, 4), 0)
    np.testing.assert_allclose(seen.features, features, rtol=1e-5)
    expected = torch.from_numpy(features @ weights).softmax(dim=1).max(dim=1)
    np.testing.assert_allclose(seen.confidence, expected.values, rtol=1e-4)
    assert (seen.prediction == expected.indices.numpy()).all()
