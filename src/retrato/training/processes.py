"""One training in several processes, as torchrun starts them: each computes its share of every gradient.

The first process runs the lesson and does everything else: it alone reads photos, evaluates, writes and speaks. Before
a step it tells the others the step's number and the parameters, and the sum of all shares is the gradient. What a step
is made of comes from (seed, step), so nothing else has to be sent. The others end when the connection does.

Parameters and gradients are a few kilobytes on the CPU, so they travel by gloo, whatever the devices are. Between
processes of torch nothing is checked or encrypted: use it among machines that trust one another only.
"""

import contextlib
import dataclasses
import logging
import os
import signal
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from types import FrameType
from typing import Any, cast

import torch
import torch.distributed as distributed

from retrato.errors import ModelError, SettingsError, TrainingError
from retrato.model import Components
from retrato.settings import HypernetworkSettings, LearnSettings
from retrato.training.answer import Answer, Event, Lesson, Room, Wanted, answer_of, answered
from retrato.training.checkpoint import last_good
from retrato.training.frozen import frozen
from retrato.training.learnable import learnable_of
from retrato.training.optimizer import State, first_state
from retrato.training.prepare import Run, recipe_of
from retrato.training.step import Share

logger = logging.getLogger("retrato")
# While the first one evaluates and picks, the others wait; one that is gone is noticed at once, not by this.
PATIENCE = timedelta(days=7)
STOPPING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name))


@dataclass(frozen=True, slots=True)
class Processes:
    """This process among those that train together: its number, how many there are, its number on its machine."""

    rank: int
    count: int
    local_rank: int

    @property
    def share(self) -> Share:
        """Gives the part of every batch that is this process's."""
        return Share(self.rank, self.count)

    def device(self, wanted: str) -> str:
        """Gives the device for this process: with several GPUs on a machine each takes its own."""
        if wanted in ("auto", "cuda") and torch.cuda.is_available():
            return f"cuda:{self.local_rank % torch.cuda.device_count()}"
        return wanted

    def settings(self, own: LearnSettings) -> LearnSettings:
        """Gives the settings of the one process that does the same: as many times the batch as there are processes.

        Raises SettingsError for a hypernetwork's drop-out, which is drawn for whole batches.
        """
        if isinstance(own, HypernetworkSettings) and own.dropout:
            raise SettingsError(f"dropout is {own.dropout!r}: it needs a whole batch at once, so train in one process")
        return own.changed(batch_size=(own.batch_size or recipe_of(own).batch_size) * self.count)


@contextlib.contextmanager
def joined_processes() -> Iterator[Processes | None]:
    """Joins the processes that torchrun (or whatever else sets RANK and WORLD_SIZE) started; gives None if alone.

    While open, the first process is interrupted by one signal only, as launchers send several, and the others by none:
    they have nothing to save. Raises SettingsError where the others cannot be reached.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count < 2:
        yield None
        return
    try:
        distributed.init_process_group("gloo", timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:
        raise SettingsError(
            f"WORLD_SIZE is {count}, but the other processes cannot be reached ({error}): start all with torchrun"
        ) from None
    processes = Processes(distributed.get_rank(), count, int(os.environ.get("LOCAL_RANK", "0")))
    try:
        with _signals(signal.SIG_IGN if processes.rank else _interrupt_once):
            yield processes
    finally:
        distributed.destroy_process_group()


def answered_together(lesson: Lesson[Event], processes: Processes) -> Generator[Event, None, None]:
    """Gives the events of a lesson whose gradients all processes compute together; for the first process.

    The lesson's settings are those of `Processes.settings`. Raises TrainingError when another process is lost, and
    ModelError when one has another model.
    """
    is_told, room = False, Room()

    def answer(wanted: Wanted) -> Answer:
        nonlocal is_told
        with _connection(wanted.state):
            if not is_told:
                _tell(wanted.run, processes)
                is_told = True
            distributed.broadcast(torch.tensor(wanted.state.step), src=0)
            for each in wanted.state.parameters:
                distributed.broadcast(each.contiguous(), src=0)
        summed, failure = _sum_of_shares(wanted, processes, room)
        if failure is not None:
            raise failure
        if summed is None:
            raise TrainingError(
                f"another process could not compute its share, and said why; {last_good(wanted.run.folder)}"
            )
        return summed

    return answered(lesson, answer)


def help_training(components: Components, processes: Processes) -> None:
    """Computes this process's share of every gradient until the first process is done; for all but the first."""
    with contextlib.suppress(RuntimeError):  # so gloo says that the connection has ended
        _all_hashes(components, processes)
        sent: list[Run | None] = [None]
        distributed.broadcast_object_list(sent, src=0)
        run = cast(Run, sent[0])
        run = dataclasses.replace(
            run, components=components, learnable=learnable_of(components, run.settings, run.plan)
        )
        with frozen(components, run.plan.batch_size, run.latent_cells) as autocast:
            failure, room = None, Room()
            while failure is None:
                failure = _help_once(run, autocast, processes, room)
            logger.error("process %d: %s", processes.rank, failure)


