"""What an evaluation has measured so far, on disk, so that one that was cut off goes on: a file beside each training.

Knows neither people nor models.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from pydantic import TypeAdapter
from torch import Tensor

from retrato.errors import SettingsError
from retrato.evaluation.measured import Measured
from retrato.files import write_atomic

FACTS, MEASURED = "facts.json", "measured.json"
_Kept = TypeAdapter(tuple[Measured, list[list[float]]])


def require_place(out: Path) -> None:
    """Makes the folder `out`; raises SettingsError where something else lies there, OSError where it cannot be."""
    out.mkdir(parents=True, exist_ok=True)
    if not (out / FACTS).exists() and any(out.iterdir()):
        raise SettingsError(f"{out} holds no evaluation that could go on: name a new folder with --out")


def begin(out: Path, facts: Mapping[str, object]) -> None:
    """Notes what the figures in `out` hang on; raises SettingsError where those there hang on something else."""
    file, wanted = out / FACTS, json.loads(json.dumps(facts))
    require_place(out)
    if not file.exists():
        write_atomic(file, json.dumps(wanted, indent=1) + "\n")
    elif (found := json.loads(file.read_text("utf-8"))) != wanted:
        other = next(name for name in {**found, **wanted} if found.get(name) != wanted.get(name))
        raise SettingsError(
            f"the evaluation in {out} has other {other.replace('_', ' ')}: name a new folder with --out"
        )


def keep(place: Path, measured: Measured, resampled: Tensor) -> tuple[Measured, Tensor]:
    """Writes what came of one training, with its bootstrap draws [draws, 3], and gives both."""
    write_atomic(place / MEASURED, _Kept.dump_json((measured, resampled.tolist())))
    return measured, resampled


def kept(place: Path) -> tuple[Measured, Tensor] | None:
    """Gives what came of a training; what lies there of one that was cut off is removed."""
    if not (place / MEASURED).exists():
        shutil.rmtree(place, ignore_errors=True)
        return None
    measured, resampled = _Kept.validate_json((place / MEASURED).read_bytes())
    return measured, torch.tensor(resampled)
