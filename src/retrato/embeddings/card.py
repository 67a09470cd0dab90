"""Reads and writes A1111's picture cards: an embedding inside a PNG, twice, as text and as pixels.

The text chunk `sd-ti-embedding` holds base64 of JSON. The pixels hold the same JSON packed by zlib, its low nibbles in
a block at the left of the picture and its high nibbles at the right, each beyond one black column and masked by a fixed
random stream; the blocks' upper four bits are free and carry decoration. Knows nothing of files.
"""

import base64
import io
import itertools
import json
import math
import warnings
import zlib
from collections.abc import Iterator
from typing import Any

import numpy
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from retrato.embeddings.embedding import MAX_FACTS, MAX_VECTORS, Embedding, check_shape
from retrato.embeddings.layout import to_payload
from retrato.embeddings.safetensors_file import nests_too_much
from retrato.errors import EmbeddingError
from retrato.photos.encode import encode

TEXT_KEY = "sd-ti-embedding"
TENSOR_KEY = "TORCHTENSOR"
MAX_JSON = 5_000_000  # bytes; 75 vectors for both encoders of SDXL take 3.5 million
MAX_COMMAS = 400_000  # those 75 vectors have 154,000 numbers; a million take Python a quarter of a second
MAX_PIXELS = 5_000_000  # a 2048 x 2048 picture with its blocks
DESTROYED = "its pixel data does not decompress: the card was resized or saved as JPEG, get the original"
STRETCH = 1 << 16  # nibbles of the mask that are made at once, a power of 2
SIDE = 512  # of the picture on a card, in pixels

Bytes = NDArray[numpy.uint8]


def read_card(content: bytes) -> dict[str, Any]:
    """Gives the dict that a PNG or WebP card carries, by text if it has one, else by its pixels.

    Raises EmbeddingError when there is none, when the pixels were altered, or when it unpacks to too much.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=("PNG", "WEBP")) as image:
                if math.prod(image.size) > MAX_PIXELS:
                    raise Image.DecompressionBombError
                text: str = getattr(image, "text", {}).get(TEXT_KEY, "")
                image.load()
                pixels: Bytes | None = None
                if not text:
                    pixels = numpy.asarray(image if image.mode == "RGB" else image.convert("RGB"))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise EmbeddingError(
            f"the picture is too large for a card ({MAX_PIXELS} pixels at most): it is something else"
        ) from None
    except UnidentifiedImageError:
        raise EmbeddingError("it is no PNG or WebP picture: it is damaged, get it again") from None
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise EmbeddingError(
            f"the picture is damaged or its text too large, get it again ({str(error)[:60]})"
        ) from None
    return _decoded(_from_text(text) if pixels is None else _from_pixels(pixels))


def card_bytes(embedding: Embedding, picture: Image.Image | None = None) -> bytes:
    """Gives a PNG card that A1111 reads: `picture`, or a pattern of the vectors, with caption, text and pixels."""
    packed = json.dumps(to_payload(embedding), default=_encoded).encode()
    if len(packed) > MAX_JSON or _is_too_rich(packed):
        raise EmbeddingError(
            f"{embedding.name} takes {len(packed)} bytes, too many for a card: write safetensors instead"
        )
    shown = _captioned(picture or _pattern(embedding), embedding)
    shades = _shades(embedding.vectors[0][0].numpy(), 1024)
    squeezed: Bytes = numpy.frombuffer(zlib.compress(packed, 9), numpy.uint8)
    low, high = (
        _block(nibbles.astype(numpy.uint8), shown.height, shades) for nibbles in (squeezed & 0x0F, squeezed >> 4)
    )
    card = Image.new("RGB", (low.width + shown.width + high.width + 2, shown.height))
    card.paste(low, (0, 0))
    card.paste(shown, (low.width + 1, 0))
    card.paste(high, (low.width + shown.width + 2, 0))
    text = PngInfo()
    text.add_text(TEXT_KEY, base64.b64encode(packed).decode())
    return encode(card, pnginfo=text)


def _from_text(text: str) -> bytes:
    """Gives the JSON of a card's text chunk."""
    if len(text) > MAX_JSON * 4 // 3 + 4:
        raise EmbeddingError("its text is too large for an embedding: it is something else")
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise EmbeddingError(f"its text {TEXT_KEY} is not base64: the card is damaged, get it again") from None


