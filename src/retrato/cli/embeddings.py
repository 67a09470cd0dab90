"""`retrato embeddings`: the library, and single files in any layout. Knows no model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from retrato.cli.options import Json, Model
from retrato.cli.screen import Screen
from retrato.embeddings import FORMATS, Embedding, EmbeddingLibrary, check_name, read_embedding, write_embedding
from retrato.embeddings import blend as blend_embeddings
from retrato.embeddings.kind import format_of
from retrato.errors import EmbeddingError, SettingsError
from retrato.home import home_folder
from retrato.model.catalogue import describe_model, find_model
from retrato.model.words import Word, check_own_word, nearest_words
from retrato.photos import read_photo

Overwrite = Annotated[bool, typer.Option("--overwrite", help="replace what is there")]


def list_all(json: Json = False) -> None:
    """Shows the library, and which files in it cannot be used and why."""
    screen, library = Screen(json), _library()
    screen.note(library.summary())
    people = [_facts(embedding, library.path(name)) for name, embedding in library.embeddings.items()]
    if people:
        columns = ("name", "vectors", "dim", "step", "base_model")
        screen.table(columns, [["" if each[key] is None else each[key] for key in columns] for each in people])
    skipped = [{"file": file, "reason": reason} for file, reason in library.skipped.items()]
    screen.finish({"embeddings": people, "skipped": skipped, "folder": library.folder})


def show(
    embedding: Annotated[str, typer.Argument(metavar="FILE", help="a file, or a name in the library")],
    model: Model = "mini",
    json: Json = False,
) -> None:
    """Says what is in one embedding, and which words of the model its vectors are nearest to."""
    screen = Screen(json)
    found, file = _find(embedding)
    source = find_model(model, home_folder() / "models")
    words = nearest_words(source, found.vectors) if describe_model(source).dims == found.dims else None
    facts = {**_facts(found, file), "format": format_of(file), "nearest_words": words, "metadata": found.metadata}
    for name, value in facts.items():
        if name not in ("metadata", "norms", "nearest_words") and (name != "encoders" or len(found.vectors) > 1):
            screen.say(f"{name}: {_listed(value)}")
    for name, text in found.metadata.items():
        screen.say(f"{name}: {text}")
    screen.table(("vector", "norm", "", "nearest words (cosine)"), _vector_rows(found, words))
    if words is None:
        screen.note("for the nearest words, name the model that it was made for: --model")
    screen.finish(facts)


def convert(
    source: Annotated[str, typer.Argument(metavar="IN", help="a file, or a name in the library")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="the file to write: .safetensors, .pt or .png")],
    layout: Annotated[
        str | None,
        typer.Option("--format", help=f"one of {', '.join(FORMATS)}; by default what the ending of OUT says"),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option("--picture", help="the picture to show on a card (.png)", show_default=False)
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Writes an embedding in another layout."""
    screen = Screen(json)
    found, file = _find(source)
    chosen = layout or _format_for(target)
    if target.exists() and not overwrite:
        raise EmbeddingError(f"{target} exists: choose another file, or replace it with --overwrite")
    if target.exists() and target.samefile(file):
        raise EmbeddingError(f"{target} is the file to read: choose another one to write")
    write_embedding(found, target, chosen, None if picture is None else read_photo(picture).image)
    screen.say(f"{found.name}: {target}")
    screen.finish({**_facts(found, target), "format": chosen, "source": file})


def remove(
    name: Annotated[str, typer.Argument(metavar="NAME", help="a name in the library")],
    json: Json = False,
) -> None:
    """Deletes an embedding from the library; its run folder stays."""
    screen = Screen(json)
    file = _library().remove(name)
    screen.say(f"removed {file}")
    screen.finish({"name": name, "removed": [file]})


