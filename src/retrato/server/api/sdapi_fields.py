"""A1111's request fields in terms of our settings, in one table. What the settings cannot say is refused, not ignored.

Each field names the setting it fills. A setting that does not exist (yet) only matters when the request asks for
something else than the values that mean "off"; once it exists, the field fills it, with no change here.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from retrato.errors import SettingsError
from retrato.generation.infotext import FIELDS
from retrato.generation.recall import recall
from retrato.settings import GenerateSettings


def _same(value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True)
class Field:
    """An A1111 field: its default there, the setting it fills, the values that ask for nothing, and how to convert it.

    `only_with` names a field without which this one means nothing.
    """

    name: str
    default: Any
    setting: str | None = None
    nothing: tuple[Any, ...] = ()
    convert: Callable[[Any], Any] = _same
    only_with: str | None = None

    def asks(self, value: Any) -> bool:
        """Says whether `value` asks for anything; True is not taken for 1, and 0 not for False."""
        return not any(type(value) is type(each) and value == each for each in (None, *self.nothing)) and not (
            isinstance(value, int | float) and not isinstance(value, bool) and float(value) in _numbers(self.nothing)
        )


def _numbers(values: tuple[Any, ...]) -> tuple[float, ...]:
    return tuple(float(each) for each in values if isinstance(each, int | float) and not isinstance(each, bool))


def spelled(name: str) -> str:
    """Gives a sampler or schedule as the tables name it: lists of A1111's API call `SGM Uniform` `sgm_uniform`."""
    return name.replace("_", " ")


def _second_sampler(name: str) -> str | None:
    return None if name.casefold() in ("", "use same sampler") else spelled(name)


def _scheduler(name: str) -> str:
    return "Automatic" if name.casefold() in ("", "use same scheduler") else spelled(name)


# The defaults are those of A1111's API (`steps` is 50 there, and 20 on its page).
BOTH = (
    Field("prompt", "", "prompt"),
    Field("negative_prompt", "", "negative_prompt"),
    Field("styles", None, "styles", ([],), lambda names: tuple(name for name in names if name not in ("", "None"))),
    Field("seed", -1, "seed"),
    Field("subseed", -1, "variation_seed", (-1, 0), only_with="subseed_strength"),
    Field("subseed_strength", 0, "variation_strength", (0,)),
    Field("seed_resize_from", None, "seed_resize_from"),
    Field("scheduler", None, "schedule", ("",), _scheduler),
    Field("steps", 50, "steps"),
    Field("cfg_scale", 7.0, "guidance_scale"),
    Field("width", 512, "width"),
    Field("height", 512, "height"),
    Field("restore_faces", None, "restore_faces", (False,)),
    Field("tiling", None, "tiling", (False,)),
    Field("eta", None, "eta", (1.0,)),
    Field("s_churn", None, "s_churn", (0,)),
    Field("s_tmax", None, "s_tmax", (0,)),
    Field("s_tmin", None, "s_tmin", (0,)),
    Field("s_noise", None, "s_noise", (1.0,)),
    Field("s_min_uncond", None, "s_min_uncond", (0,)),
    Field("disable_extra_networks", False, None, (False,)),
    Field("refiner_checkpoint", None, None, ("", "None")),
    Field("refiner_switch_at", None, None, (0,), only_with="refiner_checkpoint"),
)
TXT2IMG = (
    Field("firstphase_width", 0, None, (0,)),
    Field("firstphase_height", 0, None, (0,)),
    Field("firstpass_image", None),
    Field("enable_hr", False, "hires", (False,)),
    Field("denoising_strength", None, "denoising_strength", only_with="enable_hr"),
    Field("hr_scale", 2.0, "hires_scale", only_with="enable_hr"),
    Field("hr_upscaler", None, "hires_upscaler", only_with="enable_hr"),
    Field("hr_second_pass_steps", 0, "hires_steps", (0,), only_with="enable_hr"),
    Field("hr_resize", None, "hires_resize", only_with="enable_hr"),
    Field("hr_checkpoint_name", None, None, ("", "Use same checkpoint"), only_with="enable_hr"),
    Field("hr_sampler_name", None, "hires_sampler", ("", "Use same sampler"), _second_sampler, only_with="enable_hr"),
    Field("hr_prompt", "", "hires_prompt", ("",), only_with="enable_hr"),
    Field("hr_negative_prompt", "", "hires_negative_prompt", ("",), only_with="enable_hr"),
)
RESIZE_MODES = ("just resize", "crop and resize", "resize and fill", "latent upscale")
FILLS = ("fill", "original", "latent noise", "latent nothing")


