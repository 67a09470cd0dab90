"""From photos and settings to everything a run works with; what can be refused is refused before anything is written.

Knows nothing of steps.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retrato.embeddings import check_name
from retrato.embeddings.embedding import CLIP_SKIP, name_key
from retrato.errors import EmbeddingError, HypernetworkError, PromptError, SettingsError
from retrato.model import Components
from retrato.model.caption import Captioner
from retrato.model.text import check_clip_skip, heeds_clip_skip, token_chunks
from retrato.model.words import ordinary_word
from retrato.photos import Photo, list_photos, read_photos, require_trainable
from retrato.photos.square import shaped_size
from retrato.prompts import fill_template
from retrato.settings import HypernetworkSettings, LearnSettings, TrainSettings
from retrato.training.captions import captions_of, class_phrase
from retrato.training.evaluate import evaluation_batches
from retrato.training.latent_cache import cache_latents, loss_masks
from retrato.training.learnable import (
    Artefact,
    Learnable,
    Subject,
    check_structure,
    learnable_of,
    read_artefact,
    subject_of,
)
from retrato.training.optimizer import Parameters
from retrato.training.recipes import HYPERNETWORK_RECIPES, RECIPES, Plan, Recipe, resolve
from retrato.training.run_folder import RunFolder, captions_of_run
from retrato.training.seen import fingerprints, photo_hash
from retrato.training.split import Split, split_photos
from retrato.training.step import Batch, Diffusion, Material, read_diffusion
from retrato.training.tracking import require_tracker

EXTENDED = "extended"  # the fact that a run is on its extra steps
# Settings that change pictures on the way and nothing that is learned.
PREVIEWS = ("preview_every", "preview_prompt", "preview_cards")


@dataclass(frozen=True, slots=True)
class Inputs:
    """Photos and settings that were found good, and what is to be learned; nothing was written yet.

    `sizes` are the width and height in pixels that each photo is trained at.
    """

    photos: tuple[Photo, ...]
    plan: Plan
    split: Split
    learnable: Learnable
    sizes: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Run:
    """Everything a run works with; nothing in it changes while it runs.

    `captions` are those of all `photos`, in their order. `facts` are what a run has to have in common with the one that
    it resumes: `model`, `vae`, `photos` and `texts` by their hashes, `settings`, what the model `predicts`; and the
    size `read_at`, and whether it is `extended`. `materials` are what steps draw from, one for each shape of photos: a
    batch is of one shape. The `evaluation` uses the held-out photos, or all where none are held out, a batch for each
    shape.
    """

    components: Components
    settings: LearnSettings
    plan: Plan
    learnable: Learnable
    folder: RunFolder
    photos: tuple[Photo, ...]
    split: Split
    captions: tuple[str, ...]
    materials: tuple[Material, ...]
    evaluation: tuple[Batch, ...]
    diffusion: Diffusion
    facts: Mapping[str, Any]

    @property
    def held_out(self) -> tuple[Photo, ...]:
        """Gives the photos that were kept out of training."""
        return tuple(self.photos[index] for index in self.split.held_out)

    @property
    def trained(self) -> tuple[Photo, ...]:
        """Gives the photos that are trained on."""
        return tuple(self.photos[index] for index in self.split.trained)

    @property
    def latent_cells(self) -> int:
        """Gives height times width of the largest latents."""
        return max(batch.latents.shape[-2] * batch.latents.shape[-1] for batch in self.evaluation)

    def artefact(self, parameters: Parameters, step: int, **facts: str) -> Artefact:
        """Gives `parameters` as what can be kept, which says where it comes from, and `facts` besides.

        It knows the photos that it must not be judged by, the held-out ones too: those are what it is picked with.
        """
        skip = self.plan.clip_skip
        own = {
            "recipe": self.plan.recipe,
            "initializer_text": self.settings.initializer_text,
            "photos": str(len(self.trained)),
            "samples": str(step * self.plan.samples_per_step),
            "seed": str(self.plan.seed),
            **({CLIP_SKIP: str(skip)} if skip > 1 and heeds_clip_skip(self.components) else {}),
            **fingerprints(self.facts["photos"].values(), self.facts["read_at"]),
        }
        return self.learnable.artefact(parameters, step, own | facts)

    def read(self, file: Path) -> Artefact:
        """Gives what an earlier step of this run wrote to `file`, under the run's name."""
        return read_artefact(file, type(self.settings), self.settings.name)

    def subject(self, artefact: Artefact) -> Subject:
        """Gives how `artefact` is drawn."""
        return subject_of(artefact, self.components.defaults.class_word)


def check_inputs(components: Components, photos: Path | str | Sequence[Photo], settings: LearnSettings) -> Inputs:
    """Gives the photos, the plan and the split; raises PhotoError, EmbeddingError, SettingsError or PromptError."""
    check_settings(components, settings)
    if isinstance(photos, Path | str):
        photos, _ = read_photos(Path(photos), shorter_side=max(training_size(components, settings)))
    require_trainable(photos)
    plan = resolve(settings, recipe_of(settings), len(photos))
    _check_templates(components, settings, plan.templates)
    split = split_photos(photos, plan.held_out, plan.seed)
    size = training_size(components, settings)
    sizes = tuple(shaped_size(*photo.image.size, size[0], "bucket") if settings.buckets else size for photo in photos)
    return Inputs(tuple(photos), plan, split, learnable_of(components, settings, plan), sizes)


