"""What Windows' Python lacks is not asked for. This is no test on Windows: the libraries beside retrato keep it all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import builtins, errno, fcntl, importlib, os, pkgutil, signal, socket, sys, types
from pathlib import Path

usual_import = builtins.__import__
UNIX = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}

def import_as_on_windows(name, globals=None, *rest, **named):
    if name in UNIX and (globals or {}).get("__name__", "").startswith("retrato"):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return usual_import(name, globals, *rest, **named)

builtins.__import__ = import_as_on_windows
for name in ("SIGHUP", "SIGKILL", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGQUIT"):
    delattr(signal, name)

import retrato
names = [each.name for each in pkgutil.walk_packages(retrato.__path__, "retrato.")]
for name in names:
    importlib.import_module(name)
print(len(names))

usual_open, usual_sync = os.open, os.fsync

def open_file(path, *rest, **named):
    if os.path.isdir(path):
        raise PermissionError(errno.EACCES, "Permission denied", path)
    return usual_open(path, *rest, **named)

def sync(handle):
    if fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
        raise OSError(errno.EBADF, "Bad file descriptor")
    usual_sync(handle)

os.open, os.fsync = open_file, sync
for name in ("O_DIRECTORY", "O_NONBLOCK", "sched_getaffinity", "sysconf"):
    delattr(os, name)

held = {}  # the opening that holds a file's bytes from a place on

def locking(handle, mode, count):
    place = os.fstat(handle).st_ino, os.lseek(handle, 0, os.SEEK_CUR), count
    assert place[1] > os.fstat(handle).st_size, "nobody else could read the number"
    if mode == "unlock":
        assert held.pop(place) == handle
    elif place in held:
        raise PermissionError(errno.EACCES, "Permission denied")
    else:
        held[place] = handle

sys.modules["msvcrt"] = types.SimpleNamespace(LK_NBLCK="lock", LK_UNLCK="unlock", locking=locking)

from retrato.errors import QueueError, TrainingError
from retrato.files import write_atomic
from retrato.jobs import worker_lock
from retrato.model.memory import available_memory
from retrato.server.api.sdapi_lists import _memory
from retrato.training.run_folder import locked
import torch

def refused(lock, *arguments):
    try:
        with lock(*arguments):
            return ""
    except (QueueError, TrainingError) as error:
        return str(error)

home = Path(sys.argv[1])
for _ in range(2):
    with locked(home / "run"), worker_lock(home):
        assert len(held) == 2
        assert refused(locked, home / "run").startswith(f"process {os.getpid()} is training in ")
        assert refused(worker_lock, home).startswith(f"process {os.getpid()} already works on the jobs in ")
    assert not held
assert write_atomic(home / "a", "x").read_text() == "x"
assert available_memory(torch.device("cpu")) > 0
assert 0 < _memory()["ram"]["used"] < _memory()["ram"]["total"]
print("done")
"""


@pytest.mark.slow
def test_every_module_works_without_what_only_unix_has(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = [sys.executable, "-c", CODE, str(tmp_path)]
    done = subprocess.run(run, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    count, said = done.stdout.split()
    assert int(count) > 150
    assert said == "done"
