"""From what a picture says about itself to the controls of the tab where one draws. Knows no controls.

Which settings a picture says, and how it calls them, stands in `infotext.FIELDS` alone.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

from retrato.errors import SettingsError
from retrato.generation import recall
from retrato.server.web.easel import BOTH, REPAINTING
from retrato.settings import GenerateSettings

# How many are drawn now, and what a drawing begins with, is no matter of the picture.
NOT_SAID = ("count", "batch_size", "init_image", "mask")


def restored(infotext: str) -> dict[str, Any]:
    """Gives what a picture was drawn with, by the names of the settings, as their controls take it; {} for no text.

    What it does not say was the default. `hires_denoise` is the `denoising_strength` of a second pass. What counts only
    with a second pass, a picture to begin with or a mask is there if the picture had one. The prompts are as they were
    drawn: what styles, matrix and wildcards would make of them has been made.
    """
    if not infotext:
        return {}
    recalled = recall(infotext)
    found = {name: field.default for name, field in GenerateSettings.model_fields.items() if name not in NOT_SAID}
    found |= {name: _taken(name, said) for name, said in {**_scale(recalled.values), **recalled.values}.items()}
    strength = found.pop("denoising_strength")
    if strength is not None:
        found["hires_denoise" if found["hires"] else "denoising_strength"] = strength
    left: tuple[str, ...] = () if recalled.begins_with_picture else BOTH
    left += () if "mask_blur" in recalled.values else REPAINTING
    left += () if found["hires"] else tuple(name for name in found if name.startswith("hires_"))
    chooses = re.search(r"\{|__", f"{found['prompt']}\n{found['negative_prompt']}")
    found |= {"styles": [], "wildcards": "off" if chooses else "random"}
    return {name: "" if value is None else value for name, value in found.items() if name not in left}


def _taken(name: str, said: Any) -> Any:
    """Gives what the control of a setting takes for what a picture says.

    A text, and a number that may be left open, is written as the picture says it: whoever draws is told what is wrong
    with it. A slider, a switch or a list has no place for what there is not, and gets the default.
    """
    field = GenerateSettings.model_fields[name]
    is_written = field.default is None and name != "denoising_strength"
    if is_written or field.annotation is str:
        return said
    try:
        return getattr(GenerateSettings(**{"prompt": "-", name: said}), name)
    except SettingsError:
        return field.default


def _scale(values: Mapping[str, Any]) -> dict[str, float]:
    """Gives how much larger the second pass is where a picture says its size, as A1111's may: so that it is covered."""
    sizes = "x".join(str(values.get(name, "")) for name in ("width", "height", "hires_resize"))
    found = re.fullmatch("x".join([r"([1-9]\d{1,3})"] * 4), sizes)
    if not found:
        return {}
    width, height, larger_width, larger_height = map(int, found.groups())
    # Rounded up: sizes are cut to whole blocks of pixels, and one that falls short by a hair loses a block.
    return {"hires_scale": math.ceil(max(larger_width / width, larger_height / height) * 10_000) / 10_000}
