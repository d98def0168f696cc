"""Seed, device and threads: what makes a run repeatable."""

import atexit
import random
import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch

from course_utils import claims, sections
from course_utils.settings import Settings


class DeviceError(RuntimeError):
    """A device was asked for that this machine does not have."""


def setup(settings: Settings) -> torch.device:
    """Prepare this process for a chapter: seed, threads, device, a fresh list of claims, help for missing names.

    Args:
        settings: The chapter's settings.

    Returns:
        The device that the chapter computes on.

    Raises:
        DeviceError: If the device asked for is not there.
    """
    seed_all(settings.seed)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    claims.start(settings.profile, settings.overrides)
    sections.watch(settings.chapter)
    return choose_device(settings.device)


def seed_all(seed: int) -> None:
    """Seed Python's, NumPy's and PyTorch's global generators."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def generator(seed: int, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a generator of its own, so that one experiment does not shift the next.

    Args:
        seed: What follows from it is the same on every machine, and differs between kinds of device.
        device: Where it draws: on the device of the data, nothing is copied batch by batch.
    """
    return torch.Generator(device).manual_seed(seed)


def scratch_folder() -> Path:
    """Return a new, empty folder, which goes when this process ends."""
    folder = Path(tempfile.mkdtemp(prefix="course-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def devices() -> dict[str, bool]:
    """Return which devices this machine has, the fastest first."""
    return {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}


def choose_device(name: str = "auto") -> torch.device:
    """Return the device of that name; `"auto"` is the fastest there is.

    Raises:
        DeviceError: If the machine does not have it; the message says what it has.
    """
    there = [device for device, present in devices().items() if present]
    if name == "auto":
        return torch.device(there[0])
    if name not in there:
        raise DeviceError(
            f"device {name!r} is not available here; this machine has {', '.join(there)}: use one of these or 'auto'"
        )
    return torch.device(name)
