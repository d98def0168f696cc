"""A network in up to nine precisions: bytes, changed answers, accuracy and time.

See: chapter 06, "Which network, which precision?".
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import save
from torch import nn
from torch.nn.utils import prune

from course_utils import export

PLAIN = "PyTorch, 32 bits"
GRAPH = "ONNX Runtime, 32 bits"
STATIC = ("ONNX Runtime, 8 bits static, a range a layer", "ONNX Runtime, 8 bits static, a range a channel")
ROUNDS = {1: 30, 32: 8}
"""How many calls of each precision are timed, in turn, by size of the batch."""

Array = npt.NDArray[Any]


@dataclass
class Subject:
    """A network to be tried, and what it is tried on.

    Args:
        name: E.g. `"digit CNN"`.
        model: In evaluation mode, on the CPU; takes the inputs in their order and returns logits.
        inputs: Test inputs, each with N rows.
        labels: What is right, shape (N,).
        calibration: Draws inputs of the training part, by a seed.
        input_names: Of the graph's inputs.
        dynamic: Which of their axes may vary, as `export_to_onnx` takes it.
        rows: How many rows are answered at once.
    """

    name: str
    model: nn.Module
    inputs: tuple[torch.Tensor, ...]
    labels: npt.NDArray[np.int64]
    calibration: Callable[[int], tuple[Array, ...]]
    input_names: tuple[str, ...] = ("input",)
    dynamic: tuple[dict[int, str], ...] | None = None
    rows: int = 100


def pytorch_arms(model: nn.Module) -> dict[str, nn.Module]:
    """Return a network in the precisions that PyTorch has for a CPU; the first is the network itself.

    Args:
        model: Left as it is.

    Raises:
        RuntimeError: If the deprecated `quantize_dynamic` does not run any more.
    """
    import torchao.quantization as ao  # takes two seconds

    def changed(config: Any) -> nn.Module:  # noqa: ANN401
        copy = deepcopy(model)
        ao.quantize_(copy, config)
        return copy

    layers = {nn.Linear, nn.LSTM}
    deprecated, _ = export.with_warnings(  # they say that it is deprecated: section 6.3 shows them
        lambda: torch.ao.quantization.quantize_dynamic(deepcopy(model), layers, dtype=torch.qint8)
    )
    if isinstance(deprecated, Exception):
        raise RuntimeError(f"the deprecated quantize_dynamic failed: {deprecated}") from deprecated
    return {
        PLAIN: model,
        "PyTorch, 16 bits (bf16)": deepcopy(model).to(torch.bfloat16),
        "torchao, 8 bits": changed(ao.Int8DynamicActivationInt8WeightConfig()),
        "torchao, 8 bits, weights only": changed(ao.Int8WeightOnlyConfig()),
        "quantize_dynamic, deprecated": deprecated,
    }


def graph_arms(subject: Subject, folder: Path, draws: Sequence[int]) -> dict[str, list[Path]]:
    """Write a network's graph, and its eight-bit versions.

    Args:
        subject: The network.
        folder: Where they go.
        draws: Seeds of the draws for calibration; each has its own static versions.

    Returns:
        Name → files, one for each draw if draws matter.
    """
    plain, dynamic = folder / "plain.onnx", folder / "dynamic.onnx"
    examples = tuple(values[:3] for values in subject.inputs)

    def write() -> None:
        names, axes = subject.input_names, subject.dynamic
        export.export_to_onnx(subject.model, examples, plain, input_names=names, dynamic=axes)
        export.quantize_dynamic(plain, dynamic)
        for draw in draws:
            rows = subject.calibration(draw)
            for name, target in static[draw].items():
                export.quantize_static(plain, target, rows, per_channel=name == STATIC[1])

    static = {
        draw: {name: folder / f"static-{index}-{draw}.onnx" for index, name in enumerate(STATIC)}
        for draw in draws
    }
    problem, _ = export.with_warnings(write)  # remarks on names of axes and ranks: they change nothing here
    if isinstance(problem, Exception):
        raise problem
    files = {GRAPH: [plain], "ONNX Runtime, 8 bits dynamic": [dynamic]}
    return files | {name: [static[draw][name] for draw in draws] for name in STATIC}


def compare_precisions(
    subject: Subject, folder: Path, *, draws: Sequence[int], rounds: Mapping[int, int] = ROUNDS
) -> list[dict[str, Any]]:
    """Try a network in all precisions on the same inputs; return a row for each, and for each draw where it matters.

    Args:
        subject: The network.
        folder: For its graphs.
        draws: Seeds of the draws for calibration; of the static versions, the first draw's is timed.
        rounds: Size of a batch → calls of each precision that are timed, in turn.

    Returns:
        `network`, `arm`, `draw`, `bytes`, `accuracy`, `agreement`, `gained`, `lost`; in the first row of an arm also
        `ms` by size of the batch: the 50th and the 95th percentile.
    """
    networks, files = pytorch_arms(subject.model), graph_arms(subject, folder, draws)
    asked: dict[str, list[Ask]] = {name: [_asks_network(network)] for name, network in networks.items()}
    asked |= {name: [_asks_graph(path) for path in paths] for name, paths in files.items()}
    sizes = {name: [_bytes_of(network)] for name, network in networks.items()}
    sizes |= {name: [path.stat().st_size for path in paths] for name, paths in files.items()}
    with torch.no_grad():  # not inference mode: torchao's weights could not be saved there
        times = {size: _times(subject, asked, size, count) for size, count in rounds.items()}
        plain = _scores(subject, asked[PLAIN][0])
        rows = []
        for name, asks in asked.items():
            for index, (ask, size) in enumerate(zip(asks, sizes[name], strict=True)):
                row = {"network": subject.name, "arm": name, "draw": draws[index], "bytes": size}
                row |= _judged(subject, plain, plain if name == PLAIN else _scores(subject, ask))
                rows.append(
                    row if index else row | {"ms": {str(s): found[name] for s, found in times.items()}}
                )
    return rows


def pruned(model: nn.Module, layers: Sequence[str], amount: float, *, at_random: bool = False) -> nn.Module:
    """Return a copy in which a share of the weights is zero: the smallest of all these layers, or any.

    Args:
        model: Left as it is.
        layers: Names of its linear and convolutional layers; their biases stay.
        amount: Share of the weights, 0 to 1.
        at_random: Choose the weights by chance (from the global generator), not by size.

    See: chapter 06, "Half precision and pruning".
    """
    copy = deepcopy(model)
    places = [(copy.get_submodule(name), "weight") for name in layers]
    method = prune.RandomUnstructured if at_random else prune.L1Unstructured
    prune.global_unstructured(places, pruning_method=method, amount=amount)
    for layer, name in places:
        prune.remove(layer, name)  # the zeros become part of the weights
    return copy


def file_sizes(model: nn.Module) -> tuple[int, int]:
    """Return the bytes of a network's weights as a safetensors file, and of that file when it is compressed."""
    content = save(model.state_dict())
    return len(content), len(zlib.compress(content))


