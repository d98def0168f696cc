"""Pictures of one's own: every kind of file, every kind of mess in a folder, and the guide's dataset over them."""

from __future__ import annotations

import re
import unicodedata
import zipfile

import lessons
import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from course_utils import ROOT
from course_utils.data.folders import (
    CustomImageDataset,
    FolderError,
    PictureError,
    from_folder,
    picture_transforms,
    read_picture,
)

SIZE = (40, 24)  # width, height
RED, WHITE = (250, 20, 20), (255, 255, 255)


def half(mode, left, right):
    """A picture whose left half has one colour and whose right half another."""
    made = Image.new(mode, SIZE, right)
    made.paste(left, (0, 0, SIZE[0] // 2, SIZE[1]))
    return made


def colours(picture):
    return picture.getpixel((5, 12)), picture.getpixel((35, 12))


def near(one, other, by=6):
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) <= by


@pytest.mark.parametrize(
    ("name", "made", "options", "expected"),
    [
        ("rgb.png", half("RGB", RED, WHITE), {}, (RED, WHITE)),
        ("photo.jpg", half("RGB", RED, WHITE), {"quality": 95}, (RED, WHITE)),
        ("grey.png", half("L", 60, 200), {}, ((60,) * 3, (200,) * 3)),
        ("black and white.png", half("1", 0, 1), {}, ((0,) * 3, WHITE)),
        ("alpha.png", half("RGBA", (*RED, 255), (0, 0, 0, 0)), {}, (RED, WHITE)),
        ("half seen.png", half("RGBA", (*RED, 255), (0, 0, 0, 128)), {}, (RED, (127,) * 3)),
        ("grey alpha.png", half("LA", (60, 255), (0, 0)), {}, ((60,) * 3, WHITE)),
        ("palette.png", half("RGB", RED, WHITE).quantize(4), {}, (RED, WHITE)),
        ("cmyk.jpg", half("RGB", RED, WHITE).convert("CMYK"), {"quality": 95}, (RED, WHITE)),
        ("deep.png", Image.fromarray(np.repeat([[10_000, 60_000]], 20, 1).repeat(24, 0).astype(np.uint16)), {},
         ((39,) * 3, (233,) * 3)),
        ("real.tiff", Image.fromarray(np.repeat([[0.1, 0.5]], 20, 1).repeat(24, 0).astype(np.float32)), {},
         ((51,) * 3, WHITE)),
        ("web.webp", half("RGB", RED, WHITE), {"lossless": True}, (RED, WHITE)),
        ("old.bmp", half("RGB", RED, WHITE), {}, (RED, WHITE)),
        ("moving.gif", half("P", 0, 1), {"save_all": True, "append_images": [half("P", 1, 0)]}, None),
    ],
)  # fmt: skip
def test_every_kind_of_file_becomes_red_green_and_blue(tmp_path, name, made, options, expected):
    made.save(tmp_path / name, **options)
    read = read_picture(tmp_path / name)
    assert (read.mode, read.size) == ("RGB", SIZE)
    if expected:
        assert all(map(near, colours(read), expected))


def test_a_palette_with_a_transparent_colour_lies_on_white(tmp_path):
    flat = half("P", 0, 1)
    flat.putpalette([*RED, 0, 0, 0])
    flat.save(tmp_path / "logo.png", transparency=1)
    flat.save(tmp_path / "logo.gif", transparency=1)
    for name in ("logo.png", "logo.gif"):
        assert colours(read_picture(tmp_path / name)) == (RED, WHITE)


def test_of_an_animation_it_is_the_first_picture(tmp_path):
    frames = [half("RGB", RED, WHITE), half("RGB", WHITE, RED)]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    assert all(map(near, colours(read_picture(tmp_path / "moving.gif")), (RED, WHITE)))


@pytest.mark.parametrize(("turn", "size"), [(1, SIZE), (3, SIZE), (6, SIZE[::-1]), (8, SIZE[::-1])])
def test_the_cameras_note_on_how_it_was_held_is_followed(tmp_path, turn, size):
    exif = Image.Exif()
    exif[0x0112] = turn
    half("RGB", RED, WHITE).save(tmp_path / "held.jpg", exif=exif, quality=95)
    read = read_picture(tmp_path / "held.jpg")
    assert read.size == size
    corner = {1: (2, 2), 3: (37, 2), 6: (2, 2), 8: (2, 37)}[turn]
    assert near(read.getpixel(corner), RED)


def test_a_note_that_cannot_be_read_is_no_fault_of_the_picture(tmp_path):
    half("RGB", RED, WHITE).save(tmp_path / "note.jpg", exif=b"Exif\0\0II*\0\x08\0\0\0\x09\0junk")
    assert read_picture(tmp_path / "note.jpg").size == SIZE


def test_what_cannot_be_read_says_what_it_is_and_what_to_do(tmp_path, monkeypatch):
    (tmp_path / "notes.jpg").write_text("no picture", encoding="utf-8")
    (tmp_path / "empty.png").touch()
    half("RGB", RED, WHITE).resize((400, 300)).save(tmp_path / "whole.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:900])
    half("RGB", RED, WHITE).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:-30])
    for name, words in (
        ("notes.jpg", "is no picture"),
        ("empty.png", "is no picture"),
        ("cut.jpg", "is damaged"),
        ("cut.png", "is damaged"),
        ("absent.png", "got no file"),
    ):
        with pytest.raises(PictureError, match=words) as caught:
            read_picture(tmp_path / name)
        assert name in str(caught.value)
    for pixels in (SIZE[0] * SIZE[1] - 1, 1):  # Pillow warns, and from twice the limit on refuses
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", pixels)
        with pytest.raises(PictureError, match="too many pixels; save it smaller"):
            read_picture(tmp_path / "whole.png")


