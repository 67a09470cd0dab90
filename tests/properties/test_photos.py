import io
import itertools
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from retrato.errors import PhotoError
from retrato.files import printable
from retrato.photos.decode import decode
from retrato.photos.square import crop_box, split_boxes, square


def whole(form: str) -> bytes:
    rng = np.random.default_rng(3)
    buffer = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)).save(buffer, form)
    return buffer.getvalue()


WHOLE = {form: whole(form) for form in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")}
WHOLE["HEIF"] = (Path(__file__).parents[1] / "unit" / "photos" / "data" / "turned.heic").read_bytes()
MAGIC = [
    b"\0\0\0\x18ftypheic",
    b"",
    b"\xff\xd8\xff\xe1",
    b"\x89PNG\r\n\x1a\n",
    b"GIF89a",
    b"II*\0",
    b"MM\0*",
    b"BM",
    b"RIFF\0\0\0\0WEBPVP8 ",
]


def decoded_or_refused(content: bytes) -> bool:
    """Any other exception than PhotoError fails the test that asks."""
    try:
        image = decode(content, "x.png").image
    except PhotoError as error:
        return str(error).startswith("x.png")
    return image.mode == "RGB"


@given(st.sampled_from(MAGIC), st.binary(max_size=200))
@example(b"", b"")
@settings(deadline=None, max_examples=150)
def test_chance_bytes_raise_nothing_but_photo_errors(magic: bytes, rest: bytes) -> None:
    assert decoded_or_refused(magic + rest)


@given(
    st.sampled_from(sorted(WHOLE)),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=8),
    st.floats(0, 1),
)
@settings(deadline=None, max_examples=200)
def test_spoilt_pictures_raise_nothing_but_photo_errors(
    form: str, changes: list[tuple[float, int]], kept: float
) -> None:
    content = bytearray(WHOLE[form])
    for at, value in changes:
        content[min(int(at * len(content)), len(content) - 1)] = value
    assert decoded_or_refused(bytes(content[: max(1, int(kept * len(content)))]) if kept < 0.5 else bytes(content))


@given(st.text(st.characters(blacklist_characters="\0"), min_size=1, max_size=300))
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_any_name_can_be_said_on_one_line(name: str) -> None:
    shown = printable(Path(name))
    assert shown.isprintable()
    assert len(shown) <= 120


@given(st.integers(1, 400), st.integers(1, 400), st.sampled_from(["center", "focal", "none"]))
@settings(deadline=None, max_examples=60)
def test_squares_are_square_and_lie_inside(width: int, height: int, crop: str) -> None:
    image = Image.new("RGB", (width, height), "teal")
    assert square(image, 64, crop).size == (64, 64)
    left, top, right, bottom = crop_box(image, crop)
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    if crop != "none":
        assert right - left == bottom - top == min(width, height)


@given(st.integers(1, 200), st.integers(1, 3000))
@settings(deadline=None, max_examples=60)
def test_splits_cover_the_whole_picture_with_overlap(width: int, height: int) -> None:
    image = Image.new("1", (width, height))
    boxes = split_boxes(image)
    if min(width, height) / max(width, height) > 0.5:
        assert boxes == []
        return
    along = (0, 2) if width > height else (1, 3)
    assert boxes[0][along[0]] == 0
    assert boxes[-1][along[1]] == max(width, height)
    for one, other in itertools.pairwise(boxes):
        assert other[along[0]] <= one[along[1]]
        assert one[2] - one[0] == one[3] - one[1] == min(width, height)
