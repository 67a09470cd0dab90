"""What keys do in the prompt, and errors beside their fields."""

import contextlib
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import Studio, tab

PROMPT = "#draw-prompt textarea"


def test_keys_change_the_weight_of_words(studio: Studio, visit: Callable[..., Page]) -> None:
    page = visit(studio.url)
    page.fill(PROMPT, "a red hat")
    page.evaluate(f"document.querySelector('{PROMPT}').setSelectionRange(3, 3)")
    for key, wanted in (
        ("Control+ArrowUp", "a (red:1.1) hat"),
        ("Control+ArrowUp", "a (red:1.2) hat"),
        ("Control+ArrowDown", "a (red:1.1) hat"),
        ("Control+ArrowDown", "a red hat"),
        ("Control+ArrowDown", "a (red:0.9) hat"),
    ):
        page.press(PROMPT, key)
        expect(page.locator(PROMPT)).to_have_value(wanted)


def test_an_error_stands_by_its_field_and_goes_with_the_mistake(studio: Studio, visit: Callable[..., Page]) -> None:
    page = visit(studio.url)
    said = page.locator("#draw-prompt .problem")
    for _ in range(20):  # a page that was just opened on a busy machine may not listen yet
        page.press(PROMPT, "Control+Enter")
        with contextlib.suppress(AssertionError):
            expect(said).to_contain_text("prompt is empty", timeout=3000)
            break
    expect(said).to_contain_text("prompt is empty")
    page.fill(PROMPT, "a hat")
    page.fill("#draw-width :is(input, textarea)", "77")
    page.press(PROMPT, "Control+Enter")
    expect(page.locator("#draw-width .problem")).to_contain_text("width is '77'")
    expect(page.locator("#draw-prompt .problem")).to_have_count(0)


def test_the_texts_of_others_stay_text(studio: Studio, visit: Callable[..., Page]) -> None:
    from tests.browser.hostile import PAYLOADS

    page = visit(studio.url)
    tab(page, "gallery")
    expect(page.locator("#gallery-pictures figure")).to_have_count(len(PAYLOADS))
    for number in range(len(PAYLOADS)):
        page.locator("#gallery-pictures button.picture").nth(number).click()
        expect(page.locator(".opened dd").first).to_have_text(PAYLOADS[len(PAYLOADS) - 1 - number])
    page.click(".opened button >> text=Draw it again")
    expect(page.locator(PROMPT)).to_have_value(PAYLOADS[0])
    assert page.evaluate("window.hacked") is None


def test_names_come_up_while_typing(studio: Studio, visit: Callable[..., Page]) -> None:
    page = visit(studio.url)
    page.wait_for_selector("#people-names [data-names*=anabel]", state="attached")
    page.locator(PROMPT).press_sequentially("portrait of an")
    expect(page.locator(".names li")).to_have_text(["anabel", "anatol"])
    page.press(PROMPT, "ArrowDown")
    page.press(PROMPT, "Enter")
    expect(page.locator(PROMPT)).to_have_value("portrait of anatol")
    tab(page, "people")
    expect(page.locator("#people-cards .card h3")).to_have_text(["anabel", "anatol", "bert"])


def test_a_name_with_brackets_is_written_as_a_prompt_takes_it(studio: Studio, visit: Callable[..., Page]) -> None:
    page = visit(studio.url)
    page.wait_for_selector("#people-names [data-names*=anabel]", state="attached")
    page.evaluate("document.querySelector('[data-names]').dataset.names = JSON.stringify(['zoe (1)'])")
    page.locator(PROMPT).press_sequentially("portrait of zo")
    page.press(PROMPT, "Tab")
    expect(page.locator(PROMPT)).to_have_value(r"portrait of zoe \(1\)")


def test_keys_with_the_macs_command_key_leave_the_names_alone(studio: Studio, visit: Callable[..., Page]) -> None:
    page = visit(studio.url)
    page.wait_for_selector("#people-names [data-names*=anabel]", state="attached")
    page.locator(PROMPT).press_sequentially("portrait of an")
    expect(page.locator(".names li")).to_have_count(2)
    page.press(PROMPT, "Meta+ArrowUp")
    expect(page.locator(PROMPT)).to_have_value("portrait of (an:1.1)")
    page.fill(PROMPT, "")
    page.locator(PROMPT).press_sequentially("an")
    page.fill("#draw-width :is(input, textarea)", "77")
    page.locator(PROMPT).press_sequentially("a")
    expect(page.locator(".names li")).to_have_count(2)
    page.press(PROMPT, "Meta+Enter")
    expect(page.locator("#draw-width .problem")).to_contain_text("width is '77'")
    expect(page.locator(PROMPT)).to_have_value("ana")
