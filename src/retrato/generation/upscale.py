"""How a picture is enlarged between the two passes of hires fix, by A1111's names. Knows no samplers."""

import difflib
from collections.abc import Mapping

import torch
from PIL import Image
from torch import Tensor

from retrato.errors import SettingsError
from retrato.model.components import Components
from retrato.model.latents import decode, encode_pixels, images_to_pixels, pixels_to_images

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
    """Gives `latents` [B, C, h, w] enlarged to `size` (height, width) in pixels by the upscaler of that proper name."""
    height, width = size
    if name in LATENT_UPSCALERS:
        return upscale_latents(latents, (height // components.vae_scale, width // components.vae_scale), name)
    images = pixels_to_images(decode(components, latents))
    larger = [image.resize((width, height), IMAGE_UPSCALERS[name]) for image in images]
    return encode_pixels(components, images_to_pixels(larger)).mean
