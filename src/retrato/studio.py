"""The studio: a frozen model, the library of people, and the folders where things go. The only stateful object.

Knows how the layers below fit together; knows nothing of the screen.
"""

import dataclasses
import logging
import threading
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import date
from functools import cached_property, partial
from pathlib import Path
from typing import Self

from retrato.embeddings import Embedding, EmbeddingLibrary
from retrato.errors import EmbeddingError, HypernetworkError, ModelError, RetratoError, SettingsError, TrainingError
from retrato.generation import (
    Axis,
    Cell,
    Drawn,
    GeneratedImage,
    Recalled,
    Sampled,
    check_prompts,
    draw_grid,
    generate,
    name_warnings,
    recall_picture,
    vary,
    what_differs,
    with_styles,
)
from retrato.generation.grid import Load
from retrato.home import home_folder
from retrato.hypernetworks import HypernetworkLibrary
from retrato.model import Captioner, Components, Scorer, load_components
from retrato.model.catalogue import find_model, find_vae
from retrato.model.companions import FETCH_SCORER, captioner_of, scorer_of
from retrato.model.load import files_of, model_path
from retrato.model.openvino import on_openvino
from retrato.model.text import heeds_clip_skip
from retrato.photos import Photo, Refused, read_photos, require_trainable
from retrato.prompts import StyleFile, WildcardFolder
from retrato.settings import GenerateSettings, HypernetworkSettings, LearnSettings, TrainSettings
from retrato.training import Failed, Finished, Of, Picked, TrainingEvent, choose_run_folder, crowd
from retrato.training.answer import Answer, Lesson, answered
from retrato.training.checkpoint import load_checkpoint
from retrato.training.learnable import Artefact, find_artefact, is_same, read_artefact
from retrato.training.people import people_in
from retrato.training.prepare import check_order, check_settings, check_settings_name, recipe_of, training_size
from retrato.training.recipes import check_choices
from retrato.training.report import try_to_write_report
from retrato.training.run_folder import RUNS, RunFolder, has_run, kind_of, named_run_folder
from retrato.training.seen import names_seen
from retrato.training.tracking import tracking
from retrato.training.train import lesson
from retrato.training.verdict import ScoredPicture, Verdict, judge_artefact

logger = logging.getLogger("retrato")


