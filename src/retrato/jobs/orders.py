"""Puts what can be done into the queue, with all that it will need. Knows nothing of how it is done."""

from collections.abc import Sequence
from pathlib import Path

from retrato.generation import seeded
from retrato.jobs.job import Job
from retrato.jobs.queue import LOCAL, JobQueue
from retrato.settings import GenerateSettings, HypernetworkSettings, LearnSettings, PhotoSettings


def order_drawing(
    queue: JobQueue,
    settings: GenerateSettings,
    *,
    owner: str = LOCAL,
    model: str | None = None,
    vae: str | None = None,
    keep: bool = True,
    task: str | None = None,
) -> Job:
    """Queues pictures. A seed of -1 is drawn now, so that a job that goes on later draws what it would have drawn.

    Without `keep` the pictures go to a folder of the job's own, for whoever sent it to take, and not to the gallery.
    `vae` is a file, or empty for the model's own; None for what the server draws with. `task` is what the sender calls
    it.
    """
    options = {"model": model, "keep": keep}
    options |= {name: said for name, said in (("vae", vae), ("task", task)) if said is not None}
    return queue.submit("draw", seeded(settings).model_dump(mode="json"), owner=owner, options=options)


def order_grid(
    queue: JobQueue,
    settings: GenerateSettings,
    axes: Sequence[str],
    *,
    owner: str = LOCAL,
    model: str | None = None,
) -> Job:
    """Queues a comparison sheet with `axes` as `parse_axis` reads them; none where `settings` ask for a matrix."""
    options = {"model": model, "axes": list(axes)}
    return queue.submit("grid", seeded(settings).model_dump(mode="json"), owner=owner, options=options)


def order_training(
    queue: JobQueue, photos: Path, settings: LearnSettings, *, owner: str = LOCAL, model: str | None = None
) -> Job:
    """Queues the learning of the person on the photos in a folder: as an embedding, or as a hypernetwork."""
    learns = "hypernetwork" if isinstance(settings, HypernetworkSettings) else "embedding"
    options = {"model": model, "photos": str(photos.resolve()), "learns": learns}
    return queue.submit("train", settings.model_dump(mode="json"), owner=owner, options=options)


def order_captions(queue: JobQueue, files: Sequence[Path], *, owner: str = LOCAL, model: str | None = None) -> Job:
    """Queues saying in words what is on pictures; the result has `captions`."""
    options = {"model": model, "files": [str(file.resolve()) for file in files]}
    return queue.submit("caption", {}, owner=owner, options=options)


def order_preparation(
    queue: JobQueue, photos: Path, out: Path, settings: PhotoSettings, *, owner: str = LOCAL, model: str | None = None
) -> Job:
    """Queues making training pictures of a folder of photos."""
    options = {"model": model, "photos": str(photos.resolve()), "out": str(out.resolve())}
    return queue.submit("prepare", settings.model_dump(mode="json"), owner=owner, options=options)
