"""One job at a time on the tiny model: what it says, how it is stopped, how it goes on."""

import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from retrato.errors import QueueError
from retrato.jobs import Job, JobEvent, JobQueue, order_drawing, order_grid, recover, work, worker_lock
from retrato.jobs.said import Pace
from retrato.prompts import Style
from retrato.settings import GenerateSettings
from retrato.studio import Studio

from .conftest import DRAWING


def claimed(queue: JobQueue) -> Job:
    job = queue.claim("cpu")
    assert job is not None
    return job


def pixels(studio: Studio, events: list[JobEvent]) -> list[bytes]:
    return [Image.open(studio.home / str(event.data["file"])).tobytes() for event in events if event.kind == "drawn"]


def test_a_drawing_is_drawn_and_says_so(studio: Studio, queue: JobQueue) -> None:
    job = order_drawing(queue, DRAWING)
    events = list(work(studio, queue, claimed(queue)))
    assert [event.kind for event in events if event.kind != "sampled"] == ["drawn", "drawn", "drawn", "done"]
    alone = [image.image.tobytes() for image in studio.draw(DRAWING)]
    assert pixels(studio, events) == alone
    found = queue.get(job.id)
    assert found.state == "done"
    assert found.result is not None
    assert [image["seed"] for image in found.result["images"]] == [3, 4, 5]


def test_a_seed_is_drawn_once_for_all_starts(studio: Studio, queue: JobQueue) -> None:
    job = order_drawing(queue, DRAWING.changed(seed=-1))
    assert 0 <= job.settings["seed"] < 2**32


@pytest.mark.parametrize("stop", [1, 2])
def test_a_stopped_drawing_goes_on_with_the_next_picture(studio: Studio, queue: JobQueue, stop: int) -> None:
    order_drawing(queue, DRAWING)
    drawn = 0

    def enough() -> bool:
        return drawn == stop

    first: list[JobEvent] = []
    for event in work(studio, queue, claimed(queue), stopping=enough):
        first.append(event)
        drawn += event.kind == "drawn"
    assert first[-1].kind == "queued"
    second = list(work(studio, queue, claimed(queue)))
    assert pixels(studio, first + second) == [image.image.tobytes() for image in studio.draw(DRAWING)]
    result = queue.jobs()[0].result
    assert result is not None
    assert [image["index"] for image in result["images"]] == [0, 1, 2]


def test_who_stops_listening_puts_the_job_back(studio: Studio, queue: JobQueue) -> None:
    job = order_drawing(queue, DRAWING)
    events = work(studio, queue, claimed(queue))
    next(events)
    events.close()
    assert queue.get(job.id).state == "queued"
    assert queue.get(job.id).resumes


@pytest.mark.parametrize(("wish", "state"), [("cancel", "cancelled"), ("pause", "paused")])
def test_wishes_are_granted_after_the_step(studio: Studio, queue: JobQueue, wish: str, state: str) -> None:
    job = order_drawing(queue, DRAWING)
    for event in work(studio, queue, claimed(queue)):
        if event.kind == "drawn":
            getattr(queue, wish)(job.id)
    assert event.kind == state
    assert queue.get(job.id).state == state
    assert len(queue.events(job.id, kinds=("drawn",))) == 1


@pytest.mark.parametrize(("wish", "state"), [("cancel", "cancelled"), ("pause", "paused")])
@pytest.mark.parametrize("ending", ["stopping", "leaving"])
def test_a_wish_of_the_moment_in_which_the_worker_is_stopped_holds(
    studio: Studio, queue: JobQueue, wish: str, state: str, ending: str
) -> None:
    """As after cancel in the browser and Ctrl-C, within one step."""
    job = order_drawing(queue, DRAWING)
    events = work(studio, queue, claimed(queue), stopping=lambda: ending == "stopping")
    next(events)
    getattr(queue, wish)(job.id)
    if ending == "stopping":
        assert [event.kind for event in events] == [state]
    events.close()
    assert queue.get(job.id).state == state


@pytest.mark.parametrize("wish", ["cancel", "pause"])
def test_no_further_step_is_made_once_somebody_wants_it_to_end(
    studio: Studio, queue: JobQueue, wish: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pace, "is_due", lambda self: True)  # steps are told, and wishes looked at, four times a second
    job = order_drawing(queue, DRAWING.changed(steps=20, count=1))
    steps = []
    for event in work(studio, queue, claimed(queue)):
        if event.kind == "sampled":
            steps.append(event.data["step"])
            if steps[-1] == 3:
                getattr(queue, wish)(job.id)
    assert steps == [1, 2, 3]


def test_skipping_leaves_out_the_picture_it_is_at(studio: Studio, queue: JobQueue) -> None:
    job = order_drawing(queue, DRAWING)
    skipped = False
    for event in work(studio, queue, claimed(queue)):
        if event.kind == "sampled" and event.data["index"] == 0 and not skipped:
            queue.skip(job.id)
            skipped = True
    assert skipped
    assert [event.data["seed"] for event in queue.events(job.id, kinds=("drawn",))] == [4, 5]
    assert queue.get(job.id).state == "done"


