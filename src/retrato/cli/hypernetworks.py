"""`retrato hypernetworks`: learns them and keeps their library. How they are learned is the studio's business."""

from pathlib import Path
from typing import Annotated

import typer

from retrato.cli.options import (
    Device,
    Dtype,
    Family,
    Json,
    Model,
    PhotoFolder,
    ScorerSource,
    Vae,
    from_settings,
    model_flags,
)
from retrato.cli.screen import Screen
from retrato.cli.train import Out, Resume, draw_with, learn
from retrato.errors import HypernetworkError
from retrato.generation import hypernet_tag
from retrato.home import home_folder
from retrato.hypernetworks import (
    HYPERNETWORK_FORMATS,
    Hypernetwork,
    HypernetworkLibrary,
    read_hypernetwork,
    write_hypernetwork,
)
from retrato.settings import HypernetworkSettings
from retrato.training.captions import class_phrase


@from_settings(HypernetworkSettings)
def train(
    photos: PhotoFolder,
    settings: HypernetworkSettings,
    out: Out = None,
    resume: Resume = False,
    model: Model = "mini",
    device: Device = "auto",
    dtype: Dtype = "auto",
    family: Family = "auto",
    vae: Vae = None,
    scorer: ScorerSource = None,
    json: Json = False,
) -> None:
    """Learns the person, shows how it goes, and says what came out."""
    screen = Screen(json)
    chosen = {"model": model, "device": device, "dtype": dtype, "family": family}
    result = learn(photos, settings, screen, out=out, resume=resume, **chosen, vae=vae, scorer=scorer)
    prompt = f"a portrait of {class_phrase(settings.initializer_text)}{hypernet_tag(settings.name)}"
    screen.note(draw_with(prompt, settings, model_flags(model, family, vae)))
    screen.finish(result)


def list_all(json: Json = False) -> None:
    """Shows the library, and which files in it cannot be used and why."""
    screen, library = Screen(json), _library()
    found: list[dict[str, object]] = []
    skipped: list[dict[str, object]] = []
    for name in library.names:
        try:
            found.append(_facts(library[name], library.path(name)))
        except HypernetworkError as error:
            skipped.append({"file": library.path(name), "reason": str(error)})
    for each in skipped:
        screen.note(f"Skipped: {each['reason']}")
    if found:
        columns = ("name", "sizes", "layers", "numbers", "step", "base_model")
        screen.table(columns, [[_cell(each[key]) for key in columns] for each in found])
    else:
        screen.note(f"no hypernetworks yet in {library.folder}: learn one with `retrato hypernetworks train`")
    screen.finish({"hypernetworks": found, "skipped": skipped, "folder": library.folder})


def show(
    hypernetwork: Annotated[str, typer.Argument(metavar="FILE", help="a file, or a name in the library")],
    json: Json = False,
) -> None:
    """Says what is in one hypernetwork."""
    screen = Screen(json)
    found, file = _find(hypernetwork)
    norms = [{"size": size, "key": key, "value": value} for size, (key, value) in found.norms().items()]
    facts = {**_facts(found, file), "norms": norms, "metadata": found.metadata}
    for name, value in facts.items():
        if name not in ("metadata", "norms"):
            screen.say(f"{name}: {_cell(value)}")
    for norm in norms:
        screen.say(f"length of the weights at width {norm['size']}: keys {norm['key']:.4g}, values {norm['value']:.4g}")
    for name, text in found.metadata.items():
        screen.say(f"{name}: {text}")
    screen.finish(facts)


def convert(
    source: Annotated[str, typer.Argument(metavar="IN", help="a file, or a name in the library")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="the file to write: .safetensors, or .pt for A1111")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace what is there")] = False,
    json: Json = False,
) -> None:
    """Writes a hypernetwork in the other format."""
    screen = Screen(json)
    found, file = _find(source)
    if target.exists() and (not overwrite or target.samefile(file)):
        raise HypernetworkError(f"{target} exists: choose another file, or replace it with --overwrite")
    endings = {each.suffix: name for name, each in HYPERNETWORK_FORMATS.items()}
    if target.suffix.lower() not in endings:
        raise HypernetworkError(
            f"{target.name} has another ending: call it {target.stem} with one of {', '.join(endings)}"
        )
    chosen = endings[target.suffix.lower()]
    write_hypernetwork(found, target, chosen)
    screen.say(f"{found.name}: {target}")
    screen.finish({**_facts(found, target), "format": chosen, "source": file})


def remove(
    name: Annotated[str, typer.Argument(metavar="NAME", help="a name in the library")],
    json: Json = False,
) -> None:
    """Deletes a hypernetwork from the library; its run folder stays."""
    screen = Screen(json)
    file = _library().remove(name)
    screen.say(f"removed {file}")
    screen.finish({"name": name, "removed": [file]})


def _library() -> HypernetworkLibrary:
    return HypernetworkLibrary(home_folder() / "hypernetworks")


def _find(name_or_file: str) -> tuple[Hypernetwork, Path]:
    """Gives the hypernetwork in a file, or the one of that name in the library, with its file."""
    path = Path(name_or_file)
    if path.is_file():
        return read_hypernetwork(path), path
    library = _library()
    return library[name_or_file], library.path(name_or_file)


def _facts(hypernetwork: Hypernetwork, file: Path) -> dict[str, object]:
    structure = hypernetwork.structure
    return {
        "name": hypernetwork.name,
        "file": file,
        "sizes": hypernetwork.sizes,
        "layers": structure.layers,
        "activation": structure.activation,
        "activate_output": structure.activate_output,
        "layer_norm": structure.layer_norm,
        "dropout": structure.dropout,
        "weight_init": hypernetwork.weight_init,
        "numbers": hypernetwork.count,
        "step": hypernetwork.step,
        "base_model": hypernetwork.base_model,
    }


def _cell(value: object) -> str:
    """Gives a value as a person reads it."""
    if isinstance(value, tuple):
        return ", ".join(f"{each:g}" for each in value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "unknown" if value is None else str(value)
