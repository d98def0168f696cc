"""CIFAR-10: 60,000 photographs in ten classes, from the official archive or from its lossless copy in Parquet."""

import io
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.model_selection import train_test_split

from course_utils.data import assets
from course_utils.data.assets import AssetError
from course_utils.data.images import Images, Labels, Pixels, Scale, three_sets

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
PARQUET = {"train": "train-00000-of-00001.parquet", "test": "test-00000-of-00001.parquet"}


def load_raw(folder: Path | None = None) -> tuple[Pixels, Labels, int]:
    """Read the photographs as they are stored.

    Args:
        folder: Where the verified files lie; without it they are fetched.

    Returns:
        Pictures, uint8, shape (N, 32, 32, 3); labels, int64, shape (N,); and how many at the end are the official
        test set.

    Raises:
        AssetError: If the data cannot be fetched or read; the message says what to do.
    """
    folder = folder or assets.fetch("cifar10")
    read = _parquet if (folder / PARQUET["train"]).exists() else _official
    train, test = read(folder, "train"), read(folder, "test")
    pixels, labels = np.concatenate([train[0], test[0]]), np.concatenate([train[1], test[1]])
    return pixels, labels, len(test[1])


def load_cifar10(*, seed: int, scale: Scale | None = None) -> Images:
    """Read the photographs: 45,000 to train, 5,000 for validation, and the official 10,000 to test.

    Args:
        seed: Decides which photographs are for validation.
        scale: Mean and standard deviation of the three channels, as `three_sets` takes them.

    Raises:
        AssetError: If the data cannot be fetched or read; the message says what to do.

    See: chapter 02, "Project".
    """
    pixels, labels, official_test = load_raw()
    rows = np.arange(len(labels))
    pool, test = rows[:-official_test], rows[-official_test:]
    train, validation = train_test_split(pool, test_size=0.1, stratify=labels[pool], random_state=seed)
    return three_sets(pixels, labels, (train, validation, test), CLASSES, scale=scale)


def _official(folder: Path, part: str) -> tuple[Pixels, Labels]:
    """Read the official batches. They are pickles: torchvision compares their checksums before it opens them.

    `download` downloads nothing here: the archive is there and verified, and is unpacked if a batch is missing.
    """
    from torchvision.datasets import CIFAR10

    data = CIFAR10(str(folder), train=part == "train", download=True)
    return data.data, np.array(data.targets, dtype=np.int64)


def _parquet(folder: Path, part: str) -> tuple[Pixels, Labels]:
    """Read the hub's copy: a table with a column of PNG files and one of labels."""
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise AssetError(
            "CIFAR-10 came from its second source, as Parquet files, and reading those needs pyarrow: "
            "run `pip install pyarrow`, then this cell again (nothing is downloaded twice)"
        ) from error
    table = pyarrow.parquet.read_table(folder / PARQUET[part], columns=["img", "label"])
    pictures = [np.asarray(Image.open(io.BytesIO(row["bytes"]))) for row in table["img"].to_pylist()]
    return np.stack(pictures), table["label"].to_numpy().astype(np.int64)
