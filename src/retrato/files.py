"""Writes files so that a reader finds the old one or the new one, never half of one, locks them, says their names.

Knows nothing of what is in them.
"""

import contextlib
import errno
import importlib
import io
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

FULL = (errno.ENOSPC, errno.EDQUOT)


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Gives a temporary path in the same folder; on success it is synced and renamed to `path`.

    On any exception (disk full, Ctrl-C) the temporary file is removed and an older `path` stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    stem = path.stem.encode("utf-8", "ignore")[:100].decode("utf-8", "ignore")  # names end at 255 bytes, not letters
    try:
        handle, name = tempfile.mkstemp(prefix=f".{stem}-", suffix=f".tmp{path.suffix}", dir=path.parent)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None  # nobody asked for the temporary one
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("r+b") as written:  # Windows syncs only what may be written
            os.fsync(written.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
        if hasattr(os, "O_DIRECTORY"):  # Windows opens no folders
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomic(path: Path, content: bytes | str) -> Path:
    """Writes `content` (text as UTF-8) to `path` atomically and gives `path` back.

    Where the disk is full the OSError says how many bytes are needed.
    """
    content = content.encode() if isinstance(content, str) else content
    with _needing(len(content), path), atomic_path(path) as temporary:
        temporary.write_bytes(content)
    return path


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
