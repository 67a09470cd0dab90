"""Saying what is on pictures, and preparing photos, as jobs. Knows nothing of how either is done."""

from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any, cast

from retrato.jobs.job import Job, Wish
from retrato.jobs.queue import JobQueue
from retrato.jobs.said import Said
from retrato.model.caption import Captioner
from retrato.model.companions import no_captioner
from retrato.photos import list_photos, read_photo
from retrato.photos import prepare as prepare_photos
from retrato.plain import plain
from retrato.settings import PhotoSettings
from retrato.studio import Studio


def caption(studio: Studio, queue: JobQueue, job: Job) -> Generator[Said, Wish | None, Mapping[str, Any]]:
    """Says what is on each of the files that a job names; gives `captions`."""
    files = [Path(file) for file in job.options["files"]]
    captions: list[dict[str, Any]] = []
    for number, file in enumerate(files, start=1):
        words = _captioner(studio).caption([read_photo(file, shorter_side=512).image])[0]
        captions.append({"file": plain(file, root=studio.home), "caption": words})
        yield Said("captioned", captions[-1], number / len(files))
    return {"captions": captions}


def prepare(studio: Studio, queue: JobQueue, job: Job) -> Generator[Said, Wish | None, Mapping[str, Any]]:
    """Makes the training pictures that a job asks for; gives `images` and `refused`."""
    settings, photos = PhotoSettings(**job.settings), Path(job.options["photos"])
    count = len(list_photos(photos))
    images: list[dict[str, Any]] = []
    refused: list[dict[str, Any]] = []
    captioner = (lambda image: _captioner(studio).beside(image)) if settings.caption == "blip" else None
    for number, found in enumerate(
        prepare_photos(photos, Path(job.options["out"]), settings, captioner=captioner), start=1
    ):
        data = cast("dict[str, Any]", plain(found, root=studio.home))
        (refused if "reason" in data else images).append(data)
        yield Said(type(found).__name__.lower(), data, min(1.0, number / count))
    return {"images": images, "refused": refused}


def _captioner(studio: Studio) -> Captioner:
    captioner = studio.captioner
    if captioner is None:
        raise no_captioner(studio.model)
    return captioner
