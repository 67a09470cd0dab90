import torch

from retrato.model import Components, Conditioning
from retrato.sampling import Guidance, denoise, find_sampler, make_scheduler, noise_for


def guidance_for(step: int) -> Guidance:
    told = Conditioning(torch.full((1, 77, 32), float(step)))
    return Guidance(((told, 1.0),), told, 1.0)


def steps_of(components: Components, name: str, steps: int) -> list[int]:
    scheduler = make_scheduler(*find_sampler(name), components.scheduler_config, steps=steps, seeds=[0])
    noise, generators = noise_for([0], (4, 8, 8))
    return [done.step for done in denoise(components, scheduler, noise, generators, guidance_for, steps=steps)]


def test_each_step_is_reported(tiny_components: Components) -> None:
    assert steps_of(tiny_components, "Euler", 5) == [1, 2, 3, 4, 5]


def test_samplers_that_ask_more_often_count_the_users_steps(tiny_components: Components) -> None:
    assert steps_of(tiny_components, "Heun", 4) == [1, 1, 2, 2, 3, 3, 4]
    assert steps_of(tiny_components, "PLMS", 4) == [1, 1, 2, 3, 4]


def test_who_stops_consuming_stops_the_work(tiny_components: Components) -> None:
    calls = []
    handle = tiny_components.unet.register_forward_pre_hook(lambda module, inputs: calls.append(1))
    try:
        scheduler = make_scheduler(*find_sampler("Euler"), tiny_components.scheduler_config, steps=9, seeds=[0])
        noise, generators = noise_for([0], (4, 8, 8))
        run = denoise(tiny_components, scheduler, noise, generators, guidance_for, steps=9)
        next(run)
        next(run)
        run.close()
    finally:
        handle.remove()
    assert len(calls) == 2


def test_what_holds_may_change_from_step_to_step(tiny_components: Components) -> None:
    asked = []

    def guidance_at(step: int) -> Guidance:
        asked.append(step)
        return guidance_for(step)

    scheduler = make_scheduler(*find_sampler("DDIM"), tiny_components.scheduler_config, steps=3, seeds=[0])
    noise, generators = noise_for([0], (4, 8, 8))
    *_, last = denoise(tiny_components, scheduler, noise, generators, guidance_at, steps=3)
    assert asked == [1, 2, 3]
    assert torch.isfinite(last.latents).all()
