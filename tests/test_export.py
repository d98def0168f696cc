"""Graphs and eight-bit numbers: the same answers, whatever the size of the batch."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from course_utils import export
from course_utils.data.digits import Digits, load_digits
from course_utils.models.cnn import SmallCNN
from course_utils.recipes.chapter_02 import load_digit_network
from course_utils.recipes.digit_bundle import make_digit_bundle, make_store
from course_utils.serving import bundle
from course_utils.serving.bundle import BundleError
from course_utils.serving.predictor import Predictor


@pytest.fixture(scope="module")
def digits() -> Digits:
    return load_digits("mnist_5k", seed=0)


@pytest.fixture(scope="module")
def model() -> SmallCNN:
    return load_digit_network()[0]


@pytest.fixture(scope="module")
def graph(model: SmallCNN, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graph") / "digits.onnx"
    model.train()
    export.export_to_onnx(model, torch.zeros(2, 1, 28, 28), str(path))
    assert model.training  # left in the mode that it had
    model.eval()
    return path


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("store") / "digits")


@pytest.mark.parametrize("size", [1, 7, 64])
def test_a_graph_gives_what_the_network_gives(graph, model, digits, size):
    images = digits.test.images[:size]
    with torch.no_grad():
        expected = model(images).numpy()
    assert np.abs(export.run_graph(export.open_graph(graph), images.numpy()) - expected).max() < 1e-4


def test_a_graph_is_one_file_with_names(graph):
    assert [path.name for path in graph.parent.iterdir()] == ["digits.onnx"]
    found = onnx.load(graph)
    [given], [returned] = found.graph.input, found.graph.output
    assert (given.name, returned.name) == ("input", "output")
    assert [dim.dim_param or dim.dim_value for dim in given.type.tensor_type.shape.dim] == [
        "batch",
        1,
        28,
        28,
    ]


def test_several_inputs_have_names_of_their_own(tmp_path):
    class Sum(nn.Module):
        def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
            return first + second

    rows = torch.randn(3, 4), torch.randn(3, 4)
    export.export_to_onnx(Sum(), rows, tmp_path / "sum.onnx", input_names=("first", "second"))
    opened = export.open_graph(tmp_path / "sum.onnx")
    assert [entry.name for entry in opened.get_inputs()] == ["first", "second"]
    assert np.allclose(
        export.run_graph(opened, rows[0].numpy()[:1], rows[1].numpy()[:1]), (rows[0] + rows[1])[:1]
    )


def test_static_eight_bits_give_the_same_answers_in_a_quarter_of_the_bytes(graph, digits, tmp_path, caplog):
    rows, images = digits.train.images[:100].numpy(), digits.test.images.numpy()
    export.quantize_static(graph, tmp_path / "int8.onnx", rows)
    found = export.compare_answers(
        export.run_graph(export.open_graph(graph), images),
        export.run_graph(export.open_graph(tmp_path / "int8.onnx"), images),
        digits.test.labels,
    )
    assert found.agreement >= 0.99
    assert (tmp_path / "int8.onnx").stat().st_size < 0.3 * graph.stat().st_size
    assert [path.name for path in tmp_path.iterdir()] == ["int8.onnx"]
    assert caplog.record_tuples == []


def test_dynamic_eight_bits(graph, digits, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        export.quantize_dynamic(graph, tmp_path / "int8.onnx")
    assert caplog.record_tuples == []
    images = digits.test.images[:100].numpy()
    found = export.run_graph(export.open_graph(tmp_path / "int8.onnx"), images).argmax(axis=1)
    assert (found == export.run_graph(export.open_graph(graph), images).argmax(axis=1)).mean() >= 0.97


def test_quantize_model_changes_a_copy_only(model, digits):
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    quantized = export.quantize_model(model)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert type(quantized.fc1.weight).__module__.startswith("torchao")
    assert type(quantized.conv1.weight) is nn.Parameter  # convolutions are not reached
    with torch.no_grad():
        images = digits.test.images[:100]
        assert (quantized(images).argmax(1) == model(images).argmax(1)).float().mean() >= 0.98


def test_compare_answers_counts_both_ways():
    first, second = np.eye(4)[[0, 1, 2, 3]], np.eye(4)[[0, 2, 2, 0]]
    assert export.compare_answers(first, second, [0, 2, 2, 3]) == export.Changed(0.5, 1, 1)


def test_latency_times_in_turn():
    order: list[str] = []
    found = export.measure_latency({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, rounds=5)
    assert order == ["a", "b"] * 8
    assert all(0 <= low <= high for low, high in found.values())


def test_with_warnings_catches_both():
    def fails() -> None:
        raise ValueError("no")

    result, told = export.with_warnings(
        lambda: torch.ao.quantization.quantize_dynamic(nn.Linear(2, 2), {nn.Linear})
    )
    assert isinstance(result, nn.Module)
    assert any("deprecated" in line for line in told)
    assert isinstance(export.with_warnings(fails)[0], ValueError)


def test_with_warnings_keeps_what_is_logged_and_drops_what_is_printed(capsys):
    def talks() -> int:
        print("aside")
        try:
            raise ValueError("no adapter")
        except ValueError:
            logging.getLogger("somebody").warning("not %s", "converted", exc_info=True)
        return 1

    before = list(logging.getLogger().handlers)
    assert export.with_warnings(talks) == (1, ["not converted", "ValueError: no adapter"])
    assert logging.getLogger().handlers == before
    assert capsys.readouterr() == ("", "")


def test_the_guides_export_keeps_its_opset_to_itself(model, tmp_path):
    _, told = export.with_warnings(
        lambda: torch.onnx.export(
            model,
            torch.randn(1, 1, 28, 28),
            tmp_path / "guide.onnx",
            export_params=True,
            opset_version=11,
            do_constant_folding=True,
            input_names=["input"],
            output_names=["output"],
        )
    )
    assert any("No Adapter" in line for line in told)
    written = onnx.load(tmp_path / "guide.onnx", load_external_data=False)
    assert written.opset_import[0].version > 11


def test_a_loop_over_rows_is_fixed_to_the_examples_rows(tmp_path):
    class RowByRow(nn.Module):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            return torch.stack([row / 2 for row in batch])

    export.export_to_onnx(RowByRow(), torch.randn(2, 3), tmp_path / "loop.onnx")
    opened = export.open_graph(tmp_path / "loop.onnx")
    assert export.run_graph(opened, np.ones((2, 3), np.float32)).shape == (2, 3)
    refused, _ = export.with_warnings(lambda: export.run_graph(opened, np.ones((7, 3), np.float32)))
    assert "Got: 7 Expected: 2" in str(refused)


def test_the_store_has_two_versions_that_agree(store, digits):
    images = digits.test.images.numpy()
    first, second = (Predictor(bundle.read_bundle(store / version)) for version in ("1", "2"))
    assert [each.bundle.metrics["precision"] for each in (first, second)] == ["fp32", "int8"]
    accuracy = (first.logits(images).argmax(axis=1) == digits.test.labels.numpy()).mean()
    assert accuracy == pytest.approx(first.bundle.metrics["test_accuracy"], abs=0.002)
    assert (first.logits(images).argmax(axis=1) == second.logits(images).argmax(axis=1)).mean() >= 0.995
    before = (store / "1" / "manifest.json").read_bytes()
    make_store(store)
    assert (store / "1" / "manifest.json").read_bytes() == before
    with pytest.raises(BundleError):
        make_digit_bundle(store / "1")
