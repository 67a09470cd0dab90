"""The tab with all pictures: search, open one, see how it was drawn, draw it again; also one from elsewhere."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from retrato.errors import RetratoError
from retrato.gallery import Picture
from retrato.generation import parse_infotext
from retrato.sampling import SAMPLERS, SCHEDULES
from retrato.server.pictures import stored_text
from retrato.server.web.draw import NAMES
from retrato.server.web.restoring import restored
from retrato.server.web.site import Site, button, empty, owner_of, problem
from retrato.training.report.markup import Html, joined, tag

SHOWN = 120  # pictures at once
SAID = "gallery-said"


def gallery_tab(site: Site, page: Any, controls: Mapping[str, Any], tabs: Any) -> None:
    """Adds the tab; `controls` are those of the tab where one draws."""
    with gr.Tab(site("tab.gallery"), id="gallery") as tab:
        with gr.Row(elem_classes="pair"):
            words = gr.Textbox(
                label=site("gallery.words"), placeholder=site("gallery.words.info"), elem_id="gallery-words"
            )
            person = gr.Dropdown([""], label=site("gallery.person"), elem_id="gallery-person")
            sampler = gr.Dropdown([""], label=site("gallery.sampler"), elem_id="gallery-sampler")
        opened = gr.HTML(elem_id="gallery-opened")
        pictures = gr.HTML(elem_id="gallery-pictures")
        with gr.Accordion(site("gallery.read"), open=False):
            dropped = gr.File(
                label=site("gallery.drop"), file_types=[".png", ".jpg", ".jpeg", ".webp"], elem_id="gallery-drop"
            )
        said = gr.Textbox(elem_id=SAID, visible="hidden", show_label=False)
    parameters = gr.State({})
    fields = [controls[name] for name in NAMES]

    def search(words: str, person: str, sampler: str, request: gr.Request) -> Html:
        found = site.service.gallery.search(
            words or "", person=person or None, sampler=sampler or None, owner=owner_of(request), limit=SHOWN
        )
        is_narrowed = bool(words or person or sampler)
        return pictures_of(site, found, is_narrowed=is_narrowed)

    def arrive(words: str, person: str, sampler: str, request: gr.Request) -> list[object]:
        choices = site.service.gallery.choices(owner=owner_of(request))
        lists = [gr.update(choices=["", *choices[kind]]) for kind in ("people", "samplers")]
        return [*lists, search(words, person, sampler, request)]

    def hear(said: str, parameters: dict[str, str], request: gr.Request) -> list[object]:
        _, verb, *rest = [*said.split(" "), ""]
        still = [gr.skip()] * (3 + len(fields))
        try:
            if verb == "open":
                picture = site.service.gallery.get(int(rest[0]), owner=owner_of(request))
                return [opened_of(site, picture), picture.parameters, *still[2:], gr.skip()]
            if verb == "remove":
                site.service.gallery.remove(int(rest[0]), owner=owner_of(request))
                return ["", {}, *still[2:], search("", "", "", request)]
            if verb == "send":
                return [gr.skip(), gr.skip(), gr.Tabs(selected="draw"), *_filled(parameters), gr.skip()]
        except RetratoError as error:
            return [problem("gallery-opened", str(error)), {}, *still[2:], gr.skip()]
        return ["", {}, *still[2:], gr.skip()]

    def read(file: str | None) -> list[object]:
        if not file:
            return ["", {}]
        try:
            said = stored_text(Path(file).read_bytes())
        except RetratoError as error:
            return [problem("gallery-drop", str(error)), {}]
        if not said:
            return [problem("gallery-drop", site("gallery.says nothing")), {}]
        found = parse_infotext(said)
        return [tag("div", *_facts(site, found), class_="opened"), found]

    private: Any = {"api_visibility": "private", "show_progress": "hidden"}
    asked = [words, person, sampler]
    for control in asked:
        control.change(search, asked, [pictures], **private)
    tab.select(arrive, asked, [person, sampler, pictures], **private)
    said.input(hear, [said, parameters], [opened, parameters, tabs, *fields, pictures], **private)
    dropped.change(read, [dropped], [opened, parameters], **private)


def pictures_of(site: Site, pictures: list[Picture], *, is_narrowed: bool) -> Html:
    """Gives the pictures as a wall of small copies."""
    if not pictures:
        key = "gallery.none" if is_narrowed else "gallery.empty"
        return empty(site(key), site(f"{key}.next"))
    return tag("div", *(_small(picture) for picture in pictures), class_="pictures small")


def opened_of(site: Site, picture: Picture) -> Html:
    """Gives one picture and how it was drawn."""
    address = f"/api/v1/pictures/{picture.id}/file"
    image = tag("img", src=address, alt=picture.prompt[:200] or picture.file)
    large = tag("a", image, href=address, data_large=address, target="_blank")
    away = tag(
        "button",
        site("gallery.remove"),
        type="button",
        class_="small danger",
        data_channel=SAID,
        data_said=f"remove {picture.id}",
        data_sure=site("gallery.sure"),
    )
    save = tag("a", site("gallery.save"), href=address, download=Path(picture.file).name, class_="small")
    return tag("div", large, *_facts(site, picture.parameters, save, away), class_="opened")


def _small(picture: Picture) -> Html:
    image = tag("img", src=f"/api/v1/pictures/{picture.id}/thumbnail", alt=picture.prompt[:200], loading="lazy")
    opening = tag("button", image, type="button", class_="picture", data_channel=SAID, data_said=f"open {picture.id}")
    return tag("figure", opening, tag("figcaption", picture.prompt[:80]))


def _facts(site: Site, parameters: Mapping[str, str], *more: Html) -> list[Html]:
    said = [joined([tag("dt", name), tag("dd", value)]) for name, value in parameters.items() if value]
    actions = [button(site("gallery.send"), SAID, "send"), *more, button(site("gallery.close"), SAID, "close")]
    return [tag("div", tag("div", *actions, class_="row"), tag("p", " "), tag("dl", *said, class_="facts"))]


def _filled(parameters: Mapping[str, str]) -> list[object]:
    values = restored(parameters)
    known = {"sampler": SAMPLERS, "schedule": SCHEDULES}
    for name, table in known.items():  # another program's: the control could not show it
        if values.get(name) not in table:
            values.pop(name, None)
    return [gr.update(value=values[name]) if name in values else gr.skip() for name in NAMES]
