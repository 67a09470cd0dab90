"""A worker that is killed over and over, anywhere: nothing is lost, the order is kept, nothing is done twice."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch

from retrato.jobs import JobQueue, order_drawing, order_training, work
from retrato.settings import GenerateSettings, TrainSettings
from retrato.studio import Studio

CYCLES = 20
LEARNING = TrainSettings(name="ana-t1", steps=6, batch_size=1, save_every=2, evaluate_every=6, held_out=0)


def small(number: int) -> GenerateSettings:
    return GenerateSettings(prompt=f"cat {number}", seed=number, steps=1, width=64, height=64, guidance_scale=1)


def in_a_child(act: Callable[[], None]) -> int | None:
    """Runs `act` in a process of its own and gives how that ended: 0, or minus the signal that killed it.

    Children come from a server that has only imported things: this process has threads, and a copy of it may hang.
    """
    context = multiprocessing.get_context("forkserver")
    wanted = ("retrato", "torch", "diffusers", "transformers")
    context.set_forkserver_preload([name for name in sys.modules if name.split(".")[0] in wanted])
    child = context.Process(target=act)
    child.start()
    child.join(120)
    child.kill()
    child.join()
    return child.exitcode


def worker(model: Path, home: Path, dies_at: int | None) -> None:
    """Does what waits, as the server's worker; is killed at its change of the database number `dies_at`."""
    studio = Studio.open(model, home=home, device="cpu")
    queue = JobQueue(home)
    changes = 0

    def die_in_time() -> None:
        nonlocal changes
        changes += 1
        if changes == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)

    queue.recover("cpu")
    queue.subscribe(die_in_time)
    while (job := queue.claim("cpu")) is not None:
        for _ in work(studio, queue, job):
            pass


@pytest.fixture
def studio(tmp_path: Path, tiny_folder: Path) -> Studio:
    return Studio.open(tiny_folder, home=tmp_path / "home", device="cpu")


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_twenty_kills_lose_nothing_and_do_nothing_twice(
    studio: Studio, tiny_folder: Path, photos: Path, tmp_path: Path
) -> None:
    _ = studio.components  # imports what the children need, see in_a_child
    queue = JobQueue(studio.home)
    training = order_training(queue, photos, LEARNING)
    drawings = [order_drawing(queue, small(number)) for number in range(20)]
    order = [training.id, *(drawing.id for drawing in drawings)]
    queue.close()
    for cycle in range(CYCLES):
        assert in_a_child(partial(worker, tiny_folder, studio.home, 2 + cycle % 5)) == -signal.SIGKILL, cycle
        queue = JobQueue(studio.home)
        assert queue._database.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        assert sorted(job.id for job in queue.jobs()) == sorted(order)
        queue.close()
    assert in_a_child(partial(worker, tiny_folder, studio.home, None)) == 0
    queue = JobQueue(studio.home)
    jobs = [queue.get(job) for job in order]
    assert [job.state for job in jobs] == ["done"] * 21
    assert [job.id for job in sorted(jobs, key=lambda job: job.ended or 0)] == order
    for job in jobs:
        assert len(queue.events(job.id, kinds=("done",))) == 1
    for drawing in drawings:
        assert [event.data["index"] for event in queue.events(drawing.id, kinds=("drawn",))] == [0]
    starts = [event.data["first_step"] for event in queue.events(training.id, kinds=("prepared",))]
    assert len(starts) > 2
    assert starts == sorted(starts)
    undisturbed = Studio.open(studio.model, home=tmp_path / "undisturbed", device="cpu")
    list(undisturbed.train(photos, LEARNING))
    studio.library.reload()
    assert torch.equal(studio.library["ana-t1"].vectors[0], undisturbed.library["ana-t1"].vectors[0])
    assert not list(studio.home.rglob(".*.tmp*"))
    queue.close()
