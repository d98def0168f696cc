"""CIFAR-10 from its two sources, in their own formats but tiny, from a local server: whole or not at all."""

from __future__ import annotations

import builtins
import gc
import hashlib
import io
import json
import pickle
import tarfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from local_server import LocalServer
from PIL import Image

from course_utils.data import assets, cifar, pictures, sources
from course_utils.data.assets import AssetError

# torchvision leaves the sockets of refused requests to the garbage collector; unpickling old arrays warns
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
PARTS = [*[f"data_batch_{number}" for number in range(1, 6)], "test_batch"]
EACH = 4  # pictures in each batch
TAR = "cifar-10-python.tar.gz"


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def pixels_of(part: str) -> np.ndarray[Any, Any]:
    """Return the pictures of a batch, shape (EACH, 32, 32, 3), different in each."""
    return np.random.default_rng(PARTS.index(part)).integers(0, 256, (EACH, 32, 32, 3), dtype=np.uint8)


def labels_of(part: str) -> list[int]:
    return [(PARTS.index(part) + number) % 10 for number in range(EACH)]


def batches() -> dict[str, bytes]:
    """Return the files of the official archive: pickled dicts of planes, as `CIFAR10` of torchvision reads them."""
    names = [name.encode() for name in cifar.CLASSES]
    files = {"batches.meta": pickle.dumps({"label_names": [name.decode() for name in names]})}
    for part in PARTS:
        planes = pixels_of(part).transpose(0, 3, 1, 2).reshape(EACH, -1)
        files[part] = pickle.dumps({"data": planes, "labels": labels_of(part), "filenames": ["x"] * EACH})
    return files


def archive(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tarred:
        for name, content in files.items():
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(content)
            tarred.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def parquet(parts: list[str]) -> bytes:
    """Return a table with the schema of the hub's copy: img {bytes, path}, label."""
    pyarrow = pytest.importorskip("pyarrow")
    parquets = pytest.importorskip("pyarrow.parquet")
    rows, labels = [], []
    for part in parts:
        for picture, label in zip(pixels_of(part), labels_of(part), strict=True):
            png = io.BytesIO()
            Image.fromarray(picture).save(png, "PNG")
            rows.append({"bytes": png.getvalue(), "path": None})
            labels.append(label)
    kind = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    table = pyarrow.table({"img": pyarrow.array(rows, kind), "label": pyarrow.array(labels, pyarrow.int64())})
    buffer = io.BytesIO()
    parquets.write_table(table, buffer)
    return buffer.getvalue()


def member(path: str, content: bytes) -> str:
    sha256 = hashlib.sha256(content).hexdigest()
    return f'{{ path = "{path}", size_bytes = {len(content)}, sha256 = "{sha256}" }}'


class Tiny:
    """A tiny CIFAR-10 on a local server: the archive under /official/, the Parquet files under /copy/."""

    def __init__(self, folder: Path, server: LocalServer) -> None:
        self.folder, self.server, self.cache = folder, server, folder / "cache"
        self.file = folder / "assets.toml"
        self.archive = archive(batches())
        self.copies = dict.fromkeys(cifar.PARQUET.values(), b"")

    def list(self, copies: dict[str, bytes]) -> None:
        self.copies = copies
        rows = ", ".join(member(name, content) for name, content in copies.items())
        self.file.write_text(
            '[cifar10]\ntitle = "t"\nprofile = "full"\nchapters = ["02"]\nlicence = "l"\norigin = "o"\n'
            f'size_bytes = {len(self.archive)}\ntorchvision = "CIFAR10"\nurls = []\n'
            f"members = [{member(TAR, self.archive)}]\n"
            f'copy_urls = ["{self.server.url}copy/"]\ncopy_members = [{rows}]\n',
            encoding="utf-8",
        )

    def serve(self, *, official: object, copies: bool) -> None:
        self.server.answers = {f"/official/{TAR}": official}  # type: ignore[dict-item]
        if copies:
            self.server.answers |= {f"/copy/{name}": content for name, content in self.copies.items()}

    def fetch(self, timeout_s: float = 60) -> Path:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sources, "TIMEOUT_S", timeout_s)
            return assets.fetch("cifar10", file=self.file, cache=self.cache)

    def visible(self) -> list[str]:
        return [path.name for path in self.cache.glob("*") if not path.name.startswith(".")]


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tiny]:
    """A place whose torchvision believes that the tiny archive is the official one."""
    datasets: ModuleType = pytest.importorskip("torchvision.datasets")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with LocalServer() as server:
        place, files = Tiny(tmp_path, server), batches()
        listed = [[part, md5(files[part])] for part in PARTS]
        meta = {"filename": "batches.meta", "key": "label_names", "md5": md5(files["batches.meta"])}
        for name, value in (
            ("url", f"{server.url}official/{TAR}"),
            ("tgz_md5", md5(place.archive)),
            ("train_list", listed[:-1]),
            ("test_list", listed[-1:]),
            ("meta", meta),
        ):
            monkeypatch.setattr(datasets.CIFAR10, name, value)
        place.list(dict.fromkeys(cifar.PARQUET.values(), b"not asked for"))
        yield place
    gc.collect()  # here, where the mark above holds


