"""One training step without any memory: what is drawn for it, its loss, and the gradient to what is learned.

Everything random comes from (seed, step). Knows nothing of schedules, files and of what happened before.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from retrato.errors import ModelError
from retrato.model import Components, Conditioning
from retrato.model.text import added_conditions
from retrato.training.captions import caption_text
from retrato.training.latent_cache import LatentCache
from retrato.training.learnable import Learnable
from retrato.training.optimizer import Parameters
from retrato.training.randomness import generator
from retrato.training.recipes import Plan


@dataclass(frozen=True, slots=True)
class Diffusion:
    """The model's noise schedule for training: `alphas_cumprod` [T] and what the U-Net predicts."""

    alphas_cumprod: Tensor
    prediction_type: str

    @property
    def timesteps(self) -> int:
        """Gives T, the number of training timesteps."""
        return len(self.alphas_cumprod)

    def noisy_and_target(self, latents: Tensor, noise: Tensor, timesteps: Tensor) -> tuple[Tensor, Tensor]:
        """Gives what the U-Net sees and what it should answer (noise, or v: https://arxiv.org/abs/2202.00512)."""
        signal = self.alphas_cumprod[timesteps].sqrt().view(-1, 1, 1, 1)
        spread = (1 - self.alphas_cumprod[timesteps]).sqrt().view(-1, 1, 1, 1)
        noisy = signal * latents + spread * noise
        return noisy, noise if self.prediction_type == "epsilon" else signal * noise - spread * latents


def read_diffusion(components: Components) -> Diffusion:
    """Gives the model's noise schedule; raises ModelError where it predicts something that cannot be trained on."""
    if components.prediction_type not in ("epsilon", "v_prediction"):
        raise ModelError(
            f"{components.name} predicts {components.prediction_type!r}: training needs one for epsilon or v_prediction"
        )
    from diffusers import DDPMScheduler  # slow to import, and by now the model has done so, quietly

    scheduler = DDPMScheduler.from_config(dict(components.scheduler_config))
    return Diffusion(scheduler.alphas_cumprod.float(), components.prediction_type)


@dataclass(frozen=True, slots=True)
class Material:
    """What steps draw from: the latents and captions of N photos, the templates and what stands for [name] in them.

    `masks` [N, 1, h, w] say how much each cell counts in the loss, see `latent_cache.loss_masks`; None for all alike.
    """

    latents: LatentCache
    captions: tuple[str, ...]
    templates: tuple[str, ...]
    subject: str
    masks: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """B training examples: `latents` and `noise` [B, C, h, w], `timesteps` [B], one text each. All on the CPU.

    `masks` [B, 1, h, w] say how much each cell counts in the loss, None for all alike.
    """

    latents: Tensor
    noise: Tensor
    timesteps: Tensor
    texts: tuple[str, ...]
    masks: Tensor | None = None

    def part(self, which: slice) -> "Batch":
        """Gives some of the examples."""
        masks = None if self.masks is None else self.masks[which]
        return Batch(self.latents[which], self.noise[which], self.timesteps[which], self.texts[which], masks)

    def split(self, size: int) -> Iterator["Batch"]:
        """Gives the batch in parts of at most `size` examples."""
        for start in range(0, len(self.texts), size):
            yield self.part(slice(start, start + size))


@dataclass(frozen=True, slots=True)
class Share:
    """Which examples of every batch are this process's: each `count`-th one, from number `first` on."""

    first: int = 0
    count: int = 1

    def of(self, batch: Batch) -> Batch:
        """Gives these examples, which may be none."""
        return batch.part(slice(self.first, None, self.count))


WHOLE = Share()


def draw_batch(materials: Sequence[Material], plan: Plan, timesteps: int, step: int) -> Batch:
    """Gives the examples of `step`, all from one of `materials`, drawn from (plan.seed, step) alone.

    Each photo comes once per round through all of its material's; `timesteps` is T.
    """
    count = plan.samples_per_step
    which, turn = draw_turn([len(each.captions) for each in materials], plan.seed, step)
    material = materials[which]
    photos = draw_photos(len(material.captions), count, plan.seed, turn)
    latents = material.latents.draw(photos, plan.latent_sampling, plan.seed, step)
    words = generator(plan.seed, "words", step)
    texts = []
    for photo in photos.tolist():
        template = material.templates[int(torch.randint(len(material.templates), (1,), generator=words))]
        caption = material.captions[photo]
        texts.append(
            caption_text(
                template, material.subject, caption, shuffle=plan.shuffle_tags, dropout=plan.tag_dropout, source=words
            )
        )
    return Batch(
        latents=latents,
        noise=torch.randn(latents.shape, generator=generator(plan.seed, "noise", step)),
        timesteps=draw_timesteps(count, timesteps, plan.timesteps == "stratified", plan.seed, step),
        texts=tuple(texts),
        masks=None if material.masks is None else material.masks[photos],
    )


