"""The photographs of `04_photographs`: CIFAR-10, or a copy of some of it that an environment variable names.

Without more, the official files are read (170 MB, fetched and verified). `COURSE_PHOTOGRAPHS` may name a folder or
a zip file with one sub-folder of pictures for each class instead: what the course ships was made so, from a JPEG
copy of 10,000 of the training photographs, and the story of the shipped file says it.
"""

import hashlib
import io
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from PIL import Image

from course_utils.data import assets, cifar
from course_utils.data.images import Labels, Pixels
from course_utils.recipes.transfer_pictures import few_of_each

VARIABLE = "COURSE_PHOTOGRAPHS"


class PhotographsError(RuntimeError):
    """What the environment variable names holds no photographs of CIFAR-10's classes."""


def load_photographs() -> tuple[Pixels, Labels, int, dict[str, Any]]:
    """Read the photographs.

    Returns:
        Pictures, uint8, shape (N, 32, 32, 3); class indices, int64, shape (N,); how many at the end are the official
        test set, 0 for a copy; and what a story says of the data.

    Raises:
        AssetError: If the official files cannot be fetched or read.
        PhotographsError: If the variable is set and names no such copy.
    """
    if not (named := os.environ.get(VARIABLE)):
        pixels, labels, test = cifar.load_raw()
        hashes = [member.sha256 for member in assets.assets()["cifar10"].members]
        return pixels, labels, test, {"cifar10": hashes}
    pictures, labels_, digest = [], [], hashlib.sha256()
    for name, content in _files(Path(named)):
        kind = PurePosixPath(name).parent.name
        if kind not in cifar.CLASSES:
            raise PhotographsError(
                f"{VARIABLE}={named} holds {name!r}; expected one sub-folder for each of {', '.join(cifar.CLASSES)}"
            )
        with Image.open(io.BytesIO(content)) as opened:
            pictures.append(np.asarray(opened.convert("RGB").resize((32, 32), Image.Resampling.BOX)))
        labels_.append(cifar.CLASSES.index(kind))
        digest.update(content)
    if set(labels_) != set(range(len(cifar.CLASSES))):
        raise PhotographsError(
            f"{VARIABLE}={named} holds pictures of {len(set(labels_))} classes, expected {len(cifar.CLASSES)}: "
            "a folder or zip file with one sub-folder for each class"
        )
    copied = f"a JPEG copy of {len(labels_):,} of the training photographs"
    story = {copied: [digest.hexdigest()]}
    return np.stack(pictures), np.array(labels_, dtype=np.int64), 0, story


def split_photographs(
    labels: Labels, official_test: int, *, test_each: int, seed: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the rows to draw from and those to test on, `test_each` of each class.

    With official files the test rows are of the official test set; a copy has none, and gives some of its own.
    """
    rows = torch.arange(len(labels))
    source = rows[-official_test:] if official_test else rows
    test = source[few_of_each(torch.from_numpy(labels)[source], test_each, seed=seed)]
    pool = rows[:-official_test] if official_test else rows[~torch.isin(rows, test)]
    return pool, test


def _files(named: Path) -> Iterator[tuple[str, bytes]]:
    """Yield (name, content) of all files of a folder or zip file, in the order of their names."""
    if named.is_dir():
        for file in sorted(path for path in named.rglob("*") if path.is_file()):
            yield file.relative_to(named).as_posix(), file.read_bytes()
    elif zipfile.is_zipfile(named):
        with zipfile.ZipFile(named) as opened:
            for name in sorted(name for name in opened.namelist() if not name.endswith("/")):
                yield name, opened.read(name)
    else:
        raise PhotographsError(f"{VARIABLE}={named} is neither a folder nor a zip file")
