"""The service's page in a real browser: drawn on, used by keyboard, given good and bad files, and read by axe."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import browsers
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from course_utils.data.digits import load_raw
from course_utils.recipes.digit_bundle import make_store
from course_utils.serving.process import ServerProcess


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(make_store(tmp_path_factory.mktemp("store") / "digits")) as running:
        yield running


@pytest.fixture(params=["light", "dark"])
def page(browser: Browser, server: ServerProcess, request: pytest.FixtureRequest) -> Iterator[Page]:
    context = browser.new_context(color_scheme=request.param, viewport={"width": 1000, "height": 900})
    opened, complaints = context.new_page(), []
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.goto(server.url)
    yield opened
    context.close()
    assert [text for text in complaints if "status of 4" not in text and "ERR_CONNECTION" not in text] == []


def draw_a_one(page: Page) -> None:
    box = page.locator("#pad").bounding_box()
    assert box
    middle = box["x"] + box["width"] / 2
    page.mouse.move(middle, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(middle, box["y"] + 240, steps=20)
    page.mouse.up()


def test_a_drawn_digit_is_read(page):
    draw_a_one(page)
    expect(page.locator("#words")).to_contain_text("Looks like: 1")
    expect(page.locator("#bars tbody tr")).to_have_count(10)
    expect(page.locator("#model")).to_contain_text("digits, version 1")
    page.screenshot(path=browsers.SCREENSHOTS / "service-page.png", full_page=True)
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#words")).to_have_text("Nothing asked yet.")
    expect(page.locator("#bars")).to_be_hidden()


def test_the_keyboard_alone(page):
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Try a sample")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Looks like: 7")


def test_a_chosen_picture_and_a_bad_one(page, tmp_path):
    pixels, labels, _ = load_raw("mnist_5k")
    good, bad = tmp_path / "digit.png", tmp_path / "text.png"
    Image.fromarray(pixels[2100]).save(good)
    bad.write_text("no picture")
    page.locator("#file").set_input_files(good)
    expect(page.get_by_role("status")).to_contain_text(f"Looks like: {labels[2100]}")
    page.locator("#file").set_input_files(bad)
    expect(page.get_by_role("alert")).to_contain_text("none of the pictures that can be read")
    expect(page.locator("#bars")).to_be_hidden()


def test_a_dropped_picture(page):
    page.evaluate(
        """async () => {
            const canvas = document.getElementById("pad"), pen = canvas.getContext("2d");
            pen.beginPath(); pen.moveTo(140, 40); pen.lineTo(140, 240); pen.stroke();
            const blob = await new Promise((done) => canvas.toBlob(done));
            const carried = new DataTransfer();
            carried.items.add(new File([blob], "one.png"));
            document.getElementById("drop").dispatchEvent(new DragEvent("drop", { dataTransfer: carried }));
        }"""
    )
    expect(page.get_by_role("status")).to_contain_text("Looks like: 1")


def test_axe_finds_nothing(page):
    assert found(page) == []
    draw_a_one(page)
    expect(page.locator("#bars")).to_be_visible()
    assert found(page) == []
    page.locator("#file").set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": b"no picture"})
    expect(page.get_by_role("alert")).not_to_be_empty()
    assert found(page) == []


def found(page: Page) -> list[str]:
    return [rule["id"] for rule in Axe().run(page).response["violations"]]


def test_a_telephone_scrolls_down_only(page):
    page.set_viewport_size({"width": 320, "height": 640})
    page.get_by_role("button", name="Try a sample").click()
    expect(page.locator("#bars")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_a_service_that_is_gone_is_told(browser: Browser, tmp_path: Path):
    context = browser.new_context()
    page = context.new_page()
    with ServerProcess(make_store(tmp_path / "digits")) as running:
        page.goto(running.url)
    page.get_by_role("button", name="Try a sample").click()
    expect(page.get_by_role("alert")).to_contain_text("does not answer")
    context.close()
