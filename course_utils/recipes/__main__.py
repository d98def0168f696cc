"""Make shipped checkpoints again: `python -m course_utils.recipes 01`; each chapter's module says what it ships."""

import argparse
import importlib
from pathlib import Path

from course_utils import checkpoints
from course_utils.checkpoints import FOLDER

CHAPTERS = tuple(sorted(file.stem[-2:] for file in Path(__file__).parent.glob("chapter_[0-9][0-9].py")))


def main(arguments: list[str] | None = None) -> None:
    """Make the checkpoints of some chapters, or of all.

    Args:
        arguments: Chapters such as `"01"`, then `--seed` (0 makes what is shipped) and `--folder`.
    """
    parser = argparse.ArgumentParser(
        prog="course checkpoints", description="Make the shipped checkpoints again."
    )
    parser.add_argument("chapters", nargs="*", help=f"of {', '.join(CHAPTERS)}; all if none is named")
    parser.add_argument("--seed", type=int, default=0, help="0 makes what is shipped; others show the spread")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where they go")
    given = parser.parse_args(arguments)
    if unknown := sorted(set(given.chapters) - set(CHAPTERS)):
        raise SystemExit(f"no checkpoints for {', '.join(unknown)}; there are some for {', '.join(CHAPTERS)}")
    for chapter in given.chapters or CHAPTERS:
        for name, make in importlib.import_module(f"course_utils.recipes.chapter_{chapter}").MAKERS.items():
            if given.folder == checkpoints.FOLDER or not (given.folder / f"{name}.safetensors").exists():
                make(seed=given.seed, folder=given.folder)


if __name__ == "__main__":
    main()
