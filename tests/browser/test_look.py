"""Every tab in both languages, widths and themes: names stay, nothing is cut off, and readers of screens get along."""

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

from tests.browser.conftest import Studio, shot, tab

TABS = {
    "en-US": ["Draw", "Photos", "Train", "People", "Gallery", "Queue", "Settings", "About"],
    "pt-BR": ["Desenhar", "Fotos", "Treinar", "Pessoas", "Galeria", "Fila", "Ajustes", "Sobre"],
}
READY = {
    "draw": "#draw-stage .empty",
    "photos": "#photos-sheet .empty",
    "train": "#train-stage .empty",
    "people": "#people-cards .card",
    "gallery": "#gallery-pictures figure",
    "queue": "#queue-jobs .empty",
    "settings": "#settings-model input",
    "about": ".prose-like p >> nth=0",
}
IDS = list(READY)
LABELS = "[...document.querySelectorAll('#tabs [role=tablist] [role=tab]')].map((each) => each.innerText)"
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.mark.parametrize(
    ("language", "width", "theme"),
    [("en-US", 1280, "light"), ("pt-BR", 1280, "dark"), ("pt-BR", 390, "light"), ("en-US", 390, "dark")],
)
def test_every_tab(studio: Studio, visit: Callable[..., Page], language: str, width: int, theme: str) -> None:
    page = visit(studio.url, width=width, language=language, theme=theme)
    page.evaluate(AXE_SCRIPT)
    for name in IDS:
        (tab if width > 760 else narrow_tab)(page, name)
        page.wait_for_selector(READY[name])
        if width > 760:
            assert page.evaluate(LABELS) == TABS[language]
        assert page.evaluate(OVERFLOW) <= 0, name
        shot(page, f"{name}-{language}-{width}-{theme}")
        assert serious(page) == [], name
    assert page.evaluate("document.documentElement.lang") == language.removesuffix("-US")


def narrow_tab(page: Page, name: str) -> None:
    """Goes to a tab that may have moved into the menu behind the dots."""
    here = page.locator(f'#tabs [role=tablist] [data-tab-id="{name}"]')
    if here.count() and here.is_visible():
        here.click()
        return
    page.click("#tabs .overflow-menu > button")
    hidden = page.locator("#tabs .overflow-dropdown button")
    hidden.nth(IDS.index(name) - (len(IDS) - hidden.count())).click()


def serious(page: Page) -> list[str]:
    found: Any = page.evaluate("axe.run({resultTypes: ['violations']}).then((found) => found.violations)")
    return [
        f"{each['id']}: {each['nodes'][0]['html'][:160]}" for each in found if each["impact"] in ("serious", "critical")
    ]
