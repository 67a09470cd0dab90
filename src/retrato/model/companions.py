"""Scorers and captioners: the model's own, or those of the home folder for models that bring none.

Stable Diffusion brings neither. `retrato models fetch` puts a CLIP model into the home folder's `scorers` and a BLIP
model into `captioners`; a folder of one's own does as well. Knows nothing of people and training.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from retrato.errors import ModelError
from retrato.files import existing, printable
from retrato.model.caption import Captioner, load_captioner
from retrato.model.catalogue import HUB_NAME, find_inside
from retrato.model.load import model_path
from retrato.model.score import Scorer, load_scorer

SCORERS, CAPTIONERS = "scorers", "captioners"
# The folder in the home folder for each kind, by `model_type` in its config.json.
FOLDERS = MappingProxyType({"clip": SCORERS, "blip": CAPTIONERS})

# What to suggest where there is none.
FETCH_CAPTIONER = "retrato models fetch Salesforce/blip-image-captioning-base"
FETCH_SCORER = "retrato models fetch openai/clip-vit-large-patch14"

ELSEWHERE = "cpu"  # where what does not come with the model computes

Companion = TypeVar("Companion", Scorer, Captioner)


def scorer_of(model: str | Path, home: Path, *, device: str = "auto", named: str | Path | None = None) -> Scorer | None:
    """Gives the scorer that is `named`, else the model's own, else the first by name in `<home>/scorers`, else None.

    `named` is a path (see `load_scorer`) or a name in that folder, as on the hub (owner/model) too. A scorer that does
    not come with the model computes on the CPU: it looks at few pictures, and a GPU's memory belongs to training.
    Raises ModelError.
    """
    return _companion_of(load_scorer, "scorer", home / SCORERS, model, device, named)


def captioner_of(
    model: str | Path, home: Path, *, device: str = "auto", named: str | Path | None = None
) -> Captioner | None:
    """Gives the captioner that is `named`, else the model's own, else the first in `<home>/captioners`, else None.

    It computes where `scorer_of` says. Raises ModelError.
    """
    return _companion_of(load_captioner, "captioner", home / CAPTIONERS, model, device, named)


def no_captioner(model: str | Path) -> ModelError:
    """Gives the error for captions that are asked for where `captioner_of` the `model` gives None."""
    return ModelError(f"{model} has no captioner: `{FETCH_CAPTIONER}`, or write .txt files beside the photos")


def find_companion(name: str | Path, folder: Path) -> str | Path:
    """Gives the path of the scorer or captioner that `name` names: `mini`, a path, or a name in `folder`.

    Raises ModelError; for a name on the Hugging Face hub, with the command that downloads it.
    """
    if str(name) == "mini" or existing(name):
        return name
    found = find_inside(folder, str(name).replace("/", "--"))
    if found and found.is_dir():
        return found
    there = ", ".join(path.name for path in list_companions(folder)) or "nothing yet"
    fetch = f": `retrato models fetch {name}` downloads it from the hub" if HUB_NAME.fullmatch(str(name)) else ""
    raise ModelError(f"{printable(str(name))} is not on this machine ({folder} holds {there}){fetch}")


def list_companions(folder: Path) -> list[Path]:
    """Gives the scorers or captioners in `folder`, sorted by name."""
    return sorted(path for path in folder.glob("*") if path.is_dir() and not path.name.startswith("."))


def _companion_of(
    load: Callable[..., Companion],
    part: str,
    folder: Path,
    model: str | Path,
    device: str,
    named: str | Path | None,
) -> Companion | None:
    if named is not None:
        return load(find_companion(named, folder), device=ELSEWHERE)
    if (model_path(model) / part).is_dir():
        return load(model, device=device)
    found = list_companions(folder)
    return load(found[0], device=ELSEWHERE) if found else None