def _from_pixels(pixels: Bytes) -> bytes:
    """Gives the JSON hidden in `pixels` `[H, W, 3]`; black borders that were added around the card do not matter."""
    lit = (pixels[..., 0] > 0) & (pixels[..., 1] > 0) & (pixels[..., 2] > 0)
    rows, columns = numpy.flatnonzero(lit.any(axis=1)), numpy.flatnonzero(lit.any(axis=0))
    if len(rows) == 0:
        raise EmbeddingError("it is an all black picture, not an embedding: keep it elsewhere")
    nibbles = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] & numpy.uint8(0x0F)
    black = numpy.flatnonzero(nibbles.max(axis=0).max(axis=1) == 0)
    if len(black) < 2:
        raise EmbeddingError(
            "it is an ordinary picture, not an embedding, or a card that was resized: get the original"
        )
    low, high = (_head(block) for block in (nibbles[:, : black[0]], nibbles[:, black[-1] + 1 :]))
    count = min(len(low), len(high))
    inflater, unpacked = zlib.decompressobj(), b""
    for start, mask in zip(range(0, count, STRETCH), _stretches(), strict=False):
        one, other = low[start : start + STRETCH][: count - start], high[start : start + STRETCH][: count - start]
        squeezed = ((other ^ mask[: len(other)]) << 4) | (one ^ mask[: len(one)])
        try:
            unpacked += inflater.decompress(squeezed.tobytes(), MAX_JSON + 1 - len(unpacked))
        except zlib.error:
            raise EmbeddingError(DESTROYED) from None
        if len(unpacked) > MAX_JSON:
            raise EmbeddingError(
                f"its pixels unpack to more than {MAX_JSON} bytes, too large for an embedding: delete it"
            )
        if inflater.eof:
            return unpacked
    raise EmbeddingError(DESTROYED)


def _head(block: Bytes) -> Bytes:
    """Gives a block `[H, W, 3]` as one row, without what can only be padding: zlib adds little to the JSON."""
    most = MAX_JSON + 1024
    rows = most // max(1, block.shape[1] * 3) + 1
    return block[:rows].reshape(-1)[:most]


def _decoded(text: bytes) -> dict[str, Any]:
    """Gives the dict in a card's JSON, with tensors in the two places where the layouts have them."""
    if _is_too_rich(text):
        raise EmbeddingError("its JSON holds more than a table of vectors, or nests too much: it is not an embedding")
    try:
        payload = json.loads(text)
    except (ValueError, RecursionError):
        raise EmbeddingError("its JSON cannot be read: the card is damaged, get it again") from None
    if not isinstance(payload, dict):
        raise EmbeddingError("its JSON is no dict of vectors: it is not an embedding")
    parameters = payload.get("string_to_param")
    if isinstance(parameters, dict) and TENSOR_KEY not in parameters:
        payload["string_to_param"] = {key: _tensor(value) for key, value in itertools.islice(parameters.items(), 2)}
    return {key: _tensor(value) for key, value in payload.items()}


def _is_too_rich(text: bytes) -> bool:
    """Says whether JSON takes long to read, as no embedding's does."""
    return text.count(b",") > MAX_COMMAS or nests_too_much(text)


def _tensor(value: Any) -> Any:
    """Gives the tensor that `value` spells as `{"TORCHTENSOR": nested lists}`, or `value` itself."""
    if not isinstance(value, dict) or TENSOR_KEY not in value:
        return value
    numbers = value[TENSOR_KEY]
    rows = numbers if isinstance(numbers, list) else []
    if not rows or len(rows) > (MAX_VECTORS if isinstance(rows[0], list) else 2 * MAX_FACTS):
        raise EmbeddingError(f"its vectors are no list of 1 to {MAX_VECTORS} vectors: it is not an embedding")
    if isinstance(rows[0], list):
        check_shape((len(rows), len(rows[0])))
    try:
        return torch.tensor(rows, dtype=torch.float64)
    except (ValueError, TypeError, RuntimeError, OverflowError):
        raise EmbeddingError("its vectors are no table of numbers: the card is damaged, get it again") from None


def _encoded(value: object) -> object:
    """Gives the JSON spelling of a tensor; Python writes every float32 so that it is read back the same."""
    if isinstance(value, Tensor):
        return {TENSOR_KEY: value.tolist()}
    raise TypeError(f"{type(value)} in a card")


