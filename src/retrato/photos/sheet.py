"""A contact sheet: all photos of a set on one picture, each with its verdict, and the advice below.

Knows a report and the files it names; how the verdicts came about is `check`'s.
"""

import textwrap
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont, ImageOps

from retrato.errors import PhotoError
from retrato.files import printable
from retrato.photos.check import PhotoReport, PhotoVerdict
from retrato.photos.look import Verdict
from retrato.photos.photo import read_photo

_PAPER, _INK, _FAINT, _CARD, _EMPTY = "#f6f4ef", "#26242b", "#77727d", "#ffffff", "#e9e5dd"
COLOURS: dict[Verdict, str] = {"good": "#2e8b57", "doubtful": "#b9700a", "refused": "#c0392b"}
HEADLINES: dict[Verdict, str] = {
    "good": "Good to train on",
    "doubtful": "Can be trained on, could be better",
    "refused": "Cannot be trained on yet",
}
CALLED = {"full": "full body", "half": "half body", "close": "close-up", None: ""}
_MARGIN, _GAP, _PADDING, _LINE = 28, 16, 10, 17


@dataclass(frozen=True, slots=True)
class _Fonts:
    """Pillow's own typeface in the sizes of the sheet."""

    title: ImageFont.FreeTypeFont | ImageFont.ImageFont
    name: ImageFont.FreeTypeFont | ImageFont.ImageFont
    small: ImageFont.FreeTypeFont | ImageFont.ImageFont


def contact_sheet(report: PhotoReport, *, columns: int = 5, tile: int = 200) -> Image.Image:
    """Gives the sheet as an RGB image, `columns` photos wide, each shown on `tile` x `tile` pixels.

    A photo that can no longer be read is shown as an empty card.
    """
    fonts = _Fonts(ImageFont.load_default(24), ImageFont.load_default(13), ImageFont.load_default(12))
    columns = max(1, min(columns, len(report.photos)))
    cards = [_card(photo, tile, fonts) for photo in report.photos]
    rows = [cards[start : start + columns] for start in range(0, len(cards), columns)]
    heights = [max(card.height for card in row) for row in rows]
    width = max(2 * _MARGIN + columns * (tile + 2 * _PADDING) + (columns - 1) * _GAP, 520)
    advice = [line for sentence in report.advice for line in _wrapped(sentence, width - 2 * _MARGIN - 16, fonts.name)]
    height = _MARGIN + 72 + sum(heights) + _GAP * len(heights) + len(advice) * 20 + _MARGIN
    sheet = Image.new("RGB", (width, height), _PAPER)
    _headline(sheet, report, fonts)
    top = _MARGIN + 72
    for row, row_height in zip(rows, heights, strict=True):
        for at, card in enumerate(row):
            sheet.paste(card, (_MARGIN + at * (card.width + _GAP), top), _rounded(card.size, 10))
        top += row_height + _GAP
    brush = ImageDraw.Draw(sheet)
    for sentence in report.advice:
        brush.ellipse((_MARGIN, top + 12, _MARGIN + 6, top + 18), fill=COLOURS[report.verdict])
        for line in _wrapped(sentence, width - 2 * _MARGIN - 16, fonts.name):
            brush.text((_MARGIN + 16, top + 7), line, font=fonts.name, fill=_INK)
            top += 20
    return sheet


def _headline(sheet: Image.Image, report: PhotoReport, fonts: _Fonts) -> None:
    brush = ImageDraw.Draw(sheet)
    brush.text((_MARGIN, _MARGIN - 4), HEADLINES[report.verdict], font=fonts.title, fill=COLOURS[report.verdict])
    counts = [(kind, sum(photo.verdict == kind for photo in report.photos)) for kind in COLOURS]
    across = float(_MARGIN)
    for kind, count in counts:
        if count:
            brush.ellipse((across, _MARGIN + 38, across + 10, _MARGIN + 48), fill=COLOURS[kind])
            text = f"{count} {kind}"
            brush.text((across + 16, _MARGIN + 35), text, font=fonts.name, fill=_FAINT)
            across += 16 + brush.textlength(text, font=fonts.name) + 22


