"""One guided prediction of the U-Net: classifier-free guidance, with any number of weighted prompts.

Knows nothing of samplers and steps.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from retrato.model.components import Components
from retrato.model.memory import Room, in_parts
from retrato.model.text import Conditioning, added_conditions
from retrato.model.tiling import wrapping_around


@dataclass(frozen=True, slots=True)
class Guidance:
    """What to draw at one step: `positive` prompts with their weights, what to avoid, and the CFG scale.

    Each conditioning has one row, which all images of the batch share. Several positives are composable diffusion
    (Liu et al. 2022): prompts joined by AND.

    `rescale`, 0 to 1, takes back the contrast that guidance adds (Lin et al. 2023, section 3.4). Below noise level
    `min_sigma` the negative prompt has no say any more: half the work. With `keeps_unguided` the prediction for the
    negative prompt alone is given in any case. With `is_tiled` the picture's edges see the opposite ones. `told_scale`
    is the CFG scale that a U-Net is told which was taught to guide itself (Meng et al. 2023; LCM); `scale` is 1 then.
    """

    positive: tuple[tuple[Conditioning, float], ...]
    negative: Conditioning
    scale: float
    rescale: float = 0.0
    min_sigma: float = 0.0
    keeps_unguided: bool = False
    is_tiled: bool = False
    told_scale: float | None = None

    @property
    def needs_negative(self) -> bool:
        """Whether the negative prompt has a say: not for one prompt of weight 1 at scale 1, half the work."""
        return self.keeps_unguided or len(self.positive) > 1 or self.positive[0][1] * self.scale != 1.0

    def at(self, sigma: float) -> "Guidance":
        """Gives what holds at noise level `sigma`."""
        if sigma >= self.min_sigma or len(self.positive) > 1:
            return self
        return replace(self, positive=((self.positive[0][0], 1.0),), scale=1.0, keeps_unguided=False)


def predict(components: Components, latents: Tensor, timestep: Tensor, guidance: Guidance) -> Tensor:
    """Gives the guided prediction [B, C, h, w], float32 on the CPU, for `latents` already scaled for the U-Net.

    negative + sum of weight * scale * (positive - negative), as A1111's CFGDenoiser combines them.
    """
    return predict_both(components, latents, timestep, guidance)[0]


@torch.no_grad()
def predict_both(
    components: Components, latents: Tensor, timestep: Tensor, guidance: Guidance, room: Room | None = None
) -> tuple[Tensor, Tensor]:
    """Gives what `predict` gives, and the prediction for the negative prompt alone, the same where it has no say.

    Where memory is full, rows go through the U-Net in parts, which `room` remembers from one call to the next.
    """
    positive = _of_one_length([conditioning for conditioning, _ in guidance.positive])
    through_unet = partial(_through_unet, components, latents, timestep, guidance.told_scale, room or Room())
    with wrapping_around(components.unet) if guidance.is_tiled else nullcontext():
        if not guidance.needs_negative:
            (result,) = _predictions(through_unet, positive)
            return result, result
        negative, *predictions = _predictions(through_unet, [guidance.negative, *positive])
    result = plain = negative
    for prediction, (_, weight) in zip(predictions, guidance.positive, strict=True):
        result = result + weight * guidance.scale * (prediction - negative)
        plain = plain + weight * (prediction - negative)
    if guidance.rescale:
        spread, wanted = (each.std(dim=(1, 2, 3), keepdim=True) for each in (result, plain))
        result = result * (guidance.rescale * wanted / spread + 1 - guidance.rescale)
    return result, negative


def _of_one_length(positive: Sequence[Conditioning]) -> list[Conditioning]:
    """Repeats the last vector of those that are shorter than the longest, as A1111 does with prompts joined by AND."""
    longest = max(each.states.shape[1] for each in positive)
    return [
        replace(each, states=torch.cat([each.states, each.states[:, -1:].expand(-1, missing, -1)], dim=1))
        if (missing := longest - each.states.shape[1])
        else each
        for each in positive
    ]


def _predictions(
    through_unet: Callable[[Sequence[Conditioning]], Tensor], conditionings: Sequence[Conditioning]
) -> list[Tensor]:
    """Gives one prediction per conditioning; those of equal length T go through the U-Net together.

    Making the negative prompt as long as the others would change it, and so the picture.
    """
    results: dict[int, Tensor] = {}
    for length in dict.fromkeys(conditioning.states.shape[1] for conditioning in conditionings):
        members = [number for number, each in enumerate(conditionings) if each.states.shape[1] == length]
        own = [conditionings[number] for number in members]
        results |= dict(zip(members, through_unet(own).chunk(len(members)), strict=True))
    return [results[number] for number in range(len(conditionings))]


def _through_unet(
    components: Components,
    latents: Tensor,
    timestep: Tensor,
    told_scale: float | None,
    room: Room,
    conditionings: Sequence[Conditioning],
) -> Tensor:
    count, device, dtype = latents.shape[0], components.device, components.dtype
    states = torch.cat([each.states.expand(count, -1, -1) for each in conditionings]).to(device, dtype)
    pooled = [each.pooled.expand(count, -1) for each in conditionings if each.pooled is not None]
    further = added_conditions(components, torch.cat(pooled) if pooled else None, latents.shape[-2:])
    stacked = torch.cat([latents] * len(conditionings)).to(device, dtype)
    if timestep.dtype == torch.float64:  # some schedulers have it, Apple's GPUs do not
        timestep = timestep.float()
    timestep = timestep.to(device)
    told = {} if told_scale is None else {"timestep_cond": _scale_embedding(components, told_scale)}

    def compute(at_once: int) -> Tensor:
        found = []
        for start in range(0, len(stacked), at_once):
            few = slice(start, start + at_once)
            added = further and {name: each[few] for name, each in further.items()}
            output = components.unet(
                stacked[few],
                timestep,
                encoder_hidden_states=states[few],
                added_cond_kwargs=added,
                return_dict=False,
                **told,
            )
            found.append(output[0].float().cpu())
        return torch.cat(found)

    return in_parts(compute, len(stacked), room, device)


def _scale_embedding(components: Components, scale: float) -> Tensor:
    """Gives what the U-Net is told of the CFG scale [1, E]; it counts from no guidance, which is scale 1."""
    from diffusers.models.embeddings import get_timestep_embedding

    width = int(components.unet.config.time_cond_proj_dim)
    found = get_timestep_embedding(torch.tensor([(scale - 1) * 1000]), width, downscale_freq_shift=1)
    return found.to(components.device, components.dtype)
