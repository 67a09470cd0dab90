"""The tab where photos are dropped: a set of them, a verdict on each with a small copy, and advice."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from retrato.files import printable
from retrato.markup import Html, joined, tag, with_code
from retrato.photos import Looked, PhotoReport
from retrato.photos.photo import SUFFIXES
from retrato.server.photo_files import name_for, read_cut, whole_size
from retrato.server.web.retouching import SAID, address_of, opened_photo, retouch, shared_photo
from retrato.server.web.site import TOLD, Site, bar, button, empty, owner_of, problem, row
from retrato.server.web.spoken import spoken, spoken_error


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
                file_types=sorted(SUFFIXES),
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
        owner, refused, called = owner_of(request), [], str(name or "").strip()
        still = [gr.skip()] * len(shown)
        # A mask goes to its photo, which has to be there.
        files = sorted(files or [], key=lambda file: name_for(Path(file).name)[1])
        if wrong := _wrong_with(site, called, owner):
            for file in files:
                Path(file).unlink(missing_ok=True)  # they are dropped again
            yield [*still[:3], problem("photos-set", wrong), gr.skip(), None]
            return
        for number, file in enumerate(files, 1):
            said = bar((number - 1) / len(files), site("photos.keeping", done=number, total=len(files)))
            yield [said, gr.update(interactive=False), gr.skip(), "", gr.skip(), None if number == 1 else gr.skip()]
            try:
                content = site.service.read_dropped(file)
                site.service.add_photo(called, Path(file).name, content, owner=owner)
            except TOLD as error:
                refused.append(tag("li", with_code(spoken_error(site, error))))
        trouble = tag("ul", *refused, class_="problem", role="alert") if refused else ""
        names = gr.update(choices=site.service.photo_sets(owner=owner))
        for seen in look(name, request):
            yield [*seen[:3], trouble, names, gr.skip()]

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
                is_own = site.service.is_own_set(chosen, owner=owner)
                sheet = report_of(site, chosen, found, is_own=is_own)
                yield [sheet, usable, gr.update(choices=names, value=chosen), ""]
        except TOLD as error:
            yield [problem("photos-set", spoken_error(site, error)), gr.update(interactive=False), gr.skip(), ""]

    def hear(said: str, name: str, request: gr.Request) -> Iterator[list[object]]:
        owner, told = owner_of(request), json.loads(said.partition(" ")[2] or "{}")
        still = [gr.skip()] * (len(shown) + 1)
        try:
            if told.get("verb") == "open":
                yield [opened_of(site, name, str(told["file"]), owner), *still]
                return
            if told.get("verb") == "delete":
                site.service.remove_photo_set(str(told["set"]), owner=owner)
                names = site.service.photo_sets(owner=owner)
                chosen = gr.update(choices=names, value=None)
                yield ["", nothing, gr.update(interactive=False), chosen, "", gr.update(choices=names)]
                return
            if told.get("verb") in ("save", "whole", "remove"):
                retouch(site.service, name, told, owner=owner)
        except TOLD as error:
            yield [problem("photos-opened", spoken_error(site, error)), *still]
            return
        if told.get("verb") == "close":
            yield ["", *still]
        else:
            for seen in look(name, request):
                yield ["", *seen, gr.skip()]

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

    # More may be dropped while the first ones are looked at.
    dropped.upload(add, [name, dropped], [*shown, name, dropped], trigger_mode="multiple", **private)
    name.input(look, [name], shown, **private)
    tab.select(enter, [name], [*shown, name], **private)
    said.change(hear, [said, name], [opened, *shown, name], **private)
    onward.click(lambda: gr.Tabs(selected="train"), None, [tabs], **private)
    page.load(arrive, None, [name, sets], **private)


def _wrong_with(site: Site, name: str, owner: str) -> str | None:
    """Gives why photos of `owner`'s cannot go by a name; None where they can."""
    if not name:
        return site("photos.unnamed")
    try:
        site.service.check_own_set(name, owner=owner)
    except TOLD as error:
        return spoken_error(site, error)
    return None


def opened_of(site: Site, name: str, file: str, owner: str) -> Html:
    """Gives a photo of a set, opened: to change where it is `owner`'s own. Raises UnknownError and PhotoError."""
    photo = site.service.photo(name, file, owner=owner)
    caption = photo.with_suffix(".txt")
    words = caption.read_text("utf-8", "replace").strip() if caption.exists() else ""
    if not site.service.is_own_set(name, owner=owner):
        return shared_photo(site, name, photo, words)
    return opened_photo(site, name, photo, words, read_cut(photo), whole_size(photo))


def report_of(site: Site, name: str, report: PhotoReport, *, is_own: bool = True) -> Html:
    """Gives the contact sheet: the verdict on the set, advice, and each photo with what is wrong with it.

    A set that `is_own` can be deleted.
    """
    good = sum(photo.verdict == "good" for photo in report.photos)
    head = tag("h2", site(f"photos.{report.verdict}"))
    count = tag("p", site("photos.count", count=len(report.photos), good=good), class_="quiet")
    advice = tag("ul", *(tag("li", with_code(spoken(site, sentence))) for sentence in report.advice), class_="advice")
    sure = site("photos.delete.sure", name=name, count=len(report.photos))
    said = json.dumps({"verb": "delete", "set": name})
    delete = button(site("photos.delete"), SAID, said, class_="small danger", sure=sure)
    pictures = row(*(_photo(site, name, photo) for photo in report.photos), class_="pictures small")
    return joined([head, count, advice, pictures, *([row(delete)] if is_own else [])])


def _photo(site: Site, name: str, photo: Any) -> Html:
    at = photo.file.stat().st_mtime_ns if photo.file.exists() else 0
    called = printable(photo.file.name)
    small = tag("img", src=f"{address_of(name, photo.file)}?at={at}", alt=called, loading="lazy")
    opening = json.dumps({"verb": "open", "file": photo.file.name})
    image = tag("button", small, type="button", class_="picture", data_channel=SAID, data_said=opening)
    verdict = tag("span", site(f"verdict.{photo.verdict}"), class_=f"verdict {photo.verdict}")
    problems = "; ".join(spoken(site, sentence) for sentence in photo.problems)
    return tag("figure", image, tag("figcaption", verdict, tag("div", called), problems))
