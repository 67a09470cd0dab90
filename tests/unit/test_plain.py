import math
from dataclasses import dataclass
from pathlib import Path

import pytest

from retrato.plain import plain


@dataclass(frozen=True)
class Leaf:
    file: Path
    scores: dict[str, float]
    box: tuple[int, int]


def test_plain_gives_what_json_can_hold() -> None:
    leaf = Leaf(Path("a/b"), {"good": 0.5, "none": math.nan}, (1, 2))
    assert plain({"leaf": leaf, "far": -math.inf}) == {
        "leaf": {"file": "a/b", "scores": {"good": 0.5, "none": None}, "box": [1, 2]},
        "far": None,
    }
    with pytest.raises(TypeError, match="set has no place"):
        plain({"a": {1}})


def test_paths_below_the_root_are_given_without_it() -> None:
    home = Path("/home/of/ana")
    assert plain([home / "outputs" / "1.png", Path("/elsewhere/2.png")], root=home) == [
        "outputs/1.png",
        "/elsewhere/2.png",
    ]


def test_paths_by_the_other_name_of_a_linked_root_are_too(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (home := tmp_path / "home").symlink_to(tmp_path / "disk")
    assert plain([home / "a.png", tmp_path / "disk" / "b.png"], root=home) == ["a.png", "b.png"]