def _numbered(names: tuple[str, ...]) -> Callable[[Any], Any]:
    def name(number: Any) -> Any:
        if isinstance(number, int) and 0 <= number < len(names):
            return names[number]
        raise SettingsError(f"{number!r} is none of A1111's numbers 0 to {len(names) - 1} ({', '.join(names)})")

    return name


def _area(full_resolution: Any) -> str:
    return "only masked" if full_resolution else "whole picture"


IMG2IMG = (
    Field("latent_mask", None),
    Field("denoising_strength", 0.75, "denoising_strength"),
    Field("image_cfg_scale", None, None, (0, 1.5)),
    Field("resize_mode", 0, "resize_mode", (0,), _numbered(RESIZE_MODES)),
    Field("initial_noise_multiplier", None, "initial_noise", (1.0,)),
    Field("mask_blur", None, "mask_blur", only_with="mask"),
    Field("mask_round", True, None, (True,), only_with="mask"),
    Field("inpainting_fill", 0, "masked_content", (), _numbered(FILLS), only_with="mask"),
    Field("inpaint_full_res", True, "inpaint_area", (), _area, only_with="mask"),
    Field("inpaint_full_res_padding", 0, "mask_padding", (), only_with="mask"),
    Field("inpainting_mask_invert", 0, "mask_invert", (0, False), bool, only_with="mask"),
)
# Widths and heights that are one setting, `WxH`: A1111's two fields, and the one above that stands for both.
SIZES = (
    ("seed_resize_from_w", "seed_resize_from_h", "seed_resize_from"),
    ("hr_resize_x", "hr_resize_y", "hr_resize"),
)
# A1111's options that a request may override, in the same way.
OVERRIDES = (
    Field("CLIP_stop_at_last_layers", 1, "clip_skip", (1,)),
    Field("emphasis", "Original", "emphasis"),
    Field("use_old_scheduling", False, "schedule_rules", (False,), lambda on: "2022" if on else "1.6"),
    Field("eta_noise_seed_delta", 0, "seed_delta", (0,)),
    Field("enable_prompt_comments", True, "prompt_comments", (True,)),
    Field("randn_source", "CPU", None, ("CPU",)),
    Field("sd_hypernetwork", "None", "hypernetwork", ("None", "")),
    Field("return_grid", False, None, (False, True)),  # its API sends no grids either
    Field("img2img_fix_steps", False, None, (False,)),
    Field("face_restoration_model", None, None, ("", "None", "CodeFormer", "GFPGAN")),  # `restore_faces` asks for one
)
# The request's fields, and the options it may override, by the settings that a picture's text says. What a mask does is
# not filled in: requests have numbers, and other fields, for the words of the text.
ASKED: Mapping[str, str] = {
    **{field.setting: field.name for field in (*BOTH, *TXT2IMG) if field.setting},
    "sampler": "sampler_name",
}
OVERRIDDEN: Mapping[str, Field] = {each.setting: each for each in OVERRIDES if each.setting and each.convert is _same}


