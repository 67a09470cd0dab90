"""Times the main job, phase by phase: import, load, prepare, train, pick, draw. A table, then one line of JSON.

python benchmarks/main_job.py                                  learns benny on retrato-mini and draws four pictures
python benchmarks/main_job.py --model FOLDER --photos FOLDER   any other model, anybody else

Each phase says how long it took on the clock, and the most memory the process had held by its end (resident set, from
the operating system). Nothing is kept; the embeddings lie in a temporary folder.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path

PHOTOS = Path(__file__).parents[1] / "examples" / "photos" / "benny"
LIBRARIES = ("torch", "diffusers", "transformers")


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase of the job; `peak_mb` is the most memory held from the start of the process to the end of the phase."""

    name: str
    seconds: float
    peak_mb: int


def main() -> None:
    """Runs the job once and prints what it took."""
    options = _options()
    phases = []
    for phase in run(options.model, options.photos, options.steps, options.pictures):
        phases.append(phase)
        print(f"{phase.name:8} {phase.seconds:8.2f} s {phase.peak_mb:7} MB", flush=True)
    total = sum(phase.seconds for phase in phases)
    print(f"{'total':8} {total:8.2f} s {phases[-1].peak_mb:7} MB")
    print(json.dumps({**circumstances(), "phases": [asdict(phase) for phase in phases], "seconds": round(total, 2)}))


def run(model: str, photos: Path, steps: int | None, pictures: int) -> Iterator[Phase]:
    """Yields each phase as it ends; imports belong to what is measured, so they are in here."""
    started = time.perf_counter()
    from retrato.settings import GenerateSettings, TrainSettings
    from retrato.studio import Studio
    from retrato.training import Comparing, Finished, Picked, Prepared, Scored

    yield Phase("import", time.perf_counter() - started, _peak_mb())
    with tempfile.TemporaryDirectory(prefix="retrato-benchmark-") as home:
        started = time.perf_counter()
        studio = Studio.open(model, home=home)
        # Loaded when first asked for: ask now, so that it is not measured elsewhere.
        _ = studio.components, studio.scorer, studio.captioner, studio.library
        yield Phase("load", time.perf_counter() - started, _peak_mb())
        peaks = {}
        for event in studio.train(photos, TrainSettings(name="benchmark-1", steps=steps, preview_every=0)):
            if isinstance(event, Prepared):
                peaks["prepare"] = _peak_mb()
            elif not isinstance(event, Comparing | Scored | Picked | Finished):
                peaks["train"] = _peak_mb()
            if isinstance(event, Finished):
                for name, seconds in event.times.items():
                    yield Phase(name, seconds, peaks.get(name, _peak_mb()))
        started = time.perf_counter()
        drawing = GenerateSettings(prompt="a portrait of benchmark-1", seed=7, count=pictures, batch_size=1)
        for image in studio.draw(drawing):
            image.save(Path(home) / "pictures")
        yield Phase("draw", time.perf_counter() - started, _peak_mb())


def _peak_mb() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # kilobytes on Linux, bytes on macOS
    return round(peak / (1_000_000 if sys.platform == "darwin" else 1_000))


def circumstances() -> dict[str, object]:
    """Gives what a figure means nothing without: machine, versions, commit, date, command."""
    import retrato

    versions = {"python": platform.python_version(), "retrato": retrato.__version__}
    return {
        "date": date.today().isoformat(),
        "command": " ".join(["python", *sys.argv]),
        "commit": _commit(),
        "machine": f"{_processor()}, {os.cpu_count()} cores, {platform.system()}",
        "versions": versions | {name: version(name) for name in LIBRARIES},
    }


def _commit() -> str:
    """Gives the commit of the code, with -dirty where files differ from it; empty where there is no git."""
    try:
        asked = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini", help="mini, or a folder in diffusers layout")
    parser.add_argument("--photos", type=Path, default=PHOTOS, help="folder of photos of one person")
    parser.add_argument("--steps", type=int, help="most training steps; by default the recipe's")
    parser.add_argument("--pictures", type=int, default=4, help="pictures drawn one by one at the end")
    return parser.parse_args()


if __name__ == "__main__":
    main()