def test_a_picture_in_the_making_can_be_seen_until_it_is_over(studio: Studio, queue: JobQueue) -> None:
    job = order_drawing(queue, DRAWING)
    seen = [queue.preview(job.id) for _ in work(studio, queue, claimed(queue))]
    assert seen[0] is not None
    assert seen[0].startswith(b"\x89PNG")
    assert queue.preview(job.id) is None


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (DRAWING.changed(sampler="Ancestral Magic"), "sampler is 'Ancestral Magic'"),
        (DRAWING.changed(hypernetwork="nobody"), "nobody"),
    ],
)
def test_what_is_refused_is_said_in_the_librarys_sentence(
    studio: Studio, queue: JobQueue, settings: GenerateSettings, sentence: str
) -> None:
    job = order_drawing(queue, settings)
    (event,) = work(studio, queue, claimed(queue))
    assert event.kind == "failed"
    error = queue.get(job.id).error
    assert error is not None
    assert re.search(sentence, error)


def test_what_nobody_foresaw_fails_the_job_and_shows_nothing(
    studio: Studio, queue: JobQueue, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    job = order_drawing(queue, DRAWING)

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("/secret/path")

    monkeypatch.setattr(studio, "draw_events", broken)
    list(work(studio, queue, claimed(queue)))
    assert queue.get(job.id).error == "unexpected ZeroDivisionError: the log of the server says more"
    assert "/secret/path" in caplog.text


def test_what_may_surprise_in_prompts_is_said_once_and_not_in_the_log(
    studio: Studio, queue: JobQueue, caplog: pytest.LogCaptureFixture
) -> None:
    job = order_drawing(queue, DRAWING.changed(prompt="a (red hat", count=2))
    sentence = "prompt, character 3: this ( is never closed: everything after it weighs more"
    for event in (events := work(studio, queue, claimed(queue))):
        if event.kind == "drawn":
            break
    events.close()
    list(work(studio, queue, claimed(queue)))
    said = queue.events(job.id, kinds=("surprised",))
    assert [event.data["sentences"] for event in said] == [[sentence]]
    sheet = order_grid(queue, DRAWING.changed(prompt="a (red hat"), ["Steps=1"])
    list(work(studio, queue, claimed(queue)))
    assert len(queue.events(sheet.id, kinds=("surprised",))) == 1
    assert not [record for record in caplog.records if record.name == "retrato"]


def test_there_is_one_worker_whatever_its_device(tmp_path: Path) -> None:
    with worker_lock(tmp_path), pytest.raises(QueueError, match="already works on the jobs"), worker_lock(tmp_path):
        pass
    with worker_lock(tmp_path):
        pass


def test_jobs_of_a_device_that_no_worker_is_at_go_on_at_another(queue: JobQueue) -> None:
    """As after `retrato serve`, killed, and `retrato serve --device cpu`."""
    left = [order_drawing(queue, DRAWING).id for _ in range(2)]
    for device in ("cuda:0", "cpu"):
        assert queue.claim(device) is not None
    assert {job.id for job in recover(queue)} == set(left)
    assert {queue.get(job).state for job in left} == {"queued"}
    assert recover(queue) == []


def test_a_sheet_is_drawn_cell_by_cell_and_filed(studio: Studio, queue: JobQueue) -> None:
    job = order_grid(queue, DRAWING, ["Steps=1,2", "Seed=3-4"])
    events = list(work(studio, queue, claimed(queue)))
    kinds = [event.kind for event in events if event.kind != "sampled"]
    assert kinds == ["drawn"] * 4 + ["sheet", "done"]
    assert [event.data["labels"] for event in queue.events(job.id, kinds=("drawn",))] == [
        *(["1", "3"], ["2", "3"], ["1", "4"], ["2", "4"])
    ]
    alone = [
        *studio.draw(DRAWING.changed(steps=1, count=1)),
        *studio.draw(DRAWING.changed(count=1)),
    ]
    assert pixels(studio, events)[:2] == [image.image.tobytes() for image in alone]
    result = queue.get(job.id).result
    assert result is not None
    with Image.open(studio.home / result["sheet"]) as sheet:
        assert sheet.width > 2 * 64
        assert "a photo of a cat" in sheet.info["parameters"]


def test_a_stopped_sheet_goes_on_and_ends_as_it_would_have(studio: Studio, queue: JobQueue) -> None:
    axes = ["Seed=3-5"]
    whole = order_grid(queue, DRAWING, axes)
    list(work(studio, queue, claimed(queue)))
    order_grid(queue, DRAWING, axes)
    drawn = 0

    def enough() -> bool:
        nonlocal drawn
        drawn = len(queue.events(queue.jobs()[0].id, kinds=("drawn",)))
        return drawn == 2

    list(work(studio, queue, claimed(queue), stopping=enough))
    assert queue.jobs()[0].state == "queued"
    rest = list(work(studio, queue, claimed(queue)))
    assert [event.kind for event in rest if event.kind != "sampled"] == ["drawn", "sheet", "done"]
    sheets = [queue.get(each).result for each in (whole.id, rest[-1].job)]
    first, second = (Image.open(studio.home / str(result and result["sheet"])).tobytes() for result in sheets)
    assert first == second


def test_a_matrix_takes_the_sides_of_its_sheet(studio: Studio, queue: JobQueue) -> None:
    order_grid(queue, DRAWING.changed(prompt="a hat|red", matrix="prompt"), ["Seed=3-4"])
    events = list(work(studio, queue, claimed(queue)))
    labels = [event.data["labels"] for event in queue.events(events[-1].job, kinds=("drawn",))]
    assert labels == [["nothing", "3"], ["red", "3"], ["nothing", "4"], ["red", "4"]]


def test_a_matrix_that_was_stopped_draws_nothing_twice(studio: Studio, queue: JobQueue) -> None:
    job = order_drawing(queue, DRAWING.changed(prompt="a hat|red|old", matrix="prompt", count=1))
    list(work(studio, queue, claimed(queue), stopping=lambda: len(queue.events(job.id, kinds=("drawn",))) == 3))
    list(work(studio, queue, claimed(queue)))
    assert [event.data["index"] for event in queue.events(job.id, kinds=("drawn",))] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "values",
    [
        {"negative_prompt": "{hat|cap}", "wildcards": "all", "count": 1},
        {"negative_prompt": "{hat|cap}", "wildcards": "all", "count": 2},
        {"styles": ("Pixel",), "wildcards": "all", "count": 2},
        {"styles": ("Pixel",), "count": 4},
        {"styles": ("In turn",), "count": 4},
        {"prompt": "a hat|{red|blue}", "matrix": "prompt", "count": 2},
        {"variation_strength": 0.3, "variation_seed": 9, "count": 4},
        {"variation_strength": 0.3, "prompt": "a {red|blue|old} hat", "count": 4},
        {"variation_strength": 0.3, "prompt": "a {red|blue} hat", "wildcards": "all", "seed": -1, "count": 2},
    ],
)
@pytest.mark.parametrize("stop", [1, 3])
def test_what_comes_of_choices_goes_on_where_it_stopped(
    studio: Studio, queue: JobQueue, values: dict[str, Any], stop: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pace, "is_due", lambda self: True)
    studio.styles.save(Style("Pixel", "{prompt}, pixel {art|style}", "photo"))
    studio.styles.save(Style("In turn", "{prompt}, {@one|two|three|four}"))
    job = order_drawing(queue, DRAWING.changed(**values))
    whole = list(studio.draw(GenerateSettings(**job.settings)))
    stop = min(stop, len(whole) - 1)

    def enough() -> bool:
        return len(queue.events(job.id, kinds=("drawn",))) == stop

    first = list(work(studio, queue, claimed(queue), stopping=enough))
    second = list(work(studio, queue, claimed(queue)))
    assert queue.get(job.id).state == "done"
    drawn = [event.data for event in queue.events(job.id, kinds=("drawn",))]
    assert [each["index"] for each in drawn] == list(range(len(whole)))
    assert [each["seed"] for each in drawn] == [image.seed for image in whole]
    assert [each["infotext"] for each in drawn] == [image.infotext for image in whole]
    assert pixels(studio, first + second) == [image.image.tobytes() for image in whole]
    steps = [event.data for event in second if event.kind == "sampled"]
    assert {step["index"] for step in steps} == set(range(stop, len(whole)))  # none that is there is drawn again
    assert {step["count"] for step in steps} == {len(whole)}


