"""Times drawing beside diffusers' own pipeline, and says what the fast settings cost. Tables, then one line of JSON.

python benchmarks/generate.py                                   on retrato-mini
python benchmarks/generate.py --embedding ana-1.safetensors --photos photos/ana     with likeness, too

First the same drawing by both: same model, scheduler, steps, size, precision and noise; the latents must be the same
bit for bit. Then ways to draw, among them those of the extra `openvino` where it is installed, each with the processor
time of a picture, how well the scorer finds the prompt in it (cosine), and how like the person it is (mean cosine to
the photos) where there is an embedding, as a Markdown table. Arms take turns, so that whatever else runs slows all of
them; times are of the processor, on as many threads as OMP_NUM_THREADS says. Last what a fresh process takes until the
help and until the first picture.
"""

import argparse
import json
import math
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from retrato.embeddings import Embedding, read_embedding
from retrato.evaluation.statistics import mean_interval
from retrato.generation import Drawn, GeneratedImage, Sampled, generate
from retrato.model import Components, Scorer, load_components, load_scorer
from retrato.model.openvino import on_openvino
from retrato.photos import read_photos
from retrato.sampling import SAMPLERS
from retrato.sampling.noise import noise_for
from retrato.sampling.schedulers import make_scheduler
from retrato.settings import GenerateSettings

PROMPTS = (
    "a portrait of {}, comic style",
    "a portrait of {}, flat style",
    "a portrait of {}, pixel art style",
    "a photo of {}, smiling",
)
PLAIN: Mapping[str, Any] = {"sampler": "DPM++ 2M", "schedule": "Karras", "steps": 20}
WAYS: Mapping[str, Mapping[str, Any]] = {
    "DPM++ 2M Karras, 20 steps": PLAIN,
    "Euler a, 20 steps": {"sampler": "Euler a", "steps": 20},
    "no negative prompt below noise level 1": {**PLAIN, "guidance_min_sigma": 1.0},
    "15 steps": {**PLAIN, "steps": 15},
    "12 steps": {**PLAIN, "steps": 12},
    "--fast": {**PLAIN, "fast": True},
}
# Where the extra is installed: the same by OpenVINO, in the precision that it chooses and in float32.
BY_OPENVINO: Mapping[str, tuple[Mapping[str, Any], torch.dtype | None]] = {
    "--engine openvino": (PLAIN, None),
    "--engine openvino --fast": (WAYS["--fast"], None),
    "--engine openvino --dtype float32": (PLAIN, torch.float32),
    "--engine openvino --dtype float32 --fast": (WAYS["--fast"], torch.float32),
}


def main() -> None:
    """Runs all three parts and prints them."""
    options = _options()
    components = load_components(options.model, device="cpu", dtype="float32")
    result: dict[str, object] = {"pipeline": beside_pipeline(components, options.rounds)}
    scorer = load_scorer(options.model, device="cpu") if options.model == "mini" or _has_scorer(options.model) else None
    embedding = read_embedding(options.embedding) if options.embedding else None
    result["ways"] = ways(components, scorer, embedding, options.photos, options.pictures)
    result["start"] = starts(options.model)
    print(json.dumps({**_circumstances(), **result}))


