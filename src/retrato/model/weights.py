"""Weighs a model: how many numbers each part has, and whether all of them are numbers."""

from dataclasses import dataclass

from retrato.errors import ModelError
from retrato.model.components import Components


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a model and how many weights it has."""

    name: str
    parameters: int


def weigh(components: Components) -> list[Part]:
    """Gives the parts; raises ModelError where a weight is NaN or infinite, which draws black pictures."""
    encoders = components.text_encoders
    names = ["text_encoder", "text_encoder_2"][: len(encoders)]
    parts = []
    for name, module in zip([*names, "unet", "vae"], components.modules, strict=True):
        for key, weight in module.named_parameters():
            if not bool(weight.isfinite().all()):
                raise ModelError(
                    f"{components.name} has weights that are not numbers in its {name} ({key}): it draws black "
                    "pictures, get it again or another VAE"
                )
        parts.append(Part(name, sum(weight.numel() for weight in module.parameters())))
    return parts
