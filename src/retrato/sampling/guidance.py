"""One guided prediction of the U-Net: classifier-free guidance, with any number of weighted prompts.

Knows nothing of samplers and steps.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from retrato.model.components import Components
from retrato.model.text import Conditioning


@dataclass(frozen=True, slots=True)
class Guidance:
    """What to draw at one step: `positive` prompts with their weights, what to avoid, and the CFG scale.

    Each conditioning has one row, which all images of the batch share. Several positives are composable diffusion
    (Liu et al. 2022): prompts joined by AND.
    """

    positive: tuple[tuple[Conditioning, float], ...]
    negative: Conditioning
    scale: float

    @property
    def needs_negative(self) -> bool:
        """Whether the negative prompt has a say: not for one prompt of weight 1 at scale 1, half the work."""
        return len(self.positive) > 1 or self.positive[0][1] * self.scale != 1.0


@torch.no_grad()
def predict(components: Components, latents: Tensor, timestep: Tensor, guidance: Guidance) -> Tensor:
    """Gives the guided prediction [B, C, h, w], float32 on the CPU, for `latents` already scaled for the U-Net.

    negative + sum of weight * scale * (positive - negative), as A1111's CFGDenoiser combines them.
    """
    positive = [conditioning for conditioning, _ in guidance.positive]
    if not guidance.needs_negative:
        return _predictions(components, latents, timestep, positive)[0]
    negative, *predictions = _predictions(components, latents, timestep, [guidance.negative, *positive])
    result = negative
    for prediction, (_, weight) in zip(predictions, guidance.positive, strict=True):
        result = result + weight * guidance.scale * (prediction - negative)
    return result


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
    output = components.unet(
        stacked, timestep.to(device), encoder_hidden_states=states, added_cond_kwargs=further, return_dict=False
    )
    return output[0].float().cpu()
