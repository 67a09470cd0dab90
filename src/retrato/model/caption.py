"""The captioner: one sentence for a picture, by a BLIP model: a model's own, or a folder.

Greedy, so the same picture always gets the same words. Knows nothing of photos on disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from retrato.errors import ModelError
from retrato.model.device import choose_device
from retrato.model.load import model_path
from retrato.model.quiet import import_quietly
from retrato.model.vision import Tower, model_type, read_tower

AT_ONCE = 16
LONGEST_CAPTION = 40
PERSON = "a person,"


@dataclass(frozen=True, slots=True)
class Captioner:
    """Says what is in pictures."""

    blip: Tower
    tokenizer: Any

    @torch.no_grad()
    def caption(self, images: Sequence[Image.Image], prompt: str = "") -> list[str]:
        """Gives one caption per picture, of at most 40 tokens; each picture is seen as its centre square.

        With a `prompt` such as "a person," the captioner goes on from there and only what it adds is given: words for
        everything but the person, where the model learned to speak so (BLIP's conditional captions, arXiv:2201.12086).
        A long one is cut to half of the tokens that the model can read.
        """
        places = int(self.blip.model.config.text_config.max_position_embeddings)
        begun = self.tokenizer(prompt, truncation=True, max_length=places // 2, return_tensors="pt")
        begun = begun.to(self.blip.device)  # nothing said is start, end
        said_before = begun.input_ids.shape[1] - 1  # tokens: BLIP leaves out the end, and gives the others back
        captions: list[str] = []
        for start in range(0, len(images), AT_ONCE):
            pixels = self.blip.pixels(images[start : start + AT_ONCE])
            tokens = self.blip.model.generate(
                pixel_values=pixels,
                input_ids=begun.input_ids.repeat(len(pixels), 1),
                attention_mask=begun.attention_mask.repeat(len(pixels), 1),
                max_new_tokens=min(LONGEST_CAPTION, places - said_before),
                num_beams=1,
                do_sample=False,
            )
            captions += map(_tidy, self.tokenizer.batch_decode(tokens[:, said_before:], skip_special_tokens=True))
        return captions

    def beside(self, image: Image.Image) -> str:
        """Gives the caption to learn a photo by, as training asks for it: words for everything but the person."""
        return self.caption([image], PERSON)[0]


def load_captioner(source: str | Path = "mini", *, device: str = "auto") -> Captioner:
    """Gives the captioner at `source`.

    That is a model (`mini` or a folder) which brings one in its `captioner` folder, or a BLIP folder itself. Raises
    ModelError when there is none.
    """
    folder = _blip_folder(source)
    chosen = choose_device(device).device
    import_quietly()
    from transformers import AutoTokenizer, BlipForConditionalGeneration

    try:
        blip = read_tower(BlipForConditionalGeneration, folder, chosen)
        return Captioner(blip, AutoTokenizer.from_pretrained(str(folder), local_files_only=True))
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise ModelError(f"{folder} cannot be loaded, a part of it is missing or broken: {error}") from error


def _blip_folder(source: str | Path) -> Path:
    folder = model_path(source)
    if model_type(folder) == "blip":
        return folder
    if not (folder / "captioner").is_dir():
        raise ModelError(f"{folder} has no captioner folder: write captions into .txt files beside the photos")
    return folder / "captioner"


def _tidy(text: str) -> str:
    """Gives the words without the spaces that tokens put around marks, and without marks at their start."""
    return " ".join(text.split()).replace(" ,", ",").replace(" - ", "-").lstrip(" ,")
