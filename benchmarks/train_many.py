"""Training of many people in one batch: photo passes per second for 1, 4, 8 and 16 people. A table, then one JSON line.

python benchmarks/train_many.py                        retrato-mini, batch of 4 for each person
python benchmarks/train_many.py --model FOLDER --steps 10

Only gradients are timed (processor time of this process and wall time), as everything else is each person's own; the
numbers of people take turns, so that a busy machine is busy for all. `1 alone` is `retrato train`'s own way.
"""

import argparse
import dataclasses
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from retrato.settings import TrainSettings
from retrato.studio import Studio
from retrato.training.answer import Wanted, answer_of
from retrato.training.crowd import joint_gradients
from retrato.training.frozen import frozen
from retrato.training.train import lesson

PHOTOS = Path(__file__).parents[1] / "examples" / "photos" / "benny"


def wanted_by(studio: Studio, people: int, batch_size: int, photos: Path, root: Path) -> list[Wanted]:
    """Gives the first gradient that each of `people` trainings waits for; all learn from the same photos."""
    found = []
    for number in range(people):
        settings = TrainSettings(name=f"who-{number}", batch_size=batch_size, seed=number, caption="none")
        begun = lesson(studio.components, photos, settings, run_folder=root / str(number))
        found.append(next(said for said in begun if isinstance(said, Wanted)))
        begun.close()
    return found


def main() -> None:
    """Times passes with different numbers of people in turns, prints medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--photos", type=Path, default=PHOTOS)
    parser.add_argument("--people", default="1,4,8,16")
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--at-once", type=int, default=32)
    parser.add_argument("--steps", type=int, default=7, help="steps of each number of people")
    options = parser.parse_args()
    counts = [int(count) for count in options.people.split(",")]
    with tempfile.TemporaryDirectory(prefix="retrato-benchmark-") as folder:
        studio = Studio.open(options.model, home=folder)
        components = studio.components
        wanted = wanted_by(studio, max(counts), options.batch_size, options.photos, Path(folder))
        ways: dict[str, tuple[int, Callable[[int], object]]] = {
            "1 alone": (1, lambda step: answer_of(at(wanted[0], step)))
        }
        for count in counts:
            ways[f"{count} together"] = (
                count,
                lambda step, count=count: joint_gradients(
                    components, [at(each, step) for each in wanted[:count]], options.at_once
                ),
            )
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
        with frozen(components, options.at_once, wanted[0].run.latent_cells):
            for step in range(options.steps + 1):
                for name, (_, work) in ways.items():
                    started = time.process_time(), time.perf_counter()
                    work(step)
                    if step:  # the first one warms up
                        times[name].append((time.process_time() - started[0], time.perf_counter() - started[1]))
    result = {}
    print(f"{'people':14}{'passes/cpu s':>14}{'passes/s':>10}{'to 1 alone':>12}")
    for name, (count, _) in ways.items():
        cpu, wall = (statistics.median(part) for part in zip(*times[name], strict=True))
        result[name] = {
            "per_cpu_second": count * options.batch_size / cpu,
            "per_second": count * options.batch_size / wall,
        }
        ratio = result[name]["per_cpu_second"] / result["1 alone"]["per_cpu_second"]
        print(f"{name:14}{result[name]['per_cpu_second']:14.2f}{result[name]['per_second']:10.2f}{ratio:12.2f}")
    versions = {name: version(name) for name in ("torch", "diffusers", "transformers")}
    print(json.dumps({"machine": platform.machine(), **versions, "batch_size": options.batch_size, "people": result}))


def at(wanted: Wanted, step: int) -> Wanted:
    """Gives the same training, waiting for the gradient of another step."""
    return dataclasses.replace(wanted, state=dataclasses.replace(wanted.state, step=step))


if __name__ == "__main__":
    main()
