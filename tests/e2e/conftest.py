"""A browser for the end-to-end suite: Debian's Chromium, or whichever there is; skipped with a reason without."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from course_utils import ROOT

sync_api = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed: pip install -e '.[dev]'"
)

CHAPTERS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
SCREENSHOTS = ROOT / "build" / "screenshots"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PATIENCE_MS = 120_000  # a busy machine is no failure
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--whole",
        default="all",
        help="chapters that JupyterLab runs whole, such as 01,02; the others run to their first widget",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("e2e")


def find_browser(playwright: sync_api.Playwright) -> str | None:
    """Return a Chromium: the one that `COURSE_BROWSER` names, the system's, or Playwright's own download."""
    named = [os.environ.get("COURSE_BROWSER"), *map(shutil.which, NAMES), playwright.chromium.executable_path]
    return next((path for path in named if path and Path(path).exists()), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[sync_api.Browser]:
    """Start one browser for the session."""
    with sync_api.sync_playwright() as playwright:
        path = find_browser(playwright)
        if path is None:
            pytest.skip(
                "no Chromium found: `apt-get install chromium`, `playwright install chromium`, "
                "or name one in COURSE_BROWSER"
            )
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()
