"""Settings to pictures: a generator of events, so that whoever stops consuming stops the drawing."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from retrato.embeddings import Embedding
from retrato.errors import ModelError, SettingsError
from retrato.generation.canvas import Canvas, make_canvas, read_source
from retrato.generation.image import GeneratedImage
from retrato.generation.networks import hypernetworks_of, require
from retrato.generation.prompt_plan import PromptPlan, plan_prompt
from retrato.generation.resolve import hires_size, resolve_settings, second_pass_steps, steps_that_run
from retrato.generation.sign import batch_facts, facts_of, sign
from retrato.generation.upscale import upscale, upscale_latents
from retrato.hypernetworks import Hypernetwork
from retrato.model.attention import with_hypernetworks
from retrato.model.components import Components
from retrato.model.inpainting import showing_mask
from retrato.model.latents import decode_to_images, encode_pixels, image_to_pixels
from retrato.model.openvino import on_openvino
from retrato.model.tiling import wrapping_around
from retrato.sampling.course import Start, begin
from retrato.sampling.denoise import denoise
from retrato.sampling.guidance import Guidance
from retrato.sampling.noise import Variation, noise_for
from retrato.sampling.samplers import AUTOMATIC, Sampler, find_sampler
from retrato.sampling.sigmas import noise_levels
from retrato.settings import GenerateSettings


@dataclass(frozen=True, slots=True)
class Sampled:
    """The images `first` to `first + len(latents) - 1` of `count` are at `step` of `steps`; `latents` [n, C, h, w].

    `estimate` are the finished latents as the model sees them at this step: what a preview shows.
    """

    step: int
    steps: int
    first: int
    count: int
    latents: Tensor
    estimate: Tensor


@dataclass(frozen=True, slots=True)
class Drawn:
    """Image number `index` (from 0) of `count` is done."""

    image: GeneratedImage
    index: int
    count: int


def generate(
    components: Components,
    settings: GenerateSettings,
    embeddings: Mapping[str, Embedding],
    hypernetworks: Mapping[str, Hypernetwork] = MappingProxyType({}),
    *,
    init_image: Image.Image | None = None,
    mask: Image.Image | None = None,
) -> Iterator[Sampled | Drawn]:
    """Draws `settings.count` images, image i from seed + i, and yields each step and each image.

    `init_image` and `mask` take the place of the files that the settings may name. The images do not depend on
    `batch_size`. `hypernetworks` are those that a prompt may ask for, for its own pass. Raises SettingsError,
    PromptError, PhotoError, EmbeddingError or HypernetworkError before the first step when something asked for does not
    exist or does not fit, ModelError when the model gives no numbers.
    """
    require(settings.hypernetwork, hypernetworks)
    source = read_source(settings, init_image, mask)
    settings = resolve_settings(components, settings, source)
    prompts = settings.prompt, settings.hires_prompt or settings.prompt
    chosen, of_second = (hypernetworks_of(each, hypernetworks) for each in prompts)
    if settings.engine == "openvino":
        components = _on_openvino(components, [*chosen, *of_second])
    later = with_hypernetworks(components, of_second)
    components = with_hypernetworks(components, chosen)
    from_picture = steps_that_run(settings.steps, settings.denoising_strength or 0.0)
    plan = plan_prompt(components, settings, embeddings)
    drawing = _Drawing(components, settings, plan, settings.steps, from_picture)
    canvas = make_canvas(source, settings) if source else None
    second = _second_pass(later, settings, embeddings) if settings.hires else None
    at_once = 1 if drawing.sampler.one_by_one or (second and second.sampler.one_by_one) else settings.batch_size
    for first in range(0, settings.count, at_once):
        batch = range(first, min(first + at_once, settings.count))
        latents = torch.empty(0)
        for done in _passes(drawing, second, canvas, batch):
            latents = done.latents
            yield replace(done, first=first)
        used = facts_of([each.plan for each in (drawing, second) if each], embeddings)
        for place, image in enumerate(_images(components, settings, latents)):
            whole = canvas.put_back(image) if canvas else image
            signed = sign(components, _own(settings, batch[place]), whole, used | batch_facts(place, len(batch)))
            yield Drawn(signed, batch[place], settings.count)


@dataclass(frozen=True, slots=True)
class _Drawing:
    """One pass over a batch: the model, settings with nothing left open, and what the prompts say.

    The noise schedule has `steps`, of which the last `steps_from_picture` run where there is a picture to start from.
    """

    components: Components
    settings: GenerateSettings
    plan: PromptPlan
    steps: int
    steps_from_picture: int

    @property
    def sampler(self) -> Sampler:
        return find_sampler(self.settings.sampler)[0]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of one image's latents."""
        scale = self.components.vae_scale
        sides = (self.settings.height or 0) // scale, (self.settings.width or 0) // scale
        return (self.components.latent_channels, *sides)

    def guidance_at(self, step: int) -> Guidance:
        settings, guidance = self.settings, self.plan.guidance_at(step)
        is_told = self.components.unet.config.time_cond_proj_dim is not None
        return replace(
            guidance,
            scale=1.0 if is_told else guidance.scale / self.sampler.guidance_divisor,
            told_scale=guidance.scale if is_told else None,
            rescale=settings.guidance_rescale,
            min_sigma=settings.guidance_min_sigma,
            keeps_unguided=self.sampler.guidance_divisor != 1,
            is_tiled=settings.tiling,
        )

    def start(self, batch: range, latents: Tensor | None = None) -> Start:
        """Gives seeds and noise of the images `batch`, and the latents to start from."""
        settings, scale = self.settings, self.components.vae_scale
        variation, resized_from = None, None
        seeds = [_seed_of(settings, index) for index in batch]
        if settings.variation_strength:
            others = [settings.variation_seed + index for index in batch]
            variation = Variation(others, settings.variation_strength)
        if settings.seed_resize_from:
            width, height = map(int, settings.seed_resize_from.split("x"))
            resized_from = (max(1, height // scale), max(1, width // scale))
        noise, generators = noise_for(seeds, self.shape, variation=variation, resized_from=resized_from)
        return Start(seeds, noise, generators, latents, None if latents is None else self.steps_from_picture)

    def run(self, start: Start, edit: Callable[[Tensor], Tensor] | None = None) -> Iterator[Sampled]:
        """Yields each step of one pass, as if it were all there is to do."""
        settings = self.settings
        config, steps = self.components.scheduler_config, start.steps or self.steps
        is_xl = self.components.has_pooled_text
        course = begin(self.sampler, settings.schedule, config, start, steps=self.steps, eta=settings.eta, is_xl=is_xl)
        for done in denoise(self.components, course, self.guidance_at, steps=steps, edit=edit):
            yield Sampled(done.step, done.steps, 0, settings.count, done.latents, done.estimate)


def _passes(drawing: _Drawing, second: _Drawing | None, canvas: Canvas | None, batch: range) -> Iterator[Sampled]:
    """Yields the steps of the one pass, or of the two of hires fix, that a batch takes; the last has the latents."""
    if canvas:
        yield from _from_canvas(drawing, canvas, batch)
        return
    first = drawing.start(batch)
    if second is None:
        yield from drawing.run(first)
        return
    steps = drawing.steps + second.steps_from_picture
    latents = torch.empty(0)
    for done in drawing.run(first):
        latents = done.latents
        yield replace(done, steps=steps)
    size = (second.settings.height or 0, second.settings.width or 0)
    larger = upscale(drawing.components, latents, size, drawing.settings.hires_upscaler)
    if not second.steps_from_picture:
        yield Sampled(steps, steps, 0, drawing.settings.count, larger, larger)
        return
    for done in second.run(second.start(batch, larger)):
        yield replace(done, step=drawing.steps + done.step, steps=steps)


def _from_canvas(drawing: _Drawing, canvas: Canvas, batch: range) -> Iterator[Sampled]:
    """Yields the steps that go on from a picture; where there is a mask, the rest of it stays what it is."""
    components, settings = drawing.components, drawing.settings
    kept = _encoded(components, canvas.image, drawing.shape[1:], settings).expand(len(batch), -1, -1, -1)
    if canvas.mask is None:
        yield from drawing.run(drawing.start(batch, kept))
        return
    repainted = _latent_mask(canvas.mask, drawing.shape[1:])
    begun = kept
    if settings.masked_content == "latent noise":
        begun = kept * (1 - repainted) + drawing.start(batch).noise * repainted
    elif settings.masked_content == "latent nothing":
        begun = kept * (1 - repainted)

    def edit(clean: Tensor) -> Tensor:
        return clean * repainted + kept * (1 - repainted)

    below = _encoded_around(components, canvas.image, canvas.mask) if components.is_for_inpainting else kept
    with showing_mask(components, repainted, below):
        for done in drawing.run(drawing.start(batch, begun), edit):
            is_last = done.step == done.steps
            yield replace(done, latents=edit(done.latents)) if is_last else done


def _encoded(components: Components, image: Image.Image, size: tuple[int, int], settings: GenerateSettings) -> Tensor:
    """Gives the latents [1, C, *size] of the picture; for "latent upscale" it is enlarged only as latents."""
    if settings.resize_mode == "latent upscale":
        step = components.vae_scale
        fitting = [max(step, side // step * step) for side in image.size]
        image = image.resize((fitting[0], fitting[1]), Image.Resampling.LANCZOS)
    latents = encode_pixels(components, image_to_pixels(image)[None]).mean
    return upscale_latents(latents, size) if latents.shape[-2:] != size else latents


def _encoded_around(components: Components, image: Image.Image, mask: Image.Image) -> Tensor:
    """Gives the latents [1, C, h, w] of the picture with grey where the mask is white, for models that look at it."""
    kept = torch.from_numpy((np.asarray(mask, dtype=np.float32) < 127.5).astype(np.float32))
    return encode_pixels(components, image_to_pixels(image)[None] * kept).mean


def _latent_mask(mask: Image.Image, size: tuple[int, int]) -> Tensor:
    """Gives 1 for latents [1, 1, h, w] that are repainted, else 0; a mask too fine for any gets all that it touches."""
    small = np.asarray(mask.resize(size[::-1], Image.Resampling.BOX), dtype=np.float32) / 255
    found = (small > 0.5) if (small > 0.5).any() else (small > 0)
    return torch.from_numpy(found.astype(np.float32))[None, None]


def _second_pass(components: Components, settings: GenerateSettings, embeddings: Mapping[str, Embedding]) -> _Drawing:
    """Gives the second pass of hires fix: larger, with its own steps, sampler and prompts where they are given.

    As in A1111 the schedule stays the first pass's, unless the sampler names one or cannot take it.
    """
    width, height = hires_size(components, settings)
    steps = settings.hires_steps or settings.steps
    sampler, schedule = find_sampler(settings.hires_sampler or settings.sampler)
    if schedule == AUTOMATIC and settings.schedule in sampler.schedules:
        schedule = settings.schedule
    second = settings.changed(
        width=width,
        height=height,
        steps=steps,
        sampler=sampler.name,
        schedule=schedule,
        prompt=settings.hires_prompt or settings.prompt,
        negative_prompt=settings.hires_negative_prompt or settings.negative_prompt,
    )
    if sampler.eta is None:
        second = second.changed(eta=None)
    plan = plan_prompt(components, second.changed(steps=settings.steps), embeddings, hires_steps=steps)
    timesteps = len(noise_levels(components.scheduler_config).log_sigmas)
    lengths = second_pass_steps(steps, second.denoising_strength or 0.0, timesteps)
    return _Drawing(components, second, plan, *lengths)


def _on_openvino(components: Components, chosen: Sequence[tuple[Hypernetwork, float]]) -> Components:
    """Gives the model with its U-Net compiled, where a studio has not done that yet; raises SettingsError."""
    if names := [hypernetwork.name for hypernetwork, strength in chosen if strength]:
        raise SettingsError(
            f"the hypernetwork {names[0]} reaches into the U-Net, which OpenVINO has compiled: leave it out, or take "
            "--engine torch"
        )
    return on_openvino(components)


def _seed_of(settings: GenerateSettings, index: int) -> int:
    """With a variation all images have one seed, and variation seeds in a row, as in A1111."""
    return settings.seed if settings.variation_strength else settings.seed + index


def _images(components: Components, settings: GenerateSettings, latents: Tensor) -> list[Image.Image]:
    if not torch.isfinite(latents).all():
        raise ModelError(
            f"{components.name} gave values that are not numbers, the picture would be black: use --dtype float32, "
            "or a lower CFG scale"
        )
    with wrapping_around(components.vae) if settings.tiling else nullcontext():
        return decode_to_images(components, latents)


def _own(settings: GenerateSettings, index: int) -> GenerateSettings:
    """Gives the settings that draw image number `index` alone."""
    own = settings.changed(seed=_seed_of(settings, index), count=1)
    return own.changed(variation_seed=settings.variation_seed + index) if settings.variation_strength else own
