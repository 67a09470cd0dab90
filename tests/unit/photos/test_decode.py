import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms
from PIL.JpegImagePlugin import JpegImageFile

from retrato.errors import PhotoError
from retrato.photos import decode as module
from retrato.photos.decode import decode

Scene = Callable[..., Image.Image]
DATA = Path(__file__).parent / "data"


def saved(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def mean_difference(one: Image.Image, other: Image.Image) -> float:
    return float(np.abs(np.asarray(one, dtype=float) - np.asarray(other, dtype=float)).mean())


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "JPEG", "WEBP", "AVIF"])
def test_reads_the_usual_formats(scene: Scene, form: str) -> None:
    original = scene(1, (96, 64))
    pixels = decode(saved(original, form, **({"quality": 95} if form in ("JPEG", "WEBP", "AVIF") else {})), "a")
    assert (pixels.image.mode, pixels.image.size, pixels.size, pixels.mask) == ("RGB", (96, 64), (96, 64), None)
    assert mean_difference(pixels.image, original) < 4


@pytest.mark.parametrize("form", ["JPEG", "MPO", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_is_upright_by_exif(orientation: int, form: str) -> None:
    stored = Image.new("RGB", (80, 48), "white")
    stored.paste("red", (0, 0, 40, 24))  # where this quarter ends up tells the eight orientations apart
    stored.paste("blue", (40, 0, 80, 24))
    exif = Image.Exif()
    exif[0x0112] = orientation
    how = {
        "JPEG": {"quality": 95, "subsampling": 0},
        "MPO": {"quality": 95, "save_all": True, "append_images": [stored]},
        "WEBP": {"lossless": True},
    }
    upright = decode(saved(stored, form, exif=exif, **how.get(form, {})), "a")
    red, blue = {
        1: ((0, 0), (1, 0)),
        2: ((1, 0), (0, 0)),
        3: ((1, 1), (0, 1)),
        4: ((0, 1), (1, 1)),
        5: ((0, 0), (0, 1)),
        6: ((1, 0), (1, 1)),
        7: ((1, 1), (1, 0)),
        8: ((0, 1), (0, 0)),
    }[orientation]
    width, height = upright.image.size
    assert upright.size == (width, height) == ((48, 80) if orientation > 4 else (80, 48))

    def at(quarter: tuple[int, int]) -> tuple[int, ...]:
        return upright.image.getpixel((int(width * (0.25 + 0.5 * quarter[0])), int(height * (0.25 + 0.5 * quarter[1]))))

    assert at(red)[0] > 200
    assert at(red)[2] < 60
    assert at(blue)[2] > 200
    assert at(blue)[0] < 60


@pytest.mark.parametrize("name", ["turned", "exif-turned"])
def test_heic_comes_upright_and_without_its_exif(name: str) -> None:
    content = (DATA / f"{name}.heic").read_bytes()
    assert b"SecretCamera" in content
    pixels = decode(content, "IMG_0001.HEIC")
    assert pixels.image.size == pixels.size == (96, 64)
    for place, colour in (((10, 10), (30, 180, 30)), ((20, 50), (200, 30, 30)), ((80, 30), (30, 30, 200))):
        assert all(abs(one - other) < 12 for one, other in zip(pixels.image.getpixel(place), colour, strict=True)), (
            place
        )
    assert pixels.image.info == {}


def test_heic_with_alpha_and_with_more_than_eight_bits() -> None:
    pixels = decode((DATA / "alpha.heic").read_bytes(), "a.heic")
    assert pixels.mask is not None
    assert (pixels.mask.getpixel((5, 30)), pixels.mask.getpixel((60, 30))) == (0, 255)
    row = np.asarray(decode((DATA / "ten-bits.heic").read_bytes(), "a.heic").image)[10, :, 0].astype(float)
    assert np.abs(row - np.linspace(0, 255, 64)).max() < 8
    assert decode((DATA / "ten-bits.heic").read_bytes(), "a.heic", shorter_side=32).image.size == (32, 32)


def test_refuses_truncated_heic() -> None:
    content = (DATA / "turned.heic").read_bytes()
    for kept in (20, 300, 600):
        assert "damaged or truncated" in refused(content[:kept])


def test_broken_exif_is_no_reason_to_refuse(scene: Scene) -> None:
    content = saved(scene(2), "JPEG", exif=b"Exif\0\0nonsense, and not a TIFF header")
    assert decode(content, "a.jpg").image.size == (256, 256)


def test_nothing_but_pixels_is_left(scene: Scene) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.0)})
    exif[0x010E] = "my house"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = decode(saved(scene(3), "JPEG", exif=exif, icc_profile=profile, comment=b"my house"), "a.jpg").image
    assert image.info == {}
    assert dict(image.getexif()) == {}
    assert b"house" not in saved(image)


