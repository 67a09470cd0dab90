"""The worker beside a full disk, beside a second server, and on models that are gone."""

import base64
import importlib
import io
import os
import shutil
import sqlite3
import time
import weakref
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from retrato.errors import QueueError
from retrato.jobs import order_captions, order_drawing
from retrato.jobs.said import Said
from retrato.server.pictures import store_upload
from retrato.server.room import Room
from retrato.server.service import Service
from retrato.server.worker import Worker
from retrato.settings import GenerateSettings, ServerSettings
from retrato.studio import Studio

DRAWING = GenerateSettings(prompt="a cat", steps=1, width=64, height=64, seed=3)
WORK = importlib.import_module("retrato.jobs.work")  # by attributes one gets the function of that name


@pytest.fixture
def service(tmp_path: Path, tiny_folder: Path) -> Iterator[Service]:
    with closing(Service(Studio.open(tiny_folder, home=tmp_path / "home", device="cpu"), ServerSettings())) as service:
        yield service


@pytest.fixture
def worker(service: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    """One that has not begun; it is stopped at the end."""
    monkeypatch.setattr("retrato.server.worker.PAUSE", 0.01)
    worker = Worker(service)
    yield worker
    if worker._thread.is_alive():
        worker.stop()


def wait_until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.01)


def picture() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), "teal").save(buffer, "PNG")
    return buffer.getvalue()


def lock_the_queue(service: Service, *, is_locked: bool) -> None:
    """Lets SQLite refuse every change, as where the disk is full."""
    service.queue._database.execute(f"PRAGMA query_only = {int(is_locked)}")


