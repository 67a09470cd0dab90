"""`retrato doctor`: looks at machine, device, torch, models and disk, and says the one thing to do about each fault."""

import importlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import typer

from retrato.cli.options import Device, Dtype, Json, Model
from retrato.cli.screen import Screen
from retrato.errors import RetratoError
from retrato.studio import Studio, home_folder

NEEDED_DISK = 2_000_000_000
NEEDED_MEMORY = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at: whether it is well, what was found, and what to do if not."""

    name: str
    ok: bool
    found: str
    fix: str = ""


def doctor(model: Model = "mini", device: Device = "auto", dtype: Dtype = "auto", json: Json = False) -> None:
    """Looks at everything that can keep retrato from working; exit code 1 where something does."""
    screen = Screen(json)
    checks: list[Check] = []
    for look in LOOKS:
        for check in look(model, device, dtype):
            checks.append(check)
            screen.say(f"{'ok  ' if check.ok else 'BAD '} {check.name}: {check.found}")
            if check.fix:
                screen.say(f"     {'do' if not check.ok else 'note'}: {check.fix}")
    screen.finish({"checks": checks})
    if not all(check.ok for check in checks):
        raise typer.Exit(1)


def _python(*_: str) -> Iterator[Check]:
    found = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    fix = "" if sys.version_info >= (3, 11) else "install Python 3.11 or newer, and retrato with it"
    yield Check("machine", not fix, found, fix)


def _packages(*_: str) -> Iterator[Check]:
    """Imports each library: one that is installed but broken is a frequent fault."""
    names = ("torch", "diffusers", "transformers", "safetensors", "fastapi")
    found, broken = [], []
    for name in names:
        try:
            importlib.import_module(name)
            found.append(f"{name} {version(name)}")
        except (ImportError, OSError, PackageNotFoundError) as error:
            broken.append(f"{name} ({str(error).splitlines()[0][:120]})")
    if broken:
        yield Check(
            "libraries", False, f"cannot be loaded: {', '.join(broken)}", "pip install --force-reinstall retrato"
        )
    else:
        yield Check("libraries", True, ", ".join(found))


def _device(model: str, device: str, dtype: str) -> Iterator[Check]:
    """Compares the GPU that the system shows with the one that torch can use."""
    from retrato.model.device import choose_device

    try:
        choice = choose_device(device, dtype)
    except RetratoError as error:
        yield Check("device", False, str(error), "leave --device out, or name one that is there")
        return
    found = f"{choice.device}, {str(choice.dtype).removeprefix('torch.')}: {choice.reason}"
    fix = gpu_fix(_shows_gpu("nvidia-smi", "-L"), _shows_gpu("rocminfo"), device, choice.device.type)
    yield Check("device", not fix, found, fix)


def gpu_fix(has_nvidia: bool, has_amd: bool, asked: str, chosen: str) -> str:
    """Gives the command that makes a GPU usable which torch does not see, nothing where all is well."""
    if chosen != "cpu" or asked not in ("auto", "cuda"):
        return ""
    index = "pip install --force-reinstall torch --index-url https://download.pytorch.org/whl"
    if has_nvidia:
        return f"this torch has no support for the NVIDIA GPU that is there: {index}/cu128"
    return f"this torch has no support for the AMD GPU that is there: {index}/rocm6.4" if has_amd else ""


def _shows_gpu(*command: str) -> bool:
    path = shutil.which(command[0])
    if path is None:
        return False
    try:
        done = subprocess.run([path, *command[1:]], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and ("GPU" in done.stdout)


def _memory(*_: str) -> Iterator[Check]:
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0
    fix = "" if not total or total >= NEEDED_MEMORY else "2 GB are needed for retrato-mini, 16 for Stable Diffusion 1.5"
    yield Check("memory", not fix, f"{total / 1e9:.1f} GB", fix)


def _disk(*_: str) -> Iterator[Check]:
    """Writes a file where everything will go."""
    home = home_folder()
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home) as file:
            file.write(b"retrato")
    except OSError as error:
        fix = "set RETRATO_HOME to a folder of yours"
        yield Check("home folder", False, f"{home} cannot be written ({error.strerror})", fix)
        return
    free = shutil.disk_usage(home).free
    fix = "" if free >= NEEDED_DISK else f"make {NEEDED_DISK // 10**9} GB free, or set RETRATO_HOME to another disk"
    yield Check("home folder", not fix, f"{home}, {free / 1e9:.1f} GB free", fix)


def _model(model: str, device: str, dtype: str) -> Iterator[Check]:
    """Draws one small step: the whole way from the words to the picture."""
    from retrato.settings import GenerateSettings

    try:
        studio = Studio.open(model, device=device, dtype=dtype)
        (image,) = studio.draw(GenerateSettings(prompt="a person", steps=1, seed=1))
        people = studio.library
    except RetratoError as error:
        yield Check("model", False, str(error), "name another --model; `--model mini` is always there")
        return
    parts = [part for part in ("scorer", "captioner") if getattr(studio, part) is not None]
    brings = f", with {' and '.join(parts)}" if parts else ", without scorer and captioner"
    yield Check("model", True, f"{studio.components.name} draws {image.image.width}x{image.image.height}{brings}")
    skipped = [str(reason) for reason in people.skipped.values()]
    note = f"not for this model: {'; '.join(skipped[:3])}" if skipped else ""
    yield Check("people", True, f"{len(people)} in {people.folder}", note)


def _server(*_: str) -> Iterator[Check]:
    """Opens the database as the server would."""
    import sqlite3

    try:
        with sqlite3.connect(":memory:") as database:
            database.execute("CREATE VIRTUAL TABLE words USING fts5 (text)")
    except sqlite3.OperationalError:
        fix = "use a Python whose SQLite has FTS5, such as python.org's"
        yield Check("database", False, f"SQLite {sqlite3.sqlite_version} without full-text search", fix)
        return
    file = Path(home_folder()) / "retrato.sqlite"
    size = f"{file.stat().st_size / 1e6:.1f} MB" if file.is_file() else "not begun yet"
    yield Check("database", True, f"SQLite {sqlite3.sqlite_version}, {size}")


LOOKS: tuple[Callable[[str, str, str], Iterator[Check]], ...] = (
    _python,
    _packages,
    _memory,
    _disk,
    _device,
    _model,
    _server,
)
