"""Learning as a job on the tiny model: stopped, killed and gone on with, it ends where it would have ended."""

import itertools
from contextlib import closing
from pathlib import Path

import pytest
import torch

from retrato.embeddings import read_embedding
from retrato.forget import forget
from retrato.gallery import Gallery
from retrato.jobs import Job, JobEvent, JobQueue, order_training, work
from retrato.settings import HypernetworkSettings, TrainSettings
from retrato.studio import Studio

from .conftest import draw_photos

SETTINGS = TrainSettings(name="ana-t1", steps=6, batch_size=2, save_every=2, evaluate_every=2, preview_every=3)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return draw_photos(tmp_path / "photos", 5)


def claimed(queue: JobQueue) -> Job:
    job = queue.claim("cpu")
    assert job is not None
    return job


def until(studio: Studio, queue: JobQueue, kind: str) -> list[JobEvent]:
    """Works until an event of that kind, then stops listening, as a server that ends."""
    events = work(studio, queue, claimed(queue))
    seen = []
    for event in events:
        seen.append(event)
        if event.kind == kind:
            break
    events.close()
    return seen


def test_a_person_is_learned_and_the_page_knows_all_about_it(studio: Studio, queue: JobQueue, photos: Path) -> None:
    job = order_training(queue, photos, SETTINGS)
    events = list(work(studio, queue, claimed(queue)))
    kinds = [kind for kind, _ in itertools.groupby(event.kind for event in events)]
    assert kinds[0] == "prepared"
    assert {"stepped", "evaluated", "previewed", "saved", "picked"} <= set(kinds)
    assert kinds[-2:] == ["finished", "done"]
    result = queue.get(job.id).result
    assert result is not None
    assert result["file"] == "embeddings/ana-t1.safetensors"
    assert (studio.home / result["report"]).is_file()
    preview = next(event for event in events if event.kind == "previewed")
    assert (studio.home / str(preview.data["file"])).is_file()
    assert studio.library.names == ["ana-t1"]


@pytest.mark.parametrize("kind", ["prepared", "saved", "picked"])
def test_after_a_restart_it_ends_as_if_nothing_had_been(
    studio: Studio, queue: JobQueue, photos: Path, tmp_path: Path, tiny_folder: Path, kind: str
) -> None:
    job = order_training(queue, photos, SETTINGS)
    until(studio, queue, kind)
    assert queue.get(job.id).state == "queued"
    *_, last = work(studio, queue, claimed(queue))
    assert last.kind == "done", last.data
    undisturbed = Studio.open(tiny_folder, home=tmp_path / "undisturbed", device="cpu")
    list(undisturbed.train(photos, SETTINGS))
    assert torch.equal(studio.library["ana-t1"].vectors[0], undisturbed.library["ana-t1"].vectors[0])


def test_a_home_that_was_moved_goes_on_and_forgets_whom_it_knows(tmp_path: Path, tiny_folder: Path) -> None:
    here, there = tmp_path / "home", tmp_path / "elsewhere" / "home"
    (here / "photos" / "local").mkdir(parents=True)
    photos = draw_photos(here / "photos" / "local" / "holidays", 5)
    queue = JobQueue(here)
    job = order_training(queue, photos, SETTINGS)
    until(Studio.open(tiny_folder, home=here, device="cpu"), queue, "saved")
    queue.close()
    there.parent.mkdir()
    here.rename(there)
    queue = JobQueue(there)
    *_, last = work(Studio.open(tiny_folder, home=there, device="cpu"), queue, claimed(queue))
    assert last.kind == "done", last.data
    queue.remove(job.id)
    there.rename(here)
    with closing(JobQueue(here)) as queue, closing(Gallery(here)) as gallery:
        removed = forget(here, "ana-t1", queue=queue, gallery=gallery)
    assert "photos/local/holidays" in removed, "known from the run, which began elsewhere"


def test_what_was_learned_before_a_pause_is_kept_when_it_is_cancelled_then(
    studio: Studio, queue: JobQueue, photos: Path
) -> None:
    job = order_training(queue, photos, SETTINGS)
    for event in work(studio, queue, claimed(queue)):
        if event.kind == "saved":
            queue.pause(job.id)
    assert queue.get(job.id).state == "paused"
    queue.cancel(job.id)
    kinds = [event.kind for event in work(studio, queue, claimed(queue))]
    assert kinds == ["cancelled"]
    cancelled = queue.get(job.id)
    assert (cancelled.state, cancelled.result and cancelled.result["file"]) == (
        "cancelled",
        "embeddings/ana-t1.safetensors",
    )
    assert studio.library.names == ["ana-t1"]


def test_cancelling_keeps_what_was_learned_and_resuming_replaces_it(
    studio: Studio, queue: JobQueue, photos: Path
) -> None:
    job = order_training(queue, photos, SETTINGS)
    for event in work(studio, queue, claimed(queue)):
        if event.kind == "saved" and event.data["step"] == 4:
            queue.cancel(job.id)
    cancelled = queue.get(job.id)
    assert cancelled.state == "cancelled"
    assert cancelled.result == {"file": "embeddings/ana-t1.safetensors", "step": 4}
    assert read_embedding(studio.home / "embeddings" / "ana-t1.safetensors").step == 4
    queue.resume(job.id)
    *_, last = work(studio, queue, claimed(queue))
    assert last.kind == "done", last.data
    assert last.data["steps_run"] == 6


def test_a_hypernetwork_is_learned_and_kept_in_the_same_way(studio: Studio, queue: JobQueue, photos: Path) -> None:
    settings = HypernetworkSettings(name="ana-h1", steps=4, batch_size=2, save_every=2, evaluate_every=2)
    job = order_training(queue, photos, settings)
    for event in work(studio, queue, claimed(queue)):
        if event.kind == "saved":
            queue.cancel(job.id)
    assert queue.get(job.id).result == {"file": "hypernetworks/ana-h1.safetensors", "step": 2}
    queue.resume(job.id)
    *_, last = work(studio, queue, claimed(queue))
    assert last.kind == "done", last.data
    assert studio.hypernetworks.names == ["ana-h1"]


def test_pausing_installs_nothing(studio: Studio, queue: JobQueue, photos: Path) -> None:
    job = order_training(queue, photos, SETTINGS)
    for event in work(studio, queue, claimed(queue)):
        if event.kind == "saved":
            queue.pause(job.id)
    assert queue.get(job.id).state == "paused"
    assert studio.library.names == []


def test_somebody_elses_embedding_is_never_replaced(studio: Studio, queue: JobQueue, photos: Path) -> None:
    order_training(queue, photos, SETTINGS)
    until(studio, queue, "saved")
    from retrato.embeddings import Embedding

    studio.library.add(Embedding("ana-t1", (torch.ones(1, 32),)))
    *_, last = work(studio, queue, claimed(queue))
    assert last.kind == "failed"
    assert "the name ana-t1 is taken by" in str(last.data["error"])
    assert float(studio.library["ana-t1"].vectors[0].sum()) == 32
