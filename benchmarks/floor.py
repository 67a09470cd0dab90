"""How far a training step and a drawing step are from the best that this machine could do.

python -m benchmarks.floor                                   retrato-mini
python -m benchmarks.floor --model FOLDER --batch 4

The floor of a step is the longer of two times: its operations (counted by torch, forward and backward) over the peak
rate of a large matrix product, and its bytes (every weight of the U-Net once a pass, when it learns those of the text
encoders too, as a drawing encodes its words before the first step) over the rate of a large copy. Both rates are
measured here for each kind of step, on the same device in the number format that it multiplies in, a moment before. No
step can be faster than its floor; how much slower it is says what is left to gain. A table, then one line of JSON.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.main_job import circumstances
from retrato.model import Components, encode, load_components, token_chunks
from retrato.sampling.guidance import Guidance, predict
from retrato.settings import TrainSettings
from retrato.training import RECIPES, resolve
from retrato.training.frozen import frozen
from retrato.training.learnable import learnable_of
from retrato.training.step import Batch, gradients, read_diffusion

NAME = "floor-1"
PASSES = {"training": 2, "drawing": 1}  # how often a step reads every weight: forward, and backward where it learns


@dataclass(frozen=True, slots=True)
class Rates:
    """What the device does at best: operations and bytes per second."""

    operations: float
    bytes: float


@dataclass(frozen=True, slots=True)
class Step:
    """One kind of step: what it must do at least, the rates this was divided by, and the seconds it took (median)."""

    name: str
    batch: int
    giga_operations: float
    mega_bytes: float
    rates: Rates
    floor_seconds: float
    seconds: float

    @property
    def share(self) -> float:
        """Gives the floor as a share of the time: 1 would be the machine's limit."""
        return self.floor_seconds / self.seconds


def measure_rates(device: torch.device, dtype: torch.dtype, side: int, repeats: int) -> Rates:
    """Gives the best of `repeats` products of two [side, side] matrices, and of copies of 64 times as much memory."""
    one, other = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    product = min(_seconds(lambda: one @ other, device, repeats))
    block = torch.zeros(64 * side * side // 4, device=device)
    copy = min(_seconds(block.clone, device, repeats))
    return Rates(2 * side**3 / product, 2 * block.nbytes / copy)  # a copy reads and writes


def measure_step(
    name: str, batch: int, step: Callable[[], object], weights: int, rates: Rates, device: torch.device, repeats: int
) -> Step:
    """Gives the figures of `step`, which reads `weights` bytes in each pass."""
    with FlopCounterMode(display=False) as counter:
        step()
    operations, moved = float(counter.get_total_flops()), float(weights * PASSES[name])
    return Step(
        name=name,
        batch=batch,
        giga_operations=operations / 1e9,
        mega_bytes=moved / 1e6,
        rates=rates,
        floor_seconds=max(operations / rates.operations, moved / rates.bytes),
        seconds=statistics.median(_seconds(step, device, repeats)),
    )


def run(components: Components, batch: int, repeats: int, side: int = 2048) -> tuple[Step, Step]:
    """Gives the figures of a training step and of a drawing step."""
    settings = TrainSettings(name=NAME, batch_size=batch)
    plan = resolve(settings, RECIPES["retrato"], batch)
    learnable = learnable_of(components, settings, plan)
    diffusion, cells = read_diffusion(components), components.defaults.size // components.vae_scale
    latents = torch.randn(batch, components.latent_channels, cells, cells)
    text = f"a photo of {NAME}, smiling, red shirt, blue background"
    examples = Batch(
        latents, torch.randn_like(latents), torch.full((batch,), diffusion.timesteps // 2), (text,) * batch
    )
    weights = _bytes(*components.text_encoders, components.unet)
    with frozen(components, batch, cells * cells) as autocast:
        dtype = torch.bfloat16 if autocast else components.dtype
        rates = measure_rates(components.device, dtype, side, repeats)

        def learn() -> object:
            return gradients(components, diffusion, examples, learnable, learnable.start, plan, autocast, 0)

        learning = measure_step("training", batch, learn, weights, rates, components.device, repeats)
    words = encode(
        components, [token_chunks(components, text, {NAME: len(learnable.start[0])})], {NAME: learnable.start}
    )
    nothing = encode(components, [token_chunks(components, "", {})], {})
    guidance = Guidance(((words, 1.0),), nothing, components.defaults.guidance_scale)

    def draw() -> object:
        return predict(components, latents[:1], torch.tensor(diffusion.timesteps // 2), guidance)

    if dtype is not components.dtype:
        rates = measure_rates(components.device, components.dtype, side, repeats)
    drawing = measure_step("drawing", 1, draw, _bytes(components.unet), rates, components.device, repeats)
    return learning, drawing


def _bytes(*modules: torch.nn.Module) -> int:
    return sum(each.numel() * each.element_size() for module in modules for each in module.parameters())


def _seconds(work: Callable[[], object], device: torch.device, repeats: int) -> list[float]:
    """Gives the seconds of each of `repeats` runs, after one that is not counted."""
    found = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        found.append(time.perf_counter() - started)
    return found[1:]


def main() -> None:
    """Measures, prints a table and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=10)
    options = parser.parse_args()
    components = load_components(options.model, device=options.device, dtype=options.dtype)
    steps = run(components, options.batch, options.repeats)
    print(f"{components.device}, {torch.get_num_threads()} threads")
    print(
        f"{'step':10}{'batch':>6}{'G operations':>14}{'MB':>8}{'G op/s':>8}{'GB/s':>7}"
        f"{'floor s':>10}{'took s':>10}{'share':>8}"
    )
    for one in steps:
        print(
            f"{one.name:10}{one.batch:6}{one.giga_operations:14.2f}{one.mega_bytes:8.0f}"
            f"{one.rates.operations / 1e9:8.0f}{one.rates.bytes / 1e9:7.1f}"
            f"{one.floor_seconds:10.4f}{one.seconds:10.4f}{one.share:8.2f}"
        )
    figures = {"steps": [asdict(each) | {"share": each.share} for each in steps]}
    print(json.dumps({**circumstances(), "model": components.name, "threads": torch.get_num_threads(), **figures}))


if __name__ == "__main__":
    main()
