"""The learning of a person as a job: goes on from the run's own checkpoint. Knows nothing of how one learns."""

from collections.abc import Generator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, cast

from retrato.jobs.job import Job, Wish
from retrato.jobs.queue import JobQueue
from retrato.jobs.said import Pace, Said
from retrato.plain import plain
from retrato.settings import HypernetworkSettings, LearnSettings, TrainSettings
from retrato.studio import Studio
from retrato.training import Comparing, Extended, Finished, Picked, Prepared, Stepped


def learn(studio: Studio, queue: JobQueue, job: Job) -> Generator[Said, Wish | None, Mapping[str, Any]]:
    """Learns the person that a job names and says what happens; gives what there is to say about the result."""
    settings = settings_of(job)
    folder = run_folder(studio, queue, job)
    if folder is not None and not any(folder.glob("checkpoints/*.json")):
        folder = None  # it ended before there was anything to go on from
    if folder is not None and studio.has_from(folder, settings):
        settings = settings.changed(overwrite=True)  # what this very job put there
    events = studio.train(job.options["photos"], settings, out=folder, resume=folder is not None)
    pace, result, progress, share, step = Pace(), {}, 0.0, 1.0, 0
    with closing(events):
        for event in events:
            match event:
                case Stepped():
                    step = event.step
                    progress = share * step / event.steps
                    if event.step != event.steps and not pace.is_due():
                        continue
                case Comparing():
                    progress = share + (1 - share) * event.pictures / event.of
                case Extended():
                    share = event.learning_share
                    progress = share * step / event.steps
                case Prepared():
                    share, step = event.learning_share, event.first_step
                    progress = share * step / event.steps
                case Picked() | Finished():
                    progress = 1.0
            data = cast("dict[str, Any]", plain(event, root=studio.home))
            if isinstance(event, Finished):
                report = event.run_folder / "report.html"
                result = {**data, "report": plain(report, root=studio.home)}
            yield Said(type(event).__name__.lower(), data, progress)
    return result


def keep_learned(studio: Studio, queue: JobQueue, job: Job) -> Mapping[str, Any] | None:
    """Puts what a stopped training learned so far into the library; None where that is nothing."""
    folder = run_folder(studio, queue, job)
    kept = folder and studio.keep_latest(folder, settings_of(job))
    if not kept:
        return None
    file, step = kept
    data = {"file": cast("str", plain(file, root=studio.home)), "step": step}
    queue.record(job.id, "kept", data)
    return data


def settings_of(job: Job) -> LearnSettings:
    """Gives the settings of a training, of the kind that it learns."""
    kind = HypernetworkSettings if job.options.get("learns") == "hypernetwork" else TrainSettings
    return kind(**job.settings)


def run_folder(studio: Studio, queue: JobQueue, job: Job) -> Path | None:
    """Gives the folder of the run that a job began, None where it did not begin one."""
    prepared = queue.latest(job.id, ("prepared",))
    return studio.home / str(prepared.data["run_folder"]) if prepared else None
