from pathlib import Path

import pytest

from retrato.errors import PhotoError, SettingsError
from retrato.settings import TrainSettings
from retrato.training.people import people_in


def test_each_folder_is_a_person_named_after_it(tmp_path: Path) -> None:
    for name in ("bob", "ana maria", ".hidden"):
        (tmp_path / name).mkdir()
    (tmp_path / "notes.txt").touch()
    people = people_in(tmp_path, TrainSettings(name="*-t1", seed=3))
    assert {name: folder.name for name, (folder, _) in people.items()} == {"ana-maria-t1": "ana maria", "bob-t1": "bob"}
    assert [(settings.name, settings.seed) for _, settings in people.values()] == [("ana-maria-t1", 3), ("bob-t1", 3)]


def test_two_people_need_two_names(tmp_path: Path) -> None:
    for name in ("ana", "bob"):
        (tmp_path / name).mkdir()
    with pytest.raises(SettingsError, match=r"would both be called ana-1: --name takes"):
        people_in(tmp_path, TrainSettings(name="ana-1"))


def test_nobody_is_said(tmp_path: Path) -> None:
    with pytest.raises(PhotoError, match="holds no folders"):
        people_in(tmp_path, TrainSettings(name="*"))
    with pytest.raises(PhotoError, match="is no folder"):
        people_in(tmp_path / "nowhere", TrainSettings(name="*"))


def test_a_folder_from_a_mac_is_a_person_of_the_library(tmp_path: Path) -> None:
    (tmp_path / "joa\u0303o").mkdir()
    people = people_in(tmp_path, TrainSettings(name="*-1"))
    assert [*people] == ["jo\u00e3o-1"]
    assert people["jo\u00e3o-1"][1].name == "jo\u00e3o-1"
    (tmp_path / "Jo\u00e3o").mkdir()
    with pytest.raises(SettingsError, match="would both be called"):
        people_in(tmp_path, TrainSettings(name="*-1"))
