import dataclasses

import pytest
import torch
from PIL import Image

from retrato.errors import PhotoError
from retrato.model import Components, LatentDistribution, encode_pixels, images_to_pixels
from retrato.photos import Photo
from retrato.training import latent_cache
from retrato.training.latent_cache import LatentCache, cache_latents


def test_holds_what_the_vae_says_about_each_photo(tiny_components: Components, photos: list[Photo]) -> None:
    cache = cache_latents(tiny_components, photos)
    assert cache.mean.shape == cache.logvar.shape == (6, 4, 8, 8)
    expected = encode_pixels(tiny_components, images_to_pixels([photos[4].image]))
    assert torch.equal(cache.mean[4:5], expected.mean)
    assert torch.equal(cache.logvar[4:5], expected.logvar)


def test_a_long_photo_is_cropped_to_the_models_size(tiny_components: Components, photos: list[Photo]) -> None:
    long = dataclasses.replace(photos[0], image=photos[0].image.resize((200, 90)))
    assert cache_latents(tiny_components, [long]).mean.shape == (1, 4, 8, 8)


def test_cells_outside_the_mask_hardly_count(tiny_components: Components, photos: list[Photo]) -> None:
    assert cache_latents(tiny_components, photos[:2]).weights is None
    size = photos[0].image.size
    mask = Image.new("L", size, 0)
    mask.paste(255, (0, 0, size[0] // 2, size[1]))
    weights = cache_latents(tiny_components, [dataclasses.replace(photos[0], mask=mask), photos[1]]).weights
    assert weights is not None
    assert weights.shape == (2, 1, 8, 8)
    assert torch.allclose(weights.mean(dim=(1, 2, 3)), torch.ones(2))
    assert float(weights[0, 0, 4, 7] / weights[0, 0, 4, 0]) == pytest.approx(0.1, rel=1e-4)
    assert torch.equal(weights[1], torch.ones(1, 8, 8))


def test_draws_the_mean_one_sample_or_many() -> None:
    cache = LatentCache(torch.arange(3.0).view(3, 1, 1, 1).expand(3, 1, 4, 4), torch.zeros(3, 1, 4, 4))
    indices = torch.tensor([2, 0, 2])
    assert torch.equal(cache.draw(indices, "deterministic", 0, 1), cache.mean[indices])
    once = cache.draw(indices, "once", 0, 1)
    assert torch.equal(once[0], once[2])
    assert torch.equal(once, cache.draw(indices, "once", 0, 9))
    random = cache.draw(indices, "random", 0, 1)
    assert torch.equal(random, cache.draw(indices, "random", 0, 1))
    assert not torch.equal(random, cache.draw(indices, "random", 0, 2))
    assert not torch.equal(random[0], random[2])


def test_samples_have_the_distributions_spread() -> None:
    cache = LatentCache(torch.full((1, 4, 64, 64), 3.0), torch.full((1, 4, 64, 64), 2 * torch.log(torch.tensor(0.5))))
    sample = cache.draw(torch.tensor([0]), "once", 0, 0)
    assert float(sample.mean()) == pytest.approx(3.0, abs=0.02)
    assert float(sample.std()) == pytest.approx(0.5, abs=0.02)


def test_names_the_photo_that_gives_no_numbers(
    tiny_components: Components, photos: list[Photo], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = torch.full((1, 4, 8, 8), float("nan"))
    monkeypatch.setattr(latent_cache, "encode_pixels", lambda *_: LatentDistribution(broken, broken))
    with pytest.raises(PhotoError, match=r"00\.png gives latents that are not numbers"):
        cache_latents(tiny_components, photos)