@pytest.mark.parametrize(
    ("values", "skipped", "left"),
    [
        ({"negative_prompt": "{hat|cap}", "wildcards": "all", "count": 1}, 0, [1]),
        ({"negative_prompt": "{hat|cap}", "wildcards": "all", "count": 2}, 1, [0, 2, 3]),
        ({"prompt": "a hat|red", "matrix": "prompt", "count": 2}, 3, [0, 1, 2]),
        ({"variation_strength": 0.3, "variation_seed": 9, "count": 3}, 1, [0, 2]),
        ({"count": 1}, 0, []),
    ],
)
def test_skipping_leaves_out_one_picture_whatever_it_comes_of(
    studio: Studio,
    queue: JobQueue,
    values: dict[str, Any],
    skipped: int,
    left: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Pace, "is_due", lambda self: True)
    settings = DRAWING.changed(**values)
    job = order_drawing(queue, settings)
    for event in work(studio, queue, claimed(queue)):
        if event.kind == "sampled" and (event.data["index"], event.data["step"]) == (skipped, 1):
            queue.skip(job.id)
    assert queue.get(job.id).state == "done"
    drawn = [event.data for event in queue.events(job.id, kinds=("drawn",))]
    assert [each["index"] for each in drawn] == left
    whole = [image.infotext for image in studio.draw(settings)]
    assert [each["infotext"] for each in drawn] == [whole[place] for place in left]
