"""What the page and both APIs work with: the studio, the queue, the gallery and the folders, as plain Python.

Knows nothing of HTTP.
"""

import contextlib
import gc
import logging
import os
import re
import shutil
import threading
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from retrato.embeddings import EmbeddingLibrary, check_name
from retrato.errors import ModelError, PhotoError, QueueError, RetratoError, SettingsError, UnknownError
from retrato.files import visible, write_atomic
from retrato.forget import forget, owners_of_runs, sets_of
from retrato.gallery import Gallery
from retrato.generation import resolve_settings, vary
from retrato.jobs import JobQueue
from retrato.model.catalogue import describe_model, find_vae, list_models, list_vaes
from retrato.model.load import EMBEDDED
from retrato.model.single_file import read_vae
from retrato.photos import Looked, PhotoReport, checking, list_photos
from retrato.prompts.templates import template_names
from retrato.server.photo_files import Cut, cut_to, keep_mask, keep_photo, name_for, read_sent, remove, uncut
from retrato.server.room import Room
from retrato.settings import GenerateSettings, LearnSettings, ServerSettings, TrainSettings
from retrato.studio import Studio
from retrato.training.prepare import check_order
from retrato.training.run_folder import RUNS

logger = logging.getLogger("retrato")


@dataclass(frozen=True, slots=True)
class Model:
    """A base model that can be chosen: what to call it, what to give `Studio.open`, and its file."""

    name: str
    source: str
    file: Path


