"""Versions beside each other: which one answers can change while the service runs, and never to a worse state."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from service_tools import digit, tiny_bundle, tiny_store

from course_utils.serving import store as module
from course_utils.serving.bundle import BundleError
from course_utils.serving.store import Store, about_served, choose_version, read_choice

CHOICES = [
    "",
    "{}",
    "[]",
    '{"serve": 1}',
    '{"serve": "3"}',
    '{"serve": "../2"}',
    '{"serve": "2", "shadow": 5}',
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(module, "LOOK_S", -1.0)  # at every request
    return tiny_store(tmp_path / "tiny")


def test_a_bundle_alone_is_served(tmp_path):
    served = Store(tiny_bundle(tmp_path / "1").folder).current()
    assert (served.main.about(), served.shadow) == ({"name": "tiny", "version": "1"}, None)


def test_a_version_takes_over_and_gives_back(folder):
    store = Store(folder)
    first = store.current().main.classify(digit())
    choose_version(folder, "2")
    assert store.current().main.about()["version"] == "2"
    assert store.current().main.classify(digit()).probabilities != first.probabilities
    choose_version(folder, "1", shadow="2")
    assert store.current().main.classify(digit()) == first
    assert store.current().shadow is not None
    assert read_choice(folder) == ("1", "2")
    assert about_served(folder) == {"name": "tiny", "version": "1"}
    assert sorted(file.name for file in folder.iterdir()) == ["1", "2", "serving.json"]


@pytest.mark.parametrize("version", ["3", "../2", ""])
def test_a_version_that_is_not_there_is_not_chosen(folder, version):
    with pytest.raises(BundleError):
        choose_version(folder, version)
    assert read_choice(folder) == ("1", None)


@pytest.mark.parametrize("text", CHOICES)
def test_a_choice_that_cannot_be_served_leaves_the_old_one(folder, text, capsys):
    store, failures = Store(folder), []
    store.on_failure = lambda: failures.append(1)
    (folder / "serving.json").write_text(text)
    assert store.current().main.about()["version"] == "1"
    assert store.current().main.about()["version"] == "1"
    assert failures == [1]
    assert "refused" in json.loads(capsys.readouterr().err)


def test_a_damaged_version_is_not_served(folder):
    store = Store(folder)
    graph = folder / "2" / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:-1])
    with pytest.raises(BundleError, match="changed after it was written"):
        choose_version(folder, "2")
    (folder / "serving.json").write_text('{"serve": "2", "shadow": null}')  # by hand, past the check
    assert store.current().main.about()["version"] == "1"
    (folder / "serving.json").unlink()
    assert store.current().main.about()["version"] == "1"


def test_what_is_neither_is_told(tmp_path):
    with pytest.raises(BundleError, match="neither a bundle"):
        Store(tmp_path)
    with pytest.raises(BundleError, match="neither a bundle"):
        about_served(tmp_path)
