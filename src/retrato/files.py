"""Writes files so that a reader finds the old one or the new one, never half of one, reads, locks and names them.

Knows nothing of what is in them, and of systems what concerns files and the words of a command.
"""

import contextlib
import errno
import importlib
import io
import os
import re
import secrets
import shlex
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

WINDOWS = os.name == "nt"
FULL = (errno.ENOSPC, errno.EDQUOT)
NAMES = ".names"  # in a folder of numbered files: the names that are never given again
PAUSES = (0.05, 0.1, 0.2, 0.4, 0.75)  # seconds between tries to rename on Windows


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Gives a temporary path in the same folder; on success it is synced and renamed to `path`.

    On any exception (disk full, Ctrl-C) the temporary file is removed and an older `path` stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_file(path)
    try:
        yield temporary
        with temporary.open("r+b") as written:  # Windows syncs only what may be written
            os.fsync(written.fileno())
        temporary.chmod(0o644)
        _rename(temporary, path)
        _sync_folder(path.parent)
    finally:
        with contextlib.suppress(OSError):  # what went wrong before is what is told
            temporary.unlink(missing_ok=True)


def temporary_file(path: Path) -> Path:
    """Makes an empty hidden file beside `path`, with its ending, and gives where; an OSError names `path` itself.

    Not by `tempfile`, which on Windows takes a folder where nothing may be written for a name that is taken, and up to
    Python 3.12 tries 2 ** 31 others (cpython issue 66305).
    """
    stem = path.stem.encode("utf-8", "ignore")[:100].decode("utf-8", "ignore")  # names end at 255 bytes, not letters
    temporary = path.parent / f".{stem}-{secrets.token_hex(8)}.tmp{path.suffix}"
    try:
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None  # nobody asked for the temporary one
    return temporary


def _rename(temporary: Path, path: Path) -> None:
    """Renames to `path`; on Windows again and again where a virus scanner or an indexer holds a file for a moment."""
    for pause in PAUSES if WINDOWS else ():
        try:
            temporary.replace(path)
        except PermissionError:
            time.sleep(pause)
        else:
            return
    try:
        temporary.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


def _sync_folder(folder: Path) -> None:
    """Makes the names in a folder last, where the system can: Windows opens no folders, many a share syncs none."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # the file itself is written
            os.fsync(handle)
    finally:
        os.close(handle)


def write_atomic(path: Path, content: bytes | str) -> Path:
    """Writes `content` (text as UTF-8) to `path` atomically and gives `path` back.

    Where the disk is full the OSError says how many bytes are needed.
    """
    content = content.encode() if isinstance(content, str) else content
    with _needing(len(content), path), atomic_path(path) as temporary:
        temporary.write_bytes(content)
    return path


def write_numbered(
    folder: Path, name: Callable[[int], str], counted: re.Pattern[str], content: bytes, *, is_noted: bool = False
) -> Path:
    """Writes `content` atomically into `folder` as `name(number)`, gives its path; of two processes each gets its own.

    The number is one more than the largest that `counted` finds in names there, and in those that were noted: with
    `is_noted` the name is never given again, as who still knows it would take another file for this one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    given = folder / NAMES
    names = [entry.name for entry in folder.iterdir()]
    if NAMES in names:
        names += given.read_text(encoding="utf-8", errors="replace").split("\n")
    number = max((int(found[1]) for each in names if (found := counted.match(each))), default=-1)
    while True:
        number += 1
        path = folder / name(number)
        with contextlib.suppress(FileExistsError):
            path.touch(exist_ok=False)
            break
    with contextlib.ExitStack() as undo:
        undo.callback(path.unlink, missing_ok=True)
        write_atomic(path, content)
        if is_noted:
            with given.open("ab", buffering=0) as file:
                append(file, f"\n{path.name}")  # in front: what a full disk has cut off spoils no other name
        undo.pop_all()
    return path


