"""What came through the link of an earlier version is there for whoever has the link now, and for `local`."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

from retrato.gallery import Gallery
from retrato.jobs import JobQueue, order_captions, order_training
from retrato.server.former import hand_over
from retrato.settings import TrainSettings
from retrato.training.run_folder import photos_of_run, seen_from


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home in which `retrato` and `local` have sets of one name, and `retrato` another one."""
    home = tmp_path / "home"
    for owner, name in (("local", "ana"), ("retrato", "ana"), ("retrato", "holidays")):
        photos = home / "photos" / owner / name
        photos.mkdir(parents=True)
        (photos / "1.png").write_bytes(owner.encode())
    (home / "outputs").mkdir()
    Image.new("RGB", (8, 8)).save(home / "outputs" / "1.png")
    return home


@pytest.fixture
def queue(home: Path) -> Iterator[JobQueue]:
    with closing(JobQueue(home)) as queue:
        yield queue


@pytest.fixture
def gallery(home: Path) -> Iterator[Gallery]:
    with closing(Gallery(home)) as gallery:
        gallery.add(home / "outputs" / "1.png", owner="retrato")
        yield gallery


def files(home: Path) -> dict[str, bytes]:
    return {path.relative_to(home).as_posix(): path.read_bytes() for path in (home / "photos").rglob("*.png")}


def test_everything_is_there_for_local_and_nothing_is_lost(home: Path, queue: JobQueue, gallery: Gallery) -> None:
    sent = home / "photos" / "retrato"
    training = order_training(queue, sent / "holidays", TrainSettings(name="ana-1"), owner="retrato")
    captions = order_captions(queue, [sent / "ana" / "1.png"], owner="retrato")
    other = order_training(queue, home / "photos" / "rui" / "x", TrainSettings(name="rui-1"), owner="rui")
    run = home / "textual_inversion" / "2026-01-01" / "ana-1"
    run.mkdir(parents=True)
    told = {"settings": {"name": "ana-1"}, "photos": [{"file": seen_from(run, sent / "holidays" / "1.png")}]}
    (run / "settings-1.json").write_text(json.dumps(told))
    hand_over(home, queue=queue, gallery=gallery, accounts=())
    assert files(home) == {
        "photos/local/ana/1.png": b"local",
        "photos/local/ana-2/1.png": b"retrato",
        "photos/local/holidays/1.png": b"retrato",
    }
    assert not sent.exists()
    own = home / "photos" / "local"
    assert {job.id for job in queue.jobs(owner="local")} == {training.id, captions.id}
    assert queue.get(training.id).options["photos"] == str(own / "holidays")
    assert queue.get(captions.id).options["files"] == [str(own / "ana-2" / "1.png")]
    assert queue.get(other.id) == other
    assert [photo.resolve() for photo in photos_of_run(run)] == [own / "holidays" / "1.png"]
    assert len(gallery.search(owner="local")) == 1


@pytest.mark.parametrize("accounts", [(), ("retrato",)])
def test_somebody_who_is_called_so_later_keeps_what_is_theirs(
    home: Path, queue: JobQueue, gallery: Gallery, accounts: tuple[str, ...]
) -> None:
    hand_over(home, queue=queue, gallery=gallery, accounts=accounts)
    theirs = home / "photos" / "retrato" / "later"
    theirs.mkdir(parents=True)
    job = order_training(queue, theirs, TrainSettings(name="rui-1"), owner="retrato")
    before = files(home)
    hand_over(home, queue=queue, gallery=gallery, accounts=())
    assert files(home) == before
    assert theirs.exists()
    assert queue.get(job.id).owner == "retrato"


def test_an_interrupted_one_is_gone_on_with(
    home: Path, queue: JobQueue, gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = order_training(queue, home / "photos/retrato/holidays", TrainSettings(name="ana-1"), owner="retrato")
    rename = Path.rename

    def fails(path: Path, target: Path) -> Path:
        if path.name == "holidays":
            raise PermissionError(13, "in use", str(path))
        return rename(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", fails)
        with pytest.raises(PermissionError):
            hand_over(home, queue=queue, gallery=gallery, accounts=())
    hand_over(home, queue=queue, gallery=gallery, accounts=())
    assert files(home).keys() == {f"photos/local/{name}/1.png" for name in ("ana", "ana-2", "holidays")}
    assert queue.get(job.id).options["photos"] == str(home / "photos" / "local" / "holidays")
