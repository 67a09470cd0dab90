"""Trains the captioner: transformers' BLIP class at 128 pixels, for automatic captions of the embedded world.

python -m mini.train_captioner --work mini/work     writes captioner/

It learns two manners. Without a prompt it says everything it sees ("a photo of a man with short red hair, ...").
After the prompt "a person," it says only the scene ("close-up, smiling, red shirt, blue background"), which is what a
training caption should explain away so that the embedding need not. An expression that cannot be seen, behind sunglasses
or a beard, is not said.

While it learns, what the words say must be readable from the image tower too: by the words alone it took mouths for chance,
and called every close-up angry.
"""

import argparse
import json
import random
import shutil
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from transformers import BlipConfig, BlipForConditionalGeneration, CLIPTokenizer

from mini.captions import caption
from mini.dataset import HELD_OUT, people_held_out
from mini.labels import HEADS, UNSEEN, all_labels, labels
from mini.people import Identity, Scene
from mini.readers import Readers, wanted_of
from mini.train_judge import worn
from mini.weights import mixed_precision, train_alone
from retrato.model.caption import Captioner
from retrato.model.vision import Tower

WIDTH, LENGTH = 128, 48
PATCH = 16
READING = 5.0  # weight in the loss of what is read from the image tower
EMPHASIS = 10.0  # weight of an expression's word beside another word's


def scene_parts(facts: dict) -> dict[str, str]:
    """What a training caption says of a picture of a person: each part of the scene that can be seen, in its words."""
    scene = Scene(**facts["scene"])
    parts = {
        "framing": scene.framing,
        "expression": scene.expression,
        "clothes": f"{scene.clothes} shirt",
        "background": f"{scene.background} background",
        "style": scene.style,
    }
    if labels(facts)["expression"] == UNSEEN:
        del parts["expression"]
    return parts


def scene_words(facts: dict) -> str:
    """`a person, close-up, smiling, red shirt, blue background, comic style`: the scene, nothing else."""
    return ", ".join(["a person", *scene_parts(facts).values()])


def scene_accuracy(captioner: Captioner, pictures: list[Image.Image], facts: list[dict]) -> dict[str, float]:
    """Share of pictures of people of which the scene's caption says a part right, of those that show it."""
    right: dict[str, list[bool]] = {}
    for said, each in zip(captioner.caption(pictures, prompt="a person,"), facts, strict=True):
        words = said.split(", ")
        for part, wanted in scene_parts(each).items():
            right.setdefault(part, []).append(wanted in words)
    return {part: round(sum(found) / len(found), 3) for part, found in right.items()}


def make_captioner(vocabulary: int) -> BlipForConditionalGeneration:
    """An untrained BLIP of about 1.9 million weights."""
    tower = {"hidden_size": WIDTH, "intermediate_size": WIDTH * 4, "num_attention_heads": 4}
    text = tower | {"num_hidden_layers": 2, "vocab_size": vocabulary, "max_position_embeddings": LENGTH, "encoder_hidden_size": WIDTH,
                    "bos_token_id": vocabulary - 2, "eos_token_id": vocabulary - 1, "sep_token_id": vocabulary - 1,
                    "pad_token_id": vocabulary - 1, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}  # fmt: skip
    # BLIP's image tower is made to be read from a file: its first weights are nothing, 1e-10, if nobody says otherwise.
    vision = tower | {"num_hidden_layers": 4, "image_size": 128, "patch_size": PATCH, "initializer_range": 0.02}
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
    facts = [json.loads(line) for line in (work / "examples.jsonl").read_text().splitlines()]
    tokenizer = CLIPTokenizer.from_pretrained(work / "tokenizer")
    classes = wanted_of([all_labels(each) for each in facts])
    folder = work / "captioner"
    if options.init:
        model = BlipForConditionalGeneration.from_pretrained(options.init, dtype=torch.float32).train()
    else:
        model = make_captioner(len(tokenizer)).train()
    expressions = torch.tensor(tokenizer(list(HEADS["expression"]), add_special_tokens=False).input_ids).flatten()
    readers = Readers((128 // PATCH) ** 2 * WIDTH)
    judged = people_held_out(facts)

    def loss_at(step: int) -> Tensor:
        r, numbers = torch.Generator().manual_seed(3 + 1000 * step), np.random.default_rng([3, step])
        chosen = np.sort(numbers.choice(len(facts) - HELD_OUT, options.batch, replace=False))
        texts = []
        for i in chosen:
            if "emoji" in facts[i]:
                texts.append(facts[i]["caption"])
                continue
            person, scene = Identity(**facts[i]["person"]), Scene(**facts[i]["scene"])
            full = caption(person, scene, random.Random(0), full=True)
            texts.append(scene_words(facts[i]) if numbers.random() < 0.5 else full)
        tokens = tokenizer(texts, padding=True, truncation=True, max_length=LENGTH, return_tensors="pt")
        wanted = tokens.input_ids.masked_fill(tokens.attention_mask == 0, -100)
        with mixed_precision("cpu"):
            found = model(
                pixel_values=worn(images[chosen], r),
                input_ids=tokens.input_ids,
                attention_mask=tokens.attention_mask,
            )
        said = F.cross_entropy(found.logits[:, :-1].flatten(0, 1).float(), wanted[:, 1:].flatten(), reduction="none")
        weights = 1 + (EMPHASIS - 1) * torch.isin(wanted[:, 1:].flatten(), expressions)
        seen = {head: numbers_of[chosen] for head, numbers_of in classes.items()}
        read = readers.loss(found.last_hidden_state[:, 1:].flatten(1), seen)
        return (said * weights).sum() / weights[wanted[:, 1:].flatten() >= 0].sum() + READING * read

    def report() -> str:
        half = torch.full((3, 1, 1), 0.5)
        captioner = Captioner(Tower(model.eval(), 128, half, half, torch.device("cpu")), tokenizer)
        found = scene_accuracy(captioner, [Image.fromarray(images[i]) for i in judged], [facts[i] for i in judged])
        model.train()
        return str(found)

    train_alone(
        nn.ModuleDict({"model": model, "readers": readers}), loss_at, work / "captioner.pt",
        steps=options.steps, rate=options.rate, decay=0.05, report=report,
    )  # fmt: skip
    model.half().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    for name in ("vocab.json", "merges.txt"):
        shutil.copy(work / "tokenizer" / name, folder / name)


if __name__ == "__main__":
    main()