def check_order(photos: Path | str, settings: LearnSettings) -> None:
    """Raises what training would raise on any model about settings and folder; the photos are not read."""
    check_settings_name(settings)
    require_tracker(settings.track)
    check_structure(settings)
    resolve(settings, recipe_of(settings), len(list_photos(photos)))


def check_settings(components: Components, settings: LearnSettings) -> None:
    """Raises EmbeddingError, HypernetworkError or SettingsError for what cannot be learned from whatever photos."""
    check_free_word(components, settings)
    training_size(components, settings)
    check_clip_skip(components, settings.clip_skip)
    check_structure(settings)


def recipe_of(settings: LearnSettings) -> Recipe:
    """Gives the recipe that `settings` name for what they learn."""
    return (HYPERNETWORK_RECIPES if isinstance(settings, HypernetworkSettings) else RECIPES)[settings.recipe]


def training_size(components: Components, settings: LearnSettings) -> tuple[int, int]:
    """Gives width and height of the training pictures; raises SettingsError for one that the model cannot take."""
    size = (settings.width or components.defaults.size, settings.height or components.defaults.size)
    for name, side in zip(("width", "height"), size, strict=True):
        if side % components.vae_scale:
            raise SettingsError(
                f"{name} is {side}: {components.name} learns from multiples of {components.vae_scale}", field=name
            )
    return size


def check_free_word(components: Components, settings: LearnSettings) -> None:
    """Raises EmbeddingError for a name that cannot be one, or that prompts use already.

    Such a name is one token of the vocabulary, or the words that the vectors start from, with an article or without.

    A hypernetwork is not called by a word but by a tag, so its name need only be one (else HypernetworkError).
    """
    check_settings_name(settings)
    name = settings.name
    if isinstance(settings, HypernetworkSettings):
        return
    starts_from = re.sub(r"^(a|an|the) ", "", name_key(" ".join(settings.initializer_text.split())))
    is_one_token = len(components.tokenizers[0](name, add_special_tokens=False)["input_ids"]) <= 1
    if is_one_token or re.sub(r"^(a|an|the) ", "", name_key(name)) == starts_from:
        raise ordinary_word(name, components.name)


def _check_templates(components: Components, settings: LearnSettings, templates: Sequence[str]) -> None:
    """Raises PromptError where letters beside [name] make another word of it: nothing could be learned by that."""
    if not isinstance(settings, TrainSettings):
        return
    vectors = {settings.name: settings.vectors_per_token}
    for template in templates:
        text = fill_template(template, name=settings.name, filewords="a")
        if not any(chunk.slots for chunk in token_chunks(components, text, vectors)):
            raise PromptError(
                f"the template {template[:80]!r} makes one word of {settings.name} and the letters beside it: "
                "put a space between them"
            )


def check_settings_name(settings: LearnSettings) -> None:
    """Raises EmbeddingError, or for a hypernetwork HypernetworkError, for a name that cannot be one; needs no model."""
    try:
        check_name(settings.name)
    except EmbeddingError as error:
        raise (HypernetworkError(str(error)) if isinstance(settings, HypernetworkSettings) else error) from None


def prepare(
    components: Components,
    inputs: Inputs,
    settings: LearnSettings,
    folder: RunFolder,
    captioner: Captioner | None = None,
) -> Run:
    """Gives the run: photos captioned, their latents computed, what is evaluated on drawn up."""
    photos, plan, split = inputs.photos, inputs.plan, inputs.split
    subject = class_phrase(settings.initializer_text, components.defaults.class_word)
    written = captions_of_run(folder.path) if any(folder.checkpoints.glob("*.json")) else {}  # those it began with
    captions = tuple(captions_of(photos, settings.caption, captioner, subject, written))
    diffusion = read_diffusion(components)

    def materials(chosen: Sequence[int]) -> Iterator[Material]:
        for size in dict.fromkeys(inputs.sizes[index] for index in chosen):
            alike = [index for index in chosen if inputs.sizes[index] == size]
            own = [photos[index] for index in alike]
            latents = cache_latents(components, own, size)
            masks = loss_masks(own, size, latents.mean.shape[-2:]) if settings.use_mask else None
            words = tuple(captions[index] for index in alike)
            yield Material(latents, words, plan.templates, inputs.learnable.subject, masks)

    trained = tuple(materials(split.trained))
    judged = tuple(materials(split.held_out)) or trained
    return Run(
        components=components,
        settings=settings,
        plan=plan,
        learnable=inputs.learnable,
        folder=folder,
        photos=photos,
        split=split,
        captions=captions,
        materials=trained,
        evaluation=evaluation_batches(judged, diffusion.timesteps, pairs=plan.evaluation_pairs, seed=plan.seed),
        diffusion=diffusion,
        facts={
            "model": components.hash,
            "vae": components.vae_hash,
            "predicts": components.prediction_type,
            "photos": {photo.path.name: photo_hash(photo) for photo in photos},
            "texts": _hash_of(captions, plan.templates),
            "read_at": max(training_size(components, settings)),
            "settings": settings_facts(settings),
            EXTENDED: False,
        },
    )


def settings_facts(settings: LearnSettings) -> dict[str, Any]:
    """Gives the settings that must be the same to resume: those that what is learned depends on, but for the steps."""
    return settings.model_dump(exclude={"steps", "overwrite", "track", *PREVIEWS})


def _hash_of(captions: Sequence[str], templates: Sequence[str]) -> str:
    """Gives what tells what is said about the photos from anything else."""
    return hashlib.sha256(json.dumps([captions, templates]).encode()).hexdigest()
