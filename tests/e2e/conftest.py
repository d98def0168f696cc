"""A browser for the end-to-end suite: Debian's Chromium, or whichever there is; skipped with a reason without."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import browsers
import pytest
from playwright.sync_api import Browser, sync_playwright


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--whole",
        default="all",
        help="chapters that JupyterLab runs whole, such as 01,02; the others run to their first widget",
    )
    parser.addoption(
        "--look", action="store_true", help="take pictures of all handouts, for a person to look at"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("e2e")
            # Side by side: each page of a handout by itself; what shares a server stays together.
            case = item.callspec.params.get("opened") if hasattr(item, "callspec") else None
            item.add_marker(pytest.mark.xdist_group(case[0] if case else item.path.stem))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start one browser for the session."""
    with sync_playwright() as playwright:
        path = browsers.find_browser(playwright)
        if path is None:
            pytest.skip(
                "no Chromium found: `apt-get install chromium`, `playwright install chromium`, "
                "or name one in COURSE_BROWSER"
            )
        browsers.SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        browser = playwright.chromium.launch(executable_path=path, args=list(browsers.FLAGS))
        yield browser
        browser.close()