class Studio:
    """Learns people and draws them on one frozen model; make one with `Studio.open`.

    Model, scorer, captioner and library are loaded when they are first needed. Several studios in one process do not
    disturb one another.
    """

    def __init__(
        self,
        model: str | Path,
        home: Path,
        *,
        device: str = "auto",
        dtype: str = "auto",
        family: str = "auto",
        vae: str | Path | None = None,
        scorer: str | Path | None = None,
    ) -> None:
        self.model, self.home = model, home
        self.device, self.dtype, self.family, self.vae = device, dtype, family, vae
        self.named_scorer = scorer
        self._loading = threading.RLock()

    @classmethod
    def open(
        cls,
        model: str | Path = "mini",
        *,
        home: Path | str | None = None,
        device: str = "auto",
        dtype: str = "auto",
        family: str = "auto",
        vae: str | Path | None = None,
        scorer: str | Path | None = None,
    ) -> Self:
        """Gives a studio on `model` that keeps its things under `home` (see `home_folder`).

        `model` is `mini`, a folder in diffusers layout, a checkpoint file, or the name of either in the home folder's
        `models`. `device`, `dtype`, `family`, `vae` are as in `load_components`, `scorer` of `scorer_of`.
        Raises ModelError for a model that is not there, SettingsError for a home that can be no folder.
        """
        folder = home_folder(home)
        found = find_model(model, folder / "models")
        model_path(found)
        return cls(found, folder, device=device, dtype=dtype, family=family, vae=vae, scorer=scorer)

    @property
    def components(self) -> Components:
        """The frozen model, loaded once, whichever thread asks first; raises ModelError or SettingsError."""
        with self._loading:
            return self._components

    @cached_property
    def _components(self) -> Components:
        return load_components(self.model, device=self.device, dtype=self.dtype, family=self.family, vae=self.vae)

    def computed(self, settings: GenerateSettings) -> Components:
        """The frozen model, its U-Net computed by `settings.engine`; raises SettingsError where that cannot be."""
        with self._loading:
            return self._on_openvino if settings.engine == "openvino" else self._components

    @cached_property
    def _on_openvino(self) -> Components:
        dtype = None if self.dtype == "auto" else self._components.dtype
        return on_openvino(self._components, self.home / "cache" / "openvino", dtype=dtype)

    @cached_property
    def scorer(self) -> Scorer | None:
        """The scorer that was named, the model's own, or the home folder's; None where there is none."""
        return scorer_of(self.model, self.home, device=self.device, named=self.named_scorer)

    @cached_property
    def captioner(self) -> Captioner | None:
        """The model's own captioner, or the home folder's; None where there is none."""
        return captioner_of(self.model, self.home, device=self.device)

    @property
    def library(self) -> EmbeddingLibrary:
        """The people that this model can draw; what had to be skipped is logged with the reason."""
        with self._loading:
            return self._library

    @cached_property
    def _library(self) -> EmbeddingLibrary:
        library = EmbeddingLibrary(self.home / "embeddings", self.components.token_widths)
        _announce(library, self.components)
        return library

    @cached_property
    def hypernetworks(self) -> HypernetworkLibrary:
        """The hypernetworks that prompts may ask for; whether one fits the model is seen when it is asked for."""
        return HypernetworkLibrary(self.home / "hypernetworks")

    @property
    def styles(self) -> StyleFile:
        """The styles in the home folder's `styles.csv`, which may not be there."""
        return StyleFile(self.home / "styles.csv")

    @property
    def wildcards(self) -> WildcardFolder:
        """The word lists in the home folder's `wildcards`, which may not be there."""
        return WildcardFolder(self.home / "wildcards")

    @property
    def outputs(self) -> Path:
        """The folder for today's pictures."""
        return self.home / "outputs" / date.today().isoformat()

    def train(
        self, photos: Path | str, settings: LearnSettings, *, out: Path | str | None = None, resume: bool = False
    ) -> Generator[Refused | TrainingEvent, None, None]:
        """Learns the person in the folder `photos`, picks the checkpoint and installs it in the library.

        TrainSettings make an embedding, HypernetworkSettings a hypernetwork. Everything that can be refused is refused
        here, before anything is written: raises EmbeddingError (or HypernetworkError) for a name that is taken, a path
        or an ordinary word, PhotoError, SettingsError, PromptError and ModelError. First comes a Refused for each photo
        left out, then training's own events; `Finished.file` is the file in the library. The run lies in `out`, by
        default under `textual_inversion`; `resume` goes on with an interrupted one. Closing the generator stops it.
        """
        return answered(self.begin(photos, settings, out, resume))

    def train_many(
        self, folders: Path | str, settings: TrainSettings, *, resume: bool = False, at_once: int = 32
    ) -> Generator[Of[Refused | TrainingEvent], None, None]:
        """Learns all people at once, one in each folder in `folders`, and installs each in the library.

        In `settings.name` a `*` stands for the folder's name. Each person gets what `train` gives, for the price of
        larger batches; one whose folder, name or training fails gets a Failed, and the others go on. With `resume`
        interrupted runs go on, and people who are in the library already are left out. Passes hold at most `at_once`
        examples, of no more people than fill one. Raises PhotoError without folders, SettingsError for two of one name.
        """
        people = people_in(folders, settings)
        check_choices(settings, recipe_of(settings))
        training_size(self.components, settings)
        return self._train_many(people, resume, at_once)

    def score(
        self, name_or_file: str | Path, photos: Path | str, *, scorer: str | Path | None = None
    ) -> Generator[ScoredPicture | Verdict, None, None]:
        """Draws what was learned and compares it with `photos` that it never saw: each picture, then the Verdict.

        `scorer` names another scorer than this studio's (see `scorer_of`). Raises EmbeddingError or HypernetworkError
        for something unknown, PhotoError for photos that cannot be used, ModelError where there is no scorer.
        """
        artefact = self.find(name_or_file)
        usable, _ = read_photos(photos, shorter_side=self.components.defaults.size)
        judge = scorer_of(self.model, self.home, named=scorer) if scorer else self.scorer
        if judge is None:
            raise ModelError(f"{self.model} brings no scorer: name one with --scorer, or `{FETCH_SCORER}`")
        runs, size = self.home / RUNS, self.components.defaults.size
        seen = names_seen(artefact, Path(name_or_file), photos, runs, size)
        return judge_artefact(self.components, artefact, usable, judge, seen=seen)

    def find(self, name_or_file: str | Path) -> Artefact:
        """Gives the embedding or hypernetwork of that name, or in that file; raises EmbeddingError or so."""
        self.library.reload()
        return find_artefact(name_or_file, self.library, self.hypernetworks)

    def check_training(self, photos: Path | str, settings: LearnSettings) -> None:
        """Raises what `train` would raise about settings and folder; photos are not read yet, so this is quick."""
        check_order(photos, settings)
        self._check_free(settings)
        check_settings(self.components, settings)

    def keep_latest(self, run_folder: Path, settings: LearnSettings) -> tuple[Path, int] | None:
        """Installs what an interrupted run learned last and gives the file and the step, None where there is nothing.

        Raises TrainingError where the library does not take it.
        """
        folder = RunFolder(run_folder, settings.name, kind_of(settings))
        found = load_checkpoint(folder.checkpoints)
        if found is None:
            return None
        step = found.state.step
        if self.has_from(run_folder, settings):
            settings = settings.changed(overwrite=True)
        return self._install(folder.candidate(step), settings), step

    def has_from(self, run_folder: Path, settings: LearnSettings) -> bool:
        """Says whether what the library has under the settings' name came from the run in `run_folder`."""
        self.library.reload()
        library = self.hypernetworks if isinstance(settings, HypernetworkSettings) else self.library
        if settings.name not in library:
            return False
        learned = library[settings.name]
        folder = RunFolder(run_folder, settings.name, kind_of(settings))
        files = [file for file in (folder.picked, *folder.candidates()) if file.is_file()]
        return any(is_same(learned, read_artefact(file, type(settings), settings.name)) for file in files)

    def draw(self, settings: GenerateSettings) -> Iterator[GeneratedImage]:
        """Draws the pictures that `settings` ask for, one by one; see `draw_events`."""
        return (event.image for event in self.draw_events(settings) if isinstance(event, Drawn))

    def draw_events(self, settings: GenerateSettings, *, is_logged: bool = True) -> Iterator[Sampled | Drawn]:
        """Draws and says so step by step; the library's names may stand anywhere in the prompts.

        Styles, matrix and wildcards are worked out first: what comes of them is drawn one after the other, as one run.
        With `is_logged` the log says what may surprise in the prompts.
        Raises SettingsError, PromptError, EmbeddingError, HypernetworkError or ModelError with the first event.
        """
        variants = self._varied(settings, is_logged)
        total, done = sum(variant.count for variant in variants), 0
        for variant in variants:
            for event in generate(self.computed(variant), variant, self.library.embeddings, self.hypernetworks):
                if isinstance(event, Drawn):
                    yield dataclasses.replace(event, index=done + event.index, count=total)
                else:
                    yield dataclasses.replace(event, first=done + event.first, count=total)
            done += variant.count

    def recall(self, picture: Path | str) -> Recalled:
        """Gives what a picture says about how it was drawn, and logs what keeps it from being drawn again exactly.

        Raises PhotoError for a picture that says nothing.
        """
        recalled = recall_picture(picture)
        for note in (*recalled.notes, *what_differs(recalled, self.components, self.library)):
            logger.warning("%s: %s", Path(picture).name, note)
        return recalled

    def draw_again(self, recalled: Recalled, **changes: object) -> Iterator[Sampled | Drawn]:
        """Draws a recalled picture again, to the bit: with those that were drawn together with it, which are not shown.

        It takes the same model, embeddings, machine and number of threads; `changes` must not concern what is drawn.
        """
        for event in self.draw_events(recalled.batch_settings.changed(**changes)):
            if isinstance(event, Drawn):
                if event.index == recalled.place:
                    yield dataclasses.replace(event, index=0, count=1)
            else:
                yield event

    def draw_grid(
        self, settings: GenerateSettings, axes: Sequence[Axis], first: int = 0, *, is_logged: bool = True
    ) -> Iterator[Sampled | Cell]:
        """Draws a picture for each combination of the axes' values; see `retrato.generation.draw_grid`.

        Wildcards are chosen once for the whole sheet. Axes may name models and VAEs as `open` takes them, and styles.
        """
        own, *more = self._varied(settings.changed(count=1), is_logged)
        if more:
            raise SettingsError("a sheet has one prompt: leave out --wildcards all, or make an axis of it")
        finish = partial(with_styles, mode=settings.wildcards, styles=self.styles, wildcards=self.wildcards)
        known = self.library.embeddings, self.hypernetworks
        return draw_grid(self.computed(own), own, axes, *known, first=first, find_model=self._other, finish=finish)

    def surprises(self, variants: Iterable[GenerateSettings]) -> list[str]:
        """Gives a sentence for each thing in prompts that may surprise, with the library as it is now; none is wrong.

        `variants` are what `vary` gives.
        """
        if self.library.reload():
            _announce(self.library, self.components)
        known = self.library.embeddings, {"hypernet": self.hypernetworks.names}, heeds_clip_skip(self.components)
        return check_prompts(variants, *known)

    def _varied(self, settings: GenerateSettings, is_logged: bool) -> list[GenerateSettings]:
        """Gives what comes of `settings` (see `vary`); with `is_logged`, logs what may surprise in it."""
        found = vary(settings, styles=self.styles, wildcards=self.wildcards)
        for warning in self.surprises(found) if is_logged else ():
            logger.warning(warning)
        return found

    def _other(self, model: str, vae: str) -> Load:
        """Gives what loads another model, VAE or both for a sheet, in this home and on this device; ModelError."""
        found = find_vae(vae, self.home / "models") if vae else None if model else self.vae
        source = find_model(model, self.home / "models") if model else self.model
        other = self
        if files_of(source, found) != files_of(self.model, self.vae):  # what is loaded already is not loaded twice
            alike = partial(Studio.open, home=self.home, device=self.device, dtype=self.dtype)
            other = alike(source, family="auto" if model else self.family, vae=found)
        return lambda settings: (other.computed(settings), other.library.embeddings)

    def _train_many(
        self, people: Mapping[str, tuple[Path, TrainSettings]], resume: bool, at_once: int
    ) -> Generator[Of[Refused | TrainingEvent], None, None]:
        lessons: dict[str, Lesson[Refused | TrainingEvent]] = {}
        for name, (folder, settings) in people.items():
            if resume and not settings.overwrite and name in self.library:
                continue
            try:
                self.check_training(folder, settings)
            except RetratoError as error:
                yield Of(name, Failed(str(error)))
            else:
                lessons[name] = self._in_turn(folder, settings, resume)
        together: Generator[Of[Refused | TrainingEvent], None, None] = crowd(self.components, lessons, at_once=at_once)
        yield from together

    def _in_turn(self, folder: Path, settings: TrainSettings, resume: bool) -> Lesson[Refused | TrainingEvent]:
        """Gives a lesson that reads its photos only once it is asked to go on, and raises then what `train` says."""
        yield from self.begin(folder, settings, None, resume and has_run(self.home / RUNS, settings.name))

    def begin(
        self, photos: Path | str, settings: LearnSettings, out: Path | str | None, resume: bool
    ) -> Lesson[Refused | TrainingEvent]:
        """Gives the lesson that `train` answers; raises what it says."""
        check_settings_name(settings)
        if resume and self.has_from(self._run_folder(settings, out, resume), settings):
            settings = settings.changed(overwrite=True)  # what came from this very run is its own to replace
        self.check_training(photos, settings)
        usable, refused = read_photos(photos, shorter_side=max(training_size(self.components, settings)))
        require_trainable(usable, refused)
        run_folder = self._run_folder(settings, out, resume)
        return self._lesson(usable, refused, settings, run_folder, resume)

    def _lesson(
        self,
        photos: Sequence[Photo],
        refused: Sequence[Refused],
        settings: LearnSettings,
        run_folder: Path,
        resume: bool,
    ) -> Lesson[Refused | TrainingEvent]:
        yield from refused
        needs_captions = settings.caption == "auto" and not all(photo.caption for photo in photos)
        events = lesson(
            self.components,
            photos,
            settings,
            run_folder=run_folder,
            scorer=self.scorer,
            captioner=self.captioner if needs_captions else None,
            resume=resume,
        )
        installed = Path()
        answer: Answer | None = None
        with closing(events), tracking(settings.track, run_folder, settings.name) as track:
            while True:
                try:
                    event = events.send(answer)
                except StopIteration:
                    return
                track(event)
                if isinstance(event, Picked):
                    installed = self._install(RunFolder(run_folder, settings.name).picked, settings)
                if isinstance(event, Finished):
                    try_to_write_report(event.run_folder)
                    event = dataclasses.replace(event, file=installed)
                answer = yield event

    def _install(self, picked: Path, settings: LearnSettings) -> Path:
        """Puts what was learned into the library under its name; where that fails, says where it lies instead."""
        self.library.reload()
        try:
            learned = read_artefact(picked, type(settings), settings.name)
            if isinstance(learned, Embedding):
                return self.library.add(learned, overwrite=settings.overwrite)
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
                return choose_run_folder(self.home / RUNS, settings.name, kind=kind_of(settings), resume=resume)
            except TrainingError as error:  # nothing was done yet: it is the input that is wrong
                raise SettingsError(str(error)) from None
        return named_run_folder(Path(out), resume=resume)


def _announce(library: EmbeddingLibrary, components: Components) -> None:
    """Logs what was loaded in A1111's words, and a warning for each file that was skipped or may surprise."""
    loaded, *warnings = library.summary().split("\n")
    logger.info(loaded)
    for warning in (*warnings, *name_warnings(components, library.names)):
        logger.warning(warning)
