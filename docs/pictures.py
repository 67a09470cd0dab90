"""Makes the pictures of the README from a finished demo and of the studio from one in which benny was learned.

python docs/pictures.py demo          writes docs/images/benny-styles.png: photos beside every style
python docs/pictures.py demo report   also docs/images/report.png: why a checkpoint was kept
python docs/pictures.py http://127.0.0.1:7860/    writes docs/images/studio-*.jpg

The last two take Playwright and Debian's Chromium.
"""

import sys
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

FOLDER = Path(__file__).parent / "images"
PHOTOS = ("benny-02.png", "benny-05.png", "benny-10.png", "benny-20.png")
STYLES = {
    "photo": "a-photo-of-*",
    "flat style": "*-flat-style-*",
    "comic style": "*-pink-background-comic-style-*",
    "pixel art style": "*-pixel-art-style-*",
}
SIDE, GAP, LINE = 208, 12, 28
PAPER, INK = "#1d1914", "#f3ece0"
VIEW = {"width": 900, "height": 900}
PROMPT, WORDS = "a portrait of benny, smiling, yellow background, comic style", "benny surprised"
SHEET = (("x", "Prompt S/R", "smiling, surprised, sad"), ("y", "Seed", "7, 8"))


def styles(demo: Path, seed: str) -> Image.Image:
    """Gives four of the photos, and what was drawn with `seed` in each style."""
    size = (len(STYLES) * (SIDE + GAP) + SIDE + 2 * GAP, SIDE + GAP + LINE)
    page = Image.new("RGB", size, PAPER)
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(size=15)
    small = (SIDE - GAP) // 2
    for number, name in enumerate(PHOTOS):
        photo = Image.open(demo / "photos" / name).resize((small, small), Image.Resampling.LANCZOS)
        page.paste(photo, (GAP + number % 2 * (small + GAP), GAP + number // 2 * (small + GAP)))
    for number, style in enumerate(STYLES.values(), 1):
        file = min((demo / "portraits").glob(f"{style}{seed}.png"))
        portrait = Image.open(file).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        page.paste(portrait, (GAP + number * (SIDE + GAP), GAP))
    for number, label in enumerate(("4 of the 20 photos", *STYLES)):
        middle = GAP + number * (SIDE + GAP) + SIDE / 2
        pen.text((middle, SIDE + GAP + LINE / 2), label, fill=INK, font=font, anchor="mm")
    return page


def report(demo: Path, out: Path) -> None:
    """Writes a picture of what the report says about its checkpoints."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport=VIEW)
        page.goto((demo / "report.html").resolve().as_uri())
        page.eval_on_selector_all("img", "images => images.forEach(each => { each.loading = 'eager' })")
        page.wait_for_load_state("networkidle")
        film = page.locator(".candidates")
        head = page.locator("section", has=film).bounding_box()
        kept = film.locator(".candidate.kept").bounding_box()  # the tallest: it was in every round
        assert head is not None
        assert kept is not None
        height = kept["y"] + kept["height"] - head["y"]
        page.screenshot(path=out, full_page=True, clip={"x": 0, "y": head["y"] + 4, "width": 900, "height": height})
        browser.close()
    Image.open(out).convert("RGB").quantize(256).save(out, optimize=True)


def studio(url: str) -> None:
    """Writes pictures of the tabs where benny was learned, is drawn on a sheet, and is found in the gallery."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 860}, locale="en-US")
        page.set_default_timeout(300_000)
        page.goto(url)
        page.click('#tabs [data-tab-id="train"]')
        page.wait_for_selector("#train-stage .picked img")
        shot(page, "train")
        page.click('#tabs [data-tab-id="draw"]')
        page.fill("#draw-prompt textarea", PROMPT)
        page.fill("#draw-seed input", "7")
        page.click("text=Comparison sheet")
        for side, axis, values in SHEET:
            page.click(f"#draw-{side} input")
            page.click(f'[role=option] >> text="{axis}"')
            page.fill(f"#draw-{side}_values :is(textarea, input)", values)
        page.click("text=Comparison sheet")
        page.click("#draw-start")
        page.wait_for_selector("#draw-stage .compared img")
        page.wait_for_selector("#draw-stage .state >> text=kept in the gallery")
        page.evaluate("scrollTo(0, 0)")
        shot(page, "draw")
        page.click('#tabs [data-tab-id="gallery"]')
        page.fill("#gallery-words :is(input, textarea)", WORDS)
        page.wait_for_timeout(2000)
        page.locator("#gallery-pictures button.picture").first.click()
        page.wait_for_selector(".opened img")
        page.evaluate("scrollTo(0, 0)")
        shot(page, "gallery")
        browser.close()


def shot(page: Any, name: str) -> None:
    """Writes what is to be seen of the page."""
    page.mouse.move(0, 0)
    page.wait_for_timeout(2000)  # the network is never idle: a page that is open asks now and then
    picture = Image.open(BytesIO(page.screenshot())).convert("RGB")
    picture.save(FOLDER / f"studio-{name}.jpg", quality=84, optimize=True, progressive=True)


def main() -> None:
    """Reads the demo folder, or the address of a studio, named on the command line."""
    if sys.argv[1].startswith("http"):
        studio(sys.argv[1])
        return
    demo = Path(sys.argv[1])
    styles(demo, seed="7").save(FOLDER / "benny-styles.png", optimize=True)
    if "report" in sys.argv[2:]:
        report(demo, FOLDER / "report.png")


if __name__ == "__main__":
    main()
