"""Where among the timesteps a model teaches: how far the gradient to the vectors stands out of its own noise.

python -m benchmarks.timestep_profile --model mini --photos examples/photos/benny

Measured once per model, at the vectors that training starts from: in each of `--parts` equal parts of the timesteps
the gradients of `--each` examples, one by one. Their mean is the signal, corrected for what chance leaves in a mean of
so few; their spread around it is the noise. Drawing in proportion to the ratio, but for a share `--floor` everywhere,
is what the last line says as a lever: `timestep_density=(...)` for `benchmarks.levers` or a recipe.
"""

import argparse
import dataclasses
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from retrato.model import Components
from retrato.model.caption import Captioner
from retrato.settings import TrainSettings
from retrato.studio import Studio
from retrato.training.frozen import frozen
from retrato.training.prepare import check_inputs, prepare
from retrato.training.run_folder import RunFolder
from retrato.training.step import draw_batch, draw_material, gradients


def part_gradients(
    components: Components, captioner: Captioner | None, photos: Path, settings: TrainSettings, parts: int, each: int
) -> Iterator[Tensor]:
    """Gives for each part of the timesteps the gradients of its examples, [each, V * D]."""
    with tempfile.TemporaryDirectory() as folder:
        inputs = check_inputs(components, photos, settings)
        run = prepare(components, inputs, settings, RunFolder(Path(folder), settings.name), captioner)
        plan = dataclasses.replace(run.plan, batch_size=each, timesteps="stratified")
        with frozen(components, 1, run.latent_cells) as autocast:
            for part in range(parts):
                only = tuple(float(other == part) for other in range(parts))
                batch = draw_batch(
                    draw_material(run.materials, plan.seed, part),
                    dataclasses.replace(plan, timestep_density=only),
                    run.diffusion.timesteps,
                    part,
                )
                found = [
                    gradients(components, run.diffusion, one, run.learnable, run.learnable.start, plan, autocast, part)[
                        1
                    ]
                    for one in batch.split(1)
                ]
                yield torch.stack([torch.cat([own.flatten() for own in gradient]) for gradient in found])


def signal_and_noise(found: Tensor) -> tuple[float, float]:
    """Gives the length of the mean gradient and the spread of one around it, from `found` [n, D], without bias."""
    noise = float(found.var(dim=0).sum())
    signal = float(found.mean(dim=0).square().sum()) - noise / len(found)
    return max(signal, 0.0) ** 0.5, noise**0.5


def density(ratios: Sequence[float], floor: float) -> tuple[float, ...]:
    """Gives how often each part is drawn, 1 in all: in proportion to `ratios`, but for the share `floor`."""
    total = sum(ratios)
    if not total:
        raise SystemExit("no part has a gradient that stands out of its noise: take more examples of each")
    return tuple(round(floor / len(ratios) + (1 - floor) * ratio / total, 4) for ratio in ratios)


def main() -> None:
    """Prints the profile as a table, the lever, and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini")
    parser.add_argument(
        "--photos", type=Path, nargs="+", default=[Path("examples/photos/benny")], help="a folder per person"
    )
    parser.add_argument("--parts", type=int, default=10)
    parser.add_argument("--each", type=int, default=20, help="examples per part and person")
    parser.add_argument("--floor", type=float, default=0.15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        studio = Studio.open(options.model, home=Path(home))
        settings = TrainSettings(name="profile-1")
        people = [
            [
                signal_and_noise(found)
                for found in part_gradients(
                    studio.components, studio.captioner, photos, settings, options.parts, options.each
                )
            ]
            for photos in options.photos
        ]
    signals, noises = torch.tensor(people).square().mean(dim=0).sqrt().unbind(1)
    ratios = (signals / noises).tolist()
    drawn = density(ratios, options.floor)
    print("| timesteps | signal | noise | ratio | share of all noise | drawn |\n|---|---|---|---|---|---|")
    for part, (ratio, share) in enumerate(zip(ratios, drawn, strict=True)):
        own = noises[part] ** 2 / noises.square().sum()
        print(
            f"| {part / options.parts:.2f} to {(part + 1) / options.parts:.2f} | {signals[part]:.3g} "
            f"| {noises[part]:.3g} | {ratio:.2f} | {own:.1%} | {share:.3f} |"
        )
    print(f"timestep_density=({','.join(f'{share:g}' for share in drawn)})")
    print(json.dumps({"model": options.model, "people": len(people), "ratios": ratios, "density": drawn}))


if __name__ == "__main__":
    main()