def from_infotext(text: str) -> dict[str, Any]:
    """Gives the request's fields that a picture's text says, A1111's options among its override_settings.

    Raises SettingsError for a text whose numbers are none.
    """
    said: dict[str, Any] = {}
    overrides: dict[str, Any] = {}
    for setting, value in recall(text).values.items():
        if setting in OVERRIDDEN:
            field, meant = OVERRIDDEN[setting], _meant(setting, value)
            overrides |= {field.name: meant} if field.asks(meant) else {}
        elif setting in ASKED and value not in ("", False):
            said[ASKED[setting]] = _meant(setting, value)
    for width, height, both in SIZES:
        if found := re.fullmatch(r"(\d{1,9})x(\d{1,9})", said.pop(both, "")):
            said[width], said[height] = map(int, found.groups())
    return {**said, "override_settings": overrides} if overrides else said


def _meant(setting: str, said: Any) -> Any:
    """Gives what a picture's text says of a setting, of that setting's kind."""
    annotation = GenerateSettings.model_fields[setting].annotation
    kinds = get_args(annotation) or (annotation,)
    if bool in kinds:
        return str(said) == "True"
    kind = next((each for each in (int, float) if each in kinds), str)
    try:
        return kind(said)
    except ValueError:
        name = next(field.name for field in FIELDS if setting in field.fields)
        raise SettingsError(f"infotext says {name}: {_shown(said)}, which is no number") from None


def fill(values: Mapping[str, Any], fields: tuple[Field, ...], settings: Mapping[str, Any] = {}) -> dict[str, Any]:
    """Gives `settings` with those that A1111's `values` ask for; raises SettingsError for what nothing here can do."""
    filled = dict(settings)
    for field in fields:
        value = values.get(field.name, field.default)
        if field.only_with is not None and not _is_on(values.get(field.only_with)):
            continue
        if field.setting in GenerateSettings.model_fields:
            if value is not None and (field.asks(value) or field.name in values):
                filled[field.setting] = _converted(field, value)
        elif field.asks(value):
            if field.name not in values and field.default == value:
                continue  # A1111's own default for something that is not there to be set
            raise SettingsError(f"{field.name} is {_shown(value)}: retrato cannot do that (yet), leave it out")
    return filled


def joined_sizes(values: Mapping[str, Any]) -> dict[str, Any]:
    """Gives A1111's `values` with each pair of `SIZES` as one; raises SettingsError where only one of two is said.

    Of the second pass' sides one is enough: the other keeps the picture's shape.
    """
    joined = dict(values)
    for width_name, height_name, name in SIZES:
        width, height = joined.pop(width_name, 0) or 0, joined.pop(height_name, 0) or 0
        if not all(isinstance(side, int) for side in (width, height)):
            raise SettingsError(f"{width_name} and {height_name} are whole numbers: send pixels")
        if name == "hr_resize" and (width > 0) != (height > 0):
            shape = values.get("width", 512), values.get("height", 512)
            width = width if width > 0 else height * shape[0] // shape[1] // 8 * 8
            height = height if height > 0 else width * shape[1] // shape[0] // 8 * 8
        if width > 0 and height > 0:
            joined[name] = f"{width}x{height}"
        elif width > 0 or height > 0:
            raise SettingsError(f"of {width_name} and {height_name} only one was sent: send both")
    return joined


def joined_blur(values: Mapping[str, Any]) -> dict[str, Any]:
    """Gives A1111's `values` with mask_blur_x and mask_blur_y as mask_blur, which counts before them, as there.

    Raises SettingsError where the two differ: a mask is softened alike both ways here.
    """
    joined = dict(values)
    wide, high = (joined.pop(name, None) for name in ("mask_blur_x", "mask_blur_y"))
    if joined.get("mask_blur") is not None or (wide is None and high is None):
        return joined
    wide, high = (4 if each is None else each for each in (wide, high))
    if wide != high:
        raise SettingsError(f"mask_blur_x is {wide} and mask_blur_y {high}: send the same for both, or mask_blur")
    return {**joined, "mask_blur": wide}


def _converted(field: Field, value: Any) -> Any:
    try:
        return field.convert(value)
    except (TypeError, ValueError, AttributeError):
        raise SettingsError(f"{field.name} is {_shown(value)}: that is of the wrong kind") from None


def _is_on(value: Any) -> bool:
    return value not in (None, False, 0, 0.0, "", "None")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
