import dataclasses
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from retrato.errors import SettingsError
from retrato.model import Components, Conditioning
from retrato.sampling import SAMPLERS, SCHEDULES, find_sampler
from retrato.sampling.course import Start, Told, begin
from retrato.sampling.denoise import denoise
from retrato.sampling.guidance import Guidance
from retrato.sampling.noise import noise_for
from retrato.sampling.schedulers import spaced_sigmas
from retrato.sampling.sigmas import noise_levels

PAIRS = [(name, schedule) for name, sampler in SAMPLERS.items() for schedule in sampler.schedules]


class GaussianDenoiser(nn.Module):
    """The ideal U-Net for data that is only noise of standard deviation `spread`: its answer is known exactly."""

    def __init__(self, spread: float, config: dict[str, Any], prediction: str) -> None:
        super().__init__()
        self.config = SimpleNamespace(addition_embed_type=None, time_cond_proj_dim=None)
        self.spread, self.prediction = spread, prediction
        betas = (
            torch.linspace(config["beta_start"] ** 0.5, config["beta_end"] ** 0.5, config["num_train_timesteps"]) ** 2
        )
        kept = torch.cumprod(1 - betas, 0)
        self.log_sigmas = ((1 - kept) / kept).sqrt().log()

    def forward(self, latents: torch.Tensor, timestep: torch.Tensor, **_: object) -> tuple[torch.Tensor]:
        low = int(timestep)
        high, share = min(low + 1, len(self.log_sigmas) - 1), float(timestep) - low
        sigma = (self.log_sigmas[low] * (1 - share) + self.log_sigmas[high] * share).exp()
        a, b = 1 / (1 + sigma**2).sqrt(), sigma / (1 + sigma**2).sqrt()
        variance = (a * self.spread) ** 2 + b**2
        noise, clean = latents * b / variance, latents * a * self.spread**2 / variance
        return (noise if self.prediction == "epsilon" else a * noise - b * clean,)


def ideal(components: Components, spread: float, prediction: str = "epsilon") -> Components:
    config = dict(components.scheduler_config) | {"prediction_type": prediction}
    return dataclasses.replace(components, unet=GaussianDenoiser(spread, config, prediction), scheduler_config=config)


def draw(
    components: Components,
    name: str,
    schedule: str,
    *,
    steps: int,
    seeds: list[int],
    side: int = 8,
    start: torch.Tensor | None = None,
    run_steps: int | None = None,
    eta: float | None = None,
) -> torch.Tensor:
    sampler, schedule = find_sampler(name, schedule)
    begun = Start(seeds, *noise_for(seeds, (4, side, side)), start, run_steps)
    course = begin(sampler, schedule, components.scheduler_config, begun, steps=steps, eta=eta)
    told = Conditioning(torch.randn(1, 77, 32, generator=torch.Generator().manual_seed(5)))
    guidance = Guidance(((told, 1.0),), Conditioning(torch.zeros(1, 77, 32)), 3.0)
    steps = run_steps or steps
    *_, last = denoise(components, course, lambda step: guidance, steps=steps)
    assert last.step == last.steps == steps
    return last.latents


@pytest.mark.parametrize(
    ("name", "schedule", "prediction"),
    [(*pair, "epsilon") for pair in PAIRS] + [(name, "Automatic", "v_prediction") for name in SAMPLERS],
)
def test_a_sampler_draws_from_the_data_where_the_answer_is_known(
    tiny_components: Components, name: str, schedule: str, prediction: str
) -> None:
    found = draw(ideal(tiny_components, 0.5, prediction), name, schedule, steps=30, seeds=[1], side=48)
    # LCM jumps to the mean at each step and so loses spread by design; the rules of first order need more steps; on a
    # schedule that is not theirs, those that extrapolate have long steps at the end.
    is_own = schedule in ("Automatic", SAMPLERS[name].automatic)
    coarse = name in ("Euler", "Euler a", "DDIM", "DDIM CFG++") or not is_own
    # Those of the SDE that extrapolate need more steps than 30 on schedules that leap at the end; noise has 14.6.
    wild = {"DPM++ 2M SDE": 0.2, "DPM++ 2M SDE Heun": 0.35, "DPM++ 3M SDE": 1.0, "LCM": 0.25}
    assert found.std() == pytest.approx(0.5, abs=wild.get(name, 0.15) if coarse or name == "LCM" else 0.05)
    assert abs(found.mean()) < 0.05 * found.std()