def _help_once(run: Run, autocast: bool, processes: Processes, room: Room) -> Exception | None:
    """Waits for a step, computes this process's share of it, and gives what went wrong."""
    step = torch.tensor(0)
    distributed.broadcast(step, src=0)
    parameters = tuple(torch.empty_like(each) for each in run.learnable.start)
    for each in parameters:
        distributed.broadcast(each, src=0)
    state = dataclasses.replace(first_state(parameters), step=int(step))
    return _sum_of_shares(Wanted(run, state, autocast), processes, room)[1]


def _tell(run: Run, processes: Processes) -> None:
    """Sends the others the run, without what they have (the model) and what they do not need (the photos)."""
    hashes = _all_hashes(run.components, processes)
    if len(set(hashes)) > 1:
        raise ModelError(f"the processes have different models ({', '.join(hashes)}): give all of them the same")
    nothing = cast(Any, None)
    distributed.broadcast_object_list(
        [dataclasses.replace(run, components=nothing, learnable=nothing, photos=())], src=0
    )


def _all_hashes(components: Components, processes: Processes) -> list[str]:
    found = [""] * processes.count
    distributed.all_gather_object(found, components.hash)
    return found


def _sum_of_shares(wanted: Wanted, processes: Processes, room: Room) -> tuple[Answer | None, Exception | None]:
    """Gives the sum of all processes' shares, None where one failed, and what went wrong in this one."""
    parameters, failure = wanted.state.parameters, None
    # Failures, loss, gradients: what several processes add up is twice as exact as what they add.
    flat = torch.zeros(2 + sum(each.numel() for each in parameters), dtype=torch.float64)
    try:
        loss, gradients = answer_of(wanted, processes.share, room)
        flat[1] = loss
        flat[2:] = torch.cat([each.flatten() for each in gradients])
    except Exception as error:
        flat[0], failure = 1, error
    with _connection(wanted.state) if processes.rank == 0 else contextlib.nullcontext():
        distributed.all_reduce(flat)
    if flat[0] > 0:
        return None, failure
    parts = flat[2:].float().split([each.numel() for each in parameters])
    return (float(flat[1]), tuple(part.view_as(each) for part, each in zip(parts, parameters, strict=True))), None


@contextlib.contextmanager
def _connection(state: State) -> Iterator[None]:
    """Turns a lost process into a TrainingError; the launcher's signals, which follow, must not disturb the saving."""
    try:
        yield
    except RuntimeError as error:
        for kind in STOPPING:
            signal.signal(kind, signal.SIG_IGN)
        what = f"the {state.step} steps made so far are saved" if state.step else "no step had been made yet"
        raise TrainingError(f"another process has ended: {what}, start all of them again with --resume") from error


def _interrupt_once(number: int, frame: FrameType | None) -> None:
    for kind in STOPPING:
        signal.signal(kind, signal.SIG_IGN)
    raise KeyboardInterrupt


@contextlib.contextmanager
def _signals(handler: Callable[[int, FrameType | None], Any] | signal.Handlers) -> Iterator[None]:
    before = {kind: signal.signal(kind, handler) for kind in STOPPING}
    try:
        yield
    finally:
        for kind, earlier in before.items():
            signal.signal(kind, earlier)
