"""The denoising loop. A generator: whoever stops consuming it stops the work within one call of the U-Net.

Latents and stepping rule live on the CPU in float32 (they are small), so that a picture does not depend on the device
or the number format more than the U-Net itself does. Knows nothing of prompts and files.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from torch import Tensor

from retrato.model.components import Components
from retrato.model.memory import Room
from retrato.sampling.course import Course, Told
from retrato.sampling.guidance import Guidance, predict_both
from retrato.sampling.sigmas import noise_levels


@dataclass(frozen=True, slots=True)
class Denoised:
    """Latents [B, C, h, w] after `step` of `steps`; a second-order sampler reports each step twice.

    `estimate` are the clean latents that the model sees in them: what a preview shows.
    """

    step: int
    steps: int
    latents: Tensor
    estimate: Tensor


def denoise(
    components: Components,
    course: Course,
    guidance_at: Callable[[int], Guidance],
    *,
    steps: int,
    edit: Callable[[Tensor], Tensor] | None = None,
) -> Iterator[Denoised]:
    """Answers the `course` until it has latents, and says so step by step.

    `guidance_at(step)` says what holds at a step, counted from 1 to `steps`. `edit` changes the clean latents that the
    model sees at each step, before the sampler is told: it keeps the parts of a picture that are not repainted.
    """
    levels, room = noise_levels(components.scheduler_config), Room()
    ask = next(course)
    while True:
        step, sample = ask.step, ask.sample
        sigma = levels.sigma_at(float(ask.timestep))
        prediction, negative = predict_both(components, sample, ask.timestep, guidance_at(step).at(sigma), room)
        clean = levels.clean(sample, prediction, sigma)
        unguided = clean if negative is prediction else levels.clean(sample, negative, sigma)
        if edit:
            clean, unguided = edit(clean), edit(unguided)
            prediction = levels.prediction(sample, clean, sigma)
        try:
            ask = course.send(Told(prediction, clean, unguided))
        except StopIteration as ended:
            yield Denoised(steps, steps, ended.value, clean)
            return
        yield Denoised(step, steps, ask.latents, clean)
