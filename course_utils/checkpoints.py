"""Shipped results of trainings that take too long for a lesson: small safetensors files with their story."""

import json
import platform
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from course_utils import CHECKPOINTS

LARGEST_BYTES = 2_000_000


class CheckpointError(RuntimeError):
    """A checkpoint that is not there, does not fit the model, or is too large to ship."""


def save(model: nn.Module, name: str, story: dict[str, Any], *, folder: Path = CHECKPOINTS) -> Path:
    """Write a checkpoint under a temporary name and rename it.

    Args:
        model: Its state dict is stored.
        name: E.g. `"01_drawn_digit"`.
        story: What made it: command, seed, data hash, metrics; versions are added.
        folder: Where checkpoints are kept.

    Raises:
        CheckpointError: If the file is too large to ship.
    """
    folder.mkdir(parents=True, exist_ok=True)
    versions = {"python": platform.python_version(), "torch": torch.__version__}
    metadata = {"story": json.dumps({**story, "versions": versions}, sort_keys=True)}
    path = folder / f"{name}.safetensors"
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        part = Path(scratch) / path.name
        weights = {key: tensor.detach().cpu().contiguous() for key, tensor in model.state_dict().items()}
        save_file(weights, part, metadata=metadata)
        size = part.stat().st_size
        if size > LARGEST_BYTES:
            raise CheckpointError(
                f"{name} has {size:,} bytes, expected at most {LARGEST_BYTES:,}: use a smaller model"
            )
        part.replace(path)
    return path


def load(model: nn.Module, name: str, *, folder: Path = CHECKPOINTS) -> dict[str, Any]:
    """Load a checkpoint into a model and return its story.

    Args:
        model: Of the architecture that was saved; changed in place.
        name: E.g. `"01_drawn_digit"`.
        folder: Where checkpoints are kept.

    Raises:
        CheckpointError: If there is no such checkpoint, it is damaged or it does not fit.
    """
    story = read_story(name, folder=folder)
    try:
        model.load_state_dict(load_file(folder / f"{name}.safetensors"))
    except RuntimeError as error:
        raise CheckpointError(f"checkpoint {name!r} does not fit {type(model).__name__}: {error}") from error
    return story


def read_story(name: str, *, folder: Path = CHECKPOINTS) -> dict[str, Any]:
    """Return the story of a checkpoint: what made it, and what was measured.

    Args:
        name: E.g. `"01_drawn_digit"`.
        folder: Where checkpoints are kept.

    Raises:
        CheckpointError: If there is no such checkpoint, or it is damaged.
    """
    path = folder / f"{name}.safetensors"
    if not path.exists():
        there = ", ".join(sorted(file.stem for file in folder.glob("*.safetensors"))) or "none"
        raise CheckpointError(
            f"no checkpoint {name!r}; there are: {there}. `course checkpoints` makes them anew"
        )
    try:
        with safe_open(path, framework="pt") as opened:
            story: dict[str, Any] = json.loads(opened.metadata()["story"])
    except SafetensorError as error:
        raise CheckpointError(
            f"checkpoint {name!r} is damaged: {error}. `course checkpoints` makes it anew"
        ) from error
    return story
