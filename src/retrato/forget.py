"""Removes a person from a home folder: photos, runs, embedding, pictures, jobs and every word about them.

Knows where things lie; nothing of models and networks.
"""

import contextlib
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePath
from typing import Any

from retrato.embeddings import EmbeddingLibrary, check_name, read_embedding
from retrato.embeddings.embedding import mentioned, name_key
from retrato.errors import EmbeddingError, JobError, QueueError, UnknownError
from retrato.gallery import Gallery
from retrato.jobs import LOCAL, Job, JobQueue
from retrato.jobs.ownership import owners_of_pictures
from retrato.jobs.sent import pictures_of, unneeded_pictures
from retrato.plain import texts
from retrato.prompts import StyleFile
from retrato.training.learnable import is_same
from retrato.training.run_folder import RUNS, is_run_of, photos_of_run


def forget(home: Path, name: str, *, queue: JobQueue, gallery: Gallery, owner: str | None = None) -> list[str]:
    """Gives what was removed of the person called `name`, paths relative to the home folder and jobs as `job <id>`.

    What is left under a name that the person had before (see `_former_names`) goes as well; spellings are compared by
    `name_key`. What was sent to be drawn over, described or read goes too where no job that is left needs it, as it
    does not say whom it shows, and styles that name the person, as `style <name>`. With `owner`, what others sent, drew
    and learned stays, but for the library's file and the styles, which are everybody's. Raises, before anything is
    removed, EmbeddingError for no name, PromptError for styles that cannot be read, QueueError while a job about
    them runs or somebody else's training of them is not over, UnknownError where there is nothing about them, and later
    JobError where something cannot be removed: whoever calls this again finds the rest.
    """
    name = check_name(name, is_found=True)
    everything = queue.jobs(limit=-1)
    known = [job for job in everything if owner in (None, job.owner)]
    nobody = UnknownError(f"there is nothing about {name!r} in {home}: `retrato embeddings list` shows who there is")
    if not _is_anybody(home, name, everything, gallery):
        raise nobody
    styles = StyleFile(home / "styles.csv")
    styles.read()
    names = [name, *_former_names(home, name)]
    jobs = [job for job in known if _is_about(queue, job, names)]
    whose = owners_of_runs(home, queue, everything)
    runs = [run for run in _run_folders(home, names) if owner in (None, whose(run))]
    sets = _photo_sets(home, names, jobs, known, runs, owner)
    jobs += [job for job in known if job not in jobs and sets_of(job) & sets]  # also of sets that are gone already
    others = [job for job in everything if job.owner != owner and job.is_open] if owner is not None else []
    _hold(queue, jobs, [job for job in others if _learns(job, names)], name)
    gallery.scan(people=names, owners=owners_of_pictures(queue))
    sheets = {event.data.get("file") for job in jobs for event in queue.events(job.id, kinds=("sheet",), limit=-1)}
    # Older sheets say their first picture only, so that the job has to be asked who is on them.
    found = {each.id: each for each in gallery.search(limit=-1) if each.file in sheets}
    found |= {each.id: each for person in names for each in gallery.of_person(person)}
    pictures = [each for each in found.values() if owner in (None, each.owner)]
    files = _embedding_files(home, name)
    folders = [path for path in sorted(sets) if path.is_dir()]
    if not (jobs or runs or folders or pictures or files):  # all that there is is somebody else's
        raise nobody
    removed = []
    try:
        # First what is found through others: jobs and runs say which sets and sheets are meant, a run's settings whose
        # it is, what it picked which names the person had, and the library's file that there is such a person.
        removed += [_removed(home, path) for path in folders]
        for run in runs:
            for path in run.iterdir():
                if path.suffix != ".safetensors" and not path.name.startswith("settings-"):
                    _removed(home, path)
        removed += [_relative(home, gallery.remove(each.id)) for each in pictures]
        left = [job for job in everything if job not in jobs]
        # What nobody has ordered anything with yet may be somebody else's: their server tidies it away in time.
        own = None if owner is None else pictures_of(home, known)
        sent = [path for path in unneeded_pictures(home, left) if own is None or path in own]
        removed += [_removed(home, path) for path in sent]
        removed += _emptied(home, home / "uploads" / "page") if owner is None else []
        for job in reversed(jobs):
            _removed(home, home / "jobs" / job.id)
            queue.remove(job.id, owner=owner)
            removed.append(f"job {job.id}")
        removed += [f"style {style}" for style in styles.purge(lambda words: bool(mentioned(words, names)))]
        gallery.compact()
        removed += [_removed(home, path) for path in (*runs, *files)]
    except OSError as error:
        what = _relative(home, Path(error.filename)) if error.filename else "a file"
        raise JobError(
            f"{what} cannot be removed ({error.strerror or error}): end what has it open, then forget {name} once more"
        ) from error
    return removed


