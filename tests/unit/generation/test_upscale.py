import pytest
import torch

from retrato.errors import SettingsError
from retrato.generation.upscale import (
    IMAGE_UPSCALERS,
    LATENT_UPSCALERS,
    covering,
    find_upscaler,
    upscale,
    upscale_latents,
)
from retrato.model import Components


@pytest.mark.parametrize("name", [*LATENT_UPSCALERS, *IMAGE_UPSCALERS])
def test_each_upscaler_gives_latents_of_the_size(tiny_components: Components, name: str) -> None:
    latents = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    found = upscale(tiny_components, latents, (96, 128), find_upscaler(name.upper()))
    assert found.shape == (2, 4, 12, 16)
    assert torch.isfinite(found).all()


@pytest.mark.parametrize(
    ("shape", "size", "covers"),
    [
        ((512, 512), (1000, 768), (1000, 1000)),
        ((768, 512), (1000, 1000), (1500, 1000)),
        ((512, 768), (1000, 1000), (1000, 1500)),
        ((768, 512), (992, 664), (996, 664)),  # a scale of 1.3, each side down to a multiple of 8: nothing is cut
    ],
)
def test_another_format_is_covered_by_a1111s_sizes(
    shape: tuple[int, int], size: tuple[int, int], covers: tuple[int, int]
) -> None:
    assert covering(shape, size) == covers


@pytest.mark.parametrize("name", ["Latent (nearest)", "Nearest", "Lanczos"])
@pytest.mark.parametrize(("size", "axis"), [((128, 256), -2), ((256, 128), -1)])
def test_a_picture_for_another_format_is_cut_not_stretched(
    tiny_components: Components, name: str, size: tuple[int, int], axis: int
) -> None:
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    whole = upscale(tiny_components, latents, (256, 256), name)
    cut = upscale(tiny_components, latents, size, name)
    assert torch.equal(cut, whole.narrow(axis, 8, 16))


@pytest.mark.parametrize("name", LATENT_UPSCALERS)
def test_latents_that_are_all_alike_stay_so(name: str) -> None:
    found = upscale_latents(torch.full((1, 4, 8, 8), 0.5), (13, 17), name)
    torch.testing.assert_close(found, torch.full((1, 4, 13, 17), 0.5))


@pytest.mark.parametrize(("name", "says"), [("ESRGAN_4x", "needs weights"), ("Lanczo", "Lanczos"), ("", "Latent")])
def test_unknown_ones_are_refused(name: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        find_upscaler(name)
