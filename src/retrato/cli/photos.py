"""`retrato check`, `prepare` and `caption`: what can be done with photos before anybody is learned."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer
from PIL import Image

from retrato.cli.counting import counting
from retrato.cli.options import Device, Json, Model, PhotoFolder, Processes, from_settings
from retrato.cli.screen import Screen
from retrato.errors import PhotoError
from retrato.files import printable, write_atomic
from retrato.home import home_folder
from retrato.photos import Looked, PreparedPhoto, Refused, checking, list_photos, processes_for, read_photos
from retrato.photos import prepare as prepare_photos
from retrato.photos.look import framing_of
from retrato.photos.page import require_sheet, write_sheet
from retrato.photos.words import framed
from retrato.settings import PhotoSettings

CaptionerSource = Annotated[
    str | None,
    typer.Option(
        "--captioner",
        help="what writes captions, if not the model's own: a BLIP folder, or what `models fetch` downloaded, such as "
        "Salesforce/blip-image-captioning-base",
        metavar="SOURCE",
        show_default=False,
    ),
]


def check(
    photos: PhotoFolder,
    size: Annotated[
        int | None, typer.Option("--size", min=32, help="training size in pixels; by default the model's own")
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option("--sheet", help="also write a contact sheet with the verdicts: a .png or .html", metavar="FILE"),
    ] = None,
    faces: Annotated[bool, typer.Option("--faces/--no-faces", help="look for faces, if that is installed")] = True,
    processes: Processes = 0,
    model: Model = "mini",
    json: Json = False,
) -> None:
    """Shows the report on a set of photos."""
    screen = Screen(json)
    if sheet is not None:
        require_sheet(sheet)
    total = len(list_photos(photos))
    report = None
    with counting("checking", total, screen.notes) as count:
        for event in checking(
            photos, size=size or _model_size(model), faces=faces, processes=processes or processes_for(total)
        ):
            if isinstance(event, Looked):
                count(event.done)
            else:
                report = event
    assert report is not None
    rows = [
        (
            printable(each.file.name, 60),
            each.verdict,
            f"{each.width}x{each.height}",
            each.framing or "?",
            "?" if each.faces is None else each.faces,
            "; ".join(each.problems),
        )
        for each in report.photos
    ]
    screen.table(("file", "verdict", "pixels", "shows", "faces", "problems"), rows)
    for sentence in report.advice:
        screen.say(f"- {sentence}")
    screen.say(f"{len(report.photos)} photos, all in all {report.verdict}")
    if faces and report.not_looked_for:
        screen.note(f"nobody checked who is in the photos: {report.not_looked_for}")
    if sheet is not None:
        write_sheet(report, sheet)
        screen.say(f"contact sheet: {sheet}")
    screen.finish(
        {
            "photos": report.photos,
            "verdict": report.verdict,
            "advice": report.advice,
            "faces": report.not_looked_for is None,
            "sheet": sheet,
        }
    )


@from_settings(PhotoSettings)
def prepare(
    photos: PhotoFolder,
    out: Annotated[Path, typer.Argument(help="the folder to write to", metavar="OUT", show_default=False)],
    settings: PhotoSettings,
    processes: Processes = 0,
    captioner: CaptionerSource = None,
    model: Model = "mini",
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Writes training pictures, and says which photos could not be used."""
    screen = Screen(json)
    say = _captioner(model, captioner, device) if settings.caption == "blip" else None
    images: list[PreparedPhoto] = []
    refused: list[Refused] = []
    done: dict[Path, None] = {}  # a photo that is split comes several times
    total = len(list_photos(photos))
    work = prepare_photos(photos, out, settings, captioner=say, processes=processes or processes_for(total))
    with closing(work), counting("preparing", total, screen.notes) as count:
        for found in work:
            if isinstance(found, Refused):
                refused.append(found)
                screen.note(f"left out: {found.reason}")
                done[found.file] = None
            else:
                images.append(found)
                for note in found.notes:
                    screen.note(f"note: {note}")
                if found.is_new:
                    screen.say(f"{found.file}{f': {found.caption}' if found.caption else ''}")
                done[found.source] = None
            count(len(done))
    if not images:
        reasons = "; ".join(each.reason for each in refused[:3])
        raise PhotoError(f"none of the {len(refused)} photos could be used ({reasons}): put others into {photos}")
    before = sum(not each.is_new for each in images)
    if before:
        screen.say(f"{before} pictures were there from before, {len(images) - before} are new")
    screen.finish({"images": images, "refused": refused})


def caption(
    photos: PhotoFolder,
    write: Annotated[
        bool, typer.Option("--write", help="write each into a .txt beside the photo, where there is none")
    ] = False,
    framing_words: Annotated[
        bool, typer.Option("--framing-words", help="begin with how much of the person shows, such as close-up")
    ] = False,
    captioner: CaptionerSource = None,
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
    say = _captioner(model, captioner, device) if missing else None
    captions = []
    for photo in usable:
        words = photo.caption or (say(photo.image) if say else "")
        if framing_words and not photo.caption:
            words = framed(words, framing_of(photo)) or ""
        if write and not photo.caption:
            write_atomic(photo.path.with_suffix(".txt"), f"{words}\n")
        captions.append({"file": photo.path, "caption": words, "source": "file" if photo.caption else "model"})
        screen.say(f"{printable(photo.path.name)}: {words}")
    screen.finish({"captions": captions, "refused": refused})


def _captioner(model: str, named: str | None, device: str) -> Callable[[Image.Image], str]:
    """Gives what says in words what a photo shows besides the person; raises ModelError where there is none."""
    from retrato.model.catalogue import find_model  # torch is only waited for where a model is asked
    from retrato.model.companions import captioner_of, no_captioner

    home = home_folder()
    captioner = captioner_of(find_model(model, home / "models"), home, device=device, named=named)
    if captioner is None:
        raise no_captioner(model)
    return captioner.beside


def _model_size(model: str) -> int:
    from retrato.model.catalogue import describe_model, find_model  # torch is only waited for where a model is asked

    return describe_model(find_model(model, home_folder() / "models")).size
