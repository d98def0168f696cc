"""What the tests of the service share: a tiny network without torch, pictures, and requests through a socket."""

from __future__ import annotations

import http.client
import io
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from course_utils.serving import bundle
from course_utils.serving.bundle import Bundle
from course_utils.serving.preprocess import Preprocessing

LABELS = [f"class {number}" for number in range(10)]
GREY = Preprocessing("L", 28, "drawing", (0.5,), (0.5,))
COLOUR = Preprocessing("RGB", 28, "resize", (0.5,) * 3, (0.5,) * 3)


def tiny_graph(channels: int = 1, classes: int = 10, seed: int = 0, scale: float = 0.1) -> bytes:
    """Return a graph that maps (batch, channels, 28, 28) to scores by one matrix, drawn by `seed`."""
    weight = np.random.default_rng(seed).normal(size=(channels * 784, classes)).astype(
        np.float32
    ) * np.float32(scale)
    shape = ["batch", channels, 28, 28]
    nodes = [
        helper.make_node("Flatten", ["input"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weight"], ["output"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", classes])],
        [numpy_helper.from_array(weight, "weight")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(made)
    return made.SerializeToString()


def tiny_bundle(folder: Path, *, version: str = "1", seed: int = 0, **changes: Any) -> Bundle:
    """Write a bundle of the tiny network."""
    given: dict[str, Any] = {
        "name": "tiny",
        "version": version,
        "files": {"model.onnx": tiny_graph(seed=seed)},
        "labels": LABELS,
        "preprocessing": GREY,
        "metrics": {"test_accuracy": 0.5},
        "versions": {"numpy": np.__version__},
        "data": {},
        "licence": "MIT",
    }
    return bundle.write_bundle(folder, **{**given, **changes})


def tiny_store(folder: Path) -> Path:
    """Write versions 1 and 2, which differ, and serve the first."""
    for version in ("1", "2"):
        tiny_bundle(folder / version, version=version, seed=int(version))
    (folder / "serving.json").write_text('{"serve": "1", "shadow": null}')
    return folder


def encode(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """Return a picture as a file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def digit(seed: int = 0) -> Image.Image:
    """Return a grey picture of 28 × 28 random pixels."""
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (28, 28), dtype=np.uint8))


def form(*files: bytes, field: str = "image") -> tuple[bytes, dict[str, str]]:
    """Return body and headers of a multipart form."""
    parts = [
        f'--B\r\nContent-Disposition: form-data; name="{field}"; filename="a.png"\r\n'
        "Content-Type: image/png\r\n\r\n".encode()
        + data
        + b"\r\n"
        for data in files
    ]
    return b"".join(parts) + b"--B--\r\n", {"Content-Type": "multipart/form-data; boundary=B"}


def connect(url: str, timeout: float = 20) -> http.client.HTTPConnection:
    """Return a connection that can be used again and again."""
    address = urlsplit(url)
    return http.client.HTTPConnection(str(address.hostname), address.port, timeout=timeout)


def exchange(
    connection: http.client.HTTPConnection, path: str, *files: bytes, method: str = "", **headers: str
) -> tuple[int, Any, dict[str, str]]:
    """Send one request; return status, content (read as JSON where it is), and headers."""
    body, own = form(*files) if files else (None, {})
    connection.request(method or ("POST" if files else "GET"), path, body, {**own, **headers})
    response = connection.getresponse()
    content, found = response.read(), {name.lower(): value for name, value in response.getheaders()}
    is_json = found.get("content-type", "").startswith("application/json")
    return response.status, json.loads(content) if is_json else content, found


def ask(url: str, path: str, *files: bytes, **options: Any) -> tuple[int, Any, dict[str, str]]:
    """Send one request over a connection of its own."""
    connection = connect(url)
    try:
        return exchange(connection, path, *files, **options)
    finally:
        connection.close()
