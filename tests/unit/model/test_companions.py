"""Which scorer and captioner a model gets: the one that is named, its own, or the home folder's."""

import shutil
from pathlib import Path

import pytest

from retrato.errors import ModelError
from retrato.model.companions import CAPTIONERS, SCORERS, captioner_of, find_companion, list_companions, scorer_of
from retrato.model.load import EMBEDDED


def test_a_model_that_brings_none_gets_the_home_folders(tiny_folder: Path, clip_folder: Path, tmp_path: Path) -> None:
    assert scorer_of(tiny_folder, tmp_path) is None
    assert captioner_of(tiny_folder, tmp_path) is None
    shutil.copytree(clip_folder, tmp_path / SCORERS / "owner--clip")
    (tmp_path / SCORERS / ".partial").mkdir()
    found = scorer_of(tiny_folder, tmp_path)
    assert found is not None
    assert (found.identity, found.text_image.device.type) == (None, "cpu")
    assert [path.name for path in list_companions(tmp_path / SCORERS)] == ["owner--clip"]
    shutil.copytree(EMBEDDED / "captioner", tmp_path / CAPTIONERS / "blip")
    assert captioner_of(tiny_folder, tmp_path, device="cpu") is not None


def test_a_models_own_comes_before_the_home_folders_and_what_is_named_before_both(
    clip_folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(clip_folder, tmp_path / SCORERS / "owner--clip")
    own, named, at_a_path = (
        scorer_of("mini", tmp_path, device="cpu", named=name) for name in (None, "owner/clip", clip_folder)
    )
    assert own is not None
    assert named is not None
    assert at_a_path is not None
    assert own.identity is not None
    assert (named.identity, named.hash) == (None, at_a_path.hash)
    folder = scorer_of(clip_folder, tmp_path, named=EMBEDDED / "scorer")
    assert folder is not None
    assert folder.hash == own.hash


@pytest.mark.parametrize("name", ["nobody/clip", "clip", "../x", "a" * 5000, "~nobody-at-all/x", "x\0"])
def test_what_is_not_here_says_how_to_get_it(tmp_path: Path, name: str) -> None:
    fetch = " is not on this machine .*nothing yet"
    fetch += ".*`retrato models fetch nobody/clip` downloads it" if name == "nobody/clip" else ""
    with pytest.raises(ModelError, match=fetch):
        find_companion(name, tmp_path / SCORERS)


def test_what_is_linked_into_the_folder_is_found_by_the_links_name(clip_folder: Path, tmp_path: Path) -> None:
    (tmp_path / SCORERS).mkdir()
    (tmp_path / SCORERS / "linked").symlink_to(clip_folder)
    assert find_companion("linked", tmp_path / SCORERS) == tmp_path / SCORERS / "linked"
