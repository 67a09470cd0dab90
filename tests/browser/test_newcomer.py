"""A newcomer's whole way: photos, check, training, a crash, stop and keep, drawing, finding, drawing again."""

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Studio, shot, tab

PHOTOS = sorted((Path(__file__).parents[2] / "examples/photos/benny").glob("*.png"))[::5]
MORE = {"steps": "40000", "save_every": "10", "evaluate_every": "500", "preview_every": "10", "held_out": "1"}


@pytest.mark.slow
def test_from_photos_to_a_picture_over_a_crash(empty_studio: Studio, visit: Callable[..., Page]) -> None:
    studio = empty_studio
    page = visit(studio.url)
    drop_and_check(page)
    begin_to_learn(page)
    page.close()
    studio.kill()
    studio.start()
    page = visit(studio.url)
    watch_and_keep(page)
    draw(page)
    find_and_draw_again(page)
    repaint(page)


def drop_and_check(page: Page) -> None:
    tab(page, "photos")
    expect(page.locator("#photos-sheet .empty")).to_be_visible()
    page.set_input_files("#photos-drop input[type=file]", PHOTOS[:1])
    expect(page.locator("#photos-set .problem")).to_contain_text("has no name")
    page.fill("#photos-set input", "benny")
    page.keyboard.press("Enter")
    page.set_input_files("#photos-drop input[type=file]", PHOTOS)
    expect(page.locator("#photos-sheet figure")).to_have_count(len(PHOTOS))
    page.locator("#photos-sheet button.picture").first.click()
    frame = page.locator(".cutting .frame")
    expect(frame).to_be_visible()
    page.locator(".opened input[type=range]").fill("60")
    frame.press("ArrowRight")
    expect(frame).to_have_attribute("style", re.compile(r"left: 21%.* width: 60%"))
    page.fill(".opened textarea", "a man in a yellow shirt")
    shot(page, "1-photos")
    page.click(".opened button >> text=Save")
    expect(page.locator(".opened")).to_have_count(0)
    page.locator("#photos-sheet button.picture").first.click()
    expect(page.locator(".opened textarea")).to_have_value("a man in a yellow shirt")
    expect(page.locator(".opened button", has_text="Whole again")).to_be_visible()
    page.click(".opened button >> text=Close")
    expect(page.locator(".opened")).to_have_count(0)  # else the page moves under the mouse
    expect(page.locator("#photos-sheet figure")).to_have_count(len(PHOTOS))
    page.click("#photos-train")


def begin_to_learn(page: Page) -> None:
    expect(page.locator("#train-photos input")).to_have_value("benny")
    name = page.locator("#train-name :is(input, textarea)")
    expect(name).to_have_value("benny")  # as the photos are called
    name.fill("")
    page.click("#train-start")
    expect(page.locator("#train-name .problem")).to_contain_text("name is empty")
    name.fill("benny")
    page.locator("#train-start").locator("xpath=ancestor::*[contains(@class,'column')][1]").get_by_text(
        "More options"
    ).click()
    for name, value in MORE.items():
        page.fill(f"#train-{name} :is(input, textarea)", value)
    page.click("#train-start")
    expect(page.locator("#train-stage figure img").first).to_be_visible()  # a preview: something is learned
    shot(page, "2-training")


def watch_and_keep(page: Page) -> None:
    tab(page, "train")
    expect(page.locator("#train-stage .state")).to_have_text(re.compile(r"Step \d+ of at most 40000"))
    expect(page.locator("#train-stage .state")).to_contain_text("left")
    page.click("#train-pause")
    expect(page.locator("#train-stage .state")).to_contain_text("paused")
    page.click("#train-resume")
    expect(page.locator("#train-stage .state")).to_have_text(re.compile(r"Step \d+ of at most 40000"))
    page.click("#train-stop")
    expect(page.locator("#train-stage .reason")).to_contain_text("is in the library")
    assert page.locator("#train-stage .chart svg").count() >= 1
    shot(page, "3-kept")


def draw(page: Page) -> None:
    tab(page, "people")
    expect(page.locator("#people-cards .card h3")).to_have_text("benny")
    shot(page, "4-people")
    page.click("#people-cards .card button >> text=Draw")
    expect(page.locator("#draw-prompt textarea")).to_have_value("a portrait of benny")
    page.fill("#draw-prompt textarea", "a portrait of benny, comic style")
    page.fill("#draw-count input", "2")
    page.fill("#draw-steps input[type=number]", "2")
    page.focus("#draw-prompt textarea")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#draw-stage .state")).to_contain_text("kept in the gallery")
    expect(page.locator("#draw-stage figure img")).to_have_count(2)
    shot(page, "5-drawn")


def find_and_draw_again(page: Page) -> None:
    tab(page, "gallery")
    expect(page.locator("#gallery-pictures figure").first).to_be_visible()
    page.fill("#gallery-words :is(input, textarea)", "nobody like this")
    expect(page.locator("#gallery-pictures .empty")).to_be_visible()
    page.fill("#gallery-words :is(input, textarea)", "benny com")
    page.locator("#gallery-pictures button.picture").first.click()
    expect(page.locator(".opened dl")).to_contain_text("a portrait of benny, comic style")
    seed = page.locator(".opened dt", has_text="Seed").locator("xpath=following-sibling::dd[1]").inner_text()
    shot(page, "6-gallery")
    tab(page, "draw")
    page.fill("#draw-prompt textarea", "something else")
    tab(page, "gallery")
    page.click(".opened button >> text=Draw it again")
    expect(page.locator("#draw-prompt textarea")).to_have_value("a portrait of benny, comic style")
    expect(page.locator("#draw-seed input")).to_have_value(seed)
    expect(page.locator("#draw-steps input[type=number]")).to_have_value("2")


def repaint(page: Page) -> None:
    tab(page, "gallery")
    page.click(".opened button >> text=Repaint a part")
    canvas = page.locator(".easel canvas")
    expect(canvas).to_be_visible()
    page.fill("#draw-count input", "1")
    page.click("#draw-start")
    expect(page.locator("#draw-easel .problem")).to_contain_text("mask is empty")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.3)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + box["height"] * 0.5, steps=4)
    page.mouse.up()
    page.click("#draw-start")
    expect(page.locator("#draw-stage figure img")).to_have_count(1)
    expect(page.locator("#draw-stage .state")).to_contain_text("kept in the gallery")
    shot(page, "7-repainted")


def test_the_page_is_there_at_once(studio: Studio, visit: Callable[..., Page]) -> None:
    url, started = studio.url, time.perf_counter()  # which waits for the server
    page = visit(url)
    print(f"shown after {time.perf_counter() - started:.1f} s")  # how fast is a matter for benchmarks
    expect(page.locator("#draw-stage .empty")).to_be_visible()
