from collections.abc import Mapping
from typing import Any

import pytest
import torch

from retrato.errors import SettingsError
from retrato.model import Components
from retrato.sampling import SAMPLERS, SCHEDULES, find_sampler
from retrato.sampling.schedulers import make_scheduler, skip_steps, spaced_sigmas, spacing_of
from retrato.sampling.sigmas import noise_levels


def of(config: Mapping[str, object], name: str, schedule: str, steps: int = 10) -> Any:
    return make_scheduler(*find_sampler(name, schedule), config, steps=steps, seeds=[0])


def test_automatic_is_the_samplers_own_schedule(tiny_components: Components) -> None:
    def sigmas(name: str, schedule: str) -> torch.Tensor:
        sampler, schedule = find_sampler(name, schedule)
        return make_scheduler(sampler, schedule, tiny_components.scheduler_config, steps=10, seeds=[0]).sigmas

    for name, own in (("DPM++ 2M", "Karras"), ("DPM++ 2M SDE", "Exponential"), ("Euler", "Uniform")):
        assert torch.equal(sigmas(name, "Automatic"), sigmas(name, own))
    assert not torch.equal(sigmas("DPM++ 2M", "Uniform"), sigmas("DPM++ 2M", "Karras"))


@pytest.mark.parametrize("name", ["DPM++ 2M", "DPM++ 2M SDE", "DPM++ 2M SDE Heun", "Euler a", "Euler", "LMS", "UniPC"])
@pytest.mark.parametrize("schedule", [name for name in SCHEDULES if name != "Automatic"])
def test_a_schedule_is_the_same_for_each_sampler(tiny_components: Components, name: str, schedule: str) -> None:
    """As in A1111: the sigmas, and the timesteps, which lie between whole ones."""
    config = tiny_components.scheduler_config
    found, levels = of(config, name, schedule), noise_levels(config)
    if (name, schedule) != ("UniPC", "Uniform"):  # which is its paper's own
        assert found.sigmas.tolist() == pytest.approx(spaced_sigmas(schedule, config, 10), rel=2e-3)
    expected = [levels.timestep_at(float(sigma)) for sigma in found.sigmas[:-1]]
    assert found.timesteps.tolist() == pytest.approx(expected, abs=0.01)


def test_uniform_is_their_own_for_samplers_that_go_by_whole_timesteps(tiny_components: Components) -> None:
    for name in ("DDIM", "PLMS"):
        own, uniform, other = (
            of(tiny_components.scheduler_config, name, schedule).timesteps
            for schedule in ("Automatic", "Uniform", "SGM Uniform")
        )
        assert torch.equal(own, uniform)
        assert not torch.equal(own, other)


def test_automatic_is_what_a_distilled_model_says(tiny_components: Components) -> None:
    config = dict(tiny_components.scheduler_config) | {"timestep_spacing": "trailing"}
    for name in ("Euler a", "DPM++ 2M", "DDIM"):
        assert of(config, name, "Automatic", 4).timesteps.tolist() == [999, 749, 499, 249]
        assert spacing_of(SAMPLERS[name], "Karras", config) == "Karras"
    assert spacing_of(SAMPLERS["DPM2"], "Automatic", config) == "SGM Uniform"
    assert spacing_of(SAMPLERS["DPM fast"], "Automatic", config) == "Uniform"
    assert of(config, "LCM", "Automatic").timesteps[0] == 999
    for said in ("leading", "linspace", None):
        assert spacing_of(SAMPLERS["Euler a"], "Automatic", {**config, "timestep_spacing": said}) == "Uniform"


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
    skip_steps(rest, 6)
    assert set(rest.timesteps.tolist()) == set(sorted(set(whole.timesteps.tolist()), reverse=True)[4:])


@pytest.mark.parametrize("name", ["DDIM", "PLMS"])
@pytest.mark.parametrize(
    ("steps", "highest", "count"), [(20, 951, 20), (27, 999, 28), (30, 991, 31), (60, 993, 63), (150, 997, 167)]
)
def test_those_of_whole_timesteps_begin_where_a1111s_do(
    tiny_components: Components, name: str, steps: int, highest: int, count: int
) -> None:
    scheduler = of(tiny_components.scheduler_config, name, "Automatic", steps)
    found = list(dict.fromkeys(scheduler.timesteps.tolist()))
    assert (found[0], found[-1], len(found)) == (highest, 1, count)
    assert len(scheduler.timesteps) == count + (name == "PLMS")  # whose first step asks twice
    skip_steps(scheduler, 10)
    assert list(dict.fromkeys(scheduler.timesteps.tolist())) == found[-10:]


def test_dpmpp_2m_begins_with_as_much_noise_as_its_first_level_has(tiny_components: Components) -> None:
    assert of(tiny_components.scheduler_config, "DPM++ 2M", "Karras").init_noise_sigma == pytest.approx(
        0.99767, abs=1e-5
    )


@pytest.mark.parametrize("name", ["Euler", "DPM++ 2M"])
def test_xl_has_levels_of_its_own_where_they_were_optimised(tiny_components: Components, name: str) -> None:
    sampler, schedule = find_sampler(name, "Align Your Steps")
    config = tiny_components.scheduler_config
    found, usual = (
        make_scheduler(sampler, schedule, config, steps=11, seeds=[0], is_xl=is_xl).sigmas.tolist()
        for is_xl in (True, False)
    )
    assert found[1:-2] == pytest.approx([6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113], rel=1e-4)
    assert usual[1] == pytest.approx(6.475, rel=1e-4)
