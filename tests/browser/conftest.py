"""The studio as a process of its own, and Debian's Chromium in front of it. Nothing may leave this machine."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SHOTS = Path(__file__).parent / "screenshots"
WATCHING = Path(__file__).parent / "watching"  # a sitecustomize that writes name look-ups down
WAIT = 120_000  # milliseconds; a slow machine is no fault of the page

expect.set_options(timeout=WAIT)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = pytest.mark.skip(reason="there is no chromium on this machine: make browser installs Debian's")
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if CHROMIUM is None:
                item.add_marker(missing)


class Studio:
    """A `retrato serve` on the tiny model; `start` after `kill` is the same studio after a crash.

    `start` does not wait: whoever asks for the `url` does.
    """

    def __init__(self, home: Path, model: Path) -> None:
        self._home, self._model, self._port, self._url = home, model, 0, ""

    def start(self) -> None:
        self._url = ""
        command = [sys.executable, "-m", "retrato", "serve", "--model", str(self._model), "--port", str(self._port)]
        self._process = subprocess.Popen(
            [*command, "--json"],
            env=watched(os.environ, self._home.with_name(f"{self._home.name}.lookups"), RETRATO_HOME=str(self._home)),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    @property
    def url(self) -> str:
        if not self._url:
            assert self._process.stdout is not None
            told = json.loads(self._process.stdout.readline())
            self._url, self._port = told["url"].rstrip("/"), told["port"]
        return self._url

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()

    @property
    def lookups(self) -> str:
        """What the server asked of the network, line by line."""
        file = self._home.with_name(f"{self._home.name}.lookups")
        return file.read_text() if file.exists() else ""


def watched(environment: Mapping[str, str], lookups: Path, **more: str) -> dict[str, str]:
    """Gives an environment in which Python writes the names that it looks up into a file."""
    path = os.pathsep.join([str(WATCHING), *filter(None, [environment.get("PYTHONPATH")])])
    return {**environment, "PYTHONPATH": path, "RETRATO_TEST_LOOKUPS": str(lookups), **more}


@pytest.fixture(scope="session")
def make_studio(tiny_folder: Path) -> Iterator[Callable[[Path], Studio]]:
    """Gives what starts a studio in a home folder; all of them end with the folder, and none looked up a name."""
    started: list[Studio] = []

    def make(home: Path) -> Studio:
        studio = Studio(home, tiny_folder)
        studio.start()
        started.append(studio)
        return studio

    yield make
    for studio in started:
        studio.kill()
    assert [studio.lookups for studio in started] == [""] * len(started)


@pytest.fixture(scope="session")
def empty_studio(make_studio: Callable[[Path], Studio], tmp_path_factory: pytest.TempPathFactory) -> Studio:
    """A studio in which nobody has been."""
    return make_studio(tmp_path_factory.mktemp("empty"))


@pytest.fixture(scope="session")
def make_filled(
    make_studio: Callable[[Path], Studio], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], Studio]:
    """Gives what starts a studio with three people, one training, and what hostile people sent in its folder."""
    import torch

    from retrato.embeddings import Embedding, write_embedding
    from retrato.gallery import Gallery
    from tests.browser.hostile import fill

    def make() -> Studio:
        home = tmp_path_factory.mktemp("studio")
        fill(home)
        (home / "embeddings").mkdir()
        for name in ("anabel", "anatol", "bert"):
            write_embedding(Embedding(name, (torch.zeros(1, 32),)), home / "embeddings" / f"{name}.safetensors")
        run = home / "textual_inversion" / "2026-01-01" / "bert" / "embeddings"
        run.mkdir(parents=True)
        for step in (10, 20):
            write_embedding(Embedding("bert", (torch.full((1, 32), step / 100),)), run / f"bert-{step}.safetensors")
        gallery = Gallery(home)
        gallery.scan()
        gallery.close()
        return make_studio(home)

    return make


@pytest.fixture(scope="session")
def studio(make_filled: Callable[[], Studio], empty_studio: Studio) -> Studio:
    """One studio for all tests that look and leave nothing behind; whoever draws in it makes one of their own.

    The empty one starts beside it, so that whoever needs that one does not wait.
    """
    return make_filled()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for one file: while it is open a loop runs in this thread, and tests elsewhere need their own."""
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


@pytest.fixture(scope="module")
def contexts(browser: Browser) -> Callable[..., BrowserContext]:
    """Gives a browser's window by width, language and theme, the same one each time: it knows the page's files then.

    The first visit with each still loads all of them.
    """
    opened: dict[tuple[object, ...], BrowserContext] = {}

    def context(width: int, language: str, theme: Any) -> BrowserContext:
        key = (width, language, theme)
        if key not in opened:
            opened[key] = browser.new_context(
                viewport={"width": width, "height": 900},
                locale=language,
                color_scheme=theme,
                reduced_motion="reduce",
            )
            opened[key].set_default_timeout(WAIT)
        return opened[key]

    return context


@pytest.fixture
def visit(contexts: Callable[..., BrowserContext]) -> Iterator[Callable[..., Page]]:
    """Gives what opens a page; afterwards, no request went elsewhere, nothing was missing and no script failed."""
    pages: list[Page] = []
    wrong: list[str] = []

    def watched(page: Page, url: str) -> None:
        page.on("request", lambda request: None if _is_ours(request.url, url) else wrong.append(f"asked {request.url}"))
        page.on(
            "response", lambda answer: wrong.append(f"{answer.status} {answer.url}") if answer.status >= 400 else None
        )
        page.on("pageerror", lambda error: wrong.append(f"script: {error}"))
        page.on("console", lambda said: wrong.append(f"console: {said.text}") if said.type == "error" else None)

    def open_page(url: str, *, width: int = 1280, language: str = "en-US", theme: str = "light") -> Page:
        page = contexts(width, language, theme).new_page()
        pages.append(page)
        watched(page, url)
        page.goto(url)
        page.wait_for_selector("#draw-start")
        return page

    yield open_page
    for page in pages:
        page.close()
    assert wrong == []


def tab(page: Page, name: str) -> None:
    """Goes to a tab by its id."""
    page.click(f'#tabs [role=tablist] [data-tab-id="{name}"]')


def shot(page: Page, name: str) -> None:
    """Keeps a picture of the whole page, for whoever wants to look."""
    SHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png", full_page=True)


def _is_ours(address: str, url: str) -> bool:
    return address.startswith((f"{url}/", "data:", "blob:", "about:")) or address == url
