"""Reads the tensors of one file, `.safetensors` or torch's pickled `.ckpt`, as they are asked for. Runs nothing.

A pickle is interpreted by `retrato.embeddings.torch_file`, which can yield tensors, texts and numbers and nothing else;
names that a file mentions are never imported. Numbers are mapped into memory, not read, until a tensor is copied.
Knows nothing of what the tensors mean.
"""

from __future__ import annotations

import contextlib
import io
import json
import mmap
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from retrato.embeddings.torch_file import BROKEN_ZIP, Bounds, interpret, read_legacy
from retrato.errors import EmbeddingError, ModelError

MAX_HEADER = 16_000_000  # bytes; that of Stable Diffusion XL takes 300 thousand
MAX_PICKLE = 20_000_000  # bytes; that of Stable Diffusion XL takes 400 thousand
BOUNDS = Bounds("a model", operations=1_000_000, entries=20_010, inflated=0)  # about thirty steps for each tensor
MAX_TENSORS = 20_000
GET_AGAIN = "download it again"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The tensors of a file: their shapes by name, `read` to copy one into memory, and texts that came with them."""

    path: Path
    kind: str
    shapes: Mapping[str, tuple[int, ...]]
    read: Callable[[str], Tensor]
    metadata: Mapping[str, str]


@contextlib.contextmanager
def open_checkpoint(path: Path) -> Iterator[Checkpoint]:
    """Gives the tensors in `path`, whose kind is told by its content, for as long as the context is open.

    Raises ModelError, with a sentence that begins with the path, when the file is missing, empty, cut off, a Git LFS
    pointer, a web page, a pickle that asks for anything but data, or no file of tensors at all.
    """
    try:
        with _open(path) as checkpoint:
            yield checkpoint
    except EmbeddingError as error:  # of the reader of pickles, which knows from BOUNDS what it reads
        raise ModelError(f"{path} cannot be used: {error}") from None


@contextlib.contextmanager
def _open(path: Path) -> Iterator[Checkpoint]:
    head = _first_bytes(path)
    with contextlib.ExitStack() as stack:
        try:
            if head[8:9] == b"{":
                checkpoint = _open_safetensors(path, stack)
            elif head.startswith(b"PK\x03\x04"):
                checkpoint = _open_zip(path, stack)
            elif head[:1] == b"\x80":
                checkpoint = _open_legacy(path)
            else:
                raise ModelError(f"{path} {_other_kind(head)}")
        except (SafetensorError, *BROKEN_ZIP) as error:
            raise ModelError(f"{path} is cut off, damaged or no model file: {GET_AGAIN} ({str(error)[:80]})") from None
        yield checkpoint


def _first_bytes(path: Path) -> bytes:
    if not path.is_file():
        raise ModelError(f"{path} is not a file on this machine")
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        raise ModelError(f"{path} cannot be opened ({error.strerror}): make it readable") from None
    if not head:
        raise ModelError(f"{path} is an empty file: {GET_AGAIN}")
    return head


def _other_kind(head: bytes) -> str:
    """Says what a file that begins with `head` is, if not a file of tensors."""
    if head.startswith(b"version https://git-lfs"):
        return "is a Git LFS pointer, not the model itself: run `git lfs pull`, or download the file"
    if head.lstrip()[:1] == b"<":
        return "is a web page, not the model itself: download it again, logged in where the site wants that"
    if head.startswith(b"GGUF"):
        return "is a GGUF file, whose numbers are packed: get the .safetensors file"
    if head.lstrip()[:1] in (b"{", b"["):
        return "is a JSON text, not the model itself: give the .safetensors file"
    return "is no file of tensors (.safetensors or .ckpt): it is damaged or something else"


def _open_safetensors(path: Path, stack: contextlib.ExitStack) -> Checkpoint:
    """Judges the header before the library does: a lying one takes it seconds and much memory."""
    size = path.stat().st_size
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if not 0 < length <= min(MAX_HEADER, size - 8):
            raise ModelError(f"{path} claims a header of {length} bytes: it is cut off or no model, {GET_AGAIN}")
        try:
            header = json.loads(file.read(length))
        except RecursionError:
            raise ModelError(f"{path} has a header that nests without end: it is no model, delete it") from None
    metadata = header.pop("__metadata__", {})
    if len(header) > MAX_TENSORS:
        raise ModelError(f"{path} holds {len(header)} tensors, a model has a few thousand: it is something else")
    end = max((entry["data_offsets"][1] for entry in header.values()), default=0)
    if 8 + length + end > size:
        raise ModelError(f"{path} has {size} of {8 + length + end} bytes: it is cut off, {GET_AGAIN}")
    opened = stack.enter_context(safe_open(str(path), "pt"))
    shapes = {name: tuple(entry["shape"]) for name, entry in header.items()}
    return Checkpoint(path, "safetensors", shapes, lambda name: opened.get_tensor(name).clone(), metadata)


def _open_zip(path: Path, stack: contextlib.ExitStack) -> Checkpoint:
    """Reads the container of torch 1.6 and later; the storages lie in it unpacked, so that they can be mapped."""
    file = stack.enter_context(path.open("rb"))
    content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)  # torch wants to be able to write; the file stays
    with zipfile.ZipFile(file) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        names = [name for name in entries if name.endswith("/data.pkl") and name.count("/") == 1]
        if len(names) != 1 or len(entries) > BOUNDS.entries:
            raise ModelError(f"{path} is a zip file, but none that torch wrote: it is something else")
        if entries[names[0]].file_size > MAX_PICKLE:
            raise ModelError(f"{path} has a description that is far longer than a model's: it is something else")
        described = io.BytesIO(archive.read(names[0]))
    prefix = names[0].removesuffix("data.pkl")

    def storage(key: str, dtype: torch.dtype, count: int) -> Tensor:
        entry = entries[f"{prefix}data/{key}"]
        name_length, extra_length = struct.unpack_from("<HH", content, entry.header_offset + 26)
        start = entry.header_offset + 30 + name_length + extra_length
        is_whole = entry.file_size == count * dtype.itemsize and start + entry.file_size <= len(content)
        if entry.compress_type != zipfile.ZIP_STORED or not is_whole:
            raise ValueError("a storage is packed or has another size than it claims")
        return torch.frombuffer(content, dtype=dtype, count=count, offset=start) if count else torch.empty(0)

    return _described(path, interpret(described, storage, BOUNDS.operations))


def _open_legacy(path: Path) -> Checkpoint:
    """Reads the container of torch before 1.6, whole, as its numbers lie behind one another."""
    with path.open("rb") as file:
        return _described(path, read_legacy(file, path.stat().st_size, BOUNDS))


def _described(path: Path, payload: object) -> Checkpoint:
    """Gives the tensors in what a pickle described: those in `state_dict`, or all where it has none."""
    if isinstance(payload, dict) and isinstance(payload.get("state_dict"), dict):
        payload = payload["state_dict"]
    if not isinstance(payload, dict):
        raise ModelError(f"{path} holds no dict of tensors: it is no model")
    tensors = {str(name): value for name, value in payload.items() if isinstance(value, Tensor)}
    for name, tensor in tensors.items():
        if tensor.numel() * tensor.itemsize > tensor.untyped_storage().size():
            raise ModelError(f"{path} describes {name} as larger than its numbers: do not trust it, delete it")
    if not tensors:  # names are enough to say what it is, such as an embedding or a hypernetwork
        return Checkpoint(path, "ckpt", {str(name): () for name in payload}, lambda name: torch.empty(0), {})
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    return Checkpoint(path, "ckpt", shapes, lambda name: tensors[name].clone(), {})
