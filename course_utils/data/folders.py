"""Pictures of your own: read from files whatever their kind, one class for each sub-folder."""

import os
import unicodedata
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torchvision.transforms import v2

from course_utils.data.images import Scale

OF_THE_SYSTEM = {"thumbs.db", "desktop.ini", "__macosx", "@eadir"}
"""What Windows, macOS and network drives leave in folders; names that begin with a full stop are passed over too."""

CORRUPT_EXIF = {"message": "Corrupt EXIF data", "module": "PIL"}
"""Pillow warns of notes by a camera that it cannot read; the picture itself is whole, so this is no fault of it."""

MISSING = "got no folder {folder}; expected one with a sub-folder for each class: check the path"
PACKED = "got the file {folder}, expected a folder: if it is an archive, unpack it first"
TOO_FEW = (
    "got {found} in {folder}, expected at least two classes: make a sub-folder for each, named like the class, "
    "and put its pictures there"
)


class PictureError(ValueError):
    """A file that is no picture, or none that can be read; the message says which and what to do."""


class FolderError(ValueError):
    """A folder of classes that cannot be used; the message names everything that is wrong with it."""


def read_picture(path: str | os.PathLike[str]) -> Image.Image:
    """Read a picture as red, green and blue, 8 bits each, the right way up.

    A camera's note on how it was held is followed; what is transparent becomes white; 16 bits become 8; of an
    animation it is the first picture.

    Raises:
        PictureError: If the file is none, is cut off, or is so large (some 90 million pixels) that it may be a trap.

    See: chapter 04, "Your own folder".
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            warnings.filterwarnings("ignore", **CORRUPT_EXIF)  # type: ignore[arg-type]
            with Image.open(path) as opened:
                return _on_white(ImageOps.exif_transpose(opened))
    except FileNotFoundError as error:
        raise PictureError(f"got no file {path}; check the path") from error
    except UnidentifiedImageError as error:
        raise PictureError(f"{path} is no picture that can be read; convert it or take it away") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureError(f"{path} has too many pixels; save it smaller") from error
    except (OSError, ValueError, SyntaxError, EOFError) as error:  # what Pillow's readers raise on damage
        raise PictureError(
            f"{path} is damaged ({error}); get it again from where it came, or take it away"
        ) from error


def _on_white(picture: Image.Image) -> Image.Image:
    """Turn a picture of any mode into RGB."""
    if picture.mode.startswith(("I", "F")):  # more than 8 bits: Pillow's own conversion would cut them off
        values = np.asarray(picture, dtype=np.float64)
        largest = 65535 if picture.mode.startswith("I") else max(values.max(), 1e-9)
        picture = Image.fromarray((values / largest * 255).clip(0, 255).round().astype(np.uint8))
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    white = Image.new("RGBA", picture.size, "white")
    white.alpha_composite(picture.convert("RGBA"))
    return white.convert("RGB")


class CustomImageDataset(torch.utils.data.Dataset[tuple[object, int]]):
    """Pictures on disk with their labels, read when they are asked for.

    Args:
        image_paths: A file for each picture.
        labels: A class index for each.
        transform: Turns a picture, RGB, into what a network takes; without it, pictures come as they are.

    See: chapter 04, "Your own folder".
    """

    def __init__(
        self,
        image_paths: Sequence[str | os.PathLike[str]],
        labels: Sequence[int],
        transform: Callable[[Image.Image], Any] | None = None,
    ) -> None:
        """Keep paths and labels; no file is opened."""
        self.image_paths = image_paths
        self.labels = labels
        self.transform = transform

    def __len__(self) -> int:
        """Return how many pictures there are."""
        return len(self.image_paths)

    def __getitem__(self, idx: int) -> tuple[Any, int]:
        """Return picture and label."""
        image = read_picture(self.image_paths[idx])
        if self.transform:
            image = self.transform(image)
        return image, self.labels[idx]


class PictureFolder(CustomImageDataset):
    """What `from_folder` found.

    Args:
        image_paths: A file for each picture, by class and name.
        labels: A class index for each.
        transform: As `CustomImageDataset` takes it.
        classes: Their names, in the order of the labels.
        groups: For each picture the sub-folder of its class in which it lies; its own path if in none.
        problems: What was left out, and why, a line each.
    """

    def __init__(
        self,
        image_paths: Sequence[Path],
        labels: Sequence[int],
        transform: Callable[[Image.Image], Any] | None = None,
        *,
        classes: tuple[str, ...],
        groups: Sequence[str],
        problems: Sequence[str],
    ) -> None:
        """Keep what was found."""
        super().__init__(image_paths, labels, transform)
        self.classes, self.groups, self.problems = classes, groups, problems

    def counts(self) -> dict[str, int]:
        """Return how many pictures each class has."""
        found = Counter(self.labels)
        return {name: found[label] for label, name in enumerate(self.classes)}


def from_folder(
    folder: str | os.PathLike[str],
    *,
    transform: Callable[[Image.Image], Any] | None = None,
    skip_broken: bool = False,
) -> PictureFolder:
    """Read a folder that has a sub-folder for each class, named like the class, in any script.

    Every file is opened once, so that a broken one is found now and not in the middle of a training. Pictures that
    belong together, such as several shots of one thing, may lie in a folder of their own within their class: they
    get the same group. Hidden files and those of the operating system are passed over.

    Args:
        folder: Where the classes are.
        transform: As `CustomImageDataset` takes it.
        skip_broken: Whether files that cannot be used, and classes without any, are left out and listed in `problems`.

    Raises:
        FolderError: If there are fewer than two classes; without `skip_broken`, also if any file cannot be used. All
            of them are named.

    See: chapter 04, "Your own folder".
    """
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise FolderError((PACKED if root.exists() else MISSING).format(folder=root))
    paths, problems = _usable(root)
    names = {unicodedata.normalize("NFC", entry.name) for entry in _entries(root) if entry.is_dir()}
    full = {_class_of(path, root) for path in paths}
    problems += [f"{name}: a class without a usable picture" for name in sorted(names - full)]
    if len(full) < 2:
        found = ", ".join([f"the class {name!r} alone" for name in full] or ["no class with pictures"])
        raise FolderError(_list(TOO_FEW.format(found=found, folder=root), problems))
    if problems and not skip_broken:
        raise FolderError(_list(f"got {len(problems)} things in {root} that cannot be used", problems))
    classes = tuple(sorted(full))
    return PictureFolder(
        paths,
        [classes.index(_class_of(path, root)) for path in paths],
        transform,
        classes=classes,
        groups=[_group(path, root) for path in paths],
        problems=problems,
    )


def _list(message: str, problems: list[str]) -> str:
    lines = [message, *(f"  {problem}" for problem in problems)]
    return "\n".join(
        [*lines, "Repair these, or leave them out with skip_broken=True."] if problems else lines
    )


def _entries(folder: Path) -> list[Path]:
    """Return what lies in a folder by name, without what the system put there."""
    seen = (e for e in folder.iterdir() if not (e.name.startswith(".") or e.name.lower() in OF_THE_SYSTEM))
    return sorted(seen, key=lambda entry: unicodedata.normalize("NFC", entry.name))


def _usable(root: Path) -> tuple[list[Path], list[str]]:
    """Return the pictures of all classes, and what is wrong with the other files."""
    paths, problems = [], []
    for entry in _entries(root):
        if not entry.is_dir():
            problems.append(f"{entry.name}: lies beside the classes; move it into one, or away")
            continue
        for path in _files(entry):
            try:
                read_picture(path)
                paths.append(path)
            except PictureError as error:
                problems.append(str(error).replace(str(path), str(path.relative_to(root))))
    return paths, problems


def _files(folder: Path) -> list[Path]:
    """Return the files in a folder and in the folders in it; a link to a folder is not followed."""
    found = []
    for entry in _entries(folder):
        found += _files(entry) if entry.is_dir() and not entry.is_symlink() else [entry]
    return found


def _class_of(path: Path, root: Path) -> str:
    return unicodedata.normalize("NFC", path.relative_to(root).parts[0])


def _group(path: Path, root: Path) -> str:
    inside = path.relative_to(root)
    return str(inside.parent if len(inside.parts) > 2 else inside)


def picture_transforms(scale: Scale, side: int, *, train: bool) -> v2.Compose:
    """Return the guide's transforms of a picture, for training or for measuring.

    Args:
        scale: Mean and standard deviation of red, green and blue, 0 to 1, with which the network was trained:
            `transfer.NORMALISATION[backbone]`.
        side: Pixels of the result, each way; what is not square is squeezed.
        train: Whether pictures are mirrored and turned by up to 10 degrees at random.

    Returns:
        Turns an RGB picture into a network input, float32, shape (3, side, side).

    See: chapter 04, "Your own folder".
    """
    at_random = [v2.RandomHorizontalFlip(), v2.RandomRotation(10)] if train else []
    return v2.Compose(
        [
            v2.Resize((side, side), v2.InterpolationMode.BICUBIC),
            *at_random,
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(*map(list, scale)),
        ]
    )