Ask = Callable[[tuple[torch.Tensor, ...]], Array]


def _asks_network(network: nn.Module) -> Ask:
    half = any(parameter.dtype == torch.bfloat16 for parameter in network.parameters())

    def ask(inputs: tuple[torch.Tensor, ...]) -> Array:
        given = (v.to(torch.bfloat16) if half and v.is_floating_point() else v for v in inputs)
        scores: Array = network(*given).float().numpy()
        return scores

    return ask


def _asks_graph(path: Path) -> Ask:
    opened = export.open_graph(path)
    return lambda inputs: export.run_graph(opened, *(values.numpy() for values in inputs))


def _times(subject: Subject, asked: dict[str, list[Ask]], size: int, rounds: int) -> dict[str, list[float]]:
    inputs = tuple(values[:size] for values in subject.inputs)
    calls = {name: lambda ask=asks[0]: ask(inputs) for name, asks in asked.items()}
    found = export.measure_latency(calls, rounds=rounds)
    return {name: [round(value, 4) for value in values] for name, values in found.items()}


def _scores(subject: Subject, ask: Ask) -> Array:
    return np.concatenate([ask(part) for part in _parts(subject)])


def _parts(subject: Subject) -> Iterator[tuple[torch.Tensor, ...]]:
    return zip(*(values.split(subject.rows) for values in subject.inputs), strict=True)


def _judged(subject: Subject, plain: Array, scores: Array) -> dict[str, float]:
    changed = export.compare_answers(plain, scores, subject.labels)
    accuracy = float((scores.argmax(axis=1) == subject.labels).mean())
    return {"rows": len(scores), "accuracy": round(accuracy, 5), **changed._asdict()}


def _bytes_of(network: nn.Module) -> int:
    buffer = io.BytesIO()
    torch.save(network.state_dict(), buffer)
    return buffer.tell()
