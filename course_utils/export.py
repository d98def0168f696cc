"""From a trained network to what a service runs: ONNX graphs, eight-bit numbers, and how to compare the answers."""

from __future__ import annotations

import io
import logging
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from copy import deepcopy
from logging.handlers import BufferingHandler
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import onnxruntime
import torch
from torch import nn

Floats = npt.NDArray[np.float32]
BATCH = "batch"


def export_to_onnx(
    model: nn.Module,
    dummy_input: torch.Tensor | tuple[torch.Tensor, ...],
    filename: str | Path,
    *,
    input_names: Sequence[str] = ("input",),
    dynamic: Sequence[Mapping[int, str]] | None = None,
) -> None:
    """Write a network as one ONNX file that takes batches of any size.

    Args:
        model: Exported in evaluation mode; left in the mode that it had.
        dummy_input: An example of what it takes, two rows or more; a tuple for several inputs.
        filename: Where the graph goes.
        input_names: Of the inputs; the output's name is `"output"`.
        dynamic: For each input, which axes may vary, and their names; the first axis, `"batch"`, by default.

    Raises:
        torch.onnx.OnnxExporterError: If the network cannot be turned into a graph.

    See: chapter 06, "One graph for every language".
    """
    inputs = dummy_input if isinstance(dummy_input, tuple) else (dummy_input,)
    axes = dynamic or [{0: BATCH}] * len(inputs)
    new, shapes = set[str](), []
    for shape in axes:  # a name stands once; the exporter finds by itself where another axis is as long
        dims = {
            axis: torch.export.Dim.AUTO if name in new else torch.export.Dim(name)
            for axis, name in shape.items()
        }
        new |= set(shape.values())
        shapes.append(dims)
    was_training = model.training
    model.eval()
    try:
        torch.onnx.export(
            model,
            inputs,
            str(filename),
            input_names=list(input_names),
            output_names=["output"],
            dynamic_shapes=tuple(shapes),
            external_data=False,
            verbose=False,
        )
    finally:
        model.train(was_training)


def quantize_model(model: nn.Module) -> nn.Module:
    """Return a copy whose linear layers hold eight-bit weights and multiply in eight bits.

    Args:
        model: Left as it is; convolutions and LSTMs stay in 32 bits.

    See: chapter 06, "Fewer bits".
    """
    from torchao.quantization import Int8DynamicActivationInt8WeightConfig, quantize_  # takes two seconds

    quantized_model = deepcopy(model).eval()
    quantize_(quantized_model, Int8DynamicActivationInt8WeightConfig())
    return quantized_model


class _Batches:
    """Calibration rows, one at a time, in the form that ONNX Runtime asks for."""

    def __init__(self, inputs: Mapping[str, npt.NDArray[Any]]) -> None:
        count = len(next(iter(inputs.values())))
        self.rows: Iterator[dict[str, npt.NDArray[Any]]] = iter(
            [{name: array[i : i + 1] for name, array in inputs.items()} for i in range(count)]
        )

    def get_next(self) -> dict[str, npt.NDArray[Any]] | None:
        return next(self.rows, None)


def quantize_static(
    graph: Path,
    target: Path,
    rows: npt.NDArray[Any] | tuple[npt.NDArray[Any], ...],
    *,
    per_channel: bool = True,
) -> None:
    """Write a graph whose weights and activations have eight bits.

    Args:
        graph: ONNX file in 32 bits.
        target: Where the new one goes.
        rows: Real inputs, shape (N, …), from which the ranges of the activations are read; a tuple for several inputs.
        per_channel: Whether each channel's weights have a range of their own, or a whole layer shares one.

    See: chapter 06, "Fewer bits".
    """
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    arrays = rows if isinstance(rows, tuple) else (rows,)
    names = [entry.name for entry in open_graph(graph).get_inputs()]
    with _quiet(), tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        part = Path(scratch) / target.name
        quantize_static(
            str(graph),
            str(part),
            _Batches(dict(zip(names, arrays, strict=True))),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=per_channel,
        )
        part.replace(target)


