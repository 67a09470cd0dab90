"""`retrato score`: how good something learned is, on photos it never saw. Knows the screen."""

import time
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from retrato.cli.generate import picture_folder
from retrato.cli.options import Device, Dtype, Family, Json, Model, ScorerSource, Vae
from retrato.cli.outcome import Interrupted
from retrato.cli.screen import Screen
from retrato.studio import Studio
from retrato.training.verdict import FaceSummary, ScoredPicture, Verdict


def score(
    name: Annotated[str, typer.Argument(metavar="NAME", help="a name in the library, or a file")],
    photos: Annotated[Path, typer.Option("--photos", help="folder of photos that were not used in its training")],
    scorer: ScorerSource = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="folder for the pictures; by default one per day in the home folder")
    ] = None,
    model: Model = "mini",
    device: Device = "auto",
    dtype: Dtype = "auto",
    family: Family = "auto",
    vae: Vae = None,
    json: Json = False,
) -> None:
    """Draws it with the prompts and seeds of picking, compares with the photos, says what came out."""
    screen, started = Screen(json), time.perf_counter()
    studio = Studio.open(model, device=device, dtype=dtype, family=family, vae=vae)
    folder = picture_folder(out or studio.outputs)
    images: list[dict[str, object]] = []
    verdict: Verdict | None = None
    try:
        with closing(studio.score(name, photos, scorer=scorer)) as judged:
            for each in judged:
                if isinstance(each, ScoredPicture):
                    images.append(_facts(each, each.picture.save(folder)))
                else:
                    verdict = each
    except KeyboardInterrupt:
        raise Interrupted("interrupted: no score was made, nothing was changed") from None
    assert verdict is not None, "judging ends with a verdict"
    _tell(screen, verdict, len(images))
    screen.note(f"pictures: {folder}")
    screen.finish(
        {
            "name": name,
            **verdict.scores,
            "tainted": bool(verdict.taints),
            "taints": verdict.taints,
            "yardstick": verdict.yardstick,
            "faces": verdict.faces if isinstance(verdict.faces, FaceSummary) else None,
            "no_faces": verdict.faces if isinstance(verdict.faces, str) else None,
            "images": images,
            "seconds": time.perf_counter() - started,
        }
    )


def _facts(each: ScoredPicture, file: Path) -> dict[str, object]:
    return {
        "file": file,
        "prompt": each.prompt,
        "seed": each.picture.seed,
        "likeness": each.likeness,
        "fidelity": each.fidelity,
        "shows_identity": each.shows_identity,
        "face": each.face,
    }


def _tell(screen: Screen, verdict: Verdict, pictures: int) -> None:
    scores = verdict.scores
    screen.say(f"identity         {scores['identity']:6.2f}   0 anybody, 1 as alike as the photos to each other")
    screen.say(f"prompt fidelity  {scores['prompt_fidelity']:6.2f}   0 some other prompt, 1 as the class word")
    screen.say(f"harmonic         {scores['harmonic']:6.2f}   of {pictures} pictures")
    if isinstance(verdict.faces, str):
        screen.note(f"no face distance: {verdict.faces}")
    else:
        screen.say(_face_line(verdict.faces))
    for taint in verdict.taints:
        screen.say(f"tainted: {taint}")


def _face_line(faces: FaceSummary) -> str:
    figure = "     -" if faces.distance is None else f"{faces.distance:6.2f}"
    return (
        f"face distance    {figure}   up to 0.6 one person, the photos to each other {faces.photos_distance:.2f}; "
        f"{faces.clear} clear faces, {faces.unclear} too small or soft to count, {faces.none} pictures without"
    )
