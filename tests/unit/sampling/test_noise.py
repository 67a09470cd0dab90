import torch

from retrato.sampling import noise_for


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
