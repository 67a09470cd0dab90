"""Makes the README's first picture from a finished demo: photos on the left, the person in every style on the right.

python docs/pictures.py demo          writes docs/images/benny-styles.png
"""

import sys
from pathlib import Path

from PIL import Image

PHOTOS = ("benny-02.png", "benny-05.png", "benny-10.png", "benny-20.png")
STYLES = ("a-photo-of-*", "*-flat-style-*", "*-pink-background-comic-style-*", "*-pixel-art-style-*")
SIDE, GAP, INK = 208, 12, "#1d1914"


def main() -> None:
    """Reads the demo folder named on the command line."""
    demo, seed = Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "7"
    portraits = [next(iter(sorted((demo / "portraits").glob(f"{style}{seed}.png")))) for style in STYLES]
    page = Image.new("RGB", (len(portraits) * (SIDE + GAP) + SIDE + 2 * GAP, SIDE + 2 * GAP), INK)
    small = (SIDE - GAP) // 2
    for number, name in enumerate(PHOTOS):
        photo = Image.open(demo / "photos" / name).resize((small, small), Image.Resampling.LANCZOS)
        page.paste(photo, (GAP + number % 2 * (small + GAP), GAP + number // 2 * (small + GAP)))
    for number, file in enumerate(portraits, 1):
        portrait = Image.open(file).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        page.paste(portrait, (GAP + number * (SIDE + GAP), GAP))
    page.save(Path(__file__).parent / "images" / "benny-styles.png", optimize=True)


if __name__ == "__main__":
    main()
