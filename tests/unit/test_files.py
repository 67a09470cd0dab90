"""A reader finds the old file or the new one, never half of one, and never a leftover."""

import errno
import os
import re
import shlex
import stat
from pathlib import Path

import pytest

from retrato import files
from retrato.files import (
    append,
    atomic_path,
    existing,
    locked_file,
    quoted,
    read_text,
    visible,
    write_atomic,
    write_numbered,
)


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
    with pytest.raises(OSError, match="a") as caught:
        write_atomic(folder, "x")
    assert caught.value.filename == str(folder)
    assert os.listdir(tmp_path) == ["a"]


def scanned(monkeypatch: pytest.MonkeyPatch, times: int) -> list[float]:
    """Makes this system Windows with a virus scanner that holds a file for so many tries; gives the pauses made."""
    pauses: list[float] = []
    rename = Path.replace

    def held(self: Path, target: Path) -> Path:
        if len(pauses) < times:
            raise PermissionError(errno.EACCES, "Access is denied", str(self), None, str(target))
        return rename(self, target)

    monkeypatch.setattr(files, "WINDOWS", True)
    monkeypatch.setattr(files.time, "sleep", pauses.append)
    monkeypatch.setattr(Path, "replace", held)
    return pauses


def test_windows_renames_as_soon_as_nobody_holds_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses = scanned(monkeypatch, 3)
    assert write_atomic(tmp_path / "a", "x").read_text() == "x"
    assert len(pauses) == 3
    assert os.listdir(tmp_path) == ["a"]


def test_windows_gives_up_a_file_that_stays_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses = scanned(monkeypatch, 99)

    def cannot_be_removed(self: Path, missing_ok: bool = False) -> None:
        raise PermissionError(errno.EACCES, "in use", str(self))

    monkeypatch.setattr(Path, "unlink", cannot_be_removed)
    with pytest.raises(PermissionError, match="Access is denied") as caught:
        write_atomic(tmp_path / "a", "x")
    assert caught.value.filename == str(tmp_path / "a")
    assert sum(pauses) == pytest.approx(1.5)


def test_a_share_that_syncs_no_folders_is_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sync = os.fsync

    def only_files(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        sync(handle)

    monkeypatch.setattr("retrato.files.os.fsync", only_files)
    assert write_atomic(tmp_path / "a", "x").read_text() == "x"


@pytest.mark.parametrize("system", [os.name, "nt"])
def test_who_cannot_write_is_told_of_the_file_that_was_asked_for_at_once(
    system: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Windows `tempfile` would try 2 ** 31 names: there `os.access` says that all can write everywhere."""
    names, path = [], tmp_path / "x.json"

    def refused(name: str | Path, *_: int) -> int:
        names.append(str(name))
        if len(names) > 9:
            raise SystemExit("no end of it")
        raise PermissionError(errno.EACCES, "Permission denied", str(name))

    with monkeypatch.context() as patched:
        patched.setattr(os, "name", system)
        patched.setattr(os, "open", refused)
        with pytest.raises(PermissionError) as caught:
            write_atomic(path, "x")
    assert caught.value.filename == str(path)
    assert len(names) == 1


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


def test_what_a_mac_leaves_beside_files_is_not_there(tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt", "._a.txt", "a.bin", "deep/c.txt", "deep/._c.txt"):
        write_atomic(tmp_path / name, "x")
    assert visible(tmp_path, "*.txt") == [tmp_path / "a.txt", tmp_path / "b.txt"]
    assert visible(tmp_path, "**/*.txt") == [tmp_path / "a.txt", tmp_path / "b.txt", tmp_path / "deep" / "c.txt"]


@pytest.mark.parametrize(
    ("word", "is_windows", "expected"),
    [
        ("ana-1", False, "ana-1"),
        ("a portrait of ana-1, comic style", False, '"a portrait of ana-1, comic style"'),
        ("it's [ana | fox]", False, '"it\'s [ana | fox]"'),
        ("$5 `a` !", False, "'$5 `a` !'"),
        ("", False, '""'),
        ("C:\\ana\\a.txt", True, "C:\\ana\\a.txt"),
        ("C:\\Ana Maria\\a.txt", True, '"C:\\Ana Maria\\a.txt"'),
        ("C:\\a&b\\", True, '"C:\\a&b\\\\"'),
        ("a portrait of ana-1, $5", True, '"a portrait of ana-1, $5"'),
        ('a "b\\"', True, '"a \\"b\\\\\\""'),
    ],
)
def test_words_of_a_command_are_quoted_as_the_shell_takes_them(
    word: str, is_windows: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "WINDOWS", is_windows)
    assert quoted(word) == expected
    assert (taken_apart(quoted(word)) if is_windows else shlex.split(quoted(word))) == [word]


def taken_apart(line: str) -> list[str]:
    """Gives the words of a line as Microsoft's C library takes them from it."""
    words, word, is_inside = [], "", False
    for backslashes, letter in re.findall(r"(\\*)([^\\]|$)", line):
        word += backslashes[: len(backslashes) // 2] if letter == '"' else backslashes
        if letter == '"' and len(backslashes) % 2 == 0:
            is_inside = not is_inside
        elif letter == " " and not is_inside:
            words, word = [*words, word], ""
        else:
            word += letter
    return [*words, word]


def test_text_is_read_up_to_a_limit(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes("\ufeffolá\r\n".encode())
    assert read_text(path, 9) == "olá\r\n"
    with pytest.raises(ValueError, match="more than 8 bytes"):
        read_text(path, 8)
    path.write_bytes(b"\xff")
    with pytest.raises(ValueError, match="utf-8"):
        read_text(path, 8)
    with pytest.raises(FileNotFoundError):
        read_text(tmp_path / "absent.txt", 8)


def test_what_somebody_names_is_there_or_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").write_text("")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert existing("~/here") == existing(tmp_path / "here") == tmp_path / "here"
    for name in ("~/absent", "x" * 300, "~nobody-at-all/x", "zero\0byte"):
        assert existing(name) is None


def numbered(folder: Path, seed: int = 7) -> str:
    name = lambda number: f"{number:05d}-{seed}.png"
    return write_numbered(folder, name, re.compile(r"(\d{5,18})-"), b"x", is_noted=True).name


def test_no_number_is_given_twice(tmp_path: Path) -> None:
    """Also not after the last file is gone, nor where a kill left half of a name in the list."""
    assert [numbered(tmp_path / "a") for _ in range(2)] == ["00000-7.png", "00001-7.png"]
    for path in visible(tmp_path / "a", "*"):
        path.unlink()
    with (tmp_path / "a" / ".names").open("ab") as file:
        file.write(b"\n0000")
    assert numbered(tmp_path / "a") == "00002-7.png"
    (tmp_path / "a" / "00002-7.png").unlink()
    assert numbered(tmp_path / "a") == "00003-7.png"


def test_a_folder_that_notes_nothing_holds_its_files_alone(tmp_path: Path) -> None:
    file = write_numbered(tmp_path, "{:02d}.png".format, re.compile(r"(\d+)\."), b"x")
    assert list(tmp_path.iterdir()) == [file]


def test_two_that_write_at_once_have_their_own_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def other_first(path: Path, **_: object) -> None:
        monkeypatch.undo()
        path.write_bytes(b"somebody else's")
        raise FileExistsError

    monkeypatch.setattr(Path, "touch", other_first)
    assert numbered(tmp_path) == "00001-7.png"
    assert (tmp_path / "00000-7.png").read_bytes() == b"somebody else's"
