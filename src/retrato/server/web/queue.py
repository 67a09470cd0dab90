"""The tab with all that runs, waits or is over; the order can be changed, and all of it stopped or taken up again."""

import time
from typing import Any

import gradio as gr

from retrato.jobs import Job
from retrato.markup import Html, joined, tag, with_code
from retrato.server.web.site import TOLD, Site, bar, button, empty, owner_of, problem
from retrato.server.web.spoken import spoken, spoken_error

SAID = "queue-said"
SHOWN = 60  # jobs at once
RECENT = 12 * 3600  # seconds for which the hour alone says when
VERBS = ("move", "pause", "resume", "cancel", "remove")


def queue_tab(site: Site, acted: Any, tabs: Any) -> None:
    """Adds the tab; it changes the state `acted` once something was done to a job.

    Whoever presses a button and goes to another tab may be there first: what that tab said of the job must be renewed.
    """
    with tabs, gr.Tab(site("tab.queue"), id="queue") as tab:
        jobs = gr.HTML(elem_id="queue-jobs")
        said = gr.Textbox(elem_id=SAID, visible="hidden", show_label=False)
    timer = gr.Timer(2, active=False)

    def show(request: gr.Request) -> list[object]:
        found = site.service.queue.jobs(owner=owner_of(request), limit=SHOWN)
        return [jobs_of(site, found), gr.Timer(active=any(job.state in ("queued", "running") for job in found))]

    def hear(said: str, request: gr.Request) -> list[object]:
        _, verb, job = [*said.split(" "), "", ""][:3]
        try:
            if verb in VERBS:
                getattr(site.service.queue, verb)(job, owner=owner_of(request))
        except TOLD as error:
            page, timer = show(request)
            return [joined([problem("queue-jobs", spoken_error(site, error)), Html(str(page))]), timer, said]
        return [*show(request), said]

    private: Any = {"api_visibility": "private", "show_progress": "hidden"}
    tab.select(show, None, [jobs, timer], **private)
    timer.tick(show, None, [jobs, timer], queue=False, **private)
    said.change(hear, [said], [jobs, timer, acted], **private)


def jobs_of(site: Site, jobs: list[Job]) -> Html:
    """Gives the jobs as a list: what runs, what waits in its order, what is over."""
    if not jobs:
        return empty(site("queue.empty"), site("queue.empty.next"))
    return tag("ul", *(_job(site, job) for job in jobs), class_="jobs")


def _job(site: Site, job: Job) -> Html:
    what = str(job.settings.get("prompt") or job.settings.get("name") or "")
    is_recent = time.time() - job.created < RECENT
    when = time.strftime("%H:%M" if is_recent else "%Y-%m-%d %H:%M", time.localtime(job.created))
    title = tag("div", tag("strong", site(f"kind.{job.kind}")), f" {what[:120]}", class_="what")
    state = tag("span", f"{site(f'state.{job.state}')} · {when}", class_="quiet")
    error = tag("p", with_code(spoken(site, job.error)), class_="problem") if job.error else ""
    progress = bar(job.progress, f"{job.progress:.0%}") if job.state in ("running", "paused") else ""
    able = {
        "move": job.state == "queued",
        "pause": job.state in ("queued", "running"),
        "resume": job.state in ("paused", "cancelled", "failed"),
        "cancel": job.is_open,
        "remove": not job.is_open,
    }
    buttons = [button(site(f"queue.{verb}"), SAID, f"{verb} {job.id}") for verb in VERBS if able[verb]]
    return tag("li", tag("div", title, state, error, progress), tag("div", *buttons, class_="row"))
