"""Where the files of a run lie: `textual_inversion/<date>/<name>/` as in A1111, and that only one run writes there.

    embeddings/<name>-<step>.safetensors    candidates; hypernetworks/ where those are learned
    image_embeddings/<name>-<step>.png      previews as picture cards, where they are asked for
    images/<name>-<step>.png                previews, and the pictures candidates were compared by
    textual_inversion_loss.csv              one row per step; hypernetwork_loss.csv
    settings-<date and time>.json           everything the run was started with
    checkpoints/                            what resuming needs
    <name>.safetensors, run.json            the picked one, and what there is to say about the run

Knows nothing of what is learned.
"""

import contextlib
import csv
import io
import itertools
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from retrato.embeddings.embedding import name_key
from retrato.errors import SettingsError, TrainingError
from retrato.files import locked_file, write_atomic
from retrato.settings import HypernetworkSettings, LearnSettings

Kind = Literal["embeddings", "hypernetworks"]
LOSS_LOGS = MappingProxyType({"embeddings": "textual_inversion_loss.csv", "hypernetworks": "hypernetwork_loss.csv"})
LOCK = ".lock"
RUNS = "textual_inversion"  # the folder of all runs, in the home folder
COLUMNS = ("step", "epoch", "epoch_step", "loss", "learn_rate", "held_out_loss")


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The paths of one run."""

    path: Path
    name: str
    kind: Kind = "embeddings"

    @property
    def images(self) -> Path:
        """Gives the folder of previews and comparison pictures."""
        return self.path / "images"

    @property
    def checkpoints(self) -> Path:
        """Gives the folder of what resuming needs."""
        return self.path / "checkpoints"

    @property
    def loss_log(self) -> Path:
        """Gives the file with one row per step."""
        return self.path / LOSS_LOGS[self.kind]

    @property
    def summary(self) -> Path:
        """Gives the file that says all about the finished run."""
        return self.path / "run.json"

    @property
    def times(self) -> Path:
        """Gives the file with the seconds spent so far, also before the run was taken up again."""
        return self.path / "times.json"

    @property
    def picked(self) -> Path:
        """Gives the file of what to use."""
        return self.path / f"{self.name}.safetensors"

    def candidate(self, step: int, kind: str = "") -> Path:
        """Gives the file of a candidate; `kind` tells an average from what was learned by the same step."""
        return self.path / self.kind / f"{self.name}-{step}{kind}.safetensors"

    def require(self) -> None:
        """Raises TrainingError where the folder was deleted since the run began: half a run is not to be made anew."""
        if not (self.path / LOCK).exists():
            raise TrainingError(f"{self.path} was deleted while the training was at work in it: start it anew")

    def candidates(self) -> list[Path]:
        """Gives the files of all candidates that are there."""
        return sorted(self.path.glob(f"{self.kind}/*.safetensors"))


def kind_of(settings: LearnSettings) -> Kind:
    """Gives what `settings` learn, as the folder that it is kept in."""
    return "hypernetworks" if isinstance(settings, HypernetworkSettings) else "embeddings"


def choose_run_folder(
    root: Path, name: str, *, kind: Kind = "embeddings", resume: bool = False, today: date | None = None
) -> Path:
    """Gives the folder for a run of `name` under `root`, the `textual_inversion` folder; makes nothing.

    A new run takes `<date>/<name>`, or `<date>/<name>-2` and so on where that holds an earlier run. To resume is to
    take the latest run that has something to resume. Raises TrainingError where there is none, or where another process
    is at work on this name.
    """
    if resume:
        other = "embeddings" if kind == "hypernetworks" else "hypernetworks"
        runs = [path for path in root.glob("*/*") if is_run_of(path, name) and not (path / other).is_dir()]
        found = [path for path in runs if any(path.glob("checkpoints/*.json"))]
        if not found:
            raise TrainingError(f"no run of {name} under {root} can be resumed: start it without --resume")
        return max(found, key=lambda path: max(file.stat().st_mtime_ns for file in path.glob("checkpoints/*.json")))
    for lock in root.glob(f"*/*/{LOCK}"):
        if name_key(lock.parent.name) == name_key(name):  # one that was begun before midnight may still be at work
            with locked(lock.parent):
                pass
    day = root / (today or date.today()).isoformat()
    for number in itertools.count(1):
        folder = day / (name if number == 1 else f"{name}-{number}")
        if not folder.exists():
            return folder
        with locked(folder):  # says so if somebody is at work in it
            pass
    raise AssertionError("unreachable: the count has no end")


def named_run_folder(folder: Path, *, resume: bool = False) -> Path:
    """Gives the folder that somebody named for a run; SettingsError where there can be none, or none to resume."""
    standing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not standing.is_dir() or not os.access(standing, os.W_OK):
        raise SettingsError(f"{folder} cannot be made, {standing} is no folder to write to: name another one")
    if resume and not any(folder.glob("checkpoints/*.json")):
        raise SettingsError(f"{folder} holds no run that can be resumed: start it without --resume")
    # A run clears away temporary files of its own, so it gets a folder where there are no others'.
    if not resume and folder.is_dir() and any(path.name != LOCK for path in folder.iterdir()):
        raise SettingsError(f"{folder} is not empty: name a new folder, or add --resume to go on with the run in it")
    return folder


def has_run(root: Path, name: str) -> bool:
    """Says whether under `root` there is a run of the embedding `name` that can be resumed."""
    try:
        choose_run_folder(root, name, resume=True)
    except TrainingError:
        return False
    return True


def is_run_of(folder: Path, name: str) -> bool:
    """Says whether a run of `name` lies in `folder`: `ana-2` is the second of `ana`, or the first of `ana-2`.

    `Ana` is the same name, as it is for prompts.
    """
    wanted, found = name_key(name), name_key(folder.name)
    tail = found.removeprefix(wanted)
    if not found.startswith(wanted) or (tail and not (tail.startswith("-") and tail[1:].isdecimal())):
        return False
    for written in folder.glob("settings-*.json"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            return name_key(json.loads(written.read_text(encoding="utf-8"))["settings"]["name"]) == wanted
    return True


def photos_of_run(folder: Path) -> list[Path]:
    """Gives the photos that the run in `folder` learned from, as it wrote them down; none where that cannot be read."""
    for written in folder.glob("settings-*.json"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            return [folder / photo["file"] for photo in json.loads(written.read_text(encoding="utf-8"))["photos"]]
    return []


def captions_of_run(folder: Path) -> dict[str, str]:
    """Gives what the latest start of the run in `folder` told of each photo, by the photo's name; may be nothing."""
    for written in sorted(folder.glob("settings-*.json"), reverse=True):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            photos = json.loads(written.read_text(encoding="utf-8"))["photos"]
            return {Path(photo["file"]).name: str(photo["caption"]) for photo in photos}
    return {}


