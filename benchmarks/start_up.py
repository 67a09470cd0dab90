"""Times what happens before anything is done: importing, help, listing, and the first picture of a fresh process.

python -m benchmarks.start_up

Each line is a process of its own: the median of several, after one that is not counted (it reads files that the others
find in memory), and the most memory that it held. `import torch` is there to compare with: retrato cannot be faster
where it needs torch, and must be far faster where it does not. A table, then one line of JSON.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from benchmarks.main_job import circumstances

PYTHON = sys.executable
COMMANDS = {
    "python alone": (PYTHON, "-c", "pass"),
    "import retrato": (PYTHON, "-c", "import retrato"),
    "retrato --help": (PYTHON, "-m", "retrato", "--help"),
    "retrato samplers": (PYTHON, "-m", "retrato", "samplers"),
    "import torch": (PYTHON, "-c", "import torch"),
    "import diffusers' U-Net": (PYTHON, "-c", "from diffusers import UNet2DConditionModel"),
    "first picture": (
        PYTHON, "-m", "retrato", "generate", "a portrait of a person", "--steps", "1", "--seed", "7", "--device", "cpu",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Start:
    """One kind of process: median seconds from nothing to its end, and the most memory it held."""

    name: str
    seconds: float
    peak_mb: int


def measure(name: str, command: Sequence[str], times: int) -> Start:
    """Runs `command` once for nothing and `times` for the clock; raises RuntimeError where it fails."""
    found = [_once(name, command) for _ in range(times + 1)][1:]
    return Start(name, statistics.median(seconds for seconds, _ in found), max(peak for _, peak in found))


def _once(name: str, command: Sequence[str]) -> tuple[float, int]:
    with tempfile.TemporaryDirectory() as home:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            env=os.environ | {"RETRATO_HOME": home},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{name} ended with {process.returncode}: run it by hand to see why")
    return seconds, round(used.ru_maxrss / (1_000_000 if sys.platform == "darwin" else 1_000))


def main() -> None:
    """Measures everything once more than asked and prints what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=5, help="counted runs of each")
    options = parser.parse_args()
    found = []
    for name, command in COMMANDS.items():
        found.append(measure(name, command, options.times))
        print(f"{name:24} {found[-1].seconds:8.3f} s {found[-1].peak_mb:7} MB", flush=True)
    print(json.dumps({**circumstances(), "times": options.times, "starts": [asdict(each) for each in found]}))


if __name__ == "__main__":
    main()
