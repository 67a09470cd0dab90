"""A picture drawn again: what the tab has no control for is carried along until it is left out, and all is said."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import gradio as gr

from retrato.errors import RetratoError
from retrato.generation import parse_infotext, recall, what_differs
from retrato.home import within
from retrato.markup import Html, joined, tag, with_code
from retrato.server.web.easel import REPAINT, WORDS
from retrato.server.web.fields import CARRIED
from retrato.server.web.restoring import restored
from retrato.server.web.site import Site, label
from retrato.server.web.spoken import spoken
from retrato.settings import GenerateSettings

FIELD = "draw-carried"


def carried_fields(site: Site) -> Mapping[str, Any]:
    """Adds what is hidden and the sentence about it; gives the one control, `carried`."""
    carried = gr.Textbox(elem_id=FIELD, visible="hidden", show_label=False)
    said = gr.HTML(elem_id="draw-again")
    private: Any = {"api_visibility": "private", "show_progress": "hidden"}
    carried.change(lambda text: said_of(site, text), [carried], [said], **private)
    return {"carried": carried}


def carried_text(site: Site, infotext: str, mode: str, missing: Mapping[str, object]) -> str:
    """Gives what `carried` holds after a picture that says `infotext`, empty where there is nothing to carry or to say.

    `mode` is what the drawing begins with; `missing` what the picture says and the controls of these names do not have.
    """
    values = restored(infotext)
    usual = {name: GenerateSettings.model_fields[name].default for name in CARRIED}
    settings = {name: values[name] for name in CARRIED if values.get(name, "") not in ("", usual[name])}
    sentences = [site("draw.not here", name=label(site, name), value=value) for name, value in missing.items()]
    sentences += _differences(site, infotext, mode)
    return json.dumps({"settings": settings, "sentences": sentences}) if settings or sentences else ""


def carried_settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """Gives those settings of `carried` that mean something beside the other `values` of the tab's controls."""
    is_there = {"hires": values["mode"] == WORDS and values["hires"], "mask": values["mode"] == REPAINT}
    return {
        name: value
        for name, value in _read(values["carried"], "settings", {}).items()
        if name in CARRIED and is_there.get(name.partition("_")[0], True)
    }


def said_of(site: Site, carried: str) -> Html | str:
    """Gives what stands on the page about it, with a button that leaves it out."""
    said = [spoken(site, each) for each in _read(carried, "sentences", [])]
    sentences = [tag("p", with_code(each[:1].upper() + each[1:])) for each in said]
    settings = [f"{_called(site, name)} {value}" for name, value in _read(carried, "settings", {}).items()]
    if settings:
        sentences.append(tag("p", site("draw.carried", settings=", ".join(settings))))
    if not sentences:
        return ""
    leave = site("draw.carried.leave" if settings else "gallery.close")
    drop = tag("button", leave, type="button", class_="small", data_field=FIELD, data_value="")
    return tag("div", joined(sentences), drop, class_="hint", role="status")


def _differences(site: Site, infotext: str, mode: str) -> Iterator[str]:
    """Yields why the drawing will not be the picture, or not quite."""
    if not infotext:
        return
    recalled = recall(infotext)
    yield from recalled.notes
    if recalled.begins_with_picture and mode == WORDS:
        yield site("draw.began")
    try:
        components, people = site.service.studio.components, site.service.people()
    except (RetratoError, OSError):  # the drawing itself will say so
        return
    if recalled.model_hash and recalled.model_hash != components.hash:
        yield site("draw.another model", model=parse_infotext(infotext).get("Model") or recalled.model_hash)
    if (recalled.vae or recalled.vae_hash) and recalled.vae_hash != components.vae_hash:
        yield site("draw.another vae", vae=recalled.vae or recalled.vae_hash)
    for sentence in what_differs(replace(recalled, model_hash=None, vae="", vae_hash=""), components, people):
        yield within(site.service.home, sentence)


def _called(site: Site, name: str) -> str:
    return CARRIED[name][0 if site.language == "en" else 1]


def _read(carried: str, name: str, nothing: Any) -> Any:
    return json.loads(carried)[name] if carried else nothing
