"""The photographs of a shipped table: the official files, or a copy in a folder or a zip file."""

import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from course_utils.data import cifar
from course_utils.recipes import cifar_photographs
from course_utils.recipes.cifar_photographs import PhotographsError, load_photographs, split_photographs


@pytest.fixture
def folder(tmp_path):
    """Three photographs of each class, each of one colour, as PNG."""
    for number, name in enumerate(cifar.CLASSES):
        (tmp_path / "copy" / name).mkdir(parents=True)
        for shade in range(3):
            Image.new("RGB", (32, 32), (25 * number, 100 * shade, 7)).save(
                tmp_path / "copy" / name / f"{shade}.png"
            )
    return tmp_path / "copy"


def read(monkeypatch, path):
    monkeypatch.setenv(cifar_photographs.VARIABLE, str(path))
    return load_photographs()


def test_a_folder_and_a_zip_of_it_give_the_same(folder, tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "copy.zip", "w") as packed:
        for file in sorted(folder.rglob("*.png"), reverse=True):
            packed.write(file, file.relative_to(tmp_path))
    first, second = read(monkeypatch, folder), read(monkeypatch, tmp_path / "copy.zip")
    assert np.array_equal(first[0], second[0])
    assert np.array_equal(first[1], second[1])
    assert first[2:] == second[2:]
    pixels, labels, official, story = first
    assert pixels.shape == (30, 32, 32, 3)
    assert pixels.dtype == np.uint8
    assert official == 0
    assert np.bincount(labels).tolist() == [3] * 10
    assert (pixels[:, 0, 0, 0] == 25 * labels).all()
    assert [*story] == ["a JPEG copy of 30 of the training photographs"]


def test_the_hash_follows_the_pictures(folder, monkeypatch):
    *_, before = read(monkeypatch, folder)
    Image.new("RGB", (32, 32)).save(folder / "cat" / "1.png")
    *_, after = read(monkeypatch, folder)
    assert before != after


def test_what_is_no_copy_is_refused(folder, tmp_path, monkeypatch):
    with pytest.raises(PhotographsError, match="neither a folder nor a zip file"):
        read(monkeypatch, tmp_path / "nowhere")
    (folder / "unicorn").mkdir()
    (folder / "unicorn" / "1.png").write_bytes(b"")
    with pytest.raises(
        PhotographsError, match=r"unicorn/1\.png'; expected one sub-folder for each of airplane"
    ):
        read(monkeypatch, folder)
    (tmp_path / "few" / "cat").mkdir(parents=True)
    (folder / "cat" / "0.png").rename(tmp_path / "few" / "cat" / "0.png")
    with pytest.raises(PhotographsError, match="pictures of 1 classes, expected 10"):
        read(monkeypatch, tmp_path / "few")


def test_without_the_variable_the_official_files_are_read(monkeypatch):
    monkeypatch.delenv(cifar_photographs.VARIABLE, raising=False)
    raw = np.zeros((4, 32, 32, 3), np.uint8), np.array([0, 1, 2, 3]), 1
    monkeypatch.setattr(cifar_photographs.cifar, "load_raw", lambda: raw)
    *found, story = load_photographs()
    assert found == [*raw]
    assert story == {"cifar10": ["6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"]}


def test_test_rows_are_of_the_official_test_set_where_there_is_one():
    labels = np.repeat(np.arange(10), 20)
    order = np.random.default_rng(0).permutation(200)
    pool, test = split_photographs(labels[order], 100, test_each=3, seed=1)
    assert pool.tolist() == list(range(100))
    assert test.min() >= 100
    copied, held_out = split_photographs(labels[order], 0, test_each=3, seed=1)
    assert sorted([*copied.tolist(), *held_out.tolist()]) == list(range(200))
    assert torch.from_numpy(labels[order])[held_out].bincount().tolist() == [3] * 10
    assert not torch.equal(held_out, split_photographs(labels[order], 0, test_each=3, seed=2)[1])
