import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from retrato.model.lazy import LazyPackage, put_off


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package with a module inside, and an `__init__` that says when it runs."""
    folder = tmp_path / "someones_package"
    folder.mkdir()
    (folder / "inside.py").write_text("WORD = 'inside'\n")
    (folder / "__init__.py").write_text("from .inside import WORD\nimport builtins\nbuiltins.runs_of_init += 1\n")
    monkeypatch.setattr("builtins.runs_of_init", 0, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    yield "someones_package"
    for name in [name for name in sys.modules if name.startswith("someones_package")]:
        del sys.modules[name]


def runs() -> int:
    return import_module("builtins").runs_of_init  # type: ignore[attr-defined, no-any-return]


def test_a_module_inside_is_imported_without_the_init(package: str) -> None:
    put_off([package])
    assert import_module(f"{package}.inside").WORD == "inside"
    assert import_module(package).inside.WORD == "inside"
    assert runs() == 0


def test_any_other_name_runs_it_once_and_is_the_real_one(package: str) -> None:
    put_off([package])
    lazy, inside = sys.modules[package], import_module(f"{package}.inside")
    assert isinstance(lazy, LazyPackage)
    assert lazy.WORD == lazy.WORD == "inside"
    assert runs() == 1
    real = import_module(package)
    assert type(real) is type(sys)
    assert real.inside is inside
    with pytest.raises(AttributeError, match="has no attribute 'absent'"):
        _ = lazy.absent


def test_what_is_imported_or_not_installed_is_left_alone(package: str) -> None:
    real = import_module(package)
    put_off([package, "nobodys_package"])
    assert sys.modules[package] is real
    assert "nobodys_package" not in sys.modules