def blend(
    embeddings: Annotated[list[str], typer.Argument(metavar="A B ...", help="files, or names in the library")],
    name: Annotated[str, typer.Option("--name", help="what the mixture is called")],
    weights: Annotated[
        str | None, typer.Option("--weights", help="one number for each, such as 0.7,0.3; by default equal parts")
    ] = None,
    model: Model = "mini",
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Mixes embeddings into a new one in the library."""
    screen = Screen(json)
    check_name(name)
    if len(embeddings) < 2:
        raise EmbeddingError(f"one embedding was given ({embeddings[0]}): name at least two to blend")
    parts = [_find(each)[0] for each in embeddings]
    mixture = blend_embeddings(parts, _weights(weights, len(parts)), name)
    check_own_word(name, mixture.dims, find_model(model, home_folder() / "models"))
    file = _library().add(mixture, overwrite=overwrite)
    screen.say(f"{mixture.name}: {file}")
    screen.finish({**_facts(mixture, file), "metadata": mixture.metadata})


def _vector_rows(found: Embedding, words: list[list[list[Word]]] | None) -> list[tuple[object, ...]]:
    """Gives one row for each vector, with a bar as long as its norm compared with the longest one."""
    rows: list[tuple[object, ...]] = []
    for encoder, norms in enumerate(found.norms()):
        longest = max(norms) or 1.0
        for number, norm in enumerate(norms):
            near = words[encoder][number] if words else []
            shown = ", ".join(f"{word.text} {word.cosine:.2f}" for word in near)
            place = f"{number + 1}" if len(found.vectors) == 1 else f"{'LG'[encoder]}{number + 1}"
            rows.append((place, f"{norm:.3f}", "█" * max(1, round(12 * norm / longest)), shown))
    return rows


def _library() -> EmbeddingLibrary:
    return EmbeddingLibrary(home_folder() / "embeddings")


def _find(name_or_file: str) -> tuple[Embedding, Path]:
    """Gives the embedding in a file, or the one of that name in the library, with its file."""
    path = Path(name_or_file)
    if path.is_file():
        return read_embedding(path), path
    if path.suffix.lower() in {each.suffix for each in FORMATS.values()} or len(path.parts) > 1:
        raise EmbeddingError(f"there is no file {path}: names in the library are listed by `retrato embeddings list`")
    library = _library()
    return library[name_or_file], library.path(name_or_file)


def _facts(embedding: Embedding, file: Path) -> dict[str, object]:
    """Gives what there is to say; `dim` and `norms` are the first text encoder's, `encoders` holds those of all."""
    norms = embedding.norms()
    return {
        "name": embedding.name,
        "file": file,
        "vectors": embedding.vectors_per_token,
        "dim": embedding.dims[0],
        "step": embedding.step,
        "base_model": embedding.base_model,
        "norms": norms[0],
        "encoders": [{"dim": dim, "norms": each} for dim, each in zip(embedding.dims, norms, strict=True)],
    }


def _listed(value: object) -> str:
    """Gives a value as a person reads it."""
    if isinstance(value, list | tuple):
        return ", ".join(f"{each:.4g}" if isinstance(each, float) else _listed(each) for each in value)
    if isinstance(value, Mapping):
        return " ".join(f"{key} {_listed(each)}" for key, each in value.items())
    return "unknown" if value is None else str(value)


def _format_for(target: Path) -> str:
    """Gives the format that an ending stands for, the first in the table; raises EmbeddingError for any other."""
    found = next((name for name, each in FORMATS.items() if each.suffix == target.suffix.lower()), None)
    if found is None:
        endings = ", ".join(dict.fromkeys(each.suffix for each in FORMATS.values()))
        raise EmbeddingError(f"{target.name} has no embedding's ending: call it {target.stem} with one of {endings}")
    return found


def _weights(text: str | None, count: int) -> list[float]:
    if text is None:
        return [1 / count] * count
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise SettingsError(f"weights are {text!r}: write one number for each embedding, such as 0.7,0.3") from None
