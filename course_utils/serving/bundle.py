"""A bundle: one folder with all that a service needs to answer, checked before it is used.

    digits/1/
        manifest.json         name, version, labels, preprocessing, metrics, versions, data, licence; sha256 of the rest
        model.onnx            the graph that ONNX Runtime runs
        weights.safetensors   the numbers alone, to go on training from

No file of it can run code when it is read.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from course_utils.serving.preprocess import Preprocessing

FORMAT = 1
MANIFEST = "manifest.json"
GRAPH = "model.onnx"
KINDS = (".onnx", ".safetensors", ".json", ".md", ".txt")
LARGEST_MANIFEST = 1_000_000
PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04")  # the last is torch.save's
FIELDS = {
    "format": int,
    "name": str,
    "version": str,
    "labels": list,
    "preprocessing": dict,
    "metrics": dict,
    "versions": dict,
    "data": dict,
    "licence": str,
    "files": dict,
}
WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class BundleError(ValueError):
    """A bundle that must not be used, or must not be written; the text says why and what to do."""


@dataclass(frozen=True)
class Bundle:
    """What a verified bundle says about itself; `read_bundle` and `write_bundle` make it.

    See: chapter 06, "Save and load safely".
    """

    folder: Path
    name: str
    version: str
    labels: tuple[str, ...]
    preprocessing: Preprocessing
    metrics: dict[str, Any]
    versions: dict[str, Any]
    data: dict[str, Any]
    licence: str

    @property
    def graph(self) -> Path:
        """The ONNX file."""
        return self.folder / GRAPH


def write_bundle(
    folder: Path,
    *,
    name: str,
    version: str,
    files: Mapping[str, bytes | Path],
    labels: Sequence[str],
    preprocessing: Preprocessing,
    metrics: Mapping[str, Any],
    versions: Mapping[str, Any],
    data: Mapping[str, Any],
    licence: str,
) -> Bundle:
    """Write a bundle whole or not at all, and read it back.

    Args:
        folder: Where it will be; must not exist: a version that was once published never changes.
        name: Of the model, e.g. `"digits"`: letters, digits, dots, dashes.
        version: Of the model, likewise.
        files: File name → its bytes, or a file to copy; `model.onnx` must be among them.
        labels: Of the classes, in the order of the network's outputs.
        preprocessing: What is done to a picture first.
        metrics: What was measured, e.g. `{"test_accuracy": 0.98}`.
        versions: Of the libraries that made it.
        data: Name → sha256 of what it was trained on.
        licence: Of weights and data.

    Raises:
        BundleError: If the folder is there already, or the bundle would not be accepted by `read_bundle`.
    """
    if folder.exists():
        raise BundleError(f"{folder} is there already, and a version never changes: write the next version")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".part-") as scratch:
        part = Path(scratch) / folder.name
        part.mkdir()
        for file, content in files.items():
            _check_name(file)
            if isinstance(content, Path):
                shutil.copyfile(content, part / file)
            else:
                (part / file).write_bytes(content)
        manifest = {
            "format": FORMAT,
            "name": name,
            "version": version,
            "labels": list(labels),
            "preprocessing": preprocessing.to_json(),
            "metrics": dict(metrics),
            "versions": dict(versions),
            "data": dict(data),
            "licence": licence,
            "files": {file: _facts(part / file) for file in sorted(files)},
        }
        (part / MANIFEST).write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        read_bundle(part)
        for path in [*part.iterdir(), part]:
            _sync(path)
        try:
            part.rename(folder)
        except OSError as error:  # somebody else was faster
            raise BundleError(f"{folder} cannot be made: {error.strerror}; write the next version") from error
        _sync(folder.parent)
    return read_bundle(folder)


def read_bundle(folder: Path) -> Bundle:
    """Return a bundle after every file of it was checked against the manifest.

    Args:
        folder: One version, with its `manifest.json`.

    Raises:
        BundleError: If a file is missing, extra, changed, of a kind that could hold code, or the manifest does not
            describe a model that the service can run.
    """
    folder = Path(folder)
    manifest = _manifest(folder)
    _check_files(folder, manifest["files"])
    try:
        preprocessing = Preprocessing.from_json(manifest["preprocessing"])
    except ValueError as error:
        raise _refused(folder, str(error)) from error
    labels = manifest["labels"]
    if (
        len(labels) < 2
        or not all(isinstance(label, str) for label in labels)
        or len(set(labels)) < len(labels)
    ):
        raise _refused(folder, f"labels {labels!r}, expected two or more different words")
    for field in ("name", "version"):
        if not WORD.fullmatch(manifest[field]):
            raise _refused(folder, f"{field} {manifest[field]!r}, expected letters, digits, dots and dashes")
    told = {field: manifest[field] for field in ("name", "version", "metrics", "versions", "data", "licence")}
    return Bundle(folder=folder, labels=tuple(labels), preprocessing=preprocessing, **told)


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not path.is_file() or path.is_symlink():
        raise BundleError(
            f"{folder} is no bundle: it has no {MANIFEST}. `python -m course_utils.recipes.digit_bundle` makes one"
        )
    if path.stat().st_size > LARGEST_MANIFEST:
        raise _refused(
            folder, f"{MANIFEST} has {path.stat().st_size:,} bytes, expected at most {LARGEST_MANIFEST:,}"
        )
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise _refused(folder, f"{MANIFEST} is no JSON: {error}") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        told = found.get("format") if isinstance(found, dict) else type(found).__name__
        raise _refused(folder, f"format {told!r}, expected {FORMAT}: made for another version of the service")
    for field, kind in FIELDS.items():
        if not isinstance(found.get(field), kind):
            got = type(found[field]).__name__ if field in found else "nothing"
            raise _refused(folder, f"{field} of {MANIFEST} is {got}, expected {kind.__name__}")
    return found


def _check_files(folder: Path, listed: Mapping[str, Any]) -> None:
    for file in listed:
        _check_name(file)
    there = {path.name for path in folder.iterdir()} - {MANIFEST}
    if GRAPH not in listed:
        raise _refused(folder, f"it lists no {GRAPH}")
    if missing := sorted(set(listed) - there):
        raise _refused(folder, f"missing: {', '.join(missing)}")
    if extra := sorted(there - set(listed)):
        raise _refused(folder, f"not in its {MANIFEST}: {', '.join(extra)}")
    for file, facts in listed.items():
        path = folder / file
        if path.is_symlink() or not path.is_file():
            raise _refused(folder, f"{file} is a link or no file, expected a file of its own")
        with path.open("rb") as opened:
            start = opened.read(4)
        if start.startswith(PICKLES):
            raise _refused(folder, f"{file} is a pickle or an archive, which can run code when it is loaded")
        if (found := _facts(path)) != facts:
            told = f"{found['bytes']:,} bytes, sha256 {found['sha256'][:12]}…"
            raise _refused(
                folder, f"{file} was changed after it was written: {told} is not what its {MANIFEST} says"
            )


def _check_name(file: str) -> None:
    if not WORD.fullmatch(file) or file == MANIFEST or Path(file).suffix not in KINDS:
        raise BundleError(
            f"{file!r} cannot be in a bundle: expected a plain file name that ends in {', '.join(KINDS)}; weights go "
            "into safetensors, since a pickle can run code when it is loaded"
        )


def _refused(folder: Path, why: str) -> BundleError:
    return BundleError(f"the bundle {folder} is refused: {why}. Copy it anew from where it was made")


def _facts(path: Path) -> dict[str, Any]:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return {"bytes": path.stat().st_size, "sha256": digest.hexdigest()}


def _sync(path: Path) -> None:
    """Have the system put a file or folder on disk, so that the rename comes after it."""
    if path.is_dir() and os.name == "nt":
        return  # Windows opens no folders
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
