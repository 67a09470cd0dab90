"""Reads a hypernetwork from A1111's `.pt` or from safetensors, and writes either; nothing in a file is ever executed.

safetensors hold `<width>.<key or value>.<A1111's name of the weight>`, and one text `retrato` with all facts as JSON.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import safetensors.torch
from safetensors import SafetensorError

from retrato.embeddings import check_name
from retrato.embeddings.layout import as_step, as_text
from retrato.embeddings.safetensors_file import READABLE, read_header
from retrato.embeddings.torch_file import Bounds, read_torch, torch_bytes
from retrato.errors import EmbeddingError, HypernetworkError
from retrato.files import printable, write_atomic
from retrato.hypernetworks.hypernetwork import Hypernetwork, check_sizes
from retrato.hypernetworks.layout import from_payload, to_payload
from retrato.hypernetworks.structure import Structure, all_shapes

MAX_FILE = 2_000_000_000  # bytes; `1, 2, 1` for Stable Diffusion 1 takes 88 million, wide and deep ones ten times that
# Those trained on a Mac with torch 1.12 hold all numbers in their description, where 88 million bytes take 132.
BOUNDS = Bounds("a hypernetwork", operations=20_000, entries=1_500, inflated=MAX_FILE, described=300_000_000)
FACTS = "retrato"
PARTS = ("key", "value")
# What decides whether a file is a hypernetwork, also where the sentence speaks of what it should have been.
DAMAGED = (KeyError, TypeError, ValueError, OverflowError, RecursionError)


@dataclass(frozen=True)
class HypernetworkFormat:
    """A way to write: the file's ending, what it is for, and the function that gives its bytes."""

    suffix: str
    description: str
    content: Callable[[Hypernetwork], bytes]


def read_hypernetwork(path: Path | str, name: str | None = None) -> Hypernetwork:
    """Gives the hypernetwork in `path` under `name`, by default that of the file, without its ending.

    Raises HypernetworkError when the file is missing, damaged, hostile, too large or something else; the sentence
    begins with the file's name.
    """
    path = Path(path)
    read = READERS.get(path.suffix.lower())
    try:
        if read is None:
            raise HypernetworkError(f"its ending is no hypernetwork's: those are {', '.join(READERS)}")
        return read(_content(path), check_name(name or path.stem, is_found=True))
    except (EmbeddingError, HypernetworkError) as error:
        raise HypernetworkError(f"{printable(path.name)} cannot be used: {error}") from None


def write_hypernetwork(hypernetwork: Hypernetwork, path: Path | str, format: str = "safetensors") -> Path:
    """Writes `hypernetwork` to `path` atomically, in one of `HYPERNETWORK_FORMATS`, and gives `path` back.

    Raises HypernetworkError for an unknown format, or an ending by which other programs would misread the file.
    """
    path = Path(path)
    if format not in HYPERNETWORK_FORMATS:
        known = ", ".join(HYPERNETWORK_FORMATS)
        raise HypernetworkError(f"there is no hypernetwork format {format!r}: use one of {known}")
    chosen = HYPERNETWORK_FORMATS[format]
    if path.suffix.lower() != chosen.suffix:
        raise HypernetworkError(f"{path.name} cannot hold format {format}: call it {path.stem}{chosen.suffix}")
    return write_atomic(path, chosen.content(hypernetwork))


def _content(path: Path) -> bytes:
    """Gives the bytes of `path` after looking at how many there are."""
    try:
        if not path.is_file():
            raise HypernetworkError("there is no such file: look for it with `retrato hypernetworks list`")
        size = path.stat().st_size
        if not 0 < size <= MAX_FILE:
            raise HypernetworkError(f"it has {size} bytes, a hypernetwork at least one and at most {MAX_FILE}")
        return path.read_bytes()
    except OSError as error:
        raise HypernetworkError(f"it cannot be opened ({error.strerror}): make it readable") from None


def _read_torch(content: bytes, name: str) -> Hypernetwork:
    return from_payload(read_torch(content, BOUNDS), name)


def _read_safetensors(content: bytes, name: str) -> Hypernetwork:
    header = read_header(content)
    try:
        facts: dict[str, Any] = json.loads(header.pop("__metadata__")[FACTS])  # type: ignore[index]
        said = facts["structure"]
        structure = Structure(
            tuple(float(each) for each in said["layers"]),
            str(said["activation"]),
            layer_norm=bool(said["layer_norm"]),
            activate_output=bool(said["activate_output"]),
            dropout=tuple(float(each) for each in said["dropout"]),
        )
        sizes = tuple(int(size) for size in facts["sizes"])
        metadata = {str(key): str(value) for key, value in dict(facts.get("metadata") or {}).items()}
    except DAMAGED:
        raise HypernetworkError("its header does not describe a hypernetwork: it is something else") from None
    check_sizes(sizes)
    keys = _keys(structure, sizes)
    entries = {key: entry if isinstance(entry, dict) else {} for key, entry in header.items()}
    shapes = {key: list(shape) for key, shape in zip(keys, all_shapes(structure, sizes), strict=True)}
    if {key: entry.get("shape") for key, entry in entries.items()} != shapes:
        raise HypernetworkError("its weights are not those that its structure says: it is damaged, get it again")
    if not all(entry.get("dtype") in READABLE for entry in entries.values()):
        raise HypernetworkError(f"its numbers are of an unknown type, a hypernetwork has {', '.join(sorted(READABLE))}")
    try:
        tensors = safetensors.torch.load(content)
    except (SafetensorError, ValueError, RuntimeError) as error:
        raise HypernetworkError(f"its data is cut off or damaged, get it again ({error})") from None
    return Hypernetwork(
        name,
        sizes,
        structure,
        tuple(tensors[key] for key in keys),
        step=as_step(facts.get("step")),
        weight_init=as_text(facts.get("weight_init")) or "Normal",
        base_model=as_text(facts.get("base_model")),
        base_model_hash=as_text(facts.get("base_model_hash")),
        metadata=metadata,
    )


def _safetensors_bytes(hypernetwork: Hypernetwork) -> bytes:
    facts = {
        "name": hypernetwork.name,
        "sizes": hypernetwork.sizes,
        "structure": asdict(hypernetwork.structure),
        "step": hypernetwork.step,
        "weight_init": hypernetwork.weight_init,
        "base_model": hypernetwork.base_model,
        "base_model_hash": hypernetwork.base_model_hash,
        "metadata": dict(hypernetwork.metadata),
    }
    tensors = dict(zip(_keys(hypernetwork.structure, hypernetwork.sizes), hypernetwork.parameters, strict=True))
    # One entry of metadata only: the order of several is a matter of chance, and equal ones should make equal files.
    return safetensors.torch.save(tensors, {FACTS: json.dumps(facts)})


def _keys(structure: Structure, sizes: tuple[int, ...]) -> list[str]:
    return [f"{size}.{part}.{key}" for size in sizes for part in PARTS for key in structure.names()]


READERS: Mapping[str, Callable[[bytes, str], Hypernetwork]] = MappingProxyType(
    {".safetensors": _read_safetensors, ".pt": _read_torch}
)
HYPERNETWORK_FORMATS: Mapping[str, HypernetworkFormat] = MappingProxyType(
    {
        "safetensors": HypernetworkFormat(".safetensors", "retrato, safe to share", _safetensors_bytes),
        "a1111-pt": HypernetworkFormat(".pt", "A1111 1.x", lambda hypernetwork: torch_bytes(to_payload(hypernetwork))),
    }
)
