"""The bundle of the drawn-digit reader: `python -m course_utils.recipes.digit_bundle FOLDER` makes it from what ships.

FOLDER gets version 1 in 32 bits, version 2 in 8 bits, and `serving.json`, which says that version 1 answers.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
from pathlib import Path
from typing import Literal

import onnxruntime
import torch
from safetensors.torch import save

from course_utils import ROOT, export
from course_utils.data.digits import Digits, load_digits
from course_utils.recipes.chapter_02 import load_digit_network as load_digit_network
from course_utils.serving import bundle
from course_utils.serving.preprocess import Preprocessing

NAME, CALIBRATION = "digits", 200
FOLDER = ROOT / "build" / "bundles" / NAME
LICENCE = "MIT AND CC-BY-4.0 (this course); trained on MNIST, see data/README.md"
VERSIONS: dict[str, Literal["fp32", "int8"]] = {"1": "fp32", "2": "int8"}


def make_digit_bundle(
    folder: Path,
    *,
    version: str = "1",
    precision: Literal["fp32", "int8"] = "fp32",
    digits: Digits | None = None,
    seed: int = 0,
) -> Path:
    """Write the digit network as a bundle and return its folder.

    Args:
        folder: Where the bundle goes; must not exist.
        version: Of the bundle.
        precision: `"fp32"`, or `"int8"`: static, per channel, calibrated on 200 training digits.
        digits: The data whose mean and spread the network knows; MNIST 5k, as it was split then, if None.
        seed: Chooses the digits for calibration.

    See: chapter 06, "Save and load safely".
    """
    model, story = load_digit_network()
    known = digits or load_digits("mnist_5k", seed=story["seed"])  # the split that it was trained on
    with tempfile.TemporaryDirectory() as scratch:
        graph = Path(scratch) / bundle.GRAPH
        export.export_to_onnx(model, torch.zeros(2, 1, 28, 28), graph)
        if precision == "int8":
            order = torch.randperm(len(known.train.images), generator=torch.Generator().manual_seed(seed))
            export.quantize_static(graph, graph, known.train.images[order[:CALIBRATION]].numpy())
        made = bundle.write_bundle(
            folder,
            name=NAME,
            version=version,
            files={bundle.GRAPH: graph, "weights.safetensors": save(model.state_dict())},
            labels=[str(digit) for digit in range(10)],
            preprocessing=Preprocessing("L", 28, "drawing", (known.mean,), (known.std,)),
            metrics={**story["metrics"], "precision": precision},
            versions={
                "python": platform.python_version(),
                "torch": torch.__version__,
                "onnxruntime": onnxruntime.__version__,
            },
            data=story["data"],
            licence=LICENCE,
        )
    return made.folder


def make_store(folder: Path = FOLDER) -> Path:
    """Write both versions, where they are missing, and what says which answers; return the folder."""
    for version, precision in VERSIONS.items():
        if not (folder / version).exists():
            make_digit_bundle(folder / version, version=version, precision=precision)
    choice = folder / "serving.json"
    if not choice.exists():
        choice.write_text(json.dumps({"serve": "1", "shadow": None}) + "\n", encoding="utf-8")
    return folder


def main() -> None:
    """Make the store and say where it is."""
    parser = argparse.ArgumentParser(prog="python -m course_utils.recipes.digit_bundle", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    print(make_store(parser.parse_args().folder))


if __name__ == "__main__":
    main()
