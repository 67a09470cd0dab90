"""Translates between an embedding and the nested dicts of tensors that pickled files and picture cards hold.

A1111's layout is `{"string_to_token", "string_to_param": {"*": [V, D]}, "name", "step", "sd_checkpoint",
"sd_checkpoint_name"}`; rinongal's has the first two keys only; diffusers' is `{placeholder: [V, D] or [D]}`; Stable
Diffusion XL's is `{"clip_l": [V, 768], "clip_g": [V, 1280]}`, of which the first diffusers scripts called the keys
otherwise. Knows nothing of bytes.
"""

import json
from collections.abc import Mapping

import torch
from torch import Tensor

from retrato.embeddings.embedding import MAX_FACTS, RESERVED_KEYS, Embedding
from retrato.errors import EmbeddingError

PAIR = ("clip_l", "clip_g")
PAIRS = (PAIR, ("text_encoders_0", "text_encoders_1"))
# A1111 calls `.detach()` on every value of an SDXL dict, so that provenance can only travel as one more tensor.
FACTS = "retrato"

Facts = dict[str, object]


def to_payload(embedding: Embedding) -> dict[str, object]:
    """Gives the dict that A1111 1.x reads, with retrato's own metadata beside its keys."""
    facts: Facts = {
        "name": embedding.name,
        "step": embedding.step,
        "sd_checkpoint": embedding.base_model_hash,
        "sd_checkpoint_name": embedding.base_model,
        "metadata": dict(embedding.metadata),
    }
    if len(embedding.vectors) == 2:
        written = torch.tensor(list(json.dumps(facts).encode()), dtype=torch.uint8)
        return {**dict(zip(PAIR, embedding.vectors, strict=True)), FACTS: written}
    # 265 is the token of `*`, which A1111 writes and nobody reads.
    return {"string_to_token": {"*": 265}, "string_to_param": {"*": embedding.vectors[0]}, **facts}


def from_payload(payload: Mapping[str, object], name: str) -> Embedding:
    """Gives the embedding that `payload` describes in any of the layouts above, under `name`.

    Raises EmbeddingError when it describes none, or more than one.
    """
    facts = payload_facts(payload)
    metadata = as_texts(facts.get("metadata"))
    return Embedding(
        name,
        _vectors(payload),
        step=as_step(facts.get("step")),
        base_model=as_text(facts.get("sd_checkpoint_name")),
        base_model_hash=as_text(facts.get("sd_checkpoint")),
        metadata={key: text for key, text in metadata.items() if key not in RESERVED_KEYS},
    )


def payload_facts(payload: Mapping[str, object]) -> Facts:
    """Gives what `payload` says beside its vectors: name, step, sd_checkpoint, sd_checkpoint_name, metadata."""
    packed = payload.get(FACTS)
    if not isinstance(packed, Tensor) or not all(key in payload for key in PAIR):
        return dict(payload)
    facts: object = None
    try:
        if packed.dim() == 1 and len(packed) <= MAX_FACTS + 1000:  # a view of a few bytes can claim any length
            facts = json.loads(bytes(packed.to(torch.uint8).tolist()))
    except (ValueError, TypeError, RecursionError):
        facts = None
    if not isinstance(facts, dict):
        raise EmbeddingError("its provenance cannot be read back: the file is damaged, get it again")
    return facts


def vector_keys(keys: Mapping[str, object]) -> tuple[str, ...]:
    """Gives the keys that hold vectors, one per text encoder: the SDXL pair, or the only one.

    Each key stands for a tensor, or for what a safetensors header says of one. Raises EmbeddingError when they are
    those of something else.
    """
    for pair in PAIRS:
        if all(key in keys for key in pair):
            return pair
    if len(keys) == 1:
        return tuple(keys)
    if not keys:
        raise EmbeddingError("it holds no vectors: it is empty, train or download it again")
    found = ", ".join(str(key)[:40] for key in sorted(keys, key=str)[:3])
    widths = {_width(each) for each in keys.values()}
    if len(widths) == 1 and None not in widths:  # a LoRA's matrices come in pairs, one across, one upright
        raise EmbeddingError(
            f"{len(keys)} tokens were found ({found}), an embedding has one: save each in a file of its own"
        )
    raise EmbeddingError(
        f"{len(keys)} entries were found ({found} …), an embedding has one, or clip_l and clip_g: "
        "it is not an embedding, a LoRA or a model goes elsewhere"
    )


def _width(tensor: object) -> int | None:
    """Gives how wide the vectors `[V, D]` or `[D]` are; None for what is none."""
    shape = tensor.get("shape") if isinstance(tensor, dict) else getattr(tensor, "shape", None)
    is_one = isinstance(shape, list | torch.Size) and len(shape) in (1, 2) and isinstance(shape[-1], int)
    return shape[-1] if shape and is_one else None


def _vectors(payload: Mapping[str, object]) -> tuple[Tensor, ...]:
    """Gives the tensors `[V, D]` of `payload`; diffusers' `[D]` becomes `[1, D]`."""
    parameters = payload.get("string_to_param")
    if parameters is None:
        found = [payload[key] for key in vector_keys(payload)]
    elif not isinstance(parameters, dict) or not parameters:
        raise EmbeddingError("it holds no vectors: its string_to_param is empty, train or download it again")
    elif len(parameters) > 1:
        raise EmbeddingError(
            f"more than one term was found ({len(parameters)} placeholders), "
            "an embedding has one: save each in a file of its own"
        )
    else:
        found = list(parameters.values())
    tensors = [value for value in found if isinstance(value, Tensor)]
    if len(tensors) != len(found):
        raise EmbeddingError("it holds no vectors where an embedding has them: it is not an embedding")
    return tuple(tensor[None] if tensor.dim() == 1 else tensor for tensor in tensors)


def as_step(value: object) -> int | None:
    """Gives `value` if it can be a count of steps."""
    return value if type(value) is int and 0 <= value < 2**53 else None


def as_text(value: object) -> str | None:
    """Gives `value` if it is text."""
    return value if isinstance(value, str) else None


def as_texts(value: object) -> dict[str, str]:
    """Gives what in `value` is text by name, as another program may have noted it; nothing if it is no dict."""
    entries = value.items() if isinstance(value, dict) else ()
    return {key: text for key, text in entries if isinstance(key, str) and isinstance(text, str)}
