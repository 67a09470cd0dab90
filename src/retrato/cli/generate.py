"""`retrato generate`: draws. Knows the screen; how pictures are made is the studio's business."""

import os
import time
from collections.abc import Collection, Generator, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from PIL import Image

from retrato.cli.options import Device, Dtype, Family, Json, Model, Vae, flag_of, from_settings
from retrato.cli.outcome import Interrupted
from retrato.cli.progress import watch
from retrato.cli.screen import Screen
from retrato.errors import SettingsError
from retrato.files import write_atomic
from retrato.generation import Drawn, Sampled, preview_images, recall_picture
from retrato.photos.encode import encode
from retrato.sampling import find_sampler
from retrato.settings import GenerateSettings, parse_size
from retrato.studio import Studio

# Options beside --from that do not change what is drawn: how it is filed, and what no picture can say about itself.
_SAME_PICTURE = frozenset({"picture_format", "init_image", "mask"})

# What options mean something only beside another one, by how their names begin.
_ONLY_WITH: Mapping[str, tuple[str, ...]] = {
    "hires_": ("hires",),
    **dict.fromkeys(("mask_", "masked_", "inpaint_"), ("mask",)),
    "resize_mode": ("init_image",),
    "denoising_strength": ("init_image", "hires"),
}


def _said(picture: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """Gives what the picture says about itself, without what cannot be beside the options `given`."""
    said = dict(recall_picture(picture).values)
    if "hires_scale" in given and "hires_resize" not in given:
        said.pop("hires_resize", None)
    if "init_image" in given and "hires" not in given:
        said = {name: value for name, value in said.items() if not name.startswith("hires")}
    if "sampler" in given and "schedule" not in given and "schedule" in said:
        try:
            find_sampler(given["sampler"], said["schedule"])
        except SettingsError:
            del said["schedule"]
    return said


@from_settings(GenerateSettings, arguments=("prompt",), base=("source", _said))
def generate(
    settings: GenerateSettings,
    given: frozenset[str],
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="PICTURE", help="draw this picture again; what else is given changes it"),
    ] = None,
    size: Annotated[
        str | None, typer.Option("--size", metavar="WxH", help="width and height in pixels, such as 512x768")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="folder for the pictures; by default one per day in the home folder")
    ] = None,
    preview_every: Annotated[
        int,
        typer.Option("--preview-every", min=0, help="steps between renewals of preview.png in the folder; 0: none"),
    ] = 0,
    model: Model = "mini",
    device: Device = "auto",
    dtype: Dtype = "auto",
    family: Family = "auto",
    vae: Vae = None,
    json: Json = False,
) -> None:
    """Draws, files each picture as soon as it is done, and says where it is."""
    screen = Screen(json)
    check_effects(settings, given)
    if size is not None:
        settings, given = with_size(settings, size, given), given | {"width", "height"}
    started = time.perf_counter()
    images: list[dict[str, object]] = []
    count = settings.count
    studio = Studio.open(model, device=device, dtype=dtype, family=family, vae=vae)
    folder = out or studio.outputs
    preview = folder / "preview.png"
    if preview_every and os.path.lexists(preview):
        raise SettingsError(f"{preview} is there, and --preview-every would replace it: move it, or take another --out")
    events = _again(studio, source, settings, given) if source else studio.draw_events(settings)
    with _made_for_use(folder):
        try:
            drawing = cast("Generator[Sampled | Drawn, None, None]", events)
            with closing(watch(drawing, screen.notes)) as events:
                for event in events:
                    count = event.count  # of a matrix, and of wildcards, there are more than were asked for
                    if isinstance(event, Sampled) and preview_every and event.step % preview_every == 0:
                        _show_preview(studio, event, preview)
                    if isinstance(event, Drawn):
                        file = event.image.save(folder)
                        images.append({"file": file, "seed": event.image.seed, "infotext": event.image.infotext})
                        screen.say(str(file))
        except KeyboardInterrupt:
            done = f"{len(images)} of {count} pictures are in {folder}" if images else "no picture was done yet"
            raise Interrupted(f"interrupted: {done}") from None
        finally:
            if preview_every:
                preview.unlink(missing_ok=True)
    screen.finish({"images": images, "seconds": time.perf_counter() - started})


def _again(
    studio: Studio, source: Path, settings: GenerateSettings, given: frozenset[str]
) -> Iterator[Sampled | Drawn]:
    """Gives the events that draw the picture `source` again, exactly where nothing else is `given`."""
    recalled = studio.recall(source)
    if recalled.begins_with_picture and not settings.init_image:
        raise SettingsError(
            f"{source} was drawn from another picture: give that one with --init-image, and its mask with --mask"
        )
    if given <= _SAME_PICTURE and settings.hires == bool(recalled.values["hires"]):
        return studio.draw_again(recalled, **{name: getattr(settings, name) for name in _SAME_PICTURE})
    if given & {"prompt", "negative_prompt", "styles"}:  # words that are new are read as new ones
        new = {"wildcards": "random", "prompt_comments": True}
        settings = settings.changed(**{name: how for name, how in new.items() if name not in given})
    return studio.draw_events(settings)


def _show_preview(studio: Studio, event: Sampled, file: Path) -> None:
    """Writes what the pictures look like at this step, side by side."""
    images = preview_images(studio.components, event)
    strip = Image.new("RGB", (sum(image.width for image in images), images[0].height))
    for number, image in enumerate(images):
        strip.paste(image, (number * image.width, 0))
    write_atomic(file, encode(strip))


def check_effects(settings: GenerateSettings, given: Collection[str]) -> None:
    """Raises SettingsError for an option that was `given` and says nothing without another one."""
    is_there = {"hires": settings.hires, "mask": bool(settings.mask), "init_image": bool(settings.init_image)}
    for name in sorted(given):
        needed = next((needs for begins, needs in _ONLY_WITH.items() if name.startswith(begins)), ())
        if needed and not any(is_there[each] for each in needed):
            wanted = " or ".join(flag_of(GenerateSettings, each) for each in needed)
            flag = flag_of(GenerateSettings, name)
            raise SettingsError(f"{flag} does nothing without {wanted}: add that, or leave {flag} out")


def with_size(settings: GenerateSettings, size: str, given: Collection[str]) -> GenerateSettings:
    """Gives `settings` with the size such as `512x768`; raises SettingsError where one was `given` otherwise too."""
    if "width" in given or "height" in given:
        raise SettingsError("--size was given together with --width or --height: give one or the other")
    try:
        width, height = parse_size(size)
        return settings.changed(width=width, height=height)
    except (ValueError, SettingsError) as error:
        raise SettingsError(f"--size is {size!r}: {error}") from None


@contextmanager
def _made_for_use(folder: Path) -> Iterator[None]:
    """Makes the folder; what of it is new and empty in the end goes, so that a command refused leaves nothing."""
    new = [each for each in (folder, *folder.parents) if not os.path.exists(each)]
    picture_folder(folder)
    try:
        yield
    finally:
        for each in new:
            with suppress(OSError):  # that is not empty, or gone already
                each.rmdir()


def picture_folder(folder: Path) -> Path:
    """Makes the folder now, so that nobody waits for a picture that cannot be kept; raises SettingsError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"{folder} cannot be a folder for pictures ({error.strerror}): name another with --out"
        ) from None
    return folder
