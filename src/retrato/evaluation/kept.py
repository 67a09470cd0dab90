"""What an evaluation has measured so far, on disk, so that one that was cut off goes on: files beside each training.

Knows neither people nor models.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from pydantic import TypeAdapter
from torch import Tensor

from retrato.errors import SettingsError
from retrato.evaluation.measured import Measured
from retrato.files import write_atomic

FACTS, MEASURED, CLOCK = "facts.json", "measured.json", "clock.json"
_Kept = TypeAdapter(tuple[Measured, list[list[float]]])


def begin(out: Path, facts: Mapping[str, object]) -> None:
    """Notes what the figures in `out` hang on.

    Raises SettingsError where those in it hang on something else, or it holds no evaluation, OSError where it cannot be
    made.
    """
    file, wanted = out / FACTS, json.loads(json.dumps(facts))
    out.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        if any(out.iterdir()):
            raise SettingsError(f"{out} holds no evaluation that could go on: name a new folder with --out")
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
    """Gives what came of a training, None while it was not measured."""
    if not (place / MEASURED).exists():
        return None
    measured, resampled = _Kept.validate_json((place / MEASURED).read_bytes())
    return measured, torch.tensor(resampled)


def keep_clock(place: Path, seconds_at: Mapping[int, float]) -> None:
    """Notes how many seconds of training each step had taken, which a training that goes on adds to."""
    write_atomic(place / CLOCK, json.dumps(seconds_at) + "\n")


def kept_clock(place: Path) -> dict[int, float]:
    """Gives the seconds of training until each step that was noted; nothing where none was."""
    if not (place / CLOCK).exists():
        return {}
    return {int(step): float(seconds) for step, seconds in json.loads((place / CLOCK).read_text("utf-8")).items()}
