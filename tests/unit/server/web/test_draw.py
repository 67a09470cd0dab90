"""What the page shows of a drawing, and the names it suggests."""

import json
import re
from html import unescape
from types import SimpleNamespace
from typing import Any, cast

from retrato.embeddings import EmbeddingLibrary
from retrato.jobs import JobQueue, order_drawing, order_grid
from retrato.server.web.draw import names_of, stage_of
from retrato.server.web.site import Site
from retrato.settings import GenerateSettings


def site(queue: JobQueue) -> Site:
    everybody = EmbeddingLibrary(queue.home / "embeddings")
    return Site(cast("Any", SimpleNamespace(queue=queue, home=queue.home, everybody=everybody)), "en")


def test_with_nothing_drawn_it_says_what_to_do(queue: JobQueue) -> None:
    assert "press Draw" in stage_of(site(queue), None)


def test_a_waiting_drawing_says_how_many_are_before_it(queue: JobQueue) -> None:
    order_drawing(queue, GenerateSettings(prompt="one"))
    second = order_drawing(queue, GenerateSettings(prompt="two"))
    assert "Waiting, 1 before it" in stage_of(site(queue), second)


def test_one_that_has_just_begun_or_ended_is_shown_too(queue: JobQueue) -> None:
    waiting = order_drawing(queue, GenerateSettings(prompt="one"))
    queue.claim("cpu")
    assert "Waiting, 0 before it" in stage_of(site(queue), waiting)
    queue.remove(queue.cancel(order_drawing(queue, GenerateSettings(prompt="two")).id).id)
    queue.finish(waiting.id, "done")
    assert "Waiting, 0 before it" in stage_of(site(queue), waiting)


def test_a_running_drawing_shows_progress_and_what_is_there(queue: JobQueue) -> None:
    order_drawing(queue, GenerateSettings(prompt="<b>cat", count=3, seed=5))
    job = queue.claim("cpu")
    assert job
    queue.record(job.id, "drawn", {"index": 0, "file": "a.png", "seed": 5, "infotext": ""})
    queue.record(job.id, "sampled", {"step": 4, "steps": 20, "index": 1, "count": 3}, progress=0.4)
    queue.show(job.id, b"png")
    page = stage_of(site(queue), queue.get(job.id))
    assert "Image 2 of 3, step 4 of 20" in page
    assert f"/web/previews/{job.id}" in page
    assert "seed 5" in page
    assert "<b>" not in page


def test_what_may_surprise_stands_above_the_pictures(queue: JobQueue) -> None:
    order_drawing(queue, GenerateSettings(prompt="<b>"))
    job = queue.claim("cpu")
    assert job
    assert "hint" not in stage_of(site(queue), job)
    sentence = "ana was learned with clip skip 2 and is drawn with 1: take --clip-skip 2"
    queue.record(job.id, "surprised", {"sentences": [sentence, "prompt, character 1: <b> does nothing"]})
    page = unescape(stage_of(site(queue), job))
    assert "ana was learned with clip skip 2 and is drawn with 1: take “Clip skip” 2" in page
    assert "character 1: <b>" not in stage_of(site(queue), job)


def test_a_failed_one_says_why(queue: JobQueue) -> None:
    job = order_drawing(queue, GenerateSettings(prompt="one"))
    queue.claim("cpu")
    queue.finish(job.id, "failed", error="prompt is too long")
    assert "prompt is too long" in stage_of(site(queue), queue.get(job.id))


def test_a_sheet_stands_above_its_pictures(queue: JobQueue) -> None:
    order_grid(queue, GenerateSettings(prompt="a cat"), ["Steps=1,2"])
    job = queue.claim("cpu")
    assert job
    queue.record(job.id, "drawn", {"index": 0, "file": "a.png", "seed": 5, "infotext": "", "labels": ["1"]})
    assert "compared" not in stage_of(site(queue), job)
    sheet = queue.record(job.id, "sheet", {"file": "grid-0000.png", "infotext": ""})
    page = stage_of(site(queue), job)
    assert f"/api/v1/jobs/{job.id}/files/{sheet.number}" in page
    assert 'alt="the sheet of Steps"' in page
    assert "<figcaption>1</figcaption>" in page


def test_names_come_as_data(queue: JobQueue) -> None:
    found = re.search(r'data-names="(.*?)"', names_of(site(queue)))
    assert found
    assert json.loads(unescape(found[1])) == []
