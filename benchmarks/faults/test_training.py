"""Long trainings that are stopped, killed and told to end: run by `python -m benchmarks.hostile`."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from retrato.embeddings import read_embedding
from retrato.settings import TrainSettings
from retrato.studio import Studio
from retrato.training import Stepped
from retrato.training.checkpoint import load_checkpoint

LONG = TrainSettings(
    name="ana-t1", steps=200, batch_size=2, save_every=50, evaluate_every=50, shuffle_tags=True, recipe="a1111"
)


def outcome(folder: Path) -> tuple[bytes, bytes]:
    """Gives the embedding's and the loss table's bytes."""
    return (folder / "ana-t1.safetensors").read_bytes(), (folder / "textual_inversion_loss.csv").read_bytes()


def test_two_hundred_steps_resumed_at_any_of_four_are_the_same(studio: Studio, photos: Path, tmp_path: Path) -> None:
    list(studio.train(photos, LONG.changed(overwrite=True), out=tmp_path / "whole"))
    for stop in (1, 37, 100, 199):
        folder = tmp_path / str(stop)
        events = studio.train(photos, LONG.changed(overwrite=True), out=folder)
        next(event for event in events if isinstance(event, Stepped) and event.step == stop)
        events.close()
        list(studio.train(photos, LONG.changed(overwrite=True), out=folder, resume=True))
        assert outcome(folder) == outcome(tmp_path / "whole"), stop


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_fifty_kills_at_random_lose_no_checkpoint(studio: Studio, photos: Path, tmp_path: Path) -> None:
    """Each life gets further than what it found, or is killed before its next checkpoint: never less is there."""
    _ = studio.components, studio.library
    settings = LONG.changed(steps=100_000, save_every=2, evaluate_every=2, held_out=0)
    folder, source, before = tmp_path / "run", random.Random(0), 0
    events = studio.train(photos, settings, out=folder)
    next(event for event in events if isinstance(event, Stepped) and event.step == 2)
    events.close()
    for kill in range(50):
        child = os.fork()
        if child == 0:
            torch.set_num_threads(1)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process where it is, as a kill does
            delay = source.uniform(0.001, 0.5)
            for event in studio.train(photos, settings, out=folder, resume=True):
                if isinstance(event, Stepped) and delay:
                    signal.setitimer(signal.ITIMER_REAL, delay)
                    delay = 0.0
            os._exit(1)
        source.random()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGALRM, kill
        found = load_checkpoint(folder / "checkpoints")
        assert found is not None
        assert found.damaged == ()
        assert found.state.step >= before
        before = found.state.step
    assert before > 2


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_saves_the_work_and_ends_with_130(kind: signal.Signals, tiny_folder: Path, photos: Path) -> None:
    home = photos.parent / "home"
    command = ["train", photos, "--name", "ana-t1", "--model", tiny_folder, "--steps", "1000000", "--recipe", "a1111"]
    more = ["--preview-every", "5", "--save-every", "5", "--device", "cpu"]
    lines = []
    with subprocess.Popen(
        [sys.executable, "-m", "retrato", *map(str, command), *more],
        env={**os.environ, "RETRATO_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            lines.append(line)
            if line.startswith("preview:"):  # of step 5
                process.send_signal(kind)
    assert process.returncode == 130, "".join(lines)
    assert sum("interrupted at step" in line for line in lines) == 1
    assert not any("Traceback" in line for line in lines)
    saved = sorted(home.rglob("embeddings/ana-t1-*.safetensors"))
    assert saved
    assert (read_embedding(saved[-1]).step or 0) >= 5
