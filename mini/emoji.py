"""Named animals, food and objects, drawn from Noto and Fluent emoji (npm packages; licences in `LICENCES.md`).

Needs `$NODE_MODULES` with @iconify-json/noto, @iconify-json/fluent-emoji-flat and @lobehub/fluent-emoji-3d.
"""

import functools
import io
import json
import os
from pathlib import Path

from PIL import Image

STYLES = ("3d emoji style", "emoji style", "flat emoji style")
# name of the icon in both icon sets
SUBJECTS = (
    "panda",
    "dog-face",
    "cat-face",
    "fox",
    "frog",
    "lion",
    "pig-face",
    "rabbit-face",
    "koala",
    "bear",
    "penguin",
    "owl",
    "unicorn",
    "monkey-face",
    "tiger-face",
    "cow-face",
    "chicken",
    "butterfly",
    "octopus",
    "turtle",
    "whale",
    "tropical-fish",
    "lady-beetle",
    "honeybee",
    "elephant",
    "red-apple",
    "banana",
    "strawberry",
    "pizza",
    "hamburger",
    "doughnut",
    "birthday-cake",
    "watermelon",
    "grapes",
    "lemon",
    "carrot",
    "cookie",
    "soccer-ball",
    "basketball",
    "guitar",
    "red-heart",
    "star",
    "rocket",
    "sun",
    "sunflower",
    "rose",
    "cactus",
    "crown",
    "gem-stone",
    "balloon",
    "airplane",
    "house",
    "automobile",
    "sailboat",
    "umbrella",
    "light-bulb",
    "snowman",
    "cloud",
    "mushroom",
    "avocado",
)
HELD_OUT = (
    "hedgehog",
    "parrot",
    "pineapple",
    "violin",
    "tulip",
    "peacock",
    "cherries",
    "bicycle",
    "ghost",
    "robot",
    "volcano",
    "teddy-bear",
)


def spoken(name: str) -> str:
    """`dog-face` -> `dog`."""
    return name.replace("-face", "").replace("-", " ")


@functools.cache
def _icons(package: str) -> dict:
    folder = Path(os.environ["NODE_MODULES"])
    return json.loads((folder / "@iconify-json" / package / "icons.json").read_text())


@functools.cache
def _codepoints() -> dict[str, str]:
    chars = json.loads((Path(os.environ["NODE_MODULES"]) / "@iconify-json/noto/chars.json").read_text())
    found: dict[str, str] = {}
    for codepoint, name in chars.items():
        found.setdefault(name, codepoint)
    return found


@functools.cache
def picture(name: str, style: str) -> Image.Image:
    """The emoji on transparent ground, about 200 pixels, RGBA. A missing 3d one is drawn by Noto."""
    if style == "3d emoji style":
        point = _codepoints()[name].replace("-fe0f", "")
        folder = Path(os.environ["NODE_MODULES"]) / "@lobehub/fluent-emoji-3d/assets"
        for file in (folder / f"{point}.webp", folder / f"{point}-fe0f.webp"):
            if file.exists():
                return Image.open(file).convert("RGBA")
    icons = _icons("fluent-emoji-flat")
    if style != "flat emoji style" or name not in icons["icons"]:
        icons = _icons("noto")
    icon = icons["icons"][name]
    width, height = icon.get("width", icons.get("width", 128)), icon.get("height", icons.get("height", 128))
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {width} {height}" width="{width}" height="{height}">{icon["body"]}</svg>'
    )
    import resvg_py  # only drawing needs it, names and captions do not

    png = resvg_py.svg_to_bytes(svg_string=svg, width=200, height=200, skip_system_fonts=True)
    return Image.open(io.BytesIO(bytes(png))).convert("RGBA")
