"""Settings: one word decides every value, and a wrong word is answered with the right ones."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
import re

import pytest
import yaml
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from course_utils import settings
from course_utils.settings import Settings, SettingsError

TABLE = {
    "all": {"threads": {"fast": 1, "full": 0, "about": "threads", "range": [0, 256]}},
    "01": {
        "epochs": {"fast": 2, "full": 9, "about": "passes & more", "range": [1, 10]},
        "rate": {"fast": 0.1, "full": 0.2, "about": "step size", "range": [0.001, 1]},
        "name": {"fast": "small", "full": "large", "about": "which data", "choices": ["small", "<b>", "large"]},
        "shuffle": {"fast": True, "full": False, "about": "whether to shuffle", "choices": [True, False]},
        "sizes": {
            "fast": [1, 2], "full": [3, 4], "about": "sizes", "items": [2, 3],
            "by": "name", "range": {"small": [1, 2], "<b>": [1, 2], "large": [1, 9]},
        },
        "rates": {"fast": [0.1], "full": [0.2], "about": "rates", "range": [0, 1]},
        "pair": {"fast": ["a", "b"], "full": ["b", "a"], "about": "two words", "items": [2, 2], "choices": ["a", "b"]},
    },
    "02": {"epochs": {"fast": 1, "full": 1, "about": "passes", "range": [1, 2]}},
}  # fmt: skip


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


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"epochs": 0}, "setting 'epochs' must be from 1 to 10, got 0 (passes & more)"),
        ({"epochs": 11}, "setting 'epochs' must be from 1 to 10, got 11 (passes & more)"),
        ({"rate": 0}, "setting 'rate' must be from 0.001 to 1, got 0.0 (step size)"),
        ({"rate": float("nan")}, "setting 'rate' must be from 0.001 to 1, got nan (step size)"),
        ({"name": "nope"}, "setting 'name' must be 'small' or '<b>' or 'large', got 'nope' (which data)"),
        (
            {"sizes": [1, 3]},
            "each item of setting 'sizes' must be from 1 to 2 with name = 'small', got 3 (sizes)",
        ),
        ({"sizes": [1]}, "setting 'sizes' must have 2 to 3 items, got 1 (sizes)"),
        ({"pair": ["a", "b", "a"]}, "setting 'pair' must have 2 items, got 3 (two words)"),
        ({"pair": ["a", "c"]}, "each item of setting 'pair' must be 'a' or 'b', got 'c' (two words)"),
        ({"name": "nope", "sizes": [1, 3]}, "setting 'name' must be"),
    ],
)
def test_a_value_outside_its_limits_is_refused(file, overrides, words):
    with pytest.raises(SettingsError) as caught:
        settings.load("01", overrides=overrides, file=file)
    assert str(caught.value).startswith(words)


def test_limits_follow_the_setting_that_they_hang_on(file):
    assert settings.load("01", overrides={"name": "large", "sizes": [9, 9, 9]}, file=file).sizes == [9, 9, 9]
    with pytest.raises(SettingsError, match=r"from 1 to 2 with name = 'small', got 3"):
        settings.load("01", "full", overrides={"name": "small"}, file=file)  # sizes are full's


def test_a_settings_file_that_is_no_yaml_names_the_line(tmp_path):
    broken = tmp_path / "profiles.yaml"
    broken.write_text("all:\n  threads: {fast: 1, full: [0}\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"profiles.yaml cannot be read: .* line 2") as caught:
        settings.load("01", file=broken)
    assert "\n" not in str(caught.value)


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
IDS = [f"{chapter}-{name}" for chapter, name, _ in ROWS]
FIELDS = {field.name for field in dataclasses.fields(Settings)}
ANY_CHAPTER = {"all": settings.chapters()[0]}


@pytest.mark.parametrize(("chapter", "name", "row"), ROWS, ids=IDS)
def test_every_row_of_the_course(chapter, name, row):
    assert isinstance(chapter, str), "quote the chapter in profiles.yaml"
    assert set(row) - {"items", "by", "range", "choices"} == {"fast", "full", "about"}
    assert ("range" in row) != ("choices" in row), "a row has a range or choices"
    assert ("items" in row) <= isinstance(row["fast"], list)
    assert isinstance(row["about"], str)
    assert row["about"].strip()
    assert settings._same_type(row["full"], row["fast"])
    assert settings._same_type(row["fast"], row["full"])
    assert name.isidentifier()
    assert not hasattr(Settings, name), "the setting could not be read as an attribute"
    assert name not in FIELDS


def limits_of(row):
    """Return the limits of a row by the overrides under which they hold."""
    limits = row.get("range", row.get("choices"))
    return [({row["by"]: key}, value) for key, value in limits.items()] if "by" in row else [({}, limits)]


def is_taken(chapter, profile, overrides):
    try:
        return bool(settings.load(chapter, profile, overrides=overrides))
    except SettingsError:
        return False


@pytest.mark.parametrize(("chapter", "name", "row"), ROWS, ids=IDS)
def test_limits_have_the_type_of_the_setting_and_their_ends_are_taken(chapter, name, row):
    chapter = ANY_CHAPTER.get(chapter, chapter)
    fewest = row.get("items", [1])[0]
    for others, ends in limits_of(row):
        assert "choices" in row or ends[0] < ends[1]
        for end in ends:
            value = [end] * fewest if isinstance(row["fast"], list) else end
            assert settings._same_type(value, row["fast"])
            assert any(is_taken(chapter, profile, {**others, name: value}) for profile in settings.PROFILES)


@pytest.mark.parametrize(("chapter", "name", "row"), ROWS, ids=IDS)
def test_what_lies_beyond_the_limits_is_refused(chapter, name, row):
    chapter = ANY_CHAPTER.get(chapter, chapter)
    beyond = ["no such word"]
    if "range" in row:
        low, high = limits_of(row)[0][1]
        beyond = [low - 1, high + 1]
    for value in beyond:
        new = [value] * row.get("items", [1])[0] if isinstance(row["fast"], list) else value
        with pytest.raises(SettingsError, match=name) as caught:
            settings.load(chapter, overrides={name: new})
        assert row["about"] in str(caught.value)


@pytest.mark.parametrize("chapter", settings.chapters())
@pytest.mark.parametrize("profile", settings.PROFILES)
def test_every_chapter_of_the_course_loads(chapter, profile):
    config = settings.load(chapter, profile, seed=3, device="cpu")
    assert (config.chapter, config.profile, config.seed, config.device) == (chapter, profile, 3, "cpu")
    assert all(getattr(config, name) == value for name, value in config.values.items())


@pytest.mark.parametrize(("chapter", "name"), [(c, n) for c, n, _ in ROWS if c != "all"])
def test_every_setting_is_read_by_its_chapter(chapter, name):
    (path,) = settings.FILE.parent.glob(f"{chapter}_*.ipynb")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    assert re.search(rf"\bconfig\.{name}\b", code), f"read config.{name} in {path.name}, or drop the setting"
