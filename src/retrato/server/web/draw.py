"""The tab where people are drawn: what is asked for on one side, what comes of it on the other."""

import json
from collections.abc import Mapping
from typing import Any

import gradio as gr

from retrato.errors import (
    EmbeddingError,
    HypernetworkError,
    PhotoError,
    PromptError,
    RetratoError,
    UnknownError,
)
from retrato.generation.upscale import IMAGE_UPSCALERS, LATENT_UPSCALERS
from retrato.jobs import Job, order_drawing, order_grid
from retrato.jobs.job import Kind
from retrato.markup import Html, joined, tag, with_code
from retrato.sampling import SAMPLERS, SCHEDULES
from retrato.server.web.again import carried_fields, carried_settings
from retrato.server.web.controls import control, problem_of, settings_of
from retrato.server.web.easel import NAMES as BEGINNING
from retrato.server.web.easel import WORDS, beginnings, easel
from retrato.server.web.sheet import NAMES as SHEET
from retrato.server.web.sheet import axes_of, sheet_fields
from retrato.server.web.site import TOLD, Site, bar, empty, job_of, label, owner_of
from retrato.server.web.spoken import spoken
from retrato.server.web.styles import NAMES as STYLES
from retrato.server.web.styles import ON_A_SHEET, arriving, style_fields
from retrato.settings import GenerateSettings

FIRST = ("prompt", "negative_prompt")
SIZES = ("width", "height", "count", "seed")
LIST = ("sampler", "steps", "guidance_scale")
ADVANCED = (
    *("schedule", "batch_size", "clip_skip", "emphasis", "schedule_rules", "hypernetwork"),
    *("hypernetwork_strength", "tiling", "prompt_comments"),
)
NAMES = (*FIRST, *SIZES, *LIST, *ADVANCED, *STYLES)
HIRES = ("hires", "hires_scale", "hires_steps", "hires_upscaler")  # only where one begins with words
KINDS: tuple[Kind, ...] = ("draw", "grid")
HANDS = ("mode", "source", "mask")
# Where an error is shown that is about no setting. Pictures are what a drawing begins with.
PLACES: Mapping[type[RetratoError], str] = {
    PromptError: "prompt",
    EmbeddingError: "prompt",
    HypernetworkError: "prompt",
    PhotoError: "easel",
    UnknownError: "easel",
}