def _stretches() -> Iterator[Bytes]:
    """Gives the mask, STRETCH nibbles at a time: state <- 1664525 state + 1013904223 mod 2^32, (state % 255) & 15.

    With the first n states known, the next n follow by one multiplication and one addition.
    """
    states = numpy.array([1013904223], dtype=numpy.uint32)
    factor, offset = 1664525, 1013904223
    while len(states) < STRETCH:
        states = numpy.concatenate([states, states * numpy.uint32(factor) + numpy.uint32(offset)])
        factor, offset = factor * factor % 2**32, (factor * offset + offset) % 2**32
    while True:
        yield ((states % 255) & 0x0F).astype(numpy.uint8)
        states = states * numpy.uint32(factor) + numpy.uint32(offset)


def _stream(count: int) -> Bytes:
    """Gives the first `count` nibbles of the mask."""
    return numpy.concatenate(list(itertools.islice(_stretches(), count // STRETCH + 1)))[:count]


def _block(nibbles: Bytes, height: int, shades: Bytes) -> Image.Image:
    """Gives `nibbles` as a picture `height` pixels tall under a pattern of dots; the end repeats the beginning."""
    width = -(-len(nibbles) // (height * 3))
    data = numpy.resize(nibbles, height * width * 3)
    decoration = Image.new("RGB", (width, height))
    draw = ImageDraw.Draw(decoration)
    corners = ((x, y) for x in range(-6, width, 8) for y in range(-6, height, 8))
    for (x, y), shade in zip(corners, itertools.cycle(shades.tolist()), strict=False):
        left = x + 4 * (y // 8 % 2)
        draw.ellipse((left, y, left + 6, y + 6), fill=(shade, shade, shade))
    mixed = (data ^ _stream(len(data))).reshape(height, width, 3) | (numpy.asarray(decoration) & 0xF0)
    return Image.fromarray(mixed)


def _shades(vector: NDArray[Any], count: int) -> Bytes:
    """Gives `vector`'s sizes as `count` greys from 0 to 255, repeated where it is shorter."""
    sizes = numpy.abs(numpy.resize(vector, count)).astype(numpy.float64)
    return (sizes / max(float(sizes.max()), 1e-30) * 255).astype(numpy.uint8)


def _pattern(embedding: Embedding) -> Image.Image:
    """Gives soft clouds of colour that are the same for the same vectors."""
    values = numpy.resize(embedding.vectors[0].numpy().ravel(), 6 * 6 * 3).astype(numpy.float64)
    spread = max(float(values.std()), 1e-30)
    colours = (
        (70 + 150 / (1 + numpy.exp(-1.5 * (values - values.mean()) / spread))).astype(numpy.uint8).reshape(6, 6, 3)
    )
    return Image.fromarray(colours).resize((SIDE, SIDE), Image.Resampling.BICUBIC)


def _captioned(picture: Image.Image, embedding: Embedding) -> Image.Image:
    """Gives `picture` within 512 x 512 under a dark veil at both ends, which carry the name and where it comes from."""
    shown = ImageOps.contain(picture.convert("RGB"), (SIDE, SIDE), Image.Resampling.LANCZOS)
    if min(shown.size) < SIDE // 2:
        shown = ImageOps.pad(shown, (SIDE, SIDE))
    depth = numpy.abs(numpy.linspace(-1, 1, shown.height)) ** 3
    veil = numpy.repeat((depth * 200)[:, None], shown.width, axis=1).astype(numpy.uint8)
    shown = Image.composite(Image.new("RGB", shown.size, (12, 12, 20)), shown, Image.fromarray(veil))
    draw = ImageDraw.Draw(shown)
    margin = SIDE // 32
    title = f"<{embedding.name}>"
    draw.text((margin, margin), title, fill="white", font=_font(draw, title, 40, shown.width - 2 * margin))
    steps = "" if embedding.step is None else f" {embedding.step}s"
    footer = [embedding.base_model or "", embedding.base_model_hash or "", f"{embedding.vectors_per_token}v{steps}"]
    places = ((margin, "ls"), (shown.width // 2, "ms"), (shown.width - margin, "rs"))
    for (x, anchor), text in zip(places, (footer[0], f"[{footer[1]}]" if footer[1] else "", footer[2]), strict=True):
        cut = text.replace("\n", " ")[:60]
        font = _font(draw, cut, 20, shown.width // 3 - margin)
        draw.text((x, shown.height - margin), cut, fill="white", font=font, anchor=anchor)
    return shown


def _font(draw: ImageDraw.ImageDraw, text: str, size: int, room: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Gives Pillow's own font in `size`, or smaller so that `text` takes no more than `room` pixels."""
    width = draw.textlength(text, font=ImageFont.load_default(size))
    return ImageFont.load_default(max(8, min(size, int(size * room / max(width, 1)))))
