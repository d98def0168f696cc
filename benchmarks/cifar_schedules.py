"""The guide's training on CIFAR-10 against the course's, and four schedules, on a folder of pictures in a zip.

    python benchmarks/cifar_schedules.py cifar10_train_10k.zip --epochs 20 --seeds 0 1

The zip holds one folder for each class (`…/cat/0001.jpg`). A fifth is held out and serves as validation and as the
number reported: it compares trainings at equal epochs, and is no test score.
"""

import argparse
import io
import json
import platform
import time
import zipfile
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from PIL import Image
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torchvision import transforms

from course_utils import runtime
from course_utils.data.batches import TensorBatches
from course_utils.data.cifar import CLASSES
from course_utils.data.images import Images, Labels, Pixels, three_sets
from course_utils.models.cnn import PooledCNN
from course_utils.recipes.chapter_02 import make_scheduler, train_pictures
from course_utils.training import evaluate, train_one_epoch

SCHEDULES = ("constant", "step", "one-cycle", "cosine")


def read_zip(path: Path) -> tuple[Pixels, Labels]:
    """Read every picture with its class: uint8, shape (N, 32, 32, 3), and int64, shape (N,)."""
    pixels, labels = [], []
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            folder = PurePosixPath(name).parent.name
            if folder in CLASSES and not name.endswith("/"):
                pixels.append(np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("RGB")))
                labels.append(CLASSES.index(folder))
    return np.stack(pixels), np.array(labels, dtype=np.int64)


def guide_accuracy(pixels: Pixels, images: Images, rows: np.ndarray, dials: dict, seed: int) -> float:
    """Train as the guide does: transforms picture by picture in a DataLoader, Adam, StepLR."""
    torch.manual_seed(seed)
    device = dials["device"]
    change = transforms.Compose(
        [
            transforms.ToPILImage(),
            transforms.RandomHorizontalFlip(),
            transforms.RandomRotation(15),
            transforms.ToTensor(),
            transforms.Normalize(images.mean.tolist(), images.std.tolist()),
        ]
    )
    planes = torch.from_numpy(pixels[rows]).permute(0, 3, 1, 2)
    data = TensorDataset(planes, images.train.labels.cpu())

    def collate(items: list) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.stack([change(picture) for picture, _ in items]), torch.stack([y for _, y in items])

    loader = DataLoader(data, batch_size=64, shuffle=True, collate_fn=collate)
    model = PooledCNN(dials["widths"], len(CLASSES)).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=dials["learning_rate"])
    scheduler = make_scheduler("step", optimizer, dials["epochs"])
    for _ in range(dials["epochs"]):
        train_one_epoch(model, loader, nn.CrossEntropyLoss(), optimizer)
        scheduler.step()
    return evaluate(model, TensorBatches(*images.validation, 500), nn.CrossEntropyLoss()).accuracy


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("zip", type=Path)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--widths", type=int, nargs="+", default=[64, 128, 256, 512])
    parser.add_argument("--limit", type=int, default=0, help="use only so many pictures")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    device = runtime.choose_device()
    pixels, labels = read_zip(args.zip)
    everything = np.arange(len(labels))
    if args.limit:
        everything = train_test_split(everything, train_size=args.limit, stratify=labels, random_state=0)[0]
    train, held = train_test_split(everything, test_size=0.2, stratify=labels[everything], random_state=0)
    images = three_sets(pixels, labels, (train, held, held), CLASSES).to(device)
    dials = {"widths": tuple(args.widths), "epochs": args.epochs, "learning_rate": 1e-3, "device": device}
    story = {
        "train": len(train),
        "held_out": len(held),
        "hardware": platform.processor(),
        "device": device.type,
    }
    print(
        json.dumps({**story, **{key: str(value) for key, value in dials.items()}, "torch": torch.__version__})
    )
    for seed in args.seeds:
        for arm in ("the guide's loop, step", *SCHEDULES):
            started = time.perf_counter()
            if arm in SCHEDULES:
                _, history = train_pictures(
                    images, **dials, schedule=arm, augmentation="flips and rotations", seed=seed
                )
                accuracy = history[-1].validation_accuracy
            else:
                accuracy = guide_accuracy(pixels, images, train, dials, seed)
            row = {"arm": arm, "seed": seed, "accuracy": round(accuracy, 4)}
            print(json.dumps({**row, "seconds": round(time.perf_counter() - started, 1)}), flush=True)


if __name__ == "__main__":
    main()
