"""BERT in the hub's format, but tiny, from a server that fails on purpose; ResNet-18 is in test_transfer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from local_server import Answer, LocalServer
from safetensors.torch import save
from transformers import AutoModel, AutoTokenizer, BertConfig, BertForPreTraining

from course_utils.data import assets
from course_utils.data.assets import AssetError

Fetch = Callable[[], Path]
VOCAB = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\ngood\nfilm\n"


def tiny_bert() -> dict[str, bytes]:
    """Return the three files of the hub's BERT, with the heads of its own training, 2 layers of width 8."""
    config = BertConfig(
        vocab_size=8, hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16
    )
    torch.manual_seed(0)
    weights = {name: value.clone() for name, value in BertForPreTraining(config).state_dict().items()}
    written = {**json.loads(config.to_json_string()), "model_type": "bert"}
    return {
        "config.json": json.dumps(written).encode(),
        "model.safetensors": save(weights, metadata={"format": "pt"}),
        "vocab.txt": VOCAB.encode(),
    }


def rows(files: dict[str, bytes]) -> str:
    def row(path: str, content: bytes) -> str:
        sha256 = hashlib.sha256(content).hexdigest()
        return f'{{ path = "{path}", size_bytes = {len(content)}, sha256 = "{sha256}" }}'

    return "[" + ", ".join(row(*item) for item in files.items()) + "]"


class Hub:
    """A local server with a first and a second source, and a list of assets that names it."""

    def __init__(self, folder: Path, server: LocalServer) -> None:
        self.folder, self.server = folder, server

    def fetch(self, name: str, members: dict[str, bytes], more: str) -> Path:
        size = sum(map(len, members.values()))
        (self.folder / "assets.toml").write_text(
            f'[{name}]\ntitle = "t"\nprofile = "full"\nchapters = ["04"]\nlicence = "l"\norigin = "o"\n'
            f"size_bytes = {size}\nmembers = {rows(members)}\n{more}\n",
            encoding="utf-8",
        )
        return assets.fetch(name, file=self.folder / "assets.toml", cache=self.folder / "cache")

    def bert(self, files: dict[str, bytes]) -> Path:
        urls = f'urls = ["{self.server.url}hub/", "{self.server.url}mirror/"]'
        return self.fetch("bert", files, urls)

    def serve(self, folder: str, files: dict[str, Any]) -> None:
        self.server.answers |= {f"/{folder}/{name}": content for name, content in files.items()}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with LocalServer() as server:
        yield Hub(tmp_path, server)


def failing(files: dict[str, bytes]) -> dict[str, dict[str, Answer]]:
    """Return what goes wrong with the weights: other bytes of the same length, half of them, nothing."""
    name = max(files, key=lambda name: len(files[name]))
    content = files[name]
    return {
        "wrong hash": {**files, name: content[:-1] + bytes([content[-1] ^ 1])},
        "half the bytes": {**files, name: ("truncated", content)},
        "nothing": dict.fromkeys(files, 404),
    }


FAILURES = ("wrong hash", "half the bytes", "nothing")


def test_bert_of_the_first_source_is_read_by_transformers(hub: Hub) -> None:
    files = tiny_bert()
    hub.serve("hub", files)
    folder = hub.bert(files)
    assert AutoModel.from_pretrained(folder).config.hidden_size == 8
    assert AutoTokenizer.from_pretrained(folder)("A good film")["input_ids"] == [2, 5, 6, 7, 3]
    assert {path.partition("/")[2].partition("/")[0] for path in hub.server.requests} == {"hub"}


@pytest.mark.parametrize("failure", FAILURES)
def test_the_mirror_takes_over_from_the_hub(hub: Hub, failure: str) -> None:
    files = tiny_bert()
    hub.serve("hub", failing(files)[failure])
    hub.serve("mirror", files)
    folder = hub.bert(files)
    assert (folder / "model.safetensors").read_bytes() == files["model.safetensors"]


@pytest.mark.parametrize("failure", FAILURES)
def test_without_a_good_source_nothing_is_there_and_the_way_by_hand_is_told(hub: Hub, failure: str) -> None:
    files = tiny_bert()
    for folder in ("hub", "mirror"):
        hub.serve(folder, failing(files)[failure])
    with pytest.raises(AssetError) as caught:
        hub.bert(files)
    words = {"wrong hash": "sha256", "half the bytes": "more expected", "nothing": "404"}[failure]
    for part in (words, f"{hub.server.url}hub/", f"{hub.server.url}mirror/", "by hand", "model.safetensors"):
        assert part in str(caught.value)
    assert [path.name for path in (hub.folder / "cache").glob("*") if path.name[0] != "."] == []


def test_a_large_download_says_its_size_before_it_begins(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = tiny_bert()
    hub.serve("hub", files)
    monkeypatch.setattr(assets, "TOLD_FROM_BYTES", 1000)
    hub.bert(files)
    size = sum(map(len, files.values())) / 1e6
    assert capsys.readouterr().out.splitlines()[0] == f"bert: {size:.1f} MB to load, once"


def test_the_real_entries_pin_a_revision_and_safetensors() -> None:
    known = assets.assets()
    for asset in (known["bert"], known["resnet18"]):
        for url in (url for url in (*asset.urls, *asset.copy_urls) if "/resolve/" in url):
            revision = url.partition("/resolve/")[2].strip("/")
            assert len(revision) == 40, f"{url} names no commit"
            assert set(revision) <= set("0123456789abcdef")
    formats = {Path(m.path).suffix for m in (*known["bert"].members, *known["resnet18"].copy_members)}
    assert formats == {".json", ".safetensors", ".txt"}
