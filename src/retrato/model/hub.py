"""Downloads a model from the Hugging Face hub, when somebody asks for it and never else.

The download runs in a process of its own, the only one that may reach the network: the one that has the photos stays
offline. `python -m retrato.model.hub NAME FOLDER [FILE]` is that process; it says what went wrong as its last line.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from retrato.errors import ModelError
from retrato.model.catalogue import ENDINGS, HUB_NAME, describe_model

PARTS = ("unet", "vae", "text_encoder", "text_encoder_2")
SMALL = ("model_index.json", "scheduler/", "tokenizer/", "tokenizer_2/", *(f"{part}/" for part in PARTS))


def fetch_model(name: str, folder: Path, file: str | None = None) -> Path:
    """Downloads `name` (owner/model) from the hub into `folder` and gives where it lies; `file` takes one file of it.

    Progress goes to stderr. An interrupted download goes on where it stopped. Raises ModelError where there is no such
    model, no network, or nothing that retrato can use.
    """
    if not HUB_NAME.fullmatch(name):
        raise ModelError(f"{name!r} is no name on the hub: those look like owner/model")
    target = folder / (Path(file).name if file else name.replace("/", "--"))
    if target.exists():
        describe_model(target)
        return target
    partial = folder / f".{name.replace('/', '--')}.partial"
    command = [sys.executable, "-m", "retrato.model.hub", name, str(partial), *([file] if file else [])]
    environment = {**os.environ, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_TELEMETRY": "1"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise ModelError((done.stdout.strip().splitlines() or [f"{name} could not be downloaded"])[-1])
    source = partial / file if file else partial
    describe_model(source)
    source.rename(target)
    return target


def wanted_files(files: Iterable[str]) -> list[str]:
    """Gives those of a repository's `files` that make a folder in diffusers layout: weights once, as safetensors."""
    present = list(files)
    chosen = []
    for name in present:
        part, _, rest = name.partition("/")
        if name.endswith((".json", ".txt")) and name.startswith(SMALL) and "/" not in rest and ".fp16." not in name:
            chosen.append(name)
        is_plain = name.endswith(".safetensors") and ".fp16." not in name and "non_ema" not in name
        if part in PARTS and is_plain and "/" not in rest:
            chosen.append(name)
    for part in PARTS:  # half precision where there is nothing else
        mine = [name for name in present if name.startswith(f"{part}/") and name.endswith(".safetensors")]
        if mine and not any(name in chosen for name in mine):
            chosen += [name for name in mine if ".fp16." in name and "non_ema" not in name]
    return chosen


def main(arguments: Sequence[str]) -> int:
    """Downloads into a folder; the last line on stdout says what went wrong. Gives the exit code."""
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    name, folder, *files = arguments
    try:
        listed = HfApi().model_info(name, files_metadata=True).siblings or []
        sizes = {each.rfilename: each.size or 0 for each in listed}
        chosen = files or wanted_files(sizes)
        if unknown := [file for file in chosen if file not in sizes]:
            return _fail(f"{name} has no file {unknown[0]}")
        if "model_index.json" not in chosen and not files:
            single = [file for file in sizes if file.endswith(ENDINGS) and "/" not in file]
            hint = f"; choose one with --file: {', '.join(single[:8])}" if single else ""
            return _fail(f"{name} on the hub is no folder in diffusers layout{hint}")
        print(f"{name}: {sum(sizes[file] for file in chosen) / 1e9:.2f} GB to download", file=sys.stderr)
        snapshot_download(name, local_dir=folder, allow_patterns=chosen)
    except GatedRepoError:
        return _fail(f"{name} asks for an agreement: accept it at https://huggingface.co/{name}, then set HF_TOKEN")
    except RepositoryNotFoundError:
        return _fail(
            f"there is no model {name} on the hub, or it is private: look for it at https://huggingface.co/models"
        )
    except Exception as error:  # whatever ends this process, the other one has a sentence to say
        first = (str(error).splitlines() or [type(error).__name__])[0][:200]
        return _fail(f"{name} could not be downloaded ({first}): the same command goes on where it stopped")
    return 0


def _fail(sentence: str) -> int:
    print(sentence)
    return 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
