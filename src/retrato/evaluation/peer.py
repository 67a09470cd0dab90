"""Learns a person with diffusers' own `textual_inversion.py`, in a process of its own, as an outside reference.

The script comes from whoever evaluates (https://github.com/huggingface/diffusers, examples/textual_inversion); it gets
the settings that its README shows, and only what a person's training may see. Knows nothing of judging.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from retrato.errors import ModelError, SettingsError, TrainingError
from retrato.evaluation.people import Person
from retrato.model import Components
from retrato.model.load import model_path

PEER = "diffusers"
PLACEHOLDER = "<evaluated>"
ACCUMULATED = 4  # photos of a step, one at a time, as in the README of the script
STEPS = 3000
RATE = "5.0e-04"
CHECKPOINTS = 20  # saved on the way, for the curve
_RUNNER = ("-m", "retrato.evaluation.run_script")


@dataclass(frozen=True, slots=True)
class LearnedByPeer:
    """The file that the script wrote, how many steps it made, and how long its process took.

    `checkpoints` are the files on the way and the last one, each with its step and the seconds since the process began.
    """

    file: Path
    steps: int
    samples: int
    seconds: float
    checkpoints: tuple[tuple[int, float, Path], ...]


def check_peer(script: Path, model: str | Path, components: Components) -> None:
    """Raises SettingsError for a file that is no such script, ModelError for a model that the script cannot open."""
    if not script.is_file() or "placeholder_token" not in script.read_text("utf-8", "replace"):
        raise SettingsError(f"{script} is not diffusers' textual_inversion.py: name that file")
    if not model_path(model).is_dir():
        raise ModelError(f"{components.name} is a single file: diffusers' script opens folders in diffusers' layout")
    if len(components.text_encoders) > 1:
        raise ModelError(f"{components.name} has two text encoders: diffusers' textual_inversion.py knows one")


def learn_with_peer(
    script: Path, model: str | Path, components: Components, person: Person, *, word: str, vectors: int,
    samples: int | None, seed: int, folder: Path,
) -> LearnedByPeer:  # fmt: skip
    """Runs the script on the photos that training may see; raises TrainingError with the last thing that it said."""
    folder = folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)  # the script does not go on with what was cut off
    photos = folder / "photos"
    photos.mkdir(parents=True)
    for number, photo in enumerate(person.learned):
        photo.image.save(photos / f"{number:03}.png")
    steps = STEPS if samples is None else max(1, samples // ACCUMULATED)
    save_every = max(1, steps // CHECKPOINTS)
    began, started = time.time(), time.perf_counter()
    done = subprocess.run(
        [
            sys.executable, *_RUNNER, str(script.resolve()),
            f"--pretrained_model_name_or_path={model_path(model).resolve()}",
            f"--train_data_dir={photos}", "--learnable_property=object", f"--placeholder_token={PLACEHOLDER}",
            f"--initializer_token={word}", f"--num_vectors={vectors}", f"--resolution={components.defaults.size}",
            "--train_batch_size=1", f"--gradient_accumulation_steps={ACCUMULATED}", f"--max_train_steps={steps}",
            f"--learning_rate={RATE}", "--scale_lr", "--lr_scheduler=constant", "--lr_warmup_steps=0",
            f"--save_steps={save_every}", f"--checkpointing_steps={steps + 1}", "--mixed_precision=no",
            f"--seed={seed % 2**32}", f"--output_dir={folder / 'out'}", f"--logging_dir={folder / 'logs'}",
        ],
        env=os.environ | {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "DIFFUSERS_VERBOSITY": "error"},
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )  # fmt: skip
    file = folder / "out/learned_embeds.safetensors"
    if done.returncode or not file.is_file():
        said = [line for line in re.split(r"[\r\n]+", done.stderr) if line.strip()]
        raise TrainingError(f"{script} failed on {person.name}: {said[-1] if said else done.returncode}")
    seconds = time.perf_counter() - started
    saved = [
        (step, path.stat().st_mtime - began, path)
        for step in range(save_every, steps, save_every)
        if (path := file.with_name(f"{file.stem}-steps-{step}.safetensors")).is_file()
    ]
    return LearnedByPeer(file, steps, steps * ACCUMULATED, seconds, (*saved, (steps, seconds, file)))
