"""Opens the SQLite file that the queue and the gallery share. Knows nothing of what is in its tables."""

import errno
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

FILE = "retrato.sqlite"
# What SQLite says of the disk, in the system's words.
FAULTS: Mapping[int, int] = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_IOERR: errno.EIO,
    sqlite3.SQLITE_READONLY: errno.EROFS,
}


def open_database(
    home: Path, schema: str, renew: Callable[[sqlite3.Connection], None] = lambda database: None
) -> sqlite3.Connection:
    """Gives a connection to `<home>/retrato.sqlite` in which the tables of `schema` exist; any thread may use it.

    `renew` is called with it first, and brings tables that an older program made up to date.

    Write-ahead logging: readers never wait, and what was committed survives a killed process. Rows have names. The
    caller sees to it that one thread at a time uses the connection. Raises OSError where the folder cannot be written,
    or the file is no database.
    """
    home.mkdir(parents=True, exist_ok=True)
    try:
        connection = sqlite3.connect(home / FILE, timeout=30, check_same_thread=False, isolation_level=None)
        connection.row_factory = sqlite3.Row
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "busy_timeout = 30000"):
            connection.execute(f"PRAGMA {pragma}")
        connection.executescript(schema)
        renew(connection)
    except sqlite3.DatabaseError as error:  # in words that name no file
        raise OSError(errno.EIO, f"{error}: it must be yours to write, and a database", str(home / FILE)) from None
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Holds one transaction: committed at the end, taken back where anything is raised.

    Raises OSError, with the file's name, where the disk is full, fails, or may only be read.
    """
    try:
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            yield
    except sqlite3.OperationalError as error:
        number = FAULTS.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
        if number is None:
            raise
        file = connection.execute("PRAGMA database_list").fetchone()[2]
        raise OSError(number, os.strerror(number), file) from error


def compact(connection: sqlite3.Connection) -> None:
    """Writes the file anew without what was deleted, and empties the log, so that no byte of it can be read there."""
    connection.execute("VACUUM")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
