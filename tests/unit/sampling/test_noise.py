import torch

from retrato.sampling.noise import Variation, noise_for


def test_noise_depends_on_the_images_own_seed_only() -> None:
    together, generators = noise_for([4, 5, 6], (4, 8, 8))
    alone, own = noise_for([6], (4, 8, 8))
    assert together.shape == (3, 4, 8, 8)
    assert torch.equal(together[2], alone[0])
    assert torch.equal(torch.randn(5, generator=generators[2]), torch.randn(5, generator=own[0]))


def test_noise_is_that_of_a_cpu_generator() -> None:
    expected = torch.randn((1, 4, 8, 8), generator=torch.Generator("cpu").manual_seed(9))
    assert torch.equal(noise_for([9], (4, 8, 8))[0], expected)


def test_the_largest_seed_works() -> None:
    assert torch.isfinite(noise_for([2**63 - 1], (4, 2, 2))[0]).all()


def test_a_variation_goes_from_the_one_to_the_other() -> None:
    one, other = noise_for([4], (4, 8, 8))[0], noise_for([9], (4, 8, 8))[0]
    for strength, expected in ((0.0, one), (1.0, other)):
        found, _ = noise_for([4], (4, 8, 8), variation=Variation([9], strength))
        torch.testing.assert_close(found, expected)
    halfway, _ = noise_for([4, 4], (4, 64, 64), variation=Variation([9, 4], 0.5))
    assert 0.97 < halfway[0].std() < 1.03
    torch.testing.assert_close(halfway[1], noise_for([4], (4, 64, 64))[0][0])


def test_noise_of_another_size_stands_in_the_middle() -> None:
    small, _ = noise_for([4], (4, 6, 8))
    wide, generators = noise_for([4], (4, 10, 8), resized_from=(6, 8))
    assert torch.equal(wide[:, :, 2:8], small)
    assert torch.equal(wide[:, :, :2], noise_for([4], (4, 10, 8))[0][:, :, :2])
    large, _ = noise_for([4], (4, 10, 12))
    cropped, _ = noise_for([4], (4, 6, 12), resized_from=(10, 12))
    assert torch.equal(cropped, large[:, :, 2:8])
    _, plain = noise_for([4], (4, 10, 8))
    assert torch.equal(torch.randn(5, generator=generators[0]), torch.randn(5, generator=plain[0]))
