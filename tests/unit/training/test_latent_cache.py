import dataclasses

import pytest
import torch
from PIL import Image

from retrato.errors import PhotoError
from retrato.model import Components, LatentDistribution, encode_pixels, images_to_pixels
from retrato.photos import Photo
from retrato.training import latent_cache
from retrato.training.latent_cache import LatentCache, cache_latents, loss_masks


def test_holds_what_the_vae_says_about_each_photo(tiny_components: Components, photos: list[Photo]) -> None:
    cache = cache_latents(tiny_components, photos, (64, 64))
    assert cache.mean.shape == cache.logvar.shape == (6, 4, 8, 8)
    expected = encode_pixels(tiny_components, images_to_pixels([photos[4].image]))
    assert torch.equal(cache.mean[4:5], expected.mean)
    assert torch.equal(cache.logvar[4:5], expected.logvar)


def test_a_long_photo_is_cropped_to_the_models_size(tiny_components: Components, photos: list[Photo]) -> None:
    long = dataclasses.replace(photos[0], image=photos[0].image.resize((200, 90)))
    assert cache_latents(tiny_components, [long], (64, 64)).mean.shape == (1, 4, 8, 8)


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
        cache_latents(tiny_components, photos, (64, 64))


def test_photos_take_the_shape_that_is_asked_for(tiny_components: Components, photos: list[Photo]) -> None:
    assert cache_latents(tiny_components, photos[:2], (48, 80)).mean.shape == (2, 4, 10, 6)


def test_masks_are_the_photos_opacity_with_a_mean_of_one(photos: list[Photo]) -> None:
    half = Image.new("L", (64, 64), 255)
    half.paste(55, (0, 0, 32, 64))
    seen = dataclasses.replace(photos[0], mask=half)
    even = dataclasses.replace(photos[0], mask=Image.new("L", (64, 64), 200))
    masks = loss_masks([seen, photos[1], even], (64, 64), (8, 8))
    assert masks.shape == (3, 1, 8, 8)
    assert masks.mean(dim=(1, 2, 3)).tolist() == pytest.approx([1.0, 1.0, 1.0])
    assert masks[0, 0, :, :4].abs().max() == 0
    assert masks[0, 0, :, 4:].tolist() == [[2.0] * 4] * 8
    assert torch.equal(masks[1:], torch.ones(2, 1, 8, 8))
