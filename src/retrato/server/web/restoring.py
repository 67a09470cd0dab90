"""From what a picture says about itself to the controls of the tab where one draws. Knows no controls."""

import re
from collections.abc import Mapping

# Settings by A1111's names for them; what a picture does not say is left to the defaults.
NAMED: Mapping[str, str] = {
    "prompt": "Prompt",
    "negative_prompt": "Negative prompt",
    "steps": "Steps",
    "sampler": "Sampler",
    "schedule": "Schedule type",
    "guidance_scale": "CFG scale",
    "seed": "Seed",
    "width": "Size-1",
    "height": "Size-2",
    "clip_skip": "Clip skip",
}
NUMBERS = ("steps", "seed", "clip_skip")


def restored(parameters: Mapping[str, str]) -> dict[str, str | int | list[str]]:
    """Gives the values of settings that `parameters` (see `parse_infotext`) say, without broken numbers.

    The prompts are as they were drawn: what styles, matrix and wildcards would make of them has been made.
    """
    prompts = f"{parameters.get('Prompt', '')}\n{parameters.get('Negative prompt', '')}"
    choosing = "off" if re.search(r"\{|__", prompts) else "random"
    found: dict[str, str | int | list[str]] = {"styles": [], "matrix": "off", "wildcards": choosing}
    for name, key in NAMED.items():
        said = parameters.get(key)
        if said is None:
            continue
        if name not in NUMBERS:
            found[name] = said
        elif re.fullmatch(r"\d{1,18}", said):
            found[name] = int(said)
    return found