@pytest.mark.parametrize("name", SAMPLERS)
def test_it_starts_from_a_picture_as_well(tiny_components: Components, name: str) -> None:
    """A picture of the data becomes another one, and the more steps run the less it is like the first."""
    model = ideal(tiny_components, 0.5)
    begun = 0.5 * torch.randn(1, 4, 32, 32, generator=torch.Generator().manual_seed(9))
    alike = []
    for run_steps in (3, 12, 29):
        found = draw(model, name, "Automatic", steps=30, seeds=[1], side=32, start=begun, run_steps=run_steps)
        assert found.std() == pytest.approx(0.5, abs=0.2 if name == "LCM" else 0.09)
        alike.append(float(torch.corrcoef(torch.stack([begun.flatten(), found.flatten()]))[0, 1]))
    assert alike[0] > alike[1] > alike[2] - 0.05
    assert alike[0] > (0.5 if name == "LCM" else 0.75)
    assert alike[2] < 0.25


@pytest.mark.parametrize("name", [name for name, sampler in SAMPLERS.items() if sampler.eta is not None])
def test_eta_is_how_much_noise_is_added(tiny_components: Components, name: str) -> None:
    model = ideal(tiny_components, 0.5)
    none, some, whole = (
        draw(model, name, "Automatic", steps=30, seeds=[1], side=32, eta=eta) for eta in (0.0, 0.5, 1.0)
    )
    for found in (none, some, whole):
        assert found.std() == pytest.approx(0.5, abs=0.09)
    own = draw(model, name, "Automatic", steps=30, seeds=[1], side=32)
    assert torch.equal(own, whole if SAMPLERS[name].eta else none)
    assert not torch.allclose(none, some, atol=0.01)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_batch_equals_its_images_drawn_singly(tiny_components: Components, name: str) -> None:
    if SAMPLERS[name].one_by_one:
        pytest.skip("is never asked for two at once; tests of generate see to that")
    together = draw(tiny_components, name, "Automatic", steps=4, seeds=[7, 8])
    for row, seed in enumerate((7, 8)):
        alone = draw(tiny_components, name, "Automatic", steps=4, seeds=[seed])
        torch.testing.assert_close(together[row], alone[0], rtol=1e-3, atol=1e-4)
    assert not torch.allclose(together[0], together[1])


@pytest.mark.parametrize(("name", "schedule"), PAIRS)
def test_very_few_steps_give_numbers(tiny_components: Components, name: str, schedule: str) -> None:
    for steps in (1, 2):
        assert torch.isfinite(draw(ideal(tiny_components, 1.0), name, schedule, steps=steps, seeds=[3])).all()


@pytest.mark.parametrize(("name", "schedule"), PAIRS)
def test_a_single_step_begins_where_there_is_only_noise(tiny_components: Components, name: str, schedule: str) -> None:
    start = Start([3], *noise_for([3], (4, 8, 8)))
    ask = next(begin(*find_sampler(name, schedule), tiny_components.scheduler_config, start, steps=1))
    assert float(ask.timestep) == pytest.approx(999)
    assert ask.sample.std() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("name", ["DPM2", "DPM2 a", "DPM++ 3M SDE"])
def test_the_finest_level_is_left_out_where_a1111_does(tiny_components: Components, name: str) -> None:
    """The last step begins at the last level but one of a schedule that is a level longer, from a picture too."""
    config = tiny_components.scheduler_config
    levels = spaced_sigmas("Karras", config, 6)
    for begun, whole in ((None, levels[:5]), (torch.zeros(1, 4, 8, 8), levels[2:5])):
        start = Start([3], *noise_for([3], (4, 8, 8)), begun, 3)
        run = begin(*find_sampler(name, "Karras"), config, start, steps=5)
        asked, ask = [], next(run)
        with suppress(StopIteration):
            while True:
                asked.append(noise_levels(config).sigma_at(float(ask.timestep)))
                ask = run.send(Told(ask.sample, ask.latents, ask.latents))
        assert asked[0] == pytest.approx(whole[0], rel=1e-3)
        assert asked[-1] == pytest.approx(whole[-1], rel=1e-3)


