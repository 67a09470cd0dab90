"""The tabs that say what this is, where things are kept, and on which model new work goes."""

from typing import Any

import gradio as gr

from retrato import __version__
from retrato.errors import RetratoError
from retrato.markup import Html, joined, tag
from retrato.server.web.site import Site, problem
from retrato.server.web.spoken import spoken_error


def settings_tab(site: Site, page: Any, tabs: Any) -> None:
    """Adds the tab where the model is chosen."""
    with tabs, gr.Tab(site("tab.settings"), id="settings"), gr.Column(elem_classes="narrow"):
        model = gr.Dropdown(
            [], label=site("settings.model"), info=site("settings.model.info"), elem_id="settings-model"
        )
        trouble = gr.HTML(elem_id="settings-trouble")
        gr.HTML(places_of(site))

    def arrive() -> Any:
        models = [(each.name, each.source) for each in site.service.models()]
        return gr.update(choices=models, value=site.service.model)

    def use(source: str) -> Html:
        try:
            used = site.service.use_model(source)
        except RetratoError as error:
            return problem("settings-model", spoken_error(site, error))
        return tag("p", site("settings.used", model=used.name), class_="quiet", role="status")

    private: Any = {"api_visibility": "private", "show_progress": "hidden"}
    page.load(arrive, None, [model], **private)
    model.input(use, [model], [trouble], **private)


def about_tab(site: Site, tabs: Any) -> None:
    """Adds the tab that says what this is."""
    with tabs, gr.Tab(site("tab.about"), id="about"), gr.Column(elem_classes="narrow"):
        gr.HTML(about_of(site))


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
