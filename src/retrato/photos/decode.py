"""Turns the bytes of a picture file into upright sRGB pixels and, where it had one, its alpha channel.

Everything that can be odd about a picture file ends here: orientation, colour profiles, palettes, alpha, CMYK, 16 bits,
animations, truncation and decompression bombs. Knows nothing of folders, captions and training.
"""

import io
import math
import struct
import warnings
from dataclasses import dataclass

import numpy as np
from pi_heif.as_plugin import HeifImageFile
from PIL import Image, ImageCms, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from retrato.errors import PhotoError
from retrato.photos.measure import scaled_size

MAX_BYTES = 50_000_000
MAX_PIXELS = 89_000_000  # just below what Pillow warns of; phones take pictures of 9248x6936 and more
DRAFT_MARGIN = 1.4  # how much larger than asked for a JPEG is decoded at least; what is left is resized with Lanczos
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")

_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
_ORIENTATION_TAG = 0x0112
_BITS_TAG, _COMPRESSION_TAG, _PLANES_TAG = 258, 259, 284
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = tuple(_TURNS[tag] for tag in (5, 6, 7, 8))


@dataclass(frozen=True, slots=True)
class Pixels:
    """A decoded picture: `image` upright RGB, `mask` its alpha (L) if that says anything, `size` before reducing."""

    image: Image.Image
    mask: Image.Image | None
    size: tuple[int, int]


