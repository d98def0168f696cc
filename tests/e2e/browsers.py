"""Which chapters there are, where pictures go, and where a browser may be found."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from playwright.sync_api import Playwright

from course_utils import ROOT

CHAPTERS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
SCREENSHOTS = ROOT / "build" / "screenshots"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PATIENCE_MS = 120_000  # a busy machine is no failure
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


def find_browser(playwright: Playwright) -> str | None:
    """Return a Chromium: the one that `COURSE_BROWSER` names, the system's, or Playwright's own download."""
    named = [os.environ.get("COURSE_BROWSER"), *map(shutil.which, NAMES), playwright.chromium.executable_path]
    return next((path for path in named if path and Path(path).exists()), None)