def draw_tab(site: Site, page: Any, acted: Any, tabs: Any) -> Mapping[str, Any]:
    """Adds the tab; gives its controls by the names of the settings, so that other tabs can fill them.

    `acted` changes once something was done to a job under Queue.
    """
    controls: dict[str, Any] = {}

    def add(name: str, **look: Any) -> None:
        if name not in ("prompt", *ADVANCED):
            look = {"info": None, **look}
        controls[name] = control(site, GenerateSettings, name, "draw", **look)

    with tabs, gr.Tab(site("tab.draw"), id="draw") as tab, gr.Row(elem_classes="two-sides"):
        with gr.Column(scale=5, min_width=320):
            add("prompt", lines=4, placeholder=site("draw.prompt"), info=site("draw.keys"))
            add("negative_prompt", lines=1)
            with gr.Row(elem_classes="actions"):
                start = gr.Button(site("draw.start"), variant="primary", elem_id="draw-start", scale=3)
                stop = gr.Button(site("draw.stop"), elem_id="draw-stop", scale=1, min_width=90, interactive=False)
            trouble = gr.HTML(elem_id="draw-trouble")
            controls |= carried_fields(site)
            controls |= easel(site)
            with gr.Row(elem_classes="pair"):
                add("width", placeholder=site("model's own"), min_width=120)
                add("height", placeholder=site("model's own"), min_width=120)
            with gr.Row(elem_classes="pair"):
                add("count", value=4, min_width=120)
                add("seed", min_width=120)
            add("steps")
            with gr.Row(elem_classes="pair"):
                add("sampler", choices=SAMPLERS, min_width=120)
                add("guidance_scale", placeholder=site("model's own"), min_width=120)
            controls |= style_fields(site, [controls[name] for name in FIRST])
            controls |= sheet_fields(site)
            with gr.Accordion(site("draw.hires"), open=False) as finer:
                for name in HIRES:
                    controls[name] = control(
                        site,
                        GenerateSettings,
                        name,
                        "draw",
                        **({"info": None} if name == "hires_scale" else {}),  # its label says as much
                        choices=[*LATENT_UPSCALERS, *IMAGE_UPSCALERS] if name == "hires_upscaler" else None,
                    )
                again = {"label": site("draw.hires.denoise"), "elem_id": "draw-hires_denoise"}
                controls["hires_denoise"] = gr.Slider(0, 1, value=0.7, step=0.05, buttons=[], **again)
            with gr.Accordion(site("advanced"), open=False):
                for name in ADVANCED:
                    add(name, choices={"schedule": SCHEDULES, "hypernetwork": [""]}.get(name))
        with gr.Column(scale=7, min_width=320):
            stage = gr.HTML(stage_of(site, None), elem_id="draw-stage")
            names = gr.HTML(elem_id="people-names", visible="hidden")
    job = gr.State("")
    timer = gr.Timer(0.7, active=False)
    shown = [job, stage, stop, timer, trouble]
    asked = (*NAMES, *HIRES, "hires_denoise", *HANDS, *BEGINNING, *SHEET, ON_A_SHEET, "carried")
    fields = [controls[name] for name in asked]
    queue = site.service.queue

    def submit(request: gr.Request, *values: object) -> list[object]:
        try:
            ordered = order_of(site, dict(zip(asked, values, strict=True)), owner_of(request))
        except TOLD as error:
            return [gr.skip(), gr.skip(), gr.skip(), gr.skip(), problem_of(site, error, "draw", PLACES)]
        return _shown(site, ordered)

    def watch(job: str, request: gr.Request) -> list[object]:
        owner = owner_of(request)
        return _shown(site, job_of(site, job, owner) if job else queue.newest(KINDS, owner=owner))

    def cancel(job: str, request: gr.Request) -> list[object]:
        owner = owner_of(request)
        try:
            return _shown(site, queue.cancel(job, owner=owner))
        except RetratoError:  # it ended just before
            return watch(job, request)
        except OSError as error:
            return [*watch(job, request)[:-1], problem_of(site, error, "draw")]

    def look(request: gr.Request) -> list[object]:
        return _shown(site, queue.newest(KINDS, owner=owner_of(request)))[:-1]  # a sentence about a mistake stays

    def arrive(request: gr.Request) -> list[object]:
        networks = gr.update(choices=["", *site.service.studio.hypernetworks.names])
        others = [names_of(site), networks, *arriving(site)]
        return [*look(request), *others]

    def begin(request: gr.Request) -> list[object]:
        site.service.warm_up()
        return arrive(request)

    private: Any = {"api_visibility": "private", "show_progress": "hidden"}
    start.click(submit, fields, shown, **private)
    stop.click(cancel, [job], shown, **private)
    timer.tick(watch, [job], shown, queue=False, **private)
    controls["mode"].change(lambda mode: gr.update(visible=mode == WORDS), [controls["mode"]], [finer], **private)
    listed = [controls[name] for name in ("hypernetwork", "styles", "lists")]
    renewed = [*shown[:-1], names, *listed]
    page.load(begin, None, renewed, **private)
    tab.select(arrive, None, renewed, **private)
    acted.change(look, None, shown[:-1], **private)
    controls["names"] = names
    return controls


def order_of(site: Site, values: Mapping[str, Any], owner: str) -> Job:
    """Queues what the controls say, by their names: pictures, or a sheet of them. Raises what the library says."""
    settings = drawing_of(site, values, owner)
    axes = axes_of(site, values, settings, owner)
    asked: Any = {"owner": owner, "model": site.service.model}
    is_sheet = bool(axes) or (settings.matrix != "off" and values[ON_A_SHEET])
    site.service.check_words(settings.changed(count=1) if is_sheet else settings)
    if is_sheet:
        return order_grid(site.service.queue, settings, axes, **asked)
    return order_drawing(site.service.queue, settings, **asked)


def drawing_of(site: Site, values: Mapping[str, Any], owner: str) -> GenerateSettings:
    """Gives the settings that the controls say, by their names. Raises what the library says about them."""
    said = {name: values[name] for name in NAMES} | beginnings(site.service, values, owner=owner)
    if values["mode"] == WORDS and values["hires"]:
        said |= {name: values[name] for name in HIRES} | {"denoising_strength": values["hires_denoise"]}
    said |= carried_settings(values)
    settings: GenerateSettings = settings_of(GenerateSettings, said, said.values())
    return settings


