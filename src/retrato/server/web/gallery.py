"""The tab with all pictures: search, open one, see how it was drawn, draw it again; also one from elsewhere."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import gradio as gr

from retrato.gallery import Picture
from retrato.generation import parse_infotext
from retrato.markup import Html, joined, tag
from retrato.server.pictures import store_file, stored_text
from retrato.server.web.again import carried_text
from retrato.server.web.easel import PICTURE, REPAINT, WORDS
from retrato.server.web.restoring import restored
from retrato.server.web.sheet import SIDES
from retrato.server.web.site import TOLD, Site, button, empty, owner_of, problem
from retrato.server.web.spoken import spoken_error
from retrato.settings import GenerateSettings

SHOWN = 120  # pictures at once
SAID = "gallery-said"
DAYS = (1, 7, 31)
SENDING = {"send": WORDS, PICTURE: PICTURE, REPAINT: REPAINT}  # what a button says, and what one then begins with


def gallery_tab(site: Site, page: Any, controls: Mapping[str, Any], tabs: Any) -> None:
    """Adds the tab; `controls` are those of the tab where one draws."""
    with tabs, gr.Tab(site("tab.gallery"), id="gallery") as tab:
        with gr.Row(elem_classes="pair"):
            words = gr.Textbox(
                label=site("gallery.words"),
                placeholder=site("gallery.words.info"),
                elem_id="gallery-words",
                max_lines=1,
                scale=2,
            )
            narrow: dict[str, Any] = {"min_width": 130, "value": ""}
            anything = [(site("gallery.any"), "")]
            person = gr.Dropdown(anything, label=site("gallery.person"), elem_id="gallery-person", **narrow)
            model = gr.Dropdown(anything, label=site("gallery.model"), elem_id="gallery-model", **narrow)
            sampler = gr.Dropdown(anything, label=site("gallery.sampler"), elem_id="gallery-sampler", **narrow)
            times = [*anything, *((site(f"gallery.days.{days}"), str(days)) for days in DAYS)]
            when = gr.Dropdown(times, label=site("gallery.when"), elem_id="gallery-when", **narrow)
        opened = gr.HTML(elem_id="gallery-opened")
        pictures = gr.HTML(elem_id="gallery-pictures")
        with gr.Accordion(site("gallery.read"), open=False):
            dropped = gr.File(
                label=site("gallery.drop"), file_types=[".png", ".jpg", ".jpeg", ".webp"], elem_id="gallery-drop"
            )
        said = gr.Textbox(elem_id=SAID, visible="hidden", show_label=False)
    anywhere = gr.File(elem_id="anywhere", visible="hidden", show_label=False)  # the page's script fills it
    text = gr.State("")  # that of the picture that is open
    before = gr.State(0)  # what the pictures shown come before, 0 for the newest ones
    settings = settings_among(controls)
    filled = [*settings.values(), *(controls[name] for name in (*SIDES, "mode", "source", "carried"))]

    def search(request: gr.Request, *asked: str) -> list[object]:
        return [_found(site, asked, owner_of(request)), 0]

    def arrive(request: gr.Request, *asked: str) -> list[object]:
        choices = site.service.gallery.choices(owner=owner_of(request))
        lists = [gr.update(choices=[*anything, *choices[kind]]) for kind in ("people", "models", "samplers")]
        return [*lists, *search(request, *asked)]

    def hear(said: str, text: str, before: int, request: gr.Request, *asked: str) -> list[object]:
        _, verb, *rest = [*said.split(" "), ""]
        still = [gr.skip()] * (1 + len(filled))
        stays = [gr.skip(), gr.skip()]
        try:
            if verb == "open":
                picture = site.service.gallery.get(int(rest[0]), owner=owner_of(request))
                return [opened_of(site, picture), picture.infotext, *still, *stays]
            if verb == "older":
                return ["", "", *still, _found(site, asked, owner_of(request), int(rest[0])), int(rest[0])]
            if verb == "remove":
                site.service.gallery.remove(int(rest[0]), owner=owner_of(request))
                return ["", "", *still, _found(site, asked, owner_of(request), before), before]
            if verb in SENDING:
                mode, source = SENDING[verb], rest[0] if SENDING[verb] != WORDS else gr.skip()
                values = [*filled_with(settings, text), *("" for _ in SIDES)]
                carried = carried_text(site, text, mode, missing_in(settings, text))
                return [gr.skip(), gr.skip(), gr.Tabs(selected="draw"), *values, mode, source, carried, *stays]
        except TOLD as error:
            return [problem("gallery-opened", spoken_error(site, error)), "", *still, *stays]
        return ["", "", *still, *stays]

    def read(file: str | None) -> list[object]:
        if not file:
            return [gr.skip(), gr.skip(), gr.skip(), None]
        here = gr.Tabs(selected="gallery")
        try:
            content = site.service.read_dropped(file)
            said = stored_text(content)
            kept = store_file(site.service.home, content, Path(file).name)
        except TOLD as error:
            return [problem("gallery-drop", spoken_error(site, error)), "", here, None]
        return [read_of(site, kept.stem, Path(file).name, said), said, here, None]

    private: Any = {"api_visibility": "private", "show_progress": "hidden"}
    asked = [words, person, model, sampler, when]
    # One after the other, so that the answer to what was asked last comes last.
    in_turn: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": f"gallery-{site.language}", **private}
    for control in asked:
        control.change(search, asked, [pictures, before], **in_turn)
    tab.select(arrive, asked, [person, model, sampler, pictures, before], **in_turn)
    said.change(hear, [said, text, before, *asked], [opened, text, tabs, *filled, pictures, before], **private)
    for place in (dropped, anywhere):
        place.upload(read, [place], [opened, text, tabs, place], **private)


def settings_among(controls: Mapping[str, Any]) -> Mapping[str, Any]:
    """Gives those of the tab's controls that stand for a setting, by its name; `hires_denoise` is one more of them."""
    names = {*GenerateSettings.model_fields, "hires_denoise"}
    return {name: control for name, control in controls.items() if name in names}


