"""Draws an identity in a scene, in every style: dicebear's artwork plus a few strokes of our own.

Our own strokes (glasses, a moustache, an afro, a bun, a body under the bust) exist so that one person has the same
hair, beard and glasses in every style. Everything is drawn on a canvas of 256 pixels and reduced.
"""

import functools
import importlib.resources
import io
import json
import random
import re
import warnings
from typing import Any, TypedDict

import resvg_py
from PIL import Image, ImageColor, ImageDraw

from mini import emoji
from mini.people import BACKGROUND, CLOTHES, Identity, Scene

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from dicebear import Avatar, Style

CANVAS = 256
INK = "211b2b"

HAIR: dict[str, dict[str, tuple[str, ...]]] = {
    "flat style": {"bald": ("bald",), "short": ("shortCombover",), "bob": ("bobCut", "bobBangs"), "long": ("long", "extraLong"),
                   "bun": ("straightBun",), "afro": ("curly",), "mohawk": ("mohawk",)},
    "comic style": {"bald": ("mrClean",), "short": ("fonze",), "bob": ("pixie",), "long": ("full",), "bun": ("dannyPhantom",),
                    "afro": ("dannyPhantom",), "mohawk": ("mrT",)},
    "photo": {"bald": ("",), "short": ("sideComed", "undercut"), "bob": ("sideComed+neckHigh", "sideComed+shoulderHigh"),
              "long": ("sideComed+longStraight", "sideComed+longWavy"), "bun": ("bun",), "afro": ("undercut",), "mohawk": ("",)},
    "doodle style": {"bald": ("shavedHead",), "short": ("shortHair",), "bob": ("wavyBob",), "long": ("straightHair",),
                     "bun": ("bunHair",), "afro": ("curlyShortHair",), "mohawk": ("mohawk",)},
}  # fmt: skip
FACE = {
    "flat style": {
        "smiling": {"mouth": "smile"}, "laughing": {"mouth": "bigSmile", "eyes": "happy"}, "sad": {"mouth": "frown"},
        "surprised": {"mouth": "surprise"}, "winking": {"eyes": "wink", "mouth": "smirk"},
    },
    "comic style": {
        "smiling": {"mouth": "smile", "eyebrows": "up"}, "laughing": {"mouth": "laughing", "eyebrows": "up"},
        "sad": {"mouth": "sad", "eyebrows": "up"}, "surprised": {"mouth": "surprised", "eyebrows": "up"},
        "angry": {"mouth": "frown", "eyebrows": "down"},
    },
    "photo": {
        "smiling": {"mouth": "smile", "eyes": "happy", "eyebrows": "neutral"},
        "laughing": {"mouth": "laugh", "eyes": "happy", "eyebrows": "happy"},
        "sad": {"mouth": "sad", "eyes": "humble", "eyebrows": "sad"},
        "surprised": {"mouth": "agape", "eyes": "wide", "eyebrows": "raised"},
        "angry": {"mouth": "angry", "eyes": "wide", "eyebrows": "angry"},
        "winking": {"mouth": "smile", "eyes": "wink", "eyebrows": "raised"},
    },
    "doodle style": {
        "smiling": {"mouth": "teethSmile", "eyes": "normal"}, "laughing": {"mouth": "openedSmile", "eyes": "cheery"},
        "sad": {"mouth": "openSad", "eyes": "sad"}, "angry": {"mouth": "unimpressed", "eyes": "angry"},
    },
}  # fmt: skip
ARTWORK = {
    "flat style": "personas",
    "comic style": "micah",
    "photo": "toon-head",
    "doodle style": "big-smile",
}
Point = tuple[int, int]


class Places(TypedDict):
    """On the canvas: eyes, the middle of the face, the upper lip, the crown."""

    eyes: tuple[Point, Point]
    face: Point
    lip: Point
    crown: Point


PLACES: dict[str, Places] = {
    "flat style": {"eyes": ((102, 113), (154, 113)), "face": (128, 116), "lip": (128, 150), "crown": (128, 62)},
    "comic style": {"eyes": ((112, 103), (158, 97)), "face": (128, 110), "lip": (139, 139), "crown": (124, 40)},
    "photo": {"eyes": ((104, 136), (151, 136)), "face": (128, 132), "lip": (128, 163), "crown": (128, 66)},
    "doodle style": {"eyes": ((120, 140), (190, 140)), "face": (128, 128), "lip": (150, 170), "crown": (128, 50)},
}


