"""Bundles: written whole, verified before use, and nothing in them that could run code."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from service_tools import COLOUR, GREY, LABELS, tiny_bundle, tiny_graph

from course_utils.serving import bundle
from course_utils.serving.bundle import BundleError
from course_utils.serving.predictor import Predictor


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny" / "1").folder


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "copy"
    folder.mkdir()
    for file in made.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


def test_what_is_written_is_read_back(made):
    found = bundle.read_bundle(made)
    assert (found.name, found.version, found.labels) == ("tiny", "1", tuple(LABELS))
    assert found.preprocessing == GREY
    assert found.metrics == {"test_accuracy": 0.5}
    assert sorted(file.name for file in made.iterdir()) == ["manifest.json", "model.onnx"]
    assert [path.name for path in made.parent.iterdir()] == ["1"]  # nothing half-made is left


def test_a_version_never_changes(made):
    before = (made / "manifest.json").read_bytes()
    with pytest.raises(BundleError, match="write the next version"):
        tiny_bundle(made, seed=5)
    assert (made / "manifest.json").read_bytes() == before


def test_two_who_write_one_version(tmp_path, monkeypatch):
    tiny_bundle(tmp_path / "1")
    monkeypatch.setattr(Path, "exists", lambda path: False)  # the other came just after this was asked
    with pytest.raises(BundleError, match="write the next version"):
        tiny_bundle(tmp_path / "1", seed=5)
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


@pytest.mark.parametrize(
    "name", ["model.pkl", "model.pth", "../model.onnx", "a/b.onnx", "manifest.json", ".onnx", "c:x.onnx"]
)
def test_files_that_cannot_be_in_a_bundle(tmp_path, name):
    with pytest.raises(BundleError, match="cannot be in a bundle"):
        tiny_bundle(tmp_path / "1", files={"model.onnx": tiny_graph(), name: b"x"})
    assert list(tmp_path.iterdir()) == []


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_one_changed_byte_is_noticed(copy, data):
    path = copy / "model.onnx"
    whole = path.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    path.write_bytes(
        whole[:place] + bytes([whole[place] ^ data.draw(st.integers(1, 255))]) + whole[place + 1 :]
    )
    try:
        with pytest.raises(BundleError, match="refused"):
            bundle.read_bundle(copy)
    finally:
        path.write_bytes(whole)


def _edit(folder: Path, **changes: object) -> None:
    file = folder / "manifest.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"format": 2}, "format 2, expected 1"),
        ({"labels": ["one"]}, "two or more"),
        ({"labels": ["a", "a"]}, "different"),
        ({"labels": "0123456789"}, "labels of manifest.json is str, expected list"),
        ({"preprocessing": {"mode": "L"}}, "expected mode, side, arrange, mean, std"),
        ({"preprocessing": {**GREY.to_json(), "std": [0]}}, "above 0"),
        ({"preprocessing": {**GREY.to_json(), "side": 10**6}}, "side"),
        ({"preprocessing": {**GREY.to_json(), "side": 28.0}}, "whole number"),
        ({"preprocessing": {**GREY.to_json(), "mean": [float("nan")]}}, "finite"),
        ({"preprocessing": {**GREY.to_json(), "std": [float("inf")]}}, "finite"),
        ({"version": "../2"}, "version"),
        ({"files": {}}, "lists no model.onnx"),
        ({"files": {"model.onnx": {}, "more.txt": {}}}, "missing: more.txt"),
        ({"files": {"../../model.onnx": {}}}, "plain file name"),
    ],
)
def test_a_manifest_that_was_changed(copy, changes, told):
    _edit(copy, **changes)
    with pytest.raises(BundleError, match=told.replace("(", r"\(")):
        bundle.read_bundle(copy)


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '{"format": 1}', "[" * 100_000])
def test_a_manifest_that_is_none(copy, text):
    (copy / "manifest.json").write_text(text)
    with pytest.raises(BundleError):
        bundle.read_bundle(copy)


def test_files_that_were_added_or_replaced(copy, tmp_path):
    (copy / "extra.txt").write_text("x")
    with pytest.raises(BundleError, match=r"not in its manifest.json: extra.txt"):
        bundle.read_bundle(copy)
    (copy / "extra.txt").unlink()
    (copy / "model.onnx").write_bytes(pickle.dumps({"weights": [1, 2]}))
    with pytest.raises(BundleError, match="pickle"):
        bundle.read_bundle(copy)
    (copy / "model.onnx").unlink()
    with pytest.raises(BundleError, match="missing"):
        bundle.read_bundle(copy)
    (tmp_path / "elsewhere").write_bytes(tiny_graph())
    (copy / "model.onnx").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BundleError, match="link"):
        bundle.read_bundle(copy)
    with pytest.raises(BundleError, match="no bundle"):
        bundle.read_bundle(tmp_path)


def test_a_predictor_gives_the_softmax_of_the_graph(made):
    rows = np.random.default_rng(1).normal(size=(5, 1, 28, 28)).astype(np.float32)
    predictor = Predictor(bundle.read_bundle(made))
    scores = predictor.logits(rows)
    weight = np.random.default_rng(0).normal(size=(784, 10)).astype(np.float32) / 10
    assert np.allclose(scores, rows.reshape(5, -1) @ weight, atol=1e-4)
    expected = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    assert np.allclose(predictor.probabilities(rows), expected, atol=1e-6)
    assert np.isfinite(predictor.probabilities(rows * 1e4)).all()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"files": {"model.onnx": b"no graph"}}, "cannot be run"),
        ({"labels": ["a", "b"]}, r"one for each of the 2 labels"),
        ({"preprocessing": COLOUR}, "cannot be run"),
    ],
)
def test_a_graph_that_does_not_fit_its_bundle(tmp_path, changes, told):
    with pytest.raises(BundleError, match=told):
        Predictor(tiny_bundle(tmp_path / "1", **changes))
