"""The sheet in the tab where people are drawn: what changes across, down and from table to table, and its values."""

from collections.abc import Mapping
from typing import Any

import gradio as gr

from retrato.errors import RetratoError, SettingsError
from retrato.generation import AXES
from retrato.markup import tag
from retrato.model.catalogue import list_vaes
from retrato.prompts import StyleFile
from retrato.server.service import Service
from retrato.server.sheets import CHECKPOINT, check_axes
from retrato.server.web.site import Site, owner_of
from retrato.settings import GenerateSettings

SIDES = ("x", "y", "z")
NAMES = tuple(name for side in SIDES for name in (side, f"{side}_values"))
# What the values of an axis look like; those of the others are numbers between commas.
EXAMPLES: Mapping[str, str] = {
    "": "",
    "Seed": "1-4",
    "Steps": "10, 20, 30",
    "CFG Scale": "3-9 (+2)",
    "Prompt S/R": "comic, oil painting, photo",
    "Prompt order": "hat, beard, smile",
    "Sampler": "Euler a, DPM++ 2M",
    "Hires sampler": "Euler a, DPM++ 2M",
    "Schedule type": "Automatic, Karras",
    "Hires upscaler": "Latent, Lanczos",
    "Size": "512x512, 512x768",
    "Tiling": "false, true",
    "Emphasis": "Original, No norm",
    "Denoising": "0.3, 0.5, 0.7",
    "Var. strength": "0-1 [5]",
    "Eta": "0, 0.5, 1",
    "Vector strength": "0.5, 1, 1.5",
}


def sheet_fields(site: Site) -> Mapping[str, Any]:
    """Adds the folded-away fields; gives those of NAMES. No axis is chosen at first, which is no sheet."""
    controls: dict[str, Any] = {}
    chosen = [(site("draw.sheet.nothing"), ""), *((name, name) for name in AXES if name != "Nothing")]
    with gr.Accordion(site("draw.sheet"), open=False):
        gr.HTML(tag("p", site("draw.sheet.what"), class_="quiet"))
        for side in SIDES:
            with gr.Row(elem_classes="pair"):
                controls[side] = gr.Dropdown(
                    chosen, value="", label=site(f"draw.sheet.{side}"), elem_id=f"draw-{side}", min_width=120
                )
                values = controls[f"{side}_values"] = gr.Textbox(
                    label=site(f"draw.sheet.{side}.values"), elem_id=f"draw-{side}_values", max_lines=1, min_width=120
                )

            def hint(name: str | None, request: gr.Request) -> object:
                return gr.update(placeholder=example_of(site.service, name or "", owner_of(request)))

            controls[side].change(
                hint,
                [controls[side]],
                [values],
                api_visibility="private",
                show_progress="hidden",
            )
    return controls


def example_of(service: Service, name: str, owner: str) -> str:
    """Gives what the values of an axis may look like; of what lies in the home folder, what there is."""
    if name == CHECKPOINT:
        return ", ".join(list(service.learned_files(owner=owner))[:2]) or "ana-100, ana-200"
    if name == "Checkpoint name":
        return ", ".join(model.name for model in service.models())
    if name == "VAE":
        return ", ".join(["Automatic", *(path.name for path in list_vaes(service.home / "models"))])
    if name == "Styles":
        return ", ".join(["None", *list(StyleFile(service.home / "styles.csv").read())[:2]])
    return EXAMPLES.get(name, "1, 2, 3")


def axes_of(site: Site, values: Mapping[str, Any], settings: GenerateSettings, owner: str) -> list[str]:
    """Gives the axes that `values` of `owner`'s fields name, as `parse_axis` reads them.

    Raises SettingsError, which knows the field.
    """
    said: list[str] = []
    axes: list[str] = []
    for side in (side for side in SIDES if values[side]):
        if settings.matrix != "off" and side != "z":
            raise SettingsError(site("draw.sheet.matrix"), field=side)
        try:
            said.append(f"{values[side]}={values[f'{side}_values'] or ''}")
            axes = check_axes(site.service, settings, said, owner=owner)
        except RetratoError as error:
            raise SettingsError(str(error), field=f"{side}_values") from None
    return axes
