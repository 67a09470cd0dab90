"""Writes down where a run stands, and finds it again, so that a resumed run equals an uninterrupted one bit for bit.

A checkpoint is `<step>.safetensors` with everything in it and `<step>.json` with its sha256, each written whole or not
at all, the latter last: a checkpoint without a matching checksum does not count. Knows nothing of how steps are made.
"""

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save

from retrato.errors import TrainingError
from retrato.files import write_atomic
from retrato.training.optimizer import GOOD, State, is_finite
from retrato.training.run_folder import RunFolder

FORMAT = 2
KEPT = 3
LARGE = 100_000_000  # bytes; of checkpoints as large as a hypernetwork's one fewer is kept
# Field of the state -> its name in the file, which may be older than the field's.
_TENSORS = {"parameters": "vectors", "mean": "mean", "square": "square", "average": "average", "best": "best"}
# Fields that are mostly the very same as another, and then not in the file (in format 1 never).
_COPIES = {good: name for good, name in GOOD.items() if name in _TENSORS}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A state that was found again, the facts it was saved with, and the newer files that had to be passed over."""

    state: State
    facts: Mapping[str, Any]
    damaged: tuple[Path, ...]


def save_checkpoint(folder: Path, state: State, facts: Mapping[str, Any]) -> Path:
    """Writes `state` and `facts` (what must be the same to resume, as JSON) and drops all but the latest three.

    Of large ones it drops all but the latest two.
    Raises TrainingError for a state with numbers that are none; such a file is never written.
    """
    if not all(is_finite(getattr(state, name)) for name in (*_TENSORS, *_COPIES)):
        raise TrainingError(f"what was learned by step {state.step} holds numbers that are none: it was not saved")
    tensors = {
        f"{written}.{number}": each.contiguous().clone()
        for name, written in (_TENSORS | _apart(state)).items()
        for number, each in enumerate(getattr(state, name))
    }
    counts = {
        field.name: getattr(state, field.name)
        for field in dataclasses.fields(state)
        if field.name not in _TENSORS | _COPIES
    }
    # One entry only: the order of several is a matter of chance, and equal states should make equal files.
    content = save(tensors, {"retrato": json.dumps({"format": FORMAT, "counts": counts, "facts": facts})})
    file = write_atomic(folder / f"{state.step}.safetensors", content)
    manifest = {"format": FORMAT, "step": state.step, "sha256": hashlib.sha256(content).hexdigest(), "facts": facts}
    write_atomic(file.with_suffix(".json"), json.dumps(manifest, indent=1) + "\n")
    for step in _steps(folder)[KEPT if len(content) < LARGE else KEPT - 1 :]:
        (folder / f"{step}.json").unlink(missing_ok=True)
        (folder / f"{step}.safetensors").unlink(missing_ok=True)
    return file


def load_checkpoint(folder: Path) -> Checkpoint | None:
    """Gives the newest checkpoint that is whole, None where there never was one.

    Raises TrainingError where there are some but all are damaged.
    """
    damaged: list[Path] = []
    for step in _steps(folder):
        file = folder / f"{step}.safetensors"
        try:
            state, facts = _read(file)
        except (OSError, ValueError, KeyError, TypeError, SafetensorError):
            damaged.append(file)
            continue
        return Checkpoint(state, facts, tuple(damaged))
    if damaged:
        raise TrainingError(f"all checkpoints in {folder} are damaged: start the training anew, without --resume")
    return None


def last_good(folder: RunFolder) -> str:
    """Says where what was learned so far lies."""
    with contextlib.suppress(TrainingError):
        found = load_checkpoint(folder.checkpoints)
        if found is not None:
            file = folder.candidate(found.state.step)
            return f"the last good checkpoint is {file}, from where the run can be resumed"
    return "nothing had been saved yet"


def _read(file: Path) -> tuple[State, Mapping[str, Any]]:
    """Reads one checkpoint; raises ValueError and others for anything that is not as it was written."""
    content = file.read_bytes()
    manifest = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
    if hashlib.sha256(content).hexdigest() != manifest["sha256"]:
        raise ValueError("the checksum does not match")
    length = int.from_bytes(content[:8], "little")
    said = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["retrato"])
    if said["format"] not in (1, FORMAT):
        raise ValueError(f"format {said['format']} is not known")
    found = load(content)
    count = sum(name.startswith("vectors.") for name in found)
    fields: dict[str, Any] = said["counts"]
    fields.setdefault("good_updates", fields["updates"])
    fields["evaluations"] = tuple((int(step), float(loss)) for step, loss in fields["evaluations"])
    fields["saved"] = tuple(fields["saved"])
    for name, written in _TENSORS.items():
        fields[name] = tuple(found[f"{written}.{number}"] for number in range(count))
    for name, same in _COPIES.items():
        is_apart = f"{name}.0" in found
        fields[name] = tuple(found[f"{name}.{number}"] for number in range(count)) if is_apart else fields[same]
    return State(**fields), said["facts"]


def _apart(state: State) -> dict[str, str]:
    """Gives the fields of `_COPIES` that differ from what they are mostly the same as, with their names in the file."""
    return {name: name for name, same in _COPIES.items() if getattr(state, name) is not getattr(state, same)}


def _steps(folder: Path) -> list[int]:
    """Gives the steps of the checkpoints that have a manifest, the newest first."""
    return sorted((int(path.stem) for path in folder.glob("*.json") if path.stem.isdecimal()), reverse=True)