def filled_with(controls: Mapping[str, Any], infotext: str) -> list[Any]:
    """Gives what the `controls` of settings show after a picture that says `infotext`, in their order.

    What its text leaves open stays as it is, and so does a list that does not have what another program calls it.
    """
    values = restored(infotext)
    return [
        gr.update(value=values[name]) if name in values and _has(control, values[name]) else gr.skip()
        for name, control in controls.items()
    ]


def missing_in(controls: Mapping[str, Any], infotext: str) -> dict[str, object]:
    """Gives what a picture says that is not in the lists of the `controls` of these names."""
    values = restored(infotext)
    said = {name: control for name, control in controls.items() if name in values}
    return {name: values[name] for name, control in said.items() if not _has(control, values[name])}


def _found(site: Site, asked: Sequence[str], owner: str, before: int = 0) -> Html:
    """Gives the pictures that fit what the fields above them say: the newest ones, or those that come `before` one."""
    words, person, model, sampler, when = (each or "" for each in asked)
    found = site.service.gallery.search(
        words,
        person=person or None,
        model=model or None,
        sampler=sampler or None,
        since=_days_ago(int(when)) if when else None,
        owner=owner,
        before=before or None,
        limit=SHOWN + 1,
    )
    return pictures_of(site, found, is_narrowed=any((words, person, model, sampler, when)), is_later=bool(before))


