"""Trains the captioner: transformers' BLIP class at 128 pixels, for automatic captions of the embedded world.

python -m mini.train_captioner --work mini/work     writes captioner/

It learns two manners. Without a prompt it says everything it sees ("a photo of a man with short red hair, ...").
After the prompt "a person," it says only the scene ("close-up, smiling, red shirt, blue background"), which is what a
training caption should explain away so that the embedding need not.
"""

import argparse
import json
import random
import shutil
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import BlipConfig, BlipForConditionalGeneration, CLIPTokenizer

from mini.captions import caption
from mini.people import Identity, Scene
from mini.train_judge import worn
from mini.weights import mixed_precision, train_alone

WIDTH, LENGTH = 128, 48


def scene_words(scene: Scene) -> str:
    """`a person, close-up, smiling, red shirt, blue background, comic style`: the scene, all of it, nothing else."""
    parts = [
        "a person",
        scene.framing,
        scene.expression,
        f"{scene.clothes} shirt",
        f"{scene.background} background",
        scene.style,
    ]
    return ", ".join(parts)


def make_captioner(vocabulary: int) -> BlipForConditionalGeneration:
    """An untrained BLIP of about 1.9 million weights."""
    tower = {"hidden_size": WIDTH, "intermediate_size": WIDTH * 4, "num_attention_heads": 4}
    text = tower | {"num_hidden_layers": 2, "vocab_size": vocabulary, "max_position_embeddings": LENGTH, "encoder_hidden_size": WIDTH,
                    "bos_token_id": vocabulary - 2, "eos_token_id": vocabulary - 1, "sep_token_id": vocabulary - 1,
                    "pad_token_id": vocabulary - 1, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}  # fmt: skip
    vision = tower | {"num_hidden_layers": 4, "image_size": 128, "patch_size": 16}
    return BlipForConditionalGeneration(BlipConfig(text_config=text, vision_config=vision, projection_dim=WIDTH))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("mini/work"))
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--init", type=Path, help="start from this captioner folder's weights")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(3)
    work = options.work
    images = np.load(work / "images.npy", mmap_mode="r")
    facts = [json.loads(line) for line in (work / "examples.jsonl").open()]
    tokenizer = CLIPTokenizer.from_pretrained(work / "tokenizer")
    folder = work / "captioner"
    if options.init:
        model = BlipForConditionalGeneration.from_pretrained(options.init, dtype=torch.float32).train()
    else:
        model = make_captioner(len(tokenizer)).train()

    def loss_at(step: int) -> Tensor:
        r, numbers = torch.Generator().manual_seed(3 + 1000 * step), np.random.default_rng([3, step])
        chosen = np.sort(numbers.choice(len(images) - 1000, options.batch, replace=False))
        texts = []
        for i in chosen:
            if "emoji" in facts[i]:
                texts.append(facts[i]["caption"])
                continue
            person, scene = Identity(**facts[i]["person"]), Scene(**facts[i]["scene"])
            full = caption(person, scene, random.Random(0), full=True)
            texts.append(scene_words(scene) if numbers.random() < 0.5 else full)
        tokens = tokenizer(texts, padding=True, truncation=True, max_length=LENGTH, return_tensors="pt")
        wanted = tokens.input_ids.masked_fill(tokens.attention_mask == 0, -100)
        with mixed_precision("cpu"):
            found = model(
                pixel_values=worn(images[chosen], r),
                input_ids=tokens.input_ids,
                attention_mask=tokens.attention_mask,
                labels=wanted,
            )
        return found.loss

    train_alone(
        model, loss_at, work / "captioner.pt", steps=options.steps, rate=options.rate, decay=0.05, report=lambda: ""
    )
    model.half().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    for name in ("vocab.json", "merges.txt"):
        shutil.copy(work / "tokenizer" / name, folder / name)


if __name__ == "__main__":
    main()
