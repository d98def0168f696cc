"""A folder of pictures such as a learner might have: three classes, near copies, files that do not belong there."""

import json
from pathlib import Path

from course_utils.data import assets, emoji
from course_utils.data.folders import read_picture

CHARACTERS = {
    "gesture": "information_desk_person no_good ok_woman bow raising_hand person_frowning person_with_pouting_face "
    "face_palm shrug deaf_person",
    "job": "farmer cook teacher factory_worker mechanic scientist astronaut firefighter judge pilot",
    "sport": "surfer swimmer weight_lifter golfer rowboat bicyclist person_doing_cartwheel juggling handball "
    "snowboarder",
}
"""The short names of ten emoji for each class, each drawn once, whatever the sex."""

TONES = {"1F3FB": "light.png", "1F3FD": "medium.jpg", "1F3FF": "dark.gif"}
"""Skin tones of Unicode, and the kind of file in which each is written."""


def write_people(folder: Path) -> Path:
    """Write 90 emoji into a folder and return it: 3 classes of 10 characters, each in 3 skin tones.

    A character is a sub-folder of its class. A picture that is cut off, a text and a hidden file lie among them.

    Raises:
        AssetError: If the emoji cannot be fetched; the message says what to do.
    """
    fetched = assets.fetch_all(["emoji_pictures", "emoji_names"])
    table = json.loads((fetched["emoji_names"] / "emoji.json").read_text(encoding="utf-8"))
    rows = {row["short_name"]: row for row in table}
    for name, characters in CHARACTERS.items():
        for character in characters.split():
            place = folder / name / character.replace("_", " ")
            place.mkdir(parents=True, exist_ok=True)
            for tone, file in TONES.items():
                code = rows[character]["skin_variations"][tone]["unified"]
                _copy(emoji.picture_file(fetched["emoji_pictures"] / "72x72", code), place / file)
    (folder / "job" / "notes.txt").write_text("who drew these?", encoding="utf-8")
    whole = (folder / "sport" / "golfer" / "medium.jpg").read_bytes()
    (folder / "sport" / "cut off.jpg").write_bytes(whole[: len(whole) // 3])
    (folder / ".DS_Store").touch()
    return folder


def _copy(source: Path, target: Path) -> None:
    if target.suffix == source.suffix:
        target.write_bytes(source.read_bytes())
    else:
        read_picture(source).save(target)
