import weakref
from collections.abc import Callable
from pathlib import Path

import pytest

from retrato.errors import HypernetworkError
from retrato.hypernetworks import Hypernetwork, HypernetworkLibrary, write_hypernetwork

Make = Callable[..., Hypernetwork]


def test_finds_files_of_both_kinds_in_subfolders_by_name(make: Make, tmp_path: Path) -> None:
    write_hypernetwork(make("ana"), tmp_path / "ana.safetensors")
    write_hypernetwork(make("Bob"), tmp_path / "people" / "Bob.pt", "a1111-pt")
    write_hypernetwork(make("x"), tmp_path / "None.pt", "a1111-pt")
    (tmp_path / "ana.pt.optim").touch()
    (tmp_path / ".hidden.pt").touch()
    library = HypernetworkLibrary(tmp_path)
    assert library.names == list(library) == ["Bob", "ana"]
    assert len(library) == 2
    assert "BOB" in library
    assert library["bob"].sizes == (8, 12)
    assert library["ana"] is library["ana"]


def test_a_changed_file_is_read_anew(make: Make, tmp_path: Path) -> None:
    library = HypernetworkLibrary(tmp_path)
    library.add(make("ana", step=1))
    assert library["ana"].step == 1
    library.add(make("ana", step=2), overwrite=True)
    assert library["ana"].step == 2


def test_only_the_last_three_that_were_used_stay_in_memory(make: Make, tmp_path: Path) -> None:
    library = HypernetworkLibrary(tmp_path)
    for name in ("ana", "bob", "cid", "dan"):
        library.add(make(name))
    ana, bob = weakref.ref(library["ana"]), weakref.ref(library["bob"])
    cid = weakref.ref(library["cid"])
    assert library["ana"] is ana()
    assert library["dan"].name == "dan"
    assert bob() is None
    assert library["bob"].name == "bob"
    assert cid() is None
    (tmp_path / "ana.safetensors").unlink()
    assert "ana" not in library
    assert ana() is None


def test_a_name_is_taken_once(make: Make, tmp_path: Path) -> None:
    library = HypernetworkLibrary(tmp_path)
    write_hypernetwork(make("ana"), tmp_path / "ana.pt", "a1111-pt")
    with pytest.raises(HypernetworkError, match="the name Ana is taken"):
        library.add(make("Ana"))
    library.add(make("Ana"), overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["Ana.safetensors"]


def test_removing_takes_the_file(make: Make, tmp_path: Path) -> None:
    library = HypernetworkLibrary(tmp_path)
    file = library.add(make("ana"))
    assert library.remove("ana") == file
    assert not file.exists()
    assert "ana" not in library
    with pytest.raises(HypernetworkError, match=r"no hypernetwork called 'ana' in .*: there are none yet"):
        library.remove("ana")


def test_a_missing_one_is_answered_with_the_nearest(make: Make, tmp_path: Path) -> None:
    library = HypernetworkLibrary(tmp_path)
    library.add(make("anabel"))
    with pytest.raises(HypernetworkError, match="did you mean anabel"):
        library["anabell"]


def test_a_link_out_of_the_folder_does_not_count(make: Make, tmp_path: Path) -> None:
    outside = write_hypernetwork(make("ana"), tmp_path / "outside" / "ana.safetensors")
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "ana.safetensors").symlink_to(outside)
    assert HypernetworkLibrary(inside).names == []


def test_a_broken_file_harms_nobody_else(make: Make, tmp_path: Path) -> None:
    library = HypernetworkLibrary(tmp_path)
    library.add(make("ana"))
    (tmp_path / "bad.pt").write_bytes(b"nonsense")
    assert library.names == ["ana", "bad"]
    assert library["ana"].name == "ana"
    with pytest.raises(HypernetworkError, match=r"bad\.pt cannot be used"):
        library["bad"]


def test_a_name_is_the_same_however_its_letters_are_composed(make: Make, tmp_path: Path) -> None:
    finder, keyboard = "joa\u0303o", "jo\u00e3o"
    write_hypernetwork(make(keyboard), tmp_path / f"{finder}.safetensors")
    library = HypernetworkLibrary(tmp_path)
    assert keyboard in library
    assert finder.upper() in library
    library.add(make(keyboard), overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == [f"{keyboard}.safetensors"]
