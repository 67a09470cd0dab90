"""The tab where a person is learned, and watched being learned. What it shows comes from the job, not from the page."""

from collections.abc import Iterator, Mapping
from typing import Any

import gradio as gr

from retrato.embeddings.embedding import in_prompt
from retrato.errors import EmbeddingError, HypernetworkError, PhotoError, RetratoError, UnknownError
from retrato.jobs import Job, order_training
from retrato.markup import Html, joined, tag, with_code
from retrato.server.web.controls import control, problem_of, settings_of
from retrato.server.web.draw import names_of
from retrato.server.web.site import TOLD, Site, bar, empty, job_of, owner_of, problem
from retrato.server.web.spoken import spoken, spoken_error
from retrato.server.web.watching import Checkpoint, Watched, fold
from retrato.settings import HypernetworkSettings, LearnSettings, TrainSettings
from retrato.training.report.curves import Series, chart

FIRST = ("name", "initializer_text", "vectors_per_token", "recipe")
ADVANCED = (
    *("steps", "learning_rate", "batch_size", "gradient_accumulation", "gradient_clip", "gradient_clip_by", "width"),
    *("height", "buckets", "use_mask", "template", "caption", "shuffle_tags", "tag_dropout", "latent_sampling"),
    *("clip_skip", "held_out", "evaluate_every", "save_every", "preview_every", "preview_prompt", "preview_cards"),
    *("seed", "overwrite"),
)
NAMES = (*FIRST, *ADVANCED)
OF_THE_RECIPE = ("steps", "learning_rate", "batch_size", "template", "evaluate_every", "save_every", "preview_every")
OF_THE_MODEL = ("width", "height")
OF_A_WORD = ("vectors_per_token", "preview_cards")  # a hypernetwork has neither
KINDS: Mapping[str, type[LearnSettings]] = {"embedding": TrainSettings, "hypernetwork": HypernetworkSettings}
OPEN = ("queued", "running", "paused")
# Where an error is shown that is about no setting.
PLACES: Mapping[type[RetratoError], str] = {
    EmbeddingError: "name",
    HypernetworkError: "name",
    PhotoError: "photos",
    UnknownError: "photos",
}


