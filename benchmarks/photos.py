"""Times `check` and `prepare` on many phone photos, in one process and in two, and says how much memory each took.

python benchmarks/photos.py --count 100

The photos are made on the spot: 12 megapixels, JPEG of quality 90, edges and grain as a phone's pictures have them.
Prints a table and then one JSON line for benchmarks/RESULTS.md.
"""

import argparse
import json
import os
import platform
import resource
import tempfile
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
    """What one way of working took."""

    processes: int
    check_seconds: float
    prepare_seconds: float

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
    peak = {
        "one_process_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "each_of_two_mb": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024),
    }
    print(f"{'processes':>9} {'check s':>8} {'prepare s':>10} {'photos/s':>9}")
    for each in found:
        rate = chosen.count / each.seconds
        print(f"{each.processes:>9} {each.check_seconds:>8.1f} {each.prepare_seconds:>10.1f} {rate:>9.2f}")
    speedup = round(found[0].seconds / found[1].seconds, 2)
    print(f"two processes are {speedup} times as fast; most memory: {peak}")
    facts = {
        "count": chosen.count,
        "faces": chosen.faces,
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
    }
    runs = [asdict(each) for each in found]
    print(json.dumps({**facts, "machine": platform.machine(), "runs": runs, "speedup": speedup, **peak}))


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
    begin = time.perf_counter()
    report = check_photos(folder, size=512, faces=faces, processes=processes)
    checked = time.perf_counter()
    settings = PhotoSettings(size=512, crop="focal", mask=faces)
    done = list(prepare(folder, out, settings, processes=processes))
    end = time.perf_counter()
    refused = [each for each in done if isinstance(each, Refused)]
    assert not refused, refused
    assert len(done) == len(report.photos)
    return Measured(processes, round(checked - begin, 2), round(end - checked, 2))


if __name__ == "__main__":
    main()
