"""`retrato models`: what can be drawn with."""

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from retrato.cli.options import Device, Dtype, Family, Json, Vae
from retrato.cli.screen import Screen
from retrato.home import home_folder
from retrato.model.catalogue import ModelFacts, describe_model, find_model, list_models
from retrato.model.companions import FOLDERS, SCORERS
from retrato.model.hub import fetch_model
from retrato.model.load import load_components
from retrato.model.vision import model_type
from retrato.model.weights import weigh
from retrato.studio import Studio

ModelArgument = Annotated[
    str, typer.Argument(metavar="MODEL", help="mini, a name that `models list` shows, a folder, or a checkpoint file")
]


def list_all(json: Json = False) -> None:
    """Shows the embedded model and those in the home folder's `models`, and which cannot be used and why."""
    screen, folder = Screen(json), _folder()
    found = list(list_models(folder))
    usable = [each for each in found if each.problem is None]
    rows = [(each.name, each.family, each.prediction_type or "?", each.layout, _size(each.bytes)) for each in usable]
    screen.table(("name", "family", "predicts", "layout", "size"), rows)
    for each in found:
        if each.problem:
            screen.note(f"cannot be used: {each.problem}")
        if each.lacks_vae:
            screen.note(f"{each.name} holds no VAE: it needs --vae, or {each.name}.vae.safetensors beside it")
    screen.note(f"more go into {folder}: folders in diffusers layout, .safetensors, .ckpt")
    skipped = [{"file": each.path, "reason": each.problem} for each in found if each.problem]
    screen.finish({"models": [_facts(each) for each in usable], "skipped": skipped, "folder": folder})


def show(
    model: ModelArgument = "mini",
    device: Device = "auto",
    dtype: Dtype = "auto",
    family: Family = "auto",
    vae: Vae = None,
    json: Json = False,
) -> None:
    """Loads a base model and says what it is and takes."""
    screen = Screen(json)
    studio = Studio.open(model, device=device, dtype=dtype, family=family, vae=vae)
    components, path = studio.components, describe_model(studio.model).path
    facts = {
        "name": components.name,
        "path": path,
        "family": components.family,
        "hash": components.hash,
        "old_hash": components.old_hash or None,
        "size": components.defaults.size,
        "guidance_scale": components.defaults.guidance_scale,
        "class_word": components.defaults.class_word,
        "dims": components.token_widths,
        "parameters": sum(weight.numel() for module in components.modules for weight in module.parameters()),
        "prediction_type": components.prediction_type,
        "device": str(components.device),
        "dtype": str(components.dtype).removeprefix("torch."),
        "reason": components.reason,
        "scorer": studio.scorer is not None,
        "captioner": studio.captioner is not None,
    }
    for name, value in facts.items():
        if value is not None:
            screen.say(f"{name}: {value}")
    screen.finish(facts)


def check(model: ModelArgument = "mini", family: Family = "auto", vae: Vae = None, json: Json = False) -> None:
    """Reads every weight of a model and says whether it can be used: exit code 0, or 2 and the reason."""
    screen = Screen(json)
    source = find_model(model, _folder())
    facts = describe_model(source)
    components = load_components(source, device="cpu", dtype="float32", family=family, vae=vae)
    parts = weigh(components)
    said = {
        **_facts(facts),
        "family": components.family,
        "prediction_type": components.prediction_type,
        "hash": components.hash,
        "old_hash": components.old_hash or None,
        "parts": parts,
        "ok": True,
    }
    screen.table(("part", "parameters"), [(part.name, f"{part.parameters:,}") for part in parts])
    screen.say(f"{components.name} can be used: {components.family}, hash {components.hash}")
    screen.finish(said)


def fetch(
    name: Annotated[str, typer.Argument(metavar="OWNER/MODEL", help="its name on the Hugging Face hub")],
    file: Annotated[str | None, typer.Option("--file", help="take this one checkpoint file of it")] = None,
    json: Json = False,
) -> None:
    """Downloads a model, or a CLIP or BLIP model to score or caption with; nothing else in retrato uses the network."""
    screen = Screen(json)
    path = fetch_model(name, home_folder(), file)
    kind = FOLDERS.get(str(model_type(path)))
    if kind is not None:
        screen.say(f"{path.name}: {path}")
        does = "scores the pictures of" if kind == SCORERS else "describes photos for"
        screen.note(f"it {does} models that bring nothing of the kind; several: the first by name, or --{kind[:-1]}")
        screen.finish({"name": path.name, "path": path, "kind": kind[:-1]})
        return
    facts = describe_model(path)
    screen.say(f"{facts.name}: {path}")
    screen.note(f"draw with: retrato generate --model {name if file is None else facts.name} ...")
    screen.finish({**_facts(facts), "kind": "model"})


def _folder() -> Path:
    return home_folder() / "models"


def _facts(facts: ModelFacts) -> dict[str, object]:
    return {field.name: getattr(facts, field.name) for field in dataclasses.fields(facts) if field.name != "problem"}


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
