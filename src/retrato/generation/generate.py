"""Settings to pictures: a generator of events, so that whoever stops consuming stops the drawing."""

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from retrato.embeddings import Embedding
from retrato.errors import ModelError, SettingsError
from retrato.generation.image import GeneratedImage
from retrato.generation.prompt_plan import plan_prompt
from retrato.generation.sign import batch_facts, facts_of, sign
from retrato.model.components import Components
from retrato.model.latents import decode, pixels_to_images
from retrato.sampling.denoise import denoise
from retrato.sampling.noise import noise_for
from retrato.sampling.samplers import find_sampler, make_scheduler
from retrato.settings import GenerateSettings


@dataclass(frozen=True, slots=True)
class Sampled:
    """The images `first` to `first + len(latents) - 1` of `count` are at `step` of `steps`; `latents` [n, C, h, w]."""

    step: int
    steps: int
    first: int
    count: int
    latents: Tensor


@dataclass(frozen=True, slots=True)
class Drawn:
    """Image number `index` (from 0) of `count` is done."""

    image: GeneratedImage
    index: int
    count: int


def generate(
    components: Components, settings: GenerateSettings, embeddings: Mapping[str, Embedding]
) -> Iterator[Sampled | Drawn]:
    """Draws `settings.count` images, image i from seed + i, and yields each step and each image.

    The images do not depend on `batch_size`. Raises SettingsError, PromptError or EmbeddingError before the first step
    when something asked for does not exist, ModelError when the model gives no numbers.
    """
    settings = resolve_settings(components, settings)
    sampler, schedule = find_sampler(settings.sampler, settings.schedule)
    plan = plan_prompt(components, settings, embeddings)
    sides = (settings.height or 0, settings.width or 0)
    shape = (components.latent_channels, *(side // components.vae_scale for side in sides))
    for first in range(0, settings.count, settings.batch_size):
        seeds = [settings.seed + index for index in range(first, min(first + settings.batch_size, settings.count))]
        scheduler = make_scheduler(sampler, schedule, components.scheduler_config, steps=settings.steps, seeds=seeds)
        latents, generators = noise_for(seeds, shape)
        for done in denoise(components, scheduler, latents, generators, plan.guidance_at, steps=settings.steps):
            latents = done.latents
            yield Sampled(done.step, done.steps, first, settings.count, latents)
        for place, image in enumerate(_images(components, latents)):
            facts = facts_of(plan, embeddings) | batch_facts(place, len(seeds))
            yield Drawn(sign(components, settings, image, seeds[place], facts), first + place, settings.count)


def resolve_settings(components: Components, settings: GenerateSettings) -> GenerateSettings:
    """Gives `settings` with nothing left open: size, CFG scale, a drawn seed, proper names of sampler and schedule.

    Raises SettingsError for an unknown sampler or schedule and for a size that the model cannot draw.
    """
    sampler, schedule = find_sampler(settings.sampler, settings.schedule)
    guidance = components.defaults.guidance_scale if settings.guidance_scale is None else settings.guidance_scale
    resolved = settings.changed(
        sampler=sampler.name,
        schedule=schedule,
        guidance_scale=guidance,
        width=settings.width or components.defaults.size,
        height=settings.height or components.defaults.size,
        # A1111 draws seeds of 32 bits, and other programs read no longer ones.
        seed=secrets.randbelow(2**32 - settings.count) if settings.seed == -1 else settings.seed,
    )
    for name, side in (("width", resolved.width), ("height", resolved.height)):
        if side is not None and side % components.vae_scale:
            raise SettingsError(f"{name} is {side}: {components.name} draws multiples of {components.vae_scale}")
    return resolved


def _images(components: Components, latents: Tensor) -> list[Image.Image]:
    if not torch.isfinite(latents).all():
        raise ModelError(
            f"{components.name} gave values that are not numbers, the picture would be black: use --dtype float32, "
            "or a lower CFG scale"
        )
    return pixels_to_images(decode(components, latents))