def blends_with(home: Path, name: str) -> list[str]:
    """Gives who in the library was blended from `name` and others, and so still looks like that person."""
    library = EmbeddingLibrary(home / "embeddings")
    mixtures = {each: library[each].metadata.get("blend", "") for each in library.names}
    return sorted(
        blended
        for blended, mixture in mixtures.items()
        if any(_is_called(part.partition(" ")[2], [name]) for part in mixture.split(" + "))
    )


# Settings that name things and no people.
_CHOICES = (
    *("initializer_text", "recipe", "template", "engine"),
    *("sampler", "schedule", "hires_sampler", "hires_schedule"),
)
# What names a file or a folder, in settings, options, events and results.
_PATHS = (
    *("photos", "held_out", "files", "file", "out", "run_folder", "report", "sheet", "source"),
    *("init_image", "mask", "mask_folder", "model", "vae"),
)
# Events with words in them; the others are figures, and many.
_SPOKEN = ("drawn", "sheet", "surprised", "captioned", "prepared", "refused", "kept")


def _is_anybody(home: Path, name: str, jobs: list[Job], gallery: Gallery) -> bool:
    """Says whether somebody was ever called `name` here; an ordinary word of prompts and settings is nobody's name."""
    return bool(
        _embedding_files(home, name)
        or _run_folders(home, [name])
        or _folders_called([name], (home / "photos").glob("*"))
        or any(_learns(job, [name]) for job in jobs)
        or any(_is_called(person, [name]) for each in gallery.of_person(name) for person in each.people)
    )


def _is_called(found: str, names: Iterable[str]) -> bool:
    """Says whether `found` is one of `names`: folders and settings tell spellings apart, the library does not."""
    return name_key(found) in map(name_key, names)


def _learns(job: Job, names: Iterable[str]) -> bool:
    return job.kind == "train" and _is_called(str(job.settings.get("name", "")), names)


def _former_names(home: Path, name: str) -> list[str]:
    """Gives the names under which the very vectors of `name` were learned and which nobody has now."""
    library = EmbeddingLibrary(home / "embeddings")
    if name not in library:
        return []
    learned, found = library[name], set()
    for file in (home / RUNS).glob("*/*/*.safetensors"):  # what was picked
        with contextlib.suppress(EmbeddingError, OSError):
            if is_same(learned, read_embedding(file)):
                found.add(file.stem)
    return sorted(former for former in found - {name} if former not in library)


def _is_about(queue: JobQueue, job: Job, names: list[str]) -> bool:
    """Says whether a job was asked for, told or answered with one of the person's names."""
    told = [event.data for event in queue.events(job.id, kinds=_SPOKEN, limit=-1)]
    settings = {field: said for field, said in job.settings.items() if field not in _CHOICES}
    said = [settings, job.options, job.result, told, re.sub(r"\S*[/\\]", "", job.error or "")]
    return any(mentioned(text, names) for text in texts(_without_folders(said)))


def _without_folders(said: Any, is_path: bool = False) -> Any:
    """Gives what a job says with files named by their last part: somebody may be called like a folder on the way."""
    if isinstance(said, Mapping):
        return {
            PurePath(field).name: _without_folders(each, is_path or field in _PATHS) for field, each in said.items()
        }
    if isinstance(said, list | tuple):
        return [_without_folders(each, is_path) for each in said]
    return PurePath(said).name if is_path and isinstance(said, str) else said


def sets_of(job: Job) -> set[Path]:
    """Gives the folders of photos that a job works on, and the one that it makes."""
    named = [job.options.get("photos"), job.options.get("out")]
    named += [str(Path(file).parent) for file in job.options.get("files", ())]
    return {Path(folder).resolve() for folder in named if folder}


