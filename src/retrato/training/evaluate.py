"""The deterministic loss: the same latents, noise, timesteps and texts every time, so that two values can be compared.

A step's own loss depends on its draw more than on what was learned (DVAR, https://arxiv.org/abs/2302.04841).
Knows nothing of steps and optimizers.
"""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from retrato.model import Components
from retrato.model.memory import Room, in_parts
from retrato.prompts import fill_template
from retrato.training.learnable import Learnable
from retrato.training.optimizer import Parameters
from retrato.training.randomness import generator
from retrato.training.step import Batch, Diffusion, Material, losses

STRATA = 8  # of the timesteps; all photos at the middle one only would say little


def evaluation_batches(materials: Sequence[Material], timesteps: int, *, pairs: int, seed: int) -> tuple[Batch, ...]:
    """Gives photos at the middles of equal strata of the T = `timesteps`, about `pairs` of both, a batch per material.

    Few photos meet every stratum. Where there would be fewer than STRATA then, many photos take turns at as many, and
    of more photos than `pairs` so many are judged, evenly spaced. Latents are the photos' means, templates take turns,
    captions are whole.
    """
    count = sum(len(material.captions) for material in materials)
    judged = min(count, pairs)
    each = -(-pairs // judged)
    strata = max(each, min(STRATA, pairs))
    middles = ((torch.arange(strata) + 0.5) / strata * timesteps).long()
    place_of = {place * count // judged: place for place in range(judged)}
    batches, first = [], 0
    for material in materials:
        own = range(first, first + len(material.captions))
        rows = [
            (photo - first, stratum)
            for photo in own
            if photo in place_of
            for stratum in sorted((place_of[photo] + turn * strata // each) % strata for turn in range(each))
        ]
        if rows:
            photos, parts = torch.tensor(rows).unbind(dim=1)
            batches.append(_batch(material, photos, middles[parts], seed))
        first = own.stop
    return tuple(batches)


def _batch(material: Material, photos: Tensor, timesteps: Tensor, seed: int) -> Batch:
    texts = [
        fill_template(
            material.templates[photo % len(material.templates)],
            name=material.subject,
            filewords=material.captions[photo],
        )
        for photo in photos.tolist()
    ]
    latents = material.latents.draw(photos, "deterministic", seed, 0)
    noise = torch.randn(latents.shape, generator=generator(seed, "evaluation"))
    masks = None if material.masks is None else material.masks[photos]
    return Batch(latents, noise, timesteps, tuple(texts), masks)


@torch.no_grad()
def evaluate(
    components: Components,
    diffusion: Diffusion,
    batches: Sequence[Batch],
    learnable: Learnable,
    parameters: Parameters,
    *,
    batch_size: int,
    autocast: bool,
) -> float:
    """Gives the mean loss over all examples of the evaluation `batches`, worked through in parts of `batch_size`.

    Where memory is too small for these, in smaller ones, with texts padded as before. Raises ModelError where it is too
    small for a single example.
    """
    on_device = tuple(each.to(components.device) for each in parameters)
    room = Room()
    with learnable.entered(on_device, None) as encode:

        def losses_of(part: Batch, at_once: int) -> Tensor:
            few = part.split(at_once)
            return torch.cat(
                [losses(components, diffusion, each, encode(each.texts, part.texts), autocast) for each in few]
            )

        parts = (part for batch in batches for part in batch.split(batch_size))
        found = [in_parts(partial(losses_of, part), len(part.texts), room, components.device) for part in parts]
    return float(torch.cat(found).mean())


def has_settled(evaluations: Sequence[tuple[int, float]], patience: int | None, least_gain: float) -> bool:
    """Says whether the last `patience` evaluations, as (step, loss), brought no gain of the share `least_gain`."""
    if patience is None:
        return False
    best, without_gain = float("inf"), 0
    for _, loss in evaluations:
        if loss < best * (1 - least_gain):
            best, without_gain = loss, 0
        else:
            without_gain += 1
    return without_gain >= patience