def quantize_dynamic(graph: Path, target: Path, *, per_channel: bool = False) -> None:
    """Write a graph with eight-bit weights; ranges of the activations are found anew in every call.

    Args:
        graph: ONNX file in 32 bits.
        target: Where the new one goes.
        per_channel: As in `quantize_static`.

    See: chapter 06, "Fewer bits".
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with _quiet(), tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        part = Path(scratch) / target.name
        quantize_dynamic(str(graph), str(part), weight_type=QuantType.QInt8, per_channel=per_channel)
        part.replace(target)


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out ONNX Runtime's advice to pre-process first: for these graphs it changes nothing (measured)."""

    def advice(record: logging.LogRecord) -> bool:
        return "pre-processing before quantization" not in record.getMessage()

    root = logging.getLogger()
    root.addFilter(advice)
    try:
        yield
    finally:
        root.removeFilter(advice)


def open_graph(graph: Path, *, threads: int = 1) -> onnxruntime.InferenceSession:
    """Return an ONNX graph ready to run on the CPU, with that many threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph.read_bytes(), options, providers=["CPUExecutionProvider"])


def run_graph(opened: onnxruntime.InferenceSession, *inputs: npt.NDArray[Any]) -> Floats:
    """Return the first output of a graph for its inputs, in the order in which the graph names them."""
    named = {entry.name: array for entry, array in zip(opened.get_inputs(), inputs, strict=True)}
    return np.asarray(opened.run(None, named)[0], dtype=np.float32)


class Changed(NamedTuple):
    """How the answers of two networks differ on the same rows: share that agrees, wrong → right, right → wrong."""

    agreement: float
    gained: int
    lost: int


def compare_answers(first: npt.ArrayLike, second: npt.ArrayLike, labels: npt.ArrayLike) -> Changed:
    """Compare two networks answer by answer.

    Args:
        first: Scores, shape (N, classes).
        second: Scores of the other, likewise.
        labels: What is right, shape (N,).
    """
    before, after = (np.asarray(scores).argmax(axis=1) for scores in (first, second))
    right_before, right_after = (found == np.asarray(labels) for found in (before, after))
    gained, lost = int((right_after & ~right_before).sum()), int((right_before & ~right_after).sum())
    return Changed(float((before == after).mean()), gained, lost)


def measure_latency(
    calls: Mapping[str, Callable[[], object]], *, rounds: int = 40
) -> dict[str, tuple[float, float]]:
    """Time several ways in turn, so that what else the machine does hits all of them alike.

    Args:
        calls: Name → what is timed.
        rounds: Calls of each, after three to warm up.

    Returns:
        Name → milliseconds at the 50th and the 95th percentile.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + 3):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            if turn >= 3:
                times[name].append(1e3 * (time.perf_counter() - began))
    return {name: (float(np.percentile(t, 50)), float(np.percentile(t, 95))) for name, t in times.items()}


def with_warnings(call: Callable[[], Any]) -> tuple[Any, list[str]]:
    """Return what a call returns, or the error it raises, and its warnings and log entries, each as a line or two.

    What it prints is dropped.

    See: chapter 06, "One graph for every language": what the guide's own lines do today.
    """
    log, silence = BufferingHandler(1000), io.StringIO()
    root = logging.getLogger()
    handlers, root.handlers = root.handlers, [log]
    try:
        with (
            warnings.catch_warnings(record=True) as caught,
            redirect_stdout(silence),
            redirect_stderr(silence),
        ):
            warnings.simplefilter("always")
            try:
                result: Any = call()
            except Exception as error:
                result = error
    finally:
        root.handlers = handlers
    told = [f"{each.category.__name__}: {str(each.message).splitlines()[0]}" for each in caught]
    entries = [log.format(record).splitlines() for record in log.buffer]  # of an error: its traceback too
    return result, told + [line for entry in entries for line in dict.fromkeys(entry[:1] + entry[-1:])]