def stage_of(site: Site, job: Job | None) -> Html:
    """Gives what there is to see of a drawing: the picture in the making, those that are there, and how far it is."""
    if job is None:
        return empty(site("draw.empty"), site("draw.empty.next"))
    drawn = site.service.queue.events(job.id, kinds=("drawn",))
    pictures = [_picture(site, job, event.number, event.data) for event in drawn]
    title = tag("p", str(job.settings["prompt"]), class_="said")
    head = tag("div", *_state(site, job), class_="state")
    if job.state == "running" and site.service.queue.preview(job.id) is not None:
        address = f"/web/previews/{job.id}?at={job.progress:.4f}"
        making = tag("img", src=address, alt=site("draw.making"), class_="making")
        pictures.insert(0, tag("figure", making, tag("figcaption", site("draw.making"))))
    many = "small" if job.kind == "grid" else "many" if len(pictures) > 1 else "one"
    pictures_of = tag("div", *pictures, class_=f"pictures {many}")
    return joined([head, *_surprises(site, job), *_sheet(site, job), pictures_of, title])


def _state(site: Site, job: Job) -> list[Html]:
    if job.state == "running":
        sampled = site.service.queue.latest(job.id, ("sampled",))
        if sampled is None:
            return [bar(job.progress, site("draw.begins"))]
        said = {"number": sampled.data["index"] + 1, "count": sampled.data["count"]}
        return [bar(job.progress, site("draw.running", **said, step=sampled.data["step"], steps=sampled.data["steps"]))]
    if job.state == "queued":
        return [bar(0, site("draw.queued", ahead=site.service.queue.ahead(job.id)))]
    if job.state == "failed":
        return [tag("p", with_code(spoken(site, job.error or "")), class_="problem", role="alert")]
    if job.state == "done":
        seconds = float((job.result or {}).get("seconds", 0))
        return [tag("p", site("draw.done", seconds=f"{seconds:.1f}"), class_="quiet", role="status")]
    return [tag("p", site(f"state.{job.state}"), class_="quiet", role="status")]


def _surprises(site: Site, job: Job) -> list[Html]:
    """Gives what may not be what was meant in the prompts, nothing where there is nothing."""
    found = site.service.queue.latest(job.id, ("surprised",))
    sentences = found.data["sentences"] if found else []
    return [tag("p", with_code(spoken(site, sentence)), class_="hint") for sentence in sentences]


def _picture(site: Site, job: Job, event: int, drawn: Mapping[str, Any]) -> Html:
    address = f"/api/v1/jobs/{job.id}/files/{event}"
    seed = site("draw.seed", seed=drawn["seed"])
    image = tag("img", src=address, alt=f"{str(job.settings['prompt'])[:200]}, {seed}", loading="lazy")
    opening = tag("a", image, href=address, target="_blank", data_large=address)
    return tag("figure", opening, tag("figcaption", " · ".join(drawn.get("labels", [])) or seed))


def _sheet(site: Site, job: Job) -> list[Html]:
    """Gives the sheet that a job has put together, nothing where there is none (yet)."""
    found = site.service.queue.latest(job.id, ("sheet",)) if job.kind == "grid" else None
    if found is None:
        return []
    address = f"/api/v1/jobs/{job.id}/files/{found.number}"
    axes = ", ".join(axis.partition("=")[0] for axis in job.options["axes"])
    image = tag("img", src=address, alt=site("draw.sheet.alt", axes=axes or label(site, "matrix")))
    return [tag("a", image, href=address, target="_blank", data_large=address, class_="compared")]


def _shown(site: Site, job: Job | None) -> list[object]:
    is_open = job is not None and job.state in ("queued", "running")
    picture = stage_of(site, job)
    return [job.id if job else "", picture, gr.update(interactive=is_open), gr.Timer(active=is_open), ""]


def names_of(site: Site) -> Html:
    """Gives the names of the people for the page's suggestions, to be read by its script."""
    names = site.service.everybody.names  # the studio's would wait for the model
    return tag("span", data_names=json.dumps(names))
