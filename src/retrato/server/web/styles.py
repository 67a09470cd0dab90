"""Styles, wildcards and the matrix in the tab where people are drawn: one prompt that becomes another, or several."""

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from retrato.errors import PromptError, SettingsError
from retrato.markup import Html, joined, tag
from retrato.prompts import Style, StyleFile, WildcardFolder
from retrato.server.web.controls import control, describe, problem_of
from retrato.server.web.site import TOLD, Site, label
from retrato.settings import GenerateSettings

NAMES = ("styles", "wildcards", "matrix")
ON_A_SHEET = "matrix_sheet"
SHOWN = 40  # word lists


def style_fields(site: Site, prompts: list[Any]) -> Mapping[str, Any]:
    """Adds the folded-away fields; gives those of NAMES, ON_A_SHEET and `lists`, which `arriving` fills.

    `prompts` are the controls of the prompt and of the negative one, which can be kept as a style.
    """
    controls: dict[str, Any] = {}
    with gr.Accordion(site("draw.styles"), open=False):
        styles = controls["styles"] = gr.Dropdown(
            [],
            multiselect=True,
            label=label(site, "styles"),
            info=describe(site, GenerateSettings, "styles"),
            elem_id="draw-styles",
        )
        remove = gr.Button(site("draw.style.remove"), elem_id="draw-style_remove", visible=False, size="sm")
        with gr.Row(elem_classes="pair to-the-foot"):
            name = gr.Textbox(label=site("draw.style.name"), elem_id="draw-style_name", max_lines=1, min_width=120)
            keep = gr.Button(site("draw.style.keep"), elem_id="draw-style_keep", min_width=120)
        said = gr.HTML(elem_id="draw-style_said")
        controls["lists"] = gr.HTML(elem_id="draw-lists")
        for field in ("wildcards", "matrix"):
            options = GenerateSettings.model_fields[field].annotation.__args__  # type: ignore[union-attr]
            choices = [(site(f"draw.{field}.{option}"), option) for option in options]
            # The lists say what they do: in a description, which is read as Markdown, __name__ would be bold.
            controls[field] = control(site, GenerateSettings, field, "draw", choices=choices, info=None)
        controls[ON_A_SHEET] = gr.Checkbox(label=site("draw.matrix.sheet"), visible=False, elem_id=f"draw-{ON_A_SHEET}")

    def save(name: str, prompt: str, negative: str) -> list[object]:
        try:
            save_style(site, Style((name or "").strip(), prompt or "", negative or ""))
        except TOLD as error:
            return [problem_of(site, error, "draw", {PromptError: "style_name"}), gr.skip(), gr.skip()]
        names = list(_styles(site).read())
        kept = tag("p", site("draw.style.kept", name=name.strip()), class_="quiet", role="status")
        return [kept, gr.update(choices=names), ""]

    def forget(chosen: list[str]) -> list[object]:
        try:
            gone = remove_styles(site, chosen)
        except TOLD as error:
            return [problem_of(site, error, "draw", {PromptError: "styles"}), gr.skip()]
        return [gone, gr.update(choices=list(_styles(site).read()), value=[])]

    private: Any = {"api_visibility": "private", "show_progress": "hidden"}
    styles.change(lambda chosen: gr.update(visible=bool(chosen)), [styles], [remove], **private)
    remove.click(forget, [styles], [said, styles], **private)
    keep.click(save, [name, *prompts], [said, styles, name], **private)
    controls["matrix"].change(
        lambda matrix: gr.update(visible=matrix != "off"), [controls["matrix"]], [controls[ON_A_SHEET]], **private
    )
    return controls


def arriving(site: Site) -> list[object]:
    """Gives what the fields `styles` and `lists` show to whoever opens the page."""
    try:
        names = list(_styles(site).read())
    except PromptError as error:
        return [gr.update(choices=[]), problem_of(site, error, "draw", {PromptError: "styles"})]
    return [gr.update(choices=names), lists_of(site)]


def save_style(site: Site, style: Style) -> None:
    """Keeps a style under a name that is free. Raises PromptError and SettingsError."""
    if not style.prompt.strip() and not style.negative_prompt.strip():
        raise SettingsError(site("draw.style.empty"), field="prompt")
    if style.name in _styles(site).read():
        raise PromptError(f"there is a style called {style.name!r} already: choose another name")
    _styles(site).save(style)


def remove_styles(site: Site, names: Sequence[str]) -> Html:
    """Removes styles; gives what they said, so that one that was removed by mistake can be kept again."""
    gone = _styles(site).find(names)
    for style in gone:
        _styles(site).remove(style.name)
    return joined(
        [
            tag(
                "p",
                site("draw.style.removed", name=style.name),
                *(joined([" ", tag("code", words)]) for words in (style.prompt, style.negative_prompt) if words),
                class_="quiet",
                role="status",
            )
            for style in gone
        ]
    )


def lists_of(site: Site) -> Html:
    """Gives how words are chosen and left out, and the names of the word lists."""
    names = WildcardFolder(site.service.home / "wildcards").names
    marks = [tag("code", f"__{name}__") for name in names[:SHOWN]]
    there = joined([site("draw.lists"), " ", joined(marks, " ")]) if marks else site("draw.lists.none")
    return joined([tag("p", site("draw.choosing"), class_="quiet"), tag("p", there, class_="quiet")])


def _styles(site: Site) -> StyleFile:
    return StyleFile(site.service.home / "styles.csv")