def test_a_sampler_that_chooses_its_steps_does_so_whatever_is_asked_for(tiny_components: Components) -> None:
    one, twenty = (
        draw(ideal(tiny_components, 0.5), "DPM adaptive", "Automatic", steps=steps, seeds=[1], side=48)
        for steps in (1, 20)
    )
    assert torch.equal(one, twenty)
    assert one.std() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(
    ("name", "schedule"), [("DPM++ 2M", "Beta"), ("DPM++ 2M", "Karras"), ("UniPC", "Beta"), ("LCM", "Automatic")]
)
def test_timesteps_that_round_to_the_same_number_do_no_harm(
    tiny_components: Components, name: str, schedule: str
) -> None:
    found = draw(ideal(tiny_components, 1.0), name, schedule, steps=150, seeds=[3])
    assert 0.5 < found.std() < 1.5


@pytest.mark.parametrize(
    ("name", "schedule", "found"),
    [
        ("Euler a", "Automatic", ("Euler a", "Automatic")),
        ("euler A", "automatic", ("Euler a", "Automatic")),
        ("DPM++ 2M Karras", "Automatic", ("DPM++ 2M", "Karras")),
        ("DPM++ 2M Karras", "Karras", ("DPM++ 2M", "Karras")),
        ("DPM++ 2M SDE Exponential", "Automatic", ("DPM++ 2M SDE", "Exponential")),
        ("DPM++ 2M SDE Heun Karras", "Automatic", ("DPM++ 2M SDE Heun", "Karras")),
        ("DPM2 a Karras", "Automatic", ("DPM2 a", "Karras")),
        ("LMS Karras", "Automatic", ("LMS", "Karras")),
        ("DDIM", "SGM Uniform", ("DDIM", "SGM Uniform")),
        ("Euler a Karras", "Automatic", ("Euler a", "Karras")),
        ("DPM++ 2S a Karras", "Automatic", ("DPM++ 2S a", "Karras")),
        ("DPM++ 3M SDE Exponential", "Automatic", ("DPM++ 3M SDE", "Exponential")),
        ("Euler SGM Uniform", "Automatic", ("Euler", "SGM Uniform")),
        ("DPM++ 2M SDE SGMUniform", "Automatic", ("DPM++ 2M SDE", "SGM Uniform")),
        ("LMS align_your_steps", "Automatic", ("LMS", "Align Your Steps")),
        ("DPM++  2M ", "kl_optimal", ("DPM++ 2M", "KL Optimal")),
        ("k_euler_a", "sgm_uniform", ("Euler a", "SGM Uniform")),
        ("k_euler_ancestral", "SGMUniform", ("Euler a", "SGM Uniform")),
        ("k_dpm_2", "Automatic", ("DPM2", "Automatic")),
        ("k_dpm_2_a_ka", "Automatic", ("DPM2 a", "Karras")),
        ("k_dpmpp_2s_a", "Automatic", ("DPM++ 2S a", "Automatic")),
        ("k_dpmpp_2m_sde_heun_exp", "Automatic", ("DPM++ 2M SDE Heun", "Exponential")),
        ("k_dpm_ad", "Automatic", ("DPM adaptive", "Automatic")),
        ("k_lms_ka", "Automatic", ("LMS", "Karras")),
        ("ddim_cfgpp", "Automatic", ("DDIM CFG++", "Automatic")),
        ("unipc", "Automatic", ("UniPC", "Automatic")),
    ],
)
def test_names_of_a1111_are_understood(name: str, schedule: str, found: tuple[str, str]) -> None:
    sampler, chosen = find_sampler(name, schedule)
    assert (sampler.name, chosen) == found


@pytest.mark.parametrize(
    ("name", "schedule", "said"),
    [
        ("Eulr a", "Automatic", "did you mean Euler a"),
        ("DPM++ 2 M", "Automatic", r"DPM\+\+ 2M"),
        ("zzzz", "Automatic", "choose one of"),
        ("", "Automatic", "choose one of"),
        ("Karras", "Automatic", "sampler is 'Karras'"),
        ("x" * 100_000, "Automatic", "choose one of"),
        ("Euler", "Karas", "did you mean Karras"),
        ("Euler Karras", "Beta", "two schedules"),
        ("DDIM Karras", "Automatic", "takes only"),
    ],
)
def test_unknown_names_list_near_ones(name: str, schedule: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        find_sampler(name, schedule)


def test_a_name_that_is_listed_is_understood() -> None:
    for name in SAMPLERS:
        assert find_sampler(name.lower().replace(" ", "_"))[0].name == name
    for name in SCHEDULES:
        assert find_sampler("Euler", name.lower().replace(" ", "_"))[1] == name


def test_a_long_name_is_not_repeated_in_full() -> None:
    with pytest.raises(SettingsError) as raised:
        find_sampler("x" * 100_000)
    assert len(str(raised.value)) < 500