def beside_pipeline(components: Components, rounds: int) -> dict[str, object]:
    """Draws the same picture by diffusers' pipeline and by retrato, in turns, and compares latents and times.

    Both until there is a picture. One round differs by a tenth from the next where anything else runs on the machine,
    so the ratio comes with its 95 % interval, and beside the operations, which no other job can change.
    """
    from diffusers import StableDiffusionPipeline

    size, steps = components.defaults.size, 20
    # DPM++ 2M would not do: diffusers rounds its timesteps, which A1111 and retrato do not.
    asked_of_both: Mapping[str, Any] = {"sampler": "Euler", "schedule": "Karras", "steps": steps}
    scheduler = make_scheduler(SAMPLERS["Euler"], "Karras", components.scheduler_config, steps=steps, seeds=[7])
    pipeline = StableDiffusionPipeline(
        vae=components.vae,
        text_encoder=components.text_encoders[0],
        tokenizer=components.tokenizers[0],
        unet=components.unet,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    prompt, negative, scale = "a portrait of a person, comic style", "a hat", 3.0
    side = size // components.vae_scale
    noise, _ = noise_for([7], (components.latent_channels, side, side))
    asked = GenerateSettings(
        prompt=prompt,
        negative_prompt=negative,
        guidance_scale=scale,
        seed=7,
        width=size,
        height=size,
        **asked_of_both,
    )

    def theirs(kind: str = "pil") -> Any:
        return pipeline(
            prompt,
            negative_prompt=negative,
            latents=noise,
            num_inference_steps=steps,
            guidance_scale=scale,
            height=size,
            width=size,
            output_type=kind,
        ).images

    def ours() -> list[Any]:
        return list(generate(components, asked, {}))

    is_same = torch.equal(theirs("latent"), [event for event in ours() if isinstance(event, Sampled)][-1].latents)
    arms: Mapping[str, Callable[[], object]] = {"diffusers": theirs, "retrato": ours}
    operations = {name: _giga_operations(arm) for name, arm in arms.items()}
    times = in_turns(arms, rounds)
    ratios = [math.log(a / b) for a, b in zip(times["diffusers"], times["retrato"], strict=True)]
    ratio = math.exp(statistics.mean(ratios))
    low, high = (math.exp(end) for end in mean_interval(ratios)) if rounds > 1 else (0.0, math.inf)
    for name, found in times.items():
        print(f"{name:40} {statistics.median(found):7.2f} s {operations[name]:9.2f} G operations")
    print(f"{'same latents, bit for bit':40} {is_same!s:>7}")
    print(f"{'diffusers / retrato':40} {ratio:7.2f} ({low:.2f} to {high:.2f})\n")
    return {
        "same_latents": is_same,
        "ratio": round(ratio, 3),
        "giga_operations": {name: round(count, 3) for name, count in operations.items()},
        "interval": [round(low, 3), round(high, 3)],
        "seconds": {name: round(statistics.median(found), 3) for name, found in times.items()},
    }


def _giga_operations(arm: Callable[[], object]) -> float:
    """Counts what no other job on the machine can change: a multiplication with its addition is two."""
    with FlopCounterMode(display=False) as counter:
        arm()
    return counter.get_total_flops() / 1e9


def ways(
    components: Components,
    scorer: Scorer | None,
    embedding: Embedding | None,
    photos: Path | None,
    pictures: int,
) -> list[dict[str, object]]:
    """Draws the same prompts and seeds in each way, in turns, and prints a table that RESULTS.md can take."""
    arms = {name: (components, values) for name, values in WAYS.items()}
    if find_spec("openvino"):
        compiled = {dtype: on_openvino(components, dtype=dtype) for dtype in (None, torch.float32)}
        arms |= {
            name: (compiled[dtype], {**values, "engine": "openvino"}) for name, (values, dtype) in BY_OPENVINO.items()
        }
    word = embedding.name if embedding else "a person"
    embeddings = {embedding.name: embedding} if embedding else {}
    times: dict[str, list[float]] = {name: [] for name in arms}
    drawn: dict[str, list[GeneratedImage]] = {name: [] for name in arms}
    for number in range(-1, pictures):  # the first is not counted: what has to be allocated is then
        prompt = PROMPTS[number % len(PROMPTS)].format(word)
        for name, (model, values) in arms.items():
            asked = GenerateSettings(prompt=prompt, seed=100 + number, **values)
            started = time.process_time()
            images = [event.image for event in generate(model, asked, embeddings) if isinstance(event, Drawn)]
            if number >= 0:
                drawn[name] += images
                times[name].append(time.process_time() - started)
    texts = [PROMPTS[number % len(PROMPTS)].format("a person") for number in range(pictures)]
    likeness = _likeness(scorer, photos, drawn) if scorer and photos else {}
    rows: list[dict[str, object]] = []
    for name in arms:
        faster = statistics.median(a / b for a, b in zip(times[next(iter(arms))], times[name], strict=True))
        row: dict[str, object] = {"way": name, "seconds": statistics.median(times[name]), "faster": faster}
        if scorer:
            seen = scorer.embed_images([image.image for image in drawn[name]])
            row["prompt"] = float((seen * scorer.embed_texts(texts)).sum(1).mean())
        if name in likeness:
            row["likeness"] = likeness[name]
        rows.append({key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()})
    _print_table(rows)
    print(f"\n{pictures} pictures each, seconds of the processor for one.\n", flush=True)
    return rows


def _print_table(rows: Sequence[Mapping[str, object]]) -> None:
    """Prints the rows in Markdown, and how far prompt and likeness are from the first row's."""
    print("| way to draw | seconds | faster | prompt | likeness |\n|---|---|---|---|---|")
    for row in rows:
        cells = [f"`{row['way']}`" if str(row["way"]).startswith("--") else str(row["way"])]
        cells += [f"{row['seconds']:.3f}", f"{row['faster']:.2f}"]
        for key in ("prompt", "likeness"):
            if key not in row:
                cells.append("")
                continue
            value, first = float(str(row[key])), float(str(rows[0][key]))
            cells.append(f"{value:.3f} ({(value / first - 1) * 100:+.1f} %)" if row is not rows[0] else f"{value:.3f}")
        print(f"| {' | '.join(cells)} |")


def starts(model: str) -> dict[str, float]:
    """Gives wall seconds of a fresh process: until the help, and until the first picture is filed."""
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="retrato-benchmark-") as home:
        commands = {"help": ["--help"], "first picture": ["generate", "a portrait of a person", "--model", model]}
        for name, arguments in commands.items():
            seconds, processor = [], []
            for _ in range(2):  # the second finds the files in memory
                before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
                subprocess.run(
                    [sys.executable, "-m", "retrato", *arguments],
                    env={**os.environ, "RETRATO_HOME": home},
                    check=True,
                    capture_output=True,
                )
                after = resource.getrusage(resource.RUSAGE_CHILDREN)
                seconds.append(time.perf_counter() - started)
                processor.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
            print(f"{name:40} {seconds[-1]:8.2f} s, {processor[-1]:.2f} s of the processor")
            found |= {name: round(seconds[-1], 2), f"{name}, processor": round(processor[-1], 2)}
    return found


