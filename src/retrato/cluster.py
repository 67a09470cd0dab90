"""People spread over devices and machines by Ray: each is learned by one worker, several workers learn at a time.

Workers share files with whoever starts them: the photos, the model and the home folder must have the same paths on all
machines. A worker that is lost loses nobody: its person goes on from the last checkpoint in another one. Ray is an
extra (`pip install "retrato[cluster]"`) and imported only here; its statistics, dashboard and metrics are off. Knows
nothing of how people are learned.
"""

import contextlib
import importlib.util
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retrato.embeddings import EmbeddingLibrary
from retrato.errors import RetratoError, SettingsError
from retrato.photos import Refused
from retrato.settings import TrainSettings
from retrato.studio import Studio
from retrato.training import Failed, Of, Prepared, TrainingEvent
from retrato.training.people import people_in
from retrato.training.run_folder import RUNS, has_run

logger = logging.getLogger("retrato")
Event = Refused | TrainingEvent
TRIES = 3
# Seconds that workers have for saving when everything is stopped.
GRACE = 30
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_enable_metrics_collection": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS": "0",
}


@dataclass(frozen=True, slots=True)
class Place:
    """What a worker needs to open the same studio: see `Studio.open`."""

    model: str
    home: Path
    device: str = "auto"
    dtype: str = "auto"
    family: str = "auto"
    vae: Path | None = None
    scorer: str | None = None

    def open(self) -> Studio:
        """Gives the studio."""
        chosen = {"device": self.device, "dtype": self.dtype, "family": self.family}
        return Studio.open(self.model, home=self.home, **chosen, vae=self.vae, scorer=self.scorer)


def train_on_cluster(
    place: Place, folders: Path | str, settings: TrainSettings, *, workers: int | None = None, resume: bool = False
) -> Generator[Of[Event], None, None]:
    """Learns all people, one in each folder in `folders`, on a Ray cluster, and installs each in the library.

    Gives what `Studio.train_many` gives: events of each person, the last one a Finished or a Failed. The cluster is the
    one that RAY_ADDRESS names, by default a new one on this machine for as long as this takes. There are as many
    `workers` as asked for, by default one for each GPU, or where there is none, for each machine. Closing stops all
    workers, which save first. Raises PhotoError and SettingsError as `train_many` does, and SettingsError where Ray is
    missing or the cluster cannot hold the workers.
    """
    people = people_in(folders, settings)
    if importlib.util.find_spec("ray") is None:
        raise SettingsError('engine is ray, but Ray is not installed here: pip install "retrato[cluster]"')
    if resume and not settings.overwrite:
        known = EmbeddingLibrary(place.home / "embeddings", None).names
        people = {name: person for name, person in people.items() if name not in known}
    return _train(place, people, workers, resume)


def _train(
    place: Place, people: Mapping[str, tuple[Path, TrainSettings]], workers: int | None, resume: bool
) -> Generator[Of[Event], None, None]:
    if not people:
        return
    with _cluster(workers) as ray:
        count, hire = _hiring(ray, place, workers, len(people))
        waiting = deque(people)
        tries = dict.fromkeys(people, 0)
        begun: dict[str, Path] = {}  # the runs of this very training, each in its folder
        at_work: dict[Any, tuple[str, Any]] = {}  # a person's stream of events -> (the person, the worker)
        idle = [hire() for _ in range(count)]
        try:
            while waiting or at_work:
                while waiting and idle:
                    name, worker = waiting.popleft(), idle.pop()
                    folder, own = people[name]
                    tries[name] += 1
                    stream = worker.learn.options(num_returns="streaming").remote(
                        folder.resolve(), own.model_dump(), resume, begun.get(name)
                    )
                    at_work[stream] = (name, worker)
                (stream,), _ = ray.wait(list(at_work), num_returns=1)
                name, worker = at_work[stream]
                try:
                    event = ray.get(next(stream))
                except StopIteration:
                    del at_work[stream]
                    idle.append(worker)
                except ray.exceptions.RayError as error:
                    del at_work[stream]
                    idle.append(hire())
                    logger.warning("%s: its worker was lost (%s)", name, type(error).__name__)
                    if tries[name] < TRIES:
                        waiting.append(name)
                    else:
                        yield Of(name, Failed(f"its worker was lost {TRIES} times: see what ends it, then --resume"))
                else:
                    if isinstance(event, Prepared):
                        begun[name] = event.run_folder
                    yield Of(name, event)
        finally:
            with contextlib.suppress(ray.exceptions.RayError):
                ray.get([worker.stop.remote() for _, worker in at_work.values()], timeout=GRACE)