class Service:
    """One server's studio, queue and gallery. `studio` is the one that new jobs go to; see `use_model`.

    So many `accounts` share the queue.
    """

    def __init__(self, studio: Studio, settings: ServerSettings, *, accounts: int = 1) -> None:
        self.studio, self.settings, self.home = studio, settings, studio.home
        self.queue = JobQueue(studio.home, longest=settings.queue_length, owners=accounts)
        self.gallery = Gallery(studio.home)
        self.room = self.queue.admits = Room(self.queue, self.gallery, settings.gigabytes)
        self._first, self._family = str(studio.model), studio.family
        self._beside: Studio | None = None  # on what the last job wanted that wanted another model or VAE
        self._options: dict[str, Any] = {"send_seed": True}
        self._reports: dict[Path, tuple[object, PhotoReport]] = {}
        self._lock = threading.Lock()
        self._photos_locks: dict[str, threading.Lock] = {}  # by owner; held while a photo of their sets is changed
        self._warming: threading.Thread | None = None

    def close(self) -> None:
        """Closes the database."""
        if self._warming is not None:
            self._warming.join()
        self.queue.close()
        self.gallery.close()

    def warm_up(self) -> None:
        """Begins to read the model beside everything else, the first time only, so that no job waits for it.

        For when a page stands in a browser: earlier, both would wait for one another.
        """
        with self._lock:
            if self._warming is None:
                self._warming = threading.Thread(target=self._read_model, name="retrato-reads-the-model", daemon=True)
                self._warming.start()

    def _read_model(self) -> None:
        try:
            self.people()
        except (RetratoError, OSError) as error:  # each job will say so itself
            logger.warning("%s", error)

    @property
    def model(self) -> str:
        """Gives the model that new jobs go to, as jobs name it."""
        return str(self.studio.model)

    def people(self) -> EmbeddingLibrary:
        """Gives the people that the model can draw, as they are on the disk now."""
        self.studio.library.reload()
        return self.studio.library

    @property
    def everybody(self) -> EmbeddingLibrary:
        """Gives all people as they are on the disk now, whatever model they are for; no model is read for it."""
        self._everybody.reload()
        return self._everybody

    @cached_property
    def _everybody(self) -> EmbeddingLibrary:
        return EmbeddingLibrary(self.home / "embeddings")

    def models(self) -> list[Model]:
        """Gives what can be chosen: `mini`, what the server was started with, and what lies in `<home>/models`."""
        found = [_model(each.path) for each in list_models(self.home / "models") if each.problem is None]
        known = {model.source for model in found}
        if self._first not in known:
            found.insert(1, Model(Path(self._first).name, self._first, Path(self._first)))
        return found

    @property
    def photo_size(self) -> int:
        """Gives the side of the model's pictures in pixels, without loading it; raises ModelError."""
        return describe_model(self.studio.model).size

    def find_model(self, name: str) -> Model:
        """Gives the model of that name, source or A1111 title; raises ModelError with those that there are."""
        models, whole = self.models(), name.strip().casefold()
        for wanted in (whole, whole.rpartition(" [")[0]):  # a title ends with the hash
            for model in models:
                if wanted in (model.name.casefold(), model.source.casefold(), model.file.stem.casefold()):
                    return model
        there = ", ".join(model.name for model in models)
        raise ModelError(f"there is no model {name[:80]!r} here: there are {there}; put others into the folder models")

    def use_model(self, name: str) -> Model:
        """Sends new jobs to another model; raises ModelError."""
        model = self.find_model(name)
        with self._lock:
            if model.source != self.model:
                self._exchange(model.source, self.studio.vae)
        return model

    def find_vae(self, name: str) -> Path | None:
        """Gives the VAE of that name in the folder `models`; None for the model's own (`Automatic`, `None`).

        Raises ModelError for one that is not there, and SettingsError for one that is elsewhere.
        """
        folder = self.home / "models"
        found, known = find_vae(name, folder), list_vaes(folder)
        if found is not None and found not in known:  # a path that leads elsewhere
            there = ", ".join(path.name for path in known) or "none yet"
            raise SettingsError(f"there is no VAE {name[:80]!r} in the folder models: there are {there}")
        return found

    def check_vae(self, name: str) -> Path | None:
        """Gives what `find_vae` gives; raises ModelError also for one that cannot be read."""
        vae = self.find_vae(name)
        if vae is not None and vae != self.studio.vae:
            read_vae(vae)
        return vae

    def use_vae(self, name: str) -> None:
        """Sends new jobs to the model with another VAE; raises as `check_vae` does."""
        vae = self.check_vae(name)
        with self._lock:
            if vae != self.studio.vae:
                self._exchange(self.model, vae)

    def picture_file(self, said: str, *, owner: str) -> Path:
        """Gives the file that `upload:<id>` (see `store_upload`) or `picture:<number>` (the gallery's) stands for.

        Raises UnknownError; a path is no id.
        """
        kind, _, name = said.partition(":")
        if kind == "picture" and name.isdecimal() and len(name) < 19:
            return self.gallery.file(int(name), owner=owner)
        file = self.home / "uploads" / f"{name}.png"
        if kind == "upload" and re.fullmatch("[0-9a-f]{32}", name) and file.is_file():
            os.utime(file)  # what is old is tidied away
            return file
        raise UnknownError(
            f"there is no picture {said[:80]!r}: send it to /api/v1/pictures/upload, or name picture:<id>"
        )

    def photo_set(self, name: str, *, owner: str) -> Path:
        """Gives the folder of a set of photos: one that `owner` sent, or one in the folder of `--photos`.

        Raises UnknownError; a name never leads out of these folders. An own set that is empty hides no shared one.
        """
        called = unicodedata.normalize("NFC", name)
        found = [folder for known, folder in self._sets(owner) if known == called]
        if not found:
            there = ", ".join(self.photo_sets(owner=owner)) or "none yet"
            raise UnknownError(f"there is no set of photos called {name[:80]!r}: there are {there}; send some first")
        return next((folder for folder in found if any(visible(folder, "*"))), found[0])

    def photo_sets(self, *, owner: str) -> list[str]:
        """Gives the names of the sets of photos that `owner` may use."""
        return sorted({name for name, _ in self._sets(owner)})

    def is_own_set(self, name: str, *, owner: str) -> bool:
        """Says whether the photos of a set are `owner`'s own, so that they may be changed; raises UnknownError."""
        return self.photo_set(name, owner=owner).is_relative_to(self.photo_roots(owner)[0].resolve())

    def check_own_set(self, name: str, *, owner: str) -> str:
        """Gives a name that photos of `owner`'s own may go by.

        Raises EmbeddingError for what is no name, and PhotoError for that of a shared set, which they would hide.
        """
        if name in self.photo_sets(owner=owner) and not self.is_own_set(name, owner=owner):
            raise PhotoError(_shared(name))
        return check_name(name)

    def new_photo_set(self, name: str, *, owner: str) -> Path:
        """Gives the folder for a set of photos of `owner`'s own, made so that nobody else on this machine looks in.

        Raises what `check_own_set` does.
        """
        folder = self.photo_roots(owner)[0] / self.check_own_set(name, owner=owner)
        for made in (self.home / "photos", folder.parent, folder):
            made.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    def add_photo(self, name: str, file: str, content: bytes, caption: str = "", *, owner: str) -> Path:
        """Adds a photo to a set, or a mask to one of its photos: see `name_for`, `keep_photo` and `keep_mask`.

        Only pixels are kept, upright; where it was taken and with what is left behind. Raises PhotoError, and what
        `check_own_set` and `Room` do.
        """
        self.room(owner)
        (called, is_mask), sent = name_for(file), read_sent(content, file)
        with self._photos_locks.setdefault(owner, threading.Lock()):  # a free place is taken before others look
            folder = self.new_photo_set(name, owner=owner)
            return keep_mask(folder, called, sent) if is_mask else keep_photo(folder, called, sent, caption)

    @property
    def dropped(self) -> Path:
        """Gives the folder where what is dropped on the page lies, as it was sent, until it is read."""
        return self.home / "uploads" / "page"

    def read_dropped(self, file: str) -> bytes:
        """Gives what a file holds that was dropped on the page, and removes it: it may say where a photo was taken.

        Raises PhotoError where somebody else who dropped the same one was faster.
        """
        path = Path(file)
        try:
            return path.read_bytes()
        except FileNotFoundError:
            raise PhotoError(f"{path.name} is not there any more: drop it again") from None
        finally:
            path.unlink(missing_ok=True)

    def empty_dropped(self) -> None:
        """Removes what was dropped on the page and never read."""
        for path in self.dropped.glob("*"):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def photo(self, name: str, file: str, *, owner: str) -> Path:
        """Gives a photo of a set that `owner` may use; raises UnknownError."""
        found = (path for path in list_photos(self.photo_set(name, owner=owner)) if path.name == file)
        if (photo := next(found, None)) is None:
            raise UnknownError(f"there is no photo {file[:80]!r} in {name}: look at the set first")
        return photo

    def own_photo(self, name: str, file: str, *, owner: str) -> Path:
        """Gives a photo of a set of `owner`'s own, which may be changed; raises UnknownError and PhotoError."""
        photo = self.photo(name, file, owner=owner)
        if not self.is_own_set(name, owner=owner):
            raise PhotoError(_shared(name))
        return photo

    def remove_photo(self, name: str, file: str, *, owner: str) -> None:
        """Takes a photo out of a set, with its mask, its caption and what was cut off it. An empty set goes, too."""
        with self._photos_locks.setdefault(owner, threading.Lock()):
            photo = self.own_photo(name, file, owner=owner)
            remove(photo)
            with contextlib.suppress(OSError):  # there is something left in it
                photo.parent.rmdir()

    def remove_photo_set(self, name: str, *, owner: str) -> None:
        """Removes a set of `owner`'s own; raises UnknownError, PhotoError, and QueueError while a job needs it."""
        with self._photos_locks.setdefault(owner, threading.Lock()):
            folder = self.photo_set(name, owner=owner)
            if not self.is_own_set(name, owner=owner):
                raise PhotoError(_shared(name))
            if job := next((job for job in self.queue.jobs(limit=-1) if job.is_open and folder in sets_of(job)), None):
                raise QueueError(f"job {job.id} works with the photos of {name}: cancel it first")
            shutil.rmtree(folder)

    def cut_photo(self, name: str, file: str, cut: Cut, *, owner: str) -> None:
        """Cuts a photo of a set to a square, which can move again; see `cut_to`."""
        with self._photos_locks.setdefault(owner, threading.Lock()):
            cut_to(self.own_photo(name, file, owner=owner), cut)

    def uncut_photo(self, name: str, file: str, *, owner: str) -> None:
        """Gives a photo back what was cut off it."""
        with self._photos_locks.setdefault(owner, threading.Lock()):
            uncut(self.own_photo(name, file, owner=owner))

    def caption_photo(self, name: str, file: str, caption: str, *, owner: str) -> None:
        """Writes what is on a photo in words into the .txt beside it; no words take it away."""
        target = self.own_photo(name, file, owner=owner).with_suffix(".txt")
        words = " ".join(caption.split())
        if words:
            write_atomic(target, words + "\n")
        else:
            target.unlink(missing_ok=True)

    def look_at_photos(self, name: str, *, owner: str) -> Iterator[Looked | PhotoReport]:
        """Gives what `retrato.photos.checking` does of a set; the report at once where no file changed since the last.

        Raises PhotoError and UnknownError.
        """
        folder, size = self.photo_set(name, owner=owner), self.photo_size
        state = (size, tuple((path.name, _changed(path)) for path in visible(folder, "*")))  # masks, too
        with self._lock:
            known = self._reports.get(folder)
        if known is not None and known[0] == state:
            yield known[1]
            return
        for found in checking(folder, size=size):
            if isinstance(found, PhotoReport):
                with self._lock:
                    self._reports[folder] = (state, found)
            yield found

    def photo_roots(self, owner: str) -> list[Path]:
        """Gives the folders whose sub-folders are sets of photos that `owner` may use; the first is `owner`'s own."""
        own = self.home / "photos" / check_name(owner)
        return [own, *([Path(self.settings.photos).expanduser()] if self.settings.photos else [])]

    def _sets(self, owner: str) -> Iterator[tuple[str, Path]]:
        """Gives name and folder of each set that `owner` may use, their own first; no link out of its folder is one."""
        for root in self.photo_roots(owner):
            for path in visible(root, "*"):
                folder = Path(os.path.realpath(path))  # also of a link to itself
                if folder.is_dir() and folder.is_relative_to(root.resolve()):
                    yield unicodedata.normalize("NFC", path.name), folder

    def learned_files(self, *, owner: str) -> dict[str, Path]:
        """Gives checkpoints of `owner`'s trainings, the latest first, and all people, by file names without ending."""
        whose = owners_of_runs(self.home, self.queue, self.queue.jobs(limit=-1))
        runs = (self.home / RUNS).glob("*/*")
        checkpoints = (path for run in runs if whose(run) == owner for path in run.glob("embeddings/*.safetensors"))
        found: dict[str, Path] = {}
        for path in sorted(checkpoints, key=lambda path: (-path.parent.stat().st_mtime, len(path.name), path.name)):
            found.setdefault(path.stem, path)
        library = self.everybody
        return {**found, **{name: library.path(name) for name in library.names if name not in found}}

    def check_drawing(self, settings: GenerateSettings, model: str | None = None) -> None:
        """Raises what drawing would raise about styles, word lists and settings that do not fit the model."""
        self.check_words(settings)
        if model in (None, self.model):
            resolve_settings(self.studio.components, settings)

    def check_training(self, photos: Path, settings: LearnSettings, model: str | None = None) -> None:
        """Raises what training would raise about name, folder and template, which is a built-in one here and no path.

        Whether they fit a model other than the current one is seen when that one is loaded for the job.
        The lines of a template are told to whoever asked, who may be nobody to read the files of this machine.
        """
        names = template_names(needs_name=isinstance(settings, TrainSettings))
        if settings.template not in (None, *names):
            raise SettingsError(f"template is {settings.template!r}: name one of {', '.join(names)}")
        if model in (None, self.model):
            self.studio.check_training(photos, settings)
        else:
            check_order(photos, settings)

    def check_words(self, settings: GenerateSettings) -> None:
        """Raises what drawing would raise about styles and word lists, without the model; see `vary`."""
        vary(settings, styles=self.studio.styles, wildcards=self.studio.wildcards)

    def forget(self, name: str, *, owner: str | None = None) -> list[str]:
        """Removes a person and gives what was removed; see `retrato.forget`."""
        return forget(self.home, name, queue=self.queue, gallery=self.gallery, owner=owner)

    def unload(self) -> None:
        """Forgets the loaded model; whoever needs it next loads it again."""
        with self._lock:
            self._exchange(self.model, self.studio.vae)

    def _exchange(self, source: str, vae: str | Path | None) -> None:
        """Puts a studio that has read nothing yet in the place of all others, whose models memory is needed for."""
        self.studio, self._beside = self.open(source, vae), None
        gc.collect()

    def studio_for(self, model: str | None, vae: str | None) -> Studio:
        """Gives the studio on a job's model and VAE, by default the server's; `vae` is empty for the model's own.

        Beside the server's only the last one stays in memory.
        """
        with self._lock:
            wanted = model or self.model, str(self.studio.vae or "") if vae is None else vae
            for known in (self.studio, self._beside):
                if known is not None and _same_files(wanted, (str(known.model), str(known.vae or ""))):
                    return known
            self._beside = None
            gc.collect()
            self._beside = self.open(wanted[0], wanted[1] or None)
            return self._beside

    def options(self) -> dict[str, Any]:
        """Gives A1111's options that clients may set, as they are set."""
        with self._lock:
            return dict(self._options)

    def overrides(self) -> dict[str, Any]:
        """Gives those of the options that change what A1111's API draws."""
        return {name: value for name, value in self.options().items() if name != "send_seed"}

    def set_option(self, name: str, value: Any) -> None:
        """Sets an option until the server ends."""
        with self._lock:
            self._options[name] = value

    def open(self, source: str, vae: str | Path | None = None) -> Studio:
        """Gives a studio on another model or VAE, in the same home and on the same device."""
        family = self._family if _same_files([source], [self._first]) else "auto"  # it was said of that one alone
        alike = {"device": self.studio.device, "dtype": self.studio.dtype, "family": family}
        return Studio.open(source, home=self.home, **alike, vae=vae, scorer=self.studio.named_scorer)


def _same_files(these: Iterable[str], those: Iterable[str]) -> bool:
    """Says whether models and VAEs are the same: a home behind a link has two names for each of its files."""
    pairs = list(zip(these, those, strict=True))
    return all(one == other or (one and other and Path(one).resolve() == Path(other).resolve()) for one, other in pairs)


def _changed(path: Path) -> int | None:
    """Gives when a file was changed; None for one that is gone, and for a link to nothing."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


def _shared(name: str) -> str:
    return f"the photos of {name} are shared, and nobody changes them here: choose another name for photos of your own"


def _model(path: Path) -> Model:
    """Gives the model at `path` as it is chosen; the embedded one is called as its pictures call it."""
    return Model("retrato-mini", "mini", path) if path == EMBEDDED else Model(path.name, str(path), path)