def decode(content: bytes, name: str, *, shorter_side: int | None = None) -> Pixels:
    """Gives the pixels of the picture file `content`; of an animation, those of its first frame.

    With `shorter_side` the result is reduced (never enlarged) so that its shorter side has that many pixels, which
    keeps a folder of phone pictures in memory. The result holds pixels only: no EXIF, no GPS, no profile.
    Raises PhotoError, whose message begins with `name`, for whatever cannot be shown.
    """
    if not content:
        raise PhotoError(f"{name} holds zero bytes: copy it again from where it came")
    if len(content) > MAX_BYTES:
        raise PhotoError(
            f"{name} holds more than {MAX_BYTES // 1_000_000} million bytes, the most that is read: save it smaller"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a broken thumbnail or comment is no reason to refuse a photo
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            return _decode(content, name, shorter_side)
        except PhotoError:
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise PhotoError(_too_many_pixels(name, "far too many")) from None
        except UnidentifiedImageError:
            raise PhotoError(_unknown_format(name)) from None
        # Pillow's decoders answer hostile bytes with anything from SyntaxError to AttributeError.
        except Exception as error:
            reason = " ".join(str(error).partition(" (")[0].split())[:200] or type(error).__name__
            raise PhotoError(f"{name} is a damaged or truncated picture ({reason}): copy or save it again") from error


def _decode(content: bytes, name: str, shorter_side: int | None) -> Pixels:
    image = _opened(content)
    width, height = image.size
    if width * height > MAX_PIXELS:  # known from the header, nothing is decoded yet
        raise PhotoError(_too_many_pixels(name, f"{width}x{height}"))
    if _has_deep_planes(image):
        raise PhotoError(
            f"{name} is a TIFF of more than 8 bits with each colour apart (planar), which is not read: save it "
            "interleaved, or with 8 bits"
        )
    # Many phones keep a second picture, such as a map of the light, in a JPEG, which Pillow then calls MPO.
    if shorter_side is not None and image.format in ("JPEG", "MPO"):
        least = math.ceil(shorter_side * DRAFT_MARGIN)
        image.draft(None, (least, least))  # the decoder halves, and halves again, for free
    image.load()
    # Only now: a PNG may say it after its pixels, and of a TIFF the decoder has turned the pixels and says so.
    turn = _TURNS.get(_orientation(image, content))
    if shorter_side is not None:
        image = _reduced(image, shorter_side)
    image, mask = _flattened(image)
    if turn is not None:
        image = image.transpose(turn)
        mask = mask.transpose(turn) if mask is not None else None
        if turn in _SIDEWAYS:
            width, height = height, width
    return Pixels(image, mask, (width, height))


def _opened(content: bytes) -> Image.Image:
    """Gives the picture with its header read; HEIC by its own class: Pillow's list stays as it is."""
    if content[4:8] == b"ftyp" and content[8:12] in _HEIF_BRANDS and b"av01" not in content[:4096]:
        return HeifImageFile(io.BytesIO(content))
    return Image.open(io.BytesIO(content), formats=FORMATS)


def _has_deep_planes(image: Image.Image) -> bool:
    """Says whether it is a TIFF that Pillow takes for 8 bits: one plane after the other, of more, not compressed."""
    tags = image.tag_v2 if isinstance(image, TiffImageFile) else {}
    is_plain_planes = tags.get(_PLANES_TAG) == 2 and tags.get(_COMPRESSION_TAG, 1) == 1
    return is_plain_planes and max(tags.get(_BITS_TAG, (1,))) > 8


def _orientation(image: Image.Image, content: bytes) -> int:
    """Gives the EXIF orientation 1..8; 1, as the standard says, where EXIF is missing or unreadable.

    HEIC has turns of its own, `irot` and `imir`, which the decoder has followed; EXIF repeats them, and counts only
    where a program wrote it alone.
    """
    if isinstance(image, HeifImageFile):
        is_turned = b"irot" in content[:65536] or b"imir" in content[:65536]
        return 1 if is_turned else int(image.info.get("original_orientation") or 1)
    try:
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    except (SyntaxError, ValueError, TypeError, KeyError, OSError, struct.error):
        return 1


def _reduced(image: Image.Image, shorter_side: int) -> Image.Image:
    scale = shorter_side / min(image.size)
    if scale >= 1:
        return image
    size = scaled_size(image, scale)
    image = _eight_bits(image)
    info = image.info
    if image.mode in ("1", "P", "PA"):  # palettes cannot be averaged
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    image.info.update(info)
    if image.mode in ("RGBA", "LA"):
        image.info.pop("transparency", None)
    return image


def _flattened(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Gives the picture as sRGB on white, and its alpha channel unless that is opaque everywhere."""
    profile = image.info.get("icc_profile")
    image = _eight_bits(image)
    if not image.has_transparency_data:
        return _srgb(image, profile), None
    with_alpha = image.convert("RGBA")
    alpha = with_alpha.getchannel("A")
    colours = _srgb(with_alpha.convert("RGB"), profile)
    if alpha.getextrema() == (255, 255):
        return colours, None
    white = Image.new("RGB", image.size, "white")
    return Image.composite(colours, white, alpha), alpha


def _eight_bits(image: Image.Image) -> Image.Image:
    """Gives a picture of 16-bit, 32-bit or float grey as 8-bit grey; any other one unchanged."""
    if not image.mode.startswith(("I", "F")):
        return image
    values = np.nan_to_num(np.asarray(image, dtype=np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    highest = values.max(initial=0.0)
    if image.mode.startswith("I;16"):
        white = 65535.0
    else:  # the file does not say what white is: take the next usual value
        white = next((usual for usual in (1.0, 255.0, 65535.0) if highest <= usual), highest)
    grey = Image.fromarray(np.clip(values * (255.0 / white) + 0.5, 0, 255).astype(np.uint8))
    grey.info.update({key: value for key, value in image.info.items() if key == "icc_profile"})
    return grey


def _srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Gives the picture in sRGB; a profile that is broken or does not fit its pixels is left aside, as browsers do."""
    if image.mode not in ("RGB", "L", "CMYK", "LAB"):
        image = image.convert("RGB")
    if profile:
        try:
            converted = ImageCms.profileToProfile(
                image, ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            converted = None
        if converted is not None:
            converted.info = {}
            return converted
    plain = image.convert("RGB")
    plain.info = {}  # pixels only: nothing that the file said about itself travels on
    return plain


def _too_many_pixels(name: str, found: str) -> str:
    return f"{name} has {found} pixels, at most {MAX_PIXELS // 1_000_000} million are read: save it smaller"


def _unknown_format(name: str) -> str:
    wanted = "JPEG, PNG, WebP, HEIC, AVIF, TIFF, GIF or BMP"
    return f"{name} is not a picture that can be read: it takes {wanted}, so save it as one of these"