def in_turns(arms: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Gives processor seconds of each arm in each round, every other round in reverse order."""
    times: dict[str, list[float]] = {name: [] for name in arms}
    for number in range(rounds):
        for name in list(arms)[:: 1 if number % 2 else -1]:
            started = time.process_time()
            arms[name]()
            times[name].append(time.process_time() - started)
    return times


def _likeness(scorer: Scorer, photos: Path, drawn: Mapping[str, Sequence[GeneratedImage]]) -> dict[str, float]:
    usable, _ = read_photos(photos)
    wanted = scorer.embed_identity([photo.image for photo in usable])
    return {
        name: float((scorer.embed_identity([image.image for image in images]) @ wanted.T).mean())
        for name, images in drawn.items()
    }


def _has_scorer(model: str) -> bool:
    return (Path(model) / "scorer").is_dir()


def _circumstances() -> dict[str, object]:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    libraries = ("torch", "diffusers", "transformers", *(["openvino"] if find_spec("openvino") else []))
    return {
        "date": date.today().isoformat(),
        "command": " ".join(["python", *sys.argv]),
        "machine": f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
        "threads": torch.get_num_threads(),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in libraries}},
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini", help="mini, or a folder in diffusers layout")
    parser.add_argument("--rounds", type=int, default=24, help="turns of the comparison with diffusers' pipeline")
    parser.add_argument("--pictures", type=int, default=24, help="pictures drawn in each way")
    parser.add_argument("--embedding", type=Path, help="a learned person; without one, `a person` is drawn")
    parser.add_argument("--photos", type=Path, help="photos of that person, for the likeness")
    return parser.parse_args()


if __name__ == "__main__":
    main()
