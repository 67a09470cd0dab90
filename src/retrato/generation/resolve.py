"""Settings with nothing left open: what the model, the picture to start from and chance decide. Draws nothing."""

import math
import secrets

from retrato.errors import SettingsError
from retrato.generation.canvas import Source
from retrato.generation.networks import hypernet_tag
from retrato.generation.upscale import find_upscaler
from retrato.model.components import Components
from retrato.sampling.samplers import AUTOMATIC, find_sampler
from retrato.settings import GenerateSettings

LARGEST_SIDE, LARGEST_SECOND_SIDE = 2048, 4096  # of the only or first pass, and of the second
MOST_AT_ONCE = 64 * 1024 * 1024  # pixels of a batch in its last pass, which main memory holds as numbers
FAST_STEPS = 12
FAST_MIN_SIGMA = 1.0


def resolve_settings(
    components: Components, settings: GenerateSettings, source: Source | None = None
) -> GenerateSettings:
    """Gives `settings` with nothing left open: size, CFG scale, drawn seeds, proper names, what `fast` means.

    Raises SettingsError for an unknown sampler, schedule or upscaler, for a size that the model cannot draw, for a
    batch too large for memory, and for what cannot be done here.
    """
    if settings.restore_faces:
        raise SettingsError(
            "restore_faces needs the weights of CodeFormer or GFPGAN, which retrato does not bring: leave it out, draw "
            "faces larger with --hires, or run `pip install gfpgan` and its own command on the saved picture"
        )
    if settings.fast:
        settings = settings.changed(
            fast=False,
            sampler="DPM++ 2M",
            schedule=schedule_for_few_steps(components, "Karras"),
            steps=min(settings.steps, FAST_STEPS),
            guidance_min_sigma=max(settings.guidance_min_sigma, FAST_MIN_SIGMA),
            eta=None,
        )
    sampler, schedule = find_sampler(settings.sampler, settings.schedule)
    if settings.eta is not None and sampler.eta is None:
        raise SettingsError(
            f"eta is {settings.eta:g}, but {sampler.name} takes none: leave it out, or choose DDIM or Euler a"
        )
    width, height = _size(components, settings, source)
    # A1111 too writes the chosen hypernetwork into the prompt, where pictures and other programs keep it.
    tag = hypernet_tag(settings.hypernetwork, settings.hypernetwork_strength) if settings.hypernetwork else ""
    resolved = seeded(settings).changed(
        prompt=settings.prompt + tag,
        hires_prompt=settings.hires_prompt + tag if settings.hires_prompt else None,
        hypernetwork=None,
        sampler=sampler.name,
        schedule=schedule,
        guidance_scale=components.defaults.guidance_scale
        if settings.guidance_scale is None
        else settings.guidance_scale,
        width=width,
        height=height,
        denoising_strength=_strength(settings, source),
        hires_upscaler=find_upscaler(settings.hires_upscaler) if settings.hires else settings.hires_upscaler,
        hires_sampler=_joined(settings.hires_sampler) if settings.hires_sampler else None,
    )
    for name, side in (("width", width), ("height", height)):
        _check_side(components, name, side)
    _check_batch(resolved, hires_size(components, resolved) if settings.hires else (width, height))
    return resolved


def schedule_for_few_steps(components: Components, schedule: str) -> str:
    """Gives `schedule`, or SGM Uniform for a model that was trained down to pure noise (Lin et al. 2023).

    Its highest sigma is in the thousands, and what is spaced by sigmas, as Karras, has most of a dozen steps where
    there is nothing to see.
    """
    return "SGM Uniform" if components.scheduler_config.get("rescale_betas_zero_snr") else schedule


def seeded(settings: GenerateSettings) -> GenerateSettings:
    """Gives `settings` with a seed drawn where they say -1; the variation seed too, where there is a variation.

    A1111 draws seeds of 32 bits, and other programs read no longer ones: that of the last image is none either.
    """
    names = ("seed", "variation_seed") if settings.variation_strength else ("seed",)
    drawn = {name: secrets.randbelow(2**32 - settings.count) for name in names if getattr(settings, name) == -1}
    return settings.changed(**drawn) if drawn else settings


