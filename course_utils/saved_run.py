"""A training on disk: after a kill it goes on after its last whole epoch, as if nothing had happened."""

import random
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

STATE = "state.pt"
BEST = "best_model.safetensors"
SCRATCH = "part-"  # how folders begin in which a file is written before it is renamed
GENERATORS = ("generator", "sampler", "batch_sampler", "base_dataloader")  # where loaders keep what shuffles
Weights = dict[str, torch.Tensor]


class SavedRunError(RuntimeError):
    """A folder that holds another training than the one that shall go on; the message says how they differ."""


def write_state(
    folder: Path, epoch: int, weights: Weights, best: tuple[int, Weights], state: dict[str, Any]
) -> None:
    """Store the state after an epoch: a kill at any moment leaves this one or the one before, whole.

    The weights go into new files first; renaming the state, which names them, is what counts; then older ones go.

    Args:
        folder: Made if it is not there.
        epoch: That has ended.
        weights: State dict of the network now.
        best: The best epoch so far, and the state dict that it left.
        state: All else: only tensors, numbers, text, lists and dicts of these.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for left_over in folder.glob(f"{SCRATCH}*"):  # of a process that was killed while it wrote
        shutil.rmtree(left_over)
    names = {"last": f"last-{epoch}.safetensors", "best": f"best-{best[0]}.safetensors"}
    save_weights(weights, folder / names["last"])
    if best[0] == epoch or not (folder / names["best"]).exists():
        save_weights(best[1], folder / names["best"])
    with tempfile.TemporaryDirectory(dir=folder, prefix=SCRATCH) as scratch:
        torch.save({**state, "files": names, "best_epoch": best[0]}, Path(scratch) / STATE)
        (Path(scratch) / STATE).replace(folder / STATE)
    for old in folder.glob("*-*.safetensors"):
        if old.name not in names.values():
            old.unlink()


def save_weights(weights: Weights, path: Path, story: Mapping[str, str] | None = None) -> None:
    """Write a state dict under a temporary name and rename it."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=SCRATCH) as scratch:
        part = Path(scratch) / path.name
        whole = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in weights.items()}
        save_file(whole, part, metadata=dict(story or {}))
        part.replace(path)


def read(folder: Path, settings: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what `write` stored, with the weights as `last` and `best`; None if nothing is there.

    Args:
        folder: Of the training.
        settings: What must be as it was, by name; `state["settings"]` holds what it was.

    Raises:
        SavedRunError: If it was another training; the message names the first setting that differs.
    """
    if not (folder / STATE).exists():
        return None
    state: dict[str, Any] = torch.load(folder / STATE, weights_only=True, map_location="cpu")
    for name, now in settings.items():
        before = state["settings"].get(name)
        if before != now:
            raise SavedRunError(
                f"{folder} holds a training with {name} {_short(before)}, this one has {_short(now)}: "
                "give this one another folder, or empty that one"
            )
    return {**state, **{part: load_file(folder / name) for part, name in state["files"].items()}}


def _short(value: object) -> str:
    words = repr(value)
    return words if len(words) <= 80 else f"{words[:77]}…"


def random_state() -> dict[str, torch.Tensor]:
    """Return the state of this process's global generators: Python's, NumPy's, PyTorch's, each as one tensor."""
    version, whole, gauss = random.getstate()
    _, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    states = {
        "torch": torch.get_rng_state(),
        "python": torch.tensor([version, *whole, np.nan if gauss is None else gauss], dtype=torch.float64),
        "numpy": torch.tensor([*np.asarray(keys).tolist(), position, has_gauss, cached], dtype=torch.float64),
    }
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def set_random_state(states: Mapping[str, torch.Tensor]) -> None:
    """Put the global generators back into the state that `random_state` returned."""
    torch.set_rng_state(states["torch"].clone())  # a row of a larger tensor crashes PyTorch 2.14
    version, *whole, gauss = states["python"].tolist()
    random.setstate((int(version), tuple(map(int, whole)), None if np.isnan(gauss) else gauss))
    *keys, position, has_gauss, cached = states["numpy"].tolist()
    np.random.set_state(("MT19937", np.array(keys, dtype=np.uint32), int(position), int(has_gauss), cached))
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"].clone())


def generators(loaders: Iterable[object]) -> list[torch.Generator]:
    """Return the generators that shuffle some loaders, whatever they are wrapped in, each once and in a fixed order."""
    found: list[torch.Generator] = []
    seen: set[int] = set()
    queue = list(loaders)
    while queue:
        each = queue.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, torch.Generator):
            found.append(each)
        queue += [inner for name in GENERATORS if (inner := getattr(each, name, None)) is not None]
    return found
