"""Pictures inside a page: shrunk to what a page needs, stripped of everything but pixels, as data URIs and figures.

Knows pictures and their captions, not what they prove.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

from retrato.errors import PhotoError
from retrato.markup import Html, joined, tag
from retrato.photos import read_photo
from retrato.photos.encode import encode

# The longest side of a picture in the page; one that is no larger stays as sharp as it is.
LARGEST = 384

# One closed stroke of a grease pencil around a picture, in hundredths of its sides.
_STROKE = (
    "M6 4.5C30 2.2 68 3.4 96.5 3.6C98.4 30 97.2 66 96.8 96.2C70 98.3 32 97 3.8 96.9C2 70 3 32 3.6 2.6Q7 1.8 14 1.6"
)


@dataclass(frozen=True, slots=True)
class Print:
    """One picture on the page: `source` is its file or the picture itself, `alt` says what it shows.

    `caption` stands below; `mark` is the grease pencil around it: kept (red), held (yellow) or none. `pixelated` keeps
    pixels square when it is enlarged.
    """

    source: Path | Image.Image | None
    alt: str
    caption: str = ""
    mark: str | None = None
    pixelated: bool = False


def figure(shown: Print, class_: str = "print") -> Html:
    """Gives the picture with its caption and mark; an empty frame where there is no such picture (any more)."""
    uri = picture_uri(shown.source)
    if uri is None:
        inside = tag("span", "no picture", class_="missing", role="img", aria_label=f"{shown.alt}: no picture")
    else:
        pixelated = "pixelated" if shown.pixelated else None
        inside = tag("img", src=uri, alt=shown.alt, class_=pixelated, loading="lazy", decoding="async")
    frame = tag("div", inside, _pencil(shown.mark) if shown.mark else "", class_="picture")
    caption = tag("figcaption", shown.caption) if shown.caption else ""
    return tag("figure", frame, caption, class_=class_)


def strip(prints: Sequence[Print], class_: str) -> Html:
    """Gives pictures in a row that breaks where the page is narrow."""
    return tag("div", joined(map(figure, prints)), class_=class_)


def picture_uri(source: Path | Image.Image | None) -> str | None:
    """Gives the picture as a data URI of at most `LARGEST` pixels a side, None where it cannot be read.

    Nothing but pixels goes in: neither the place where a photo was taken nor the prompt.
    """
    if source is None:
        return None
    if isinstance(source, Path):
        try:
            source = read_photo(source).image
        except PhotoError:  # moved or deleted since the run: the frame says so
            return None
    image = source.convert("RGB")
    is_large = max(image.size) > LARGEST
    if is_large:
        image = ImageOps.contain(image, (LARGEST, LARGEST), Image.Resampling.LANCZOS)
    # A fresh picture, because saving would carry over what the old one says about itself.
    bare = Image.new("RGB", image.size)
    bare.paste(image)
    content = encode(bare, "JPEG", quality=88) if is_large else encode(bare, "PNG", optimize=True)
    kind = "jpeg" if is_large else "png"
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _pencil(kind: str) -> Html:
    stroke = tag("path", d=_STROKE, vector_effect="non-scaling-stroke")
    return tag(
        "svg", stroke, class_=f"pencil {kind}", viewBox="0 0 100 100", preserveAspectRatio="none", aria_hidden="true"
    )
