import contextlib
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from retrato.errors import SettingsError
from retrato.training import Evaluated, Scored, Stepped
from retrato.training.events import Candidate, Saved
from retrato.training.tracking import figures, require_tracker, tracking

EVENTS = (
    Stepped(1, 2, 0.5, 0.1, (1.0, 3.0), 0.2, 8),
    Evaluated(1, 0.4, True),
    Saved(1, Path("x")),
    Stepped(2, 2, 0.3, 0.05, (2.0, 2.0), 0.4, 16),
    Scored(Candidate(2, Path("x"), 0.3, {"identity": 0.7})),
    Scored(Candidate(2, Path("x"), 0.3, {"identity": 0.9}, is_average=True)),
)


def track_all(how: str, folder: Path) -> None:
    with tracking(how, folder, "ana") as track:
        for event in EVENTS:
            track(event)


def test_what_events_say_in_numbers() -> None:
    assert figures(EVENTS[0]) == ({"loss/step": 0.5, "learning_rate": 0.1, "norm": 2.0}, 1)
    assert figures(EVENTS[1]) == ({"loss/held_out": 0.4}, 1)
    assert figures(EVENTS[2]) is None
    assert figures(EVENTS[4]) == ({"scores/identity": 0.7}, 2)
    assert figures(EVENTS[5]) is None


def test_nothing_is_written_by_default(tmp_path: Path) -> None:
    track_all("none", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # tensorboard's own
def test_tensorboard_reads_it_back(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    track_all("tensorboard", tmp_path)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(each.step, round(each.value, 3)) for each in found.Scalars("loss/step")] == [(1, 0.5), (2, 0.3)]
    assert [each.step for each in found.Scalars("scores/identity")] == [2]


def test_weights_and_biases_stays_offline_and_is_finished_whoever_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, logged, finished = {}, [], []
    run = SimpleNamespace(log=logged.append, finish=lambda: finished.append(True))
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=lambda **options: asked.update(options) or run))
    with contextlib.suppress(GeneratorExit), tracking("wandb", tmp_path, "ana") as track:
        track(EVENTS[0])
        raise GeneratorExit
    assert asked["mode"] == "offline"
    assert asked["dir"] == str(tmp_path)
    assert logged == [{"loss/step": 0.5, "learning_rate": 0.1, "norm": 2.0, "training_step": 1}]
    assert finished == [True]


class OneRunAtATime:
    """Weights & Biases as far as it matters here: a new run ends the one before, unless it is told otherwise."""

    def __init__(self) -> None:
        self.runs: list[SimpleNamespace] = []

    def init(self, *, name: str, reinit: object, **_: object) -> SimpleNamespace:
        run = SimpleNamespace(name=name, logged=[], is_over=False)

        def log(values: object) -> None:
            assert not run.is_over, f"the run of {name} is finished"
            run.logged.append(values)

        run.log, run.finish = log, lambda: setattr(run, "is_over", True)
        if self.runs and reinit != "create_new":
            self.runs[-1].finish()
        self.runs.append(run)
        return run


def test_many_people_have_figures_of_their_own_at_the_same_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = OneRunAtATime()
    monkeypatch.setitem(sys.modules, "wandb", program)
    with tracking("wandb", tmp_path, "ana") as anas, tracking("wandb", tmp_path, "bob") as bobs:
        anas(EVENTS[0])
        bobs(EVENTS[0])
    assert [(run.name, len(run.logged), run.is_over) for run in program.runs] == [("ana", 1, True), ("bob", 1, True)]


def test_a_program_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    require_tracker("none")
    with pytest.raises(SettingsError, match="pip install wandb"):
        require_tracker("wandb")
