"""Settings: one word decides every value, and a wrong word is answered with the right ones."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle

import pytest
import yaml
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from course_utils import settings
from course_utils.settings import Settings, SettingsError

TABLE = {
    "all": {"threads": {"fast": 1, "full": 0, "about": "threads"}},
    "01": {
        "epochs": {"fast": 2, "full": 9, "about": "passes & more"},
        "rate": {"fast": 0.1, "full": 0.2, "about": "step size"},
        "name": {"fast": "small", "full": "large", "about": "which data"},
        "shuffle": {"fast": True, "full": False, "about": "whether to shuffle"},
        "sizes": {"fast": [1, 2], "full": [3, 4], "about": "sizes"},
        "rates": {"fast": [0.1], "full": [0.2], "about": "rates"},
    },
    "02": {"epochs": {"fast": 1, "full": 1, "about": "passes"}},
}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "profiles.yaml"
    path.write_text(json.dumps(TABLE), encoding="utf-8")
    return path


def test_a_profile_decides_every_value(file):
    fast, full = (settings.load("01", profile, file=file) for profile in settings.PROFILES)
    assert (fast.epochs, fast.rate, fast.sizes, fast.threads) == (2, 0.1, [1, 2], 1)
    assert (full.epochs, full.rate, full.sizes, full.threads) == (9, 0.2, [3, 4], 0)
    assert fast.overrides == {}


def test_the_chapters_are_those_of_the_file(file):
    assert settings.chapters(file) == ("01", "02")


def test_an_override_changes_one_value_and_is_remembered(file):
    config = settings.load("01", overrides={"epochs": 5}, file=file)
    assert (config.epochs, config.rate, config.overrides) == (5, 0.1, {"epochs": 5})
    assert settings.load("01", file=file).epochs == 2


def test_a_whole_number_will_do_for_a_float(file):
    config = settings.load("01", overrides={"rate": 1}, file=file)
    assert config.rate == 1.0
    assert isinstance(config.rate, float)


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ({"chapter": "09"}, ["'09'", "01, 02"]),
        ({"chapter": "all"}, ["'all'", "01, 02"]),
        ({"profile": "slow"}, ["'slow'", "fast, full"]),
        ({"device": "tpu"}, ["'tpu'", "auto, cpu, cuda, mps"]),
        ({"seed": -1}, ["-1", "0 to"]),
        ({"seed": 2**32}, ["0 to 4294967295"]),
        ({"seed": True}, ["True"]),
        ({"seed": "0"}, ["'0'"]),
        ({"overrides": {"epoch": 3}}, ["'epoch'", "threads, epochs, rate"]),
    ],
)
def test_a_wrong_word_is_answered_with_the_right_ones(file, arguments, names):
    with pytest.raises(SettingsError) as caught:
        settings.load(**{"chapter": "01", **arguments}, file=file)
    assert all(name in str(caught.value) for name in names), caught.value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", True),
        ("epochs", 2.0),
        ("epochs", "2"),
        ("epochs", None),
        ("epochs", [2]),
        ("rate", True),
        ("rate", "0.1"),
        ("name", 3),
        ("shuffle", 1),
        ("sizes", 3),
        ("sizes", []),
        ("sizes", [1, "2"]),
        ("sizes", [1, 2.5]),
        ("sizes", [True]),
        ("sizes", (1, 2)),
        ("rates", ["0.1"]),
    ],
)
def test_an_override_of_another_type_is_refused(file, name, value):
    with pytest.raises(SettingsError, match=name) as caught:
        settings.load("01", overrides={name: value}, file=file)
    assert repr(TABLE["01"][name]["fast"]) in str(caught.value)  # an example of what is right


@pytest.mark.parametrize("overrides", ["{epochs: 3}", ["epochs", 3], 3])
def test_overrides_that_are_no_table_say_how_papermill_passes_one(file, overrides):
    with pytest.raises(SettingsError, match=r"-y 'overrides: \{epochs: 3\}'"):
        settings.load("01", overrides=overrides, file=file)


def test_an_unknown_attribute_lists_the_settings(file):
    with pytest.raises(AttributeError, match=r"'epoch'; it has threads, epochs, rate"):
        settings.load("01", file=file).epoch  # noqa: B018


def test_settings_can_be_copied_pickled_and_replaced(file):
    config = settings.load("01", overrides={"epochs": 3}, file=file)
    for other in (copy.copy(config), copy.deepcopy(config), pickle.loads(pickle.dumps(config))):
        assert other == config
        assert other.epochs == 3
    assert dataclasses.replace(config, seed=4).epochs == 3


def test_the_table_shows_values_meanings_and_changes_and_is_escaped(file):
    table = settings.load("01", overrides={"name": "<b>"}, file=file)._repr_html_()
    assert "&lt;b&gt;" in table
    assert "<b>" not in table
    assert "passes &amp; more" in table
    assert table.count("(changed)") == 1


@limits(max_examples=40, deadline=None)
@given(
    value=st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers(), max_size=3)
    ),
    name=st.sampled_from(sorted(TABLE["01"])),
)
def test_an_override_is_taken_with_the_type_of_the_profile_or_refused(name, value):
    model = TABLE["01"][name]["fast"]
    try:
        changed = settings._checked_overrides({name: model}, {name: value})
    except SettingsError:
        return
    assert type(changed[name]) is type(model)


ROWS = [
    (chapter, name, row)
    for chapter, rows in yaml.safe_load(settings.FILE.read_text(encoding="utf-8")).items()
    for name, row in rows.items()
]
FIELDS = {field.name for field in dataclasses.fields(Settings)}


@pytest.mark.parametrize(("chapter", "name", "row"), ROWS, ids=[f"{c}-{n}" for c, n, _ in ROWS])
def test_every_row_of_the_course(chapter, name, row):
    assert isinstance(chapter, str), "quote the chapter in profiles.yaml"
    assert set(row) == {"fast", "full", "about"}
    assert isinstance(row["about"], str)
    assert row["about"].strip()
    assert settings._same_type(row["full"], row["fast"])
    assert settings._same_type(row["fast"], row["full"])
    assert name.isidentifier()
    assert not hasattr(Settings, name), "the setting could not be read as an attribute"
    assert name not in FIELDS


@pytest.mark.parametrize("chapter", settings.chapters())
@pytest.mark.parametrize("profile", settings.PROFILES)
def test_every_chapter_of_the_course_loads(chapter, profile):
    config = settings.load(chapter, profile, seed=3, device="cpu")
    assert (config.chapter, config.profile, config.seed, config.device) == (chapter, profile, 3, "cpu")
    assert all(getattr(config, name) == value for name, value in config.values.items())
