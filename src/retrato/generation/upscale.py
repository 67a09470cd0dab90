"""How a picture is enlarged between the two passes of hires fix, by A1111's names. Knows no samplers."""

import difflib
from collections.abc import Mapping

import torch
from PIL import Image
from torch import Tensor

from retrato.errors import SettingsError
from retrato.model.components import Components
from retrato.model.latents import decode_to_images, encode_pixels, images_to_pixels

# Those that enlarge latents: torch's mode and whether it smooths before.
LATENT_UPSCALERS: Mapping[str, tuple[str, bool]] = {
    "Latent": ("bilinear", False),
    "Latent (antialiased)": ("bilinear", True),
    "Latent (bicubic)": ("bicubic", False),
    "Latent (bicubic antialiased)": ("bicubic", True),
    "Latent (nearest)": ("nearest", False),
    "Latent (nearest-exact)": ("nearest-exact", False),
}
IMAGE_UPSCALERS: Mapping[str, Image.Resampling] = {
    "None": Image.Resampling.LANCZOS,  # A1111 resizes with it after "None" as well
    "Lanczos": Image.Resampling.LANCZOS,
    "Nearest": Image.Resampling.NEAREST,
}


def find_upscaler(name: str) -> str:
    """Gives the proper name of an upscaler in any case; raises SettingsError for one that is not here."""
    names = {each.casefold(): each for each in (*LATENT_UPSCALERS, *IMAGE_UPSCALERS)}
    wanted = name.strip().casefold()
    if wanted in names:
        return names[wanted]
    if any(word in wanted for word in ("esrgan", "swinir", "ldsr", "dat", "scunet", "ultrasharp")):
        raise SettingsError(f"hires_upscaler is {name!r}, which needs weights that retrato does not bring: use Lanczos")
    near = [names[each] for each in difflib.get_close_matches(wanted[:100], names, n=3)] or list(names.values())
    raise SettingsError(f"hires_upscaler is {name[:60]!r}: choose one of {', '.join(near)}")


def upscale_latents(latents: Tensor, size: tuple[int, int], name: str = "Latent") -> Tensor:
    """Gives latents [B, C, *size] (height, width) enlarged in latent space: quick and soft."""
    mode, smooth = LATENT_UPSCALERS[name]
    options = {"antialias": smooth} if mode in ("bilinear", "bicubic") else {}
    return torch.nn.functional.interpolate(latents, size=size, mode=mode, **options)


def upscale(components: Components, latents: Tensor, size: tuple[int, int], name: str) -> Tensor:
    """Gives `latents` [B, C, h, w] enlarged to `size` (height, width) in pixels by the upscaler of that proper name.

    As in A1111 a picture of other proportions is enlarged until it covers `size`, and what is over is cut off evenly.
    """
    step = components.vae_scale
    rows, columns = (side // step for side in covering((latents.shape[-2], latents.shape[-1]), size))
    if name in LATENT_UPSCALERS:
        larger = upscale_latents(latents, (rows, columns), name)
    else:
        images = decode_to_images(components, latents)
        images = [image.resize((columns * step, rows * step), IMAGE_UPSCALERS[name]) for image in images]
        larger = encode_pixels(components, images_to_pixels(images)).mean
    top, left = (rows - size[0] // step) // 2, (columns - size[1] // step) // 2
    return larger[..., top : top + size[0] // step, left : left + size[1] // step]


def covering(shape: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    """Gives the smallest height and width in the proportions of `shape` (height, width) that cover `size`."""
    if shape[1] * size[0] < size[1] * shape[0]:
        return size[1] * shape[0] // shape[1], size[1]
    return size[0], size[0] * shape[1] // shape[0]
