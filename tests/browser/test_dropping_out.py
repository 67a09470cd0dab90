"""A page that is loaded anew, opened twice, or loses its connection: the job goes on, is seen again, and stays one."""

import json
import re
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import WAIT, Studio, tab

STATE = "#draw-stage .state"
RUNNING = re.compile(r"Image \d+ of \d+, step")


@pytest.fixture
def studio(make_filled: Callable[[], Studio]) -> Studio:
    """A studio of its own, in which a long drawing runs."""
    return make_filled()


@pytest.mark.slow
def test_a_drawing_is_seen_again_after_everything_and_drawn_once(studio: Studio, browser: Browser) -> None:
    context = browser.new_context(locale="en-US")
    context.set_default_timeout(WAIT)
    first = begun(context, studio)
    second = context.new_page()
    first.fill("#draw-prompt textarea", "a green hat")
    first.fill("#draw-width textarea", "64")
    for page, act in (
        (second, lambda: second.goto(studio.url)),
        (first, first.reload),
        (first, lambda: drop(first)),
    ):
        act()
        expect(page.locator(STATE)).to_have_text(RUNNING)  # how fast is a matter for benchmarks.page
        moves(page)
    expect(first.locator("#draw-prompt textarea")).to_have_value("a green hat")
    expect(first.locator("#draw-width textarea")).to_have_value("64")
    assert [job["state"] for job in jobs(studio)] == ["running"]
    second.click("#draw-stop")
    for page in (first, second):
        expect(page.locator("#draw-stop")).to_be_disabled()
    assert [job["state"] for job in jobs(studio)] == ["cancelled"]
    context.close()


def begun(context: BrowserContext, studio: Studio) -> Page:
    """A page on which a long drawing runs."""
    page = context.new_page()
    page.goto(studio.url)
    page.fill("#draw-prompt textarea", "a red hat")
    page.fill("#draw-count input", "100")
    page.fill("#draw-steps input[type=number]", "150")
    for side in ("width", "height"):
        page.fill(f"#draw-{side} textarea", "192")
    page.click("#draw-start")
    expect(page.locator(STATE)).to_have_text(RUNNING)
    return page


def drop(page: Page) -> None:
    """Loses the connection until the page says so, and finds it again."""
    page.context.set_offline(True)
    expect(page.locator(".lost")).to_contain_text("connection is lost")
    page.context.set_offline(False)
    expect(page.locator(".lost")).to_have_count(0)


def moves(page: Page) -> None:
    """Waits until the page says something else than it does now."""
    said = page.locator(STATE).inner_text()
    expect(page.locator(STATE)).not_to_have_text(said)


def jobs(studio: Studio) -> list[dict[str, object]]:
    with urllib.request.urlopen(f"{studio.url}/api/v1/jobs", timeout=60) as answer:
        found: list[dict[str, object]] = json.loads(answer.read())
    return found


@pytest.mark.slow
def test_another_servers_page_keeps_what_was_written(
    make_studio: Callable[[Path], Studio], tmp_path: Path, browser: Browser
) -> None:
    studio = make_studio(tmp_path)
    context = browser.new_context(locale="en-US")
    context.set_default_timeout(WAIT)
    page = begun(context, studio)
    page.fill("#draw-prompt textarea", "a green hat")
    tab(page, "train")
    studio.kill()
    expect(page.locator(".lost")).to_be_visible()
    studio.start()
    assert studio.url
    expect(page.locator(".lost")).to_have_count(0)
    expect(page.locator("#train-name")).to_be_visible()  # the tab that was open
    tab(page, "draw")
    expect(page.locator("#draw-prompt textarea")).to_have_value("a green hat")
    page.click("#draw-stop")
    expect(page.locator("#draw-stop")).to_be_disabled()
    page.fill("#draw-count input", "1")
    page.fill("#draw-steps input[type=number]", "2")
    page.click("#draw-start")
    expect(page.locator("#draw-stage .said")).to_have_text("a green hat")
    context.close()
