import dataclasses

import pytest

from retrato.model import Components
from retrato.training.drawing import draw_cells
from retrato.training.learnable import Subject
from retrato.training.recipes import PickPlan, PickPrompt

PLAN = PickPlan((PickPrompt("a photo of [name]"), PickPrompt("a red [name]")), (2,), 2, 8, 5, "DPM++ 2M", "Karras", 3)


@pytest.mark.parametrize(("goes_to_pure_noise", "schedule"), [(False, "Karras"), (True, "SGM Uniform")])
def test_a_model_of_pure_noise_is_drawn_by_a_schedule_that_suits_it(
    tiny_components: Components, goes_to_pure_noise: bool, schedule: str
) -> None:
    config = {
        **tiny_components.scheduler_config,
        "rescale_betas_zero_snr": goes_to_pure_noise,
        "prediction_type": "v_prediction",
    }
    model = dataclasses.replace(tiny_components, scheduler_config=config)
    pictures = draw_cells(model, PLAN, [0, 1, 2], Subject("cat"))
    assert [(each.settings.schedule, each.settings.sampler) for each in pictures] == [(schedule, "DPM++ 2M")] * 3
    assert [(each.settings.prompt, each.settings.seed) for each in pictures] == [
        ("a photo of cat", 5),
        ("a red cat", 5),
        ("a photo of cat", 6),
    ]
