"""What a finished run left in its folder, read back as one value. Knows nothing of how it is shown."""

import csv
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retrato.errors import TrainingError
from retrato.training.events import Candidate


@dataclass(frozen=True, slots=True)
class RunPhoto:
    """A photo of the run, what was said about it, and whether it was kept out of training."""

    file: Path
    caption: str
    held_out: bool


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A finished run: the facts of `run.json` and the losses of its CSV file.

    `picked` is one of `candidates`. `evaluations` and `losses` are (step, loss); `times` are seconds by phase;
    `class_pictures[i]` was drawn with the class word where `picked.pictures[i]` was drawn with the person, from
    `pick_prompts[i mod P]`. `settings` and `plan` are what the run was started with. `words` and `tag` are how the
    person is asked for, see `prompt`; `numbers` counts what was learned.
    """

    folder: Path
    name: str
    file: Path
    vectors: int
    dim: int
    picked: Candidate
    pick_reason: str
    stop_reason: str
    steps_run: int
    samples: int
    skipped_steps: int
    times: Mapping[str, float]
    candidates: tuple[Candidate, ...]
    evaluations: tuple[tuple[int, float], ...]
    losses: tuple[tuple[int, float], ...]
    class_pictures: tuple[Path, ...]
    pick_prompts: tuple[str, ...]
    photos: tuple[RunPhoto, ...]
    model: Mapping[str, str]
    settings: Mapping[str, Any]
    plan: Mapping[str, Any]
    words: str
    tag: str = ""
    is_hypernetwork: bool = False
    numbers: int = 0

    def prompt(self, template: str) -> str:
        """Gives `template` with the person in place of [name]."""
        return template.replace("[name]", self.words) + self.tag

    @property
    def is_scored(self) -> bool:
        """Whether candidates were compared by the pictures drawn with them."""
        return bool(self.picked.scores)

    @property
    def held_out(self) -> int:
        """Gives the number of photos that were kept out of training."""
        return sum(photo.held_out for photo in self.photos)

    def preview(self, step: int) -> Path | None:
        """Gives the preview drawn at `step`, if there is one."""
        file = self.folder / "images" / f"{self.name}-{step}.png"
        return file if file.exists() else None


def read_record(run_folder: Path) -> RunRecord:
    """Gives the record of the finished run in `run_folder`; raises TrainingError where there is none."""
    summary = run_folder / "run.json"
    try:
        said = json.loads(summary.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError(
            f"{summary} cannot be read ({type(error).__name__}): a report needs a run that was finished"
        ) from None
    candidates = tuple(_candidate(one, run_folder) for one in said["candidates"])
    chosen = (said["picked_step"], said["picked_is_average"])
    return RunRecord(
        folder=run_folder,
        name=said["name"],
        file=Path(said["file"]),
        vectors=said["vectors"],
        dim=said["dim"],
        picked=next(one for one in candidates if (one.step, one.is_average) == chosen),
        pick_reason=said["pick_reason"],
        stop_reason=said["stop_reason"],
        steps_run=said["steps_run"],
        samples=said["samples"],
        skipped_steps=said["skipped_steps"],
        times=said["times"],
        candidates=candidates,
        evaluations=tuple((one["step"], one["loss"]) for one in said["evaluations"]),
        losses=_losses(run_folder / Path(said["loss_log"]).name),
        class_pictures=tuple(_picture(one, run_folder) for one in said["class_pictures"]),
        pick_prompts=tuple(one["text"] for one in said["plan"]["pick"]["prompts"]),
        photos=tuple(RunPhoto(run_folder / one["file"], one["caption"], one["held_out"]) for one in said["photos"]),
        model=said["model"],
        settings=said["settings"],
        plan=said["plan"],
        # Runs before hypernetworks do not say what they learned.
        words=said.get("subject", {}).get("words", said["name"]),
        tag=said.get("subject", {}).get("tag", ""),
        is_hypernetwork=said.get("kind") == "hypernetworks",
        numbers=said.get("numbers", said["vectors"] * said["dim"]),
    )


def _candidate(said: Mapping[str, Any], folder: Path) -> Candidate:
    return Candidate(
        step=said["step"],
        file=Path(said["file"]),
        loss=math.nan if said["loss"] is None else said["loss"],
        scores=said["scores"],
        pictures=tuple(_picture(one, folder) for one in said["pictures"]),
        is_average=said["is_average"],
        earlier=tuple(said.get("earlier", ())),  # older runs kept only the last round
    )


def _picture(file: str, folder: Path) -> Path:
    """Gives a picture of the run, also where the folder was moved since."""
    return folder / "images" / Path(file).name


def _losses(file: Path) -> tuple[tuple[int, float], ...]:
    """Gives the loss of each step; nothing where the file is gone."""
    if not file.exists():
        return ()
    with file.open(newline="", encoding="utf-8") as rows:
        return tuple((int(row["step"]), float(row["loss"])) for row in csv.DictReader(rows))
