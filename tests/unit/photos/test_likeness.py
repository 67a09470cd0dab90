"""On pictures in scikit-image's wheel (public domain, CC0): an astronaut, a man with a camera, a cat."""

import importlib.util
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from retrato.errors import PhotoError
from retrato.photos.likeness import known_faces

pytestmark = pytest.mark.faces


def picture(name: str) -> Image.Image:
    spec = importlib.util.find_spec("skimage")
    if spec is None or spec.origin is None:
        pytest.skip("scikit-image is not installed")
    return Image.open(Path(spec.origin).parent / "data" / f"{name}.png").convert("RGB")


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Three photos of the astronaut and one without a face."""
    astronaut = picture("astronaut")
    shown = [astronaut, ImageOps.mirror(astronaut), ImageEnhance.Brightness(astronaut).enhance(0.7), picture("chelsea")]
    files = [tmp_path / f"{number}.png" for number in range(len(shown))]
    for image, file in zip(shown, files, strict=True):
        image.save(file)
    return files


def test_one_person_is_near_and_another_far_and_what_a_distance_is_worth_is_said(photos: list[Path]) -> None:
    known = known_faces(photos)
    assert len(known.faces) == 3
    assert 0 < known.among_themselves < 0.4
    same = known.distance_to(picture("astronaut").rotate(10, Image.Resampling.BICUBIC))
    assert same.quality == "clear"
    assert same.distance is not None
    assert same.distance < 0.4
    other = known.distance_to(picture("camera"))
    assert other.distance is not None
    assert other.distance > 0.6
    assert known.distance_to(picture("astronaut").filter(ImageFilter.GaussianBlur(4))).quality == "unclear"
    nothing = known.distance_to(picture("chelsea"))
    assert (nothing.distance, nothing.quality) == (None, "none")


def test_photos_that_give_nothing_to_compare_with_are_said(photos: list[Path], tmp_path: Path) -> None:
    cat = tmp_path / "cat.png"
    picture("chelsea").save(cat)
    with pytest.raises(PhotoError, match=r"in 1 of 3 photos.*in drawings hardly any"):
        known_faces([photos[0], cat, photos[3]])
    soft = tmp_path / "soft.png"
    picture("astronaut").filter(ImageFilter.GaussianBlur(4)).save(soft)
    with pytest.raises(PhotoError, match="1 of 2 photos shows a face that is large and sharp enough"):
        known_faces([photos[0], soft])
    with pytest.raises(PhotoError, match=r"gone\.png"):
        known_faces([tmp_path / "gone.png"])
