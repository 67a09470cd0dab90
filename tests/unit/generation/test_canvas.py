from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from retrato.errors import PhotoError, RetratoError, SettingsError
from retrato.generation.canvas import Source, filled, make_canvas, masked_box, read_source, resized
from retrato.settings import GenerateSettings


def settings(**values: object) -> GenerateSettings:
    return GenerateSettings(**({"prompt": "", "width": 64, "height": 64} | values))


def noise(size: tuple[int, int], seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8))


def mask_with(box: tuple[int, int, int, int], size: tuple[int, int]) -> Image.Image:
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill=255)
    return mask


def same(one: Image.Image, other: Image.Image) -> bool:
    return one.size == other.size and one.tobytes() == other.tobytes()


@pytest.mark.parametrize("mode", ["just resize", "crop and resize", "resize and fill"])
def test_resize_modes_keep_what_they_promise(mode: str) -> None:
    picture = Image.new("RGB", (200, 100), "white")
    ImageDraw.Draw(picture).rectangle((75, 25, 124, 74), fill="black")  # a square of half the height
    found = np.asarray(resized(picture, (80, 80), settings(resize_mode=mode)).convert("L")) < 128
    (rows,), (columns,) = (np.unique(found.sum(axis)[found.sum(axis) > 0]) for axis in (0, 1))
    assert found.shape == (80, 80)
    assert (rows, columns) == {"just resize": (40, 20), "crop and resize": (40, 40), "resize and fill": (20, 20)}[mode]


def test_filling_goes_on_with_the_edges_colours() -> None:
    picture = Image.new("RGB", (100, 50), "red")
    found = resized(picture, (64, 64), settings(resize_mode="resize and fill"))
    assert found.getcolors() == [(64 * 64, (255, 0, 0))]


def test_what_the_mask_keeps_is_bit_for_bit_what_it_was() -> None:
    picture, mask = noise((64, 64)), mask_with((20, 20, 40, 40), (64, 64))
    canvas = make_canvas(Source(picture, mask), settings(mask_blur=4))
    after = canvas.put_back(Image.new("RGB", (64, 64), "blue"))
    changed = np.asarray(after) != np.asarray(picture)
    assert not changed[:8].any()
    assert not changed[:, 52:].any()
    assert after.getpixel((30, 30)) == (0, 0, 255)


def test_only_the_masked_part_is_drawn_and_goes_back_at_its_own_size() -> None:
    picture, mask = noise((300, 200)), mask_with((100, 50, 150, 80), (300, 200))
    canvas = make_canvas(Source(picture, mask), settings(inpaint_area="only masked", mask_padding=5, mask_blur=0))
    assert canvas.box == (95, 35, 155, 95)
    assert canvas.image.size == (64, 64)
    after = canvas.put_back(Image.new("RGB", (64, 64), "blue"))
    assert after.size == (300, 200)
    changed = (np.asarray(after) != np.asarray(picture)).any(axis=2)
    assert changed.sum() == pytest.approx(50 * 30, rel=0.02)


def test_a_box_that_the_edge_keeps_from_the_format_is_not_squashed() -> None:
    """A strip across the whole picture cannot be widened: A1111 draws it with more of its edge around it."""
    picture, mask = Image.new("RGB", (200, 50), "white"), mask_with((0, 0, 200, 50), (200, 50))
    ImageDraw.Draw(picture).rectangle((80, 10, 119, 49), fill="black")  # a square
    canvas = make_canvas(Source(picture, mask), settings(inpaint_area="only masked", mask_blur=0))
    dark = np.asarray(canvas.image.convert("L")) < 128
    assert (dark[24:40].any(axis=0).sum(), dark[24:40].any(axis=1).sum()) == (12, 13)
    after = np.asarray(canvas.put_back(canvas.image).convert("L")).astype(int)
    assert abs(after - np.asarray(picture.convert("L")).astype(int)).mean() < 5


def test_the_edge_of_the_mask_is_doubled_only_where_the_whole_picture_is_drawn() -> None:
    picture, mask = Image.new("RGB", (64, 64), "white"), mask_with((16, 16, 48, 48), (64, 64))
    grey = {}
    for area in ("whole picture", "only masked"):
        canvas = make_canvas(Source(picture, mask), settings(inpaint_area=area, mask_blur=4))
        grey[area] = canvas.put_back(Image.new("RGB", (64, 64))).convert("L").getpixel((15, 32))
    assert grey["whole picture"] < 30
    assert 120 < grey["only masked"] < 160


@pytest.mark.parametrize(
    ("box", "padding", "size", "found"),
    [
        ((0, 0, 10, 10), 4, (64, 64), (0, 0, 14, 14)),
        ((90, 0, 100, 10), 0, (64, 64), (90, 0, 100, 10)),
        ((90, 40, 100, 60), 0, (64, 64), (80, 40, 100, 60)),
        ((10, 10, 90, 20), 0, (64, 64), (10, 0, 90, 50)),
        ((0, 0, 100, 50), 32, (64, 64), (0, 0, 100, 50)),
    ],
)
def test_the_box_has_the_format_of_the_drawing_as_far_as_it_goes(
    box: tuple[int, int, int, int], padding: int, size: tuple[int, int], found: tuple[int, int, int, int]
) -> None:
    assert masked_box(mask_with(box, (100, 50)) if box[3] <= 50 else mask_with(box, (100, 60)), padding, size) == found


