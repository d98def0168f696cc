"""Make shipped checkpoints again: `python -m course_utils.recipes 01`; each chapter's module says what it ships."""

import argparse
import importlib
from pathlib import Path

from course_utils import CHECKPOINTS

CHAPTERS = tuple(sorted(file.stem[-2:] for file in Path(__file__).parent.glob("chapter_[0-9][0-9].py")))


def main(arguments: list[str] | None = None) -> None:
    """Make the checkpoints of some chapters, or of all.

    Args:
        arguments: Chapters such as `"01"`, then `--seed` (0 makes what is shipped), `--folder` and `--files`.
    """
    parser = argparse.ArgumentParser(
        prog="course checkpoints", description="Make the shipped checkpoints again."
    )
    parser.add_argument("chapters", nargs="*", help=f"of {', '.join(CHAPTERS)}; all if none is named")
    parser.add_argument("--seed", type=int, default=0, help="0 makes what is shipped; others show the spread")
    parser.add_argument("--folder", type=Path, default=CHECKPOINTS, help="where they go")
    parser.add_argument("--files", nargs="+", help="only these; all if none is named")
    given = parser.parse_args(arguments)
    wanted = [chapter.zfill(2) for chapter in given.chapters]
    if unknown := sorted(set(wanted) - set(CHAPTERS)):
        raise SystemExit(f"no checkpoints for {', '.join(unknown)}; there are some for {', '.join(CHAPTERS)}")
    for chapter in wanted or CHAPTERS:
        for name, make in importlib.import_module(f"course_utils.recipes.chapter_{chapter}").MAKERS.items():
            there = given.folder != CHECKPOINTS and (given.folder / f"{name}.safetensors").exists()
            if not there and name in (given.files or [name]):
                make(seed=given.seed, folder=given.folder)


if __name__ == "__main__":
    main()
