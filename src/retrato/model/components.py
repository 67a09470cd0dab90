"""The frozen model as one value: its parts, its numbers, its defaults. Knows not where they were read from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from retrato.embeddings.library import FAMILIES

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer


@dataclass(frozen=True, slots=True)
class ModelDefaults:
    """What to use where the settings say nothing; a model folder may set its own in `retrato.json`."""

    size: int
    guidance_scale: float = 7.0
    class_word: str = "person"


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a model as they were read from a folder or a file, on the CPU, in the file's number format."""

    text_encoders: tuple[CLIPTextModel | CLIPTextModelWithProjection, ...]
    tokenizers: tuple[CLIPTokenizer, ...]
    unet: UNet2DConditionModel
    vae: AutoencoderKL
    scheduler_config: Mapping[str, object]
    zero_empty_negative: bool = False


@dataclass(frozen=True, slots=True)
class Components:
    """A frozen Stable Diffusion model: one text encoder (1.x, 2.x and the embedded model) or two (XL).

    All weights are in evaluation mode and take no gradient. `dtype` is the U-Net's number format; text encoders and
    VAE are float32, because the vectors' gradient and the decoded picture need the precision and they are small.
    `hash` is the first 10 hex digits of the sha256 of the file, or of the U-Net's weights in a folder; `reason` says
    why this device and number format were chosen. `vae_name` and `vae_hash` are those of a VAE that is not the model's
    own; `old_hash` is the one of 2022, which only files have.
    """

    name: str
    hash: str
    tokenizers: tuple[CLIPTokenizer, ...]
    text_encoders: tuple[CLIPTextModel | CLIPTextModelWithProjection, ...]
    unet: UNet2DConditionModel
    vae: AutoencoderKL
    scheduler_config: Mapping[str, object]
    device: torch.device
    dtype: torch.dtype
    defaults: ModelDefaults
    zero_empty_negative: bool = False
    reason: str = ""
    vae_name: str = ""
    vae_hash: str = ""
    old_hash: str = ""

    @property
    def vae_scale(self) -> int:
        """Pixels per latent along one side (8 for Stable Diffusion)."""
        return 2 ** (len(self.vae.config.block_out_channels) - 1)

    @property
    def latent_channels(self) -> int:
        """Channels of the latents (4 for Stable Diffusion)."""
        return int(self.vae.config.latent_channels)

    @property
    def is_for_inpainting(self) -> bool:
        """Whether the U-Net also wants a mask and the latents of the masked picture (9 channels in place of 4)."""
        return int(self.unet.config.in_channels) == 2 * self.latent_channels + 1

    @property
    def family(self) -> str:
        """The family in words, told by the widths of the text encoders: what an embedding must have been made for."""
        title = FAMILIES.get(self.token_widths, "its own kind")
        return f"{title}{', for inpainting' if self.is_for_inpainting else ''}"

    @property
    def token_widths(self) -> tuple[int, ...]:
        """Width D of the token embeddings, one per text encoder: what an embedding's vectors must have."""
        return tuple(int(encoder.config.hidden_size) for encoder in self.text_encoders)

    @property
    def chunk_length(self) -> int:
        """Tokens of text per chunk, without start and end token (75 for Stable Diffusion)."""
        return int(self.text_encoders[0].config.max_position_embeddings) - 2

    @property
    def has_pooled_text(self) -> bool:
        """Whether the U-Net also wants a pooled text and picture sizes (XL)."""
        return self.unet.config.addition_embed_type == "text_time"

    @property
    def prediction_type(self) -> str:
        """What the U-Net predicts: `epsilon` or `v_prediction`."""
        return str(self.scheduler_config.get("prediction_type", "epsilon"))

    @property
    def modules(self) -> tuple[nn.Module, ...]:
        """All parts that have weights."""
        return (*self.text_encoders, self.unet, self.vae)
