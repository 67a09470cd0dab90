"""Trains the independent judge: a convolutional network that names what is on a picture and tells people apart.

python -m mini.train_judge --work mini/work     writes judge.safetensors

It measures: no training and no pick computes anything by it, though the recipe's defaults were chosen by its figures.
It learns on other people (odd numbers of the people set) and with another architecture than the scorer.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mini.labels import HEADS, UNSEEN, labels
from mini.weights import mixed_precision, train_alone

HELD_OUT = 800  # pictures of people at the end of a set that it is measured on


class Judge(nn.Module):
    """pixels [B, 3, 128, 128] in [-1, 1] -> logits per head, or a unit vector [B, 128] of who it is."""

    def __init__(self) -> None:
        super().__init__()

        def block(into: int, out: int, stride: int) -> nn.Sequential:
            return nn.Sequential(nn.Conv2d(into, out, 3, stride, 1), nn.GroupNorm(8, out), nn.SiLU())

        self.body = nn.Sequential(
            block(3, 32, 2), block(32, 64, 2), block(64, 64, 1), block(64, 128, 2), block(128, 128, 1), block(128, 192, 2), block(192, 192, 1)
        )  # fmt: skip
        self.heads = nn.ModuleDict({head: nn.Linear(192 * 64, len(classes)) for head, classes in HEADS.items()})
        self.who = nn.Linear(192 * 16, 128)

    def forward(self, pixels: Tensor) -> dict[str, Tensor]:
        """Logits per head."""
        return self.named(self.body(pixels))

    def named(self, features: Tensor) -> dict[str, Tensor]:
        """Logits per head from the body's [B, 192, 8, 8]; all of it, because the head of a full figure is one place of it."""
        return {head: layer(features.flatten(1)) for head, layer in self.heads.items()}

    def identity(self, pixels: Tensor) -> Tensor:
        """Unit vectors [B, 128]; the cosine of two says how alike their people are."""
        return self.known(self.body(pixels))

    def known(self, features: Tensor) -> Tensor:
        """Unit vectors [B, 128] from the body's [B, 192, 8, 8], reduced to four by four."""
        return F.normalize(self.who(F.adaptive_avg_pool2d(features, 4).flatten(1)).float(), dim=1)


def load_judge(path: Path) -> Judge:
    """The trained judge, frozen."""
    judge = Judge()
    judge.load_state_dict({name: value.float() for name, value in load_file(path).items()})
    return judge.eval().requires_grad_(False)


def worn(images: np.ndarray, r: torch.Generator) -> Tensor:
    """Pixels moved, sized and mirrored a little, with some noise and, half of the time, some blur.

    Drawings are never as clean as renders, and renders are fewer than the ways in which faces can lie on the pixels.
    """
    x = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float() / 127.5 - 1
    count = len(x)
    size = 1 + 0.08 * (2 * torch.rand(count, generator=r) - 1)
    turned = torch.zeros(count, 2, 3)
    turned[:, 0, 0] = size * (2.0 * (torch.rand(count, generator=r) < 0.5) - 1)
    turned[:, 1, 1] = size
    turned[:, :, 2] = 0.06 * (2 * torch.rand(count, 2, generator=r) - 1)
    x = F.grid_sample(x, F.affine_grid(turned, list(x.shape), False), padding_mode="border", align_corners=False)
    if torch.rand((), generator=r) < 0.5:
        x = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1) * 0.6 + x * 0.4
    return x + torch.randn(x.shape, generator=r) * 0.1 * torch.rand(count, 1, 1, 1, generator=r)


def supervised_contrastive(vectors: Tensor, who: Tensor, temperature: float = 0.1) -> Tensor:
    """Pulls pictures of one person together and others apart (Khosla 2020, arXiv:2004.11362, L_out)."""
    similar = vectors @ vectors.T / temperature
    self_mask = torch.eye(len(who), dtype=torch.bool)
    similar = similar.masked_fill(self_mask, -1e9)
    positive = (who[:, None] == who[None]) & ~self_mask
    log_share = similar - similar.logsumexp(1, keepdim=True)
    return -(log_share * positive).sum(1).div(positive.sum(1).clamp(min=1)).mean()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("mini/work"))
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--init", type=Path, help="start from these weights; their state goes on if there is one")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(5)
    images, classes = labelled(options.work)
    hard_images, hard_classes = labelled(options.work / "hard")
    shown, hard = np.array(list(classes)), np.array(list(hard_classes))
    train, test = shown[:-HELD_OUT], shown[-HELD_OUT:]
    people = np.load(options.work / "people/images.npy", mmap_mode="r")
    per_person, persons = 5, np.arange(1, len(people) // 5, 2)
    judge = load_judge(options.init).train().requires_grad_(True) if options.init else Judge()

    def loss_at(step: int) -> Tensor:
        r, numbers = torch.Generator().manual_seed(5 + 1000 * step), np.random.default_rng([5, step])
        chosen, chosen_hard = (np.sort(numbers.choice(each, 20, replace=False)) for each in (train, hard))
        who = numbers.choice(persons, 12, replace=False)
        pictures = np.concatenate([p * per_person + numbers.choice(per_person, 2, replace=False) for p in who])
        x = worn(np.concatenate([images[chosen], hard_images[chosen_hard], people[pictures]]), r)
        said = [classes[i] for i in chosen] + [hard_classes[i] for i in chosen_hard]
        with mixed_precision("cpu"):
            features = judge.body(x)
            logits, vectors = judge.named(features[:40]), judge.known(features[40:])
        loss = 0.5 * supervised_contrastive(vectors, torch.from_numpy(np.repeat(who, 2)))
        for head in HEADS:
            wanted = torch.tensor([each[head] for each in said])
            loss = loss + F.cross_entropy(logits[head].float(), wanted, ignore_index=UNSEEN)
        return loss

    train_alone(
        judge, loss_at, options.work / "judge.pt", steps=options.steps, rate=2e-3, decay=0.02,
        report=lambda: str(accuracy(judge, images, test, classes)),
    )  # fmt: skip
    half = {name: value.half().contiguous() for name, value in judge.state_dict().items()}
    save_file(half, options.work / "judge.safetensors")


def labelled(work: Path) -> tuple[np.ndarray, dict[int, dict[str, int]]]:
    """The pictures of a set, and the class numbers of those that show a person."""
    facts = [json.loads(line) for line in (work / "examples.jsonl").read_text().splitlines()]
    shown = {i: labels(fact) for i, fact in enumerate(facts) if "person" in fact}
    return np.load(work / "images.npy", mmap_mode="r"), shown


def accuracy(
    judge: Judge, images: np.ndarray, test: np.ndarray, classes: dict[int, dict[str, int]]
) -> dict[str, float]:
    """Share of right answers per head on renders it never saw."""
    right: dict[str, list[bool]] = {head: [] for head in HEADS}
    with torch.no_grad():
        for start in range(0, len(test), 64):
            part = test[start : start + 64]
            x = torch.from_numpy(np.array(images[part])).permute(0, 3, 1, 2).float() / 127.5 - 1
            for head, logits in judge(x).items():
                answers = logits.argmax(1).tolist()
                right[head] += [
                    a == classes[i][head] for a, i in zip(answers, part, strict=True) if classes[i][head] >= 0
                ]
    return {head: round(float(np.mean(found)), 4) for head, found in right.items()}


if __name__ == "__main__":
    main()
