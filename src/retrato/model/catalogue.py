"""Which models lie on this machine, and what each one is, told without loading it. Knows no devices."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from retrato.embeddings.library import FAMILIES as FAMILY_OF_WIDTHS
from retrato.errors import ModelError
from retrato.files import existing, printable, visible
from retrato.model.checkpoint_file import open_checkpoint
from retrato.model.families import FAMILIES, check_configs, require_family, text_config, unet_config
from retrato.model.folder import read_index, read_json
from retrato.model.load import EMBEDDED, model_path, picture_side, read_defaults
from retrato.model.single_file import VAE_ENDINGS, holds_vae, vae_beside, yaml_predicts_v

ENDINGS = (".safetensors", ".ckpt")
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What a model is: its name, place, layout (folder, safetensors, ckpt), family and what its U-Net predicts.

    `size` is the side of its pictures in pixels, `dims` are the widths that an embedding must have. `prediction_type`
    is None where only loading can tell (Stable Diffusion 2 in one file). `lacks_vae` says that it needs one from
    elsewhere. `problem` says why it cannot be used; the rest is unknown then.
    """

    name: str
    path: Path
    layout: str = ""
    family: str = ""
    prediction_type: str | None = None
    is_for_inpainting: bool = False
    dims: tuple[int, ...] = ()
    vae: Path | None = None
    lacks_vae: bool = False
    bytes: int = 0
    size: int = 0
    problem: str | None = None


def find_model(source: str | Path, folder: Path) -> str | Path:
    """Gives `mini`, or the path of the model that `source` names: a path, or the name of one in `folder`.

    Raises ModelError; for the name of a model on the Hugging Face hub, with the command that downloads it.
    """
    name = str(source)
    if not name:  # a variable of the shell that is not set; as a path it would be the folder one is in
        raise ModelError("the model has no name: `retrato models list` shows what there is")
    if name == "mini" or existing(source):
        return source
    for candidate in (name.replace("/", "--"), *(name + ending for ending in ENDINGS)):
        if found := find_inside(folder, candidate):
            return found
    if HUB_NAME.fullmatch(name):
        raise ModelError(f"{name} is not on this machine: `retrato models fetch {name}` downloads it from the hub")
    near = difflib.get_close_matches(name, [each.name for each in list_models(folder)], n=3)
    advice = f"did you mean {' or '.join(near)}?" if near else "`retrato models list` shows what there is"
    if isinstance(source, Path) or len(Path(name).parts) > 1 or Path(name).suffix in ENDINGS:
        model_path(source)  # it was meant as a path: the sentence says what would do
    raise ModelError(f"{printable(name)} is not on this machine: {advice}")


def find_inside(folder: Path, name: str) -> Path | None:
    """Gives what is called so in `folder`, links followed; None where nothing is or the name leads elsewhere."""
    path = folder / name
    return existing(path) if path.is_relative_to(folder) and ".." not in Path(name).parts else None


def find_vae(name: str, folder: Path) -> Path | None:
    """Gives the VAE that `name` names: a path, or a VAE in `folder` (see `list_vaes`); None for the model's own.

    Raises ModelError.
    """
    if name.casefold() in ("automatic", "none"):
        return None
    known = {each.casefold(): path for path in list_vaes(folder) for each in (path.name, _name(path), _bare(path))}
    if name.casefold() in known:
        return known[name.casefold()]
    if found := existing(name):
        return found
    there = ", ".join(path.name for path in list_vaes(folder)) or "none yet"
    raise ModelError(f"there is no VAE {printable(name[:80])}: name a file, or put it into {folder} ({there})")


def list_vaes(folder: Path) -> list[Path]:
    """Gives the VAEs in `folder`, sorted by name: files called as A1111 wants them, such as `sharp.vae.safetensors`."""
    return sorted(path for ending in VAE_ENDINGS for path in visible(folder, f"*{ending}"))


def _bare(path: Path) -> str:
    return path.name.partition(".vae.")[0]


def list_models(folder: Path) -> Iterator[ModelFacts]:
    """Gives the embedded model and those in `folder`, sorted by name; broken ones with their problem."""
    yield describe_model("mini")
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.name.startswith(".") or any(part in path.name for part in (".vae.", ".retrato.")):
            continue
        if path.is_dir() or path.suffix.lower() in ENDINGS:
            try:
                yield describe_model(path)
            except ModelError as error:
                yield ModelFacts(_name(path), path, problem=str(error))


def describe_model(source: str | Path) -> ModelFacts:
    """Gives what the model at `source` is, from its small files or the names and shapes of its tensors.

    Raises ModelError where it is something else.
    """
    path = model_path(source)
    return _describe_file(path) if path.is_file() else _describe_folder(path)


def _describe_file(path: Path) -> ModelFacts:
    with open_checkpoint(path) as checkpoint:
        shapes, kind = checkpoint.shapes, checkpoint.kind
        try:
            key, family = require_family(shapes, checkpoint.metadata)
            channels = unet_config(shapes, family)["in_channels"]
            dims = tuple(int(text_config(shapes, spec)["hidden_size"]) for spec in family.text)
        except ModelError as error:
            raise ModelError(f"{path} cannot be used: {error}") from None
    if yaml_predicts_v(path):
        family = FAMILIES[f"{key.partition('-')[0]}-v"]
    beside = vae_beside(path)
    is_open = key == "sd2" and family.prediction_type == "epsilon"
    return ModelFacts(
        _name(path),
        path,
        layout=kind,
        family=FAMILIES[key.partition("-")[0]].title,
        prediction_type=None if is_open else family.prediction_type,
        is_for_inpainting=channels == 9,
        dims=dims,
        vae=beside,
        lacks_vae=beside is None and not holds_vae(shapes),
        bytes=path.stat().st_size,
        size=read_defaults(path, family.size)[1].size,
    )


def _describe_folder(folder: Path) -> ModelFacts:
    index = read_index(folder)
    places = [place for place in ("text_encoder", "text_encoder_2") if place in index]
    encoders = [read_json(folder / place / "config.json") for place in places]
    scheduler = read_json(folder / "scheduler" / "scheduler_config.json")
    unet = read_json(folder / "unet" / "config.json")
    vae = read_json(folder / "vae" / "config.json")
    try:
        dims = tuple(int(encoder.get("hidden_size", 0)) for encoder in encoders)
        size = picture_side(unet.get("sample_size"), len(vae.get("block_out_channels", range(4))))
        check_configs(unet, vae, scheduler)
    except (TypeError, ValueError, OverflowError) as error:
        raise ModelError(f"{folder} has a config.json with something else where a number is wanted: {error}") from None
    except ModelError as error:
        raise ModelError(f"{folder} cannot be used: {error}") from None
    files = [path for path in visible(folder, "**/*.safetensors") if path.is_file()]
    if not files:
        raise ModelError(f"{folder} holds no .safetensors: weights in pickles (.bin) are not read from folders")
    name = "mini" if folder == EMBEDDED else Path(os.path.abspath(folder)).name
    return ModelFacts(
        name,
        folder,
        layout="folder",
        family=FAMILY_OF_WIDTHS.get(dims, "its own kind"),
        prediction_type=str(scheduler.get("prediction_type", "epsilon")),
        is_for_inpainting=unet.get("in_channels") == 9,
        dims=dims,
        bytes=sum(path.stat().st_size for path in files),
        size=read_defaults(folder, size)[1].size,
    )


def _name(path: Path) -> str:
    return path.stem if path.is_file() else path.name
