from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFilter

from retrato.photos import Photo
from retrato.photos.look import BLURRED, Measured, framing_of, look, lost, measure, problems_of
from retrato.photos.photo import Refused

Scene = Callable[..., Image.Image]


def test_figures_are_those_at_the_training_size(scene: Scene, tmp_path: Path) -> None:
    scene(5, (640, 480)).save(tmp_path / "a.png")
    found = look(tmp_path / "a.png", 128, "none")
    assert isinstance(found, Measured)
    assert (found.size, found.faces, found.face, found.trained_face) == ((640, 480), None, None, None)
    assert found.figures.framing is None
    assert problems_of(found, 128, None, None, False) == ()
    assert problems_of(found, 512, None, None, False) == (
        "small: 640x480 pixels, less than the 512 it will be trained at",
    )


def test_what_the_set_knows_becomes_a_sentence(scene: Scene) -> None:
    found = measure(Photo(Path("a.png"), scene(5), (256, 256)), 256, ())
    assert found.faces == 0
    said = problems_of(found, 256, "the same picture as b.png", 0.83, True)
    assert said[0] == "the same picture as b.png"
    assert said[1].startswith("no face found")
    assert "differs from the others by 0.83" in said[2]
    assert problems_of(found, 256, None, None, False) == ()


def test_files_that_cannot_be_read_and_those_that_kill_a_process(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no")
    refused = look(tmp_path / "a.png", 128, "none")
    assert isinstance(refused, Refused)
    assert "a.png is not a picture" in refused.reason
    assert "a.png ended the process that read it" in lost(tmp_path / "a.png").reason


def test_framing_without_a_face_is_by_the_outline() -> None:
    plain = Image.new("RGB", (120, 240), "beige")
    plain.paste("navy", (45, 10, 75, 230))
    assert framing_of(Photo(Path("a.png"), plain, plain.size)) == "full"


@pytest.mark.parametrize("beside", [False, True], ids=["alpha", "mask beside it"])
def test_a_mask_says_what_is_looked_at(scene: Scene, tmp_path: Path, beside: bool) -> None:
    mask = Image.new("L", (256, 256))
    ImageDraw.Draw(mask).ellipse((70, 40, 180, 255), fill=255)

    def found(image: Image.Image) -> Measured:
        if beside:
            mask.save(tmp_path / "a.mask.png")
            Image.composite(image, Image.new("RGB", image.size, "white"), mask).save(tmp_path / "a.png")
        else:
            image.putalpha(mask)
            image.save(tmp_path / "a.png")
        measured = look(tmp_path / "a.png", 256, "none")
        assert isinstance(measured, Measured)
        return measured

    sharp, blurred = found(scene(5)), found(scene(5).filter(ImageFilter.GaussianBlur(5)))
    assert sharp.sharpness > BLURRED > blurred.sharpness
    assert problems_of(sharp, 256, None, None, False) == ()
    assert problems_of(blurred, 256, None, None, False) == ("blurred: it has no sharp edge at the training size",)
    night = found(scene(5).point(lambda value: value // 8))
    assert problems_of(night, 256, None, None, False) == ("too dark: even its bright parts are nearly black",)
    assert night.figures.light.luma < 40
    assert sharp.figures.border is None


def test_a_mask_with_hardly_anything_inside_leaves_the_whole_picture(scene: Scene) -> None:
    mask = Image.new("L", (256, 256))
    mask.paste(255, (100, 100, 112, 112))
    photo = Photo(Path("a.png"), scene(5), (256, 256))
    masked = Photo(Path("a.png"), scene(5), (256, 256), mask=mask)
    assert measure(masked, 256).sharpness == measure(photo, 256).sharpness
