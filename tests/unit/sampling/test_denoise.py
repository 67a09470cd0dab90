from collections.abc import Callable, Iterator

import pytest
import torch

from retrato.model import Components, Conditioning
from retrato.sampling import find_sampler
from retrato.sampling.course import Start, begin
from retrato.sampling.denoise import Denoised, denoise
from retrato.sampling.guidance import Guidance
from retrato.sampling.noise import noise_for


def guidance_for(step: int) -> Guidance:
    told = Conditioning(torch.full((1, 77, 32), float(step)))
    return Guidance(((told, 1.0),), told, 1.0)


def run(
    components: Components,
    name: str,
    steps: int,
    guidance_at: Callable[[int], Guidance] = guidance_for,
    edit: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> Iterator[Denoised]:
    course = begin(
        *find_sampler(name), components.scheduler_config, Start([0], *noise_for([0], (4, 8, 8))), steps=steps
    )
    return denoise(components, course, guidance_at, steps=steps, edit=edit)


def steps_of(components: Components, name: str, steps: int) -> list[int]:
    return [done.step for done in run(components, name, steps)]


def test_each_step_is_reported(tiny_components: Components) -> None:
    assert steps_of(tiny_components, "Euler", 5) == [1, 2, 3, 4, 5]


def test_samplers_that_ask_more_often_count_the_users_steps(tiny_components: Components) -> None:
    assert steps_of(tiny_components, "Heun", 4) == [1, 1, 2, 2, 3, 3, 4]
    assert steps_of(tiny_components, "PLMS", 4) == [1, 1, 2, 3, 4]
    assert steps_of(tiny_components, "DPM++ 2S a", 3) == [1, 1, 2, 2, 3]
    assert steps_of(tiny_components, "DPM fast", 4) == [1, 2, 3, 4]
    adaptive = steps_of(tiny_components, "DPM adaptive", 10)
    assert adaptive == sorted(adaptive)
    assert adaptive[-1] == 10


def test_who_stops_consuming_stops_the_work(tiny_components: Components) -> None:
    calls = []
    handle = tiny_components.unet.register_forward_pre_hook(lambda module, inputs: calls.append(1))
    try:
        drawing = run(tiny_components, "Euler", 9)
        next(drawing)
        next(drawing)
        drawing.close()
    finally:
        handle.remove()
    assert len(calls) == 2


def test_what_holds_may_change_from_step_to_step(tiny_components: Components) -> None:
    asked = []

    def guidance_at(step: int) -> Guidance:
        asked.append(step)
        return guidance_for(step)

    *_, last = run(tiny_components, "DDIM", 4, guidance_at)
    assert asked == [1, 2, 3, 4]
    assert torch.isfinite(last.latents).all()


@pytest.mark.parametrize("name", ["Euler a", "DPM++ 2M", "DDIM", "Heun", "PLMS", "UniPC", "DPM++ 2S a", "DDIM CFG++"])
def test_what_is_edited_comes_out_edited(tiny_components: Components, name: str) -> None:
    kept = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(3))

    def edit(clean: torch.Tensor) -> torch.Tensor:
        return torch.cat([kept[..., :4], clean[..., 4:]], dim=-1)

    *_, last = run(tiny_components, name, 12, edit=edit)
    assert (last.latents - kept)[..., :4].abs().max() < 0.15  # less than the finest noise level is left
    assert (last.latents - kept)[..., 4:].abs().max() > 1
    torch.testing.assert_close(last.estimate[..., :4], kept[..., :4])
