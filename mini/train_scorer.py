"""Trains the scorer: a small CLIP for pictures against words, and an identity tower for pictures of one person.

python -m mini.train_scorer --work mini/work     writes scorer/text_image (CLIPModel) and scorer/identity
(CLIPVisionModelWithProjection), both transformers' own classes.

One vision tower learns three things at once: to match captions (Radford 2021, arXiv:2103.00020), to bring pictures of
one person together (Khosla 2020, arXiv:2004.11362), and to name attributes (a help in learning, thrown away).
"""

import argparse
import json
import shutil
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer, CLIPVisionConfig, CLIPVisionModelWithProjection

from mini.labels import HEADS, MORE_HEADS, UNSEEN, all_labels
from mini.tokens import LENGTH
from mini.train_autoencoder import pixels
from mini.train_judge import supervised_contrastive, worn
from mini.weights import mixed_precision, train_alone

WIDTH, LAYERS, PATCH, IMAGE = 128, 4, 16, 128


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("mini/work"))
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--init", type=Path, help="start from this scorer folder's weights")
    parser.add_argument(
        "--batch", type=int, default=64, help="pictures with captions; beside them come 24 pairs of one person"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(2)
    work = options.work
    images = np.load(work / "images.npy", mmap_mode="r")
    ids = torch.from_numpy(np.load(work / "ids.npy").astype(np.int64))
    facts = [json.loads(line) for line in (work / "examples.jsonl").open()]
    classes = [all_labels(f) for f in facts]
    people = np.load(work / "people/images.npy", mmap_mode="r")
    persons, per_person = np.arange(0, len(people) // 5, 2), 5
    train = np.arange(len(images) - 1000)
    tokenizer = CLIPTokenizer.from_pretrained(work / "tokenizer")
    clip, who_layer = make_clip(len(tokenizer)), nn.Linear(WIDTH, WIDTH, bias=False)
    if options.init:
        clip = CLIPModel.from_pretrained(options.init / "text_image", dtype=torch.float32).train()
        identity = CLIPVisionModelWithProjection.from_pretrained(options.init / "identity", dtype=torch.float32)
        who_layer.weight.data.copy_(identity.visual_projection.weight.data)
    heads = nn.ModuleDict({head: nn.Linear(WIDTH, len(names)) for head, names in (HEADS | MORE_HEADS).items()})

    def loss_at(step: int) -> Tensor:
        r, numbers = torch.Generator().manual_seed(2 + 1000 * step), np.random.default_rng([2, step])
        chosen = np.sort(numbers.choice(train, options.batch, replace=False))
        who = numbers.choice(persons, 24, replace=False)
        pairs = np.concatenate([p * per_person + numbers.choice(per_person, 2, replace=False) for p in who])
        x = worn(np.concatenate([images[chosen], people[pairs]]), r)
        tokens = ids[chosen, numbers.integers(ids.shape[1])]
        with mixed_precision("cpu"):
            pooled = clip.vision_model(x).pooler_output
            seen = F.normalize(clip.visual_projection(pooled[: options.batch]).float(), dim=1)
            said = clip.text_model(tokens).pooler_output
            said = F.normalize(clip.text_projection(said).float(), dim=1)
            who_vectors = F.normalize(who_layer(pooled[options.batch :]).float(), dim=1)
            named = {head: layer(pooled[: options.batch]) for head, layer in heads.items()}
        match = clip.logit_scale.exp().clamp(max=50) * seen @ said.T
        target = torch.arange(options.batch)
        loss = (F.cross_entropy(match, target) + F.cross_entropy(match.T, target)) / 2
        loss = loss + supervised_contrastive(who_vectors, torch.from_numpy(np.repeat(who, 2)))
        for head, logits in named.items():
            wanted = torch.tensor([classes[i][head] for i in chosen])
            if (wanted != UNSEEN).any():
                loss = loss + 0.3 * F.cross_entropy(logits.float(), wanted, ignore_index=UNSEEN)
        return loss

    train_alone(
        nn.ModuleList([clip, who_layer, heads]), loss_at, work / "scorer.pt", steps=options.steps, rate=options.rate,
        decay=0.05, report=lambda: f"caption of 200 found {found_captions(clip, images, ids):.3f}",
    )  # fmt: skip
    export(clip, who_layer, tokenizer, work)


@torch.no_grad()
def found_captions(clip: CLIPModel, images: np.ndarray, ids: Tensor, count: int = 200) -> float:
    """Share of the last `count` pictures, never trained on, whose own caption is the nearest of all."""
    seen = F.normalize(clip.visual_projection(clip.vision_model(pixels(images[-count:])).pooler_output), dim=1)
    said = F.normalize(clip.text_projection(clip.text_model(ids[-count:, 1]).pooler_output), dim=1)
    return float((seen @ said.T).argmax(1).eq(torch.arange(count)).float().mean())


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
