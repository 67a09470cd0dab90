"""Lets a U-Net made for inpainting be called like any other. Knows nothing of prompts and masks of people.

Such a U-Net takes nine channels: noisy latents, a mask, and the latents of the picture without what the mask covers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from retrato.model.components import Components
from retrato.model.memory import with_small_tiles


def fill_missing_channels(unet: Any, vae: Any) -> None:
    """Makes `unet` take bare latents [B, C, h, w] too, if it wants 2 C + 1 channels: the mask then covers everything.

    The picture below the mask is grey, as A1111 has it for text to image. Whoever gives all channels is left alone.
    """
    channels = int(vae.config.latent_channels)
    if int(unet.config.in_channels) != 2 * channels + 1:
        return
    grey: dict[tuple[int, ...], Tensor] = {}

    def fill(module: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        sample = named.pop("sample") if "sample" in named else arguments[0]
        if sample.shape[1] == channels:
            sides = tuple(sample.shape[-2:])
            if sides not in grey:
                grey.clear()  # one size at a time: it is quickly made again
                grey[sides] = _grey_latents(vae, sides)
            below = grey[sides].to(sample).expand(len(sample), -1, -1, -1)
            sample = torch.cat([sample, torch.ones_like(sample[:, :1]), below], dim=1)
        return (sample, *arguments[1:]), named

    unet.register_forward_pre_hook(fill, with_kwargs=True)


@contextlib.contextmanager
def showing_mask(components: Components, mask: Tensor, below: Tensor) -> Iterator[None]:
    """While open, a U-Net made for inpainting is shown what is repainted; for any other nothing happens.

    `mask` [1, 1, h, w] is 1 where to repaint, `below` [1, C, h, w] are the latents of the picture, grey in its place.
    """
    if not components.is_for_inpainting:
        yield
        return

    def show(module: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        sample = named.pop("sample") if "sample" in named else arguments[0]
        shown = [each.to(sample).expand(len(sample), -1, -1, -1) for each in (mask, below)]
        return (torch.cat([sample, *shown], dim=1), *arguments[1:]), named

    hook = components.unet.register_forward_pre_hook(show, with_kwargs=True, prepend=True)
    try:
        yield
    finally:
        hook.remove()


@torch.no_grad()
def _grey_latents(vae: Any, sides: tuple[int, ...]) -> Tensor:
    """Gives the scaled latents [1, C, h, w] of a grey picture."""
    scale = 2 ** (len(vae.config.block_out_channels) - 1)
    weight = next(vae.parameters())
    pixels = torch.zeros(1, 3, *(side * scale for side in sides), device=weight.device, dtype=weight.dtype)
    found = with_small_tiles(vae, lambda: vae.encode(pixels)).latent_dist
    return found.mean * float(vae.config.scaling_factor)
