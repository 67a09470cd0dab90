"""Times `check` and `prepare` on many phone photos, in one process and in two, and says how much memory each took.

python benchmarks/photos.py --count 100

The photos are made on the spot: 12 megapixels, JPEG of quality 90, edges and grain as a phone's pictures have them.
Seconds on the clock say something on a quiet machine only, those of the processor (of all processes together) also on
a busy one: what two processes take more of them than one is what sharing the work costs. Memory is the most that any
process held at a time. Linux only: it looks into /proc, twice a second, which takes less than half a percent of a core.
Prints a table and then one JSON line for benchmarks/RESULTS.md.
"""

import argparse
import contextlib
import json
import os
import platform
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from retrato.photos import Refused, check_photos, prepare
from retrato.settings import PhotoSettings

WIDTH, HEIGHT = 4032, 3024


@dataclass(frozen=True, slots=True)
class Measured:
    """What one way of working took; `peak_mb` is the most that one process held at a time."""

    processes: int
    check_seconds: float
    prepare_seconds: float
    processor_seconds: float
    peak_mb: int

    @property
    def seconds(self) -> float:
        """Gives the seconds of both together."""
        return self.check_seconds + self.prepare_seconds


def main() -> None:
    """Makes the photos, works through them in one and in two processes, prints what that took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100, help="photos")
    parser.add_argument("--faces", action="store_true", help="look for faces too")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "photos"
        folder.mkdir()
        for number in range(chosen.count):
            phone_photo(number).save(folder / f"{number:03}.jpg", quality=90)
        found = [measured(folder, Path(work) / f"out{processes}", processes, chosen.faces) for processes in (2, 1)]
    found.reverse()
    print(f"{'processes':>9} {'check s':>8} {'prepare s':>10} {'photos/s':>9} {'processor s':>12} {'peak MB':>8}")
    for each in found:
        rate = chosen.count / each.seconds
        print(
            f"{each.processes:>9} {each.check_seconds:>8.1f} {each.prepare_seconds:>10.1f} {rate:>9.2f} "
            f"{each.processor_seconds:>12.1f} {each.peak_mb:>8}"
        )
    speedup = round(found[0].seconds / found[1].seconds, 2)
    at_best = round(2 * found[0].processor_seconds / found[1].processor_seconds, 2)
    print(f"two processes are {speedup} times as fast; by processor seconds at best {at_best} times")
    facts = {
        "count": chosen.count,
        "faces": chosen.faces,
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
    }
    runs = [asdict(each) for each in found]
    print(json.dumps({**facts, "machine": platform.machine(), "runs": runs, "speedup": speedup, "at_best": at_best}))


def phone_photo(number: int) -> Image.Image:
    """Gives a picture of 12 megapixels: discs of chance colours, softened, with grain."""
    rng = np.random.default_rng(number)
    small = Image.new("RGB", (WIDTH // 8, HEIGHT // 8), tuple(int(value) for value in rng.integers(60, 200, 3)))
    brush = ImageDraw.Draw(small)
    for _ in range(60):
        across, down = rng.uniform(0, 1, 2) * small.size
        radius = rng.uniform(4, 80)
        fill = tuple(int(value) for value in rng.integers(0, 256, 3))
        brush.ellipse((across - radius, down - radius, across + radius, down + radius), fill=fill)
    large = np.asarray(small.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC), dtype=np.int16)
    grain = rng.integers(-6, 7, (HEIGHT, WIDTH, 1), dtype=np.int16)
    return Image.fromarray(np.clip(large + grain, 0, 255).astype(np.uint8))


def measured(folder: Path, out: Path, processes: int, faces: bool) -> Measured:
    """Checks and prepares the folder."""
    watch = Watch()
    watch.start()
    begin = time.perf_counter()
    report = check_photos(folder, size=512, faces=faces, processes=processes)
    checked = time.perf_counter()
    settings = PhotoSettings(size=512, crop="focal", mask=faces)
    done = list(prepare(folder, out, settings, processes=processes))
    end = time.perf_counter()
    watch.stop()
    refused = [each for each in done if isinstance(each, Refused)]
    assert not refused, refused
    assert len(done) == len(report.photos)
    return Measured(
        processes,
        round(checked - begin, 2),
        round(end - checked, 2),
        round(watch.processor_seconds, 2),
        round(watch.peak_kb / 1024),
    )


class Watch(threading.Thread):
    """Looks at this process and those below it, twice a second, from `start` to `stop`.

    `processor_seconds` are those of all of them since the start; `peak_kb` is the most memory that one of them held,
    by the kernel's own count, so that nothing between two looks is missed.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak_kb = 0
        self._ticks: dict[int, int] = {}
        self._over = threading.Event()
        Path("/proc/self/clear_refs").write_text("5")  # what this process held before does not count
        self._look()
        self._before = sum(self._ticks.values())

    @property
    def processor_seconds(self) -> float:
        """Gives the processor's seconds, also of processes that are gone."""
        return (sum(self._ticks.values()) - self._before) / os.sysconf("SC_CLK_TCK")

    def run(self) -> None:
        """Looks again and again."""
        while not self._over.wait(0.5):
            self._look()
            self.peak_kb = max([self.peak_kb, *(_kilobytes(each) for each in self._ticks)])

    def stop(self) -> None:
        """Looks once more and ends."""
        self._over.set()
        self.join()
        self._look()

    def _look(self) -> None:
        below: dict[int, list[int]] = {}
        ticks = {}
        for place in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                fields = (place / "stat").read_text().rpartition(")")[2].split()
                below.setdefault(int(fields[1]), []).append(int(place.name))
                ticks[int(place.name)] = int(fields[11]) + int(fields[12])
        waiting = [os.getpid()]
        while waiting:
            process = waiting.pop()
            self._ticks[process] = ticks.get(process, 0)
            waiting += below.get(process, [])


def _kilobytes(process: int) -> int:
    """Gives the most memory that a process has held, 0 where it is gone."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])
    return 0


if __name__ == "__main__":
    main()