def _card(photo: PhotoVerdict, tile: int, fonts: _Fonts) -> Image.Image:
    """Gives one photo with its name, size and problems, on white, under a bar in the colour of its verdict."""
    problems = [line for problem in photo.problems for line in _wrapped(problem, tile, fonts.small)][:6]
    height = 5 + _PADDING + tile + 2 * _LINE + 8 + len(problems) * (_LINE - 1) + _PADDING
    card = Image.new("RGB", (tile + 2 * _PADDING, height), _CARD)
    brush = ImageDraw.Draw(card)
    brush.rectangle((0, 0, card.width, 4), fill=COLOURS[photo.verdict])
    card.paste(_thumbnail(photo, tile), (_PADDING, 5 + _PADDING))
    if photo.verdict != "good":  # in words as well: not everybody tells the colours apart
        wide = fonts.small.getlength(photo.verdict) + 14
        place = (card.width - _PADDING - wide - 6, 5 + _PADDING + 6)
        brush.rounded_rectangle((*place, place[0] + wide, place[1] + 20), 10, fill=COLOURS[photo.verdict])
        brush.text((place[0] + 7, place[1] + 3), photo.verdict, font=fonts.small, fill=_CARD)
    top = 5 + _PADDING + tile + 6
    brush.text((_PADDING, top), _fitting(printable(photo.file.name), tile, fonts.name), font=fonts.name, fill=_INK)
    facts = [f"{photo.width} x {photo.height}"] * (photo.width > 0) + [CALLED[photo.framing]] * (
        photo.framing is not None
    )
    brush.text((_PADDING, top + _LINE), "  ·  ".join(facts), font=fonts.small, fill=_FAINT)
    for at, line in enumerate(problems):
        place = (_PADDING, top + 2 * _LINE + 2 + at * (_LINE - 1))
        brush.text(place, line, font=fonts.small, fill=COLOURS[photo.verdict])
    return card


def _thumbnail(photo: PhotoVerdict, tile: int) -> Image.Image:
    """Gives the whole photo in the middle of a square; for what cannot be read, an empty frame."""
    ground = Image.new("RGB", (tile, tile), _EMPTY)
    try:
        picture = read_photo(photo.file, shorter_side=tile).image
    except PhotoError:  # the report says why, the sheet shows that there is nothing to show
        brush = ImageDraw.Draw(ground)
        low, high = tile * 0.4, tile * 0.6
        brush.line((low, low, high, high), fill=COLOURS["refused"], width=6)
        brush.line((low, high, high, low), fill=COLOURS["refused"], width=6)
        return ground
    picture = ImageOps.contain(picture, (tile, tile), Image.Resampling.LANCZOS)
    ground.paste(picture, ((tile - picture.width) // 2, (tile - picture.height) // 2))
    return ground


def _rounded(size: tuple[int, int], radius: int) -> Image.Image:
    mask = Image.new("L", (size[0] * 2, size[1] * 2), 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, size[0] * 2 - 1, size[1] * 2 - 1), radius * 2, fill=255)
    return mask.resize(size, Image.Resampling.BOX)


def _fitting(text: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """Gives the text, shortened in its middle until it is no wider than `width` pixels."""
    if font.getlength(text) <= width:
        return text
    kept = len(text) - 1
    while kept > 2 and font.getlength(shorter := f"{text[: (kept + 1) // 2]}…{text[-(kept // 2) :]}") > width:
        kept -= 1
    return shorter


def _wrapped(text: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> list[str]:
    """Gives the text in lines of at most `width` pixels; the typeface is proportional, so by its average letter."""
    letter = font.getlength("abcdefghijklmnopqrstuvwxyz ") / 27
    return textwrap.wrap(text, max(8, int(width / letter)))