@functools.cache
def _style(name: str) -> Style:
    return Style(json.loads(importlib.resources.files("dicebear_styles").joinpath(f"{name}.json").read_text()))


def _avatar(name: str, options: dict) -> Image.Image:
    options = {"size": CANVAS, "backgroundColor": ["00000000"], **options}
    svg = Avatar(_style(name), options).to_string()
    # white laid over skin and hair in "overlay" mode comes out as fog on dark colours
    svg = re.sub(r'fill="white" opacity="[.\d]+" style="mix-blend-mode:overlay"', 'fill="white" opacity=".1"', svg)
    png = resvg_py.svg_to_bytes(svg_string=svg, width=CANVAS, height=CANVAS, skip_system_fonts=True)
    return Image.open(io.BytesIO(bytes(png))).convert("RGBA")


def _part(options: dict, name: str, variant: str | None) -> None:
    """Shows component `name` as `variant`, or hides it."""
    options[f"{name}Probability"] = 100 if variant else 0
    if variant:
        options[f"{name}Variant"] = [variant]


def _bust(person: Identity, style: str, expression: str, clothes: str) -> Image.Image:
    """The person's head and shoulders on transparent ground."""
    skin, hair = person.colours()
    r = person.hidden()
    cut = r.choice(HAIR[style][person.hair])
    face = FACE[style][expression]
    options: dict = {"seed": str(person.seed), "skinColor": [skin], "hairColor": [hair]}
    for part, variant in face.items():
        options[f"{part}Variant"] = [variant]
    if style == "flat style":
        options |= {"clothingColor": [clothes], "facialHairColor": [hair], "hairVariant": [cut], "clothesVariant": [r.choice(("rounded", "squared"))],
                    "noseVariant": [r.choice(("mediumRound", "smallRound", "wrinkles"))]}  # fmt: skip
        options.setdefault("eyesVariant", ["open"])
        _part(options, "facialHair", {"beard": "beardMustache", "moustache": "walrus"}.get(person.beard))
    elif style == "comic style":
        options |= {"baseColor": [options.pop("skinColor")[0]], "shirtColor": [clothes], "facialHairColor": [hair], "earringsProbability": 0,
                    "glassesProbability": 0, "eyesVariant": ["eyes"], "noseVariant": [r.choice(("curve", "pointed", "tound"))],
                    "clothesVariant": [r.choice(("crew", "collared"))]}  # fmt: skip
        _part(options, "hair", None if person.hair == "bald" else cut)
        _part(options, "facialHair", "beard" if person.beard == "beard" else None)
    elif style == "photo":
        front, _, rear = cut.partition("+")
        options |= {"clothesColor": [clothes], "clothesVariant": [r.choice(("tShirt", "turtleNeck"))]}
        _part(options, "hair", front)
        _part(options, "rearHair", rear)
        _part(options, "beard", {"beard": "fullBeard", "moustache": "moustacheTwirl"}.get(person.beard))
    else:
        extra = {"round glasses": "glasses", "square glasses": "glasses", "sunglasses": "sunglasses"}.get(
            person.glasses
        )
        options["hairVariant"] = [cut]
        _part(options, "accessories", "mustache" if person.beard != "none" and not extra else extra)
    picture = _avatar(ARTWORK[style], options)
    return picture if style == "doodle style" else _own_strokes(picture, person, style, hair)


