import os
import signal
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import numpy as np
import pytest
import torch
from PIL import Image

from retrato import cluster
from retrato.cluster import Place, train_on_cluster
from retrato.embeddings import read_embedding
from retrato.errors import PhotoError, SettingsError
from retrato.settings import TrainSettings
from retrato.studio import Studio
from retrato.training import Failed, Finished, Prepared, Stepped

SETTINGS = TrainSettings(name="*-t1", steps=40, batch_size=2, evaluate_every=5, save_every=5, recipe="a1111")


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Three people, and one of a single photo who cannot be learned."""
    folder = tmp_path / "people"
    for person, name in enumerate(("ana", "bob", "cid", "eve")):
        (folder / name).mkdir(parents=True)
        for number in range(1 if name == "eve" else 4):
            patches = np.random.default_rng(10 * person + number).integers(0, 255, (4, 4, 3), dtype=np.uint8)
            Image.fromarray(patches).resize((64, 64), Image.Resampling.NEAREST).save(folder / name / f"{number}.png")
    return folder


def test_a_missing_ray_is_said_before_anything_is_done(
    people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(SettingsError, match=r"engine is ray, but Ray is not installed here: pip install .*cluster"):
        train_on_cluster(Place("mini", tmp_path), people, SETTINGS)
    with pytest.raises(PhotoError, match="nowhere is no folder"):
        train_on_cluster(Place("mini", tmp_path), tmp_path / "nowhere", SETTINGS)
    assert not (tmp_path / "textual_inversion").exists()


def test_a_worker_says_what_is_wrong_with_a_person_and_takes_the_next(
    people: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    worker = cluster._Learner(Place(str(tiny_folder), tmp_path / "home", "cpu"))
    values = SETTINGS.changed(name="eve-t1", steps=2).model_dump()
    (failed,) = worker.learn(people / "eve", values, False, None)
    assert isinstance(failed, Failed)
    values = SETTINGS.changed(name="ana-t1", steps=2).model_dump()
    first = list(worker.learn(people / "ana", values, False, None))
    assert isinstance(first[-1], Finished)
    taken = list(worker.learn(people / "ana", values, False, None))[-1]
    assert isinstance(taken, Failed)
    assert "the name ana-t1 is taken" in taken.reason
    # The same again after a lost worker: the run goes straight to its end, and the name is its own.
    again = list(worker.learn(people / "ana", values, False, run_of(first)))
    assert not [event for event in again if isinstance(event, Stepped)]
    assert isinstance(again[-1], Finished)


def run_of(events: Iterable[object]) -> Path:
    return next(event.run_folder for event in events if isinstance(event, Prepared))


def test_a_lost_workers_person_goes_on_in_its_own_run_and_in_no_earlier_one(
    people: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    worker = cluster._Learner(Place(str(tiny_folder), home, "cpu"))
    values = SETTINGS.changed(name="ana-t1", steps=4, save_every=2, overwrite=True).model_dump()
    earlier = run_of(list(worker.learn(people / "bob", values, False, None)))  # other photos under the same name
    # Lost before its first checkpoint: learned from the start.
    events = worker.learn(people / "ana", values, False, None)
    begun = run_of(events)
    events.close()
    assert not list(begun.glob("checkpoints/*.json"))
    events = worker.learn(people / "ana", values, False, begun)
    begun = run_of(events)
    assert begun != earlier
    next(event for event in events if isinstance(event, Stepped) and event.step == 3)
    events.close()
    # Lost later: its own run goes on.
    again = list(worker.learn(people / "ana", values, False, begun))
    assert run_of(again) == begun
    assert [event.step for event in again if isinstance(event, Stepped)] in ([3, 4], [4])
    assert isinstance(again[-1], Finished)


@pytest.mark.parametrize(
    ("cores", "count", "each"),
    [((8,), 1, 8), ((8,), 3, 2), ((8, 2), 2, 4), ((16, 4), 2, 8), ((6, 6, 1), 3, 3), ((4, 0), 1, 4), ((1, 1), 2, 1)],
)
def test_all_workers_have_room_on_machines_of_unequal_size(cores: tuple[int, ...], count: int, each: int) -> None:
    assert cluster.cores_each(cores, count) == each
    assert sum(own // each for own in cores) >= count


def test_machines_that_have_left_and_those_without_cores_hire_nobody() -> None:
    asked = []

    def options(**share: object) -> object:
        asked.append(share)
        return SimpleNamespace(remote=lambda place: place)

    nodes = [
        {"Alive": alive, "Resources": resources}
        for alive, resources in ((True, {"CPU": 8.0}), (True, {"CPU": 2.0}), (True, {}), (False, {"CPU": 64.0}))
    ]
    ray = SimpleNamespace(nodes=lambda: nodes, remote=lambda _: SimpleNamespace(options=options))
    place = Place("mini", Path())
    assert cluster._hiring(ray, place, None, 100)[0] == 2
    assert cluster._hiring(ray, place, 10, 100)[0] == 10
    assert [share["num_cpus"] for share in asked] == [4, 1]
    with pytest.raises(SettingsError, match="workers is 11, but the cluster has 10 cores: ask for at most as many"):
        cluster._hiring(ray, place, 11, 100)
    nodes[1]["Resources"]["GPU"] = 2.0
    assert cluster._hiring(ray, place, None, 100)[0] == 2
    assert asked[-1]["num_gpus"] == 1


class FakeRay:
    """Ray, as far as `_train` calls it: everything happens here, and the first worker is lost after three events."""

    exceptions = SimpleNamespace(RayError=RuntimeError)

    def __init__(self, place: Place) -> None:
        self.learner = cluster._Learner(place)
        self.given: list[Path | None] = []
        worker = SimpleNamespace(learn=self, stop=SimpleNamespace(remote=lambda: None))
        self.hire: Callable[[], object] = lambda: worker

    def options(self, **_: object) -> Self:
        return self

    def remote(self, folder: Path, values: dict[str, Any], resume: bool, begun: Path | None) -> Iterator[object]:
        self.given.append(begun)
        return self.lost(self.learner.learn(folder, values, resume, begun), len(self.given) == 1)

    def lost(self, events: Iterator[object], is_first: bool) -> Iterator[object]:
        for count, event in enumerate(events):
            if is_first and count == 3:
                events.close()
                raise RuntimeError("the machine is off")
            yield event

    def wait(self, streams: list[object], num_returns: int) -> tuple[list[object], list[object]]:
        return streams[:num_returns], streams[num_returns:]

    def get(self, found: object, timeout: float = 0) -> object:
        return found


def test_the_next_try_is_told_of_the_run_that_the_lost_worker_began(
    people: Path, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(str(tiny_folder), tmp_path / "home", "cpu")
    ray = FakeRay(place)
    monkeypatch.setattr(cluster, "_cluster", lambda _: nullcontext(ray))
    monkeypatch.setattr(cluster, "_hiring", lambda *_: (1, ray.hire))
    settings = SETTINGS.changed(name="ana-t1", steps=4, save_every=2)
    events = [each.event for each in cluster._train(place, {"ana-t1": (people / "ana", settings)}, 1, False)]
    assert ray.given == [None, run_of(events)]
    assert isinstance(events[-1], Finished)


def test_a_worker_that_is_stopped_saves(people: Path, tiny_folder: Path, tmp_path: Path) -> None:
    worker = cluster._Learner(Place(str(tiny_folder), tmp_path / "home", "cpu"))
    values = SETTINGS.changed(name="ana-t1", save_every=30).model_dump()
    events = worker.learn(people / "ana", values, False, None)
    next(event for event in events if isinstance(event, Stepped) and event.step == 3)
    worker._is_stopping = True
    assert list(events) == []
    worker.stop()
    (saved,) = (tmp_path / "home").rglob("embeddings/ana-t1-*.safetensors")
    assert read_embedding(saved).step in (3, 4)


@pytest.fixture
def undisturbed(people: Path, tiny_folder: Path, tmp_path: Path) -> torch.Tensor:
    """What ana's training gives without a cluster."""
    studio = Studio.open(tiny_folder, home=tmp_path / "alone", device="cpu")
    *_, finished = studio.train(people / "ana", SETTINGS.changed(name="ana-t1"))
    assert isinstance(finished, Finished)
    return read_embedding(finished.file).vectors[0]