def holds_everything(folder: Path) -> None:
    pixels, labels, test = cifar.load_raw(folder)
    assert test == EACH
    assert np.array_equal(pixels, np.concatenate([pixels_of(part) for part in PARTS]))
    assert labels.tolist() == [label for part in PARTS for label in labels_of(part)]
    assert (pixels.dtype, labels.dtype) == (np.uint8, np.int64)


def test_the_official_archive_comes_first(tiny: Tiny, capfd: pytest.CaptureFixture[str]):
    tiny.serve(official=tiny.archive, copies=True)
    folder = tiny.fetch()
    holds_everything(folder)
    assert capfd.readouterr().err == ""
    assert tiny.server.requests == [f"/official/{TAR}"] or set(tiny.server.requests) == {f"/official/{TAR}"}


@pytest.mark.parametrize("failure", ["missing", "wrong", "truncated", "stall"])
def test_the_copy_takes_over(tiny: Tiny, failure: str):
    tiny.list({cifar.PARQUET["train"]: parquet(PARTS[:-1]), cifar.PARQUET["test"]: parquet(PARTS[-1:])})
    bad = {"missing": 404, "wrong": b"not an archive"}
    tiny.serve(official=bad.get(failure, (failure, tiny.archive)), copies=True)
    folder = tiny.fetch(timeout_s=0.5 if failure == "stall" else 60)
    holds_everything(folder)
    assert assets.is_present("cifar10", file=tiny.file, cache=tiny.cache)


@pytest.mark.parametrize("manner", ["truncated", "stall"])
def test_half_a_copy_is_no_copy(tiny: Tiny, manner: str):
    whole = {cifar.PARQUET["train"]: b"x" * 4000, cifar.PARQUET["test"]: b"y" * 4000}
    tiny.list(whole)
    tiny.serve(official=404, copies=True)
    tiny.server.answers[f"/copy/{cifar.PARQUET['test']}"] = (manner, b"y" * 4000)
    with pytest.raises(AssetError) as caught:
        tiny.fetch(timeout_s=0.5)
    assert "torchvision.datasets.CIFAR10" in str(caught.value)
    assert cifar.PARQUET["test"] in str(caught.value)
    assert tiny.visible() == []
    assert not assets.is_present("cifar10", file=tiny.file, cache=tiny.cache)


def test_a_damaged_copy_is_fetched_anew(tiny: Tiny):
    tiny.list({cifar.PARQUET["train"]: b"x" * 4000, cifar.PARQUET["test"]: b"y" * 4000})
    tiny.serve(official=404, copies=True)
    file = tiny.fetch() / cifar.PARQUET["test"]
    file.write_bytes(b"y" * 3999)
    assert not assets.is_present("cifar10", file=tiny.file, cache=tiny.cache)
    tiny.server.requests.clear()
    assert (tiny.fetch() / cifar.PARQUET["test"]).read_bytes() == b"y" * 4000
    assert f"/copy/{cifar.PARQUET['train']}" not in tiny.server.requests  # what was good is kept


@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_a_damaged_batch_is_unpacked_again_without_the_network(tiny: Tiny, damage: str):
    tiny.serve(official=tiny.archive, copies=False)
    folder = tiny.fetch()
    batch = folder / "cifar-10-batches-py" / "data_batch_3"
    batch.unlink() if damage == "missing" else batch.write_bytes(b"never unpickled")
    tiny.server.answers = {}
    holds_everything(folder)


def test_a_long_download_says_how_far_it_is(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(assets, "PROGRESS_EVERY_S", 0.02)
    tiny.serve(official=("slow", tiny.archive), copies=False)
    tiny.fetch()
    assert "cifar10: " in capsys.readouterr().out


def test_without_pyarrow_the_remedy_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / cifar.PARQUET["train"]).write_bytes(b"")
    original = builtins.__import__

    def without(name: str, *rest: Any) -> ModuleType:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return original(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(AssetError, match="pip install pyarrow"):
        cifar.load_raw(tmp_path)


def test_the_sets_share_nothing_and_the_training_set_decides_the_scale(monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (120, 32, 32, 3), dtype=np.uint8)
    labels = np.arange(120) % 10
    monkeypatch.setattr(cifar, "load_raw", lambda: (pixels, labels, 20))
    data = pictures.load_images("cifar10", seed=3)
    assert [len(part.labels) for part in (data.train, data.validation, data.test)] == [90, 10, 20]
    assert data.train.images.mean(dim=(0, 2, 3)).abs().max() < 1e-4
    assert (data.train.images.std(dim=(0, 2, 3)) - 1).abs().max() < 1e-3
    back = (data.pictures(data.test.images) * 255).round().astype(np.uint8)
    assert np.array_equal(back, pixels[100:])
    known = {
        picture.tobytes() for picture in (data.pictures(data.train.images) * 255).round().astype(np.uint8)
    }
    assert not known & {picture.tobytes() for picture in back}


def test_the_listed_archive_is_torchvisions():
    datasets = pytest.importorskip("torchvision.datasets")
    listed = assets.assets()["cifar10"].members[0]
    assert (listed.path, listed.md5) == (datasets.CIFAR10.filename, datasets.CIFAR10.tgz_md5)
    assert json.dumps(sorted(cifar.PARQUET.values())) == json.dumps(
        sorted(member.path for member in assets.assets()["cifar10"].copy_members)
    )
