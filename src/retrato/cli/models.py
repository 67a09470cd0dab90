"""`retrato models` and `retrato samplers`: what can be drawn with."""

from typing import Annotated

import typer

from retrato.cli.options import Device, Dtype, Json
from retrato.cli.screen import Screen
from retrato.sampling import SAMPLERS
from retrato.studio import Studio


def show(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="mini, or a folder in diffusers layout")] = "mini",
    device: Device = "auto",
    dtype: Dtype = "auto",
    json: Json = False,
) -> None:
    """Loads a base model and says what it is and takes."""
    screen = Screen(json)
    studio = Studio.open(model, device=device, dtype=dtype)
    components = studio.components
    facts = {
        "name": components.name,
        "hash": components.hash,
        "size": components.defaults.size,
        "guidance_scale": components.defaults.guidance_scale,
        "class_word": components.defaults.class_word,
        "dims": components.token_widths,
        "parameters": sum(weight.numel() for module in components.modules for weight in module.parameters()),
        "prediction_type": components.prediction_type,
        "device": str(components.device),
        "dtype": str(components.dtype).removeprefix("torch."),
        "scorer": studio.scorer is not None,
        "captioner": studio.captioner is not None,
    }
    for name, value in facts.items():
        screen.say(f"{name}: {value}")
    screen.finish(facts)


def samplers(json: Json = False) -> None:
    """Lists the samplers, A1111's names, and the noise schedules that each one takes."""
    screen = Screen(json)
    rows = [{"name": each.name, "schedules": each.schedules, "automatic": each.automatic} for each in SAMPLERS.values()]
    screen.table(("sampler", "schedules"), [(each.name, ", ".join(each.schedules)) for each in SAMPLERS.values()])
    screen.finish({"samplers": rows})
