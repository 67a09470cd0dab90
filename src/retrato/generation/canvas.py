"""The picture that drawing starts from, and the mask of what is repainted, made fit for the model and put back after.

Knows pictures only: no latents, no samplers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops, ImageFilter, ImageOps

from retrato.errors import PhotoError, SettingsError
from retrato.photos.decode import MAX_BYTES, Pixels, decode
from retrato.settings import GenerateSettings

Box = tuple[int, int, int, int]
Size = tuple[int, int]
SAME_PROPORTIONS = 0.03  # largest difference of two proportions, as a share, that rounding explains


@dataclass(frozen=True, slots=True)
class Source:
    """What to start from: an upright RGB picture, and a mask (L, white is repainted) for it, if any.

    The mask has the picture's size, or, where the whole picture is drawn, another one that is resized as the picture.
    """

    image: Image.Image
    mask: Image.Image | None = None


@dataclass(frozen=True, slots=True)
class Canvas:
    """A source made fit: `image` and `mask` at the size that is drawn.

    `whole` is the picture that the drawing goes back into, `blend` says where it shows there, and `box` which part of
    it is drawn, None for all.
    """

    image: Image.Image
    mask: Image.Image | None
    whole: Image.Image
    blend: Image.Image | None
    box: Box | None

    def put_back(self, drawn: Image.Image) -> Image.Image:
        """Gives the picture with what was drawn in place; what the mask keeps is bit for bit what it was."""
        if self.blend is None:
            return drawn
        if self.box:
            size = self.box[2] - self.box[0], self.box[3] - self.box[1]
            part = drawn.resize(size, Image.Resampling.LANCZOS, _inside(size, drawn.size))
            drawn = self.whole.copy()
            drawn.paste(part, self.box[:2])
        return Image.composite(drawn, self.whole, self.blend)


def read_source(
    settings: GenerateSettings, image: Image.Image | None = None, mask: Image.Image | None = None
) -> Source | None:
    """Gives what `settings` name, or the pictures given in their place; None where drawing starts from nothing.

    Raises PhotoError for a file that cannot be read, SettingsError for a mask of other proportions or without white.
    """
    image = image or (_read(settings.init_image).image if settings.init_image else None)
    mask = _grey(mask) if mask else _read_mask(settings.mask) if settings.mask else None
    if image is None:
        return None
    if mask is None:
        return Source(image.convert("RGB"))
    if settings.resize_mode == "latent upscale":
        raise SettingsError("resize_mode is 'latent upscale', which takes no mask: choose another one")
    mask = _fitting(mask, image.size, settings)
    if settings.mask_invert:
        mask = ImageChops.invert(mask)
    if not mask.getbbox():
        raise SettingsError(
            "the mask leaves nothing to repaint: paint white what is to change, or turn it round with --mask-invert"
        )
    return Source(image.convert("RGB"), mask)


def make_canvas(source: Source, settings: GenerateSettings) -> Canvas:
    """Gives `source` at the settings' width and height; what is masked is prepared as `masked_content` says."""
    size = (settings.width or 0, settings.height or 0)
    if source.mask is None:
        fitted = source.image if settings.resize_mode == "latent upscale" else resized(source.image, size, settings)
        return Canvas(fitted, None, fitted, None, None)
    soft = source.mask.filter(ImageFilter.GaussianBlur(settings.mask_blur)) if settings.mask_blur else source.mask
    if settings.inpaint_area == "only masked":
        box = masked_box(soft, settings.mask_padding, size)
        filling = settings.changed(resize_mode="resize and fill")  # a box that the picture's edge keeps from the format
        image, mask = (resized(each.crop(box), size, filling) for each in (source.image, soft))
        whole, blend = source.image, soft
    else:
        image, mask = resized(source.image, size, settings), resized(soft, size, settings)
        whole, blend, box = image, mask.point(lambda value: min(255, 2 * value)), None  # doubled only here, as in A1111
    if settings.masked_content == "fill":
        image = filled(image, mask)
    return Canvas(image, mask, whole, blend, box)


def resized(image: Image.Image, size: Size, settings: GenerateSettings) -> Image.Image:
    """Gives `image` at `size` by the settings' resize mode."""
    if settings.resize_mode == "crop and resize":
        return ImageOps.fit(image, size, Image.Resampling.LANCZOS)
    if settings.resize_mode != "resize and fill":
        return image.resize(size, Image.Resampling.LANCZOS)
    left, top, right, bottom = _inside(image.size, size)
    rows = np.asarray(image.resize((right - left, bottom - top), Image.Resampling.LANCZOS))
    edges = ((top, size[1] - bottom), (left, size[0] - right), (0, 0))[: rows.ndim]
    return Image.fromarray(np.pad(rows, edges, mode="edge"))