def read_text(path: Path, most: int) -> str:
    """Gives the text of a UTF-8 file, a byte-order mark left out.

    Raises OSError where it cannot be opened, ValueError where it is not UTF-8 or has more than `most` bytes.
    """
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"it has more than {most} bytes")
    return content.decode("utf-8-sig")


def fault(error: OSError) -> str:
    """Gives what the system said about a file, in one sentence that names it."""
    return f"{error.filename or 'a file'}: {error.strerror or error}"


def existing(name: Path | str) -> Path | None:
    """Gives the path that somebody named, `~` written out, None where nothing is there or nothing can be called so."""
    try:
        path = Path(name).expanduser()
        return path if path.exists() else None
    except (OSError, RuntimeError, ValueError):  # longer than any name can be, the home of nobody, a zero byte
        return None


def append(file: io.FileIO, text: str) -> None:
    """Writes `text` as UTF-8 at the end of an open file; where the disk is full, fails as `write_atomic` does."""
    content = text.encode()
    with _needing(len(content), Path(str(file.name))):
        while content:
            content = content[os.write(file.fileno(), content) :]


@contextlib.contextmanager
def _needing(size: int, path: Path) -> Iterator[None]:
    """Lets a full disk say that `path` needs `size` bytes."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise OSError(error.errno, f"{error.strerror}, {size:,} bytes are needed", str(path)) from error


@contextlib.contextmanager
def locked_file(path: Path) -> Iterator[str | None]:
    """Locks `path` while open and gives None; where it is locked already, gives at once the number of that process.

    The number is what the file says, "?" where it says none. The lock belongs to the open file, so it ends with the
    process, however that ends; the file stays, and whoever comes next takes it over.
    """
    with path.open("a+b", buffering=0) as file:
        is_mine = False
        with contextlib.suppress(BlockingIOError, PermissionError):  # of Unix, of Windows
            _lock(file)
            is_mine = True
        if not is_mine:
            file.seek(0)
            yield file.read().decode(errors="replace").strip() or "?"
            return
        try:
            file.truncate(0)
            file.write(str(os.getpid()).encode())
            yield None
        finally:
            _lock(file, frees=True)


def _lock(file: IO[bytes], *, frees: bool = False) -> None:
    """Locks an open file, or frees it; raises OSError at once where it is locked through another opening."""
    try:
        import fcntl
    except ImportError:  # Windows, where nobody else can read locked bytes: one far behind the number stands for all
        msvcrt: Any = importlib.import_module("msvcrt")
        file.seek(1 << 30)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK if frees else msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(file, fcntl.LOCK_UN if frees else fcntl.LOCK_EX | fcntl.LOCK_NB)


def printable(name: Path | str, longest: int = 120) -> str:
    """Gives a file's name fit for a one-line message: control characters escaped, very long ones cut in the middle."""
    text = str(name).encode("utf-8", "backslashreplace").decode()
    text = "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)
    return text if len(text) <= longest else f"{text[: longest // 2]}…{text[-longest // 2 + 1 :]}"


def visible(folder: Path, pattern: str) -> list[Path]:
    """Gives what a glob finds in `folder`, by name, without what is hidden by a dot.

    Macs leave `._name` beside a file on disks and shares that are not theirs (exFAT, SMB): what is in it is theirs too.
    """
    return sorted(path for path in folder.glob(pattern) if not path.name.startswith("."))


def quoted(word: str) -> str:
    """Gives a word of a command as this system's shell takes it, in double quotes where it needs any and they will do.

    All shells know these; to Windows' own, single ones are letters like others.
    """
    if re.fullmatch(r"[\w+:./\\-]+" if WINDOWS else r"[\w+:./-]+", word, re.ASCII):
        return word
    if WINDOWS:  # where programs take their line apart: a backslash is itself, unless a quote follows
        word = re.sub(r'(\\*)"', r'\1\1\\"', word)
        return '"' + re.sub(r"(\\+)\Z", r"\1\1", word) + '"'
    return shlex.quote(word) if re.search(r'["$`!\\]', word) else f'"{word}"'
