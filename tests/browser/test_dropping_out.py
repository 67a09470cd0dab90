"""A page that is loaded anew, opened twice, or loses its connection: the job goes on, is seen again, and stays one."""

import json
import re
import urllib.request
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import WAIT, Studio

STATE = "#draw-stage .state"
RUNNING = re.compile(r"Image \d+ of \d+, step")


@pytest.fixture
def studio(make_filled: Callable[[], Studio]) -> Studio:
    """A studio of its own, in which a long drawing runs."""
    return make_filled()


def test_a_drawing_is_seen_again_after_everything_and_drawn_once(studio: Studio, browser: Browser) -> None:
    context = browser.new_context(locale="en-US")
    context.set_default_timeout(WAIT)
    first = context.new_page()
    first.goto(studio.url)
    first.fill("#draw-prompt textarea", "a red hat")
    first.fill("#draw-count input", "100")
    first.fill("#draw-steps input[type=number]", "150")
    first.click("#draw-start")
    expect(first.locator(STATE)).to_have_text(RUNNING)
    second = context.new_page()
    for page, act in (
        (second, lambda: second.goto(studio.url)),
        (first, first.reload),
        (second, lambda: drop(second)),
    ):
        act()
        expect(page.locator(STATE)).to_have_text(RUNNING)  # how fast is a matter for benchmarks.page
        moves(page)
    assert [job["state"] for job in jobs(studio)] == ["running"]
    second.click("#draw-stop")
    for page in (first, second):
        expect(page.locator("#draw-stop")).to_be_disabled()
    assert [job["state"] for job in jobs(studio)] == ["cancelled"]
    context.close()


def drop(page: Page) -> None:
    """Loses the connection for longer than the page waits between two questions, and finds it again."""
    page.context.set_offline(True)
    page.wait_for_timeout(2000)
    page.context.set_offline(False)


def moves(page: Page) -> None:
    """Waits until the page says something else than it does now."""
    said = page.locator(STATE).inner_text()
    expect(page.locator(STATE)).not_to_have_text(said)


def jobs(studio: Studio) -> list[dict[str, object]]:
    with urllib.request.urlopen(f"{studio.url}/api/v1/jobs", timeout=60) as answer:
        found: list[dict[str, object]] = json.loads(answer.read())
    return found
