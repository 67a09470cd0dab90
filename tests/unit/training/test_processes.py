import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from retrato.errors import ModelError, SettingsError, TrainingError
from retrato.model import Components
from retrato.photos import Photo
from retrato.settings import HypernetworkSettings, TrainSettings
from retrato.training import RECIPES, Finished, Stepped, TrainingEvent, answer, processes
from retrato.training.processes import Processes, answered_together, joined_processes
from retrato.training.train import lesson

# What two processes compute together is compared with one in tests/end_to_end/test_processes.py.
FIRST = Processes(rank=0, count=2, local_rank=0)


class Other:
    """Stands in for torch.distributed: another process that adds a share like this one's, until it is lost."""

    def __init__(self, *, lost_after: float = float("inf"), fails: bool = False, model: str | None = None) -> None:
        self.sums, self.lost_after, self.fails, self.model = 0, lost_after, fails, model

    def all_gather_object(self, found: list[str], own: str) -> None:
        found[:] = [own, self.model or own]

    def broadcast_object_list(self, objects: list[object], src: int) -> None:
        assert objects[0].photos == ()

    def broadcast(self, tensor: torch.Tensor, src: int) -> None:
        if self.sums >= self.lost_after:
            raise RuntimeError("Connection closed by peer [127.0.0.1]:29500\nmore")

    def all_reduce(self, flat: torch.Tensor) -> None:
        self.sums += 1
        flat.mul_(2)
        flat[0] += self.fails


@pytest.fixture
def start(
    tiny_components: Components,
    photos: list[Photo],
    quick: TrainSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[Other], list[TrainingEvent]]:
    def run(other: Other) -> list[TrainingEvent]:
        monkeypatch.setattr(processes, "distributed", other)
        begun = lesson(tiny_components, photos, FIRST.settings(quick), run_folder=tmp_path / "run")
        return list(answered_together(begun, FIRST))

    return run


@pytest.fixture(autouse=True)
def _signals_stay() -> object:
    before = {kind: signal.getsignal(kind) for kind in processes.STOPPING}
    yield
    for kind, handler in before.items():
        signal.signal(kind, handler)


def test_all_processes_make_one_step_of_as_many_times_the_batch(start: Callable[[Other], list[TrainingEvent]]) -> None:
    other = Other()
    events = start(other)
    assert isinstance(events[-1], Finished)
    assert other.sums == events[-1].steps_run == 6
    assert events[-1].samples == 6 * 4


@pytest.mark.parametrize("recipe", ["retrato", "a1111"])
def test_the_batch_is_that_of_one_process_times_their_number(recipe: str) -> None:
    settings = TrainSettings(name="ana-1", recipe=recipe)
    assert FIRST.settings(settings).batch_size == 2 * RECIPES[recipe].batch_size
    assert FIRST.settings(settings.changed(batch_size=3)).batch_size == 6
    with pytest.raises(SettingsError, match="batch_size is 400"):
        FIRST.settings(settings.changed(batch_size=200))


def test_drop_out_is_for_one_process() -> None:
    settings = HypernetworkSettings(name="ana-h1", layer_structure="1, 2, 1", dropout="0, 0.3, 0")
    with pytest.raises(SettingsError, match=r"dropout is '0, 0.3, 0': .* train in one process"):
        FIRST.settings(settings)


def test_a_lost_process_ends_the_training_and_loses_nothing(
    start: Callable[[Other], list[TrainingEvent]], tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match="another process has ended: the 4 steps made so far are saved, start all"):
        start(Other(lost_after=4))
    assert (tmp_path / "run" / "checkpoints" / "4.json").exists()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN  # the launcher's signals must not disturb the saving


def test_a_share_that_could_not_be_computed_ends_the_training(start: Callable[[Other], list[TrainingEvent]]) -> None:
    with pytest.raises(TrainingError, match="another process could not compute its share, and said why"):
        start(Other(fails=True))


def test_a_failure_of_ones_own_is_ones_own(
    start: Callable[[Other], list[TrainingEvent]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def gradients(*_: object) -> object:
        raise RuntimeError("not enough memory")

    monkeypatch.setattr("retrato.training.answer.gradients", gradients)
    with pytest.raises(TrainingError, match="too little memory on cpu for a single example"):
        start(Other())


def test_how_many_have_room_is_found_once(
    start: Callable[[Other], list[TrainingEvent]], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, tried = answer.gradients, []

    def gradients(*given: Any) -> object:
        tried.append(given[-1])
        if tried[-1] > 1:
            raise RuntimeError("not enough memory")
        return real(*given)

    monkeypatch.setattr(answer, "gradients", gradients)
    assert isinstance(start(Other())[-1], Finished)
    assert tried == [2, 1, 1, 1, 1, 1, 1]


def test_another_model_is_noticed_before_the_first_step(start: Callable[[Other], list[TrainingEvent]]) -> None:
    with pytest.raises(ModelError, match="the processes have different models"):
        start(Other(model="0123456789"))


def test_alone_there_is_nobody_to_join(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined_processes() as found:
        assert found is None


def test_processes_that_cannot_be_reached_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    with pytest.raises(SettingsError, match=r"WORLD_SIZE is 2, .* start all with torchrun"), joined_processes():
        pass


def test_one_signal_interrupts_and_the_next_ones_do_not() -> None:
    with processes._signals(processes._interrupt_once):
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) != processes._interrupt_once


def test_on_a_machine_with_gpus_each_takes_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert FIRST.device("cpu") == "cpu"
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert [Processes(rank, 4, rank % 2).device("auto") for rank in range(4)] == ["cuda:0", "cuda:1"] * 2


def test_steps_are_said_by_the_first(start: Callable[[Other], list[TrainingEvent]]) -> None:
    assert [event.step for event in start(Other()) if isinstance(event, Stepped)] == list(range(1, 7))