def seen_from(folder: Path, file: Path) -> str:
    """Gives where `file` lies as the run in `folder` writes it down; `folder / it` is the file again.

    What lies in the home folder that the run lies in is named from `folder` on, so that the two may be moved together.
    """
    run, there = folder.resolve(), file.resolve()
    in_home = len(run.parents) > 2 and run.parents[1].name == RUNS and there.is_relative_to(run.parents[2])
    return Path(os.path.relpath(there, run)).as_posix() if in_home else str(file.absolute())


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keeps other trainings out of `folder` while open; raises TrainingError at once where another one is at work.

    The lock ends with the process, however that ends.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with locked_file(folder / LOCK) as other:
        if other:
            raise TrainingError(f"process {other} is training in {folder}: wait for its end, or take another name")
        for left_behind in folder.rglob(".*.tmp*"):  # by a process that was killed while writing
            left_behind.unlink()
        yield


@contextlib.contextmanager
def open_loss_log(path: Path, after_step: int) -> Iterator[io.FileIO]:
    """Opens the log for rows after `after_step`; what an interrupted run wrote beyond that, or half, is dropped."""
    rows: list[list[str]] = []
    if path.exists():
        lines = path.read_text(encoding="utf-8").rpartition("\n")[0].splitlines()
        rows = [row for row in csv.reader(lines) if row and row[0].isdecimal() and int(row[0]) <= after_step]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([COLUMNS, *rows])
    write_atomic(path, text.getvalue())
    with path.open("ab", buffering=0) as file:
        yield file