def _own_strokes(picture: Image.Image, person: Identity, style: str, hair: str) -> Image.Image:
    """Adds what the artwork of this style lacks: afro, bun, mohawk, moustache, glasses."""
    places = PLACES[style]
    colour, outlined = "#" + hair, style == "comic style"
    edge: dict[str, Any] = {"outline": "black", "width": 4} if outlined else {}
    x, y = places["crown"]
    behind = Image.new("RGBA", picture.size)
    brush = ImageDraw.Draw(behind)
    if person.hair == "afro" and style != "flat style":
        cx, cy = places["face"]
        for px, py in (
            (-62, 22),
            (-74, -14),
            (-62, -52),
            (-30, -80),
            (10, -88),
            (48, -74),
            (70, -40),
            (72, 0),
            (60, 26),
        ):
            brush.ellipse((cx + px - 28, cy + py - 28, cx + px + 28, cy + py + 28), fill=colour, **edge)
        brush.ellipse((cx - 70, cy - 84, cx + 72, cy + 36), fill=colour)
    if person.hair == "bun" and outlined:
        brush.ellipse((26, 48, 86, 108), fill=colour, **edge)
    behind.alpha_composite(picture)
    brush = ImageDraw.Draw(behind)
    if person.hair == "mohawk" and style == "photo":
        brush.rounded_rectangle((x - 22, y - 40, x + 22, y + 34), 20, fill=colour)
    if person.beard == "moustache" and outlined:
        x, y = places["lip"]
        for side in (-1, 1):
            brush.polygon(
                [(x, y - 5), (x + side * 14, y - 8), (x + side * 27, y + 4), (x + side * 12, y + 6), (x, y + 3)],
                fill=colour,
                outline="black",
            )
    if person.glasses != "none":
        _glasses(brush, places["eyes"], person.glasses)
    return behind


def _glasses(brush: ImageDraw.ImageDraw, eyes: tuple, kind: str) -> None:
    half = (eyes[1][0] - eyes[0][0]) / 2
    (lx, ly), (rx, ry) = eyes
    brush.line((lx + half * 0.7, ly - 3, rx - half * 0.7, ry - 3), fill="#" + INK, width=6)
    brush.line((lx - half * 0.8, ly - 4, lx - half * 1.5, ly - 8), fill="#" + INK, width=6)
    brush.line((rx + half * 0.8, ry - 4, rx + half * 1.35, ry - 8), fill="#" + INK, width=6)
    for x, y in eyes:
        if kind == "round glasses":
            brush.ellipse((x - 22, y - 22, x + 22, y + 22), outline="#" + INK, width=6)
        elif kind == "square glasses":
            brush.rectangle((x - 22, y - 17, x + 22, y + 17), outline="#" + INK, width=7)
        else:
            brush.rounded_rectangle((x - 22, y - 16, x + 22, y + 17), 8, fill="#" + INK)


def _body(bust: Image.Image, clothes: str, skin: str, outlined: bool, seed: int) -> Image.Image:
    """A figure of 256 x 512: the bust above, torso, arms, legs and shoes below it, as wide as its shoulders."""
    figure = Image.new("RGBA", (CANVAS, 2 * CANVAS))
    brush = ImageDraw.Draw(figure)
    span = bust.getchannel("A").crop((0, CANVAS - 6, CANVAS, CANVAS - 5)).getbbox() or (50, 0, 206, 1)
    left, right = span[0] + 2, span[2] - 2
    middle = (left + right) / 2
    edge: dict[str, Any] = {"outline": "black", "width": 5} if outlined else {}
    trousers = random.Random(f"trousers {seed}").choice(("#33415e", "#5b4a3a", "#3c3c44", "#4a6b8a"))
    arm = (right - left) * 0.17
    for side in (left, right - arm):
        brush.ellipse((side, 338, side + arm, 338 + arm * 1.3), fill="#" + skin, **edge)
        brush.rounded_rectangle((side, 236, side + arm, 352), 8, fill="#" + clothes, **edge)
    hip = (right - left) * 0.3
    for side in (-1, 1):
        a, b = sorted((middle, middle + side * hip))
        brush.rounded_rectangle((a - 8 * (side < 0), 470, b + 8 * (side > 0), 506), 10, fill="#26262c", **edge)
        brush.rectangle((a, 350, b, 486), fill=trousers, **edge)
    brush.rectangle((left + arm * 0.9, 236, right - arm * 0.9, 368), fill="#" + clothes, **edge)
    figure.alpha_composite(bust)
    return figure


