"""Downloads a model, a scorer or a captioner from the Hugging Face hub, when somebody asks for it and never else.

The download runs in a process of its own, the only one that may reach the network: the one that has the photos stays
offline. `python -m retrato.model.hub NAME FOLDER [FILE]` is that process; it says what went wrong as its last line.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from retrato.errors import ModelError
from retrato.files import visible
from retrato.model.catalogue import ENDINGS, HUB_NAME, describe_model
from retrato.model.companions import FOLDERS
from retrato.model.vision import model_type

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo, RepoSibling

PARTS = ("unet", "vae", "text_encoder", "text_encoder_2")
SMALL = ("model_index.json", "scheduler/", "tokenizer/", "tokenizer_2/", *(f"{part}/" for part in PARTS))


def fetch_model(name: str, home: Path, file: str | None = None) -> Path:
    """Downloads `name` (owner/model) from the hub into the home folder and gives where it lies.

    Models go into `models`, CLIP models into `scorers`, BLIP models into `captioners`; `file` takes one file of a
    model. Progress goes to stderr. An interrupted download goes on where it stopped, also within a file. Raises
    ModelError where there is no such model, no network, not enough room, or nothing that retrato can use.
    """
    if not HUB_NAME.fullmatch(name):
        raise ModelError(f"{name!r} is no name on the hub: those look like owner/model")
    folder = home / "models"
    target = folder / (Path(file).name if file else name.replace("/", "--"))
    for known in (target, *(home / other / target.name for other in FOLDERS.values())):
        if known.exists():
            _require_usable(known)
            return known
    partial = folder / f".{name.replace('/', '--')}.partial"
    command = [sys.executable, "-m", "retrato.model.hub", name, str(partial), *([file] if file else [])]
    environment = {**os.environ, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_TELEMETRY": "1"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise ModelError((done.stdout.strip().splitlines() or [f"{name} could not be downloaded"])[-1])
    source = partial / file if file else partial
    _require_usable(source)
    if helps := FOLDERS.get(str(model_type(source))):
        target = home / helps / target.name
        target.parent.mkdir(parents=True, exist_ok=True)
    source.rename(target)
    shutil.rmtree(partial, ignore_errors=True)
    return target


def _require_usable(path: Path) -> None:
    """Raises ModelError for what is no base model, no scorer and no captioner."""
    if model_type(path) not in FOLDERS:
        describe_model(path)
    elif not visible(path, "*.safetensors"):
        raise ModelError(f"{path} has no weights in safetensors: choose a model that has them")


def companion_files(files: Iterable[str]) -> list[str]:
    """Gives those of a repository's `files` that make a CLIP or BLIP model as transformers reads it: no pickles."""
    plain = [name for name in files if "/" not in name]
    weights = [name for name in plain if name.startswith("model") and name.endswith((".safetensors", ".index.json"))]
    return [*(name for name in plain if name.endswith((".json", ".txt")) and name not in weights), *weights]


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
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    name, folder, *files = arguments
    try:
        model = HfApi().model_info(name, files_metadata=True)
        listed = {each.rfilename: each for each in model.siblings or []}
        is_companion = _is_companion(model, listed)
        chosen = files or (companion_files(listed) if is_companion else wanted_files(listed))
        if unknown := [file for file in chosen if file not in listed]:
            return _fail(f"{name} has no file {unknown[0]}")
        if is_companion and not files and not any(name.endswith(".safetensors") for name in chosen):
            return _fail(f"{name} has no weights in safetensors: choose a model that has them")
        if not is_companion and "model_index.json" not in chosen and not files:
            single = [file for file in listed if file.endswith(ENDINGS) and "/" not in file]
            hint = f"; choose one with --file: {', '.join(single[:8])}" if single else ""
            return _fail(f"{name} on the hub is no folder in diffusers layout{hint}")
        _download(model, [listed[file] for file in chosen], Path(folder))
    except GatedRepoError:
        return _fail(f"{name} asks for an agreement: accept it at https://huggingface.co/{name}, then set HF_TOKEN")
    except RepositoryNotFoundError:
        return _fail(
            f"there is no model {name} on the hub, or it is private: look for it at https://huggingface.co/models"
        )
    except ModelError as error:
        return _fail(str(error))
    except KeyboardInterrupt:  # the other process was interrupted too and says so
        return 130
    except Exception as error:  # whatever ends this process, the other one has a sentence to say
        first = (str(error).splitlines() or [type(error).__name__])[0][:200]
        return _fail(f"{name} could not be downloaded ({first}): the same command goes on where it stopped")
    return 0


def _is_companion(model: ModelInfo, files: Collection[str]) -> bool:
    """Says whether it is a CLIP or BLIP model, as far as the hub says so; else by what such a repository holds."""
    said = (model.config or {}).get("model_type")
    if "model_index.json" in files or said is not None:
        return said in FOLDERS
    return {"config.json", "preprocessor_config.json"} <= set(files)


def _download(model: ModelInfo, files: Sequence[RepoSibling], folder: Path) -> None:
    """Brings `files` of one state of a repository into `folder`, each under another name until it is whole.

    huggingface_hub 2 by itself begins a file anew that was interrupted, and a model is one file of gigabytes.
    """
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    said = folder / ".revision"
    if said.is_file() and said.read_text() != model.sha:  # parts of two states are no model
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    said.write_text(str(model.sha))
    total = sum(file.size or 0 for file in files)
    here = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{model.id}: {total / 1e9:.2f} GB to download, {here / 1e9:.2f} of them are here", file=sys.stderr)
    if (free := shutil.disk_usage(folder).free) < total - here:
        raise ModelError(f"{model.id} takes {(total - here) / 1e9:.2f} GB and {folder} has {free / 1e9:.2f} free")
    for file in files:
        target = folder / file.rfilename
        if not target.resolve().is_relative_to(folder.resolve()):
            raise ModelError(f"{model.id} has a file {file.rfilename!r}, which would lie elsewhere: do not trust it")
        if target.is_file():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f"{target.name}.part")
        if part.is_file() and part.stat().st_size > (file.size or 0):  # not a beginning of it
            part.unlink()
        with part.open("ab") as out:
            http_get(
                hf_hub_url(model.id, file.rfilename, revision=model.sha),
                out,
                resume_size=out.tell(),
                headers=build_hf_headers(),
                expected_size=file.size,
                displayed_filename=file.rfilename,
            )
        if file.lfs and _sha256(part) != file.lfs.sha256:
            part.unlink()
            raise ModelError(
                f"{file.rfilename} of {model.id} came damaged and is deleted: the same command gets it anew"
            )
        part.rename(target)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fail(sentence: str) -> int:
    print(sentence)
    return 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
