"""What the page and both APIs work with: the studio, the queue, the gallery and the folders, as plain Python.

Knows nothing of HTTP.
"""

import gc
import itertools
import json
import logging
import os
import re
import shutil
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from PIL import Image

from retrato.embeddings import EmbeddingLibrary, check_name
from retrato.errors import ModelError, PhotoError, RetratoError, SettingsError, UnknownError
from retrato.files import write_atomic
from retrato.forget import forget
from retrato.gallery import Gallery
from retrato.generation import resolve_settings, vary
from retrato.jobs import JobQueue
from retrato.model.catalogue import describe_model, find_vae, list_models, list_vaes
from retrato.model.load import EMBEDDED
from retrato.model.single_file import read_vae
from retrato.photos import Looked, PhotoReport, checking, list_photos
from retrato.photos.decode import decode
from retrato.photos.encode import encode
from retrato.prompts.templates import template_names
from retrato.server.wholes import cut_of, is_free_for, whole_of
from retrato.settings import GenerateSettings, LearnSettings, ServerSettings, TrainSettings
from retrato.studio import Studio
from retrato.training.prepare import check_order
from retrato.training.run_folder import RUNS

logger = logging.getLogger("retrato")

Cut = tuple[float, float, float]
SMALLEST_CUT = 0.1  # of the shorter side


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
        self.studio = studio
        self.settings = settings
        self.home = studio.home
        self.queue = JobQueue(studio.home, longest=settings.queue_length, owners=accounts)
        self.gallery = Gallery(studio.home)
        self._first = str(studio.model)
        self._beside: Studio | None = None  # on what the last job wanted that wanted another model or VAE
        self._options: dict[str, Any] = {"send_seed": True}
        self._reports: dict[Path, tuple[object, PhotoReport]] = {}
        self._lock = threading.Lock()
        self._photos_lock = threading.Lock()  # held while a photo of any set is changed
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
        facts = [each for each in list_models(self.home / "models") if each.problem is None]
        found = [_model(each.path) for each in facts]
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
        models = self.models()
        wanted = name.split(" [")[0].strip().casefold()
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

        Raises UnknownError; a name never leads out of these folders.
        """
        check_name(name)
        for root in self.photo_roots(owner):
            folder = (root / name).resolve()
            if folder.is_relative_to(root.resolve()) and folder.is_dir():
                return folder
        there = ", ".join(self.photo_sets(owner=owner)) or "none yet"
        raise UnknownError(f"there is no set of photos called {name!r}: there are {there}; send some first")

    def photo_sets(self, *, owner: str) -> list[str]:
        """Gives the names of the sets of photos that `owner` may use."""
        folders = [path for root in self.photo_roots(owner) if root.is_dir() for path in root.iterdir()]
        return sorted({path.name for path in folders if path.is_dir() and not path.name.startswith(".")})

    def new_photo_set(self, name: str, *, owner: str) -> Path:
        """Gives the folder for a set of photos of `owner`'s own, made so that nobody else on this machine looks in."""
        folder = self.photo_roots(owner)[0] / check_name(name)
        for made in (self.home / "photos", folder.parent, folder):
            made.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    def add_photo(self, name: str, file: str, content: bytes, caption: str = "", *, owner: str) -> Path:
        """Adds a photo to a set: pixels only, upright; where it was taken and with what is left behind.

        One that was sent before takes its own place again; another one of that name gets a number, as telephones call
        all of theirs `image.jpg`. Raises PhotoError, and EmbeddingError for a name that is none.
        """
        stem = check_name(Path(file).stem)
        picture = encode(decode(content, stem).image)
        folder = self.new_photo_set(name, owner=owner)
        places = (folder / f"{stem}{f'-{number}' * (number > 1)}.png" for number in itertools.count(1))
        with self._photos_lock:  # a place that is free is taken before anybody else looks for one
            target = next(place for place in places if is_free_for(place, picture))
            write_atomic(target, picture)
            for of_its_forerunner in (whole_of(target), cut_of(target)):
                of_its_forerunner.unlink(missing_ok=True)
            if caption.strip():
                write_atomic(target.with_suffix(".txt"), caption.strip() + "\n")
        return target

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

    def own_photo(self, name: str, file: str, *, owner: str) -> Path:
        """Gives a photo of a set of `owner`'s own, which may be changed; raises UnknownError."""
        folder = self.photo_set(name, owner=owner)
        found = next((path for path in list_photos(folder) if path.name == file), None)
        if found is None or not folder.is_relative_to(self.photo_roots(owner)[0].resolve()):
            raise UnknownError(f"there is no photo {file[:80]!r} of yours in {name}: look at the set first")
        return found

    def remove_photo(self, name: str, file: str, *, owner: str) -> None:
        """Takes a photo out of a set, with its caption and what was cut off it."""
        with self._photos_lock:
            photo = self.own_photo(name, file, owner=owner)
            for path in (photo, photo.with_suffix(".txt"), whole_of(photo), cut_of(photo)):
                path.unlink(missing_ok=True)

    def cut_photo(self, name: str, file: str, cut: Cut, *, owner: str) -> None:
        """Cuts a photo of a set to a square; the whole of it is kept beside it, so that the square can move again.

        `cut` is the square's left, top and side, as shares of the whole's width, height and shorter side.
        """
        with self._photos_lock:
            photo = self.own_photo(name, file, owner=owner)
            whole, told = whole_of(photo), cut_of(photo)
            if not whole.exists():
                write_atomic(whole, photo.read_bytes())
            with Image.open(whole) as image:
                side = round(min(max(cut[2], SMALLEST_CUT), 1.0) * min(image.size))
                left = min(max(round(cut[0] * image.width), 0), image.width - side)
                top = min(max(round(cut[1] * image.height), 0), image.height - side)
                write_atomic(photo, encode(image.crop((left, top, left + side, top + side))))
            write_atomic(told, json.dumps([max(0.0, min(1.0, share)) for share in cut]))

    def uncut_photo(self, name: str, file: str, *, owner: str) -> None:
        """Gives a photo back what was cut off it."""
        with self._photos_lock:
            photo = self.own_photo(name, file, owner=owner)
            if whole_of(photo).exists():
                whole_of(photo).replace(photo)
            cut_of(photo).unlink(missing_ok=True)

    def cut_of_photo(self, name: str, file: str, *, owner: str) -> Cut | None:
        """Gives how a photo is cut, None where it is whole."""
        told = cut_of(self.own_photo(name, file, owner=owner))
        if not told.exists():
            return None
        left, top, side = json.loads(told.read_text("utf-8"))
        return left, top, side

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
        state = (size, tuple((path.name, path.stat().st_mtime_ns) for path in list_photos(folder)))
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

    def learned_files(self) -> dict[str, Path]:
        """Gives the checkpoints of trainings, the latest first, and the people, by the files' names without ending."""
        checkpoints = (self.home / RUNS).glob("*/*/embeddings/*.safetensors")
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
        return Studio.open(source, home=self.home, device=self.studio.device, dtype=self.studio.dtype, vae=vae)


def _same_files(these: Iterable[str], those: Iterable[str]) -> bool:
    """Says whether models and VAEs are the same: a home behind a link has two names for each of its files."""
    pairs = list(zip(these, those, strict=True))
    return all(one == other or (one and other and Path(one).resolve() == Path(other).resolve()) for one, other in pairs)


def _model(path: Path) -> Model:
    """Gives the model at `path` as it is chosen; the embedded one is called as its pictures call it."""
    return Model("retrato-mini", "mini", path) if path == EMBEDDED else Model(path.name, str(path), path)
