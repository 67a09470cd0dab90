"""One guided prediction of the U-Net: classifier-free guidance, with any number of weighted prompts.

Knows nothing of samplers and steps.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from retrato.model.components import Components
from retrato.model.text import Conditioning
from retrato.model.tiling import wrapping_around


@dataclass(frozen=True, slots=True)
class Guidance:
    """What to draw at one step: `positive` prompts with their weights, what to avoid, and the CFG scale.

    Each conditioning has one row, which all images of the batch share. Several positives are composable diffusion
    (Liu et al. 2022): prompts joined by AND.

    `rescale`, 0 to 1, takes back the contrast that guidance adds (Lin et al. 2023, section 3.4). Below noise level
    `min_sigma` the negative prompt has no say any more: half the work. With `keeps_unguided` the prediction for the
    negative prompt alone is given in any case. With `is_tiled` the picture's edges see the opposite ones.
    """

    positive: tuple[tuple[Conditioning, float], ...]
    negative: Conditioning
    scale: float
    rescale: float = 0.0
    min_sigma: float = 0.0
    keeps_unguided: bool = False
    is_tiled: bool = False

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
    components: Components, latents: Tensor, timestep: Tensor, guidance: Guidance
) -> tuple[Tensor, Tensor]:
    """Gives what `predict` gives, and the prediction for the negative prompt alone, the same where it has no say."""
    positive = [conditioning for conditioning, _ in guidance.positive]
    with wrapping_around(components.unet) if guidance.is_tiled else nullcontext():
        if not guidance.needs_negative:
            (result,) = _predictions(components, latents, timestep, positive)
            return result, result
        negative, *predictions = _predictions(components, latents, timestep, [guidance.negative, *positive])
    result = plain = negative
    for prediction, (_, weight) in zip(predictions, guidance.positive, strict=True):
        result = result + weight * guidance.scale * (prediction - negative)
        plain = plain + weight * (prediction - negative)
    if guidance.rescale:
        spread, wanted = (each.std(dim=(1, 2, 3), keepdim=True) for each in (result, plain))
        result = result * (guidance.rescale * wanted / spread + 1 - guidance.rescale)
    return result, negative


def _predictions(
    components: Components, latents: Tensor, timestep: Tensor, conditionings: Sequence[Conditioning]
) -> list[Tensor]:
    """Gives one prediction per conditioning; those of equal length T go through the U-Net together.

    Padding short ones instead would change them, and so make a picture depend on its negative prompt's length.
    """
    results: dict[int, Tensor] = {}
    for length in dict.fromkeys(conditioning.states.shape[1] for conditioning in conditionings):
        members = [number for number, each in enumerate(conditionings) if each.states.shape[1] == length]
        found = _through_unet(components, latents, timestep, [conditionings[number] for number in members])
        results |= dict(zip(members, found.chunk(len(members)), strict=True))
    return [results[number] for number in range(len(conditionings))]


def _through_unet(
    components: Components, latents: Tensor, timestep: Tensor, conditionings: Sequence[Conditioning]
) -> Tensor:
    count, device, dtype = latents.shape[0], components.device, components.dtype
    states = torch.cat([each.states.expand(count, -1, -1) for each in conditionings]).to(device, dtype)
    further = None
    if components.has_pooled_text:
        height, width = (side * components.vae_scale for side in latents.shape[-2:])
        sizes = torch.tensor([[height, width, 0, 0, height, width]], device=device, dtype=dtype)
        pooled = [each.pooled.expand(count, -1) for each in conditionings if each.pooled is not None]
        further = {
            "text_embeds": torch.cat(pooled).to(device, dtype),
            "time_ids": sizes.expand(count * len(conditionings), -1),
        }
    stacked = torch.cat([latents] * len(conditionings)).to(device, dtype)
    if timestep.dtype == torch.float64:  # some schedulers have it, Apple's GPUs do not
        timestep = timestep.float()
    output = components.unet(
        stacked, timestep.to(device), encoder_hidden_states=states, added_cond_kwargs=further, return_dict=False
    )
    return output[0].float().cpu()