def masked_box(mask: Image.Image, padding: int, size: Size) -> Box:
    """Gives the box around what is masked, padded, and widened to the format of `size` as far as the picture goes."""
    left, top, right, bottom = mask.getbbox() or (0, 0, *mask.size)
    left, right = max(0, left - padding), min(mask.width, right + padding)
    top, bottom = max(0, top - padding), min(mask.height, bottom + padding)
    wanted = size[0] / size[1]
    if (right - left) / (bottom - top) < wanted:
        left, right = _widened(left, right, round((bottom - top) * wanted), mask.width)
    else:
        top, bottom = _widened(top, bottom, round((right - left) / wanted), mask.height)
    return left, top, right, bottom


def filled(image: Image.Image, mask: Image.Image) -> Image.Image:
    """Gives `image` with its masked part painted over in the colours around it, coarse ones first, as in A1111."""
    from scipy.ndimage import gaussian_filter

    colours = np.asarray(image, dtype=np.float32)
    kept = 1 - np.asarray(mask, dtype=np.float32)[..., None] / 255
    result = (colours * kept).sum(axis=(0, 1)) / max(float(kept.sum()), 1e-6)
    for radius, times in ((256, 1), (64, 1), (16, 2), (4, 4), (2, 2)):
        share = gaussian_filter(kept, (radius, radius, 0), truncate=2)
        found = gaussian_filter(colours * kept, (radius, radius, 0), truncate=2) / np.maximum(share, 1e-6)
        result = found + (result - found) * (1 - share) ** times
    return Image.fromarray((colours * kept + result * (1 - kept)).round().clip(0, 255).astype(np.uint8))


def _inside(inner: Size, size: Size) -> Box:
    """Gives where a picture with the proportions of `inner` lies in the middle of `size`, as large as it goes."""
    scale = min(size[0] / inner[0], size[1] / inner[1])
    width, height = (max(1, round(side * scale)) for side in inner)
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    return left, top, left + width, top + height


def _widened(low: int, high: int, wanted: int, most: int) -> tuple[int, int]:
    """Gives `low` and `high` moved apart to be `wanted` apart, at most `most`, within 0 to `most`."""
    wanted = min(max(wanted, high - low), most)
    low = max(0, min(low - (wanted - (high - low)) // 2, most - wanted))
    return low, low + wanted


def _fitting(mask: Image.Image, size: Size, settings: GenerateSettings) -> Image.Image:
    """Gives the mask for a picture of `size`; raises SettingsError where its proportions are another one's.

    As in A1111 a mask of another size is resized as the picture is, so one of its proportions fits, and so does
    one of the size that is drawn. Where the masked part alone is drawn, A1111 looks for it at the wrong place; here it
    gets the picture's size first.
    """
    if mask.size == size:
        return mask
    is_whole = settings.inpaint_area == "whole picture"
    if is_whole and mask.size == (settings.width, settings.height):
        return mask
    if abs(math.log(mask.width / mask.height * size[1] / size[0])) > SAME_PROPORTIONS:
        raise SettingsError(
            f"the mask is {mask.width}x{mask.height} and the picture {size[0]}x{size[1]}: "
            "give a mask of the picture's size or proportions"
        )
    return mask if is_whole else mask.resize(size, Image.Resampling.LANCZOS)


def _read_mask(path: str) -> Image.Image:
    found = _read(path)
    return found.image.convert("L") if found.mask is None else _opaque(found.mask)


def _grey(mask: Image.Image) -> Image.Image:
    """Gives a mask of any mode as grey; as in A1111, of one with transparent parts what is opaque is white."""
    alpha = mask.convert("RGBA").getchannel("A") if mask.has_transparency_data else None
    return mask.convert("L") if alpha is None or alpha.getextrema() == (255, 255) else _opaque(alpha)


def _opaque(alpha: Image.Image) -> Image.Image:
    return alpha.point(lambda value: 255 if value > 128 else 0)


def _read(path: str) -> Pixels:
    try:
        file = Path(path).expanduser()
        if file.exists() and not file.is_file() and not file.is_dir():  # a device or a pipe may never end
            raise PhotoError(f"{path} is no regular file: name a picture file")
        with file.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
    except (OSError, ValueError, RuntimeError) as error:
        raise PhotoError(
            f"{path} cannot be read ({getattr(error, 'strerror', None) or error}): name a picture file"
        ) from None
    return decode(content, path)
