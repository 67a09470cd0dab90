"""`retrato check`, `prepare` and `caption`: what can be done with photos before anybody is learned."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from PIL import Image

from retrato.cli.options import Device, Json, Model, PhotoFolder, from_settings
from retrato.cli.screen import Screen
from retrato.errors import ModelError, PhotoError
from retrato.files import write_atomic
from retrato.photos import PreparedPhoto, Refused, check_photos, read_photos
from retrato.photos import prepare as prepare_photos
from retrato.settings import PhotoSettings


def check(
    photos: PhotoFolder,
    size: Annotated[
        int | None, typer.Option("--size", min=32, help="training size in pixels; by default the model's own")
    ] = None,
    model: Model = "mini",
    json: Json = False,
) -> None:
    """Shows the report on a set of photos."""
    screen = Screen(json)
    report = check_photos(photos, size=size or _model_size(model))
    rows = [
        (each.file.name, each.verdict, f"{each.width}x{each.height}", each.framing or "?", "; ".join(each.problems))
        for each in report.photos
    ]
    screen.table(("file", "verdict", "pixels", "shows", "problems"), rows)
    for sentence in report.advice:
        screen.say(f"- {sentence}")
    screen.say(f"{len(report.photos)} photos, all in all {report.verdict}")
    screen.finish({"photos": report.photos, "verdict": report.verdict, "advice": report.advice})


@from_settings(PhotoSettings)
def prepare(
    photos: PhotoFolder,
    out: Annotated[Path, typer.Argument(help="the folder to write to", metavar="OUT", show_default=False)],
    settings: PhotoSettings,
    model: Model = "mini",
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Writes training pictures, and says which photos could not be used."""
    screen = Screen(json)
    captioner = _captioner(model, device) if settings.caption == "blip" else None
    images: list[PreparedPhoto] = []
    refused: list[Refused] = []
    for found in prepare_photos(photos, out, settings, captioner=captioner):
        if isinstance(found, Refused):
            refused.append(found)
            screen.note(f"left out: {found.reason}")
        else:
            images.append(found)
            screen.say(f"{found.file}{f': {found.caption}' if found.caption else ''}")
    if not images:
        reasons = "; ".join(each.reason for each in refused[:3])
        raise PhotoError(f"none of the {len(refused)} photos could be used ({reasons}): put others into {photos}")
    screen.finish({"images": images, "refused": refused})


def caption(
    photos: PhotoFolder,
    write: Annotated[
        bool, typer.Option("--write", help="write each into a .txt beside the photo, where there is none")
    ] = False,
    model: Model = "mini",
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Says what is on each photo: the words beside it where there are some, else the captioner's."""
    screen = Screen(json)
    usable, refused = read_photos(photos, shorter_side=512)
    if not usable:
        reasons = "; ".join(each.reason for each in refused[:3])
        raise PhotoError(f"none of the {len(refused)} photos could be read ({reasons}): put others into {photos}")
    for each in refused:
        screen.note(f"left out: {each.reason}")
    missing = [photo.path for photo in usable if not photo.caption]
    say = _captioner(model, device) if missing else None
    captions = []
    for photo in usable:
        words = photo.caption or (say(photo.image) if say else "")
        if write and not photo.caption:
            write_atomic(photo.path.with_suffix(".txt"), f"{words}\n")
        captions.append({"file": photo.path, "caption": words, "source": "file" if photo.caption else "model"})
        screen.say(f"{photo.path.name}: {words}")
    screen.finish({"captions": captions, "refused": refused})


def _captioner(model: str, device: str) -> Callable[[Image.Image], str]:
    """Gives what says a picture in words; raises ModelError where the model brings nothing of the kind."""
    from retrato.studio import Studio

    captioner = Studio.open(model, device=device).captioner
    if captioner is None:
        raise ModelError(f"the model {model} has no captioner: write captions into .txt files beside the photos")
    return lambda image: captioner.caption([image])[0]


def _model_size(model: str) -> int:
    from retrato.studio import Studio  # torch is only waited for where the model is asked

    return Studio.open(model).components.defaults.size
