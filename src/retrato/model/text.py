"""Text to conditioning, and the ONE place where learned vectors enter the frozen text encoder.

The vectors never live in the frozen token table: a forward hook replaces rows of the token look-up's output, position
embeddings are added afterwards. Training and generation share it, so what is trained is what is drawn.
Knows the prompt only as chunks of tokens.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from retrato.errors import EmbeddingError, SettingsError
from retrato.model.components import Components
from retrato.prompts import Chunk, Slot, chunk_tokens

EMPTY_CHUNK = Chunk((), ())


@dataclass(frozen=True, slots=True)
class Conditioning:
    """What the U-Net is told: `states` [B, T, D] float32, and for XL `pooled` [B, P]."""

    states: Tensor
    pooled: Tensor | None = None

    def row(self, index: int) -> Conditioning:
        """Gives the conditioning of one prompt of the batch, still with a batch dimension of 1."""
        pooled = None if self.pooled is None else self.pooled[index : index + 1]
        return Conditioning(self.states[index : index + 1], pooled)


def tokenizer_of(components: Components) -> Callable[[str], list[int]]:
    """Gives the function from a text to its token ids, without start and end, that finds names in prompts."""
    tokenizer = components.tokenizers[0]

    def tokenize(words: str) -> list[int]:
        return list(tokenizer(words, add_special_tokens=False, truncation=False, verbose=False)["input_ids"])

    return tokenize


def token_chunks(
    components: Components, text: str, embeddings: Mapping[str, int], *, emphasis: str = "Original"
) -> list[Chunk]:
    """Cuts `text` (one prompt, schedules already resolved) into chunks of the model's length.

    `embeddings` says how many vectors each name takes.
    """
    tokenize = tokenizer_of(components)
    commas = tokenize(",")
    return chunk_tokens(
        text,
        tokenize,
        comma_token=commas[0] if len(commas) == 1 else -1,
        embeddings=embeddings,
        chunk_length=components.chunk_length,
        emphasis=emphasis,
    )


@contextlib.contextmanager
def filled_slots(
    text_encoder: nn.Module, slots: Sequence[Sequence[Slot]], vectors: Mapping[str, Tensor]
) -> Iterator[None]:
    """While open, `text_encoder` sees `vectors[name]` [V, D] in the slots of each row instead of token embeddings.

    `slots` has one entry per row of the batch; a slot's offset counts from the first token after the start token.
    The gradient reaches the vectors only; on leaving, the encoder is what it was.
    """
    places = [(row, slot) for row, row_slots in enumerate(slots) for slot in row_slots]
    if not places:
        yield
        return
    rows = torch.tensor([row for row, slot in places for _ in range(slot.vectors)])
    columns = torch.tensor([1 + slot.offset + place for _, slot in places for place in range(slot.vectors)])
    content = torch.cat([_vectors_for(slot, vectors) for _, slot in places])

    def fill(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
        index = (rows.to(output.device), columns.to(output.device))
        return output.index_put(index, content.to(output.device, output.dtype))

    handle = _inner(text_encoder).embeddings.token_embedding.register_forward_hook(fill)
    try:
        yield
    finally:
        handle.remove()


def encode(
    components: Components,
    prompts: Sequence[Sequence[Chunk]],
    vectors: Mapping[str, tuple[Tensor, ...]],
    *,
    clip_skip: int = 1,
    emphasis: str = "Original",
    least: int = 1,
) -> Conditioning:
    """Gives the conditioning of `prompts`, each a list of chunks, with T = chunks of the longest * (chunk length + 2).

    Shorter prompts get empty chunks, all of them where the longest has fewer than `least`. `vectors[name]` holds one
    [V, D] per text encoder; gradients flow to them. Weights are applied to the encoder's output by the rule that
    `emphasis` names; "Original" restores the mean of each chunk of each prompt by itself, so a batch equals its prompts
    encoded singly. `clip_skip` n takes the n-th last layer, then the final layer norm. Whatever n is, Stable Diffusion
    2 takes the last layer that it has, and XL the last but one of both encoders, without norm. The result is on the
    model's device, wherever the encoders are.
    """
    count = max(least, *(len(chunks) for chunks in prompts))
    rows = [chunk for chunks in prompts for chunk in [*chunks, *[EMPTY_CHUNK] * (count - len(chunks))]]
    weights = _weights(components, rows)
    states, pooled = [], None
    for number, encoder in enumerate(components.text_encoders):
        own = {name: each[number] for name, each in vectors.items() if number < len(each)}
        with filled_slots(encoder, [chunk.slots for chunk in rows], own):
            output = encoder(_token_ids(components, number, rows).to(encoder.device), output_hidden_states=True)
        state = _chosen_layer(components, encoder, output, clip_skip).to(components.device)
        states.append(apply_weights(state, weights, emphasis))
        if components.has_pooled_text and hasattr(output, "text_embeds"):
            pooled = output.text_embeds.to(components.device).reshape(len(prompts), count, -1)[:, 0]
    joined = torch.cat(states, dim=-1)
    return Conditioning(joined.reshape(len(prompts), count * joined.shape[1], -1), pooled)


def added_conditions(components: Components, pooled: Tensor | None, sides: Sequence[int]) -> dict[str, Tensor] | None:
    """Gives what the U-Net of Stable Diffusion XL wants beside the states, None where there is no `pooled` text.

    That is the pooled text [B, P] and, for each row, original size, crop corner and size in pixels of a picture whose
    latents have the `sides` (height, width). Training and drawing share it, as they share the vectors' place.
    """
    if pooled is None:
        return None
    height, width = (side * components.vae_scale for side in sides)
    sizes = torch.tensor([[height, width, 0, 0, height, width]], device=components.device, dtype=components.dtype)
    return {"text_embeds": pooled.to(components.device, components.dtype), "time_ids": sizes.expand(len(pooled), -1)}


def apply_weights(states: Tensor, weights: Tensor | None, emphasis: str) -> Tensor:
    """Gives the encoder's output `states` [rows, T, D] after `weights` [rows, T], None for ones, by A1111's `emphasis`.

    "Original" scales each row back to the mean that it had, "No norm" does not, "Ignore" and "None" change nothing.
    """
    if weights is None or emphasis in ("Ignore", "None"):
        return states
    weighted = states * weights.unsqueeze(-1)
    if emphasis == "No norm":
        return weighted
    before, after = states.mean(dim=(1, 2), keepdim=True), weighted.mean(dim=(1, 2), keepdim=True)
    # A mean of exactly zero (all weights 0) cannot be scaled back; A1111 draws NaN then.
    return torch.where(after == 0, weighted, weighted * (before / after))


def initial_vectors(components: Components, text: str, count: int) -> tuple[Tensor, ...]:
    """Gives `count` vectors [count, D] per text encoder to start from: the token embeddings of `text`.

    Fewer tokens than vectors are each repeated, more are cut off, an empty text gives zeros: A1111's rule.
    """
    ids = components.tokenizers[0](text, add_special_tokens=False)["input_ids"][:count]
    rows = [ids[place * len(ids) // count] for place in range(count)] if ids else []
    result = []
    for encoder, width in zip(components.text_encoders, components.token_widths, strict=True):
        table = _inner(encoder).embeddings.token_embedding.weight
        result.append(table[rows].detach().clone().float().cpu() if rows else torch.zeros(count, width))
    return tuple(result)


def _inner(text_encoder: nn.Module) -> Any:
    """Gives the module that has `embeddings` and `final_layer_norm`: transformers flattened CLIPTextModel in 5.6."""
    return getattr(text_encoder, "text_model", text_encoder)


def _vectors_for(slot: Slot, vectors: Mapping[str, Tensor]) -> Tensor:
    if slot.name not in vectors:
        raise EmbeddingError(
            f"the prompt names the embedding {slot.name!r}, but it was given no vectors for this model"
        )
    found = vectors[slot.name]
    if found.shape[0] != slot.vectors:
        raise EmbeddingError(f"{slot.name} holds {found.shape[0]} vectors, but the prompt was cut for {slot.vectors}")
    return found


def _token_ids(components: Components, number: int, rows: Sequence[Chunk]) -> Tensor:
    """Start token, the chunk, end token, padding; SD 2 and XL's second encoder pad with another token than the end."""
    tokenizer = components.tokenizers[number]
    length = components.chunk_length
    full = []
    for chunk in rows:
        padding = [tokenizer.pad_token_id] * (length - len(chunk.token_ids))
        full.append([tokenizer.bos_token_id, *chunk.token_ids, tokenizer.eos_token_id, *padding])
    return torch.tensor(full, device=components.device)