def train_tab(site: Site, page: Any, sets: Any, names: Any, acted: Any, tabs: Any) -> None:
    """Adds the tab; `sets` is its list of sets of photos, `names` the suggestions of the tab where one draws.

    `acted` changes once something was done to a job under Queue.
    """
    controls = {}
    with tabs, gr.Tab(site("tab.train"), id="train") as tab, gr.Row(elem_classes="two-sides"):
        with gr.Column(scale=4, min_width=300):
            sets.render()
            for name in FIRST:
                controls[name] = control(site, TrainSettings, name, "train")
            kinds = [(site(f"train.kind.{kind}"), kind) for kind in KINDS]
            texts = {"label": site("train.kind"), "info": site("train.kind.info"), "elem_id": "train-kind"}
            what = gr.Radio(kinds, value="embedding", **texts)
            with gr.Accordion(site("advanced"), open=False):
                for name in ADVANCED:
                    whose = "recipe's own" if name in OF_THE_RECIPE else "model's own" if name in OF_THE_MODEL else ""
                    nothing = {"placeholder": site(whose)} if whose else {}
                    controls[name] = control(site, TrainSettings, name, "train", **nothing)
            start = gr.Button(site("train.start"), variant="primary", elem_id="train-start")
            trouble = gr.HTML(elem_id="train-trouble")
        with gr.Column(scale=8, min_width=320):
            with gr.Row(elem_classes="actions"):
                pause = gr.Button(site("train.pause"), visible=False, elem_id="train-pause")
                stop = gr.Button(site("train.stop"), visible=False, elem_id="train-stop")
                resume = gr.Button(site("train.resume"), visible=False, elem_id="train-resume")
            stage = gr.HTML(run_of(site, None, Watched()), elem_id="train-stage")
    watched = gr.State(Watched())
    timer = gr.Timer(1, active=False)
    shown = [watched, stage, pause, stop, resume, timer, trouble]
    queue = site.service.queue

    def submit(photos: str | None, kind: str, request: gr.Request, *values: Any) -> Iterator[list[object]]:
        owner = owner_of(request)
        if not photos:
            yield [*[gr.skip()] * 6, problem("train-photos", site("train.no photos"))]
            return
        try:
            said = dict(zip(NAMES, values, strict=True))
            names = [name for name in NAMES if name in KINDS[kind].model_fields]
            settings = settings_of(KINDS[kind], names, (said[name] for name in names))
            folder = site.service.photo_set(photos, owner=owner)
            yield [gr.skip(), bar(0, site("train.prepares")), *[gr.skip()] * 4, ""]  # the first time, the model is read
            site.service.check_training(folder, settings)
            job = order_training(queue, folder, settings, owner=owner, model=site.service.model)
        except TOLD as error:
            yield [*arrive(request)[:-1], problem_of(site, error, "train", PLACES)]
            return
        yield _shown(site, job, Watched(job.id))

    def watch(watched: Watched, request: gr.Request) -> list[object]:
        if not watched.job:  # Gradio forgets it when the page was away for an hour
            return arrive(request)
        return _shown(site, job_of(site, watched.job, owner_of(request)), watched)

    def wish(kind: str) -> Any:
        def do(watched: Watched, request: gr.Request) -> list[object]:
            try:
                getattr(queue, kind)(watched.job, owner=owner_of(request))
            except TOLD as error:  # it ended just before
                return [*watch(watched, request)[:-1], problem("train-stage", spoken_error(site, error))]
            return watch(watched, request)

        return do

    def arrive(request: gr.Request) -> list[object]:
        return newest(Watched(), request)

    def newest(watched: Watched, request: gr.Request) -> list[object]:
        job = queue.newest(("train",), owner=owner_of(request))
        is_watched = job is not None and job.id == watched.job
        return _shown(site, job, watched if is_watched else Watched(job.id if job else ""))

    def look(watched: Watched, request: gr.Request) -> list[object]:
        return newest(watched, request)[:-1]  # a sentence about a mistake stays

    def called(photos: str | None, name: str, request: gr.Request) -> object:
        is_own = name and name not in site.service.photo_sets(owner=owner_of(request))
        return gr.skip() if is_own or not photos else photos

    private: Any = {"api_visibility": "private", "show_progress": "hidden"}
    sets.change(called, [sets, controls["name"]], [controls["name"]], **private)
    start.click(submit, [sets, what, *(controls[name] for name in NAMES)], shown, **private)
    for button, kind in ((pause, "pause"), (stop, "cancel"), (resume, "resume")):
        button.click(wish(kind), [watched], shown, **private)
    timer.tick(watch, [watched], shown, queue=False, **private)
    stage.change(lambda: names_of(site), None, [names], **private)
    of_a_word = [controls[name] for name in OF_A_WORD]
    what.change(lambda kind: [gr.update(visible=kind == "embedding")] * 2, [what], of_a_word, **private)
    page.load(arrive, None, shown, **private)
    for asks in (tab.select, acted.change):
        asks(look, [watched], shown[:-1], **private)


def run_of(site: Site, job: Job | None, seen: Watched, left: float | None = None) -> Html:
    """Gives what there is to see of a training: how far it is, the pick and why, checkpoints, curves, previews.

    `left` are the seconds that it takes at most, the comparing of checkpoints included; None where nobody knows.
    """
    if job is None:
        return empty(site("train.empty"), site("train.empty.next"))
    title = tag("h2", str(job.settings["name"]))
    parts = [title, tag("div", _state(site, job, seen, left), class_="state")]
    if seen.reason:
        parts.append(
            tag(
                "p",
                tag("strong", site("train.kept", step=seen.picked)),
                " ",
                with_code(_capital(spoken(site, seen.reason))),
                class_="reason",
            )
        )
    elif seen.kept is not None:
        parts.append(tag("p", site("train.stopped", step=seen.kept), class_="reason"))
    if job.state == "done" and "vectors_per_token" in job.settings:
        parts.append(tag("p", site("train.next", name=in_prompt(job.settings["name"]))))
    parts += [tag("p", with_code(_capital(spoken(site, each))), class_="hint") for each in seen.surprises]
    if seen.hint:
        parts.append(tag("p", with_code(_capital(spoken(site, seen.hint))), class_="quiet", role="status"))
    if seen.extended and not seen.reason:
        parts.append(tag("p", with_code(_capital(spoken(site, seen.extended))), class_="quiet", role="status"))
    if seen.checkpoints:
        compared = [each for each in seen.checkpoints if each.scores] or seen.checkpoints
        strip = [_checkpoint(site, job, each, seen) for each in compared]
        parts += [tag("h3", site("train.checkpoints")), tag("div", *strip, class_="strip", tabindex="0")]
    if seen.loss or seen.held_out_loss:
        parts.append(tag("div", *_curves(site, seen), class_="curves"))
    if seen.previews:
        previews = [_preview(site, job, step, event) for step, event in reversed(seen.previews[-8:])]
        parts += [tag("h3", site("train.previews")), tag("div", *previews, class_="strip", tabindex="0")]
    if seen.refused:
        parts.append(
            tag("ul", *(tag("li", with_code(spoken(site, reason))) for reason in seen.refused), class_="advice")
        )
    return joined(parts)


