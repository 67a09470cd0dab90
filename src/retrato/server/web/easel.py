"""The picture that a drawing begins with, and the mask one paints on it, in the tab where people are drawn."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from retrato.errors import SettingsError
from retrato.markup import Html, tag
from retrato.server.pictures import store_file, store_upload
from retrato.server.service import Service
from retrato.server.web.controls import control
from retrato.server.web.site import TOLD, Site, owner_of, problem
from retrato.server.web.spoken import spoken_error
from retrato.settings import GenerateSettings

WORDS, PICTURE, REPAINT = MODES = ("words", "picture", "repaint")
BOTH = ("denoising_strength", "resize_mode")
REPAINTING = ("masked_content", "inpaint_area", "mask_blur", "mask_invert")
NAMES = (*BOTH, *REPAINTING)
SOURCE, MASK = "draw-source", "draw-mask"


def easel(site: Site) -> Mapping[str, Any]:
    """Adds the choice of what to begin with; gives its controls: mode, source, mask and those of NAMES."""
    controls: dict[str, Any] = {}
    controls["mode"] = gr.Radio(
        [(site(f"draw.mode.{mode}"), mode) for mode in MODES],
        value=WORDS,
        label=site("draw.mode"),
        elem_id="draw-mode",
    )
    with gr.Column(visible=False, elem_id="draw-easel") as place:
        dropped = gr.File(label=site("draw.picture"), file_types=["image"], elem_id="draw-picture", height=130)
        canvas = gr.HTML(visible=False)
        # What a drawing begins with, as the API names it (upload:<id>, picture:<id>), and the mask as a data address.
        controls["source"] = gr.Textbox(elem_id=SOURCE, visible="hidden", show_label=False)
        controls["mask"] = gr.Textbox(elem_id=MASK, visible="hidden", show_label=False)
        denoise = {"minimum": 0, "maximum": 1, "step": 0.05, "value": 0.75, "buttons": []}
        texts = {"label": site("draw.denoise"), "info": site("draw.denoise.info")}
        controls["denoising_strength"] = gr.Slider(elem_id="draw-denoising_strength", **denoise, **texts)
        controls["resize_mode"] = control(site, GenerateSettings, "resize_mode", "draw", info=None)
        with gr.Column(visible=False) as masking, gr.Accordion(site("draw.repainting"), open=False):
            for name in REPAINTING:
                controls[name] = control(site, GenerateSettings, name, "draw")

    def show(mode: str, source: str, request: gr.Request) -> list[object]:
        is_painted = mode == REPAINT
        picture: Html | str = ""
        if source:
            try:
                site.service.picture_file(source, owner=owner_of(request))
                picture = canvas_of(site, source, is_painted=is_painted)
            except TOLD as error:
                picture, source = problem("draw-easel", spoken_error(site, error)), ""
        return [
            gr.update(visible=mode != WORDS),
            gr.update(visible=not source),
            gr.update(value=picture, visible=bool(picture)),
            gr.update(visible=is_painted),
            "",
        ]

    def take(file: str | None) -> list[object]:
        if not file:
            return [gr.skip(), gr.skip(), None]
        try:
            kept = store_file(site.service.home, site.service.read_dropped(file), Path(file).name)
        except TOLD as error:
            return ["", gr.update(value=problem("draw-picture", spoken_error(site, error)), visible=True), None]
        return [f"upload:{kept.stem}", gr.skip(), None]

    private: Any = {"api_visibility": "private", "show_progress": "hidden"}
    shown = [place, dropped, canvas, masking, controls["mask"]]
    gr.on(
        [controls["mode"].change, controls["source"].change],
        show,
        [controls["mode"], controls["source"]],
        shown,
        **private,
    )
    dropped.upload(take, [dropped], [controls["source"], canvas, dropped], **private)
    return controls


def canvas_of(site: Site, source: str, *, is_painted: bool) -> Html:
    """Gives the picture to begin with; `is_painted` puts what one paints a mask with over it."""
    kind, _, name = source.partition(":")
    address = f"/api/v1/pictures/{name}/file" if kind == "picture" else f"/web/uploads/{name}"
    image = tag("img", src=address, alt=site("draw.picture.alt"))
    other = tag("button", site("draw.picture.other"), type="button", class_="small", data_field=SOURCE, data_value="")
    if not is_painted:
        return tag("div", image, tag("div", other, class_="row"), class_="easel")
    brush = tag("input", type="range", min="2", max="40", value="12", class_="brush")
    tools = [
        tag("label", site("draw.brush"), " ", brush),
        tag("button", site("draw.erase"), type="button", class_="small", data_easel="erase", aria_pressed="false"),
        tag("button", site("draw.clear"), type="button", class_="small", data_easel="clear"),
        other,
    ]
    paint = tag("canvas", "", role="img", aria_label=site("draw.paint"), data_field=MASK)
    sheet = tag("div", image, paint, class_="sheet")
    said = tag("p", site("draw.paint"), class_="quiet")
    return tag("div", said, sheet, tag("div", *tools, class_="row"), class_="easel")


def beginnings(service: Service, values: Mapping[str, Any], *, owner: str) -> dict[str, Any]:
    """Gives the settings that `values` of the easel's controls say. Raises SettingsError and UnknownError."""
    mode = values["mode"]
    if mode == WORDS:
        return {}
    if not values["source"]:
        sentence = "init_image is missing: drop the picture to begin with, or begin with words only"
        raise SettingsError(sentence, field="easel")
    picture = service.picture_file(values["source"], owner=owner)
    said = {name: values[name] for name in BOTH} | {"init_image": str(picture)}
    if mode == PICTURE:
        return said
    if not values["mask"]:
        raise SettingsError("mask is empty: paint over what is to change in the picture", field="easel")
    mask = store_upload(service.home, values["mask"], "the mask")  # of the picture's proportions, not always its size
    return {**said, **{name: values[name] for name in REPAINTING}, "mask": str(mask)}
