"""Training of many people in one batch: photo passes per second for 1, 4, 8 and 16 people. A table, then one JSON line.

python -m benchmarks.train_many                                       retrato-mini, batch of 4 for each person
python -m benchmarks.train_many --script textual_inversion.py         the same beside diffusers' script

Whole steps are timed (processor time of this process and wall time), without comparing and saving; the numbers of
people take turns, so that a busy machine is busy for all. `1 alone` is `retrato train`'s own way. The script
(examples/textual_inversion of a checkout of diffusers) learns one person with the same batch size, in float32, its
default, or in `--peer-precision bfloat16`.
"""

import argparse
import contextlib
import json
import statistics
import tempfile
import time
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from unittest import mock

import numpy as np

from benchmarks.main_job import circumstances
from benchmarks.train_step import MIXED_PRECISION, NEVER, Peer
from retrato.model import Components
from retrato.model.load import model_path
from retrato.settings import TrainSettings
from retrato.studio import Studio
from retrato.training import Stepped, frozen, train
from retrato.training.crowd import crowd
from retrato.training.train import lesson

SCRIPT = "diffusers' script"
PHOTOS = Path(__file__).parents[1] / "examples" / "photos" / "benny"


def steps_of(events: Iterable[object], people: int) -> Iterator[None]:
    """Gives nothing at all each time that every one of `people` has made a step."""
    stepped = (each for each in events if isinstance(getattr(each, "event", each), Stepped))
    for number, _ in enumerate(stepped, 1):
        if number % people == 0:
            yield


def learning(
    components: Components, people: int | None, options: argparse.Namespace, root: Path
) -> Generator[None, None, None]:
    """Trains that many people in one batch, or one alone for None, and gives nothing after each step of all of them."""

    def arguments(number: int) -> tuple[TrainSettings, Path]:
        settings = TrainSettings(
            name=f"who-{number}", batch_size=options.batch_size, seed=number, caption="none", held_out=0,
            steps=NEVER, evaluate_every=NEVER, save_every=NEVER,
        )  # fmt: skip
        return settings, root / f"{people}-{number}"

    if people is None:
        settings, run = arguments(0)
        yield from steps_of(train(components, options.photos, settings, run_folder=run), 1)
        return
    lessons = {}
    for number in range(people):
        settings, run = arguments(number)
        lessons[settings.name] = lesson(components, options.photos, settings, run_folder=run)
    yield from steps_of(crowd(components, lessons, at_once=people * options.batch_size), people)


def main() -> None:
    """Times passes with different numbers of people in turns, prints medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--photos", type=Path, default=PHOTOS)
    parser.add_argument("--people", default="1,4,8,16")
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--script", type=Path, help="diffusers' textual_inversion.py, as one more that takes turns")
    parser.add_argument("--float32", action="store_true", help="also where retrato would take bfloat16 by itself")
    parser.add_argument("--peer-precision", choices=list(MIXED_PRECISION), default="float32")
    parser.add_argument("--steps", type=int, default=7, help="steps of each number of people")
    options = parser.parse_args()
    counts = [int(count) for count in options.people.split(",")]
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="retrato-benchmark-"))
        if options.float32:
            stack.enter_context(mock.patch.object(frozen, "uses_bfloat16", return_value=False))
        components = Studio.open(options.model, home=folder).components
        groups: dict[str, int | None] = {"1 alone": None} | {f"{count} together": count for count in counts}
        own = {name: learning(components, people, options, Path(folder)) for name, people in groups.items()}
        ways: dict[str, Iterator[None]] = dict(own)
        peer = None
        if options.script:
            peer = Peer(
                options.script, model_path(options.model), options.photos, components.defaults.size, options.batch_size,
                options.peer_precision, Path(folder) / "peer",
            )  # fmt: skip
            ways[SCRIPT] = iter(peer.step, NEVER)
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
        for step in range(options.steps + 1):
            for name, steps in ways.items():
                started = time.process_time(), time.perf_counter()
                next(steps)
                if step:  # the first one prepares and warms up
                    times[name].append((time.process_time() - started[0], time.perf_counter() - started[1]))
        for learned in own.values():
            learned.close()
        if peer:
            peer.stop()
    passes = {name: (groups.get(name) or 1) * options.batch_size for name in ways}
    result = {}
    beside = SCRIPT if options.script else "1 alone"
    print(f"{'people':18}{'passes/cpu s':>14}{'passes/s':>10}  times {beside}")
    for name, each in times.items():
        cpu, wall = (statistics.median(part) for part in zip(*each, strict=True))
        rounds = [  # passes of each round beside those of the other in the same round
            passes[name] / own[0] / (passes[beside] / theirs[0])
            for own, theirs in zip(each, times[beside], strict=True)
        ]
        low, middle, high = np.quantile(rounds, (0.1, 0.5, 0.9))
        result[name] = {"per_cpu_second": passes[name] / cpu, "per_second": passes[name] / wall}
        result[name] |= {"times": middle, "low": low, "high": high}
        print(
            f"{name:18}{result[name]['per_cpu_second']:14.2f}{result[name]['per_second']:10.2f}"
            f"  {middle:.2f} ({low:.2f} to {high:.2f})"
        )
    precision = {"float32": options.float32, "peer_precision": options.peer_precision}
    print(
        json.dumps(
            {"batch_size": options.batch_size, "beside": beside, **precision, "people": result, **circumstances()}
        )
    )


if __name__ == "__main__":
    main()
