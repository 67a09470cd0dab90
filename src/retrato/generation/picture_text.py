"""The parameters text in a picture's file: where each format keeps it. Knows nothing of what the text means."""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from retrato.errors import PhotoError, SettingsError
from retrato.photos.encode import encode
from retrato.sampling.samplers import find_sampler

_EXIF_FOLDER = 0x8769
_USER_COMMENT = 0x9286
# Programs that note their settings otherwise: the chunk of a PNG, and what stands in it.
_OTHER_WAYS = (
    ("ComfyUI", "prompt", '"class_type"'),
    ("ComfyUI", "workflow", '"nodes"'),
    ("InvokeAI", "invokeai_metadata", "{"),
    ("InvokeAI", "sd-metadata", "{"),
)
_JPEG_EXIF = 65_000
"""Bytes of text that fit in a JPEG's EXIF: its length is a number of 16 bits."""


def read_infotext(path: str | Path | IO[bytes]) -> str | None:
    """Gives the parameters text of a PNG, JPEG, WebP, AVIF or GIF picture; None where it carries none.

    A PNG has it in the chunk `parameters`, a GIF in its comment, the others in EXIF's UserComment, which wins where
    both are there, as in A1111. NovelAI's pictures say the same in their own way. The pixels are not decoded.
    Raises PhotoError for a file that is no such picture.
    """
    info, size, comment = _notes(path)
    if comment:
        return _decode_comment(comment)
    if info.get("Software") == "NovelAI":
        return _novelai_text(info, size)
    text = info.get("parameters") or info.get("comment")
    if isinstance(text, bytes):
        text = text.decode("utf-8", errors="ignore")
    return str(text) if text else None


def require_infotext(path: str | Path) -> str:
    """Gives the parameters text; raises PhotoError for a picture without one, with whose it is where that is known."""
    infotext = read_infotext(path)
    if infotext is not None:
        return infotext
    info, _, _ = _notes(path)
    program = next((name for name, chunk, mark in _OTHER_WAYS if mark in str(info.get(chunk) or "")), None)
    if program:
        raise PhotoError(
            f"{path} was drawn by {program}, which notes its settings in its own way and not in A1111's: they can be "
            f"read in {program} alone"
        )
    raise PhotoError(f"{path} does not say how it was drawn: take the original file, copies often lose it")


def _notes(path: str | Path | IO[bytes]) -> tuple[dict[Any, Any], tuple[int, int], bytes | str | None]:
    """Gives what stands beside a picture's pixels, its size, and the UserComment of its EXIF; raises PhotoError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of damaged EXIF: what can be read of it is read
            with Image.open(path, formats=("PNG", "JPEG", "WEBP", "AVIF", "GIF")) as picture:
                return dict(picture.info), picture.size, _user_comment(picture)
    except FileNotFoundError:
        raise PhotoError(f"there is no file {path}: look for the picture's right name") from None
    except IsADirectoryError:
        raise PhotoError(f"{path} is a folder: name one picture in it") from None
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise PhotoError(f"{path} cannot be read as a PNG, JPEG, WebP, AVIF or GIF picture: {error}") from None


def picture_bytes(image: Image.Image, ending: str, infotext: str) -> bytes:
    """Gives `image` as a file that ends in png, jpg or webp, with the parameters where A1111 puts them.

    PNG: a tEXt chunk, or iTXt where Latin-1 does not suffice; the others: EXIF's UserComment. A JPEG loses as little
    as a JPEG can, a WebP nothing. Raises SettingsError for a text that no JPEG can carry.
    """
    infotext = infotext.encode("utf-8", "replace").decode()  # half a surrogate pair has no place in any of them
    if ending == "png":
        notes = PngInfo()
        notes.add_text("parameters", infotext)
        return encode(image, pnginfo=notes)
    exif = Image.Exif()
    exif.get_ifd(_EXIF_FOLDER)[_USER_COMMENT] = _encode_comment(infotext)
    if ending == "webp":
        return encode(image, "WEBP", lossless=True, exif=exif.tobytes())
    check_fits_jpeg(infotext)
    return encode(image, "JPEG", quality=95, subsampling=0, exif=exif.tobytes())


def check_fits_jpeg(text: str) -> None:
    """Raises SettingsError for parameters that are too long for a JPEG."""
    length = len(_encode_comment(text))
    if length > _JPEG_EXIF:
        raise SettingsError(
            f"the prompts take {length} bytes and a JPEG carries {_JPEG_EXIF}: shorten them, or use --format png"
        )


def _user_comment(picture: Image.Image) -> bytes | str | None:
    # Without EXIF before its pixels a PNG would be decoded as a whole to look behind them.
    if {"exif", "Raw profile type exif"}.isdisjoint(picture.info):
        return None
    try:
        comment = picture.getexif().get_ifd(_EXIF_FOLDER).get(_USER_COMMENT)
    except Exception:  # damaged EXIF raises whatever its parser stumbles over
        return None
    return comment if isinstance(comment, bytes | str) else None


def _encode_comment(text: str) -> bytes:
    """Gives EXIF's UserComment as piexif writes it for A1111: a name of the code, then UTF-16, big-endian."""
    return b"UNICODE\0" + text.encode("utf-16-be", errors="replace")


def _decode_comment(comment: bytes | str) -> str:
    """Decodes a UserComment: eight bytes naming the code, then text; those without such a name are taken as UTF-8."""
    if isinstance(comment, str):
        return comment
    code, text = comment[:8], comment[8:]
    if code == b"UNICODE\0":
        # The standard leaves the byte order open. A1111 writes big-endian: there the zeros of plain letters come first.
        big_endian = text[0::2].count(0) >= text[1::2].count(0)
        return text.decode("utf-16-be" if big_endian else "utf-16-le", errors="replace")
    if code == b"ASCII\0\0\0":
        return text.decode("utf-8", errors="replace")
    return comment.decode("utf-8", errors="ignore")


def _novelai_text(info: Mapping[Any, object], size: tuple[int, int]) -> str | None:
    """Gives A1111's parameters text for what NovelAI writes; None where that cannot be read."""
    try:
        said = json.loads(str(info["Comment"]))
        sampler = _sampler(str(said["sampler"]), str(said.get("noise_schedule")))
        line = f"Steps: {said['steps']}, Sampler: {sampler}, CFG scale: {said['scale']}, Seed: {said['seed']}"
        return (
            f"{info['Description']}\nNegative prompt: {said['uc']}\n{line}, Size: {size[0]}x{size[1]}, "
            "Clip skip: 2, ENSD: 31337"
        )
    except (KeyError, TypeError, ValueError, RecursionError):
        return None


def _sampler(name: str, spacing: str) -> str:
    """Gives A1111's name for NovelAI's, with the schedule behind it where that says one ("native" is none).

    "Euler a", as in A1111, for one that it has not got.
    """
    try:
        sampler, _ = find_sampler(name)
    except SettingsError:
        return "Euler a"
    is_taken = spacing.capitalize() in sampler.schedules
    return f"{sampler.name} {spacing.capitalize()}" if is_taken else sampler.name
