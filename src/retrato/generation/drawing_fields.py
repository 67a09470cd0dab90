"""The fields that A1111 writes into a picture for each way of drawing, by its names. Knows nothing of how they read."""

from retrato.settings import GenerateSettings


def drawing_fields(settings: GenerateSettings) -> dict[str, object]:
    """Gives the parameters of `settings` (nothing left open) that are not at their defaults; size, seed, ... apart."""
    fields: dict[str, object] = {}
    if settings.variation_strength:
        fields["Variation seed"] = settings.variation_seed
        fields["Variation seed strength"] = _number(settings.variation_strength)
    if settings.seed_resize_from:
        fields["Seed resize from"] = settings.seed_resize_from
    if settings.init_image or settings.hires:
        fields["Denoising strength"] = _number(settings.denoising_strength)
    if settings.tiling:
        fields["Tiling"] = True
    if settings.init_image and settings.resize_mode != "just resize":
        fields["Resize mode"] = settings.resize_mode.capitalize()
    if settings.mask:
        fields |= _mask_fields(settings)
    if settings.hires:
        fields |= _hires_fields(settings)
    if settings.eta is not None:
        fields["Eta"] = _number(settings.eta)
    if settings.guidance_rescale:
        fields["CFG Rescale"] = _number(settings.guidance_rescale)
    if settings.guidance_min_sigma:
        fields |= {"NGMS": _number(settings.guidance_min_sigma), "NGMS all steps": True}
    return fields


def _mask_fields(settings: GenerateSettings) -> dict[str, object]:
    fields: dict[str, object] = {
        "Mask blur": settings.mask_blur,
        "Mask mode": "Inpaint not masked" if settings.mask_invert else None,
        "Masked content": settings.masked_content if settings.masked_content != "original" else None,
    }
    if settings.inpaint_area == "only masked":
        fields |= {"Inpaint area": "Only masked", "Masked area padding": settings.mask_padding}
    return fields


def _hires_fields(settings: GenerateSettings) -> dict[str, object]:
    return {
        "Hires upscale": None if settings.hires_resize else _number(settings.hires_scale),
        "Hires resize": settings.hires_resize,
        "Hires steps": settings.hires_steps or None,
        "Hires upscaler": settings.hires_upscaler,
        "Hires sampler": settings.hires_sampler,
        "Hires prompt": settings.hires_prompt or None,
        "Hires negative prompt": settings.hires_negative_prompt or None,
    }


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.15g}"
