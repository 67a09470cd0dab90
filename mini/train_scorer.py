"""Trains the scorer: a small CLIP for pictures against words, and an identity tower for pictures of one person.

python -m mini.train_scorer --work mini/work     writes scorer/text_image (CLIPModel) and scorer/identity
(CLIPVisionModelWithProjection), both transformers' own classes.

One vision tower learns four things at once: to match captions (Radford 2021, arXiv:2103.00020), to prefer a caption to
the same with one attribute wrong (Yuksekgonul 2023, arXiv:2210.01936), to bring pictures of one person together (Khosla
2020, arXiv:2004.11362), and to name attributes (a help in learning, thrown away). Without the second it needed no
mouths to match captions, as clothes and background are enough for that, and a frown was a smile to it.
"""

import argparse
import dataclasses
import json
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer, CLIPVisionConfig, CLIPVisionModelWithProjection

from mini.captions import caption
from mini.dataset import HELD_OUT, people_held_out
from mini.labels import HEADS, MORE_HEADS, UNSEEN, all_labels
from mini.people import EXPRESSIONS, Identity, Scene
from mini.readers import Readers, wanted_of
from mini.tokens import LENGTH
from mini.train_autoencoder import pixels
from mini.train_judge import supervised_contrastive, worn
from mini.weights import mixed_precision, train_alone

WIDTH, LAYERS, PATCH, IMAGE = 128, 4, 16, 128
# Weights in the loss of what is read from the image tower: from all its places, and from its one vector, which finds small things late.
READ_PLACES, READ_VECTOR, CHOOSING = 3.0, 10.0, 2.0
SMALL = {"expression": 4.0, "hair": 2.0, "beard": 2.0}
PAIRS = 16  # of pictures of one person, in each step
SWAPPED = ("expression", "clothes", "background", "skin", "hair", "hair_colour", "beard", "glasses")


def make_clip(vocabulary: int) -> CLIPModel:
    """An untrained CLIP of 1.6 million weights for pictures of 128 pixels."""
    tower = {"hidden_size": WIDTH, "intermediate_size": WIDTH * 4, "num_attention_heads": 4}
    return CLIPModel(
        CLIPConfig(
            text_config=tower | {"num_hidden_layers": 2, "vocab_size": vocabulary, "max_position_embeddings": LENGTH,
                                 "bos_token_id": vocabulary - 2, "eos_token_id": vocabulary - 1, "pad_token_id": vocabulary - 1},
            vision_config=tower | {"num_hidden_layers": LAYERS, "image_size": IMAGE, "patch_size": PATCH},
            projection_dim=WIDTH,
        )
    )  # fmt: skip


def said(facts: dict, seed: int, head: str = "", value: str = "") -> str:
    """A caption of a picture, half of them of all that there is to say; `head` may be said to be another `value`."""
    if "emoji" in facts:
        return facts["caption"]
    person, scene = Identity(**facts["person"]), Scene(**facts["scene"])
    other: dict[str, Any] = {head: value}
    if head in facts["person"]:
        person = dataclasses.replace(person, **other)
    elif head:
        scene = dataclasses.replace(scene, **other)
    return caption(person, scene, random.Random(seed), full=seed % 2 == 0)


def other_values(facts: dict, head: str) -> list[str]:
    """What an attribute of the picture could be and is not; nothing where it is not to be seen."""
    if all_labels(facts)[head] == UNSEEN:
        return []
    values = facts["person"] | facts["scene"]
    all_values = EXPRESSIONS[values["style"]] if head == "expression" else (HEADS | MORE_HEADS)[head]
    return [value for value in all_values if value != values[head]]