def test_filled_takes_the_colours_around_and_leaves_the_rest() -> None:
    picture, mask = Image.new("RGB", (64, 64), "green"), mask_with((20, 20, 40, 40), (64, 64))
    ImageDraw.Draw(picture).rectangle((20, 20, 39, 39), fill="red")
    found = np.asarray(filled(picture, mask)).astype(int)
    assert abs(found - np.asarray(Image.new("RGB", (64, 64), "green")).astype(int)).max() <= 3
    whole = filled(picture, Image.new("L", (64, 64), 255))
    assert whole.size == (64, 64)


def test_inverting_turns_the_mask_round() -> None:
    picture, mask = noise((64, 64)), mask_with((0, 0, 32, 64), (64, 64))
    source = read_source(settings(init_image="x", mask="y", mask_invert=True), picture, mask)
    assert source is not None
    assert source.mask is not None
    assert source.mask.getbbox() == (32, 0, 64, 64)


@pytest.mark.parametrize(
    ("mask", "values", "says"),
    [
        (Image.new("L", (32, 64), 255), {}, "the mask is 32x64 and the picture 64x64"),
        (Image.new("L", (60, 64), 255), {}, "size or proportions"),
        (Image.new("L", (1, 100_000), 255), {}, "the mask is 1x100000"),
        (Image.new("L", (96, 64), 255), {"width": 96, "inpaint_area": "only masked"}, "the mask is 96x64"),
        (Image.new("RGBA", (64, 64), (255, 255, 255, 100)), {}, "nothing to repaint"),
        (Image.new("L", (64, 64), 0), {}, "nothing to repaint"),
        (Image.new("L", (64, 64), 255), {"mask_invert": True}, "nothing to repaint"),
        (Image.new("L", (64, 64), 255), {"resize_mode": "latent upscale"}, "takes no mask"),
    ],
)
def test_masks_that_cannot_be_are_refused(mask: Image.Image, values: dict[str, object], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        read_source(settings(**values), noise((64, 64)), mask)


@pytest.mark.parametrize("area", ["whole picture", "only masked"])
@pytest.mark.parametrize("size", [(64, 32), (256, 128), (200, 101)])
def test_a_mask_of_another_size_means_the_same_part(area: str, size: tuple[int, int]) -> None:
    picture, values = noise((128, 64)), {"width": 128, "inpaint_area": area, "mask_blur": 0, "mask_padding": 0}
    after = []
    for mask_size in (picture.size, size):
        box = tuple(round(part * mask_size[0] / 128) for part in (32, 16, 96, 48))
        source = read_source(settings(**values), picture, mask_with(box, mask_size))  # type: ignore[arg-type]
        assert source is not None
        drawn = make_canvas(source, settings(**values)).put_back(Image.new("RGB", (128, 64), "blue"))
        after.append(np.asarray(drawn) == np.array([0, 0, 255]))
    assert after[0].all(axis=2).sum() == 64 * 32
    assert (after[0] == after[1]).mean() > 0.9  # all but the edge, which is soft in a mask that was enlarged


def test_a_mask_of_the_size_that_is_drawn_fits_any_picture() -> None:
    mask = mask_with((0, 0, 48, 64), (96, 64))
    source = read_source(settings(width=96), noise((64, 64)), mask)
    assert source is not None
    assert source.mask is not None
    canvas = make_canvas(source, settings(width=96, mask_blur=0))
    assert canvas.mask is not None
    assert same(canvas.mask, mask)


def test_of_a_mask_with_transparent_parts_the_opaque_ones_are_repainted(tmp_path: Path) -> None:
    painted = Image.new("RGBA", (64, 64), (255, 255, 255, 0))
    painted.paste((0, 0, 0, 255), (0, 0, 32, 64))
    painted.save(tmp_path / "m.png")
    asked = settings(init_image="x", mask=str(tmp_path / "m.png"))
    for source in (read_source(asked, noise((64, 64))), read_source(asked, noise((64, 64)), painted)):
        assert source is not None
        assert source.mask is not None
        assert same(source.mask, mask_with((0, 0, 32, 64), (64, 64)))


@pytest.mark.parametrize("content", [None, b"", b"no picture", b"\x89PNG\r\n\x1a\n"])
def test_files_that_are_no_pictures_are_named(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "start.png"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(PhotoError, match=r"start\.png"):
        read_source(settings(init_image=str(file)))


def test_a_mask_needs_a_picture_and_a_second_pass_none() -> None:
    assert read_source(settings()) is None
    with pytest.raises(RetratoError, match="no picture to repaint"):
        settings(mask="mask.png")
    with pytest.raises(RetratoError, match="hires and init_image"):
        settings(hires=True, init_image="a.png")


def test_files_are_read_upright_and_masks_from_their_grey(tmp_path: Path) -> None:
    noise((64, 48)).save(tmp_path / "a.png")
    mask_with((0, 0, 8, 8), (64, 48)).save(tmp_path / "m.png")
    source = read_source(settings(init_image=str(tmp_path / "a.png"), mask=str(tmp_path / "m.png")))
    assert source is not None
    assert source.mask is not None
    assert same(source.image, noise((64, 48)))
    assert source.mask.getbbox() == (0, 0, 8, 8)
