"""The studio: a frozen model, the library of people, and the folders where things go. The only stateful object.

Knows how the layers below fit together; knows nothing of the screen.
"""

import dataclasses
import logging
import os
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Self, cast

import platformdirs
from torch import Tensor

from retrato.embeddings import Embedding, EmbeddingLibrary, read_embedding
from retrato.errors import EmbeddingError, HypernetworkError, SettingsError, TrainingError
from retrato.generation import Drawn, GeneratedImage, Sampled, generate
from retrato.hypernetworks import HypernetworkLibrary
from retrato.model import Captioner, Components, Scorer, load_captioner, load_components, load_scorer
from retrato.model.load import model_folder
from retrato.photos import Photo, Refused, list_photos, read_photos, require_trainable
from retrato.settings import GenerateSettings, HypernetworkSettings, LearnSettings, TrainSettings
from retrato.training import Finished, Picked, TrainingEvent, choose_run_folder, train
from retrato.training.checkpoint import load_checkpoint
from retrato.training.learnable import read_artefact
from retrato.training.prepare import check_free_word, check_settings_name
from retrato.training.report import write_report
from retrato.training.run_folder import RunFolder, kind_of
from retrato.training.tracking import require_tracker, tracked

logger = logging.getLogger("retrato")


def home_folder(home: Path | str | None = None) -> Path:
    """Gives `home`, else what RETRATO_HOME says, else the user's data folder; makes nothing."""
    return Path(home or os.environ.get("RETRATO_HOME") or platformdirs.user_data_dir("retrato")).expanduser()


