import pytest
import torch

from retrato.errors import SettingsError
from retrato.generation.upscale import IMAGE_UPSCALERS, LATENT_UPSCALERS, find_upscaler, upscale, upscale_latents
from retrato.model import Components


@pytest.mark.parametrize("name", [*LATENT_UPSCALERS, *IMAGE_UPSCALERS])
def test_each_upscaler_gives_latents_of_the_size(tiny_components: Components, name: str) -> None:
    latents = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    found = upscale(tiny_components, latents, (96, 128), find_upscaler(name.upper()))
    assert found.shape == (2, 4, 12, 16)
    assert torch.isfinite(found).all()


@pytest.mark.parametrize("name", LATENT_UPSCALERS)
def test_latents_that_are_all_alike_stay_so(name: str) -> None:
    found = upscale_latents(torch.full((1, 4, 8, 8), 0.5), (13, 17), name)
    torch.testing.assert_close(found, torch.full((1, 4, 13, 17), 0.5))


@pytest.mark.parametrize(("name", "says"), [("ESRGAN_4x", "needs weights"), ("Lanczo", "Lanczos"), ("", "Latent")])
def test_unknown_ones_are_refused(name: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        find_upscaler(name)
