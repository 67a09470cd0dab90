import pytest
import torch

from retrato.errors import SettingsError
from retrato.model import Components
from retrato.sampling import SCHEDULES, find_sampler
from retrato.sampling.schedulers import make_scheduler, skip_steps, spaced_sigmas


def test_automatic_is_the_samplers_own_schedule(tiny_components: Components) -> None:
    def sigmas(name: str, schedule: str) -> torch.Tensor:
        sampler, schedule = find_sampler(name, schedule)
        return make_scheduler(sampler, schedule, tiny_components.scheduler_config, steps=10, seeds=[0]).sigmas

    for name, own in (("DPM++ 2M", "Karras"), ("DPM++ 2M SDE", "Exponential"), ("Euler", "Uniform")):
        assert torch.equal(sigmas(name, "Automatic"), sigmas(name, own))
    assert not torch.equal(sigmas("DPM++ 2M", "Uniform"), sigmas("DPM++ 2M", "Karras"))


def test_a_model_that_starts_from_pure_noise_says_which_samplers_cannot(tiny_components: Components) -> None:
    config = dict(tiny_components.scheduler_config) | {"rescale_betas_zero_snr": True}
    assert make_scheduler(*find_sampler("Euler"), config, steps=4, seeds=[0]).config.rescale_betas_zero_snr
    with pytest.raises(SettingsError, match="use Euler"):
        make_scheduler(*find_sampler("LMS"), config, steps=4, seeds=[0])


@pytest.mark.parametrize("schedule", [name for name in SCHEDULES if name != "Automatic"])
def test_spaced_sigmas_fall_to_zero(tiny_components: Components, schedule: str) -> None:
    sigmas = spaced_sigmas(schedule, tiny_components.scheduler_config, 8)
    assert len(sigmas) == 9
    assert sigmas[-1] == 0
    assert sigmas == sorted(sigmas, reverse=True)


@pytest.mark.parametrize("name", ["Euler", "Heun", "LMS", "PLMS"])
def test_skipped_steps_leave_the_rest_of_the_schedule(tiny_components: Components, name: str) -> None:
    whole = make_scheduler(*find_sampler(name), tiny_components.scheduler_config, steps=10, seeds=[0])
    rest = make_scheduler(*find_sampler(name), tiny_components.scheduler_config, steps=10, seeds=[0])
    skip_steps(rest, 4)
    assert set(rest.timesteps.tolist()) == set(sorted(set(whole.timesteps.tolist()), reverse=True)[4:])
