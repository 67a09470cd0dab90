"""What an account's photos, pictures and trainings take of the disk, and when that is too much."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

from retrato.errors import QueueError
from retrato.gallery import Gallery
from retrato.jobs import JobQueue, order_drawing, order_training
from retrato.server.room import Room
from retrato.server.service import Service
from retrato.settings import GenerateSettings, ServerSettings, TrainSettings
from retrato.studio import Studio


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[JobQueue]:
    with closing(JobQueue(tmp_path)) as queue:
        yield queue


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Gallery]:
    with closing(Gallery(tmp_path)) as gallery:
        yield gallery


def fill(file: Path, size: int) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(bytes(size))
    return file


def test_photos_pictures_and_runs_are_counted_and_nobody_elses(
    tmp_path: Path, queue: JobQueue, gallery: Gallery
) -> None:
    fill(tmp_path / "photos" / "ana" / "set" / ".a.whole.png", 1000)
    fill(tmp_path / "photos" / "rui" / "set" / "a.png", 5000)
    (tmp_path / "outputs").mkdir()
    for owner, side in (("ana", 8), ("rui", 80)):
        picture = tmp_path / "outputs" / f"{owner}.png"
        Image.effect_noise((side, side), 90).save(picture)
        gallery.add(picture, owner=owner)
    for owner in ("ana", "rui"):
        job = order_training(queue, tmp_path / "shared", TrainSettings(name=owner), owner=owner)
        run = fill(tmp_path / "textual_inversion" / "2026-01-01" / owner / "images" / "a.png", 300).parents[1]
        queue.record(job.id, "prepared", {"run_folder": run.relative_to(tmp_path).as_posix()})
    drawn = (tmp_path / "outputs" / "ana.png").stat().st_size
    assert Room(queue, gallery, None).taken("ana") == 1000 + 300 + drawn


def test_once_it_is_full_nothing_is_taken(tmp_path: Path, tiny_folder: Path) -> None:
    with closing(Service(Studio.open(tiny_folder, home=tmp_path), ServerSettings(gigabytes=2e-6))) as service:
        job = order_drawing(service.queue, GenerateSettings(prompt="a hat"), owner="ana").id
        service.queue.pause(job)
        fill(tmp_path / "photos" / "ana" / "set" / "a.png", 2000)
        order_drawing(service.queue, GenerateSettings(prompt="a hat"), owner="rui")
        for order in (
            lambda: order_drawing(service.queue, GenerateSettings(prompt="a hat"), owner="ana"),
            lambda: service.queue.resume(job),
            lambda: service.add_photo("set", "b.png", b"", owner="ana"),
        ):
            with pytest.raises(QueueError, match=r"take .* GB, 2e-06 are the most: delete pictures or sets of photos"):
                order()
        service.remove_photo_set("set", owner="ana")
        assert service.queue.resume(job).state == "queued"


def test_without_a_bound_nobody_looks(queue: JobQueue, gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Room, "taken", lambda *_: pytest.fail("it was looked"))
    Room(queue, gallery, None)("ana")