def with_one_wrong(facts: dict, seed: int) -> tuple[str, str, str]:
    """A caption of a picture, the same with another expression, and the same with another attribute wrong.

    A wrong one equals the right one where it could not be told from it.
    """
    right, r = said(facts, seed), random.Random(seed)
    wrong = []
    for head in ("expression", r.choice(SWAPPED)):
        values = other_values(facts, head) if "person" in facts else []
        wrong.append(said(facts, seed, head, r.choice(values)) if values else right)
    expression, another = wrong
    return right, expression, another


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("mini/work"))
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--init", type=Path, help="start from this scorer folder's weights")
    parser.add_argument("--batch", type=int, default=64, help="pictures with captions, beside the pairs of one person")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(2)
    work = options.work
    images = np.load(work / "images.npy", mmap_mode="r")
    facts = [json.loads(line) for line in (work / "examples.jsonl").read_text().splitlines()]
    classes = wanted_of([all_labels(f) for f in facts])
    people = np.load(work / "people/images.npy", mmap_mode="r")
    persons, per_person = np.arange(0, len(people) // 5, 2), 5
    judged = people_held_out(facts)
    tokenizer = CLIPTokenizer.from_pretrained(work / "tokenizer")
    clip, who_layer = make_clip(len(tokenizer)), nn.Linear(WIDTH, WIDTH, bias=False)
    if options.init:
        clip = CLIPModel.from_pretrained(options.init / "text_image", dtype=torch.float32).train()
        identity = CLIPVisionModelWithProjection.from_pretrained(options.init / "identity", dtype=torch.float32)
        who_layer.weight.data.copy_(identity.visual_projection.weight.data)
    from_vector, from_places = Readers(WIDTH), Readers((IMAGE // PATCH) ** 2 * WIDTH)
    readers = nn.ModuleList([from_vector, from_places])

    def loss_at(step: int) -> Tensor:
        r, numbers = torch.Generator().manual_seed(2 + 1000 * step), np.random.default_rng([2, step])
        chosen = np.sort(numbers.choice(len(facts) - HELD_OUT, options.batch, replace=False))
        who = numbers.choice(persons, PAIRS, replace=False)
        pairs = np.concatenate([p * per_person + numbers.choice(per_person, 2, replace=False) for p in who])
        x = worn(np.concatenate([images[chosen], people[pairs]]), r)
        captions = [with_one_wrong(facts[i], int(numbers.integers(1 << 30))) for i in chosen]
        with mixed_precision("cpu"):
            vision = clip.vision_model(x)
            pooled, places = vision.pooler_output, vision.last_hidden_state[: options.batch, 1:]
            seen = F.normalize(clip.visual_projection(pooled[: options.batch]).float(), dim=1)
            texts = embedded(clip, tokenizer, [text for texts in zip(*captions, strict=True) for text in texts])
            who_vectors = F.normalize(who_layer(pooled[options.batch :]).float(), dim=1)
        texts = texts.view(3, options.batch, WIDTH)
        scale = clip.logit_scale.exp().clamp(max=50)
        match = scale * seen @ texts[0].T
        target = torch.arange(options.batch)
        loss = (F.cross_entropy(match, target) + F.cross_entropy(match.T, target)) / 2
        same = torch.tensor([[False, *(wrong == right for wrong in wrongs)] for right, *wrongs in captions])
        choice = (scale * (seen * texts).sum(2).T).masked_fill(same, -1e9)
        loss = loss + CHOOSING * F.cross_entropy(choice, torch.zeros(options.batch, dtype=torch.long))
        loss = loss + supervised_contrastive(who_vectors, torch.from_numpy(np.repeat(who, 2)))
        wanted = {head: labels[chosen] for head, labels in classes.items()}
        loss = loss + READ_VECTOR * from_vector.loss(pooled[: options.batch], wanted, SMALL)
        return loss + READ_PLACES * from_places.loss(places.flatten(1), wanted)

    def report() -> str:
        pictures = torch.cat([pixels(images[judged[start : start + 50]]) for start in range(0, len(judged), 50)])
        return str(told_apart(clip, tokenizer, pictures, [facts[i] for i in judged]))

    train_alone(
        nn.ModuleList([clip, who_layer, readers]), loss_at, work / "scorer.pt", steps=options.steps, rate=options.rate,
        decay=0.05, report=report,
    )  # fmt: skip
    export(clip, who_layer, tokenizer, work)


def embedded(clip: CLIPModel, tokenizer: CLIPTokenizer, texts: list[str]) -> Tensor:
    """Unit vectors [N, WIDTH] of texts."""
    tokens = tokenizer(texts, padding=True, truncation=True, max_length=LENGTH, return_tensors="pt")
    return F.normalize(clip.text_projection(clip.text_model(tokens.input_ids).pooler_output).float(), dim=1)


@torch.no_grad()
def told_apart(clip: CLIPModel, tokenizer: CLIPTokenizer, pictures: Tensor, facts: list[dict]) -> dict[str, float]:
    """Share of pictures of people, each [3, 128, 128], whose full caption is nearer than it is with any other expression, and so on."""
    seen = torch.cat([clip.visual_projection(clip.vision_model(part).pooler_output) for part in pictures.split(50)])
    right: dict[str, list[bool]] = {head: [] for head in SWAPPED}
    for vector, each in zip(seen, facts, strict=True):
        for head in SWAPPED:
            texts = [said(each, 0)] + [said(each, 0, head, value) for value in other_values(each, head)]
            if len(set(texts)) > 1:
                right[head].append(int((embedded(clip, tokenizer, texts) @ vector).argmax()) == 0)
    return {head: round(sum(found) / len(found), 3) for head, found in right.items()}


def export(clip: CLIPModel, who_layer: nn.Linear, tokenizer: CLIPTokenizer, work: Path) -> None:
    """Writes both parts as float16 folders that `from_pretrained` opens."""
    folder = work / "scorer"
    clip.half().save_pretrained(folder / "text_image")
    tokenizer.save_pretrained(folder / "text_image")
    for name in ("vocab.json", "merges.txt"):
        shutil.copy(work / "tokenizer" / name, folder / "text_image" / name)
    config = CLIPVisionConfig(**(clip.config.vision_config.to_dict() | {"projection_dim": WIDTH}))
    identity = CLIPVisionModelWithProjection(config)
    identity.vision_model.load_state_dict(clip.vision_model.state_dict())
    identity.visual_projection.weight.data = who_layer.weight.data.clone()
    identity.half().save_pretrained(folder / "identity")


if __name__ == "__main__":
    main()
