"""`retrato train-many`: learns many people at once. Knows the screen; how they are learned is the studio's business."""

import time
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from retrato.cli.options import Device, Dtype, Family, Json, Model, ScorerSource, Vae, from_settings
from retrato.cli.outcome import Interrupted
from retrato.cli.screen import Screen
from retrato.cluster import Place, train_on_cluster
from retrato.embeddings import EmbeddingLibrary
from retrato.errors import TrainingError
from retrato.photos import Refused
from retrato.settings import TrainSettings
from retrato.studio import Studio
from retrato.training import Extended, Failed, Finished, Of, Picked, Prepared, Stepped, TrainingEvent
from retrato.training.people import people_in
from retrato.training.prepare import recipe_of
from retrato.training.recipes import check_choices


@from_settings(TrainSettings, defaults={"name": "*"})
def train_many(
    folders: Annotated[
        Path, typer.Argument(help="a folder with a folder of photos for each person", metavar="FOLDER_OF_FOLDERS")
    ],
    settings: TrainSettings,
    resume: Annotated[
        bool, typer.Option("--resume", help="go on with interrupted runs, leave out who is learned already")
    ] = False,
    at_once: Annotated[
        int, typer.Option("--at-once", min=1, max=1024, help="most examples that go through the model together")
    ] = 32,
    engine: Annotated[
        Literal["batch", "ray"],
        typer.Option("--engine", help="all in one batch on one device, or spread over a Ray cluster (extra `cluster`)"),
    ] = "batch",
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, max=10_000, help="with ray: people at a time; by default one for each GPU"),
    ] = None,
    model: Model = "mini",
    device: Device = "auto",
    dtype: Dtype = "auto",
    family: Family = "auto",
    vae: Vae = None,
    scorer: ScorerSource = None,
    json: Json = False,
) -> None:
    """Learns them, shows how it goes, and says what came out for each; fails where nobody could be learned."""
    screen, started = Screen(json), time.perf_counter()
    finished: dict[str, Finished] = {}
    failed: dict[str, str] = {}
    check_choices(settings, recipe_of(settings))  # on a cluster it would be said of each person, from far away
    try:
        studio = Studio.open(model, device=device, dtype=dtype, family=family, vae=vae, scorer=scorer)
        if engine == "ray":
            place = Place(str(studio.model), studio.home.resolve(), device, dtype, family, vae, scorer)
            learning = train_on_cluster(place, folders, settings, workers=workers, resume=resume)
        else:
            learning = studio.train_many(folders, settings, resume=resume, at_once=at_once)
        with closing(_watched(learning, screen, _count(studio, folders, settings, resume))) as events:
            for each in events:
                match each.event:
                    case Finished():
                        finished[each.name] = each.event
                    case Failed():
                        failed[each.name] = each.event.reason
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted: {len(finished)} people are learned, what the others learned so far is saved; "
            "the same command with --resume goes on from there"
        ) from None
    seconds = time.perf_counter() - started
    for name, one in sorted(finished.items()):
        scores = ", ".join(f"{key} {value:.2f}" for key, value in one.scores.items() if key != "pictures")
        screen.say(f"{name}: {one.file}{f' ({scores})' if scores else ''}")
    for name, reason in sorted(failed.items()):
        screen.note(f"{name} failed: {reason}")
    if failed and not finished:
        name, reason = min(failed.items())
        raise TrainingError(f"none of {len(failed)} people could be learned; {name}: {reason}")
    people = [
        {
            "name": name,
            "file": one.file,
            "scores": one.scores,
            "picked_step": one.picked_step,
            "steps_run": one.steps_run,
            "stop_reason": one.stop_reason,
            "run_folder": one.run_folder,
            "report": one.run_folder / "report.html",
        }
        for name, one in sorted(finished.items())
    ]
    screen.finish(
        {
            "people": people,
            "failed": [{"name": name, "reason": reason} for name, reason in sorted(failed.items())],
            "seconds": seconds,
            "samples": sum(one.samples for one in finished.values()),
        }
    )


Event = Of[Refused | TrainingEvent]


def _count(studio: Studio, folders: Path, settings: TrainSettings, resume: bool) -> int:
    """Gives how many people there are to learn."""
    names = people_in(folders, settings).keys()
    known = EmbeddingLibrary(studio.home / "embeddings", None) if resume and not settings.overwrite else ()
    return sum(name not in known for name in names)


def _watched(events: Generator[Event, None, None], screen: Screen, people: int) -> Generator[Event, None, None]:
    """Gives the events on, each shown first: on a terminal a bar of the people that are learned, elsewhere lines."""
    shares: dict[str, float] = {}
    surprises: set[str] = set()  # all have one prompt of previews
    bars = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=12),
        MofNCompleteColumn(),
        console=screen.notes,
        disable=not screen.notes.is_terminal,
        transient=True,
    )
    with closing(events), bars:
        task = bars.add_task(f"learning {people} people", total=people)
        for each in events:
            match each.event:
                case Refused():
                    screen.note(f"{each.name}: left out: {each.event.reason}")
                case Prepared():
                    shares[each.name] = each.event.first_step / (each.event.steps + 1)
                    screen.note(f"{each.name}: learning from {len(each.event.photos)} photos")
                    for sentence in [one for one in each.event.surprises if one not in surprises]:
                        surprises.add(sentence)
                        screen.note(sentence)
                case Stepped():
                    shares[each.name] = each.event.step / (each.event.steps + 1)
                case Extended():
                    screen.note(f"{each.name}: {each.event.reason}")
                case Picked():
                    shares[each.name] = 1
                    screen.note(f"{each.name}: picked {each.event.reason}")
                case Failed():
                    shares[each.name] = 1
                    screen.note(f"{each.name}: failed: {each.event.reason}")
            bars.update(task, completed=sum(shares.values()))
            yield each
