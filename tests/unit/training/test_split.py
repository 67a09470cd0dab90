from PIL import Image, ImageEnhance

from retrato.photos import Photo
from retrato.training.split import split_photos

from .conftest import coloured_photo


def burst(photo: Photo) -> Photo:
    """Nearly the same picture once more."""
    brighter: Image.Image = ImageEnhance.Brightness(photo.image).enhance(1.05)
    return Photo(photo.path.with_stem(f"{photo.path.stem}-again"), brighter, brighter.size)


def test_every_photo_is_on_one_side() -> None:
    photos = [coloured_photo(number) for number in range(20)]
    split = split_photos(photos, 4, seed=0)
    assert len(split.held_out) == 4
    assert sorted((*split.trained, *split.held_out)) == list(range(20))


def test_is_the_same_for_the_same_seed_only() -> None:
    photos = [coloured_photo(number) for number in range(20)]
    assert split_photos(photos, 4, seed=3) == split_photos(photos, 4, seed=3)
    assert len({split_photos(photos, 4, seed=seed).held_out for seed in range(8)}) > 1


def test_near_duplicates_are_never_on_both_sides() -> None:
    single = [coloured_photo(number) for number in range(6)]
    photos = [*single, *(burst(photo) for photo in single[:4])]
    twins = [{number, 6 + number} for number in range(4)]
    for seed in range(6):
        held_out = set(split_photos(photos, 3, seed=seed).held_out)
        assert len(held_out) <= 3
        assert all(len(held_out & twin) != 1 for twin in twins)


def test_none_can_be_held_out() -> None:
    photos = [coloured_photo(number) for number in range(4)]
    split = split_photos(photos, 0, seed=0)
    assert (split.trained, split.held_out) == ((0, 1, 2, 3), ())
