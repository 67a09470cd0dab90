"""`retrato grid`: a comparison sheet. Knows the screen; what an axis does is the library's business."""

import time
from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, cast

import typer

from retrato.cli.generate import check_effects, picture_folder, with_size
from retrato.cli.options import Device, Dtype, Family, Json, Model, Vae, from_settings
from retrato.cli.outcome import Interrupted
from retrato.cli.progress import watch
from retrato.cli.screen import Screen
from retrato.errors import SettingsError
from retrato.generation import Axis, Cell, Sampled, parse_axis, save_sheet, vary_sheet
from retrato.settings import GenerateSettings
from retrato.studio import Studio


@from_settings(GenerateSettings, arguments=("prompt",))
def grid(
    settings: GenerateSettings,
    given: frozenset[str],
    x: Annotated[
        str | None, typer.Option("--x", metavar="AXIS", help="what changes across, such as `Seed=1-4`")
    ] = None,
    y: Annotated[
        str | None, typer.Option("--y", metavar="AXIS", help="what changes down, such as `Sampler=Euler a,LMS`")
    ] = None,
    z: Annotated[str | None, typer.Option("--z", metavar="AXIS", help="what changes from table to table")] = None,
    size: Annotated[
        str | None, typer.Option("--size", metavar="WxH", help="width and height in pixels, such as 512x768")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="folder for the sheet; by default one per day in the home folder")
    ] = None,
    model: Model = "mini",
    device: Device = "auto",
    dtype: Dtype = "auto",
    family: Family = "auto",
    vae: Vae = None,
    json: Json = False,
) -> None:
    """Draws every combination of the axes' values, and files them on one sheet and singly."""
    screen = Screen(json)
    check_effects(settings, given)
    if settings.count > 1:
        raise SettingsError(
            f"--count is {settings.count}, and a sheet has one picture for each of its cells: leave it out, or vary "
            "the seed on an axis, such as Seed=1-4"
        )
    if size is not None:
        settings = with_size(settings, size, given)
    is_matrix = settings.matrix != "off"
    if is_matrix and (x or y):
        raise SettingsError("--matrix takes both sides of the sheet: leave out --x and --y, a further axis is --z")
    if not is_matrix and not x:
        raise SettingsError("nothing changes on this sheet: say what does with --x, such as Seed=1-4, or use --matrix")
    axes: Sequence[Axis] = [parse_axis(text) for text in (x, y, z) if text]
    started = time.perf_counter()
    studio = Studio.open(model, device=device, dtype=dtype, family=family, vae=vae)
    settings, axes = vary_sheet(settings, axes, styles=studio.styles, wildcards=studio.wildcards)
    folder = out or studio.outputs
    cells: list[Cell] = []
    files: list[dict[str, object]] = []
    try:
        drawing = cast("Generator[Sampled | Cell, None, None]", studio.draw_grid(settings, axes))
        with closing(watch(drawing, screen.notes)) as events:
            for event in events:
                if isinstance(event, Cell):
                    cells.append(event)
                    file = event.image.save(picture_folder(folder))
                    values = {axis.name: label for axis, label in zip(axes, event.labels, strict=True)}
                    files.append({"file": file, "values": values, "seed": event.image.seed})
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted: {len(cells)} pictures are in {folder}, without a sheet") from None
    sheet = save_sheet(cells, axes, folder)
    screen.say(str(sheet))
    screen.finish({"file": sheet, "cells": files, "seconds": time.perf_counter() - started})