def test_a_queue_that_cannot_be_written_for_a_while_is_gone_on_with(
    service: Service, worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    job = order_drawing(service.queue, DRAWING).id
    lock_the_queue(service, is_locked=True)
    worker.start()
    wait_until(lambda: "the queue cannot be written" in caplog.text)
    time.sleep(0.1)
    assert caplog.text.count("the queue cannot be written") == 1  # and not at each try
    assert service.queue.get(job).state == "queued"
    lock_the_queue(service, is_locked=False)
    wait_until(lambda: service.queue.get(job).state == "done")


def test_a_job_whose_end_could_not_be_written_is_done_again(
    service: Service, worker: Worker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    starts: list[bool] = []

    def fills_the_disk(studio: Studio, queue: object, job: Any) -> Generator[Said, None, dict[str, int]]:
        starts.append(job.resumes)
        lock_the_queue(service, is_locked=len(starts) == 1)
        yield Said("sampled", {})
        return {"starts": len(starts)}

    monkeypatch.setattr(WORK, "DOINGS", {**WORK.DOINGS, "draw": fills_the_disk})
    job, later = (order_drawing(service.queue, DRAWING).id for _ in range(2))
    worker.start()
    wait_until(lambda: "the queue cannot be written" in caplog.text)
    assert service.queue.get(job).state == "running"
    lock_the_queue(service, is_locked=False)
    wait_until(lambda: service.queue.get(later).state == "done")
    assert service.queue.get(job).result == {"starts": 2}
    assert starts == [False, True, False]


def test_a_gallery_that_cannot_be_written_stops_nobody(
    service: Service, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**_: object) -> int:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(service.gallery, "scan", full)
    job = order_drawing(service.queue, DRAWING).id
    worker.start()
    wait_until(lambda: service.queue.get(job).state == "done")


@pytest.mark.parametrize("device", ["cpu", "auto"])
def test_a_second_server_in_one_home_is_refused_and_takes_nothing(
    service: Service, worker: Worker, tiny_folder: Path, device: str
) -> None:
    worker.start()
    (service.home / "uploads").mkdir()
    (sent := service.home / "uploads" / "a.png").write_bytes(b"just sent to the first")
    studio = Studio.open(tiny_folder, home=service.home, device=device)
    with closing(Service(studio, ServerSettings())) as other, pytest.raises(QueueError, match="already works"):
        Worker(other).start()
    assert sent.exists()


def test_leftovers_are_gone_before_the_first_request_and_dropped_files_at_the_end(
    service: Service, worker: Worker
) -> None:
    service.dropped.mkdir(parents=True)
    (leftover := service.home / "uploads" / "a.png").write_bytes(b"of a job that is done")
    (dropped := service.dropped / "photo.jpg").write_bytes(b"38.7 N")
    worker.start()
    assert not leftover.exists()
    assert not dropped.exists()
    dropped.write_bytes(b"38.7 N")
    worker.stop()
    assert not dropped.exists()


def test_what_nobody_used_for_a_day_goes_while_the_server_runs(
    service: Service, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrato.server.worker.TIDIED_EVERY", 0.05)
    worker.start()
    text = base64.b64encode(photo := picture()).decode()
    old, new = store_upload(service.home, text), service.home / "uploads" / "new.png"
    new.write_bytes(photo)
    long_ago = time.time() - 25 * 3600
    os.utime(old, (long_ago, long_ago))
    assert store_upload(service.home, text) == old  # sent once more, it is new
    time.sleep(0.3)
    assert old.exists()
    os.utime(old, (long_ago, long_ago))
    wait_until(lambda: not old.exists())
    assert new.exists()


def test_a_server_that_cannot_begin_leaves_the_home_to_the_next(
    service: Service, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = order_drawing(service.queue, DRAWING).id
    service.queue.claim("cuda:0")  # and its server was killed
    lock_the_queue(service, is_locked=True)
    with pytest.raises(OSError, match="Read-only"):
        worker.start()
    lock_the_queue(service, is_locked=False)
    (after := Worker(service)).start()
    wait_until(lambda: service.queue.get(job).state == "done")
    after.stop()


def test_a_model_that_was_taken_away_meanwhile_is_named(service: Service, worker: Worker, tiny_folder: Path) -> None:
    shutil.copytree(tiny_folder, model := service.home / "models" / "other")
    gone, later = (order_drawing(service.queue, DRAWING, model=each).id for each in (str(model), None))
    shutil.rmtree(model)
    worker.start()
    wait_until(lambda: service.queue.get(later).state == "done")
    job = service.queue.get(gone)
    assert job.state == "failed"
    assert job.error is not None
    assert "models/other" in job.error.replace("\\", "/")
    assert str(service.home) not in job.error
    assert "log" not in job.error
    assert job.result == {"input_is_wrong": True}


def test_a_job_that_ends_in_its_last_hour_is_done(tmp_path: Path, tiny_folder: Path) -> None:
    studio = Studio.open(tiny_folder, home=tmp_path / "home", device="cpu")
    with closing(Service(studio, ServerSettings(job_hours=1e-9))) as service:
        job = order_captions(service.queue, []).id
        (worker := Worker(service)).start()
        wait_until(lambda: not service.queue.get(job).is_open)
        worker.stop()
        assert service.queue.get(job).state == "done"


def test_a_model_that_nobody_asks_for_any_more_is_let_go(service: Service, worker: Worker, tiny_folder: Path) -> None:
    """Before the next one is read: a GPU may have room for one."""
    for name in ("first", "second"):
        shutil.copytree(tiny_folder, service.home / "models" / name)
    worker.start()

    def drawn(model: str | None = None) -> weakref.ref[object]:
        job = order_drawing(service.queue, DRAWING, model=model).id
        wait_until(lambda: service.queue.get(job).state == "done")
        return weakref.ref(service.studio_for(model, None).components.unet)

    service.use_model("first")
    first = drawn()
    service.use_model("second")
    assert first() is None
    second, other = drawn(), drawn(str(service.home / "models" / "first"))
    assert (second() is None, other() is None) == (False, False)
    service.unload()
    assert (second(), other()) == (None, None)


def test_what_was_said_of_the_first_model_holds_for_it_whenever_it_is_taken(
    service: Service, tiny_folder: Path, tmp_path: Path
) -> None:
    studio = Studio.open(tiny_folder, home=service.home, device="cpu", family="sd1-v", scorer=str(tmp_path))
    with closing(Service(studio, ServerSettings())) as own:
        again, other = own.open(str(tiny_folder)), own.open("mini")
    assert (again.family, other.family) == ("sd1-v", "auto")
    assert again.named_scorer == other.named_scorer == str(tmp_path)


def test_a_home_behind_a_link_has_its_models_once(tmp_path: Path, tiny_folder: Path) -> None:
    home, link = tmp_path / "home", tmp_path / "link"
    shutil.copytree(tiny_folder, home / "models" / "own")
    link.symlink_to(home, target_is_directory=True)
    studio = Studio.open(home / "models" / "own", home=link, device="cpu")
    with closing(Service(studio, ServerSettings())) as service:
        assert service.studio_for(str(link / "models" / "own"), "") is studio
        assert service.studio_for(None, None) is studio
        assert service.studio_for("mini", None) is not studio


def test_a_job_ends_where_its_owner_has_no_room_and_goes_on_once_there_is_some(
    service: Service, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def draws_three(studio: Studio, queue: object, job: Any) -> Generator[Said, None, None]:
        for index in range(len(service.queue.events(job.id, kinds=("saved",))), 3):
            yield Said("sampled", {})
            yield Said("saved", {"index": index})

    monkeypatch.setattr(WORK, "DOINGS", {**WORK.DOINGS, "draw": draws_three})
    room = Room(service.queue, service.gallery, 2e-9)  # two bytes
    monkeypatch.setattr(room, "taken", lambda owner: len(service.queue.events(job, kinds=("saved",))) + others)
    job, others = order_drawing(service.queue, DRAWING).id, 0
    service.room = service.queue.admits = room
    worker.start()
    wait_until(lambda: service.queue.get(job).state == "failed")
    assert "2e-09 are the most: delete" in str(service.queue.get(job).error)
    assert len(service.queue.events(job, kinds=("saved",))) == 2
    for order in (lambda: service.queue.resume(job), lambda: order_drawing(service.queue, DRAWING)):
        with pytest.raises(QueueError, match="delete pictures"):
            order()
    others = -1
    service.queue.resume(job)  # the third picture fills it again, and is the last one
    wait_until(lambda: service.queue.get(job).state == "done")