class Studio:
    """Learns people and draws them on one frozen model; make one with `Studio.open`.

    Model, scorer, captioner and library are loaded when they are first needed. Several studios in one process do not
    disturb one another.
    """

    def __init__(self, model: str | Path, home: Path, *, device: str = "auto", dtype: str = "auto") -> None:
        self.model = model
        self.home = home
        self.device = device
        self.dtype = dtype
        self._loading = threading.RLock()

    @classmethod
    def open(
        cls,
        model: str | Path = "mini",
        *,
        home: Path | str | None = None,
        device: str = "auto",
        dtype: str = "auto",
    ) -> Self:
        """Gives a studio on `model` (`mini`, or a folder) that keeps its things under `home` (see `home_folder`).

        `device` and `dtype` are as in `retrato.model.device.choose_device`. Raises ModelError for a model that is not
        there.
        """
        model_folder(model)
        return cls(model, home_folder(home), device=device, dtype=dtype)

    @property
    def components(self) -> Components:
        """The frozen model, loaded once, whichever thread asks first; raises ModelError or SettingsError."""
        with self._loading:
            return self._components

    @cached_property
    def _components(self) -> Components:
        return load_components(self.model, device=self.device, dtype=self.dtype)

    @cached_property
    def scorer(self) -> Scorer | None:
        """The scorer that came with the model, None where it brings none."""
        return load_scorer(self.model, device=self.device) if self._brings("scorer") else None

    @cached_property
    def captioner(self) -> Captioner | None:
        """The captioner that came with the model, None where it brings none."""
        return load_captioner(self.model, device=self.device) if self._brings("captioner") else None

    @property
    def library(self) -> EmbeddingLibrary:
        """The people that this model can draw; what had to be skipped is logged with the reason."""
        with self._loading:
            return self._library

    @cached_property
    def _library(self) -> EmbeddingLibrary:
        library = EmbeddingLibrary(self.home / "embeddings", self.components.token_widths)
        _announce(library)
        return library

    @cached_property
    def hypernetworks(self) -> HypernetworkLibrary:
        """The hypernetworks that prompts may ask for; whether one fits the model is seen when it is asked for."""
        return HypernetworkLibrary(self.home / "hypernetworks")

    @property
    def outputs(self) -> Path:
        """The folder for today's pictures."""
        return self.home / "outputs" / date.today().isoformat()

    def train(
        self, photos: Path | str, settings: LearnSettings, *, out: Path | str | None = None, resume: bool = False
    ) -> Generator[Refused | TrainingEvent, None, None]:
        """Learns the person in the folder `photos`, picks the checkpoint and installs it in the library.

        TrainSettings make an embedding, HypernetworkSettings a hypernetwork. Everything that can be refused is refused
        here, before the first event and before anything is written: raises EmbeddingError (or HypernetworkError) for a
        name that is taken, a path or an ordinary word, PhotoError, SettingsError, PromptError and ModelError. First
        comes a Refused for each photo left out, then training's own events; `Finished.file` is the file in the library,
        and the run folder has a `report.html`. The run lies in `out`, by default in a new folder under
        `textual_inversion`; `resume` goes on with an interrupted one. To stop, close the generator: what was learned so
        far is on disk then.
        """
        self.check_training(photos, settings)
        usable, refused = read_photos(photos, shorter_side=self.components.defaults.size)
        require_trainable(usable, refused)
        run_folder = self._run_folder(settings, out, resume)
        return self._train(usable, refused, settings, run_folder, resume)

    def check_training(self, photos: Path | str, settings: LearnSettings) -> None:
        """Raises what `train` would raise about the name and the folder; photos are not read yet, so this is quick."""
        check_settings_name(settings)
        require_tracker(settings.track)
        list_photos(photos)
        self._check_free(settings)
        check_free_word(self.components, settings)

    def keep_latest(self, run_folder: Path, settings: TrainSettings) -> tuple[Path, int] | None:
        """Installs what an interrupted run learned last and gives the file and the step, None where there is nothing.

        Raises TrainingError where the library does not take it.
        """
        folder = RunFolder(run_folder, settings.name)
        found = load_checkpoint(folder.checkpoints)
        if found is None:
            return None
        step = found.state.step
        if self.has_from(run_folder, settings.name):
            settings = settings.changed(overwrite=True)
        return self._install(folder.candidate(step), settings), step

    def has_from(self, run_folder: Path, name: str) -> bool:
        """Says whether what the library calls `name` came from the run in `run_folder`."""
        self.library.reload()
        if name not in self.library:
            return False
        vectors = self.library[name].vectors
        files = [RunFolder(run_folder, name).picked, *RunFolder(run_folder, name).candidates()]
        return any(_same(vectors, read_embedding(file).vectors) for file in files if file.is_file())

    def draw(self, settings: GenerateSettings) -> Iterator[GeneratedImage]:
        """Draws the pictures that `settings` ask for, one by one; see `draw_events`."""
        return (event.image for event in self.draw_events(settings) if isinstance(event, Drawn))

    def draw_events(self, settings: GenerateSettings) -> Iterator[Sampled | Drawn]:
        """Draws and says so step by step; the library's names may stand anywhere in the prompts.

        Raises SettingsError, PromptError, EmbeddingError, HypernetworkError or ModelError when the first event is asked
        for.
        """
        if self.library.reload():
            _announce(self.library)
        return generate(self.components, settings, self.library.embeddings, self.hypernetworks)

    def _train(
        self,
        photos: Sequence[Photo],
        refused: Sequence[Refused],
        settings: LearnSettings,
        run_folder: Path,
        resume: bool,
    ) -> Generator[Refused | TrainingEvent, None, None]:
        yield from refused
        needs_captions = settings.caption == "auto" and not all(photo.caption for photo in photos)
        trained = train(
            self.components,
            photos,
            settings,
            run_folder=run_folder,
            scorer=self.scorer,
            captioner=self.captioner if needs_captions else None,
            resume=resume,
        )
        installed = Path()
        generator = cast("Generator[TrainingEvent, None, None]", trained)
        with closing(tracked(generator, settings.track, run_folder, settings.name)) as events:
            for event in events:
                if isinstance(event, Picked):
                    installed = self._install(RunFolder(run_folder, settings.name).picked, settings)
                if isinstance(event, Finished):
                    _write_report(event.run_folder)
                    event = dataclasses.replace(event, file=installed)
                yield event

    def _install(self, picked: Path, settings: LearnSettings) -> Path:
        """Puts what was learned into the library under its name; where that fails, says where it lies instead."""
        self.library.reload()
        try:
            learned = read_artefact(picked, type(settings))
            if isinstance(learned, Embedding):  # candidates are called by step
                return self.library.add(dataclasses.replace(learned, name=settings.name), overwrite=settings.overwrite)
            return self.hypernetworks.add(learned, overwrite=settings.overwrite)
        except (EmbeddingError, HypernetworkError, OSError) as error:
            raise TrainingError(f"{picked} is learned but could not go into the library: {error}") from error

    def _check_free(self, settings: LearnSettings) -> None:
        """Raises EmbeddingError where the library has the name already, also in a file that this model cannot use.

        For a hypernetwork that is HypernetworkError.
        """
        if isinstance(settings, HypernetworkSettings):
            if settings.name in self.hypernetworks and not settings.overwrite:
                file = self.hypernetworks.path(settings.name)
                raise HypernetworkError(
                    f"the name {settings.name} is taken by {file}: choose another one, or replace it with --overwrite"
                )
            return
        self.library.reload()
        file = self.library.folder / f"{settings.name}.safetensors"
        taken = self.library.path(settings.name) if settings.name in self.library else file if file.exists() else None
        if taken and not settings.overwrite:
            raise EmbeddingError(
                f"the name {settings.name} is taken by {taken}: choose another one, or replace it with --overwrite"
            )

    def _run_folder(self, settings: LearnSettings, out: Path | str | None, resume: bool) -> Path:
        """Gives the folder of the run; raises SettingsError where there can be none, or none to resume."""
        if out is None:
            try:
                return choose_run_folder(
                    self.home / "textual_inversion", settings.name, kind=kind_of(settings), resume=resume
                )
            except TrainingError as error:  # nothing was done yet: it is the input that is wrong
                raise SettingsError(str(error)) from None
        folder = Path(out)
        if folder.exists() and not folder.is_dir():
            raise SettingsError(f"{folder} is a file, wanted a folder for the run: name another one")
        if resume and not any(folder.glob("checkpoints/*.json")):
            raise SettingsError(f"{folder} holds no run that can be resumed: start it without --resume")
        # A run clears away temporary files of its own, so it gets a folder where there are no others'.
        if not resume and folder.is_dir() and any(path.name != ".lock" for path in folder.iterdir()):
            raise SettingsError(
                f"{folder} is not empty: name a new folder, or add --resume to go on with the run in it"
            )
        return folder

    def _brings(self, part: str) -> bool:
        return (model_folder(self.model) / part).is_dir()


def _write_report(run_folder: Path) -> None:
    """Writes the page about a run; the person is learned and installed by then, so a full disk is only a warning."""
    try:
        write_report(run_folder)
    except OSError as error:
        logger.warning("%s has no report, it could not be written: %s", run_folder, error.strerror or error)


def _same(some: tuple[Tensor, ...], others: tuple[Tensor, ...]) -> bool:
    return len(some) == len(others) and all(
        one.shape == other.shape and bool((one == other).all()) for one, other in zip(some, others, strict=True)
    )


def _announce(library: EmbeddingLibrary) -> None:
    """Logs what was loaded in A1111's words, and a warning for each file that was skipped or may surprise."""
    loaded, *warnings = library.summary().split("\n")
    logger.info(loaded)
    for warning in warnings:
        logger.warning(warning)
