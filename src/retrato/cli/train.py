"""`retrato train`: learns a person. Knows the screen; how people are learned is the studio's business."""

from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from retrato.cli.options import (
    Device,
    Dtype,
    Family,
    Json,
    Model,
    PhotoFolder,
    ScorerSource,
    Vae,
    from_settings,
    model_flags,
)
from retrato.cli.outcome import Interrupted
from retrato.cli.progress import watch
from retrato.cli.screen import Screen
from retrato.files import quoted
from retrato.model.companions import FETCH_SCORER
from retrato.photos import Refused
from retrato.settings import LearnSettings, TrainSettings
from retrato.studio import Studio
from retrato.training import Finished, Picked, Prepared, Stepped, TrainingEvent
from retrato.training.processes import Processes, answered_together, help_training, joined_processes

Out = Annotated[
    Path | None, typer.Option("--out", help="folder of the run; by default a new one under the home folder")
]
Resume = Annotated[bool, typer.Option("--resume", help="go on with the latest interrupted run")]


@from_settings(TrainSettings)
def train(
    photos: PhotoFolder,
    settings: TrainSettings,
    out: Out = None,
    resume: Resume = False,
    model: Model = "mini",
    device: Device = "auto",
    dtype: Dtype = "auto",
    family: Family = "auto",
    vae: Vae = None,
    scorer: ScorerSource = None,
    json: Json = False,
) -> None:
    """Learns the person, shows how it goes, and says what came out."""
    screen = Screen(json)
    chosen = {"model": model, "device": device, "dtype": dtype, "family": family}
    result = learn(photos, settings, screen, out=out, resume=resume, **chosen, vae=vae, scorer=scorer)
    screen.note(draw_with(f"a portrait of {settings.name}", settings, model_flags(model, family, vae)))
    screen.finish(result)


def draw_with(prompt: str, settings: LearnSettings, flags: str) -> str:
    """Gives the sentence that says how to draw what was learned; `flags` are those of the model."""
    skip = f" --clip-skip {settings.clip_skip}" if settings.clip_skip > 1 else ""
    return f"draw with: retrato generate {quoted(prompt)}{skip}{flags}"


def learn(
    photos: Path,
    settings: LearnSettings,
    screen: Screen,
    *,
    out: Path | None,
    resume: bool,
    model: str,
    device: str,
    dtype: str,
    family: str = "auto",
    vae: Path | None = None,
    scorer: str | None = None,
) -> Mapping[str, object]:
    """Learns the person while `screen` shows how it goes; gives what came out, for programs. Raises Interrupted.

    Of several processes that torchrun started only the first does all this; the others help it and then exit.
    """
    with joined_processes() as processes:
        if processes is not None:
            device = processes.device(device)
        studio = Studio.open(model, device=device, dtype=dtype, family=family, vae=vae, scorer=scorer)
        if processes is not None and processes.rank:
            help_training(studio.components, processes)
            raise typer.Exit
        return _watched(lambda: _begun(studio, photos, settings, out, resume, processes), screen)


def _begun(
    studio: Studio, photos: Path, settings: LearnSettings, out: Path | None, resume: bool, processes: Processes | None
) -> Generator[Refused | TrainingEvent, None, None]:
    if processes is None:
        return studio.train(photos, settings, out=out, resume=resume)
    return answered_together(studio.begin(photos, processes.settings(settings), out, resume), processes)


def _watched(
    start: Callable[[], Generator[Refused | TrainingEvent, None, None]], screen: Screen
) -> Mapping[str, object]:
    refused: list[Refused] = []
    step, run_folder, reason, finished = 0, None, "", None
    try:
        with closing(watch(start(), screen.notes)) as events:
            for event in events:
                match event:
                    case Refused():
                        refused.append(event)
                    case Prepared():
                        step, run_folder = event.first_step, event.run_folder
                    case Stepped():
                        step = event.step
                    case Picked():
                        reason = event.reason
                    case Finished():
                        finished = event
    except KeyboardInterrupt:
        raise Interrupted(_interrupted(step, run_folder)) from None
    assert finished is not None, "a training that raises nothing ends with Finished"
    _tell(screen, finished)
    return _result(finished, reason, refused)


def _interrupted(step: int, run_folder: Path | None) -> str:
    """Says what was saved, where it is, and how to go on."""
    kinds = ("embeddings", "hypernetworks")
    files = [file for kind in kinds for file in run_folder.glob(f"{kind}/*.safetensors")] if run_folder else []
    saved = sorted(files, key=_changed)
    if not saved:
        return "interrupted before the first step: nothing was learned, nothing is lost"
    return (
        f"interrupted at step {step}: what was learned is saved as {saved[-1]}; "
        "the same command with --resume goes on from there"
    )


def _changed(path: Path) -> int:
    return path.stat().st_mtime_ns


def _tell(screen: Screen, finished: Finished) -> None:
    scores = ", ".join(f"{name} {value:.2f}" for name, value in finished.scores.items())
    screen.say(f"{finished.name}: {finished.file}")
    screen.note(f"stopped after {finished.steps_run} steps and {finished.seconds:.0f} s: {finished.stop_reason}")
    if scores:
        screen.note(f"scores of step {finished.picked_step}: {scores}")
    else:
        screen.note(f"no pictures were compared, as there is no scorer: `{FETCH_SCORER}` gets one for the next time")
    screen.note(f"report: {finished.run_folder / 'report.html'}")


def _result(finished: Finished, reason: str, refused: list[Refused]) -> Mapping[str, object]:
    candidates = [
        {
            "step": each.step,
            "file": each.file,
            "scores": each.scores,
            "loss": each.loss,
            "is_average": each.is_average,
        }
        for each in finished.candidates
    ]
    return {
        "name": finished.name,
        "file": finished.file,
        "vectors": finished.vectors,
        "dim": finished.dim,
        "numbers": finished.numbers,
        "picked_step": finished.picked_step,
        "pick_reason": reason,
        "steps_run": finished.steps_run,
        "samples": finished.samples,
        "seconds": finished.seconds,
        "times": finished.times,
        "stop_reason": finished.stop_reason,
        "scores": finished.scores,
        "candidates": candidates,
        "run_folder": finished.run_folder,
        "report": finished.run_folder / "report.html",
        "refused": refused,
    }
