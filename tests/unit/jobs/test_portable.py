"""Paths inside the home folder are kept as they lie in it; all else stays as it is."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from retrato.jobs.portable import packed, unpacked

NAMES = st.text(st.characters(exclude_characters="/\\", exclude_categories=("C",)), min_size=1, max_size=9)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | NAMES.map("/home/of/ana/{}".format),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
)


@given(VALUES)
def test_nothing_changes_where_nothing_was_moved(value: object) -> None:
    home = Path("/home/of/ana")
    assert unpacked(packed(value, home), home) == value


def test_what_lies_in_the_home_moves_with_it_and_nothing_else(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    said = {"photos": f"{here}/photos/ana", "files": [f"{here}/1.png", "/elsewhere/2.png"], "out": f"{here}more/x"}
    found = unpacked(packed({**said, "prompt": "a cat", "steps": 3}, here), there)
    assert found == {
        "photos": str(there / "photos" / "ana"),
        "files": [str(there / "1.png"), "/elsewhere/2.png"],
        "out": f"{here}more/x",
        "prompt": "a cat",
        "steps": 3,
    }


def test_a_home_behind_a_link_is_the_home(tmp_path: Path) -> None:
    home, link = tmp_path / "home", tmp_path / "link"
    home.mkdir()
    link.symlink_to(home, target_is_directory=True)
    assert packed([f"{home}/1.png", f"{link}/2.png"], link) == [{"in_home": "1.png"}, {"in_home": "2.png"}]
