import math
from itertools import pairwise

import pytest
import torch

from retrato.sampling.sigmas import SPACINGS, ddim_timesteps, noise_levels

CONFIG = {"num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


def test_a_timestep_and_its_sigma_are_one_another() -> None:
    levels = noise_levels(CONFIG)
    assert levels.sigma_at(999) == pytest.approx(14.6146, rel=1e-4)
    assert levels.sigma_at(0) == pytest.approx(0.02917, rel=1e-3)
    for timestep in (0.0, 0.5, 123.4, 998.9, 999.0):
        assert levels.timestep_at(levels.sigma_at(timestep)) == pytest.approx(timestep, abs=1e-6)
    assert (levels.timestep_at(0.0), levels.timestep_at(1e9)) == (0.0, 999.0)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_clean_latents_and_predictions_are_one_another(prediction: str) -> None:
    levels = noise_levels({**CONFIG, "prediction_type": prediction})
    clean, noise = torch.randn(2, 1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    sigma = 2.5
    kept, noisy = 1 / math.sqrt(1 + sigma**2), sigma / math.sqrt(1 + sigma**2)
    sample = kept * clean + noisy * noise
    told = noise if prediction == "epsilon" else kept * noise - noisy * clean
    torch.testing.assert_close(levels.clean(sample, told, sigma), clean, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(levels.prediction(sample, clean, sigma), told, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("steps", [1, 2, 11, 20, 150])
@pytest.mark.parametrize("name", SPACINGS)
def test_spacings_fall_within_what_the_model_knows(name: str, steps: int) -> None:
    levels = noise_levels(CONFIG)
    found = SPACINGS[name](levels, steps)
    assert len(found) == steps if name != "DDIM" else steps <= len(found) < 1.25 * steps
    assert all(high > low for high, low in pairwise(found))
    assert found[-1] >= levels.sigma_at(0) * 0.999
    assert found[0] <= levels.sigma_at(999) * 1.001
    assert steps < 3 or found[0] > 5


def test_published_levels_come_back() -> None:
    found = SPACINGS["Align Your Steps"](noise_levels(CONFIG), 11)
    assert found[1:-1] == pytest.approx([6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152])
    found = SPACINGS["Align Your Steps"](noise_levels(CONFIG, is_xl=True), 11)
    assert found[1:-1] == pytest.approx([6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113])
    assert SPACINGS["DDIM"](noise_levels(CONFIG), 20)[-1] == noise_levels(CONFIG).sigma_at(1)


def test_ddims_timesteps_are_a1111s() -> None:
    assert ddim_timesteps(1000, 5) == [801, 601, 401, 201, 1]
    assert ddim_timesteps(1000, 30) == list(range(991, 0, -33))
    assert ddim_timesteps(1000, 3) == [999, 667, 334, 1]
    assert ddim_timesteps(1000, 1000) == list(range(999, 0, -1))
