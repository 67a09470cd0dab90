"""kohya's train_textual_inversion.py as one more arm of `benchmarks.train_step`: a process that makes steps on demand.

It wants libraries older than retrato's, so it runs in a Python of its own:

    git clone https://github.com/kohya-ss/sd-scripts
    python -m venv sd-scripts/.venv
    sd-scripts/.venv/bin/pip install "torch>=2.10,<2.14" accelerate==1.6.0 transformers==4.54.1 diffusers==0.32.1 \
        safetensors==0.4.5 huggingface-hub==0.34.3 ftfy opencv-python-headless einops toml voluptuous imagesize rich

Its U-Net has the widths of Stable Diffusion built in, so it takes no retrato-mini and no reduced model. Latents are
cached and attention is torch's own (`--cache_latents --sdpa`), as its users have it.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import torch

from benchmarks.step_counter import Count

WORD = "zzwho"  # one that no tokenizer has
CAPTION = f"a photo of {WORD}"
CACHED_AT = "openai_clip-vit-large-patch14"  # where the script looks for a tokenizer before it asks the hub
MOST_PHOTOS = 3  # each is encoded before the first step, slowly, and a step takes as long with any of them


class Kohya:
    """The script, one step at a time; see `benchmarks.kohya_process` for what is said to it."""

    def __init__(
        self, scripts: Path, model: Path, photos: Path, size: int, batch_size: int, mixed: str, vectors: int, work: Path
    ) -> None:
        set_ = work / "photos" / f"{batch_size}_who"  # so many times each photo: a batch is of one step
        set_.mkdir(parents=True)
        for photo in sorted(photos.glob("*.png"))[:MOST_PHOTOS]:
            shutil.copy(photo, set_)
            (set_ / photo.name).with_suffix(".txt").write_text(CAPTION)
        _as_older_transformers_want_it(model / "tokenizer", work / "tokenizers" / CACHED_AT)
        arguments = {
            "pretrained_model_name_or_path": model, "tokenizer_cache_dir": work / "tokenizers",
            "train_data_dir": set_.parent, "caption_extension": ".txt", "token_string": WORD, "init_word": "person",
            "num_vectors_per_token": vectors, "resolution": size, "train_batch_size": batch_size,
            "max_train_steps": 1_000_000, "learning_rate": 5e-4, "output_dir": work, "seed": 0,
            "mixed_precision": mixed, "optimizer_type": "AdamW", "max_grad_norm": 0, "max_data_loader_n_workers": 0,
        }  # fmt: skip
        self._seen, self._log = work / "seen.pt", work / "log.txt"
        command = [scripts / ".venv" / "bin" / "python", "-m", "benchmarks.kohya_process", scripts.resolve()]
        command += ["--cache_latents", "--sdpa", *(f"--{name}={value}" for name, value in arguments.items())]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                list(map(str, command)),
                cwd=Path(__file__).parents[1],
                env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": str(torch.get_num_threads())},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._answer()

    def timed_step(self) -> tuple[float, float]:
        """Makes one step and gives its seconds of the processor and on the clock."""
        said = self._ask("step")
        return said["cpu"], said["wall"]

    def counted_step(self) -> Count:
        """Makes one step and gives what it did."""
        return Count(**self._ask("count"))

    def seen(self) -> dict[str, torch.Tensor]:
        """Gives the latest step from inside: latents, noise, timesteps, and the vectors with their gradient [V, D]."""
        self._ask(f"seen {self._seen}")
        return torch.load(self._seen, weights_only=True)

    def stop(self) -> None:
        """Ends the process."""
        self._process.communicate()

    def _ask(self, order: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        print(order, file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        if not said:
            self.stop()
            raise SystemExit(f"kohya's script ended:\n{self._log.read_text()[-2000:]}")
        return json.loads(said)


def _as_older_transformers_want_it(tokenizer: Path, out: Path) -> None:
    """Writes the tokenizer in the two files of its words that transformers 4 reads, instead of one."""
    out.mkdir(parents=True)
    shutil.copy(tokenizer / "tokenizer_config.json", out)
    said = json.loads((tokenizer / "tokenizer.json").read_text("utf-8"))["model"]
    (out / "vocab.json").write_text(json.dumps(said["vocab"]), "utf-8")
    pairs = (each if isinstance(each, str) else " ".join(each) for each in said["merges"])
    (out / "merges.txt").write_text("\n".join(["#version: 0.2", *pairs, ""]), "utf-8")
