"""The scorer: how alike people look, and how well a picture says a text. Three functions to unit vectors.

It reads two folders beside a model: `scorer/text_image` (CLIPModel with tokenizer) and `scorer/identity`
(CLIPVisionModelWithProjection), or one CLIP model for both. Knows nothing of embeddings and training.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from PIL import Image
from torch import Tensor

from retrato.errors import ModelError
from retrato.files import visible
from retrato.model.device import choose_device
from retrato.model.hashes import model_hash
from retrato.model.load import model_path
from retrato.model.quiet import import_quietly
from retrato.model.vision import Tower, model_type, read_tower

AT_ONCE = 32

Thing = TypeVar("Thing")


@dataclass(frozen=True, slots=True)
class Scorer:
    """Embeds pictures and texts; results are [N, E] float32 on the CPU, of unit length: `a @ b.T` is the cosine.

    `hash` is the first 10 hex digits of the sha256 of the weights that tell people apart: which scorer it is. Without a
    tower of its own for `identity`, people are told apart by what is on the picture (CLIP-I, arXiv:2208.12242).
    """

    text_image: Tower
    identity: Tower | None
    tokenizer: Any
    hash: str

    @torch.no_grad()
    def embed_identity(self, images: Sequence[Image.Image]) -> Tensor:
        """Gives vectors that are near one another for pictures of the same person, in whatever style."""
        tower = self.identity
        if tower is None:
            return self.embed_images(images)
        return _in_parts(images, lambda part: tower.model(tower.pixels(part)).image_embeds)

    @torch.no_grad()
    def embed_images(self, images: Sequence[Image.Image]) -> Tensor:
        """Gives vectors to compare with those of `embed_texts`."""
        clip = self.text_image.model

        def features(part: Sequence[Image.Image]) -> Tensor:
            pooled: Tensor = clip.vision_model(self.text_image.pixels(part)).pooler_output
            return clip.visual_projection(pooled)

        return _in_parts(images, features)

    @torch.no_grad()
    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """Gives vectors to compare with those of `embed_images`; a text longer than the model's window is cut."""
        clip = self.text_image.model
        length = int(clip.config.text_config.max_position_embeddings)

        def features(part: Sequence[str]) -> Tensor:
            tokens = self.tokenizer(
                list(part), padding="max_length", max_length=length, truncation=True, return_tensors="pt"
            )
            pooled: Tensor = clip.text_model(tokens["input_ids"].to(self.text_image.device)).pooler_output
            return clip.text_projection(pooled)

        return _in_parts(texts, features)


def load_scorer(source: str | Path = "mini", *, device: str = "auto") -> Scorer:
    """Gives the scorer at `source`.

    That is a model (`mini` or a folder) which brings one in its `scorer` folder, such a folder itself, or a CLIP model
    as transformers saves it, for both parts. Raises ModelError when there is none.
    """
    folder = _scorer_folder(source)
    is_clip = model_type(folder) == "clip"
    text_image, identity = (folder, folder) if is_clip else (folder / "text_image", folder / "identity")
    chosen = choose_device(device).device
    import_quietly()
    from transformers import AutoTokenizer, CLIPModel, CLIPVisionModelWithProjection

    try:
        return Scorer(
            text_image=read_tower(CLIPModel, text_image, chosen),
            identity=None if is_clip else read_tower(CLIPVisionModelWithProjection, identity, chosen),
            tokenizer=AutoTokenizer.from_pretrained(str(text_image), local_files_only=True),
            hash=model_hash(visible(identity, "*.safetensors")),
        )
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise ModelError(f"{folder} cannot be loaded, a part of it is missing or broken: {error}") from error


def _scorer_folder(source: str | Path) -> Path:
    folder = model_path(source)
    if model_type(folder) == "clip" or (folder / "text_image").is_dir():
        return folder
    if not (folder / "scorer").is_dir():
        raise ModelError(f"{folder} has no scorer folder: only a model that brings one can score pictures")
    return folder / "scorer"


def _in_parts(things: Sequence[Thing], features: Callable[[Sequence[Thing]], Tensor]) -> Tensor:
    if not things:
        raise ValueError("there is nothing to score: give at least one picture or text")
    parts = [features(things[start : start + AT_ONCE]) for start in range(0, len(things), AT_ONCE)]
    return torch.nn.functional.normalize(torch.cat(parts).float(), dim=-1).cpu()
