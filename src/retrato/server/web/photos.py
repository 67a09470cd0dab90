"""The tab where photos are dropped: a set of them, a verdict on each with a small copy, and advice."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from retrato.errors import RetratoError
from retrato.markup import Html, joined, tag, with_code
from retrato.photos import Looked, PhotoReport
from retrato.server.web.retouching import SAID, opened_photo, retouch
from retrato.server.web.site import Site, bar, empty, owner_of, problem, row
from retrato.server.web.spoken import spoken, spoken_error
from retrato.server.wholes import whole_size


def photos_tab(site: Site, page: Any, sets: Any, tabs: Any) -> None:
    """Adds the tab; `sets` is the list of sets in the tab where people are learned, which follows."""
    with tabs, gr.Tab(site("tab.photos"), id="photos") as tab, gr.Row(elem_classes="two-sides"):
        with gr.Column(scale=4, min_width=300):
            name = gr.Dropdown(
                [],
                label=site("photos.set"),
                info=site("photos.set.info"),
                allow_custom_value=True,
                elem_id="photos-set",
            )
            dropped = gr.File(
                label=site("photos.drop"),
                file_count="multiple",
                file_types=[".jpg", ".jpeg", ".png", ".webp", ".heic", ".bmp", ".tif", ".tiff"],
                elem_id="photos-drop",
                height=180,
            )
            trouble = gr.HTML(elem_id="photos-trouble")
            onward = gr.Button(site("photos.train"), variant="primary", interactive=False, elem_id="photos-train")
        with gr.Column(scale=8, min_width=320):
            nothing = empty(site("photos.empty"), site("photos.empty.next"))
            opened = gr.HTML(elem_id="photos-opened")
            sheet = gr.HTML(nothing, elem_id="photos-sheet")
        said = gr.Textbox(elem_id=SAID, visible="hidden", show_label=False)
    private: Any = {"api_visibility": "private", "show_progress": "hidden"}
    shown = [sheet, onward, sets, trouble]

    def add(name: str | None, files: list[str] | None, request: gr.Request) -> Iterator[list[object]]:
        owner, refused = owner_of(request), []
        if not (name or "").strip():
            for file in files or []:
                Path(file).unlink(missing_ok=True)  # they are dropped again
            yield [gr.skip(), gr.skip(), gr.skip(), problem("photos-set", site("photos.unnamed")), gr.skip(), None]
            return
        for file in files or []:
            try:
                content = site.service.read_dropped(file)
                site.service.add_photo(str(name).strip(), Path(file).name, content, owner=owner)
            except RetratoError as error:
                refused.append(tag("li", with_code(spoken_error(site, error))))
        trouble = tag("ul", *refused, class_="problem", role="alert") if refused else ""
        names = gr.update(choices=site.service.photo_sets(owner=owner))
        for shown in look(name, request):
            yield [*shown[:3], trouble, names, None]

    def look(name: str | None, request: gr.Request) -> Iterator[list[object]]:
        owner = owner_of(request)
        names = site.service.photo_sets(owner=owner)
        chosen = str(name or "").strip()
        if chosen not in names:
            yield [nothing, gr.update(interactive=False), gr.skip(), ""]
            return
        try:
            for found in site.service.look_at_photos(chosen, owner=owner):
                if isinstance(found, Looked):
                    said = bar(found.done / found.total, site("photos.looking", done=found.done, total=found.total))
                    yield [said, gr.update(interactive=False), gr.skip(), ""]
                    continue
                usable = gr.update(interactive=found.verdict != "refused")
                yield [report_of(site, chosen, found), usable, gr.update(choices=names, value=chosen), ""]
        except RetratoError as error:
            yield [problem("photos-set", spoken_error(site, error)), gr.update(interactive=False), gr.skip(), ""]

    def hear(said: str, name: str, request: gr.Request) -> Iterator[list[object]]:
        owner, told = owner_of(request), json.loads(said.partition(" ")[2] or "{}")
        still = [gr.skip()] * len(shown)
        try:
            if told.get("verb") == "open":
                photo = site.service.own_photo(name, str(told["file"]), owner=owner)
                caption = photo.with_suffix(".txt")
                words = caption.read_text("utf-8").strip() if caption.exists() else ""
                cut = site.service.cut_of_photo(name, photo.name, owner=owner)
                yield [opened_photo(site, name, photo, words, cut, whole_size(photo)), *still]
                return
            if told.get("verb") in ("save", "whole", "remove"):
                retouch(site.service, name, told, owner=owner)
        except RetratoError as error:
            yield [problem("photos-opened", spoken_error(site, error)), *still]
            return
        if told.get("verb") == "close":
            yield ["", *still]
        else:
            for seen in look(name, request):
                yield ["", *seen]

    def enter(name: str | None, request: gr.Request) -> Iterator[list[object]]:
        names = site.service.photo_sets(owner=owner_of(request))
        chosen = name or (names[0] if names else None)
        # Said once, and nothing where there is nothing to say: somebody may be writing a name meanwhile.
        said = gr.update(choices=names) if name or not names else gr.update(choices=names, value=chosen)
        for seen in look(chosen, request):
            yield [*seen, said]
            said = gr.skip()

    def arrive(request: gr.Request) -> list[object]:
        names = site.service.photo_sets(owner=owner_of(request))
        # Where there is nothing to choose nothing is said: somebody may be writing a name already.
        return [gr.update(choices=names), gr.update(choices=names, value=names[0]) if names else gr.skip()]

    dropped.upload(add, [name, dropped], [*shown, name, dropped], **private)
    name.input(look, [name], shown, **private)
    tab.select(enter, [name], [*shown, name], **private)
    said.change(hear, [said, name], [opened, *shown], **private)
    onward.click(lambda: gr.Tabs(selected="train"), None, [tabs], **private)
    page.load(arrive, None, [name, sets], **private)


def report_of(site: Site, name: str, report: PhotoReport) -> Html:
    """Gives the contact sheet: the verdict on the set, advice, and each photo with what is wrong with it."""
    good = sum(photo.verdict == "good" for photo in report.photos)
    head = tag("h2", site(f"photos.{report.verdict}"))
    count = tag("p", site("photos.count", count=len(report.photos), good=good), class_="quiet")
    advice = tag("ul", *(tag("li", with_code(spoken(site, sentence))) for sentence in report.advice), class_="advice")
    return joined(
        [head, count, advice, row(*(_photo(site, name, photo) for photo in report.photos), class_="pictures small")]
    )


def _photo(site: Site, name: str, photo: Any) -> Html:
    at = photo.file.stat().st_mtime_ns if photo.file.exists() else 0
    small = tag("img", src=f"/web/photos/{name}/{photo.file.name}?at={at}", alt=photo.file.name, loading="lazy")
    opening = json.dumps({"verb": "open", "file": photo.file.name})
    image = tag("button", small, type="button", class_="picture", data_channel=SAID, data_said=opening)
    verdict = tag("span", site(f"verdict.{photo.verdict}"), class_=f"verdict {photo.verdict}")
    problems = "; ".join(spoken(site, sentence) for sentence in photo.problems)
    return tag("figure", image, tag("figcaption", verdict, tag("div", photo.file.name), problems))
