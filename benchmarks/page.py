"""How soon the studio's page is there, and back, in Debian's Chromium: a fresh server each time.

python -m benchmarks.page               three servers on retrato-mini; wants chromium and playwright
python -m benchmarks.page --visits 1    a first impression

For each server: seconds until the page is first painted and until one can draw; and, while a drawing runs, until its
progress is seen in a second tab, after the page was loaded anew, and until it moves: by itself, and after the
connection was away, over which what was written has to stay. A table, then one line of JSON; ends with 1 where it did
not, or where a drawing was ordered twice.
"""

import argparse
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.main_job import circumstances
from benchmarks.server_load import call, start

MOST = 120_000  # milliseconds; slower than that is broken
STATE = "#draw-stage .state"
PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
MOVED = f"(said) => ![undefined, said].includes(document.querySelector('{STATE} progress')?.value)"


def visit(browser: Browser, home: Path, model: str) -> dict[str, float]:
    """Gives seconds by what was waited for, on a server in an empty home; `ordered` is the number of drawings."""
    server, url = start(home, model)
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-US")
    context.set_default_timeout(MOST)
    try:
        page, took = context.new_page(), {}
        took["of use"] = _until(page, lambda: page.goto(url), "#draw-stage .empty")
        took["first paint"] = page.evaluate(PAINTED) / 1000
        page.fill("#draw-prompt textarea", "a portrait")
        page.fill("#draw-count input", "100")
        page.fill("#draw-steps input[type=number]", "150")
        page.click("#draw-start")
        _moves(page)
        other = context.new_page()
        took["second tab"] = _until(other, lambda: other.goto(url), f"{STATE} progress")
        took["loaded anew"] = _until(page, page.reload, f"{STATE} progress")
        took["moves by itself"] = _until(other, lambda: None, STATE, moves=True)
        other.fill("#draw-prompt textarea", "a portrait in the rain")
        context.set_offline(True)
        other.wait_for_timeout(3000)
        took["connection back"] = _until(other, lambda: context.set_offline(False), f"{STATE} progress", moves=True)
        took["written kept"] = other.input_value("#draw-prompt textarea") == "a portrait in the rain"
        took["ordered"] = len(call(f"{url}api/v1/jobs"))
        return took
    finally:
        context.close()
        server.kill()
        server.wait()


def _until(page: Page, act: Callable[[], object], selector: str, *, moves: bool = False) -> float:
    """Gives the seconds from `act` until `selector` is seen, or until progress moves on."""
    started = time.perf_counter()
    act()
    _moves(page) if moves else page.wait_for_selector(selector)
    return time.perf_counter() - started


def _moves(page: Page) -> None:
    page.wait_for_selector(f"{STATE} progress")
    page.wait_for_function(MOVED, arg=page.evaluate(f"document.querySelector('{STATE} progress')?.value"))


def main() -> None:
    """Runs it and prints what it took."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--visits", type=int, default=3)
    parser.add_argument("--model", default="mini")
    options = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    rounds = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for _ in range(options.visits):
            with tempfile.TemporaryDirectory(prefix="retrato-page-") as home:
                rounds.append(visit(browser, Path(home), options.model))
    figures: dict[str, Any] = {name: [round(each[name], 2) for each in rounds] for name in rounds[0]}
    for name, values in figures.items():
        print(f"{name:20} {statistics.median(values):8.2f}   {values}")
    print(json.dumps({**circumstances(), **figures}))
    raise SystemExit(0 if set(figures["ordered"] + figures["written kept"]) == {1} else 1)


if __name__ == "__main__":
    main()