def _state(site: Site, job: Job, seen: Watched, left: float | None) -> Html:
    if job.state == "failed":
        return tag("p", with_code(spoken(site, job.error or "")), class_="problem", role="alert")
    if job.state == "running" and not seen.steps:
        return bar(0, site("train.prepares"))
    if job.state == "running":
        compares = seen.step >= seen.steps or seen.compares
        said = site("train.compares") if compares else site("train.running", step=seen.step, steps=seen.steps)
        if left is not None and left >= 1:
            said += f" · {site('train.left', time=duration(left))}"
        return bar(job.progress, said)
    if job.state == "done":
        return tag(
            "p", with_code(site("train.done", reason=spoken(site, seen.stop_reason))), class_="quiet", role="status"
        )
    return bar(job.progress, site(f"state.{job.state}"))


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def duration(seconds: float) -> str:
    """Gives `45 s`, `3 min` or `1 h 20 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def _curves(site: Site, seen: Watched) -> list[Html]:
    loss = [
        Series(site("train.loss"), seen.loss, "faint"),
        Series(site("train.held out"), seen.held_out_loss, "first", "line and dots"),
    ]
    how: Any = {"x_label": site("train.steps"), "marked": seen.picked, "nothing": site("train.curve.nothing")}
    charts = [chart(site("train.curve.loss"), loss, y_label=site("train.loss"), **how)]
    scored = [each for each in seen.checkpoints if each.scores and not each.is_average]
    if scored:
        tones: Any = {"identity": "first", "prompt_fidelity": "second", "harmonic": "third"}
        series = [
            Series(
                site(f"score.{name}"),
                [(each.step, each.first_scores.get(name, float("nan"))) for each in scored],
                tone,
                "line and dots",
            )
            for name, tone in tones.items()
        ]
        charts.append(chart(site("train.curve.likeness"), series, y_label=site("train.score"), **how))
    return charts


def _checkpoint(site: Site, job: Job, found: Checkpoint, seen: Watched) -> Html:
    name = site("train.average", step=found.step) if found.is_average else site("train.step", step=found.step)
    scores = [
        tag("div", f"{site(f'score.{name}')} {found.scores[name]:.2f}")
        for name in ("identity", "prompt_fidelity")
        if name in found.scores
    ]
    if found.scores:
        scores.append(tag("div", site("train.on pictures", count=found.pictures), class_="quiet"))
    address = f"/web/candidates/{job.id}/{found.event}/0"
    image = tag("img", src=address, alt=name, loading="lazy") if found.pictures else ""
    is_picked = (found.step, found.is_average) == (seen.picked, seen.picked_is_average)
    return tag("figure", image, tag("figcaption", tag("strong", name), *scores), class_="picked" if is_picked else None)


def _preview(site: Site, job: Job, step: int, event: int) -> Html:
    name = site("train.step", step=step)
    image = tag("img", src=f"/api/v1/jobs/{job.id}/files/{event}", alt=name, loading="lazy")
    return tag("figure", image, tag("figcaption", name))


def _shown(site: Site, job: Job | None, seen: Watched) -> list[object]:
    while job is not None and (events := site.service.queue.events(job.id, after=seen.after)):
        seen = fold(seen, events)
    state = job.state if job else ""
    buttons = [
        gr.update(visible=state == "running"),
        gr.update(visible=state in OPEN),
        gr.update(visible=state in ("paused", "cancelled", "failed") and bool(seen.step)),
    ]
    left = site.service.queue.seconds_left(job) if job else None
    return [seen, run_of(site, job, seen, left), *buttons, gr.Timer(active=state in ("queued", "running")), ""]