def part_of(settings: GenerateSettings, first: int, count: int) -> GenerateSettings:
    """Gives the settings that draw `count` of the images of `settings`, whose seeds are fixed, from number `first` on.

    With a variation it is the variation seed that goes up from image to image, as in A1111.
    """
    counted = "variation_seed" if settings.variation_strength else "seed"
    return settings.changed(**{counted: getattr(settings, counted) + first}, count=count)


def hires_size(components: Components, settings: GenerateSettings) -> tuple[int, int]:
    """Gives width and height of the second pass; raises SettingsError for those that cannot be drawn."""
    if settings.hires_resize:
        width, height = map(int, settings.hires_resize.split("x"))
    else:
        step = components.vae_scale
        width, height = (
            int((side or 0) * settings.hires_scale) // step * step for side in (settings.width, settings.height)
        )
    for name, side in (("the width of the second pass", width), ("the height of the second pass", height)):
        _check_side(components, name, side, LARGEST_SECOND_SIDE)
    return width, height


def steps_that_run(steps: int, strength: float) -> int:
    """Gives how many of `steps` run from a picture: as many as A1111's (strength 0.75 of 20: 16)."""
    return min(int(min(strength, 0.999) * steps) + 1, steps)


def second_pass_steps(steps: int, strength: float, timesteps: int) -> tuple[int, int]:
    """Gives how many steps the schedule of hires fix's second pass has, and how many of them run, the last ones.

    As in A1111 as many run as are asked for, of a schedule so long that they begin at the noise of `strength`. It goes
    no further than to one step for each of the model's `timesteps`: with very little denoising fewer run, as there are
    no more to tell apart. Without any none do, and the picture is only enlarged.
    """
    if strength <= 0:
        return steps, 0
    finest = timesteps - 1  # DDIM counts from timestep 1
    whole = int(min(steps / min(strength, 0.999), timesteps))
    return (whole, steps) if whole <= finest else (finest, max(1, int(finest * strength)))


def _size(components: Components, settings: GenerateSettings, source: Source | None) -> tuple[int, int]:
    """Where no size is given, that of a picture to start from is kept in format, and brought to the model's area."""
    usual = components.defaults.size
    if source is None or settings.width or settings.height or settings.inpaint_area == "only masked":
        return settings.width or usual, settings.height or usual
    scale, step = usual / math.sqrt(source.image.width * source.image.height), components.vae_scale
    return tuple(  # type: ignore[return-value]
        min(max(64, round(side * scale / step) * step), LARGEST_SIDE) for side in source.image.size
    )


def _joined(name: str) -> str:
    """Gives the proper name of a sampler, with its schedule behind it if it says one."""
    sampler, schedule = find_sampler(name)
    return sampler.name if schedule == AUTOMATIC else f"{sampler.name} {schedule}"


def _strength(settings: GenerateSettings, source: Source | None) -> float | None:
    usual = 0.75 if source else 0.7 if settings.hires else None
    return usual if settings.denoising_strength is None else settings.denoising_strength


def _check_side(components: Components, name: str, side: int, largest: int = LARGEST_SIDE) -> None:
    if side % components.vae_scale:
        raise SettingsError(f"{name} is {side}: {components.name} draws multiples of {components.vae_scale}")
    if not 64 <= side <= largest:
        raise SettingsError(f"{name} is {side}: pictures have 64 to {largest} pixels on a side")


def _check_batch(settings: GenerateSettings, size: tuple[int, int]) -> None:
    most = max(1, MOST_AT_ONCE // (size[0] * size[1]))
    if min(settings.batch_size, settings.count) > most:
        raise SettingsError(
            f"batch_size is {settings.batch_size}: pictures of {size[0]}x{size[1]} are drawn {most} at once at most, "
            f"take {most} or smaller pictures"
        )
