"""Reads the parameters text out of a picture's file. Knows nothing of what the text means."""

from pathlib import Path

from PIL import Image, UnidentifiedImageError

from retrato.errors import PhotoError

_EXIF_FOLDER = 0x8769
_USER_COMMENT = 0x9286


def read_infotext(path: str | Path) -> str | None:
    """Gives the parameters text of a PNG, JPEG or WebP picture; None where it carries none.

    A PNG has it in the chunk `parameters`, the others in EXIF's UserComment, which wins where both are there, as in
    A1111. The pixels are not decoded. Raises PhotoError for a file that is no such picture.
    """
    try:
        with Image.open(path, formats=("PNG", "JPEG", "WEBP")) as picture:
            chunk = picture.info.get("parameters")
            # Without EXIF before its pixels a PNG would be decoded as a whole to look behind them.
            has_exif = not {"exif", "Raw profile type exif"}.isdisjoint(picture.info)
            comment = picture.getexif().get_ifd(_EXIF_FOLDER).get(_USER_COMMENT) if has_exif else None
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise PhotoError(f"{path} cannot be read as a PNG, JPEG or WebP picture: {error}") from None
    if comment:
        return _decode_comment(comment)
    return str(chunk) if chunk else None


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