# A folder of classes


def noise(seed):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (12, 12, 3), dtype=np.uint8))


def good_folder(root, each=2):
    for place, name in enumerate(("猫", "собака", "été")):
        (root / name).mkdir(parents=True)
        for number in range(each):
            noise(100 * place + number).save(root / name / f"{number}.png")
    return root


def test_a_folder_of_classes_with_names_in_any_script(tmp_path):
    (good_folder(tmp_path) / "été").rename(
        tmp_path / unicodedata.normalize("NFD", "été")
    )  # as macOS writes it
    data = from_folder(tmp_path)
    assert data.classes == tuple(sorted(["猫", "собака", "été"]))
    assert data.counts() == {"été": 2, "собака": 2, "猫": 2}
    assert list(data.labels) == [0, 0, 1, 1, 2, 2]
    assert data.problems == []
    assert [path.name for path in data.image_paths] == ["0.png", "1.png"] * 3
    assert len(set(data.groups)) == 6
    picture, label = data[5]
    assert (picture.size, label) == ((12, 12), 2)


def test_a_folder_within_a_class_is_a_group(tmp_path):
    good_folder(tmp_path)
    for number in range(3):
        (tmp_path / "猫" / "Tama").mkdir(exist_ok=True)
        Image.new("RGB", (9, 9)).save(tmp_path / "猫" / "Tama" / f"{number}.png")
    data = from_folder(tmp_path)
    assert data.counts()["猫"] == 5
    assert len(set(data.groups)) == 7


