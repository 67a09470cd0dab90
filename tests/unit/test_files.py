"""A reader finds the old file or the new one, never half of one, and never a leftover."""

import errno
import os
import stat
from pathlib import Path

import pytest

from retrato.files import append, atomic_path, locked_file, write_atomic


def test_writes_text_as_utf8_and_bytes_as_they_are(tmp_path: Path) -> None:
    assert write_atomic(tmp_path / "a.txt", "olá\n") == tmp_path / "a.txt"
    assert (tmp_path / "a.txt").read_bytes() == "olá\n".encode()
    write_atomic(tmp_path / "a.bin", b"\x00\r\n")
    assert (tmp_path / "a.bin").read_bytes() == b"\x00\r\n"


@pytest.mark.parametrize("stem", ["a" * 251, "😀" * 62, "\udcff" * 9])
def test_names_as_long_or_odd_as_the_file_system_takes(tmp_path: Path, stem: str) -> None:
    write_atomic(tmp_path / f"{stem}.txt", "x")
    assert os.listdir(tmp_path) == [f"{stem}.txt"]


def test_makes_missing_folders_and_replaces_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "a.json"
    write_atomic(path, "1")
    write_atomic(path, "2")
    assert path.read_text() == "2"
    assert os.listdir(path.parent) == ["a.json"]


def test_others_can_read_the_file(tmp_path: Path) -> None:
    assert stat.S_IMODE(write_atomic(tmp_path / "a", "x").stat().st_mode) == 0o644


@pytest.mark.parametrize("problem", [ValueError("no"), KeyboardInterrupt(), OSError(errno.ENOSPC, "disk full")])
def test_the_old_file_survives_whatever_happens_while_writing(tmp_path: Path, problem: BaseException) -> None:
    path = write_atomic(tmp_path / "a.png", "old")

    def write() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text("half of the n")
            raise problem

    with pytest.raises(type(problem)):
        write()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.png"]


@pytest.mark.parametrize("kind", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_says_what_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: int) -> None:
    path = write_atomic(tmp_path / "a", "old")

    def fails(_: int) -> None:
        raise OSError(kind, os.strerror(kind))

    with monkeypatch.context() as patched:
        patched.setattr("retrato.files.os.fsync", fails)
        with pytest.raises(OSError, match=f"{os.strerror(kind)}, 1,501 bytes are needed") as caught:
            write_atomic(path, "é" + "x" * 1499)
    assert (caught.value.errno, caught.value.filename) == (kind, str(path))
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]


def test_a_full_disk_says_what_a_line_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write

    def nearly_full(file: int, content: bytes) -> int:
        if len(content) < 5:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(file, content[:3])

    with (tmp_path / "a").open("ab", buffering=0) as file:
        append(file, "1,é\n")
        with monkeypatch.context() as patched:
            patched.setattr("retrato.files.os.write", nearly_full)
            with pytest.raises(OSError, match="No space left on device, 6 bytes are needed") as caught:
                append(file, "2,four")
        assert (tmp_path / "a").read_text(encoding="utf-8") == "1,é\n2,f"
    assert caught.value.filename == str(tmp_path / "a")


def test_a_reader_sees_nothing_until_all_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    with atomic_path(path) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".png"  # writers such as Pillow choose the format by it
        assert temporary.name.startswith(".")  # so that no listing shows it
        temporary.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"


def test_a_failed_rename_leaves_no_temporary_file(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    (folder / "full").mkdir(parents=True)
    with pytest.raises(OSError, match="a"):
        write_atomic(folder, "x")
    assert os.listdir(tmp_path) == ["a"]


def test_who_cannot_write_is_told_of_the_file_that_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(**_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / ".x-3k.tmp.json"))

    monkeypatch.setattr("retrato.files.tempfile.mkstemp", refused)
    with pytest.raises(PermissionError) as caught:
        write_atomic(tmp_path / "x.json", "x")
    assert caught.value.filename == str(tmp_path / "x.json")


def test_very_long_names_work(tmp_path: Path) -> None:
    path = write_atomic(tmp_path / ("n" * 240 + ".safetensors"), "x")
    assert path.read_text() == "x"


def test_a_lock_is_given_to_one_and_says_whose_it_is(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    path.write_text("4711 of a process that was killed")
    for _ in range(2):
        with locked_file(path) as nobody, locked_file(path) as other:
            assert nobody is None
            assert other == path.read_text() == str(os.getpid())
    with locked_file(path):
        path.write_bytes(b"")
        with locked_file(path) as unknown:
            assert unknown == "?"


def test_a_lock_is_free_again_whatever_happened_under_it(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), locked_file(tmp_path / "a"):
        raise KeyboardInterrupt
    with locked_file(tmp_path / "a") as other:
        assert other is None
