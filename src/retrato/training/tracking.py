"""Training's figures for TensorBoard or Weights & Biases, for those who have them; nothing is tracked by default.

Weights & Biases is kept offline unless WANDB_MODE says otherwise: nothing leaves the machine by itself.
Knows events, and nothing of what makes them.
"""

import contextlib
import importlib.util
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from retrato.errors import SettingsError
from retrato.training.events import Evaluated, Scored, Stepped

Write = Callable[[Mapping[str, float], int], None]


def require_tracker(how: str) -> None:
    """Raises SettingsError where `how` is to track with a program that is not installed."""
    if how != "none" and importlib.util.find_spec(how) is None:
        raise SettingsError(f"track is {how}, which is not installed: pip install {how}, or leave the option out")


@contextlib.contextmanager
def tracking(how: str, run_folder: Path, name: str) -> Iterator[Callable[[object], None]]:
    """Gives a function to call with every event of a training; what they say in numbers goes under `run_folder`."""
    if how == "none":
        yield lambda event: None
        return
    with TRACKERS[how](run_folder, name) as write:

        def track(event: object) -> None:
            found = figures(event)
            if found is not None:
                write(*found)

        yield track


def figures(event: object) -> tuple[Mapping[str, float], int] | None:
    """Gives what an event says in numbers, and at which step; None where it says none."""
    match event:
        case Stepped():
            norm = sum(event.norms) / max(1, len(event.norms))
            return {"loss/step": event.loss, "learning_rate": event.learning_rate, "norm": norm}, event.step
        case Evaluated():
            return {"loss/held_out": event.loss}, event.step
        case Scored(candidate) if not candidate.is_average:
            return {f"scores/{name}": value for name, value in candidate.scores.items()}, candidate.step
    return None


@contextlib.contextmanager
def _tensorboard(run_folder: Path, _: str) -> Iterator[Write]:
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(run_folder / "tensorboard")) as writer:

        def write(values: Mapping[str, float], step: int) -> None:
            for key, value in values.items():
                writer.add_scalar(key, value, step)

        yield write


@contextlib.contextmanager
def _wandb(run_folder: Path, name: str) -> Iterator[Write]:
    import wandb

    # Many people may be learned at once, each with figures of their own (from wandb 0.19.10 on).
    mode = os.environ.get("WANDB_MODE", "offline")
    run = wandb.init(project="retrato", name=name, dir=str(run_folder), mode=mode, reinit="create_new")
    try:
        # Scores come after the last step, for earlier ones; wandb's own step only goes up.
        yield lambda values, step: run.log({**values, "training_step": step})
    finally:
        run.finish()


TRACKERS: Mapping[str, Callable[[Path, str], contextlib.AbstractContextManager[Write]]] = {
    "tensorboard": _tensorboard,
    "wandb": _wandb,
}
