"""A release, its shadow and the way back, with a real service."""

import pytest
from service_tools import ask, digit, encode, tiny_store

from course_utils.recipes import releases
from course_utils.serving import bundle
from course_utils.serving.bundle import BundleError
from course_utils.serving.process import ServerProcess


def test_a_release_from_shadow_to_roll_back(tmp_path):
    store = releases.copy_store(tiny_store(tmp_path / "first"), tmp_path / "second")
    releases.add_wrong_scale(store, "3")
    releases.add_damaged(store, "4")
    png = encode(digit())
    with ServerProcess(store) as service:
        assert releases.count_agreements(service.url) == {"yes": 0, "no": 0}
        assert releases.switch(service, store, "1", shadow="1")
        for _ in range(3):
            ask(service.url, "/predict", png)
        assert releases.count_agreements(service.url) == {"yes": 3, "no": 0}
        with pytest.raises(BundleError):
            releases.switch(service, store, "4")
        assert releases.switch(service, store, "4", check=False)
        assert ask(service.url, "/predict", png)[1]["model"]["version"] == "1"
        assert any('"refused"' in line for line in service.log)
        assert releases.switch(service, store, "2")
        assert ask(service.url, "/predict", png)[1]["model"]["version"] == "2"


def test_the_wrong_scale_verifies_and_is_wrong(tmp_path):
    store = tiny_store(tmp_path / "tiny")
    releases.add_wrong_scale(store, "3")
    first, third = (bundle.read_bundle(store / version) for version in ("1", "3"))
    assert third.preprocessing.mean == (255 * first.preprocessing.mean[0],)
    assert third.graph.read_bytes() == first.graph.read_bytes()
    assert third.version == "3"


def test_the_damaged_one_does_not_verify(tmp_path):
    store = tiny_store(tmp_path / "tiny")
    releases.add_damaged(store, "4")
    with pytest.raises(BundleError):
        bundle.read_bundle(store / "4")