def _embedding_files(home: Path, name: str) -> list[Path]:
    """Gives all files called so, in sub-folders too: once the first is gone the library would take the next."""
    named = EmbeddingLibrary(home / "embeddings").paths(name)
    stems = (name, f"{name}.preview", f"{name}.pt")  # A1111's thumbnail, and its .pt.optim; `ana.b` is somebody else
    files = (path for place in ("embeddings", "hypernetworks") for path in sorted((home / place).rglob("*")))
    others = (path for path in files if _is_called(path.stem, stems) and not path.is_dir())
    return [*named, *(path for path in others if path not in named)]


def _hold(queue: JobQueue, jobs: list[Job], others: list[Job], name: str) -> None:
    """Keeps workers from beginning one of `jobs` meanwhile; raises QueueError where one runs or there are `others`."""
    if running := [job for job in jobs if job.state == "running"]:
        raise QueueError(f"job {running[0].id} is running: cancel it first")
    if others:
        raise QueueError(f"somebody else's training of {name} is not over: wait until it is")
    for job in jobs:
        if job.state == "queued" and queue.pause(job.id).state == "running":
            raise QueueError(f"job {job.id} is running: cancel it first")


def _run_folders(home: Path, names: list[str]) -> list[Path]:
    """Gives `<date>/<name>`, `<date>/<name>-2` and so on, as far as the person, and nobody called so, was learned."""
    runs = sorted((home / RUNS).glob("*/*"))
    return [path for path in runs if path.is_dir() and any(is_run_of(path, name) for name in names)]


def owners_of_runs(home: Path, queue: JobQueue, jobs: list[Job]) -> Callable[[Path], str]:
    """Gives what says whose a run is: the job's that began it, else theirs who sent its photos, else LOCAL's."""
    trainings = ((job, queue.latest(job.id, ("prepared",))) for job in jobs if job.kind == "train")
    begun = {home / str(said.data.get("run_folder")): job.owner for job, said in trainings if said}
    sent = (home / "photos").resolve()

    def whose(run: Path) -> str:
        photos = (photo.resolve() for photo in photos_of_run(run))
        senders = (photo.relative_to(sent).parts[0] for photo in photos if photo.is_relative_to(sent))
        return begun.get(run) or next(senders, LOCAL)

    return whose


def _folders_called(names: list[str], places: Iterable[Path]) -> set[Path]:
    return {
        path.resolve()
        for place in places
        if place.is_dir()
        for path in place.iterdir()
        if path.is_dir() and _is_called(path.name, names)
    }


def _photo_sets(
    home: Path, names: list[str], about: list[Job], jobs: list[Job], runs: list[Path], owner: str | None
) -> set[Path]:
    """Gives the sets of photos inside the home folder that have the person's name, or that the person was learned from.

    So are those that such a set was prepared from, and those that were prepared from it. With `owner` only theirs. Some
    may be gone: they lead to others.
    """
    root = (home / "photos" / owner if owner is not None else home / "photos").resolve()
    sets = _folders_called(names, root.glob("*") if owner is None else [root])
    sets |= {folder for job in jobs for folder in sets_of(job) if _is_called(folder.name, names)}
    sets |= {folder for job in about if job.kind == "train" for folder in sets_of(job)}
    sets |= {photo.resolve().parent for run in runs for photo in photos_of_run(run)}
    made = [sets_of(job) for job in jobs if job.kind == "prepare"]
    while more := {folder for pair in made if pair & sets for folder in pair} - sets:
        sets |= more
    return {path for path in sets if path.is_relative_to(root) and path != root}


def _emptied(home: Path, folder: Path) -> list[str]:
    """Removes what lies in `folder`, which stays, as a server that is running writes there; says so where there was."""
    there = [*folder.glob("*")]
    for path in there:
        with contextlib.suppress(FileNotFoundError):  # that server may tidy up at this moment
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    return [_relative(home, folder)] if there else []


def _removed(home: Path, path: Path) -> str:
    """Removes a file or a folder, if it is there, and gives what it is called in the home folder."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    return _relative(home, path)


def _relative(home: Path, path: Path) -> str:
    for root in (home, home.resolve()):
        if path.is_relative_to(root):
            return path.relative_to(root).as_posix()
    return str(path)  # where a folder of the home folder is a link to elsewhere
