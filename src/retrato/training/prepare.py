"""From photos and settings to everything a run works with; what can be refused is refused before anything is written.

Knows nothing of steps.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from retrato.embeddings import Embedding, check_name
from retrato.errors import EmbeddingError
from retrato.model import Components, initial_vectors
from retrato.model.caption import Captioner
from retrato.photos import Photo, read_photos, require_trainable
from retrato.settings import TrainSettings
from retrato.training.captions import captions_of, class_phrase
from retrato.training.evaluate import evaluation_batch
from retrato.training.latent_cache import cache_latents
from retrato.training.optimizer import Vectors, vocabulary_norms
from retrato.training.randomness import generator
from retrato.training.recipes import RECIPES, Plan, resolve
from retrato.training.run_folder import RunFolder
from retrato.training.split import Split, split_photos
from retrato.training.step import Batch, Diffusion, Material, read_diffusion


@dataclass(frozen=True, slots=True)
class Inputs:
    """Photos and settings that were found good; nothing was written yet."""

    photos: tuple[Photo, ...]
    plan: Plan
    split: Split


@dataclass(frozen=True, slots=True)
class Run:
    """Everything a run works with; nothing in it changes while it runs.

    `captions` are those of all `photos`, in their order. `norms` are the vocabulary's mean norms, one per text encoder.
    `facts` must be the same again to resume. The evaluation uses the held-out photos, or all where none are held out.
    """

    components: Components
    settings: TrainSettings
    plan: Plan
    folder: RunFolder
    photos: tuple[Photo, ...]
    split: Split
    captions: tuple[str, ...]
    material: Material
    evaluation: Batch
    diffusion: Diffusion
    norms: tuple[float, ...]
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
        """Gives height times width of the latents."""
        return self.evaluation.latents.shape[-2] * self.evaluation.latents.shape[-1]

    def embedding(self, vectors: Vectors, step: int, **facts: str) -> Embedding:
        """Gives `vectors` as an embedding that says where it comes from, and `facts` besides."""
        return Embedding(
            name=self.settings.name,
            vectors=vectors,
            step=step,
            base_model=self.components.name,
            base_model_hash=self.components.hash,
            metadata={
                "recipe": self.plan.recipe,
                "initializer_text": self.settings.initializer_text,
                "photos": str(len(self.trained)),
                "samples": str(step * self.plan.samples_per_step),
                "seed": str(self.plan.seed),
                **facts,
            },
        )


def check_inputs(components: Components, photos: Path | str | Sequence[Photo], settings: TrainSettings) -> Inputs:
    """Gives the photos, the plan and the split; raises PhotoError, EmbeddingError, SettingsError or PromptError."""
    check_name(settings.name)
    refuse_ordinary_word(components, settings.name)
    if isinstance(photos, Path | str):
        photos, _ = read_photos(Path(photos))
    require_trainable(photos)
    plan = resolve(settings, RECIPES[settings.recipe], len(photos))
    return Inputs(tuple(photos), plan, split_photos(photos, plan.held_out, plan.seed))


def refuse_ordinary_word(components: Components, name: str) -> None:
    """Raises EmbeddingError for a name that is one token of the model's vocabulary: prompts already use that word."""
    if len(components.tokenizers[0](name, add_special_tokens=False)["input_ids"]) <= 1:
        raise EmbeddingError(
            f"{name!r} is an ordinary word of {components.name}, every prompt that says it would change: "
            f"choose another name, such as {name}-1"
        )


def prepare(
    components: Components,
    inputs: Inputs,
    settings: TrainSettings,
    folder: RunFolder,
    captioner: Captioner | None = None,
) -> Run:
    """Gives the run: photos captioned, their latents computed, what is evaluated on drawn up."""
    photos, plan, split = inputs.photos, inputs.plan, inputs.split
    subject = settings.initializer_text or components.defaults.class_word
    captions = tuple(captions_of(photos, settings.caption, captioner, class_phrase(subject)))
    diffusion = read_diffusion(components)
    latents = cache_latents(components, photos)
    judged = split.held_out or split.trained

    def material(indices: Sequence[int]) -> Material:
        chosen = tuple(captions[index] for index in indices)
        return Material(latents.of(indices), chosen, plan.templates, settings.name)

    return Run(
        components=components,
        settings=settings,
        plan=plan,
        folder=folder,
        photos=photos,
        split=split,
        captions=captions,
        material=material(split.trained),
        evaluation=evaluation_batch(material(judged), diffusion.timesteps, pairs=plan.evaluation_pairs, seed=plan.seed),
        diffusion=diffusion,
        norms=vocabulary_norms(components),
        facts=_facts(components, photos, settings),
    )


def start_vectors(run: Run) -> Vectors:
    """Gives the vectors [V, D] before the first step: the initializer's token embeddings, with the plan's noise."""
    start = initial_vectors(run.components, run.settings.initializer_text, run.settings.vectors_per_token)
    noisy = []
    for encoder, (vectors, norm) in enumerate(zip(start, run.norms, strict=True)):
        noise = torch.randn(vectors.shape, generator=generator(run.plan.seed, "start", encoder))
        noisy.append(vectors + noise * (run.plan.initial_noise * norm / vectors.shape[1] ** 0.5))
    return tuple(noisy)


def _facts(components: Components, photos: Sequence[Photo], settings: TrainSettings) -> dict[str, Any]:
    """Gives what a resumed run must have in common with its beginning; the number of steps may be raised."""
    return {
        "model": components.hash,
        "photos": {photo.path.name: hashlib.sha256(photo.image.tobytes()).hexdigest() for photo in photos},
        "settings": settings.model_dump(exclude={"steps", "overwrite", "track"}),
    }