class _Learner:
    """A worker: learns one person after another. `stop` may be called meanwhile, from another thread."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._studio: Studio | None = None
        self._is_stopping = False
        self._learning = threading.Lock()

    def learn(self, folder: Path, values: dict[str, Any], resume: bool, begun: Path | None) -> Iterator[Event | Failed]:
        """Yields the person's events; the last one is Finished or Failed, unless stopped.

        `begun` is the run in which a lost worker was at it. One that ended before its first checkpoint does not count,
        nor does an earlier run of the name, unless that is to `resume`.
        """
        with self._learning:
            try:
                settings = TrainSettings(**values)
                self._studio = self._studio or self._place.open()
                if begun is not None and not any(begun.glob("checkpoints/*.json")):
                    begun = None
                root = self._place.home / RUNS
                goes_on = begun is not None or (resume and has_run(root, settings.name))
                with closing(self._studio.train(folder, settings, out=begun, resume=goes_on)) as events:
                    for event in events:
                        if self._is_stopping:
                            return
                        yield event
            except RetratoError as error:
                yield Failed(str(error))
            except Exception as error:
                yield Failed(f"unexpected {type(error).__name__}: {error}")

    def stop(self) -> None:
        """Makes `learn` end after the step that it is at, and waits for it."""
        self._is_stopping = True
        with self._learning:
            pass


@contextlib.contextmanager
def _cluster(workers: int | None) -> Iterator[Any]:
    """Gives the module `ray`, connected; on leaving, a cluster that was started for this is gone."""
    os.environ.update(QUIET)
    import ray

    known: dict[str, Any] = {"include_dashboard": False, "log_to_driver": False, "logging_level": "error"}
    if "RAY_ADDRESS" not in os.environ:
        # On the loopback only. Workers may be more than cores: whoever asks for that gets it.
        known |= {"num_cpus": max(os.cpu_count() or 1, workers or 1), "_node_ip_address": "127.0.0.1"}
    else:
        known.pop("include_dashboard")  # that was decided where the cluster was started
    try:
        ray.init(**known)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise SettingsError(f"the Ray cluster cannot be reached ({error}): see RAY_ADDRESS") from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _hiring(ray: Any, place: Place, workers: int | None, people: int) -> tuple[int, Callable[[], Any]]:
    """Gives how many workers there are to be, and what starts one; raises SettingsError for more than have room."""
    there = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # it also lists those that have left
    gpus = sum(int(found.get("GPU", 0)) for found in there) if place.device.startswith(("auto", "cuda")) else 0
    cores = [int(found.get("CPU", 0)) for found in there]
    room, what = (gpus, "GPUs") if gpus else (sum(cores), "cores")
    if (workers or 1) > room:
        raise SettingsError(f"workers is {workers or 1}, but the cluster has {room} {what}: ask for at most as many")
    count = min(workers or gpus or sum(each > 0 for each in cores), people)
    share = {"num_gpus": 1} if gpus else {"num_cpus": cores_each(cores, count)}
    hired = ray.remote(_Learner).options(max_concurrency=2, **share)
    return count, lambda: hired.remote(place)


def cores_each(cores: Sequence[int], count: int) -> int:
    """Gives the most cores that each of `count` workers can have on machines of so many `cores`, at least 1.

    A worker is on one machine: on machines of 8 and 2 cores there is room for two workers of 4, not for two of 5.
    """
    shares = range(max(cores), 1, -1)
    return next((share for share in shares if sum(each // share for each in cores) >= count), 1)
