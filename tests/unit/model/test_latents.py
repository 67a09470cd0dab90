import copy
import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from retrato.model import (
    Components,
    decode,
    decode_to_images,
    encode_pixels,
    images_to_pixels,
    latents,
    pixels_to_images,
)


def test_latents_are_scaled_as_diffusers_does(tiny_components: Components) -> None:
    pixels = torch.rand(3, 3, 64, 64) * 2 - 1
    found = encode_pixels(tiny_components, pixels)
    posterior = tiny_components.vae.encode(pixels).latent_dist
    scale = tiny_components.vae.config.scaling_factor
    torch.testing.assert_close(found.mean, posterior.mean * scale)
    torch.testing.assert_close((0.5 * found.logvar).exp(), posterior.std * scale)
    torch.testing.assert_close(
        decode(tiny_components, found.mean), tiny_components.vae.decode(posterior.mean).sample.clamp(-1, 1)
    )


def test_large_batches_go_through_in_parts(tiny_components: Components, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = torch.rand(5, 3, 64, 64) * 2 - 1
    whole = encode_pixels(tiny_components, pixels)
    monkeypatch.setattr(latents, "PIXELS_AT_ONCE", 64 * 64 * 2)
    parts = encode_pixels(tiny_components, pixels)
    torch.testing.assert_close(whole.mean, parts.mean)
    torch.testing.assert_close(whole.logvar, parts.logvar)
    assert decode(tiny_components, parts.mean).shape == pixels.shape
    held = []

    def counted(pixels: torch.Tensor) -> list[Image.Image]:
        held.append(len(pixels))
        return pixels_to_images(pixels)

    monkeypatch.setattr(latents, "pixels_to_images", counted)
    images = decode_to_images(tiny_components, parts.mean)
    assert held == [2, 2, 1], "pictures are made of each part before the next is decoded"
    wanted = pixels_to_images(decode(tiny_components, parts.mean))
    assert [image.tobytes() for image in images] == [image.tobytes() for image in wanted]


def test_a_vae_that_is_too_large_for_memory_works_in_tiles_from_then_on(
    tiny_components: Components, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The seams are blended; here the tiles are no smaller than the picture, so that nothing changes."""

    def mean_of(components: Components, pixels: torch.Tensor) -> torch.Tensor:
        return encode_pixels(components, pixels).mean

    ways = {"decode": (decode, torch.randn(2, 4, 8, 8)), "encode": (mean_of, torch.rand(2, 3, 64, 64) * 2 - 1)}
    for name, (through, given) in ways.items():
        vae, tried = copy.deepcopy(tiny_components.vae), []
        vae.tile_sample_min_size = 64
        components, real = dataclasses.replace(tiny_components, vae=vae), getattr(vae, name)
        whole = through(components, given)

        def full(each: torch.Tensor, vae: Any = vae, real: Any = real, tried: list[bool] = tried) -> object:
            tried.append(vae.use_tiling)
            if not vae.use_tiling:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
            return real(each)

        monkeypatch.setattr(vae, name, full)
        torch.testing.assert_close(through(components, given), whole)
        through(components, given)
        assert tried == [False, False, True, True], "picture by picture comes before tiles"


def test_a_picture_survives_the_way_to_pixels_and_back() -> None:
    values = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
    pixels = images_to_pixels([Image.fromarray(values)])
    assert pixels.shape == (1, 3, 16, 24)
    assert pixels.min() >= -1
    assert pixels.max() <= 1
    assert np.array_equal(np.asarray(pixels_to_images(pixels)[0]), values)
    assert pixels_to_images(torch.full((1, 3, 2, 2), 9.0))[0].getpixel((0, 0)) == (255, 255, 255)