def draw_turn(photo_counts: Sequence[int], seed: int, step: int) -> tuple[int, int]:
    """Gives which material has the step, of those with so many photos, and how many steps it had before.

    In each round of as many steps as there are photos, each material has as many steps as it has photos, spread evenly:
    one drawn from each of that many equal parts of the round.
    """
    if len(photo_counts) == 1:
        return 0, step
    past, place = divmod(step, sum(photo_counts))
    source = generator(seed, "shape", past)
    moments = [(torch.arange(count) + torch.rand(count, generator=source)) / count for count in photo_counts]
    order = torch.cat(moments).argsort(stable=True)
    turns = torch.repeat_interleave(torch.tensor(photo_counts))[order].tolist()
    which = turns[place]
    return which, past * photo_counts[which] + turns[:place].count(which)


def draw_photos(photo_count: int, count: int, seed: int, turn: int) -> Tensor:
    """Gives `count` photo numbers: the turn's share of an endless row of shuffled rounds through all photos."""
    chosen: list[int] = []
    position = turn * count
    while len(chosen) < count:
        order = torch.randperm(photo_count, generator=generator(seed, "photos", position // photo_count))
        part = order[position % photo_count :][: count - len(chosen)].tolist()
        chosen += part
        position += len(part)
    return torch.tensor(chosen)


def draw_timesteps(count: int, timesteps: int, is_stratified: bool, seed: int, step: int) -> Tensor:
    """Gives `count` timesteps in 0 .. timesteps - 1, all equally likely; stratified, one from each of `count` parts."""
    position = torch.rand(count, generator=generator(seed, "timesteps", step), dtype=torch.float64)
    if is_stratified:
        position = (torch.arange(count) + position) / count
    return (position * timesteps).long().clamp(max=timesteps - 1)


def losses(
    components: Components, diffusion: Diffusion, batch: Batch, conditioning: Conditioning, autocast: bool
) -> Tensor:
    """Gives the mean squared error of each example [B] of what the U-Net answers to the `conditioning` of its texts."""
    noisy, target = diffusion.noisy_and_target(batch.latents, batch.noise, batch.timesteps)
    device, dtype = components.device, components.dtype
    with torch.autocast("cpu", torch.bfloat16) if autocast else contextlib.nullcontext():
        prediction = components.unet(
            noisy.to(device, dtype),
            batch.timesteps.to(device),
            encoder_hidden_states=conditioning.states.to(dtype),
            added_cond_kwargs=added_conditions(components, conditioning.pooled, batch.latents.shape[-2:]),
        ).sample
    error = (prediction.float() - target.to(device)).square()
    if batch.masks is not None:
        error = error * batch.masks.to(device)
    return error.mean(dim=(1, 2, 3))


def gradients(
    components: Components,
    diffusion: Diffusion,
    batch: Batch,
    learnable: Learnable,
    parameters: Parameters,
    plan: Plan,
    autocast: bool,
    step: int,
    share: Share = WHOLE,
    at_once: int | None = None,
) -> tuple[float, Parameters]:
    """Gives the batch's mean loss and its gradient to `parameters`, on the CPU.

    Texts are padded to the longest of each `plan.batch_size` examples. Of these, `at_once` go through the model at a
    time (None: all), which changes the result by rounding only. Where only a `share` is computed, the sum of all shares
    is the result. `step` is what drop-out, where there is any, is drawn for.
    """
    leaves = [each.detach().to(components.device).requires_grad_(True) for each in parameters]
    scale = loss_scale(components)
    sums = [torch.zeros_like(each) for each in leaves]
    total = 0.0
    with learnable.entered(tuple(leaves), step) as encode:
        padded_alike = ((share.of(part), part.texts) for part in batch.split(plan.batch_size))
        for few, texts in (
            (few, texts) for own, texts in padded_alike for few in own.split(at_once or plan.batch_size)
        ):
            each_loss = losses(components, diffusion, few, encode(few.texts, texts), autocast)
            parts = torch.autograd.grad(each_loss.sum() / len(batch.texts) * scale, leaves)
            sums = [kept + new / scale for kept, new in zip(sums, parts, strict=True)]
            total += float(each_loss.detach().sum())
    return total / len(batch.texts), tuple(each.cpu() for each in sums)


def loss_scale(components: Components) -> float:
    """Gives what to multiply a loss by for its gradient: float16 has too little range, a constant keeps it in that."""
    return 1024.0 if components.dtype == torch.float16 else 1.0