def test_alpha_becomes_white_and_a_mask() -> None:
    image = Image.new("RGBA", (64, 64), (10, 200, 30, 0))
    image.paste((200, 10, 30, 255), (16, 16, 48, 48))
    pixels = decode(saved(image), "a.png")
    assert pixels.image.getpixel((0, 0)) == (255, 255, 255)
    assert pixels.image.getpixel((30, 30)) == (200, 10, 30)
    assert pixels.mask is not None
    assert pixels.mask.mode == "L"
    assert (pixels.mask.getpixel((0, 0)), pixels.mask.getpixel((30, 30))) == (0, 255)


def test_opaque_alpha_is_no_mask(scene: Scene) -> None:
    pixels = decode(saved(scene(1).convert("RGBA")), "a.png")
    assert pixels.mask is None
    assert mean_difference(pixels.image, scene(1)) == 0


def test_palette_with_a_see_through_colour() -> None:
    image = Image.new("P", (40, 40), 0)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.paste(1, (20, 0, 40, 40))
    pixels = decode(saved(image, "PNG", transparency=0), "a.png")
    assert pixels.image.getpixel((5, 5)) == (255, 255, 255)
    assert pixels.image.getpixel((30, 5)) == (0, 0, 255)
    assert pixels.mask is not None


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK"])
def test_other_kinds_of_pixels(scene: Scene, mode: str) -> None:
    form = "TIFF" if mode in ("CMYK", "LA") else "PNG"
    image = decode(saved(scene(4).convert(mode), form), "a").image
    assert image.mode == "RGB"
    wanted = scene(4).convert(mode).convert("RGB")
    assert mean_difference(image, wanted) < 2


def test_inks_of_a_jpeg_are_stored_the_other_way_round_and_come_out_right(scene: Scene) -> None:
    content = saved(scene(4).convert("CMYK"), "JPEG", quality=95, subsampling=0)
    assert b"Adobe" in content
    assert mean_difference(decode(content, "a.jpg").image, scene(4)) < 3
    assert decode(content, "a.jpg", shorter_side=64).image.size == (64, 64)


def test_sixteen_bits_keep_their_brightness() -> None:
    ramp = np.tile(np.linspace(0, 65535, 64).astype(np.uint16), (64, 1))
    image = decode(saved(Image.fromarray(ramp)), "a.png").image
    row = np.asarray(image)[10, :, 0].astype(float)
    assert np.abs(row - np.linspace(0, 255, 64)).max() <= 1


def test_float_tiff() -> None:
    ramp = np.tile(np.linspace(0, 1, 64, dtype=np.float32), (64, 1))
    ramp[0, 0] = np.nan
    row = np.asarray(decode(saved(Image.fromarray(ramp), "TIFF"), "a.tif").image)[10, :, 0].astype(float)
    assert np.abs(row - np.linspace(0, 255, 64)).max() <= 1


def test_a_colour_profile_is_turned_into_srgb() -> None:
    # A profile whose gamma is 1: middle grey in light is brighter in sRGB.
    profile = linear_profile()
    pixels = decode(saved(Image.new("RGB", (40, 40), (55, 55, 55)), "PNG", icc_profile=profile), "a.png")
    grey = pixels.image.getpixel((10, 10))
    assert all(abs(value - 128) <= 4 for value in grey)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_phones_display_p3_is_turned_into_srgb(mode: str) -> None:
    columns = {b"rXYZ": (0.5151, 0.2412, -0.0011), b"gXYZ": (0.292, 0.6922, 0.0419), b"bXYZ": (0.1571, 0.0666, 0.7841)}
    profile = srgb_profile(
        {tag: struct.pack(">iii", *(round(each * 65536) for each in column)) for tag, column in columns.items()}, 8
    )
    red = Image.new("RGB", (40, 40), (200, 100, 100)).convert(mode)
    assert decode(saved(red, icc_profile=profile), "a.png").image.getpixel((9, 9)) == (215, 93, 97)


def test_a_broken_profile_is_left_aside(scene: Scene) -> None:
    pixels = decode(saved(scene(5), "PNG", icc_profile=b"not a profile at all"), "a.png")
    assert mean_difference(pixels.image, scene(5)) == 0


