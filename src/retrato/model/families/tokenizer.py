"""CLIP's tokenizer from the byte pairs in this folder: one vocabulary serves Stable Diffusion 1, 2 and XL."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import TYPE_CHECKING

from retrato.model.quiet import import_quietly

if TYPE_CHECKING:
    from transformers import CLIPTokenizer

BYTE_PAIRS = Path(__file__).parent / "byte_pairs.txt.gz"
START, END = "<|startoftext|>", "<|endoftext|>"


def clip_tokenizer(padding: str = END, length: int = 77) -> CLIPTokenizer:
    """Gives the tokenizer with its 49,408 tokens; `padding` is the token that fills up, `length` what fits at most."""
    import_quietly()
    from transformers import CLIPTokenizer

    vocabulary = {token: number for number, token in enumerate(clip_tokens())}
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=_pairs(), model_max_length=length)
    tokenizer.pad_token = padding  # said from the start, it would be no word any more: see `read_tokenizer`
    return tokenizer


def read_tokenizer(folder: Path) -> CLIPTokenizer:
    """Gives the tokenizer in `folder`, in whose texts the token that fills up is the word that it is elsewhere.

    Stable Diffusion 2, and XL's second encoder, fill up with `!`. transformers takes it for no word then, and cuts it
    out of any text by itself: `hi!!` was `hi` and two of it, where CLIP has one token for `!!`.
    """
    import_quietly()
    from transformers import CLIPTokenizer

    tokenizer = CLIPTokenizer.from_pretrained(str(folder), local_files_only=True)
    padding, number = tokenizer.pad_token, tokenizer.pad_token_id
    if padding in (tokenizer.bos_token, tokenizer.eos_token, tokenizer.unk_token):
        return tokenizer
    others = {own: token for own, token in tokenizer.added_tokens_decoder.items() if own != number}
    plain = CLIPTokenizer.from_pretrained(
        str(folder), local_files_only=True, pad_token=tokenizer.eos_token, added_tokens_decoder=others
    )
    plain.pad_token = padding
    return plain if plain.pad_token_id == number else tokenizer


def clip_tokens() -> list[str]:
    """Gives the 49,408 tokens in the order of their numbers; `</w>` ends those that end a word."""
    letters = _letters()
    return [*letters, *(f"{letter}</w>" for letter in letters), *map("".join, _pairs()), START, END]


def _pairs() -> list[tuple[str, ...]]:
    lines = gzip.decompress(BYTE_PAIRS.read_bytes()).decode().split("\n")[:-1]
    return [tuple(line.split(" ")) for line in lines]


def _letters() -> list[str]:
    """Gives a visible letter for each byte, in GPT-2's order: those of Latin-1 for themselves, then 68 others."""
    visible = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    return [chr(byte) for byte in visible] + [chr(256 + place) for place in range(256 - len(visible))]
