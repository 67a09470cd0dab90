"""Says in which of the historical layouts an embedding file was written. Knows nothing of its vectors."""

import json
from collections.abc import Collection
from pathlib import Path

from retrato.embeddings.formats import read_embedding
from retrato.embeddings.layout import PAIRS
from retrato.embeddings.torch_file import read_torch


def format_of(path: Path | str) -> str:
    """Gives the layout of an embedding file.

    One of those that can be written (`safetensors`, `a1111-pt`, `diffusers`, `png`), `rinongal-pt` (the first ones, by
    the authors of the paper), or `sdxl` and `sdxl-pt` (vectors for two text encoders). Raises EmbeddingError for a file
    that `read_embedding` would refuse.
    """
    path = Path(path)
    read_embedding(path)  # nothing below looks at bytes that were not found good
    suffix = path.suffix.lower()
    if suffix in (".png", ".webp"):
        return "png"
    content = path.read_bytes()
    if suffix == ".safetensors":
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        return _plain(header, "sdxl", "safetensors" if "emb_params" in header else "diffusers")
    payload = read_torch(content)
    if "string_to_param" not in payload:
        return _plain(payload, "sdxl-pt", "diffusers")
    return "a1111-pt" if {"name", "step"} & payload.keys() else "rinongal-pt"


def _plain(keys: Collection[str], pair: str, single: str) -> str:
    return pair if any(all(key in keys for key in each) for each in PAIRS) else single
