"""What the benchmarks of checking photos count are words that check says: reworded, they would all be misses."""

import inspect
import sys
from pathlib import Path

import pytest
from PIL import Image
from skimage import data

from benchmarks import photo_checks, photo_sets
from retrato.photos import advice

ASTRONAUT = Image.fromarray(data.astronaut())


def test_nothing_is_said_about_a_good_photo() -> None:
    assert photo_checks.said_about(ASTRONAUT) == ()


@pytest.mark.parametrize("defect", [name for name in photo_checks.DEFECTS if name != "blurred by sigma 1"])
def test_each_defect_is_said_in_the_words_that_are_counted(defect: str) -> None:
    edit, sentence = photo_checks.DEFECTS[defect]
    assert photo_checks.is_said(edit(ASTRONAUT), sentence)


def test_what_is_counted_of_sets_is_what_the_advice_says() -> None:
    said = inspect.getsource(advice)
    assert all(sentence in said for sentence in (photo_checks.ONE_GROUND, *photo_sets.SENTENCES.values()))


def test_photos_without_a_stranger_are_refused_before_anything_is_counted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It ended with a KeyError after the longest part of its work."""
    ASTRONAUT.save(tmp_path / "astronaut.png")
    monkeypatch.setattr(photo_checks, "why_missing", lambda: None)
    monkeypatch.setattr(sys, "argv", ["photo_checks", str(tmp_path)])
    with pytest.raises(SystemExit, match="holds no camera: copy it from"):
        photo_checks.main()