def _background(name: str, r: random.Random) -> Image.Image:
    if name in BACKGROUND:
        return Image.new("RGB", (CANVAS, CANVAS), "#" + BACKGROUND[name])
    if name == "sunset":
        ramp = Image.linear_gradient("L").resize((CANVAS, CANVAS))
        return Image.composite(Image.new("RGB", ramp.size, "#ffa25a"), Image.new("RGB", ramp.size, "#5d4796"), ramp)
    first, second = r.sample(("b4def6", "fbcfd8", "fde9a0", "bde5bb", "d1cbf3", "fafafa"), 2)
    picture = Image.new("RGB", (CANVAS, CANVAS), "#" + first)
    brush = ImageDraw.Draw(picture)
    for i in range(0, CANVAS, 64):
        if name == "striped":
            brush.rectangle((i, 0, i + 31, CANVAS), fill="#" + second)
        else:
            for j in range(0, CANVAS, 64):
                x = j + 32 * (i // 64 % 2)
                brush.ellipse((x + 4, i + 18, x + 30, i + 44), fill="#" + second)
    return picture


ZOOM = {"portrait": 1.0, "close-up": 1.3, "half body": 0.72, "full body": 0.485}


def head_place(scene: Scene) -> tuple[float, float, float]:
    """Where the head is in a picture of `scene`: x and y of its middle and its radius, in parts of the canvas."""
    style = "photo" if scene.style == "pixel art style" else scene.style
    x, y = _landing(style, scene.framing)
    return (x + 2 * scene.dx) / CANVAS, (y + 2 * scene.dy) / CANVAS, 84 * ZOOM[scene.framing] * scene.scale / CANVAS


def _landing(style: str, framing: str) -> tuple[float, float]:
    """Where the middle of the face comes to lie on the canvas."""
    return {"close-up": (128, 130), "half body": (128, 96), "full body": (128, 64)}.get(framing, PLACES[style]["face"])


def draw(person: Identity, scene: Scene, size: int = 128) -> Image.Image:
    """The picture of `person` in `scene`, RGB, `size` pixels square."""
    pixelated = scene.style == "pixel art style"
    style = "photo" if pixelated else scene.style
    clothes = CLOTHES[scene.clothes]
    bust = _bust(person, style, scene.expression, clothes)
    if scene.mirrored:
        bust = bust.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    figure = _body(bust, clothes, person.colours()[0], style == "comic style", person.seed)
    zoom = ZOOM[scene.framing] * scene.scale
    focus, landing = PLACES[style]["face"], _landing(style, scene.framing)
    width = person.face_width() * zoom
    scaled = figure.resize((round(figure.width * width), round(figure.height * zoom)), Image.Resampling.BILINEAR)
    layer = Image.new("RGBA", (CANVAS, CANVAS))
    at = (round(landing[0] - focus[0] * width + 2 * scene.dx), round(landing[1] - focus[1] * zoom + 2 * scene.dy))
    layer.paste(scaled, at)
    if scene.tilt:
        layer = layer.rotate(scene.tilt, Image.Resampling.BILINEAR, center=(128, 200))
    picture = _background(scene.background, random.Random(scene.seed))
    picture.paste(layer, (0, 0), layer)
    if scene.sticker:
        kind, name = scene.sticker.split(":")
        art = emoji.picture(name, kind).resize((92, 92), Image.Resampling.LANCZOS)
        picture.paste(art, (6 if random.Random(scene.seed).random() < 0.5 else CANVAS - 98, CANVAS - 96), art)
    if pixelated:
        small = picture.resize((32, 32), Image.Resampling.BOX).quantize(
            20, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE
        )
        return small.convert("RGB").resize((size, size), Image.Resampling.NEAREST)
    return picture.resize((size, size), Image.Resampling.LANCZOS)


def draw_emoji(
    name: str, style: str, background: str, scale: float, dx: float, dy: float, size: int = 128
) -> Image.Image:
    """An emoji in the middle of a plain ground, RGB."""
    side = round(200 * scale)
    art = emoji.picture(name, style).resize((side, side), Image.Resampling.LANCZOS)
    picture = Image.new("RGB", (CANVAS, CANVAS), ImageColor.getrgb("#" + BACKGROUND[background]))
    picture.paste(art, (round((CANVAS - side) / 2 + 2 * dx), round((CANVAS - side) / 2 + 2 * dy)), art)
    return picture.resize((size, size), Image.Resampling.LANCZOS)
