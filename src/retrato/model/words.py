"""Which words a model knows, and which of them learned vectors are nearest to.

Reads only the tokens and their table, not the model.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from retrato.embeddings.embedding import name_key
from retrato.embeddings.library import FAMILIES
from retrato.errors import EmbeddingError, ModelError
from retrato.files import visible
from retrato.model.catalogue import describe_model
from retrato.model.checkpoint_file import open_checkpoint
from retrato.model.families import clip_tokens
from retrato.model.load import model_path

WORD_END = "</w>"
TABLE = "token_embedding.weight"


@dataclass(frozen=True, slots=True)
class Word:
    """A word and the cosine of the angle between its vector and the learned one: 1 is the same direction."""

    text: str
    cosine: float


def nearest_words(source: str | Path, vectors: tuple[Tensor, ...], count: int = 4) -> list[list[list[Word]]]:
    """Gives, for each text encoder and each of its `vectors` [V, D], the `count` words whose token is nearest.

    Only tokens that are a whole word of two letters or more count. Raises ModelError where the model cannot be read.
    """
    path = model_path(source)
    tables = _tables_of_file(path) if path.is_file() else _tables_of_folder(path)
    return [_nearest(tokens, table, own, count) for (tokens, table), own in zip(tables, vectors, strict=True)]


def check_own_word(name: str, dims: tuple[int, ...], source: str | Path) -> None:
    """Raises EmbeddingError where vectors of widths `dims` cannot be called `name`: prompts use that word already.

    They are for the model at `source` where that has these widths, else for Stable Diffusion where that has; the words
    of others are not known here. Raises ModelError where the model cannot be read.
    """
    model = describe_model(source)
    if model.dims == dims:
        tokens, called = _words_of(model.path), model.name
    elif dims in FAMILIES:
        tokens, called = clip_tokens(), FAMILIES[dims]
    else:
        return
    if name_key(name) + WORD_END in tokens:
        raise ordinary_word(name, called)


def ordinary_word(name: str, model: str) -> EmbeddingError:
    """Gives the error for a name that prompts to `model` use already."""
    return EmbeddingError(
        f"{name!r} is an ordinary word of {model}, every prompt that says it would change: "
        f"choose another name, such as {name}-1"
    )


def _nearest(tokens: list[str], table: Tensor, vectors: Tensor, count: int) -> list[list[Word]]:
    places = [
        number
        for number, token in enumerate(tokens)
        if token.endswith(WORD_END) and len(token) > len(WORD_END) + 1 and token.removesuffix(WORD_END).isalpha()
    ]
    unit = torch.nn.functional.normalize(table[places].float(), dim=1)
    cosines = torch.nn.functional.normalize(vectors, dim=1) @ unit.T
    best = cosines.topk(min(count, len(places)), dim=1)
    return [
        [Word(tokens[places[place]].removesuffix(WORD_END), value) for value, place in zip(values, found, strict=True)]
        for values, found in zip(best.values.tolist(), best.indices.tolist(), strict=True)
    ]


def _tables_of_file(path: Path) -> list[tuple[list[str], Tensor]]:
    """Gives the tokens and the table [tokens, D] of each text encoder, the first one first."""
    with open_checkpoint(path) as checkpoint:
        names = sorted(name for name in checkpoint.shapes if name.endswith(TABLE))
        return [(clip_tokens(), checkpoint.read(name)) for name in names]


def _tables_of_folder(folder: Path) -> list[tuple[list[str], Tensor]]:
    tables = []
    for suffix in ("", "_2"):
        place = folder / f"text_encoder{suffix}"
        if not place.is_dir():
            continue
        try:
            tables.append((_tokens(folder / f"tokenizer{suffix}"), _table(place)))
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise ModelError(f"{place} has no words that can be read: {str(error)[:200]}") from None
    return tables


def _words_of(path: Path) -> list[str]:
    try:
        return clip_tokens() if path.is_file() else _tokens(path / "tokenizer")
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{path / 'tokenizer'} has no words that can be read: {str(error)[:200]}") from None


def _tokens(folder: Path) -> list[str]:
    single = folder / "tokenizer.json"
    if (folder / "vocab.json").is_file():
        numbers = json.loads((folder / "vocab.json").read_text("utf-8"))
    else:
        numbers = json.loads(single.read_text("utf-8"))["model"]["vocab"]
    return sorted(numbers, key=numbers.__getitem__)


def _table(folder: Path) -> Tensor:
    for path in visible(folder, "*.safetensors"):
        with safe_open(str(path), "pt") as opened:
            for name in opened.keys():  # noqa: SIM118
                if name.endswith(TABLE):
                    return opened.get_tensor(name).clone()
    raise ValueError(f"no {TABLE}")
