"""Train the first network both ways and print the ratio: the guide's DataLoader and transforms, ours in memory.

The same digits, model, optimiser, batch size and epochs, alternating in one process, one thread; the ratio of
the best runs is asserted, since it depends on the machine far less than seconds do.
"""

import platform
import statistics
import time

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from course_utils.data.batches import TensorBatches
from course_utils.data.digits import load_raw
from course_utils.models.mlp import SimpleNN
from course_utils.runtime import generator
from course_utils.tools.execution.watch import hardware
from course_utils.training import Batches, train_one_epoch

EPOCHS, BATCH_SIZE, PAIRS, LEAST_RATIO = 5, 64, 5, 4.0
MEAN, STD = 0.1307, 0.3081  # the guide's constants for MNIST
Example = tuple[torch.Tensor, int]


class DigitDataset(Dataset[Example]):
    """The guide's way: each digit is transformed whenever it is asked for."""

    def __init__(self, pixels: np.ndarray, labels: np.ndarray) -> None:
        self.pixels, self.labels = pixels, labels
        self.transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((MEAN,), (STD,))])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Example:
        picture = Image.fromarray(self.pixels[index])  # as torchvision's MNIST does
        return self.transform(picture), int(self.labels[index])


def guide_batches(pixels: np.ndarray, labels: np.ndarray) -> Batches:
    """Make the guide's batches."""
    return DataLoader(DigitDataset(pixels, labels), batch_size=BATCH_SIZE, shuffle=True)


def our_batches(pixels: np.ndarray, labels: np.ndarray) -> Batches:
    """Make batches from memory; the standardisation is part of what is timed."""
    images = ((torch.from_numpy(pixels) / 255 - MEAN) / STD).unsqueeze(1)
    return TensorBatches(images, torch.from_numpy(labels), BATCH_SIZE, generator=generator(0))


def train_seconds(make_batches: object, pixels: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Train from the same start; return wall seconds and the last epoch's training accuracy."""
    torch.manual_seed(0)
    model = SimpleNN()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    started = time.perf_counter()
    batches = make_batches(pixels, labels)  # type: ignore[operator]
    for _ in range(EPOCHS):
        metrics = train_one_epoch(model, batches, nn.CrossEntropyLoss(), optimizer)
    return time.perf_counter() - started, metrics.accuracy


def main() -> None:
    """Run the pairs, print the table, assert the ratio."""
    torch.set_num_threads(1)
    pixels, labels, _ = load_raw("mnist_5k")
    chosen = np.random.default_rng(0).permutation(len(labels))[:4000]
    pixels, labels = pixels[chosen], labels[chosen]
    train_seconds(our_batches, pixels, labels)  # warm up
    runs = [
        (train_seconds(guide_batches, pixels, labels), train_seconds(our_batches, pixels, labels))
        for _ in range(PAIRS)
    ]
    print(
        f"{len(labels):,} digits, batch size {BATCH_SIZE}, {EPOCHS} epochs, {PAIRS} pairs of runs, one thread"
    )
    print(f"{hardware()}, Python {platform.python_version()}, torch {torch.__version__}")
    for name, arm in (("DataLoader and transforms", 0), ("tensors in memory", 1)):
        seconds = [run[arm][0] for run in runs]
        mean, spread = statistics.mean(seconds), statistics.stdev(seconds)
        accuracy = runs[0][arm][1]
        print(
            f"{name:26s} {min(seconds):.2f} s at best, {mean:.2f} ± {spread:.2f} s, accuracy {accuracy:.3f}"
        )
    ratio = min(guide[0] for guide, _ in runs) / min(ours[0] for _, ours in runs)
    print(f"ratio {ratio:.1f} (best against best: what else the machine does only ever adds time)")
    if ratio < LEAST_RATIO:
        raise SystemExit(f"the ratio is {ratio:.1f}, expected at least {LEAST_RATIO}")


if __name__ == "__main__":
    main()
