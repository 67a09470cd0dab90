"""The tab with everybody who can be drawn: cards, mixing, renaming, files for other programs, forgetting."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from retrato.embeddings import FORMATS, Embedding, EmbeddingLibrary, blend, check_name
from retrato.embeddings.embedding import in_prompt
from retrato.errors import HypernetworkError, SettingsError
from retrato.generation import hypernet_tag, is_sheet
from retrato.hypernetworks import HYPERNETWORK_FORMATS, HypernetworkLibrary
from retrato.jobs import Job
from retrato.markup import Html, joined, tag, with_code
from retrato.model.words import check_own_word
from retrato.server.web.draw import names_of
from retrato.server.web.fields import CHOICES
from retrato.server.web.site import TOLD, Site, button, empty, owner_of, problem
from retrato.server.web.spoken import spoken, spoken_error
from retrato.training.learnable import subject_of

SAID = "people-said"


def people_tab(site: Site, controls: Mapping[str, Any], tabs: Any) -> None:
    """Adds the tab; `controls` are those of the tab where one draws."""
    with tabs, gr.Tab(site("tab.people"), id="people") as tab:
        cards = gr.HTML(elem_id="people-cards")
        with gr.Row(elem_classes="two-sides"):
            with gr.Column(min_width=300), gr.Accordion(site("people.blend"), open=False):
                parts = gr.Dropdown([], label=site("people.parts"), multiselect=True, elem_id="people-parts")
                weights = gr.Textbox(label=site("people.weights"), placeholder="0.5, 0.5", elem_id="people-weights")
                mixed = gr.Textbox(label=site("people.new name"), elem_id="people-mixed")
                mix = gr.Button(site("people.blend.do"), elem_id="people-blend")
            with gr.Column(min_width=300), gr.Accordion(site("people.rename"), open=False):
                old = gr.Dropdown([], label=site("people.who"), elem_id="people-old")
                new = gr.Textbox(label=site("people.new name"), elem_id="people-new")
                rename = gr.Button(site("people.rename.do"), elem_id="people-rename")
        trouble = gr.HTML(elem_id="people-trouble")
        said = gr.Textbox(elem_id=SAID, visible="hidden", show_label=False)
    shown = [cards, parts, old, controls["names"], trouble]

    def show(request: gr.Request, trouble: str = "") -> list[object]:
        library = site.service.everybody
        names = library.names
        page = cards_of(site, library, owner_of(request))
        return [page, gr.update(choices=names), gr.update(choices=names), names_of(site), trouble]

    def arrive(request: gr.Request) -> list[object]:
        return show(request)

    def hear(said: str, request: gr.Request) -> list[object]:
        _, verb, name = [*said.split(" ", 2), "", ""][:3]
        if verb == "draw":
            return [*[gr.skip()] * 5, gr.Tabs(selected="draw"), f"a portrait of {in_prompt(name)}"]
        if verb == "network":
            return [*[gr.skip()] * 5, gr.Tabs(selected="draw"), _prompt_of_network(site, name)]
        try:
            if verb == "network-remove":
                HypernetworkLibrary(site.service.home / "hypernetworks").remove(name)
            else:
                site.service.forget(name, owner=owner_of(request))
        except TOLD as error:
            return [*show(request, problem("people-cards", spoken_error(site, error))), gr.skip(), gr.skip()]
        return [*show(request), gr.skip(), gr.skip()]

    def do_blend(parts: list[str] | None, weights: str, name: str, request: gr.Request) -> list[object]:
        library, field = site.service.everybody, "people-parts"
        try:
            people = [library[each] for each in parts or []]
            if not people:
                raise SettingsError(site("people.parts.none"))
            field = "people-weights"
            mixed = blend(people, _weights(weights, len(people)), "blend")
            field = "people-mixed"
            mixed = replace(mixed, name=check_name(name.strip()))
            check_own_word(mixed.name, mixed.dims, site.service.model)
            library.add(mixed)
        except TOLD as error:
            return show(request, problem(field, spoken_error(site, error)))
        return show(request)

    def do_rename(old: str | None, new: str, request: gr.Request) -> list[object]:
        if not old:
            return show(request, problem("people-old", site("people.who.none")))
        try:
            library = site.service.everybody
            check_own_word(new.strip(), library[old].dims, site.service.model)
            library.rename(old, new.strip())
        except TOLD as error:
            return show(request, problem("people-new", spoken_error(site, error)))
        return show(request)

    private: Any = {"api_visibility": "private", "show_progress": "hidden"}
    tab.select(arrive, None, shown, **private)
    said.change(hear, [said], [*shown, tabs, controls["prompt"]], **private)
    mix.click(do_blend, [parts, weights, mixed], shown, **private)
    rename.click(do_rename, [old, new], shown, **private)


def cards_of(site: Site, library: EmbeddingLibrary, owner: str) -> Html:
    """Gives a card for each person, and what could not be read with the reason."""
    networks = HypernetworkLibrary(site.service.home / "hypernetworks")
    nets = [_network_card(site, name, networks) for name in networks.names]
    if not len(library) and not library.skipped and not nets:
        return empty(site("people.empty"), site("people.empty.next"))
    trained = [job for job in site.service.queue.jobs(owner=owner, states=("done",)) if job.kind == "train"]
    cards = [_card(site, embedding, owner, trained) for embedding in library.embeddings.values()]
    skipped = [tag("li", with_code(f"{path.name}: {spoken(site, reason)}")) for path, reason in library.skipped.items()]
    parts = [tag("div", *cards, class_="cards")] if cards else []
    if nets:
        parts += [tag("h2", site("people.networks"), class_="later"), tag("div", *nets, class_="cards")]
    if skipped:
        parts += [tag("h3", site("people.skipped")), tag("ul", *skipped, class_="advice")]
    return joined(parts)


def _card(site: Site, embedding: Embedding, owner: str, trained: list[Job]) -> Html:
    name = embedding.name
    found = site.service.gallery.search(person=name, owner=owner, limit=12)
    pictures = [each for each in found if not is_sheet(Path(each.file))]
    face = tag("div", name[:1].upper(), class_="face", aria_hidden="true")
    address = f"/api/v1/pictures/{pictures[0].id}/thumbnail" if pictures else _learned(site, name, trained)
    if address:
        face = tag("img", src=address, alt=name, class_="face")
    facts = site("people.vectors", vectors=embedding.vectors_per_token)
    if embedding.base_model:
        facts += " · " + site("people.model", model=embedding.base_model)
    sure = site("people.sure", name=name)
    forget = button(site("people.forget"), SAID, f"forget {name}", class_="small danger", sure=sure)
    actions = tag("div", button(site("people.draw"), SAID, f"draw {name}"), forget, class_="row")
    export = _export(site, "people", {kind: each.description for kind, each in FORMATS.items()}, name)
    return tag("article", face, tag("h3", name), tag("p", facts, class_="quiet"), actions, export, class_="card")


def _prompt_of_network(site: Site, name: str) -> str:
    """Gives a prompt with the words that a hypernetwork was learned with, those of anybody where it says none."""
    try:
        network = HypernetworkLibrary(site.service.home / "hypernetworks")[name]
    except HypernetworkError:
        return hypernet_tag(name)
    return subject_of(network, "person").prompt("a portrait of [name]")


def _network_card(site: Site, name: str, library: HypernetworkLibrary) -> Html:
    """Gives the card of a hypernetwork; one that cannot be read says why, and can be removed."""
    try:
        network = library[name]
    except TOLD as error:
        facts: list[Html] = [tag("p", with_code(spoken_error(site, error)), class_="problem")]
    else:
        layers = ", ".join(map(str, network.sizes))
        facts = [tag("p", site("people.network", layers=layers, model=network.base_model or "?"), class_="quiet")]
        formats = {kind: each.description for kind, each in HYPERNETWORK_FORMATS.items()}
        facts.append(_export(site, "hypernetworks", formats, name))
    sure = site("people.network.sure", name=name)
    remove = button(site("gallery.remove"), SAID, f"network-remove {name}", class_="small danger", sure=sure)
    actions = tag("div", button(site("people.draw"), SAID, f"network {name}"), remove, class_="row")
    return tag("article", tag("h3", name), *facts, actions, class_="card plain")


def _export(site: Site, folder: str, formats: Mapping[str, str], name: str) -> Html:
    """Gives links to the file in each of the `formats`, which come with what they are for."""
    files = [
        tag("a", kind, href=f"/web/{folder}/{kind}/{name}", title=_told(site, said), download="")
        for kind, said in formats.items()
    ]
    return tag("p", f"{site('people.export')} ", joined(files, " · "), class_="quiet")


def _told(site: Site, description: str) -> str:
    """Gives what a format is for: in English the library's own words."""
    return description if site.language == "en" else CHOICES[description]


def _learned(site: Site, name: str, trained: list[Job]) -> str | None:
    """Gives the address of what the checkpoint that was kept drew, None where no job of `trained` knows one."""
    for job in trained:
        picked = site.service.queue.latest(job.id, ("picked",)) if job.settings.get("name") == name else None
        if picked is None:
            continue
        wanted = picked.data["candidate"]["step"], picked.data["candidate"]["is_average"]
        for event in site.service.queue.events(job.id, kinds=("scored",)):
            found = event.data["candidate"]
            if (found["step"], found["is_average"]) == wanted and found["pictures"]:
                return f"/web/candidates/{job.id}/{event.number}/0"
    return None


def _weights(text: str, count: int) -> list[float]:
    if not text.strip():
        return [1 / count] * count if count else []
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise SettingsError(f"weights are {text!r}: write one number for each person, such as 0.7, 0.3") from None
