"""The tabs that say what this is, where things are kept, and on which model new work goes; the header says so too."""

from pathlib import Path
from typing import Any

import gradio as gr

from retrato import __version__
from retrato.markup import Html, joined, tag
from retrato.server.web.site import LANGUAGES, TOLD, Site, most_of_file, most_together, path_of, problem
from retrato.server.web.spoken import spoken_error


def settings_tab(site: Site, page: Any, header: Any, tabs: Any) -> None:
    """Adds the tab where the model is chosen, which `header` names."""
    with tabs, gr.Tab(site("tab.settings"), id="settings"), gr.Column(elem_classes="narrow"):
        model = gr.Dropdown(
            [], label=site("settings.model"), info=site("settings.model.info"), elem_id="settings-model"
        )
        trouble = gr.HTML(elem_id="settings-trouble")
        gr.HTML(places_of(site))

    def arrive() -> Any:
        models = [(each.name, each.source) for each in site.service.models()]
        return gr.update(choices=models, value=site.service.model)

    def use(source: str) -> list[object]:
        try:
            used = site.service.use_model(source)
        except TOLD as error:
            return [problem("settings-model", spoken_error(site, error)), gr.skip()]
        said = tag("p", site("settings.used", model=used.name), class_="quiet", role="status")
        return [said, header_of(site)]

    private: Any = {"api_visibility": "private", "show_progress": "hidden"}
    page.load(arrive, None, [model], **private)
    model.input(use, [model], [trouble, header], **private)


def about_tab(site: Site, tabs: Any) -> None:
    """Adds the tab that says what this is."""
    with tabs, gr.Tab(site("tab.about"), id="about"), gr.Column(elem_classes="narrow"):
        gr.HTML(about_of(site))


def header_of(site: Site) -> Html:
    """Gives the head of the page: the model that new work goes to, and the page's other languages."""
    others = [
        tag("a", name, href=f"{path_of(language)}/", lang=language)
        for language, name in LANGUAGES.items()
        if language != site.language
    ]
    brand = tag("a", tag("span", "", class_="mark"), "retrato", href="/", class_="brand")
    source = site.service.model
    model = next((each.name for each in site.service.models() if each.source == source), Path(source).name)
    used = tag("span", site("model.used", model=model), class_="quiet")
    nav = tag("nav", used, joined(others), aria_label=site("language"))
    most, together = most_of_file(site.service), most_together(site.service)
    return tag(
        *("header", brand, nav),
        lang=site.language,
        data_drop=site("drop.anywhere"),
        data_lost=site("lost"),
        data_most=str(most),
        data_most_together=str(together),
        # The page's script puts the names of the files into it.
        data_too_large=site("drop.too large", names="{names}", megabytes=most // 1_000_000),
        data_too_much=site("drop.too much", megabytes=together // 1_000_000),
    )


def places_of(site: Site) -> Html:
    """Gives where things are kept."""
    home = site.service.home
    facts = {
        "settings.home": home,
        "settings.outputs": home / "outputs",
        "settings.embeddings": home / "embeddings",
        "settings.models": home / "models",
        "settings.photos": home / "photos",
    }
    rows = [joined([tag("dt", site(key)), tag("dd", str(path))]) for key, path in facts.items()]
    return joined([tag("h3", site("settings.places")), tag("dl", *rows, class_="facts")])


def about_of(site: Site) -> Html:
    """Gives the page about retrato."""
    sentences = [tag("p", site(f"about.{name}")) for name in ("what", "private", "consent", "elsewhere")]
    link = tag("p", tag("a", site("about.api"), href="/docs"))
    return tag("div", tag("h2", f"retrato {__version__}"), *sentences, link, class_="prose-like")
