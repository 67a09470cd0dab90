"""Holds the artefact that training learns: a name, its vectors, where they come from.

Knows nothing of files, folders, models or training.
"""

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from retrato.errors import EmbeddingError
from retrato.settings import MOST_CLIP_SKIP

MAX_VECTORS = 75  # what fits between the start and the end token of one chunk
MAX_WIDTH = 8192  # far above any text encoder's width (768, 1024, 1280); only bounds what a hostile file can ask for
MAX_FACTS = 900_000  # bytes of provenance as JSON, so that the 1 MB header of a safetensors file holds it
# Metadata of what was learned here: hashes of its photos, the shorter side they were read at, the encoder's layer.
FINGERPRINTS, READ_AT, CLIP_SKIP = "photo_fingerprints", "read_at", "clip_skip"
MAX_ENTRIES = 500  # of metadata, so that a reader can bound what it interprets
RESERVED_KEYS = frozenset({"name", "step", "base_model", "base_model_hash"})

_NAME = re.compile(r"\w[\w .-]{0,63}")
_FOUND_NAME = re.compile(r"[\w(\[][\w .()\[\]'&+!@#~=$%^;-]{0,63}")  # `ana (1)` is a browser's second copy
_WINDOWS = re.compile(r"(CON|PRN|AUX|NUL|(COM|LPT)[0-9¹²³])", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Embedding:
    """A name and what a frozen text encoder should see in its place.

    `vectors` holds one tensor `[V, D]` per text encoder, V from 1 to 75 and the same for each (Stable Diffusion XL:
    `clip_l` with D = 768, then `clip_g` with D = 1280). The embedding owns a float32 copy of them on the CPU, detached
    from any graph. `step` counts optimizer steps; `file_hash` is the first 12 hex digits of the sha256 of the file
    it was read from, as pictures name it. `metadata` may not use the keys name, step, base_model and
    base_model_hash.

    Raises EmbeddingError when the name, the shapes, the values (NaN, infinity) or the metadata cannot be used.
    """

    name: str
    vectors: tuple[Tensor, ...]
    step: int | None = None
    base_model: str | None = None
    base_model_hash: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    file_hash: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", check_name(self.name, is_found=True))
        object.__setattr__(self, "vectors", _owned(self.vectors))
        object.__setattr__(self, "metadata", dict(self.metadata))
        _check_facts(self)

    @property
    def vectors_per_token(self) -> int:
        """Gives V, the number of token slots that the name takes in a prompt."""
        return self.vectors[0].shape[0]

    @property
    def dims(self) -> tuple[int, ...]:
        """Gives D of each text encoder, such as `(768,)` or `(768, 1280)`."""
        return tuple(vectors.shape[1] for vectors in self.vectors)

    def norms(self) -> tuple[tuple[float, ...], ...]:
        """Gives the L2 norm of each vector, per text encoder; 0 marks a vector that was never trained."""
        return tuple(tuple(vectors.norm(dim=1).tolist()) for vectors in self.vectors)


def check_name(name: str, *, is_found: bool = False) -> str:
    """Gives `name` in Unicode's NFC form if it can be a file on every system and a word in a prompt.

    One that `is_found`, as a file is called that somebody has, may also have brackets, which a prompt writes with `\\`
    before them, and a few other marks. Raises EmbeddingError otherwise: path parts, prompt syntax, more than 64
    characters, Windows' device names.
    """
    composed = unicodedata.normalize("NFC", name)
    # Vowel signs and the like, without which Hindi, Thai or Tamil cannot be written, are no letters to `re`.
    plain = "".join("-" if unicodedata.category(each) in ("Mn", "Mc") else each for each in composed)
    shown = repr(name if len(name) <= 40 else name[:40] + "…")
    if not (_FOUND_NAME if is_found else _NAME).fullmatch(plain):
        raise EmbeddingError(
            f"{shown} cannot be a name: use 1 to 64 letters, digits, `_`, `-`, `.` or spaces, a letter or digit first"
        )
    if composed[-1] in ". ":
        raise EmbeddingError(f"{shown} cannot be a name: Windows drops a dot or space at the end, leave it out")
    if is_device(composed):
        raise EmbeddingError(
            f"{shown} cannot be a name: Windows keeps it for a device, choose another, such as {name[:3]}-1"
        )
    return composed


def is_device(name: str) -> bool:
    """Says whether Windows keeps a file's name for a device, whatever its ending."""
    return _WINDOWS.fullmatch(name.split(".")[0].strip()) is not None


def name_key(name: str) -> str:
    """Gives what `name` is compared by: the same for all spellings that differ in case, or in how letters are composed.

    Finder writes `joão` in five characters, a keyboard in four, and a prompt heeds neither that nor case.
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def in_prompt(name: str) -> str:
    """Gives how `name` is written in a prompt: with a backslash before each bracket."""
    return re.sub(r"([()\[\]])", r"\\\1", name)


def mentioned(text: str, names: Iterable[str]) -> list[str]:
    """Gives those of `names` that stand in `text` as words of their own, spelled as `name_key` allows."""
    said = name_key(text)
    return [name for name in names if re.search(rf"(?<![\w-]){re.escape(name_key(name))}(?![\w-])", said)]


def clip_skip_in(metadata: Mapping[str, str]) -> int:
    """Gives the clip skip of what was learned; 1, the last layer, where its file says none that is."""
    said = metadata.get(CLIP_SKIP, "")
    return int(said) if said.isdecimal() and len(said) < 3 and 1 <= int(said) <= MOST_CLIP_SKIP else 1


def check_shape(shape: tuple[int, ...]) -> None:
    """Raises EmbeddingError unless `shape` is `[V, D]` within an embedding's bounds; allocates nothing."""
    if len(shape) != 2:
        raise EmbeddingError(f"vectors of shape {list(shape)[:8]} were found, an embedding has [vectors, width]")
    rows, width = shape
    if rows == 0 or width == 0:
        raise EmbeddingError(
            f"no vectors were found (shape {list(shape)}), an embedding has 1 to {MAX_VECTORS}: train it first"
        )
    if rows > MAX_VECTORS:
        raise EmbeddingError(
            f"{rows} vectors were found, an embedding has 1 to {MAX_VECTORS}: more do not fit in a prompt"
        )
    if width > MAX_WIDTH:
        raise EmbeddingError(
            f"vectors of {width} were found, no text encoder is wider than {MAX_WIDTH}: this is something else"
        )


def _owned(vectors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Gives checked float32 copies of `vectors`; shapes are looked at first, so that a hostile view is never copied."""
    if not 1 <= len(vectors) <= 2:
        raise EmbeddingError(
            f"vectors for {len(vectors)} text encoders were found, an embedding has them for one or two"
        )
    for tensor in vectors:
        check_shape(tuple(tensor.shape))
        if tensor.is_complex() or tensor.dtype == torch.bool:
            raise EmbeddingError(f"vectors of type {tensor.dtype} were found, an embedding holds real numbers")
    if len({tensor.shape[0] for tensor in vectors}) > 1:
        counts = " and ".join(str(tensor.shape[0]) for tensor in vectors)
        raise EmbeddingError(
            f"the two text encoders have {counts} vectors, both need the same number: the file is damaged"
        )
    owned = tuple(tensor.detach().to(device="cpu", dtype=torch.float32, copy=True).contiguous() for tensor in vectors)
    if not all(bool(tensor.isfinite().all()) for tensor in owned):
        raise EmbeddingError(
            "the vectors hold NaN or infinity, which would draw black pictures: take an earlier checkpoint"
        )
    return owned


def _check_facts(embedding: Embedding) -> None:
    """Raises EmbeddingError unless the provenance can be written in every format and read back the same."""
    if embedding.step is not None and not 0 <= embedding.step < 2**53:
        raise EmbeddingError(f"step is {str(embedding.step)[:20]}, it counts optimizer steps from 0")
    if taken := RESERVED_KEYS & embedding.metadata.keys():
        raise EmbeddingError(
            f"metadata has the key {min(taken)!r}, which the embedding itself uses: choose another key"
        )
    if len(embedding.metadata) > MAX_ENTRIES:
        raise EmbeddingError(
            f"metadata has {len(embedding.metadata)} entries, {MAX_ENTRIES} at most: keep what matters"
        )
    texts = [
        embedding.base_model or "",
        embedding.base_model_hash or "",
        *embedding.metadata,
        *embedding.metadata.values(),
    ]
    if not all(isinstance(text, str) for text in texts):
        raise EmbeddingError("metadata holds something other than text, it maps text to text: write numbers as text")
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        raise EmbeddingError("metadata holds half of a character pair, which no file can keep: remove it") from None
    if len(json.dumps(texts)) > MAX_FACTS:
        raise EmbeddingError(f"metadata is longer than {MAX_FACTS} bytes, an embedding is a small file: shorten it")
