"""Emoji: 1,898 drawings in nine Unicode groups, the small stand-in for a set of photographs."""

import json
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.sparse.csgraph import connected_components
from sklearn.metrics import pairwise_distances
from sklearn.model_selection import GroupShuffleSplit

from course_utils.data import assets
from course_utils.data.images import Images, Labels, Pixels, Scale, three_sets

SIDE = 32  # pixels
NEAR = 11.0
"""Grey levels of 255, root mean square: pictures that are nearer look the same. The flags of Romania and Chad are 10.5
apart, 114 pairs are identical; from 12 on it is clock faces of different hours."""
CLASSES = (
    "Activities",
    "Animals & Nature",
    "Flags",
    "Food & Drink",
    "Objects",
    "People & Body",
    "Smileys & Emotion",
    "Symbols",
    "Travel & Places",
)
"""The groups of Unicode. The tenth, Component (skin tones and hair), holds nothing but parts and is left out."""


def load_raw(side: int = SIDE) -> tuple[Pixels, Labels, tuple[str, ...]]:
    """Read the emoji, pasted on white and shrunk.

    Args:
        side: Of the pictures, in pixels; they are stored with 72.

    Returns:
        Pictures, uint8, shape (N, side, side, 3); group indices, int64, shape (N,); and the names of the emoji.

    Raises:
        AssetError: If the data cannot be fetched; the message says what to do.
    """
    folders = assets.fetch_all(["emoji_pictures", "emoji_names"])
    table = json.loads((folders["emoji_names"] / "emoji.json").read_text(encoding="utf-8"))
    chosen = sorted((row["unified"], row) for row in table if row["category"] in CLASSES)
    pixels = np.empty((len(chosen), side, side, 3), dtype=np.uint8)
    for position, (code, _) in enumerate(chosen):
        with Image.open(picture_file(folders["emoji_pictures"] / "72x72", code)) as opened:
            picture = opened.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        white.alpha_composite(picture)
        pixels[position] = np.asarray(white.convert("RGB").resize((side, side), Image.Resampling.BOX))
    labels = np.array([CLASSES.index(row["category"]) for _, row in chosen], dtype=np.int64)
    return pixels, labels, tuple(str(row["name"] or row["short_name"]).upper() for _, row in chosen)


def family(name: str) -> str:
    """Return what an emoji's name says once the sex is taken away: near-copies get the same answer.

    `"MAN TEACHER"`, `"WOMAN TEACHER"` and `"TEACHER"` are one family, and stay in one set.
    """
    return " ".join(re.sub(r"\b(WO)?M[AE]N\b|\bPERSON\b|\bPEOPLE\b", " ", name).split())


def kinships(pixels: Pixels, names: tuple[str, ...]) -> npt.NDArray[np.int64]:
    """Return a group for each emoji, shape (N,): the same for those of one family, and for those that look the same.

    Families alone are not enough: a family of man and girl and one of woman and boy are drawn as one picture.

    Args:
        pixels: uint8, shape (N, H, W, 3).
        names: Of the N emoji.
    """
    families = np.array([family(name) or name for name in names])
    flat = pixels.reshape(len(pixels), -1).astype(np.float32)
    looks_alike = pairwise_distances(flat) < NEAR * np.sqrt(flat.shape[1])  # (N, N)
    kin = looks_alike | (families[:, None] == families[None])
    return np.asarray(connected_components(kin, directed=False)[1], dtype=np.int64)


def load_emoji(*, seed: int, side: int = SIDE, scale: Scale | None = None) -> Images:
    """Read the emoji and split them by kinship, so that no copy of a test picture is learned from.

    The test set, a fifth of the groups, is the same for every seed, so that no shipped checkpoint has seen it;
    a sixth of the rest is for validation.

    Args:
        seed: Decides which groups are for validation.
        side: Of the pictures, in pixels; they are stored with 72.
        scale: Mean and standard deviation of the three channels, as `three_sets` takes them.

    Raises:
        AssetError: If the data cannot be fetched; the message says what to do.

    See: chapter 02, "Project".
    """
    pixels, labels, names = load_raw(side)
    groups = kinships(pixels if side == SIDE else _shrunk(pixels), names)
    pool, test = _split(np.arange(len(labels)), groups, 0.2, seed=0)
    train, validation = _split(pool, groups, 1 / 6, seed=seed)
    return three_sets(pixels, labels, (train, validation, test), CLASSES, paper=1.0, scale=scale)


def _shrunk(pixels: Pixels) -> Pixels:
    """Return pictures of any size with 32×32 pixels, as `load_raw` shrinks them."""
    small = (Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BOX) for picture in pixels)
    return np.stack([np.asarray(picture) for picture in small])


def _split(
    rows: npt.NDArray[np.int64], groups: npt.NDArray[np.int64], share: float, *, seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    splitter = GroupShuffleSplit(1, test_size=share, random_state=seed)
    kept, held_out = next(splitter.split(rows, groups=groups[rows]))
    return rows[kept], rows[held_out]


def picture_file(folder: Path, code: str) -> Path:
    """Return the picture of a code such as `"1F468-200D-1F4BB"`.

    Twemoji leaves leading zeros out, and mostly the variation selector FE0F too.
    """
    parts = [part.lstrip("0") for part in code.lower().split("-")]
    short = "-".join(part for part in parts if part != "fe0f")
    return next(file for name in (short, "-".join(parts)) if (file := folder / f"{name}.png").exists())
