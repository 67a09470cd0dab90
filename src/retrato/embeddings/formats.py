"""Reads an embedding from any file that people have, and writes one in the formats that other programs read.

Which bytes mean what is the business of `safetensors_file`, `torch_file` and `card`; this module knows files and names.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from retrato.embeddings.card import card_bytes, read_card
from retrato.embeddings.embedding import Embedding, check_name
from retrato.embeddings.layout import from_payload, payload_facts, to_payload
from retrato.embeddings.safetensors_file import diffusers_bytes, read_safetensors, safetensors_bytes
from retrato.embeddings.torch_file import read_torch, torch_bytes
from retrato.errors import EmbeddingError
from retrato.files import printable, write_atomic

MAX_FILE = 32_000_000  # bytes; the largest embedding takes 5 million, a card with its picture somewhat more


@dataclass(frozen=True)
class Format:
    """A way to write: the file's ending, what it is for, and the function that gives its bytes."""

    suffix: str
    description: str
    content: Callable[[Embedding], bytes]
    takes_picture: bool = False


def read_embedding(path: Path | str, name: str | None = None) -> Embedding:
    """Gives the embedding in `path`, whatever program wrote it; nothing in the file is ever executed.

    It is called `name`, by default as the file, without its ending; a picture card carries its own name. Raises
    EmbeddingError when the file is missing, damaged, hostile, too large or something else; the sentence begins with the
    file's name.
    """
    path = Path(path)
    read = READERS.get(path.suffix.lower())
    try:
        if read is None:
            raise EmbeddingError(f"its ending is no embedding's: those are {', '.join(READERS)}")
        if is_preview(path):
            raise EmbeddingError("it is a preview picture, not an embedding: open the file that it belongs to")
        content = _content(path)
        _require_ending(content, path)
        return replace(read(content, name or path.stem), file_hash=hashlib.sha256(content).hexdigest()[:12])
    except EmbeddingError as error:
        raise EmbeddingError(f"{printable(path.name)} cannot be used: {error}") from None


def write_embedding(
    embedding: Embedding, path: Path | str, format: str = "safetensors", picture: Image.Image | None = None
) -> Path:
    """Writes `embedding` to `path` atomically, in one of `FORMATS`, and gives `path` back; a card may show `picture`.

    Raises EmbeddingError for an unknown format, an ending by which other programs would misread the file, or a
    picture where the format has no room for one.
    """
    path = Path(path)
    if format not in FORMATS:
        raise EmbeddingError(f"there is no embedding format {format!r}: use one of {', '.join(FORMATS)}")
    if path.suffix.lower() != FORMATS[format].suffix:
        raise EmbeddingError(f"{path.name} cannot hold format {format}: call it {path.stem}{FORMATS[format].suffix}")
    if picture is not None and not FORMATS[format].takes_picture:
        raise EmbeddingError(
            f"a picture was given, but format {format} holds none: write a card, such as {path.stem}.png"
        )
    return write_atomic(path, FORMATS[format].content(embedding) if picture is None else card_bytes(embedding, picture))


def is_preview(path: Path) -> bool:
    """Says whether `path` is a thumbnail that shows an embedding, as A1111 names them."""
    return path.suffix.lower() in (".png", ".webp") and path.stem.lower().endswith(".preview")


def _content(path: Path) -> bytes:
    """Gives the bytes of `path` after looking at what kind of file it is and how large."""
    try:
        if not path.is_file():
            raise EmbeddingError("there is no such file: look for it with `retrato embeddings list`")
        size = path.stat().st_size
        if size == 0:
            raise EmbeddingError("it is an empty file: download or train it again")
        if size > MAX_FILE:
            raise EmbeddingError(
                f"it has {size} bytes, an embedding at most {MAX_FILE}: it is too large, a model goes elsewhere"
            )
        content = path.read_bytes()
    except OSError as error:
        raise EmbeddingError(f"it cannot be opened ({error.strerror}): make it readable") from None
    if content.startswith(b"version https://git-lfs"):
        raise EmbeddingError("it is a Git LFS pointer, not the file itself: run `git lfs pull`")
    if content.lstrip()[:1] == b"<":
        raise EmbeddingError("it is a web page, not the file itself: download it again")
    return content


def _require_ending(content: bytes, path: Path) -> None:
    """Raises EmbeddingError, with the right ending, for a good file under the ending of another kind."""
    kinds = (
        (content.startswith(b"PK\x03\x04"), (".pt", ".bin")),
        (content.startswith(b"\x89PNG\r\n"), (".png",)),
        (content.startswith(b"RIFF") and content[8:12] == b"WEBP", (".webp",)),
        (content[8:9] == b"{" and int.from_bytes(content[:8], "little") <= len(content) - 8, (".safetensors",)),
    )
    for is_it, endings in kinds:
        if is_it and path.suffix.lower() not in endings:
            raise EmbeddingError(f"it is a {endings[0]} file under another ending: call it {path.stem}{endings[0]}")


def _read_torch(content: bytes, stem: str) -> Embedding:
    return from_payload(read_torch(content), check_name(stem, is_found=True))


def _read_card(content: bytes, stem: str) -> Embedding:
    """Gives a card's embedding under the name inside it, or under `stem` where that one cannot be a word."""
    payload = read_card(content)
    name = payload_facts(payload).get("name")
    if not isinstance(name, str):
        return from_payload(payload, stem)
    if any(part in name for part in ("/", "\\", "\0")):
        raise EmbeddingError(f"the name inside it is a path ({name[:40]!r}): do not trust it, delete it")
    try:
        name = check_name(name, is_found=True)
    except EmbeddingError:
        name = stem
    return from_payload(payload, name)


READERS: Mapping[str, Callable[[bytes, str], Embedding]] = {
    ".safetensors": read_safetensors,
    ".pt": _read_torch,
    ".bin": _read_torch,
    ".png": _read_card,
    ".webp": _read_card,
}
FORMATS: Mapping[str, Format] = {
    "safetensors": Format(".safetensors", "A1111 and others, safe to share", safetensors_bytes),
    "a1111-pt": Format(".pt", "A1111 of any age", lambda embedding: torch_bytes(to_payload(embedding))),
    "diffusers": Format(".safetensors", "diffusers' learned_embeds", diffusers_bytes),
    "png": Format(".png", "a picture card for A1111, easy to pass on", card_bytes, takes_picture=True),
}
