import shutil
from pathlib import Path

import pytest

from retrato.errors import PhotoError
from retrato.evaluation.people import find_people


def test_a_folder_for_each_person_or_one_persons_photos(people: Path) -> None:
    ana, rui = find_people(people, None, 0)
    assert (ana.name, rui.name) == ("ana", "rui")
    (alone,) = find_people(people / "ana", None, 0)
    assert [photo.path for photo in alone.judged_by] == [photo.path for photo in ana.judged_by]


def test_a_quarter_judges_and_is_never_learned_from(people: Path) -> None:
    (ana, _) = find_people(people, None, 0)
    assert (len(ana.learned), len(ana.judged_by)) == (6, 2)
    assert not {photo.path for photo in ana.learned} & {photo.path for photo in ana.judged_by}
    assert {photo.path for photo in find_people(people / "ana", None, 1)[0].judged_by} != {
        photo.path for photo in ana.judged_by
    }


def test_what_cannot_be_evaluated_is_said(people: Path, tmp_path: Path) -> None:
    with pytest.raises(PhotoError, match="there is no folder"):
        find_people(tmp_path / "nowhere", None, 0)
    with pytest.raises(PhotoError, match="at most 4 can be held out, not 5"):
        find_people(people, 5, 0)
    shutil.copy(people / "ana/0.png", people / "stray.png")
    with pytest.raises(PhotoError, match="photos and folders"):
        find_people(people, None, 0)
    few = tmp_path / "few"
    few.mkdir()
    for number in range(4):
        shutil.copy(people / f"ana/{number}.png", few)
    with pytest.raises(PhotoError, match="4 usable photos"):
        find_people(few, None, 0)


def test_copies_of_one_photo_judge_nothing(people: Path, tmp_path: Path) -> None:
    copies = tmp_path / "copies"
    copies.mkdir()
    for number in range(8):
        shutil.copy(people / "ana/0.png", copies / f"{number}.png")
    with pytest.raises(PhotoError, match="all nearly alike"):
        find_people(copies, None, 0)
