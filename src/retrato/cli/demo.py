"""`retrato demo`: the whole way on bundled photos. Knows the screen; the way is `retrato.demo`'s business."""

from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Annotated, cast

import typer

from retrato.cli.options import Json, Model
from retrato.cli.outcome import Interrupted
from retrato.cli.progress import watch
from retrato.cli.screen import Screen
from retrato.demo import DemoFinished, copy_photos, run_demo


def demo(
    out: Annotated[Path, typer.Option("--out", help="folder for the report and the portraits")] = Path("demo"),
    quick: Annotated[
        bool, typer.Option("--quick", help="few steps and few pictures: only to see that it runs")
    ] = False,
    photos_only: Annotated[
        Path | None, typer.Option("--photos-only", metavar="DIR", help="only copy the bundled photos to DIR")
    ] = None,
    model: Model = "mini",
    json: Json = False,
) -> None:
    """Learns the person on the bundled photos, draws them, and says where the report is."""
    screen = Screen(json)
    if photos_only is not None:
        copied = copy_photos(photos_only)
        screen.say(f"{len(copied)} photos in {photos_only}")
        screen.finish({"photos": copied})
        return
    finished = None
    try:
        with closing(
            watch(cast("Generator[object, None, None]", run_demo(out, model=model, quick=quick)), screen.notes)
        ) as events:
            for event in events:
                if isinstance(event, DemoFinished):
                    finished = event
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted: what was done so far is in {out}") from None
    assert finished is not None, "a demo that raises nothing ends with DemoFinished"
    screen.note(f"{len(finished.portraits)} portraits in {finished.seconds:.0f} s")
    screen.say(f"open {finished.report}")
    screen.finish(
        {
            "embedding": finished.embedding,
            "portraits": finished.portraits,
            "report": finished.report,
            "seconds": finished.seconds,
            "scores": finished.scores,
        }
    )
