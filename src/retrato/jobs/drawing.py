"""A drawing, or a sheet of them, as a job: goes on with the first picture that is not there yet.

Knows how to look at one in the making.
"""

import itertools
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, cast

from PIL import Image
from torch import Tensor

from retrato.files import write_atomic
from retrato.generation import (
    Axis,
    Cell,
    Drawn,
    GeneratedImage,
    Sampled,
    after,
    parse_axis,
    save_sheet,
    vary,
    vary_sheet,
)
from retrato.jobs.job import Job, Wish
from retrato.jobs.queue import JobQueue
from retrato.jobs.said import Pace, Said
from retrato.model.latents import decode_to_images
from retrato.photos.encode import encode
from retrato.plain import plain
from retrato.settings import GenerateSettings
from retrato.studio import Studio

PREVIEW_SHARE = 0.1  # of the time that drawing takes


def draw(studio: Studio, queue: JobQueue, job: Job) -> Generator[Said, Wish | None, Mapping[str, Any]]:
    """Draws what a job asks for and says each picture's file; gives all of them, also those of an earlier start."""
    settings = GenerateSettings(**job.settings)
    folder = studio.outputs if job.options.get("keep", True) else job_folder(studio.home, job.id)
    images = [dict(event.data) for event in queue.events(job.id, kinds=("drawn",))]
    done = max((image["index"] for image in images), default=-1) + 1
    pace, previewer, started = Pace(), _Previewer(studio, queue, job.id), time.perf_counter()
    variants = vary(settings, styles=studio.styles, wildcards=studio.wildcards)
    count = sum(variant.count for variant in variants)
    yield from _surprises(studio, queue, job, variants)
    while rest := after(variants, done):
        first = done
        events = cast("Generator[Sampled | Drawn, None, None]", studio.draw_events(rest[0], is_logged=False))
        with closing(events):
            for event in events:
                if isinstance(event, Drawn):
                    done = first + event.index + 1
                    images.append(_filed(studio, event.image, folder, done - 1))
                    yield Said("drawn", images[-1], done / count)
                    continue
                at, batch, wish = first + event.first, len(event.latents), None
                previewer.look(event.estimate)
                if pace.is_due():
                    said = {"step": event.step, "steps": event.steps, "index": at, "count": count}
                    wish = yield Said("sampled", said, min((at + batch * event.step / event.steps) / count, 0.99))
                if wish == "skip":
                    done = at + batch
                    break
    return {"images": images, "seconds": time.perf_counter() - started}


def draw_sheet(studio: Studio, queue: JobQueue, job: Job) -> Generator[Said, Wish | None, Mapping[str, Any]]:
    """Draws a comparison sheet: says each picture's file as `draw` does, and at the end the sheet's; gives all."""
    asked = GenerateSettings(**job.settings)
    axes: Sequence[Axis] = [parse_axis(text) for text in job.options["axes"]]
    settings, axes = vary_sheet(asked, axes, styles=studio.styles, wildcards=studio.wildcards)
    images, cells = _cells_there(studio, queue, job, asked)
    yield from _surprises(studio, queue, job, [settings])
    pace, previewer, started = Pace(), _Previewer(studio, queue, job.id), time.perf_counter()
    drawing = cast(
        "Generator[Sampled | Cell, None, None]", studio.draw_grid(settings, axes, first=len(cells), is_logged=False)
    )
    with closing(drawing) as events:
        for event in events:
            if isinstance(event, Cell):
                cells.append(event)
                filed = _filed(studio, event.image, studio.outputs, len(images))
                images.append({**filed, "labels": event.labels, "place": event.place})
                yield Said("drawn", images[-1])
                continue
            previewer.look(event.estimate)
            if pace.is_due():
                said = {"step": event.step, "steps": event.steps, "index": event.first, "count": event.count}
                yield Said("sampled", said, min((event.first + event.step / event.steps) / event.count, 0.99))
    file = save_sheet(cells, axes, studio.outputs, is_noted=True).relative_to(studio.home).as_posix()
    infotext = min(cells, key=lambda cell: cell.place).image.infotext
    yield Said("sheet", {"file": file, "infotext": infotext}, 1.0)
    return {"sheet": file, "images": images, "seconds": time.perf_counter() - started}


def _surprises(
    studio: Studio, queue: JobQueue, job: Job, variants: Sequence[GenerateSettings]
) -> Generator[Said, Wish | None, None]:
    """Says what may surprise in the prompts, once for a job that is taken up again."""
    sentences = [] if queue.latest(job.id, ("surprised",)) else studio.surprises(variants)
    if sentences:
        yield Said("surprised", {"sentences": sentences})


def _cells_there(
    studio: Studio, queue: JobQueue, job: Job, settings: GenerateSettings
) -> tuple[list[dict[str, Any]], list[Cell]]:
    """Gives what an earlier start said about its pictures, and these; up to one that somebody removed meanwhile."""
    drawn = (dict(event.data) for event in queue.events(job.id, kinds=("drawn",)))
    images = list(itertools.takewhile(lambda image: (studio.home / image["file"]).is_file(), drawn))
    cells = []
    for image in images:
        with Image.open(studio.home / image["file"]) as opened:
            picture = GeneratedImage(opened.convert("RGB"), image["seed"], image["infotext"], settings)
        cells.append(Cell(picture, tuple(image["labels"]), image.get("place", image["index"])))
    return images, cells


def _filed(studio: Studio, image: GeneratedImage, folder: Path, index: int) -> dict[str, Any]:
    """Files a picture and gives what there is to say about it."""
    return {
        "index": index,
        "file": image.save(folder, is_noted=True).relative_to(studio.home).as_posix(),
        "seed": image.seed,
        "infotext": image.infotext,
    }


def keep_unfinished(studio: Studio, queue: JobQueue, job: Job) -> Mapping[str, Any] | None:
    """Files the latest look at a stopped drawing for its sender, where it is nobody else's; None where there is none.

    A1111's API answers with the picture that it was at.
    """
    picture = queue.preview(job.id)
    if picture is None or job.options.get("keep", True):
        return None
    file = write_atomic(job_folder(studio.home, job.id) / "unfinished.png", picture)
    return {"unfinished": plain(file, root=studio.home)}


def job_folder(home: Path, job: str) -> Path:
    """Gives the folder for pictures that only the sender of a job wants."""
    return home / "jobs" / job


class _Previewer:
    """Decodes the model's estimate now and then, so that somebody can watch, within a share of the time."""

    def __init__(self, studio: Studio, queue: JobQueue, job: str) -> None:
        self._studio = studio
        self._queue = queue
        self._job = job
        self._not_before = 0.0

    def look(self, estimate: Tensor) -> None:
        started = time.perf_counter()
        if started < self._not_before:
            return
        (image,) = decode_to_images(self._studio.components, estimate[:1])
        self._queue.show(self._job, encode(image))
        now = time.perf_counter()
        self._not_before = now + (now - started) / PREVIEW_SHARE