def _weights(components: Components, rows: Sequence[Chunk]) -> Tensor | None:
    """Gives the weights [rows, T] with 1 at start, end and padding; None where all are 1."""
    if not any(weight != 1.0 for chunk in rows for weight in chunk.weights):
        return None
    full = torch.ones(len(rows), components.chunk_length + 2)
    for row, chunk in enumerate(rows):
        full[row, 1 : 1 + len(chunk.weights)] = torch.tensor(chunk.weights)
    return full.to(components.device)


def check_clip_skip(components: Components, clip_skip: int) -> None:
    """Raises SettingsError where the text encoder has fewer layers than `clip_skip` counts back."""
    layers = components.text_encoders[0].config.num_hidden_layers
    if clip_skip > layers:
        raise SettingsError(
            f"clip_skip is {clip_skip}, but {components.name}'s text encoder has {layers} layers: use less",
            field="clip_skip",
        )


def heeds_clip_skip(components: Components) -> bool:
    """Says whether clip skip changes anything: Stable Diffusion 2's and XL's encoders pass over it, as in A1111.

    That the encoder is open_clip's (Stable Diffusion 2) its activation tells.
    """
    return not components.has_pooled_text and components.text_encoders[0].config.hidden_act != "gelu"


def _chosen_layer(components: Components, encoder: Any, output: Any, clip_skip: int) -> Tensor:
    if components.has_pooled_text:
        return output.hidden_states[-2]
    if clip_skip == 1 or not heeds_clip_skip(components):
        return output.last_hidden_state
    check_clip_skip(components, clip_skip)
    return _inner(encoder).final_layer_norm(output.hidden_states[-clip_skip])
