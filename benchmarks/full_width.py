"""A model of real size with random weights: folder -> one file -> load -> the same picture, timed. A table, then JSON.

python benchmarks/full_width.py            Stable Diffusion 1: 1,066 million weights, 9 GB of disk while it runs
python benchmarks/full_width.py --family xl --half
python benchmarks/full_width.py --reduced  narrow blocks: 13 million weights, to see in a minute that all of it runs

Random weights draw noise, but load and compute like real ones. Nothing is kept.
"""

import argparse
import hashlib
import json
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase, and the most memory that the process had held by its end."""

    name: str
    seconds: float
    peak_mb: int
    result: str = ""


def main() -> None:
    """Runs once and prints what it took; exit code 1 when the pictures differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", default="sd1", help="sd1, sd2, sd2-v, xl or xl-v")
    parser.add_argument("--half", action="store_true", help="weights in float16, as most files have them")
    parser.add_argument("--reduced", action="store_true", help="narrow blocks, of the same depth")
    parser.add_argument("--side", type=int, default=64, help="side of the picture in pixels")
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--work", type=Path, default=None, help="folder with room for the model, twice")
    options = parser.parse_args()
    phases = []
    with tempfile.TemporaryDirectory(prefix="retrato-full-width-", dir=options.work) as work:
        for phase in run(
            Path(work), options.family, options.half, options.side, options.steps, is_reduced=options.reduced
        ):
            phases.append(phase)
            print(f"{phase.name:18} {phase.seconds:8.1f} s {phase.peak_mb:7} MB  {phase.result}", flush=True)
    drawn = {phase.result for phase in phases if phase.name.startswith("draw")}
    libraries = {name: version(name) for name in ("torch", "diffusers", "transformers")}
    said = {"date": date.today().isoformat(), "machine": platform.machine(), **libraries, "family": options.family}
    said["reduced"] = options.reduced
    print(json.dumps({**said, "same_picture": len(drawn) == 1, "phases": [asdict(phase) for phase in phases]}))
    sys.exit(len(drawn) != 1)


def run(work: Path, family: str, half: bool, side: int, steps: int, *, is_reduced: bool = False) -> Iterator[Phase]:
    """Yields each phase as it ends. Pictures are told apart by their hashes."""
    import torch
    from safetensors.torch import save_file

    from benchmarks.ldm_file import ldm_tensors
    from benchmarks.random_models import save_random_model
    from retrato.generation import Drawn, generate
    from retrato.model import load_components
    from retrato.settings import GenerateSettings

    settings = GenerateSettings(prompt="a photo", steps=steps, width=side, height=side, seed=1, guidance_scale=1)
    started = time.perf_counter()
    folder = save_random_model(work / "model", family, is_reduced=is_reduced, dtype=torch.float16 if half else None)
    yield _phase("make", started)
    started = time.perf_counter()
    tensors = ldm_tensors(folder)
    count = sum(value.numel() for value in tensors.values())
    save_file(tensors, work / "model.safetensors")
    del tensors
    yield _phase("write one file", started, f"{count / 1e6:.0f} million numbers")
    for source in (folder, work / "model.safetensors"):
        started = time.perf_counter()
        components = load_components(source, device="cpu", family=family if source.is_file() else "auto")
        yield _phase(f"load {source.suffix or 'folder'}", started, components.hash)
        started = time.perf_counter()
        image = next(each.image.image for each in generate(components, settings, {}) if isinstance(each, Drawn))
        del components
        yield _phase(f"draw {source.suffix or 'folder'}", started, hashlib.sha256(image.tobytes()).hexdigest()[:16])


def _phase(name: str, started: float, result: str = "") -> Phase:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return Phase(name, time.perf_counter() - started, peak, result)


if __name__ == "__main__":
    main()
