"""Faults that come while somebody is learned. `benchmarks/hostile.py` names the tests for each kind of fault."""

import errno
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from retrato.cli.app import _terminating_like_interrupting
from retrato.embeddings import read_embedding
from retrato.errors import PhotoError, TrainingError
from retrato.settings import GenerateSettings, TrainSettings
from retrato.studio import Studio
from retrato.training import Finished, Prepared, Stepped, TrainingEvent

SHORT = TrainSettings(name="ana-t1", steps=4, batch_size=2, evaluate_every=2, save_every=2)


@pytest.fixture
def studio(home: Path, tiny_folder: Path) -> Studio:
    return Studio.open(tiny_folder, home=home, device="cpu")


@pytest.fixture
def learn(studio: Studio, photos: Path, tmp_path: Path) -> Callable[..., Iterator[TrainingEvent]]:
    """Starts or resumes a training in `tmp_path / folder`."""

    def start(settings: TrainSettings, folder: str = "run", **options: bool) -> Iterator[TrainingEvent]:
        return studio.train(photos, settings, out=tmp_path / folder, **options)

    return start


@pytest.mark.parametrize("kind", [errno.EIO, errno.EPERM, errno.EROFS])
def test_a_disk_that_fails_on_the_way_is_named_and_the_last_checkpoint_stays(
    learn: Callable[..., Iterator[TrainingEvent]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: int
) -> None:
    events = learn(SHORT)
    next(event for event in events if isinstance(event, Stepped) and event.step == 3)

    def fails(*_: object) -> None:
        raise OSError(kind, os.strerror(kind), str(tmp_path / "run"))

    with monkeypatch.context() as patched:
        patched.setattr("retrato.files.os.fsync", fails)
        with pytest.raises(TrainingError, match=os.strerror(kind)) as caught:
            list(events)
    assert str(tmp_path / "run") in str(caught.value)
    assert "the last good checkpoint is" in str(caught.value)
    assert read_embedding(tmp_path / "run" / "embeddings" / "ana-t1-2.safetensors").step == 2
    assert isinstance(list(learn(SHORT, resume=True))[-1], Finished)


def test_photos_that_are_deleted_on_the_way_are_not_missed_until_resuming(
    learn: Callable[..., Iterator[TrainingEvent]], photos: Path
) -> None:
    events = learn(SHORT)
    next(event for event in events if isinstance(event, Prepared))
    shutil.rmtree(photos)
    assert isinstance(list(events)[-1], Finished)
    with pytest.raises(PhotoError, match="photos"):
        list(learn(SHORT.changed(overwrite=True), resume=True))


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
def test_a_clock_that_jumps_an_hour_does_not_touch_times(
    learn: Callable[..., Iterator[TrainingEvent]], monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    real, seconds = time.time, [0.0]
    for event in learn(SHORT):
        if isinstance(event, Prepared):
            monkeypatch.setattr(time, "time", lambda: real() + jump)
        if isinstance(event, Stepped):
            seconds.append(event.seconds)
        if isinstance(event, Finished):
            seconds.append(event.seconds)
    assert seconds == sorted(seconds)
    assert seconds[-1] < 1800


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_signals_interrupt_and_the_second_one_does_so_at_once(kind: signal.Signals) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    hangup = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup it is passed over, by us as well
    try:
        with _terminating_like_interrupting():
            for _ in range(2):
                with pytest.raises(KeyboardInterrupt):
                    signal.raise_signal(kind)
    finally:
        signal.signal(signal.SIGINT, before)
        signal.signal(signal.SIGHUP, hangup)


def test_ctrl_break_of_windows_interrupts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def passed_over(*_: object) -> None: ...

    before = signal.signal(signal.SIGUSR1, passed_over)
    monkeypatch.setattr(signal, "SIGBREAK", signal.SIGUSR1, raising=False)
    try:
        with _terminating_like_interrupting(), pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGUSR1)
        assert signal.getsignal(signal.SIGUSR1) == passed_over
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_name_that_is_learned_anew_changes_pictures_at_once(
    studio: Studio, photos: Path, home: Path, tiny_folder: Path
) -> None:
    """In the studio that drew the old ones, in the one that trains, and in a new one: nothing remembers."""
    drawing = GenerateSettings(prompt="a photo of ana-t1", steps=2, seed=7, width=64, height=64)
    fast = SHORT.changed(learning_rate="0.5", overwrite=True)

    def drawn(by: Studio) -> bytes:
        (image,) = by.draw(drawing)
        return image.image.tobytes()

    other = Studio.open(tiny_folder, home=home, device="cpu")
    pictures = []
    for seed in (0, 1):
        list(studio.train(photos, fast.changed(seed=seed)))
        pictures.append({drawn(studio), drawn(other), drawn(Studio.open(tiny_folder, home=home, device="cpu"))})
    assert [len(each) for each in pictures] == [1, 1]
    assert pictures[0] != pictures[1]


def test_a_photo_that_gives_no_numbers_ends_it_before_anything_is_learned(
    learn: Callable[..., Iterator[TrainingEvent]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from retrato.training import latent_cache

    real = latent_cache.encode_pixels

    def spoilt(*arguments: object) -> object:
        found = real(*arguments)
        return type(found)(found.mean * torch.nan, found.logvar)

    monkeypatch.setattr(latent_cache, "encode_pixels", spoilt)
    with pytest.raises(PhotoError, match=r"00\.png gives latents that are not numbers: leave it out"):
        list(learn(SHORT))
    assert not list((tmp_path / "run").rglob("*.safetensors"))
