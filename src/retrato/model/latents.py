"""Pixels to latents and back, and pixels to pictures and back. Works through large batches in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from retrato.model.components import Components
from retrato.model.memory import with_small_tiles

# Pixels that go through the VAE at once: eight pictures of 512x512.
PIXELS_AT_ONCE = 8 * 512 * 512


@dataclass(frozen=True, slots=True)
class LatentDistribution:
    """What the VAE says about pictures: `mean` and `logvar` [B, C, h, w], both for latents that are already scaled."""

    mean: Tensor
    logvar: Tensor


@torch.no_grad()
def encode_pixels(components: Components, pixels: Tensor) -> LatentDistribution:
    """Gives the latent distribution, on the CPU, of `pixels` [B, 3, H, W] in [-1, 1]."""
    config = components.vae.config
    scale, shift = float(config.scaling_factor), float(getattr(config, "shift_factor", None) or 0.0)
    means, logvars = [], []
    for part in pixels.split(_at_once(pixels.shape[-2] * pixels.shape[-1])):
        encode = partial(components.vae.encode, part.to(components.device, torch.float32))
        found = with_small_tiles(components.vae, encode).latent_dist
        means.append(((found.mean - shift) * scale).cpu())
        logvars.append((found.logvar + 2 * math.log(scale)).cpu())
    return LatentDistribution(torch.cat(means), torch.cat(logvars))


@torch.no_grad()
def decode(components: Components, latents: Tensor) -> Tensor:
    """Gives pixels [B, 3, H, W] in [-1, 1], on the CPU, of scaled `latents` [B, C, h, w]."""
    return torch.cat(list(_decoded_parts(components, latents)))


@torch.no_grad()
def decode_to_images(components: Components, latents: Tensor) -> list[Image.Image]:
    """Gives the pictures of scaled `latents` [B, C, h, w]; never are all of their pixels there as numbers."""
    return [image for part in _decoded_parts(components, latents) for image in pixels_to_images(part)]


def image_to_pixels(image: Image.Image) -> Tensor:
    """Gives pixels [3, H, W] in [-1, 1] of a picture."""
    values = np.asarray(image.convert("RGB"), dtype=np.float32)
    return torch.from_numpy(values / 127.5 - 1.0).permute(2, 0, 1).contiguous()


def images_to_pixels(images: Sequence[Image.Image]) -> Tensor:
    """Gives pixels [N, 3, H, W] in [-1, 1] of pictures of one size."""
    return torch.stack([image_to_pixels(image) for image in images])


def pixels_to_images(pixels: Tensor) -> list[Image.Image]:
    """Gives the pictures of `pixels` [N, 3, H, W] in [-1, 1]."""
    values = ((pixels.float() + 1.0) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return [Image.fromarray(picture) for picture in values.permute(0, 2, 3, 1).cpu().numpy()]


def _decoded_parts(components: Components, latents: Tensor) -> Iterator[Tensor]:
    """Yields pixels in [-1, 1], on the CPU, of as many `latents` as go through the VAE at once."""
    config = components.vae.config
    scale, shift = float(config.scaling_factor), float(getattr(config, "shift_factor", None) or 0.0)
    for part in latents.split(_at_once(latents.shape[-2] * latents.shape[-1] * components.vae_scale**2)):
        given = part.to(components.device, torch.float32) / scale + shift
        yield with_small_tiles(components.vae, partial(_decoded, components, given)).cpu().clamp_(-1, 1)


def _decoded(components: Components, latents: Tensor) -> Tensor:
    """Decodes in the U-Net's number format where that is a half, and again in float32 where that gave no numbers.

    The weights stay float32. XL's VAE is known to overflow, and its config.json says so (`force_upcast`): it is not
    tried there. Where the file says nothing, as in SD 1.5's, diffusers' default would say the same of all.
    """
    config = components.vae.config
    says_so = config.force_upcast and "force_upcast" not in config.get("_use_default_values", ())
    if components.dtype != torch.float32 and not says_so:
        with torch.autocast(components.device.type, components.dtype):
            pixels = components.vae.decode(latents).sample.float()
        if bool(pixels.isfinite().all()):
            return pixels
    return components.vae.decode(latents).sample


def _at_once(area: int) -> int:
    return max(1, PIXELS_AT_ONCE // area)