def awkward_folder(root, each=2):
    """Sixteen kinds of things that somebody's folder has."""
    good_folder(root, each)
    (root / "猫" / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    (root / "猫" / "Thumbs.db").write_bytes(b"\xd0\xcf")
    (root / ".git").mkdir()
    (root / "__MACOSX").mkdir()
    (root / "猫" / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut")
    (root / "猫" / "notes.txt").write_text("to do", encoding="utf-8")
    (root / "猫" / "empty.png").touch()
    (root / "собака" / "film.mp4").write_bytes(b"\0\0\0 ftypmp42")
    (root / "plan.pdf").write_bytes(b"%PDF-1.4")
    (root / "nothing in it").mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    noise(1000).convert("CMYK").save(root / "été" / "print.jpg")
    noise(1001).convert("LA").save(root / "été" / "UPPER.PNG")
    noise(1002).save(root / "été" / "moving.gif", save_all=True, append_images=[noise(1003)])
    noise(1004).save(root / "été" / "held.jpg", exif=exif)
    noise(1005).convert("P").save(root / "été" / "palette.png", transparency=3)
    deep = np.asarray(noise(1006).convert("L")).astype(np.uint16) * 257
    Image.fromarray(deep).save(root / "été" / "deep.png")
    return root


def test_everything_that_is_wrong_is_named_at_once(tmp_path):
    with pytest.raises(FolderError) as caught:
        from_folder(awkward_folder(tmp_path))
    message = str(caught.value)
    named = (
        "cut.jpg",
        "notes.txt",
        "empty.png",
        "film.mp4",
        "plan.pdf: lies beside",
        "nothing in it: a class",
    )
    assert all(name in message for name in named)
    assert f"got {len(named)} things in {tmp_path} that cannot be used" in message
    assert "skip_broken=True" in message
    assert not [
        name for name in (".DS_Store", "Thumbs", ".git", "MACOSX", "print", "UPPER") if name in message
    ]
    assert message.count(str(tmp_path)) == 1  # the lines name files within the folder


def test_or_left_out_on_request_with_a_report(tmp_path):
    data = from_folder(awkward_folder(tmp_path), skip_broken=True)
    assert data.counts() == {"été": 8, "собака": 2, "猫": 2}
    assert len(data.problems) == 6


def test_a_folder_without_two_classes_is_refused(tmp_path):
    with pytest.raises(FolderError, match="got no folder"):
        from_folder(tmp_path / "absent")
    with pytest.raises(FolderError, match="expected at least two classes") as caught:
        from_folder(tmp_path)
    assert "got no class with pictures" in str(caught.value)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "notes").touch()
    with pytest.raises(FolderError, match=r"a.notes is no picture"):  # the reason beside it
        from_folder(tmp_path, skip_broken=True)
    Image.new("RGB", (9, 9)).save(tmp_path / "a" / "0.png")
    with pytest.raises(FolderError, match="got the class 'a' alone"):
        from_folder(tmp_path, skip_broken=True)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a/0.png", b"")
    with pytest.raises(FolderError, match="expected a folder: if it is an archive, unpack it first"):
        from_folder(tmp_path / "a.zip")


# The guide's dataset and transforms


def test_the_guides_dataset_takes_the_guides_arguments_in_a_loader_with_workers(tmp_path):
    data = from_folder(good_folder(tmp_path))
    transform = picture_transforms(((0.5,) * 3, (0.5,) * 3), 16, train=True)
    guides = CustomImageDataset([str(path) for path in data.image_paths], data.labels, transform=transform)
    images, labels = next(iter(DataLoader(guides, batch_size=6, num_workers=2)))
    assert (images.shape, images.dtype) == ((6, 3, 16, 16), torch.float32)
    assert labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert len(guides) == 6


def test_pictures_are_standardised_as_the_network_was_trained(tmp_path):
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    made = picture_transforms((mean, std), 8, train=False)(Image.new("RGB", (20, 10), (255, 0, 51)))
    expected = (torch.tensor([1.0, 0.0, 0.2]) - torch.tensor(mean)) / torch.tensor(std)
    assert made.shape == (3, 8, 8)
    torch.testing.assert_close(made, expected[:, None, None].expand(3, 8, 8))


def test_only_training_pictures_are_changed_at_random():
    picture = half("RGB", RED, WHITE)
    torch.manual_seed(0)
    for train in (True, False):
        transform = picture_transforms(((0.5,) * 3, (0.5,) * 3), 16, train=train)
        assert all(torch.equal(transform(picture), transform(picture)) for _ in range(3)) != train


# The lesson


def test_the_lessons_one_cell_takes_a_learners_folder(tmp_path, capsys):
    """Section 4.8 runs with the one line changed, on the most awkward folder."""
    matplotlib.use("agg")
    lesson = lessons.read(ROOT / "notebooks" / "04_transfer_learning.ipynb")
    start, end = section(lesson, "4.8 ")
    awkward = awkward_folder(tmp_path / "mine", each=6)
    names = {"profile": "fast", "seed": 0, "device": "cpu", "overrides": {}}
    head = [cell for cell in lesson.code() if cell.index < lesson.tagged("setup")[0].index + 2]
    for cell in head[2:]:
        exec(cell.source, names)
    names["frozen_model"] = names["transfer"].create_transfer_model(9, backbone=names["config"].backbone)
    changed = 0
    for cell in lesson.code():
        if start < cell.index < end and "check" not in cell.tags:
            source, here = re.subn(
                r"^my_folder = .*$", f"my_folder = {str(awkward)!r}", cell.source, flags=re.MULTILINE
            )
            changed += here
            exec(source, names)
    assert changed == 1
    printed = capsys.readouterr()
    assert "{'été': 12, 'собака': 6, '猫': 6}; left out: 6" in printed.out
    assert printed.err == ""


def section(lesson, number):
    """Return the index of a section's first cell, and of the first after it."""
    starts = [cell.index for level, words, cell in lessons.headings(lesson) if level == 2]
    own = next(
        c.index for level, words, c in lessons.headings(lesson) if level == 2 and words.startswith(number)
    )
    return own, next((start for start in starts if start > own), len(lesson.cells))