def test_first_frame_of_an_animation(scene: Scene) -> None:
    frames = [scene(seed, (64, 64)) for seed in (1, 2, 3)]
    content = saved(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    assert mean_difference(decode(content, "a.webp").image, frames[0]) == 0
    gif = decode(saved(frames[0], "GIF", save_all=True, append_images=frames[1:]), "a.gif").image
    assert mean_difference(gif, frames[0]) < 8


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_reduces_but_never_enlarges(scene: Scene, form: str) -> None:
    content = saved(scene(6, (600, 400)), form)
    reduced = decode(content, "a", shorter_side=100)
    assert (reduced.image.size, reduced.size) == ((150, 100), (600, 400))
    assert decode(content, "a", shorter_side=1000).image.size == (600, 400)
    assert mean_difference(reduced.image, scene(6, (600, 400)).resize((150, 100), Image.Resampling.LANCZOS)) < 4


def test_a_phones_jpeg_with_a_second_picture_is_halved_by_its_decoder(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    draft = JpegImageFile.draft
    monkeypatch.setattr(JpegImageFile, "draft", lambda self, *size: asked.append(size) or draft(self, *size))
    content = saved(scene(6, (600, 400)), "MPO", save_all=True, append_images=[scene(7, (64, 64))])
    reduced = decode(content, "a.jpg", shorter_side=100)
    assert (reduced.image.size, reduced.size, asked) == ((150, 100), (600, 400), [(None, (140, 140))])


def test_reduces_palettes_masks_and_turned_pictures(scene: Scene) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = decode(saved(scene(6, (600, 400)), "JPEG", exif=exif), "a.jpg", shorter_side=100)
    assert (turned.image.size, turned.size) == ((100, 150), (400, 600))
    see_through = Image.new("P", (200, 200), 0)
    see_through.paste(1, (100, 0, 200, 200))
    pixels = decode(saved(see_through, "PNG", transparency=0), "a.png", shorter_side=50)
    assert pixels.mask is not None
    assert pixels.mask.size == pixels.image.size == (50, 50)


def planar_tiff(image: Image.Image, bits: int, *, is_packed: bool = False) -> bytes:
    """Gives a TIFF of three planes one after the other, each of them one strip."""
    planes = [np.asarray(band).astype("<u2") * 257 if bits == 16 else np.asarray(band) for band in image.split()]
    strips = [zlib.compress(plane.tobytes()) if is_packed else plane.tobytes() for plane in planes]
    offsets = [8, 8 + len(strips[0]), 8 + len(strips[0] + strips[1])]
    longer = struct.pack("<3H3I3I", *[bits] * 3, *offsets, *map(len, strips))
    at = 8 + sum(map(len, strips))
    tags = [
        (256, 3, 1, image.width), (257, 3, 1, image.height), (258, 3, 3, at), (259, 3, 1, 8 if is_packed else 1),
        (262, 3, 1, 2), (273, 4, 3, at + 6), (277, 3, 1, 3), (278, 3, 1, image.height), (279, 4, 3, at + 18),
        (284, 3, 1, 2),
    ]  # fmt: skip
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)
    return b"II*\0" + struct.pack("<I", at + len(longer)) + b"".join(strips) + longer + directory


@pytest.mark.parametrize(("bits", "is_packed"), [(8, False), (8, True), (16, True)])
def test_reads_tiffs_with_each_colour_apart(scene: Scene, bits: int, is_packed: bool) -> None:
    original = scene(4, (96, 64))
    assert mean_difference(decode(planar_tiff(original, bits, is_packed=is_packed), "a.tif").image, original) == 0


def test_refuses_the_tiffs_that_pillow_would_read_as_noise(scene: Scene) -> None:
    assert "save it interleaved, or with 8 bits" in refused(planar_tiff(scene(4, (96, 64)), 16), "a.tif")


def refused(content: bytes, name: str = "holiday.jpg") -> str:
    with pytest.raises(PhotoError) as caught:
        decode(content, name)
    message = str(caught.value)
    assert message.startswith(name)
    assert "\n" not in message
    return message


def test_refuses_zero_bytes_and_what_is_no_picture() -> None:
    assert "zero bytes" in refused(b"")
    assert "not a picture" in refused(b"Dear diary, " * 50)
    assert "not a picture" in refused(b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    assert "damaged or truncated" in refused(b"\0\0\0\x18ftypheic" + b"\0" * 40)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "TIFF"])
def test_refuses_truncated_pictures(scene: Scene, form: str) -> None:
    content = saved(scene(7), form)
    message = refused(content[: len(content) // 2])
    assert "damaged or truncated" in message or "not a picture" in message


def test_refuses_too_many_bytes(monkeypatch: pytest.MonkeyPatch, scene: Scene) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 1000)
    assert "save it smaller" in refused(saved(scene(8)))


@pytest.mark.parametrize("size", [(9450, 9450), (10_000, 10_000), (60000, 60000)])
def test_refuses_too_many_pixels_by_the_header_alone(size: tuple[int, int]) -> None:
    header = struct.pack(">IIBBBBB", *size, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    content = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts
    )
    assert "pixels, at most 89 million" in refused(content)


def test_what_the_largest_phones_make_is_read() -> None:
    """9248x6936 is a little over 64 million pixels."""
    found = decode(saved(Image.new("L", (9248, 6936), 90), "JPEG"), "a.jpg", shorter_side=64)
    assert (found.size, found.image.size) == ((9248, 6936), (85, 64))


def srgb_profile(changes: dict[bytes, bytes], at: int) -> bytes:
    """sRGB's profile with other bytes from `at` on in the tags that `changes` names."""
    content = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack(">I", content[128:132])[0]
    for entry in range(132, 132 + 12 * count, 12):
        tag, offset, _ = struct.unpack(">4sII", content[entry : entry + 12])
        if tag in changes:
            content[offset + at : offset + at + len(changes[tag])] = changes[tag]
            content[entry + 8 : entry + 12] = struct.pack(">I", at + len(changes[tag]))
    return bytes(content)


def linear_profile() -> bytes:
    """sRGB's profile with its three tone curves replaced by straight lines: one of no points is the identity."""
    return srgb_profile(dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), b"curv\0\0\0\0\0\0\0\0"), 0)
