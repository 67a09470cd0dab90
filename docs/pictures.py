"""Makes the pictures of the README from a finished demo: photos beside every style, and why a checkpoint was kept.

python docs/pictures.py demo          writes docs/images/benny-styles.png
python docs/pictures.py demo report   also docs/images/report.png, with Playwright and Debian's Chromium
"""

import sys
from pathlib import Path

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


def main() -> None:
    """Reads the demo folder named on the command line."""
    demo = Path(sys.argv[1])
    styles(demo, seed="7").save(FOLDER / "benny-styles.png", optimize=True)
    if "report" in sys.argv[2:]:
        report(demo, FOLDER / "report.png")


if __name__ == "__main__":
    main()