def pictures_of(site: Site, pictures: list[Picture], *, is_narrowed: bool, is_later: bool = False) -> Html:
    """Gives the pictures as a wall of small copies, SHOWN of them, with ways to those that are older and newer."""
    if not pictures and not is_later:
        key = "gallery.none" if is_narrowed else "gallery.empty"
        return empty(site(key), site(f"{key}.next"))
    wall = tag("div", *(_small(picture) for picture in pictures[:SHOWN]), class_="pictures small")
    ways = [button(site("gallery.newest"), SAID, "older 0")] if is_later else []
    if len(pictures) > SHOWN:
        ways.append(button(site("gallery.older"), SAID, f"older {pictures[SHOWN - 1].id}"))
    return joined([wall, tag("div", *ways, class_="row")] if ways else [wall])


def opened_of(site: Site, picture: Picture) -> Html:
    """Gives one picture and how it was drawn."""
    address = f"/api/v1/pictures/{picture.id}/file"
    image = tag("img", src=address, alt=picture.prompt[:200] or picture.file)
    large = tag("a", image, href=address, data_large=address, target="_blank")
    away = button(
        site("gallery.remove"), SAID, f"remove {picture.id}", class_="small danger", sure=site("gallery.sure")
    )
    save = tag("a", site("gallery.save"), href=address, download=Path(picture.file).name, class_="small")
    more = (*_sending(site, f"picture:{picture.id}"), save, away)
    return tag("div", large, *_facts(site, picture.parameters, picture.infotext, *more), class_="opened")


def read_of(site: Site, upload: str, name: str, infotext: str) -> Html:
    """Gives a picture from elsewhere, kept as `upload`, and what its text says about how it was drawn."""
    image = tag("img", src=f"/web/uploads/{upload}", alt=name)
    sending = _sending(site, f"upload:{upload}")
    if infotext:
        return tag("div", image, *_facts(site, parse_infotext(infotext), infotext, *sending), class_="opened")
    close = button(site("gallery.close"), SAID, "close")
    nothing = tag("p", site("gallery.says nothing"), class_="quiet", role="status")
    return tag("div", image, tag("div", tag("div", *sending, close, class_="row"), nothing), class_="opened")


def _sending(site: Site, source: str) -> list[Html]:
    """Gives the buttons by which one begins a drawing with a picture, which `source` names as the API does."""
    return [button(site(f"gallery.{mode}"), SAID, f"{mode} {source}") for mode in (PICTURE, REPAINT)]


def _days_ago(days: int) -> float:
    """Gives when the day began that is the first of the last `days`."""
    return datetime.combine(date.today() - timedelta(days=days - 1), datetime.min.time()).timestamp()


def _small(picture: Picture) -> Html:
    image = tag("img", src=f"/api/v1/pictures/{picture.id}/thumbnail", alt=picture.prompt[:200], loading="lazy")
    opening = tag("button", image, type="button", class_="picture", data_channel=SAID, data_said=f"open {picture.id}")
    return tag("figure", opening, tag("figcaption", tag("span", picture.prompt[:120], class_="short")))


def _facts(site: Site, parameters: Mapping[str, str], infotext: str, *more: Html) -> list[Html]:
    """Gives what a picture says, the prompts first; what the reader of its text adds by itself is left out."""
    first = {name: parameters.get(name, "") for name in ("Prompt", "Negative prompt")}
    rest = {name: value for name, value in parameters.items() if f"{name}: " in infotext and name not in first}
    if "Size-1" in parameters and "Size-2" in parameters:
        rest["Size"] = f"{parameters['Size-1']}x{parameters['Size-2']}"
    told = {**first, **rest}
    said = [joined([tag("dt", name), tag("dd", value)]) for name, value in told.items() if value]
    actions = [button(site("gallery.send"), SAID, "send"), *more, button(site("gallery.close"), SAID, "close")]
    return [tag("div", tag("div", *actions, class_="row"), tag("p", " "), tag("dl", *said, class_="facts"))]


def _has(control: Any, value: object) -> bool:
    """Says whether a control can show `value`: a list has its choices only, several of them or none too."""
    if not isinstance(control, gr.Dropdown):
        return True
    choices = [choice for _, choice in control.choices]
    return all(each in choices for each in (value if isinstance(value, list) else [value]))
