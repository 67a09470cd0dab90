"""`retrato evaluate`: how well people are learned. Knows the screen; measuring is `retrato.evaluation`'s business."""

from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Annotated, cast

import typer

from retrato.cli.options import Device, Dtype, Family, Json, Model, Vae, from_settings
from retrato.cli.outcome import Interrupted
from retrato.cli.progress import watch
from retrato.cli.screen import Screen
from retrato.evaluation import Compared, Measured, Started
from retrato.evaluation import evaluate as run
from retrato.evaluation.report import notes, rows
from retrato.model.companions import scorer_of
from retrato.settings import EvaluateSettings
from retrato.studio import Studio


@from_settings(EvaluateSettings)
def evaluate(
    people: Annotated[
        Path,
        typer.Argument(help="a person's photos, or a folder of such folders", metavar="PEOPLE", show_default=False),
    ],
    settings: EvaluateSettings,
    out: Annotated[Path, typer.Option("--out", help="new folder for pictures, runs, report and record")] = Path(
        "evaluation"
    ),
    judge: Annotated[
        str | None,
        typer.Option(
            "--judge", metavar="SCORER", help="what judges instead: a model that brings a scorer, or a CLIP folder"
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on with an evaluation that was cut off")] = False,
    model: Model = "mini",
    device: Device = "auto",
    dtype: Dtype = "auto",
    family: Family = "auto",
    vae: Vae = None,
    json: Json = False,
) -> None:
    """Learns and judges everyone, and prints the table."""
    screen = Screen(json)
    studio = Studio.open(model, device=device, dtype=dtype, family=family, vae=vae)
    scorer = scorer_of(studio.model, studio.home, named=judge) if judge else None
    done, compared = 0, None
    try:
        events = cast(
            "Generator[object, None, None]", run(studio, people, settings, out=out, judge=scorer, resume=resume)
        )
        with closing(watch(events, screen.notes)) as watched:
            for event in watched:
                match event:
                    case Started():
                        what = f"{event.person} by {event.recipe}, seed {event.seed}"
                        screen.note(f"training {event.number} of {event.count}: {what}")
                    case Measured():
                        done += 1
                        screen.note(", ".join(f"{name} {value:.2f}" for name, value in event.scores.items()))
                    case Compared():
                        compared = event
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted after {done} trainings: go on with --resume --out {out}") from None
    assert compared is not None, "an evaluation that raises nothing ends with Compared"
    table = rows(compared)
    screen.table(table[0], table[1:])
    for note in notes(compared):
        screen.note(note)
    screen.say(f"open {compared.report}")
    screen.finish(
        {
            "people": compared.people,
            "recipes": {one.recipe: one for one in compared.summaries},
            "class_word_rank1": compared.class_word_rank1,
            "judge": compared.judge,
            "reference": compared.reference,
            "facts": compared.facts,
            "report": compared.report,
            "record": compared.record,
            "seconds": compared.seconds,
        }
    )
