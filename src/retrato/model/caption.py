"""The captioner: one sentence for a picture, by a BLIP model: a model's own, a folder, or one of the hub.

Greedy, so the same picture always gets the same words. Knows nothing of photos on disk.
"""

from __future__ import annotations

import json
import os
import re
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
from retrato.model.vision import Tower, read_tower

AT_ONCE = 16
LONGEST_CAPTION = 40


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
        """
        begun = self.tokenizer(prompt, return_tensors="pt").to(self.blip.device)  # nothing said is start, end
        captions: list[str] = []
        for start in range(0, len(images), AT_ONCE):
            pixels = self.blip.pixels(images[start : start + AT_ONCE])
            tokens = self.blip.model.generate(
                pixel_values=pixels,
                input_ids=begun.input_ids.repeat(len(pixels), 1),
                attention_mask=begun.attention_mask.repeat(len(pixels), 1),
                max_new_tokens=LONGEST_CAPTION,
                num_beams=1,
                do_sample=False,
            )
            texts = self.tokenizer.batch_decode(tokens, skip_special_tokens=True)
            captions += [_tidy(text, prompt) for text in texts]
        return captions


def load_captioner(source: str | Path = "mini", *, device: str = "auto") -> Captioner:
    """Gives the captioner at `source`.

    That is a model (`mini` or a folder) which brings one in its `captioner` folder, a BLIP folder itself, or a hub id
    such as `Salesforce/blip-image-captioning-base`: one that was downloaded before, or with HF_HUB_OFFLINE=0 is now.
    Raises ModelError when there is none.
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
    if re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", str(source)) and not Path(source).exists():
        return _downloaded(str(source))
    folder = model_path(source)
    if _model_type(folder) == "blip":
        return folder
    if not (folder / "captioner").is_dir():
        raise ModelError(f"{folder} has no captioner folder: write captions into .txt files beside the photos")
    return folder / "captioner"


def _model_type(folder: Path) -> str | None:
    try:
        content = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content.get("model_type") if isinstance(content, dict) else None


def _downloaded(name: str) -> Path:
    """Gives the folder of a model of the hub; raises ModelError where it is not here and cannot be fetched."""
    import_quietly()
    from huggingface_hub import snapshot_download

    try:
        folder = snapshot_download(name, allow_patterns=["*.json", "*.txt", "*.safetensors"])
    except (OSError, ValueError) as error:  # the hub's own errors are among them
        is_off = os.environ.get("HF_HUB_OFFLINE", "1") not in ("0", "", "off", "false")
        why = "downloads are switched off" if is_off else " ".join(str(error).split())[:200]
        raise ModelError(
            f"the captioner {name} is not on this machine ({why}): set HF_HUB_OFFLINE=0 to fetch it, or name its folder"
        ) from None
    return model_path(folder)


def _tidy(text: str, prompt: str) -> str:
    """Gives the words without the prompt they began with, and without the spaces that tokens put around marks."""
    words = " ".join(text.split()).replace(" ,", ",").replace(" - ", "-")
    return words.removeprefix(prompt).lstrip(" ,")
