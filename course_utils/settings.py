"""A chapter's settings: one word (`fast` or `full`) decides every value.

The values stand in `notebooks/profiles.yaml`, one row a setting, with its limits and what it means beside it.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from course_utils import ROOT

PROFILES = ("fast", "full")
DEVICES = ("auto", "cpu", "cuda", "mps")
FILE = ROOT / "notebooks" / "profiles.yaml"


class SettingsError(ValueError):
    """A chapter, profile, setting or device that does not exist, or a value of the wrong type or size."""


@dataclass(frozen=True)
class Settings:
    """The settings of one run of one chapter; each value is also an attribute.

    Args:
        chapter: Two digits, e.g. `"01"`.
        profile: `"fast"` or `"full"`.
        seed: Every random choice of the chapter follows from it.
        device: `"auto"`, `"cpu"`, `"cuda"` or `"mps"`, as asked for.
        values: The value of each setting.
        about: What each setting means, in a few words.
        overrides: The values that differ from the profile's own.
    """

    chapter: str
    profile: str
    seed: int
    device: str
    values: Mapping[str, Any]
    about: Mapping[str, str] = field(repr=False)
    overrides: Mapping[str, Any] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        """Return the value of a setting.

        Raises:
            AttributeError: If the chapter has no such setting; the message lists those it has.
        """
        values = self.__dict__.get("values")
        if values is None:  # being copied or unpickled: there is nothing yet
            raise AttributeError(name)
        if name in values:
            return values[name]
        raise AttributeError(f"chapter {self.chapter} has no setting {name!r}; it has {', '.join(values)}")

    def _repr_html_(self) -> str:
        caption = (
            f"Chapter {self.chapter}, profile “{self.profile}”, seed {self.seed}, device “{self.device}”"
        )
        rows = "".join(
            f"<tr><th scope='row'>{html.escape(name)}</th><td>{html.escape(str(value))}</td>"
            f"<td>{html.escape(self.about[name])}{' (changed)' if name in self.overrides else ''}</td></tr>"
            for name, value in self.values.items()
        )
        head = "<tr><th scope='col'>setting</th><th scope='col'>value</th><th scope='col'>meaning</th></tr>"
        return f"<table><caption>{caption}</caption><thead>{head}</thead><tbody>{rows}</tbody></table>"


def chapters(file: Path = FILE) -> tuple[str, ...]:
    """Return the chapters that have settings, e.g. `("01", "02")`."""
    return tuple(name for name in _read(file) if name != "all")


def load(
    chapter: str,
    profile: str = "fast",
    *,
    seed: int = 0,
    device: str = "auto",
    overrides: Mapping[str, Any] | None = None,
    file: Path = FILE,
) -> Settings:
    """Read the settings of a chapter and apply the overrides.

    Args:
        chapter: Two digits, e.g. `"01"`.
        profile: `"fast"` or `"full"`.
        seed: A whole number from 0 to 2**32 - 1.
        device: `"auto"`, `"cpu"`, `"cuda"` or `"mps"`.
        overrides: New values by setting name, of the type that the profile has.
        file: The settings file.

    Returns:
        The settings, each value also an attribute.

    Raises:
        SettingsError: If a name is unknown, or a value has the wrong type or lies outside its limits; the message
            says which are valid.
    """
    table = _read(file)
    known = [name for name in table if name != "all"]
    if chapter not in known:
        raise SettingsError(f"unknown chapter {chapter!r}; the chapters are {', '.join(known)}")
    if profile not in PROFILES:
        raise SettingsError(f"unknown profile {profile!r}; use one of {', '.join(PROFILES)}")
    if device not in DEVICES:
        raise SettingsError(f"unknown device {device!r}; use one of {', '.join(DEVICES)}")
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise SettingsError(f"seed must be a whole number from 0 to {2**32 - 1}, got {seed!r}")
    rows = {**table["all"], **table[chapter]}
    values = {name: row[profile] for name, row in rows.items()}
    changed = _checked_overrides(values, overrides)
    for name in sorted(rows, key=lambda name: "by" in rows[name]):  # what others hang on comes first
        _hold(name, rows[name], {**values, **changed})
    about = {name: str(row["about"]) for name, row in rows.items()}
    return Settings(chapter, profile, seed, device, {**values, **changed}, about, changed)


def _read(file: Path) -> dict[str, dict[str, dict[str, Any]]]:
    try:
        table: dict[str, dict[str, dict[str, Any]]] = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise SettingsError(f"{file} cannot be read: {reason}; put that line right") from error
    return table


def _checked_overrides(values: Mapping[str, Any], overrides: object) -> dict[str, Any]:
    if overrides is None:
        return {}
    if not isinstance(overrides, Mapping):
        raise SettingsError(
            f"overrides must be a table such as {{'epochs': 3}}, got {type(overrides).__name__} {overrides!r}; "
            "with papermill write -y 'overrides: {epochs: 3}' (-p would pass a string)"
        )
    changed = {}
    for name, value in overrides.items():
        if name not in values:
            raise SettingsError(f"unknown setting {name!r}; the settings are {', '.join(values)}")
        if not _same_type(value, values[name]):
            raise SettingsError(
                f"setting {name!r} must be {_type_name(values[name])} such as {values[name]!r}, "
                f"got {_type_name(value)} {value!r}"
            )
        changed[name] = float(value) if isinstance(values[name], float) else value
    return changed


def _hold(name: str, row: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Hold a setting to its row: `range` or `choices` for each item, `items` for the length of a list.

    Args:
        name: Of the setting.
        row: As the file has it; with `by`, the limits are those for the value of that other setting.
        values: Of all settings.
    """
    value, where = values[name], ""
    items = value if isinstance(value, list) else [value]
    limits = row.get("range", row.get("choices", items))
    if "by" in row:
        limits, where = limits[values[row["by"]]], f" with {row['by']} = {values[row['by']]!r}"
    low, high = limits if "range" in row else (None, None)
    wrong = [item for item in items if not (item in limits if low is None else low <= item <= high)]
    fewest, most = row.get("items", (1, len(items)))
    if wrong:
        valid = f"from {low} to {high}" if "range" in row else " or ".join(map(repr, limits))
        each = "each item of setting" if isinstance(value, list) else "setting"
        raise SettingsError(f"{each} {name!r} must be {valid}{where}, got {wrong[0]!r} ({row['about']})")
    if not fewest <= len(items) <= most:
        length = str(most) if fewest == most else f"{fewest} to {most}"
        raise SettingsError(f"setting {name!r} must have {length} items, got {len(items)} ({row['about']})")


def _same_type(value: object, model: object) -> bool:
    if isinstance(model, list):
        return isinstance(value, list) and bool(value) and all(_same_type(item, model[0]) for item in value)
    if isinstance(model, float):
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is type(model)


def _type_name(value: object) -> str:
    if isinstance(value, list):
        return f"a list of {type(value[0]).__name__}" if value else "an empty list"
    return type(value).__name__
