"""Reads and writes embeddings as safetensors: the key `emb_params`, a placeholder, or `clip_l` and `clip_g`.

Provenance is text in the header, which is judged before any tensor is loaded. Knows nothing of pickles and pictures.
"""

import json
import struct
from collections.abc import Mapping

import numpy
import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from retrato.embeddings.embedding import RESERVED_KEYS, Embedding, check_shape
from retrato.embeddings.layout import PAIR, vector_keys
from retrato.errors import EmbeddingError

MAX_HEADER = 1_000_000
MAX_TENSORS = 32
MAX_BRACKETS = 50_000  # of JSON: an embedding takes 80, a large LoRA 10,000; a million lists take Python a second
READABLE = frozenset({"F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8"})


def read_safetensors(content: bytes, name: str) -> Embedding:
    """Gives the embedding in a safetensors file's `content`, under `name`; raises EmbeddingError when it holds none."""
    header = read_header(content)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise EmbeddingError("its metadata is not text: the file is damaged, get it again")
    if len(header) > MAX_TENSORS:
        raise EmbeddingError(f"{len(header)} tensors were found, an embedding has one or two: it is a LoRA or a model")
    keys = vector_keys(header)
    for key in keys:
        _check_entry(header[key])
    try:
        tensors = safetensors.torch.load(content)
    except (SafetensorError, ValueError, RuntimeError) as error:
        raise EmbeddingError(f"its data is cut off or damaged, get it again ({error})") from None
    found = [tensors[key] for key in keys]
    step = metadata.get("step", "")
    return Embedding(
        name,
        tuple(tensor[None] if tensor.dim() == 1 else tensor for tensor in found),
        step=int(step) if step.isascii() and step.isdigit() and len(step) < 16 else None,
        base_model=metadata.get("base_model"),
        base_model_hash=metadata.get("base_model_hash"),
        metadata={key: value for key, value in metadata.items() if key not in RESERVED_KEYS},
    )


def safetensors_bytes(embedding: Embedding) -> bytes:
    """Gives the file that A1111 1.x and retrato read: `emb_params`, or `clip_l` and `clip_g`."""
    keys = PAIR if len(embedding.vectors) == 2 else ("emb_params",)
    return _file(dict(zip(keys, embedding.vectors, strict=True)), embedding)


def diffusers_bytes(embedding: Embedding) -> bytes:
    """Gives diffusers' `learned_embeds.safetensors`: the key is the word to use in the prompt."""
    keys = PAIR if len(embedding.vectors) == 2 else (embedding.name,)
    return _file(dict(zip(keys, embedding.vectors, strict=True)), embedding)


def read_header(content: bytes) -> dict[str, object]:
    """Gives the header, without trusting the length it claims."""
    claimed = struct.unpack("<Q", content[:8])[0] if len(content) >= 8 else 0
    if not 0 < claimed <= min(MAX_HEADER, len(content) - 8):
        raise EmbeddingError(
            f"it claims a header of {claimed} bytes: it is cut off or no safetensors file, get it again"
        )
    text = content[8 : 8 + claimed]
    try:
        header = None if nests_too_much(text) else json.loads(text)
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict):
        raise EmbeddingError("its header cannot be read: the file is damaged, get it again")
    return header


def nests_too_much(text: bytes) -> bool:
    """Says whether a JSON text holds more than MAX_BRACKETS lists and objects; brackets within strings do not count."""
    if text.count(b"[") + text.count(b"{") <= MAX_BRACKETS:
        return False
    outside = b"".join(text.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2])
    return outside.count(b"[") + outside.count(b"{") > MAX_BRACKETS


def _check_entry(entry: object) -> None:
    """Raises EmbeddingError unless a header's `entry` describes vectors of a plain number type."""
    shape = entry.get("shape") if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or not isinstance(shape, list) or not all(type(size) is int for size in shape):
        raise EmbeddingError("its header describes a tensor without a shape: the file is damaged, get it again")
    check_shape((1, *shape) if len(shape) == 1 else tuple(shape))
    if entry.get("dtype") not in READABLE:
        raise EmbeddingError(
            f"its numbers are of type {str(entry.get('dtype'))[:20]}, an embedding has {', '.join(sorted(READABLE))}"
        )


def _file(tensors: Mapping[str, Tensor], embedding: Embedding) -> bytes:
    """Gives the bytes of a safetensors file, the same for the same embedding: pictures carry the file's hash.

    The library itself orders metadata anew in each process.
    """
    metadata = dict(embedding.metadata) | {"name": embedding.name}
    for key in ("step", "base_model", "base_model_hash"):
        if (value := getattr(embedding, key)) is not None:
            metadata[key] = str(value)
    header: dict[str, object] = {"__metadata__": metadata}
    data = b""
    for key, tensor in tensors.items():
        values = tensor.numpy().astype(numpy.dtype("<f4")).tobytes()
        offsets = [len(data), len(data) + len(values)]
        header[key] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": offsets}
        data += values
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at a multiple of 8 bytes
    return struct.pack("<Q", len(text)) + text + data
