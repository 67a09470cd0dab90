"""Draws thousands of pictures in one process, with people that are read anew on the way: memory and open files.

python -m benchmarks.soak                               2,000 drawings and 200 embeddings on retrato-mini
python -m benchmarks.soak --drawings 200 --loads 20     a first impression

Ends with 1 where memory grew by more than 5 % between a tenth of the drawings and the last one, or a file stayed open.
Wants Linux's /proc.
"""

import argparse
import json
import tempfile
import time
from dataclasses import dataclass

from benchmarks.main_job import circumstances
from benchmarks.server_load import MOST_GROWTH, memory
from retrato.embeddings import Embedding
from retrato.settings import GenerateSettings
from retrato.studio import Studio

PEOPLE = 20  # names; a load writes one of them anew


@dataclass(frozen=True, slots=True)
class Soaked:
    """What a tenth of the drawings each left: resident memory in MB and open files of this process."""

    memory_mb: list[int]
    open_files: list[int]

    @property
    def growth(self) -> float:
        """Gives the share by which memory grew since the first tenth, in which everything is read and made."""
        return self.memory_mb[-1] / self.memory_mb[0] - 1

    @property
    def passed(self) -> bool:
        """Says whether memory held and no file stayed open."""
        return self.growth < MOST_GROWTH and len(set(self.open_files)) == 1


def soak(studio: Studio, drawings: int, loads: int, steps: int = 1) -> Soaked:
    """Draws and saves pictures of 64x64, each `drawings / loads` of them with an embedding that was just written."""
    import torch

    dim = studio.components.token_widths[0]
    settings = GenerateSettings(prompt="a portrait", steps=steps, width=64, height=64)
    measured = []
    for number in range(drawings):
        name = f"soak-{number * loads // drawings % PEOPLE}"
        if number % (drawings // loads) == 0:
            vectors = torch.randn(2, dim, generator=torch.Generator().manual_seed(number))
            studio.library.add(Embedding(name, (vectors,)), overwrite=True)
        for image in studio.draw(settings.changed(prompt=f"a portrait of {name}, {number % 100}", seed=number)):
            image.save(studio.home / "pictures")
        if (number + 1) % (drawings // 10) == 0:
            measured.append(memory())
    return Soaked([each[0] for each in measured], [each[1] for each in measured])


def main() -> None:
    """Runs it once and prints what it took."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--drawings", type=int, default=2000)
    parser.add_argument("--loads", type=int, default=200)
    parser.add_argument("--steps", type=int, default=1, help="sampler steps of each drawing")
    parser.add_argument("--model", default="mini")
    options = parser.parse_args()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="retrato-soak-") as home:
        soaked = soak(Studio.open(options.model, home=home), options.drawings, options.loads, options.steps)
    figures = {
        "drawings": options.drawings,
        "loads": options.loads,
        "passed": soaked.passed,
        "memory_growth": round(soaked.growth, 4),
        "memory_mb": soaked.memory_mb,
        "open_files": soaked.open_files,
        "seconds": round(time.perf_counter() - started),
    }
    for name, value in figures.items():
        print(f"{name:28} {value}")
    print(json.dumps({**circumstances(), **figures}))
    raise SystemExit(0 if soaked.passed else 1)


if __name__ == "__main__":
    main()
