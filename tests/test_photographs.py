"""Photographs: the ones that are here, and any file of the learner's own, upright and square."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from course_utils.data import photographs
from course_utils.data.folders import PictureError


def test_the_photographs_have_their_size_and_labels() -> None:
    pixels, labels, names = photographs.load_photographs(32)
    assert pixels.shape == (22, 32, 32, 3)
    assert pixels.dtype == np.uint8
    assert (labels[4], names[4]) == (949, "imagenet_04_949.jpg")
    assert ((labels[:20] >= 0) & (labels[:20] < 1000)).all()
    assert (labels[20:] == photographs.UNLABELLED).all()
    assert names[20:] == ("china.jpg", "flower.jpg")
    assert all(picture.std() > 10 for picture in pixels)


def halves(width: int, height: int) -> Image.Image:
    """A picture whose left half is red and whose right half is blue."""
    picture = Image.new("RGB", (width, height), "red")
    picture.paste("blue", (width // 2, 0, width, height))
    return picture


@pytest.mark.parametrize("size", [(40, 40), (80, 40), (41, 97), (4, 6)])
def test_the_middle_is_kept(size: tuple[int, int]) -> None:
    pixels = photographs.square(halves(*size), 20)
    assert pixels.shape == (20, 20, 3)
    assert pixels[10, 1].argmax() == 0
    assert pixels[10, -2].argmax() == 2


def test_a_photograph_that_was_held_upside_down_is_turned(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3  # rotated by 180 degrees
    halves(40, 40).save(tmp_path / "turned.png", exif=exif)
    pixels = photographs.read_photograph(tmp_path / "turned.png", 20)
    assert pixels[10, 1].argmax() == 2
    assert pixels[10, -2].argmax() == 0


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "CMYK", "1"])
def test_every_mode_becomes_three_colours(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("picture.jpg" if mode == "CMYK" else "picture.png")
    halves(30, 30).convert(mode).save(path)
    assert photographs.read_photograph(path).shape == (photographs.SIDE, photographs.SIDE, 3)


def test_what_is_transparent_becomes_white(tmp_path: Path) -> None:
    Image.new("RGBA", (30, 30), (0, 0, 0, 0)).save(tmp_path / "glass.png")
    assert (photographs.read_photograph(tmp_path / "glass.png", 8) == 255).all()


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.jpg").write_text("no picture")
    with pytest.raises(PictureError, match=r"notes\.jpg is no picture"):
        photographs.read_photograph(tmp_path / "notes.jpg")
    with pytest.raises(PictureError, match=r"nothing\.jpg"):
        photographs.read_photograph(tmp_path / "nothing.jpg")
