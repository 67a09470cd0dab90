"""What is done to a job under Queue is seen on the other tabs, whichever of them was asked first."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
from starlette.routing import Mount

from retrato.jobs import order_drawing, order_training
from retrato.server import create_app
from retrato.server.web.watching import Watched
from retrato.settings import GenerateSettings, ServerSettings, TrainSettings
from retrato.studio import Studio

SOMEBODY: Any = SimpleNamespace(request=SimpleNamespace(state=SimpleNamespace(user="local")))


def writer(page: Any, calls: tuple[int, str], element: int) -> Any:
    """Gives what writes into an element when an event of another one calls it."""
    (found,) = [
        each
        for each in page.fns.values()
        if calls in each.targets and element in [output._id for output in each.outputs]
    ]
    return found


def test_a_job_that_goes_on_is_seen_on_a_tab_that_was_faster_than_the_button(tmp_path: Path, tiny_folder: Path) -> None:
    """It is asked before the queue hears of the button, and would say "paused" until somebody comes back to it."""
    app = create_app(Studio.open(tiny_folder, home=tmp_path, device="cpu"), ServerSettings())  # its worker never begins
    page = next(route.app.blocks for route in app.routes if isinstance(route, Mount) and hasattr(route.app, "blocks"))
    ids = {block.elem_id: block._id for block in page.blocks.values() if block.elem_id}
    queue = app.state.service.queue
    hear = writer(page, (ids["queue-said"], "change"), ids["queue-jobs"])
    jobs = {
        "draw-stage": (order_drawing(queue, GenerateSettings(prompt="a hat")), ()),
        "train-stage": (order_training(queue, tmp_path, TrainSettings(name="ana-t1")), (Watched(),)),
    }
    for stage, (job, watched) in jobs.items():
        queue.pause(job.id)
        look = writer(page, (hear.outputs[-1]._id, "change"), ids[stage])
        too_early = look.fn(*watched, SOMEBODY)
        assert hear.fn(f"7 resume {job.id}", SOMEBODY)[-1] == f"7 resume {job.id}"
        in_time = look.fn(*watched, SOMEBODY)
        place = [output._id for output in look.outputs].index(ids[stage])
        for answer, word, is_watched in ((too_early, "paused", False), (in_time, "waiting", True)):
            assert word in answer[place].lower()
            assert [each.active for each in answer if isinstance(each, gr.Timer)] == [is_watched]
    jobs_shown, *_, acted = hear.fn(f"8 resume {job.id}", SOMEBODY)  # the button came too late: look what became of it
    assert "only one that was paused" in jobs_shown
    assert acted == f"8 resume {job.id}"
    app.state.service.close()
