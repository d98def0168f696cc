"""The practice folder: what lies in it is what its lesson says."""

from __future__ import annotations

from collections import Counter

import pytest
from PIL import Image

from course_utils.data import example_folder
from course_utils.data.folders import FolderError, from_folder


def test_three_classes_of_ten_characters_in_three_tones_and_formats(tmp_path):
    folder = example_folder.write_people(tmp_path / "people")
    data = from_folder(folder, skip_broken=True)
    assert data.counts() == {"gesture": 30, "job": 30, "sport": 30}
    assert set(Counter(data.groups).values()) == {3}
    kinds = Counter()
    for path in data.image_paths:
        with Image.open(path) as opened:
            kinds[opened.format] += 1
    assert kinds == {"PNG": 30, "JPEG": 30, "GIF": 30}


def test_two_files_do_not_belong_there_and_the_hidden_one_is_passed_over(tmp_path):
    with pytest.raises(FolderError, match="got 2 things") as caught:
        from_folder(example_folder.write_people(tmp_path))
    assert "job/notes.txt" in str(caught.value).replace("\\", "/")
    assert "sport/cut off.jpg" in str(caught.value).replace("\\", "/")