@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_two_workers_learn_all_and_a_killed_ones_person_is_learned_again(
    people: Path, tiny_folder: Path, tmp_path: Path, undisturbed: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: it is 240 MB, so no part of the test environment")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    home, ends, killed, steps = tmp_path / "home", Counter[tuple[str, str]](), 0, Counter[str]()
    place = Place(str(tiny_folder), home, "cpu")
    with closing(train_on_cluster(place, people, SETTINGS, workers=2)) as learning:
        for each in learning:
            if isinstance(each.event, Finished | Failed):
                ends[each.name, type(each.event).__name__] += 1
            elif isinstance(each.event, Stepped):
                steps[each.name] += 1
            if isinstance(each.event, Prepared) and each.name == "ana-t1" and not killed:
                (lock,) = home.glob("textual_inversion/*/ana-t1/.lock")
                killed = int(lock.read_text())
                os.kill(killed, signal.SIGKILL)
    assert killed
    assert killed != os.getpid()
    assert ends == {
        ("ana-t1", "Finished"): 1,
        ("bob-t1", "Finished"): 1,
        ("cid-t1", "Finished"): 1,
        ("eve-t1", "Failed"): 1,
    }
    assert steps["bob-t1"] == steps["cid-t1"] == 40
    assert sorted(file.stem for file in (home / "embeddings").glob("*.safetensors")) == ["ana-t1", "bob-t1", "cid-t1"]
    found = read_embedding(home / "embeddings" / "ana-t1.safetensors").vectors[0]
    assert torch.allclose(found, undisturbed, atol=1e-5)
